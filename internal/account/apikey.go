package account

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

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
	ScopeClaimsRead         = "CLAIMS_READ"
	ScopeClaimsWrite        = "CLAIMS_WRITE"
	ScopeCustomersRead      = "CUSTOMERS_READ"
	ScopeCustomersWrite     = "CUSTOMERS_WRITE"
	ScopeSubscriptionsRead  = "SUBSCRIPTIONS_READ"
	ScopeSubscriptionsWrite = "SUBSCRIPTIONS_WRITE"
	ScopeTokensWrite        = "TOKENS_WRITE"
	ScopeUsageWrite         = "USAGE_WRITE"
	ScopeWebhooksRead       = "WEBHOOKS_READ"
	ScopeWebhooksWrite      = "WEBHOOKS_WRITE"
)

// Scopes are all there are, in the schema's order.
func Scopes() []string {
	return []string{
		ScopeAccessRead, ScopeCatalogRead, ScopeCatalogWrite, ScopeClaimsRead, ScopeClaimsWrite, ScopeCustomersRead, ScopeCustomersWrite,
		ScopeSubscriptionsRead, ScopeSubscriptionsWrite, ScopeTokensWrite, ScopeUsageWrite, ScopeWebhooksRead, ScopeWebhooksWrite,
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
	RolledTo   *int64 // the key that replaces it
}

// over tells whether the key is of no use any more.
func (k APIKey) over(now time.Time) bool {
	return k.RevokedAt != nil || (k.ExpiresAt != nil && !now.Before(*k.ExpiresAt))
}

func apiKeyOf(row db.ApiKey) APIKey {
	return APIKey{
		ID: row.ID, Name: row.Name, Hint: row.Hint, Scopes: row.Scopes,
		CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt, LastUsedAt: row.LastUsedAt, RevokedAt: row.RevokedAt,
		RolledTo: row.RolledTo,
	}
}

// APIKeyCreate says what a new API key is for.
type APIKeyCreate struct {
	Name      string
	Scopes    []string   // nil means every scope
	ExpiresAt *time.Time // nil means never
}

// APIKeyCreate makes an API key of the caller's merchant. This is the only time that the key itself can be had. One of a merchant
// that is no sandbox is for members with a proven address: EMAIL_UNVERIFIED.
func (a *Accounts) APIKeyCreate(ctx context.Context, caller Caller, in APIKeyCreate) (APIKey, secret.Text, error) {
	var check fault.Check
	in.Name = line(&check, "name", in.Name, maxName)
	in.Scopes = knownScopes(&check, "scopes", in.Scopes)
	a.checkExpiry(&check, in.ExpiresAt)
	if err := check.Err(); err != nil {
		return APIKey{}, "", err
	}
	merchant, err := a.Merchant(ctx, caller)
	if err != nil {
		return APIKey{}, "", err
	}
	if err := caller.requireVerifiedFor(merchant); err != nil {
		return APIKey{}, "", err
	}
	return a.insertKey(ctx, a.DB.Tenant(merchant.ID), merchant, in)
}

func (a *Accounts) checkExpiry(check *fault.Check, expires *time.Time) {
	if expires != nil && !expires.After(a.Now()) {
		check.Add(fault.Invalid("expiresAt", "must be in the future"))
	}
}

func (a *Accounts) insertKey(ctx context.Context, tx db.DBTX, merchant Merchant, in APIKeyCreate) (APIKey, secret.Text, error) {
	key := secret.NewCredential(secret.KindAPIKey, !merchant.Sandbox())
	row, err := a.DB.InsertAPIKey(ctx, tx, db.InsertAPIKeyParams{
		MerchantID: merchant.ID, Name: in.Name, Hint: secret.Hint(key), KeyHash: a.Keys.Hash(key), Scopes: in.Scopes,
		CreatedAt: a.Now(), ExpiresAt: in.ExpiresAt,
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

// APIKeyUpdate says what is to change of an API key.
type APIKeyUpdate struct {
	ID        int64
	Name      *string    // nil leaves it
	Scopes    []string   // nil leaves them; more or fewer than before
	SetExpiry bool       // whether ExpiresAt is to change
	ExpiresAt *time.Time // nil means never
}

// APIKeyUpdate changes what a key is for, from its next use on. One that has expired or is revoked stays that way: CONFLICT.
func (a *Accounts) APIKeyUpdate(ctx context.Context, caller Caller, in APIKeyUpdate) (APIKey, error) {
	var check fault.Check
	if in.Name != nil {
		*in.Name = line(&check, "name", *in.Name, maxName)
	}
	if in.Scopes != nil {
		in.Scopes = knownScopes(&check, "scopes", in.Scopes)
	}
	a.checkExpiry(&check, in.ExpiresAt)
	if err := check.Err(); err != nil {
		return APIKey{}, err
	}
	var updated APIKey
	err := a.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		key, err := a.lockKey(ctx, tx, caller, in.ID)
		if err != nil {
			return err
		}
		if in.Name != nil {
			key.Name = *in.Name
		}
		if in.Scopes != nil {
			key.Scopes = in.Scopes
		}
		if in.SetExpiry {
			key.ExpiresAt = in.ExpiresAt
		}
		updated, err = a.saveKey(ctx, tx, caller, key)
		return err
	})
	return updated, err
}

// APIKeyRoll says which API key to replace.
type APIKeyRoll struct {
	ID             int64
	OverlapSeconds int32      // for how long the old key is accepted as well
	ExpiresAt      *time.Time // of the new key; nil means never
}

// APIKeyRolled is a key's replacement.
type APIKeyRolled struct {
	APIKey APIKey
	Secret secret.Text // the key itself, which cannot be had again
	Old    APIKey
}

// APIKeyRoll makes a key with the same name and scopes as another, which expires when the overlap ends or when it would have
// anyway. A key is rolled once, while it can be used; CONFLICT otherwise.
func (a *Accounts) APIKeyRoll(ctx context.Context, caller Caller, in APIKeyRoll) (APIKeyRolled, error) {
	var check fault.Check
	ends := a.overlapEnd(&check, in.OverlapSeconds)
	a.checkExpiry(&check, in.ExpiresAt)
	if err := check.Err(); err != nil {
		return APIKeyRolled{}, err
	}
	var rolled APIKeyRolled
	err := a.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		old, err := a.lockKey(ctx, tx, caller, in.ID)
		if err != nil {
			return err
		}
		if old.RolledTo != nil {
			return fault.New(fault.CodeConflict, "id", "has been rolled already: roll the key that replaced it")
		}
		merchant, err := a.merchant(ctx, tx, caller.MerchantID)
		if err != nil {
			return err
		}
		rolled.APIKey, rolled.Secret, err = a.insertKey(ctx, tx, merchant, APIKeyCreate{
			Name: old.Name, Scopes: old.Scopes, ExpiresAt: in.ExpiresAt,
		})
		if err != nil {
			return err
		}
		old.RolledTo = &rolled.APIKey.ID
		if old.ExpiresAt == nil || old.ExpiresAt.After(ends) {
			old.ExpiresAt = &ends
		}
		rolled.Old, err = a.saveKey(ctx, tx, caller, old)
		return err
	})
	if err != nil {
		return APIKeyRolled{}, err
	}
	return rolled, nil
}

