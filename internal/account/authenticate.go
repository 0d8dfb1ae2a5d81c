package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/secret"
)

// ErrUnauthenticated is returned for a credential that is malformed, unknown, revoked or expired. It does not say which.
var ErrUnauthenticated error = fault.New(fault.CodeUnauthenticated, "", "the credential is not valid")

// ErrChanged is returned for what is done in the context of an Admission that does not stand any more.
var ErrChanged = db.ErrChanged

// Admission is what an API key was let in on.
type Admission = db.Admission

// Use of a credential is recorded to this precision, so that a busy one does not write with every request.
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
	case secret.KindOperatorSession:
		return a.authenticateOperator(ctx, credential, shop)
	case secret.KindTokenKey:
		return a.authenticateTokenKey(ctx, credential, shop)
	default:
		return Caller{}, ErrUnauthenticated
	}
}

// Recognize is Authenticate without a round trip of its own for a key that this process has seen within the last minute. The
// admission that comes with such a caller, and is nil with others, must be in the context of what is done for the caller, so that the
// first statement confirms it; Confirm makes sure that there was one before anything is shown.
func (a *Accounts) Recognize(ctx context.Context, credential secret.Text, shop string) (Caller, *Admission, error) {
	if kind, err := secret.KindOf(credential); err == nil && kind == secret.KindAPIKey {
		if key, seen := a.seen.get(a.Keys.Hash(credential)); seen && !a.unnoted(key) {
			// What is remembered may have changed, so it is never a reason to refuse anybody.
			if caller, err := a.admit(key, shop); err == nil {
				return caller, key.Admission(), nil
			}
		}
	}
	caller, err := a.Authenticate(ctx, credential, shop)
	return caller, nil, err
}

// Confirm makes sure that the admission of a context stands, if it has one. After ErrChanged the caller must Authenticate again:
// nothing was done for it.
func (a *Accounts) Confirm(ctx context.Context) error {
	err := a.DB.Confirm(ctx)
	if err != nil && !errors.Is(err, ErrChanged) {
		return fmt.Errorf("confirm an API key: %w", err)
	}
	return err
}

func (a *Accounts) authenticateKey(ctx context.Context, credential secret.Text, shop string) (Caller, error) {
	hash := a.Keys.Hash(credential)
	a.seen.drop(hash)
	key, err := a.DB.APIKeyByHash(ctx, a.DB.System(), hash)
	if db.IsNoRows(err) {
		return Caller{}, ErrUnauthenticated
	}
	if err != nil {
		return Caller{}, fmt.Errorf("authenticate an API key: %w", err)
	}
	caller, err := a.admit(key, shop)
	if err != nil {
		return Caller{}, err
	}
	if !a.unnoted(key) {
		a.seen.put(hash, key)
		return caller, nil
	}
	now, lastBefore := a.Now(), a.Now().Add(-lastUsedPrecision)
	err = a.DB.TouchAPIKey(ctx, a.DB.Tenant(key.MerchantID), db.TouchAPIKeyParams{
		MerchantID: key.MerchantID, ID: key.ID, UsedAt: &now, LastBefore: &lastBefore,
	})
	if err != nil {
		return Caller{}, fmt.Errorf("record the use of API key %d: %w", key.ID, err)
	}
	return caller, nil
}

// admit decides on a key by its row.
func (a *Accounts) admit(key db.APIKeyByHashRow, shop string) (Caller, error) {
	if key.RevokedAt != nil || (key.ExpiresAt != nil && !a.Now().Before(*key.ExpiresAt)) {
		return Caller{}, ErrUnauthenticated
	}
	if shop != "" && shop != key.Shop {
		return Caller{}, foreignMerchant()
	}
	if err := refuseSuspended(key.SuspensionReason); err != nil {
		return Caller{}, err
	}
	return Caller{Kind: KindAPIKey, MerchantID: key.MerchantID, APIKeyID: key.ID, Scopes: key.Scopes}, nil
}

// unnoted tells whether it is time to record that a key is used.
func (a *Accounts) unnoted(key db.APIKeyByHashRow) bool {
	return key.LastUsedAt == nil || !key.LastUsedAt.After(a.Now().Add(-lastUsedPrecision))
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
	now := a.Now()
	used := lastUse(session.CreatedAt, session.LastUsedAt)
	if !now.Before(session.ExpiresAt) || !now.Before(used.Add(SessionIdle)) {
		return Caller{}, ErrUnauthenticated
	}
	if shop != "" && session.MerchantID == 0 {
		return Caller{}, foreignMerchant()
	}
	if lastBefore := now.Add(-lastUsedPrecision); !used.After(lastBefore) {
		err := a.DB.TouchSession(ctx, a.DB.Pool(), db.TouchSessionParams{ID: session.ID, UsedAt: &now, LastBefore: &lastBefore})
		if err != nil {
			return Caller{}, fmt.Errorf("record the use of session %d: %w", session.ID, err)
		}
	}
	return Caller{
		Kind: KindMember, MemberID: session.MemberID, SessionID: session.ID, EmailVerified: session.EmailVerified,
		MerchantID: session.MerchantID, Role: Role(session.Role),
		TOTP: session.Totp, Suspended: session.SuspensionReason,
	}, nil
}

func (a *Accounts) authenticateOperator(ctx context.Context, credential secret.Text, shop string) (Caller, error) {
	session, err := a.DB.OperatorSessionByHash(ctx, a.DB.Pool(), a.Keys.Hash(credential))
	if db.IsNoRows(err) {
		return Caller{}, ErrUnauthenticated
	}
	if err != nil {
		return Caller{}, fmt.Errorf("authenticate an operator: %w", err)
	}
	switch {
	case !a.Now().Before(session.ExpiresAt):
		return Caller{}, ErrUnauthenticated
	case shop != "":
		return Caller{}, foreignMerchant()
	}
	return Caller{Kind: KindOperator, OperatorID: session.OperatorID, SessionID: session.ID, TOTP: true}, nil
}

// refuseSuspended is what every credential but a member's session comes to when its merchant is suspended, for the reason given.
func refuseSuspended(reason *string) error {
	if reason == nil {
		return nil
	}
	return SuspendedFor(*reason)
}

// SuspendedFor is FORBIDDEN: the merchant is suspended for that reason.
func SuspendedFor(reason string) *fault.Error {
	return fault.New(fault.CodeForbidden, "", "the merchant is suspended: %s", reason)
}

func foreignMerchant() error {
	return fault.New(fault.CodeForbidden, "", "the credential does not give access to the merchant that the request names")
}
