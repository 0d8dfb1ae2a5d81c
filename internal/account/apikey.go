package account

import (
	"context"
	"fmt"
	"slices"
	"time"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/secret"
)

// What an API key may do, as in the schema's ApiScope.
const (
	ScopeAccessRead         = "ACCESS_READ"
	ScopeCatalogRead        = "CATALOG_READ"
	ScopeCatalogWrite       = "CATALOG_WRITE"
	ScopeCustomersRead      = "CUSTOMERS_READ"
	ScopeCustomersWrite     = "CUSTOMERS_WRITE"
	ScopeSubscriptionsRead  = "SUBSCRIPTIONS_READ"
	ScopeSubscriptionsWrite = "SUBSCRIPTIONS_WRITE"
	ScopeTokensWrite        = "TOKENS_WRITE"
	ScopeWebhooksRead       = "WEBHOOKS_READ"
	ScopeWebhooksWrite      = "WEBHOOKS_WRITE"
)

// Scopes are all there are, in the schema's order.
func Scopes() []string {
	return []string{
		ScopeAccessRead, ScopeCatalogRead, ScopeCatalogWrite, ScopeCustomersRead, ScopeCustomersWrite,
		ScopeSubscriptionsRead, ScopeSubscriptionsWrite, ScopeTokensWrite, ScopeWebhooksRead, ScopeWebhooksWrite,
	}
}

// APIKey is a credential for a merchant's servers. The key itself is not stored.
type APIKey struct {
	ID         int64
	Name       string
	Hint       string // the first characters of the key, to recognise it by
	Scopes     []string
	CreatedAt  time.Time
	ExpiresAt  *time.Time
	LastUsedAt *time.Time // to the minute
	RevokedAt  *time.Time
}

func apiKeyOf(row db.ApiKey) APIKey {
	return APIKey{
		ID: row.ID, Name: row.Name, Hint: row.Hint, Scopes: row.Scopes,
		CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt, LastUsedAt: row.LastUsedAt, RevokedAt: row.RevokedAt,
	}
}

// APIKeyCreate says what a new API key is for.
type APIKeyCreate struct {
	Name      string
	Scopes    []string   // nil means every scope
	ExpiresAt *time.Time // nil means never
}

// APIKeyCreate makes an API key of the caller's merchant. This is the only time that the key itself can be had.
func (a *Accounts) APIKeyCreate(ctx context.Context, caller Caller, in APIKeyCreate) (APIKey, secret.Text, error) {
	now := a.Now()
	var check fault.Check
	name := line(&check, "name", in.Name, maxName)
	scopes := knownScopes(&check, "scopes", in.Scopes)
	if in.ExpiresAt != nil && !in.ExpiresAt.After(now) {
		check.Add(fault.Invalid("expiresAt", "must be in the future"))
	}
	if err := check.Err(); err != nil {
		return APIKey{}, "", err
	}
	merchant, err := a.Merchant(ctx, caller)
	if err != nil {
		return APIKey{}, "", err
	}
	key := secret.NewCredential(secret.KindAPIKey, !merchant.Sandbox())
	row, err := a.DB.InsertAPIKey(ctx, a.DB.Tenant(merchant.ID), db.InsertAPIKeyParams{
		MerchantID: merchant.ID, Name: name, Hint: secret.Hint(key), KeyHash: a.Keys.Hash(key), Scopes: scopes,
		CreatedAt: now, ExpiresAt: in.ExpiresAt,
	})
	if err != nil {
		return APIKey{}, "", fmt.Errorf("create an API key: %w", err)
	}
	return apiKeyOf(row), key, nil
}

// knownScopes checks scopes and gives each once, in the schema's order.
func knownScopes(check *fault.Check, field string, asked []string) []string {
	all := Scopes()
	if asked == nil {
		return all
	}
	if len(asked) == 0 {
		check.Add(fault.Invalid(field, "must name at least one scope"))
	}
	for i, scope := range asked {
		if !slices.Contains(all, scope) {
			check.Add(fault.Invalid(fmt.Sprintf("%s.%d", field, i), "is not a scope"))
		}
	}
	return slices.DeleteFunc(all, func(scope string) bool { return !slices.Contains(asked, scope) })
}

// APIKeys lists the merchant's keys, newest first, revoked ones included: up to a row more than the page, which tells whether
// there is another.
func (a *Accounts) APIKeys(ctx context.Context, caller Caller, request page.Request) ([]APIKey, error) {
	rows, err := a.DB.APIKeys(ctx, a.DB.Tenant(caller.MerchantID), db.APIKeysParams{
		MerchantID: caller.MerchantID, Before: request.Before(), RowLimit: request.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	return convert(rows, apiKeyOf), nil
}

// APIKey is one of the merchant's.
func (a *Accounts) APIKey(ctx context.Context, caller Caller, id int64) (APIKey, error) {
	row, err := a.DB.APIKey(ctx, a.DB.Tenant(caller.MerchantID), db.APIKeyParams{MerchantID: caller.MerchantID, ID: id})
	return foundKey(row, err)
}

// APIKeyRevoke ends a key at once. Revoking it again changes nothing.
func (a *Accounts) APIKeyRevoke(ctx context.Context, caller Caller, id int64) (APIKey, error) {
	now := a.Now()
	row, err := a.DB.RevokeAPIKey(ctx, a.DB.Tenant(caller.MerchantID), db.RevokeAPIKeyParams{
		MerchantID: caller.MerchantID, ID: id, RevokedAt: &now,
	})
	return foundKey(row, err)
}

func foundKey(row db.ApiKey, err error) (APIKey, error) {
	if db.IsNoRows(err) {
		return APIKey{}, fault.NotFound("id", "API key")
	}
	if err != nil {
		return APIKey{}, fmt.Errorf("find an API key: %w", err)
	}
	return apiKeyOf(row), nil
}
