package portal

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/secret"
	"portico/internal/settings"
)

// Lifetime is how long a portal token is valid. Nothing extends it.
const Lifetime = 2 * time.Hour

const (
	// How far the clock of the server that minted a token may be ahead of the one that reads it.
	clockSkew = 5 * time.Second
	// Use of a token is recorded to this precision, so that not every request writes.
	lastUsedPrecision = time.Minute
)

// Token is a portal token as it is kept: by its jti, and never itself.
type Token struct {
	ID         int64
	CustomerID int64
	CreatedAt  time.Time // to the second
	ExpiresAt  time.Time
	LastUsedAt *time.Time // to the minute
	RevokedAt  *time.Time
}

func tokenOf(row db.PortalToken) Token {
	return Token{
		ID: row.ID, CustomerID: row.CustomerID, CreatedAt: row.IssuedAt, ExpiresAt: row.IssuedAt.Add(Lifetime),
		LastUsedAt: row.LastUsedAt, RevokedAt: row.RevokedAt,
	}
}

// Minted is a new portal token, which is not to be had again.
type Minted struct {
	Token
	Customer account.Customer
	Merchant account.Merchant
	JWT      secret.Text
	URL      secret.Text // the portal's page with the token
}

// TokenCreate mints a portal token for a customer of the caller's merchant. By e-mail address it finds only customers who have a
// subscription, in whatever state, that they pay for or that their company holds: somebody who never bought has nothing to manage,
// and an address alone is easily mistaken.
func (p *Portal) TokenCreate(ctx context.Context, caller account.Caller, ref account.CustomerRef) (Minted, error) {
	merchant, err := p.Accounts.Merchant(ctx, caller) // no caller of the portal has one: it could mint itself more time
	if err != nil {
		return Minted{}, err
	}
	customer, err := p.Accounts.Customer(ctx, caller, ref)
	if err != nil {
		return Minted{}, err
	}
	if ref.Email != nil {
		has, err := p.DB.CustomerHasSubscription(ctx, p.DB.Tenant(merchant.ID), db.CustomerHasSubscriptionParams{
			MerchantID: merchant.ID, CustomerID: customer.ID,
		})
		if err != nil {
			return Minted{}, fmt.Errorf("look for subscriptions of customer %d: %w", customer.ID, err)
		}
		if !has {
			return Minted{}, fault.NotFound("customer", "customer")
		}
	}
	return p.mint(ctx, merchant, customer)
}

func (p *Portal) mint(ctx context.Context, merchant account.Merchant, customer account.Customer) (Minted, error) {
	rules, err := settings.Of(ctx, p.DB, p.DB.Tenant(merchant.ID), merchant.ID)
	if err != nil {
		return Minted{}, err
	}
	if !rules.PortalEnabled {
		return Minted{}, fault.New(fault.CodeNotAllowedBySettings, "", "the portal is closed: open it with the setting portalEnabled")
	}
	key, err := p.signingKey(ctx, merchant.ID)
	if err != nil {
		return Minted{}, err
	}
	// The token says whole seconds, and what is stored must agree with it.
	c := claims{Customer: customer.Number, Shop: merchant.Shop, Timestamp: p.Now().Unix(), ID: rand.Text()}
	signed, err := c.sign(key)
	if err != nil {
		return Minted{}, fmt.Errorf("sign a portal token: %w", err)
	}
	row, err := p.DB.InsertPortalToken(ctx, p.DB.Tenant(merchant.ID), db.InsertPortalTokenParams{
		MerchantID: merchant.ID, CustomerID: customer.ID, Jti: c.ID, IssuedAt: time.Unix(c.Timestamp, 0).UTC(),
	})
	if err != nil {
		return Minted{}, fmt.Errorf("store a portal token: %w", err)
	}
	return Minted{
		Token: tokenOf(row), Customer: customer, Merchant: merchant, JWT: signed,
		URL: secret.Text(p.page(merchant.Shop) + "?token=" + string(signed)),
	}, nil
}

// signingKey is what signs the merchant's portal tokens and nothing else. The first token makes it.
func (p *Portal) signingKey(ctx context.Context, merchantID int64) (secret.Text, error) {
	tenant := p.DB.Tenant(merchantID)
	sealed, err := p.DB.PortalKey(ctx, tenant, merchantID)
	if db.IsNoRows(err) {
		err = p.DB.InsertPortalKey(ctx, tenant, db.InsertPortalKeyParams{
			MerchantID: merchantID, KeyCipher: p.Keys.Seal(KeyIdentity(merchantID), secret.NewKey()), CreatedAt: p.Now(),
		})
		if err == nil {
			sealed, err = p.DB.PortalKey(ctx, tenant, merchantID)
		}
	}
	if err != nil {
		return "", fmt.Errorf("find the portal key of merchant %d: %w", merchantID, err)
	}
	key, err := p.Keys.Open(KeyIdentity(merchantID), sealed)
	if err != nil {
		return "", fmt.Errorf("open the portal key of merchant %d: %w", merchantID, err)
	}
	return key, nil
}

// KeyIdentity names the column that holds a merchant's portal key, as Keyring.Seal and Keyring.Open want it.
func KeyIdentity(merchantID int64) string { return fmt.Sprintf("merchant/%d/portal_key", merchantID) }

