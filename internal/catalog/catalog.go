// Package catalog owns what merchants sell: products, their plans, and the features and prices of those.
package catalog

import (
	"time"

	"portico/db"
	"portico/internal/secret"
)

// Catalog performs the operations on products and plans.
type Catalog struct {
	DB        *db.DB
	Keys      *secret.Keyring
	Now       func() time.Time
	PublicURL string // where customers reach this installation, such as https://portal.example
}
