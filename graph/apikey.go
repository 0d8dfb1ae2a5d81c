package graph

import (
	"context"

	"portico/internal/account"
)

// APIKey is account.APIKey as the schema shows it.
type APIKey struct {
	account.APIKey
	siblings *siblings[APIKey]
}

func showAPIKey(row account.APIKey, s *siblings[APIKey]) *APIKey { return &APIKey{row, s} }

// IsNode implements Node.
func (*APIKey) IsNode() {}

// ID is the global id.
func (k *APIKey) ID() string { return gid("ApiKey", k.APIKey.ID) }

func (k *APIKey) rowID() int64 { return k.APIKey.ID }

func (k *APIKey) successorID() int64 {
	if k.RolledTo == nil {
		return 0
	}
	return *k.RolledTo
}

type apiKeyFields struct{ *Resolver }

// ApiKey implements ResolverRoot.
func (r *Resolver) ApiKey() ApiKeyResolver { return apiKeyFields{r} }

// RolledFrom is the key that a key replaces.
func (r apiKeyFields) RolledFrom(ctx context.Context, key *APIKey) (*APIKey, error) {
	return child(ctx, key, key.siblings, "rolledFrom", (*APIKey).rowID, r.apiKeysRolledTo)
}

// RolledTo is the key that replaces a key.
func (r apiKeyFields) RolledTo(ctx context.Context, key *APIKey) (*APIKey, error) {
	return child(ctx, key, key.siblings, "rolledTo", (*APIKey).successorID, r.apiKeys)
}

// APIKeys are the merchant's.
func (r query) APIKeys(ctx context.Context, first *int32, after *string) (*Connection[APIKey], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	keys, err := r.Accounts.APIKeys(ctx, callerOf(ctx), request)
	return connect(keys, err, request.Size, showAPIKey, (*APIKey).rowID)
}

// APIKeyCreate makes an API key.
func (r mutation) APIKeyCreate(ctx context.Context, in APIKeyCreateInput) (*APIKeyCreatePayload, error) {
	key, secret, err := r.Accounts.APIKeyCreate(ctx, callerOf(ctx), account.APIKeyCreate{
		Name: in.Name, Scopes: in.Scopes, ExpiresAt: in.ExpiresAt,
	})
	if err != nil {
		refused, err := userErrors(err)
		return &APIKeyCreatePayload{UserErrors: refused}, err
	}
	return &APIKeyCreatePayload{APIKey: alone(key, showAPIKey), Secret: reveal(secret)}, nil
}

// APIKeyRevoke revokes an API key.
func (r mutation) APIKeyRevoke(ctx context.Context, in APIKeyRevokeInput) (*APIKeyRevokePayload, error) {
	key, err := r.revokeKey(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &APIKeyRevokePayload{UserErrors: refused}, err
	}
	return &APIKeyRevokePayload{APIKey: alone(key, showAPIKey)}, nil
}

func (r mutation) revokeKey(ctx context.Context, in APIKeyRevokeInput) (account.APIKey, error) {
	id, err := rowID("id", "ApiKey", in.ID)
	if err != nil {
		return account.APIKey{}, err
	}
	return r.Accounts.APIKeyRevoke(ctx, callerOf(ctx), id)
}

// APIKeyUpdate changes an API key.
func (r mutation) APIKeyUpdate(ctx context.Context, in APIKeyUpdateInput) (*APIKeyUpdatePayload, error) {
	key, err := r.updateKey(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &APIKeyUpdatePayload{UserErrors: refused}, err
	}
	return &APIKeyUpdatePayload{APIKey: alone(key, showAPIKey)}, nil
}

func (r mutation) updateKey(ctx context.Context, in APIKeyUpdateInput) (account.APIKey, error) {
	id, err := rowID("id", "ApiKey", in.ID)
	if err != nil {
		return account.APIKey{}, err
	}
	expires, given := in.ExpiresAt.ValueOK()
	return r.Accounts.APIKeyUpdate(ctx, callerOf(ctx), account.APIKeyUpdate{
		ID: id, Name: in.Name, Scopes: in.Scopes, SetExpiry: given, ExpiresAt: expires,
	})
}

// APIKeyRoll replaces an API key.
func (r mutation) APIKeyRoll(ctx context.Context, in APIKeyRollInput) (*APIKeyRollPayload, error) {
	rolled, err := r.rollKey(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &APIKeyRollPayload{UserErrors: refused}, err
	}
	return &APIKeyRollPayload{APIKey: alone(rolled.APIKey, showAPIKey), Secret: reveal(rolled.Secret)}, nil
}

func (r mutation) rollKey(ctx context.Context, in APIKeyRollInput) (account.APIKeyRolled, error) {
	id, err := rowID("id", "ApiKey", in.ID)
	if err != nil {
		return account.APIKeyRolled{}, err
	}
	return r.Accounts.APIKeyRoll(ctx, callerOf(ctx), account.APIKeyRoll{
		ID: id, OverlapSeconds: in.OverlapSeconds, ExpiresAt: in.ExpiresAt,
	})
}

func (r *Resolver) apiKeys(ctx context.Context, ids []int64) (map[int64]*APIKey, error) {
	return readByID(ctx, "ApiKey", ids, r.Accounts.APIKeysByID, showAPIKey)
}

func (r *Resolver) apiKeysRolledTo(ctx context.Context, ids []int64) (map[int64]*APIKey, error) {
	return readByID(ctx, "ApiKey", ids, r.Accounts.APIKeysRolledTo, showAPIKey)
}
