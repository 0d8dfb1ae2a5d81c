package graph

import (
	"context"

	"portico/internal/account"
)

// TokenKey is account.TokenKey as the schema shows it.
type TokenKey struct{ account.TokenKey }

// Key is the credential itself.
func (k *TokenKey) Key() string { return string(k.TokenKey.Key) }

// TokenKey is the merchant's.
func (r query) TokenKey(ctx context.Context) (*TokenKey, error) {
	key, err := r.Accounts.TokenKey(ctx, callerOf(ctx))
	return &TokenKey{key}, err
}

// TokenKeyRoll replaces the merchant's token key.
func (r mutation) TokenKeyRoll(ctx context.Context, in TokenKeyRollInput) (*TokenKeyRollPayload, error) {
	key, err := r.Accounts.TokenKeyRoll(ctx, callerOf(ctx), in.OverlapSeconds)
	if err != nil {
		refused, err := userErrors(err)
		return &TokenKeyRollPayload{UserErrors: refused}, err
	}
	return &TokenKeyRollPayload{TokenKey: &TokenKey{key}}, nil
}