// maxOverlap is how long what was rolled may still be accepted, in seconds.
const maxOverlap = 7 * 24 * 60 * 60

// overlapEnd is when what is rolled now ceases to be accepted.
func (a *Accounts) overlapEnd(check *fault.Check, seconds int32) time.Time {
	if seconds < 0 || seconds > maxOverlap {
		check.Add(fault.Invalid("overlapSeconds", "must be between 0 and %d", maxOverlap))
	}
	return a.Now().Add(time.Duration(seconds) * time.Second)
}

// lockKey is a key that can be used, for changing it.
func (a *Accounts) lockKey(ctx context.Context, tx pgx.Tx, caller Caller, id int64) (APIKey, error) {
	row, err := a.DB.LockAPIKey(ctx, tx, db.LockAPIKeyParams{MerchantID: caller.MerchantID, ID: id})
	key, err := foundKey(row, err)
	if err != nil {
		return APIKey{}, err
	}
	if key.over(a.Now()) {
		return APIKey{}, fault.New(fault.CodeConflict, "id", "is revoked or has expired")
	}
	return key, nil
}

func (a *Accounts) saveKey(ctx context.Context, tx pgx.Tx, caller Caller, key APIKey) (APIKey, error) {
	row, err := a.DB.UpdateAPIKey(ctx, tx, db.UpdateAPIKeyParams{
		MerchantID: caller.MerchantID, ID: key.ID, Name: key.Name, Scopes: key.Scopes, ExpiresAt: key.ExpiresAt, RolledTo: key.RolledTo,
	})
	if err != nil {
		return APIKey{}, fmt.Errorf("save API key %d: %w", key.ID, err)
	}
	return apiKeyOf(row), nil
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

// APIKeysByID are those of the given keys that the merchant has.
func (a *Accounts) APIKeysByID(ctx context.Context, caller Caller, ids []int64) (map[int64]APIKey, error) {
	rows, err := a.DB.APIKeysByID(ctx, a.DB.Tenant(caller.MerchantID), db.APIKeysByIDParams{MerchantID: caller.MerchantID, Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("find API keys: %w", err)
	}
	return byID(rows, func(row db.ApiKey) (int64, APIKey) { return row.ID, apiKeyOf(row) }), nil
}

// APIKeysRolledTo are the keys that the given ones replace, by the ids of those.
func (a *Accounts) APIKeysRolledTo(ctx context.Context, caller Caller, ids []int64) (map[int64]APIKey, error) {
	rows, err := a.DB.APIKeysRolledTo(ctx, a.DB.Tenant(caller.MerchantID), db.APIKeysRolledToParams{
		MerchantID: caller.MerchantID, Ids: ids,
	})
	if err != nil {
		return nil, fmt.Errorf("find rolled API keys: %w", err)
	}
	return byID(rows, func(row db.ApiKey) (int64, APIKey) { return *row.RolledTo, apiKeyOf(row) }), nil
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
