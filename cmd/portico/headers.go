package main

import (
	"net/http"
	"strings"
)

// guarded has every answer tell browsers what they must not do with it. A page says for itself what it may load: its handler replaces
// Content-Security-Policy, and nothing else.
func guarded(next http.Handler, publicURL string) http.Handler {
	headers := map[string]string{
		"Content-Security-Policy":      "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy":           "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
		"Referrer-Policy":              "no-referrer",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
	}
	if strings.HasPrefix(publicURL, "https://") {
		// Not for subdomains, which may belong to others.
		headers["Strict-Transport-Security"] = "max-age=31536000"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answered := w.Header()
		for name, value := range headers {
			answered.Set(name, value)
		}
		next.ServeHTTP(w, r)
	})
}