// authenticateToken tells which customer a portal token stands for. Every use is checked against what is stored, so that revoking
// works at once. All that is wrong with a token is the same error; a valid one of a closed portal is FORBIDDEN.
func (p *Portal) authenticateToken(ctx context.Context, token secret.Text, shop string) (account.Caller, error) {
	claimed, ok := unverified(token)
	if !ok || (shop != "" && shop != claimed.Shop) {
		return account.Caller{}, account.ErrUnauthenticated
	}
	row, err := p.DB.PortalTokenByJTI(ctx, p.DB.System(), db.PortalTokenByJTIParams{Jti: claimed.ID, Shop: claimed.Shop})
	if db.IsNoRows(err) {
		return account.Caller{}, account.ErrUnauthenticated
	}
	if err != nil {
		return account.Caller{}, fmt.Errorf("find a portal token: %w", err)
	}
	stored := row.PortalToken
	key, err := p.Keys.Open(KeyIdentity(stored.MerchantID), row.KeyCipher)
	if err != nil {
		return account.Caller{}, fmt.Errorf("open the portal key of merchant %d: %w", stored.MerchantID, err)
	}
	c, ok := verified(token, key)
	if !ok || c.Customer != row.CustomerNumber || c.Timestamp != stored.IssuedAt.Unix() || stored.RevokedAt != nil ||
		!inTime(p.Now().Sub(stored.IssuedAt)) {
		return account.Caller{}, account.ErrUnauthenticated
	}
	return p.admit(ctx, stored, row.PortalEnabled)
}

// admit gives the caller that a valid token stands for, and notes that it was used.
func (p *Portal) admit(ctx context.Context, token db.PortalToken, open bool) (account.Caller, error) {
	if !open {
		return account.Caller{}, errClosed()
	}
	now := p.Now()
	if lastBefore := now.Add(-lastUsedPrecision); token.LastUsedAt == nil || !token.LastUsedAt.After(lastBefore) {
		err := p.DB.TouchPortalToken(ctx, p.DB.Tenant(token.MerchantID), db.TouchPortalTokenParams{
			MerchantID: token.MerchantID, ID: token.ID, UsedAt: &now, LastBefore: &lastBefore,
		})
		if err != nil {
			return account.Caller{}, fmt.Errorf("record the use of portal token %d: %w", token.ID, err)
		}
	}
	return account.Caller{
		Kind: account.KindCustomer, MerchantID: token.MerchantID, CustomerID: token.CustomerID, PortalTokenID: token.ID,
	}, nil
}

func inTime(age time.Duration) bool { return -clockSkew <= age && age < Lifetime }

// Tokens lists the portal tokens of a customer, or of all when customer is nil, newest first, revoked ones included: up to a row
// more than the page, which tells whether there is another. Expired ones are soon forgotten.
func (p *Portal) Tokens(ctx context.Context, caller account.Caller, customer *account.CustomerRef, r page.Request) ([]Token, error) {
	query := db.PortalTokensParams{MerchantID: caller.MerchantID, Before: r.Before(), RowLimit: r.Limit()}
	if customer != nil {
		found, err := p.Accounts.Customer(ctx, caller, *customer)
		if err != nil {
			return nil, err
		}
		query.CustomerID = &found.ID
	}
	rows, err := p.DB.PortalTokens(ctx, p.DB.Tenant(caller.MerchantID), query)
	if err != nil {
		return nil, fmt.Errorf("list portal tokens: %w", err)
	}
	tokens := make([]Token, len(rows))
	for i, row := range rows {
		tokens[i] = tokenOf(row)
	}
	return tokens, nil
}

// TokensByID are those of the named portal tokens that the merchant has.
func (p *Portal) TokensByID(ctx context.Context, caller account.Caller, ids []int64) (map[int64]Token, error) {
	rows, err := p.DB.PortalTokensByID(ctx, p.DB.Tenant(caller.MerchantID), db.PortalTokensByIDParams{
		MerchantID: caller.MerchantID, Ids: ids,
	})
	if err != nil {
		return nil, fmt.Errorf("find portal tokens: %w", err)
	}
	tokens := make(map[int64]Token, len(rows))
	for _, row := range rows {
		tokens[row.ID] = tokenOf(row)
	}
	return tokens, nil
}

// Revoke names one portal token by its id, or all of a customer: exactly one of the two.
type Revoke struct {
	ID       *int64
	Customer *account.CustomerRef
}

// TokenRevoke ends portal tokens at once and tells how many it was. Those that are revoked already stay as they are.
func (p *Portal) TokenRevoke(ctx context.Context, caller account.Caller, in Revoke) (int64, error) {
	now := p.Now()
	revoke := db.RevokePortalTokensParams{MerchantID: caller.MerchantID, RevokedAt: &now}
	switch {
	case (in.ID == nil) == (in.Customer == nil):
		return 0, fault.Invalid("", "give either the id of a token or a customer")
	case in.ID != nil:
		found, err := p.TokensByID(ctx, caller, []int64{*in.ID})
		if err != nil {
			return 0, err
		}
		if len(found) == 0 {
			return 0, fault.NotFound("id", "portal token")
		}
		revoke.ID = in.ID
	default:
		customer, err := p.Accounts.Customer(ctx, caller, *in.Customer)
		if err != nil {
			return 0, err
		}
		revoke.CustomerID = &customer.ID
	}
	revoked, err := p.DB.RevokePortalTokens(ctx, p.DB.Tenant(caller.MerchantID), revoke)
	if err != nil {
		return 0, fmt.Errorf("revoke portal tokens: %w", err)
	}
	return revoked, nil
}
