package graph

import (
	"context"

	"portico/internal/account"
)

// APIKey is account.APIKey as the schema shows it.
type APIKey struct{ account.APIKey }

func showAPIKey(row account.APIKey, _ *siblings[APIKey]) *APIKey { return &APIKey{row} }

// IsNode implements Node.
func (*APIKey) IsNode() {}

// ID is the global id.
func (k *APIKey) ID() string { return gid("ApiKey", k.APIKey.ID) }

func (k *APIKey) rowID() int64 { return k.APIKey.ID }

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
	return &APIKeyCreatePayload{APIKey: &APIKey{key}, Secret: reveal(secret)}, nil
}

// APIKeyRevoke revokes an API key.
func (r mutation) APIKeyRevoke(ctx context.Context, in APIKeyRevokeInput) (*APIKeyRevokePayload, error) {
	key, err := r.revokeKey(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &APIKeyRevokePayload{UserErrors: refused}, err
	}
	return &APIKeyRevokePayload{APIKey: &APIKey{key}}, nil
}

func (r mutation) revokeKey(ctx context.Context, in APIKeyRevokeInput) (account.APIKey, error) {
	id, err := rowID("id", "ApiKey", in.ID)
	if err != nil {
		return account.APIKey{}, err
	}
	return r.Accounts.APIKeyRevoke(ctx, callerOf(ctx), id)
}

func (r *Resolver) apiKey(ctx context.Context, caller account.Caller, id int64) (*APIKey, error) {
	key, err := r.Accounts.APIKey(ctx, caller, id)
	return &APIKey{key}, err
}
