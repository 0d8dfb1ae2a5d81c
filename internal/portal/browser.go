package portal

import (
	"context"
	"fmt"
	"time"

	"portico/db"
	"portico/internal/account"
	"portico/internal/secret"
)

// BrowserSession is a browser's that came with a portal token.
type BrowserSession struct {
	Token     secret.Text
	ExpiresAt time.Time // at the latest; settings that change and a token that is revoked end it sooner
}

// BrowserCookie is the name of the cookie that holds the session of a browser in one shop: over https, and over plain http, where browsers
// do not take the first.
func BrowserCookie(secure bool) string {
	if secure {
		return "__Secure-portico_shop"
	}
	return "portico_shop"
}

// BrowserSignIn opens a session for the browser of a customer who came with a portal token, so that its pages need no token in their
// addresses. It ends with the token at the latest.
func (p *Portal) BrowserSignIn(ctx context.Context, caller account.Caller) (BrowserSession, error) {
	rules, err := p.Settings(ctx, caller)
	if err != nil {
		return BrowserSession{}, err
	}
	tokens, err := p.TokensByID(ctx, caller, []int64{caller.PortalTokenID})
	if err != nil {
		return BrowserSession{}, err
	}
	now := p.Now()
	session := BrowserSession{Token: secret.NewCredential(secret.KindPortalSession, true), ExpiresAt: tokens[caller.PortalTokenID].ExpiresAt}
	if ends := now.Add(time.Duration(rules.Authentication.SessionDuration) * time.Second); ends.Before(session.ExpiresAt) {
		session.ExpiresAt = ends
	}
	err = p.DB.InsertPortalSession(ctx, p.DB.Tenant(caller.MerchantID), db.InsertPortalSessionParams{
		MerchantID: caller.MerchantID, TokenID: caller.PortalTokenID, SecretHash: p.Keys.Hash(session.Token), CreatedAt: now,
	})
	if err != nil {
		return BrowserSession{}, fmt.Errorf("open a browser's session: %w", err)
	}
	return session, nil
}

// authenticateBrowser tells which customer a browser's session in the shop stands for, while both the session and its token are valid.
func (p *Portal) authenticateBrowser(ctx context.Context, credential secret.Text, shop string) (account.Caller, error) {
	row, err := p.DB.PortalSessionByHash(ctx, p.DB.System(), db.PortalSessionByHashParams{
		SecretHash: p.Keys.Hash(credential), Shop: shop, Longest: int32(Lifetime.Seconds()),
	})
	if db.IsNoRows(err) {
		return account.Caller{}, account.ErrUnauthenticated
	}
	if err != nil {
		return account.Caller{}, fmt.Errorf("authenticate a browser: %w", err)
	}
	now := p.Now()
	lasts := time.Duration(row.SessionSeconds) * time.Second
	if row.PortalToken.RevokedAt != nil || !inTime(now.Sub(row.PortalToken.IssuedAt)) || now.Sub(row.SignedInAt) >= lasts {
		return account.Caller{}, account.ErrUnauthenticated
	}
	return p.admit(ctx, row.PortalToken, row.PortalEnabled)
}
