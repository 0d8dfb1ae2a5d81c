package graph

import (
	"context"
	"net/http"
	"time"

	"portico/internal/account"
	"portico/internal/credential"
	"portico/internal/fault"
	"portico/internal/portal"
	"portico/internal/secret"
)

// authenticate tells who calls, by asking the database or by what is remembered and has an admission to confirm. A credential that is not
// valid is an error, and never nobody in particular. The cookie, which browsers send unasked, counts only where there is no other.
func (h *handler) authenticate(ctx context.Context, x *exchange, r *http.Request, remembered bool) (account.Caller, *account.Admission, error) {
	found, given := credential.Read(r, credential.Options{})
	var cookie *http.Cookie
	if !given {
		if cookie = h.sessionCookie(r); cookie == nil {
			return account.Caller{Kind: account.KindAnonymous}, nil, nil
		}
		if !h.fromOurPages(r) {
			return account.Caller{}, nil, fault.New(fault.CodeForbidden, "", "this request comes from a page of another origin")
		}
		found.Secret = secret.Text(cookie.Value)
	}
	shop := r.Header.Get("Portico-Merchant")
	var caller account.Caller
	var admission *account.Admission
	var err error
	if remembered {
		caller, admission, err = found.Recognize(ctx, h.resolver.Portal, shop)
	} else {
		caller, err = found.Caller(ctx, h.resolver.Portal, shop)
	}
	if !given && fault.Is(err, fault.CodeUnauthenticated) {
		// Nothing but this answer can take the cookie from the browser, which could not even sign in again with it.
		x.cookie = h.noCookie(cookie.Name)
	}
	return caller, admission, err
}

// fromOurPages tells whether a request with a cookie was made by a page of ours: the browser sends the cookie along, whoever made it call.
// A GET needs more than the absence of a sign that it was another: links, images and old browsers give none.
func (h *handler) fromOurPages(r *http.Request) bool {
	if isSocket(r) { // of which browsers always name the page
		origin := r.Header.Get("Origin")
		return origin != "" && h.isOwn(r, origin)
	}
	if r.Method == http.MethodGet {
		return r.Header.Get("Sec-Fetch-Site") == "same-origin"
	}
	return h.origins.Check(r) == nil
}

// sessionCookie is the one that says who calls: a member's goes before a person's.
func (h *handler) sessionCookie(r *http.Request) *http.Cookie {
	for _, name := range []string{credential.SessionCookie(h.secure), portal.SessionCookie(h.secure)} {
		if cookies := r.CookiesNamed(name); len(cookies) > 0 {
			return cookies[0]
		}
	}
	return nil
}

// keepSession has the answer set the session's cookie, and reveals its token.
func (r *Resolver) keepSession(ctx context.Context, session account.OpenSession) string {
	x := exchangeOf(ctx)
	x.cookie = x.handler.cookie(credential.SessionCookie(x.handler.secure), string(session.Token), session.ExpiresAt)
	return string(session.Token)
}

// dropSession has the answer take the cookie from the browser.
func (r *Resolver) dropSession(ctx context.Context) {
	x := exchangeOf(ctx)
	x.cookie = x.handler.noCookie(credential.SessionCookie(x.handler.secure))
}

func (h *handler) cookie(name, value string, expires time.Time) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure is left out over plain http only, where browsers would drop the cookie
		Name: name, Value: value, Expires: expires,
		Path: "/", HttpOnly: true, Secure: h.secure, SameSite: http.SameSiteLaxMode,
	}
}

// noCookie expired long ago.
func (h *handler) noCookie(name string) *http.Cookie { return h.cookie(name, "", time.Unix(1, 0)) }
