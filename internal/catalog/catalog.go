// Package catalog owns what merchants sell: products and their reviews, plans, and the features and prices of those.
package catalog

import (
	"time"

	"portico/db"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// Catalog performs the operations on products, their reviews, and plans.
type Catalog struct {
	DB        *db.DB
	Keys      *secret.Keyring
	Now       func() time.Time
	Webhooks  *webhook.Webhooks // is told of reviews
	PublicURL string            // where customers reach this installation, such as https://portal.example
}
