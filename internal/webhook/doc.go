// Package webhook owns events (the outbox), the endpoints that want them, and their signed delivery.
package webhook
