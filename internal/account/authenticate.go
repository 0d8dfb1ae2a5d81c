package account

import (
	"context"
	"fmt"
	"time"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/secret"
)

// ErrUnauthenticated is returned for a credential that is malformed, unknown, revoked or expired. It does not say which.
var ErrUnauthenticated error = fault.New(fault.CodeUnauthenticated, "", "the credential is not valid")

// Use of an API key is recorded to this precision, so that a busy key does not write with every request.
const lastUsedPrecision = time.Minute

// Authenticate tells whom a credential stands for. A member acts for the merchant with the shop handle, or without a handle for
// the first of the member's merchants, real ones before sandboxes; a member of none gets a Caller without a merchant. A merchant
// that the credential does not give access to is FORBIDDEN, whether or not it exists.
func (a *Accounts) Authenticate(ctx context.Context, credential secret.Text, shop string) (Caller, error) {
	kind, err := secret.KindOf(credential)
	if err != nil {
		return Caller{}, ErrUnauthenticated
	}
	switch kind {
	case secret.KindAPIKey:
		return a.authenticateKey(ctx, credential, shop)
	case secret.KindSession:
		return a.authenticateSession(ctx, credential, shop)
	default:
		return Caller{}, ErrUnauthenticated
	}
}

func (a *Accounts) authenticateKey(ctx context.Context, credential secret.Text, shop string) (Caller, error) {
	key, err := a.DB.APIKeyByHash(ctx, a.DB.System(), a.Keys.Hash(credential))
	if db.IsNoRows(err) {
		return Caller{}, ErrUnauthenticated
	}
	if err != nil {
		return Caller{}, fmt.Errorf("authenticate an API key: %w", err)
	}
	now := a.Now()
	if key.RevokedAt != nil || (key.ExpiresAt != nil && !now.Before(*key.ExpiresAt)) {
		return Caller{}, ErrUnauthenticated
	}
	if shop != "" && shop != key.Shop {
		return Caller{}, foreignMerchant()
	}
	if lastBefore := now.Add(-lastUsedPrecision); key.LastUsedAt == nil || !key.LastUsedAt.After(lastBefore) {
		err := a.DB.TouchAPIKey(ctx, a.DB.Tenant(key.MerchantID), db.TouchAPIKeyParams{
			MerchantID: key.MerchantID, ID: key.ID, UsedAt: &now, LastBefore: &lastBefore,
		})
		if err != nil {
			return Caller{}, fmt.Errorf("record the use of API key %d: %w", key.ID, err)
		}
	}
	return Caller{Kind: KindAPIKey, MerchantID: key.MerchantID, APIKeyID: key.ID, Scopes: key.Scopes}, nil
}

func (a *Accounts) authenticateSession(ctx context.Context, credential secret.Text, shop string) (Caller, error) {
	if shop != "" && !shopPattern.MatchString(shop) {
		shop = "-" // nobody's handle; what came may not even be text that Postgres takes
	}
	session, err := a.DB.SessionByHash(ctx, a.DB.System(), db.SessionByHashParams{TokenHash: a.Keys.Hash(credential), Shop: shop})
	if db.IsNoRows(err) {
		return Caller{}, ErrUnauthenticated
	}
	if err != nil {
		return Caller{}, fmt.Errorf("authenticate a session: %w", err)
	}
	if !a.Now().Before(session.ExpiresAt) {
		return Caller{}, ErrUnauthenticated
	}
	if shop != "" && session.MerchantID == 0 {
		return Caller{}, foreignMerchant()
	}
	return Caller{
		Kind: KindMember, MemberID: session.MemberID, SessionID: session.ID, MerchantID: session.MerchantID, Role: Role(session.Role),
	}, nil
}

func foreignMerchant() error {
	return fault.New(fault.CodeForbidden, "", "the credential does not give access to the merchant that the request names")
}
