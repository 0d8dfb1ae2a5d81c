package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/catalog"
)

const (
	accessTokenTTL       = 10 * time.Minute
	accessTokenOperation = `mutation($customer: CustomerRef!, $product: ProductRef!) {
	accessTokenCreate(input: {customer: $customer, product: $product}) { token expiresAt userErrors { code } } }`
)

// accessTokens mints access tokens as launches does launch tokens: through the domain, beside a loop that does nothing but the SELECT of
// access and the library's signing, and over HTTP. What Portico reads beyond that are the claims, in a statement of their own.
func accessTokens(ctx context.Context, l *lab) ([]figure, error) {
	d, err := l.clone(ctx, l.small)
	if err != nil {
		return nil, err
	}
	defer d.drop(ctx)
	inside, err := d.domain(ctx, realTime)
	if err != nil {
		return nil, err
	}
	defer inside.db.Close()
	if err := inside.access.SigningKeysRotate(ctx); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return l.mints(ctx, d, inside, minting{
		bare: "SELECT and golang-jwt, ES256", mutation: "AccessTokenCreate", operation: accessTokenOperation,
		mintBare: func(ctx context.Context, merchant, number int64) error {
			return inside.mintAccessBare(ctx, key, merchant, number)
		},
		mint: inside.mintAccess, record: inside.recordAccess,
	})
}

func (d *domain) mintAccess(ctx context.Context, merchant, number int64) error {
	_, err := d.accessToken(ctx, account.Caller{Kind: account.KindAPIKey, MerchantID: merchant}, number)
	return err
}

func (d *domain) recordAccess(ctx context.Context, merchant, number int64) error {
	return d.recorded(ctx, merchant, "accessTokenCreate", audit.AccessToken, func(caller account.Caller) (int64, error) {
		return d.accessToken(ctx, caller, number)
	})
}

func (d *domain) accessToken(ctx context.Context, caller account.Caller, number int64) (customerID int64, err error) {
	identifier := productIdentifier
	token, err := d.access.AccessTokenCreate(ctx, caller, account.CustomerRef{Number: &number}, catalog.ProductRef{Identifier: &identifier}, accessTokenTTL)
	return token.CustomerID, err
}

// mintAccessBare signs the same claims with a key that it has.
func (d *domain) mintAccessBare(ctx context.Context, key *ecdsa.PrivateKey, merchant, number int64) error {
	identifier, now := productIdentifier, time.Now()
	row, err := d.db.AccessOf(ctx, d.db.Tenant(merchant), db.AccessOfParams{
		MerchantID: merchant, CustomerNumber: &number, ProductIdentifier: &identifier, Now: now,
	})
	if err != nil {
		return err
	}
	_, err = jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": d.access.IssuerOf(row.Shop), "aud": row.Identifier, "sub": strconv.FormatInt(number, 10), "iat": now.Unix(),
		"exp": now.Add(accessTokenTTL).Unix(), "jti": rand.Text(), "claims": map[string]any{}, "claimsVersion": 0,
		"access": map[string]any{"allowed": row.Live, "reason": "ALLOWED", "tier": row.Tier, "status": row.Status, "expiresAt": row.AccessUntil},
	}).SignedString(key)
	return err
}
