package graph

import (
	"context"
	"net/http"
	"strings"
	"time"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/secret"
)

// The session cookie over https, and over plain http, where browsers do not take the first: on a developer's own machine.
const (
	secureCookie = "__Host-portico_session"
	plainCookie  = "portico_session"
)

// authenticate tells who calls, by asking the database or by what is remembered and has an admission to confirm. A credential that is not
// valid is an error, and never nobody in particular.
func (h *handler) authenticate(ctx context.Context, x *exchange, r *http.Request, remembered bool) (account.Caller, *account.Admission, error) {
	credential, given := headerCredential(r.Header)
	if !given {
		cookies := r.CookiesNamed(h.cookieName())
		if len(cookies) == 0 {
			return account.Caller{Kind: account.KindAnonymous}, nil, nil
		}
		// The browser sends the cookie along, whoever made it call.
		if err := h.origins.Check(r); err != nil {
			return account.Caller{}, nil, fault.New(fault.CodeForbidden, "", "this request comes from a page of another origin")
		}
		credential = secret.Text(cookies[0].Value)
	}
	accounts, shop := h.resolver.Accounts, r.Header.Get("Portico-Merchant")
	var caller account.Caller
	var admission *account.Admission
	var err error
	if remembered {
		caller, admission, err = accounts.Recognize(ctx, credential, shop)
	} else {
		caller, err = accounts.Authenticate(ctx, credential, shop)
	}
	if !given && fault.Is(err, fault.CodeUnauthenticated) {
		// Nothing but this answer can take the cookie from the browser, which could not even sign in again with it.
		x.cookie = h.noCookie()
	}
	return caller, admission, err
}

// headerCredential is the credential of a request's headers, if there is one. One of an unknown scheme is no valid credential.
func headerCredential(header http.Header) (credential secret.Text, given bool) {
	if values := header.Values("Authorization"); len(values) > 0 {
		scheme, token, _ := strings.Cut(values[0], " ")
		if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
			return "", true
		}
		return secret.Text(strings.TrimSpace(token)), true
	}
	values := header.Values("X-API-Key")
	if len(values) != 1 {
		return "", len(values) > 0
	}
	return secret.Text(values[0]), true
}

// keepSession has the answer set the session's cookie, and reveals its token.
func (r *Resolver) keepSession(ctx context.Context, session account.Session) string {
	x := exchangeOf(ctx)
	x.cookie = x.handler.cookie(string(session.Token), session.ExpiresAt)
	return string(session.Token)
}

// dropSession has the answer take the cookie from the browser.
func (r *Resolver) dropSession(ctx context.Context) {
	x := exchangeOf(ctx)
	x.cookie = x.handler.noCookie()
}

func (h *handler) cookieName() string {
	if h.secure {
		return secureCookie
	}
	return plainCookie
}

func (h *handler) cookie(value string, expires time.Time) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure is left out over plain http only, where browsers would drop the cookie
		Name: h.cookieName(), Value: value, Expires: expires,
		Path: "/", HttpOnly: true, Secure: h.secure, SameSite: http.SameSiteLaxMode,
	}
}

// noCookie expired long ago.
func (h *handler) noCookie() *http.Cookie { return h.cookie("", time.Unix(1, 0)) }
