package catalog

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/secret"
)

const (
	launchSecretBytes = 32
	// MaxSecretOverlap is the longest that a new launch secret may wait, in seconds.
	MaxSecretOverlap = 7 * 24 * 60 * 60
)

// ProductSecretRoll makes a new launch secret, which is not shown again. Tokens are signed with the old one until
// ProductSecretActivate is called or the overlap, in seconds, is over: long enough for the product to learn the new one. Without an
// overlap the new one signs at once. A new secret that was still waiting gives way.
func (c *Catalog) ProductSecretRoll(
	ctx context.Context, caller account.Caller, id int64, overlap int32,
) (Product, secret.Text, error) {
	if overlap < 0 || overlap > MaxSecretOverlap {
		return Product{}, "", fault.Invalid("overlapSeconds", "must be between 0 and %d", MaxSecretOverlap)
	}
	rolled := newLaunchSecret()
	product, err := c.change(ctx, caller, id, func(tx pgx.Tx, row db.Product) error {
		now := c.Now()
		return c.DB.RollLaunchSecret(ctx, tx, db.RollLaunchSecretParams{
			MerchantID: row.MerchantID, ID: row.ID, NextCipher: c.Keys.Seal(LaunchSecretIdentity(row.ID), rolled),
			Now: now, NextAt: now.Add(time.Duration(overlap) * time.Second),
		})
	})
	if err != nil {
		return Product{}, "", fmt.Errorf("roll a launch secret: %w", err)
	}
	return product, rolled, nil
}

// ProductSecretActivate has tokens signed with the new launch secret from now on. Where none is waiting it changes nothing.
func (c *Catalog) ProductSecretActivate(ctx context.Context, caller account.Caller, id int64) (Product, error) {
	product, err := c.change(ctx, caller, id, func(tx pgx.Tx, row db.Product) error {
		return c.DB.ActivateLaunchSecret(ctx, tx, db.ActivateLaunchSecretParams{MerchantID: row.MerchantID, ID: row.ID})
	})
	if err != nil {
		return Product{}, fmt.Errorf("activate a launch secret: %w", err)
	}
	return product, nil
}

// LaunchSecretIdentity names the column that holds a product's launch secret, as Keyring.Seal and Keyring.Open want it.
func LaunchSecretIdentity(productID int64) string {
	return "product/" + strconv.FormatInt(productID, 10) + "/launch_secret"
}

// Products use the secret as a UTF-8 string, never as the bytes behind it, so it is text from the start.
func newLaunchSecret() secret.Text {
	random := make([]byte, launchSecretBytes)
	_, _ = rand.Read(random) // never fails: crypto/rand ends the program instead
	return secret.Text(base64.RawURLEncoding.EncodeToString(random))
}
