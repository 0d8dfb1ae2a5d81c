// Package credential owns where a request carries its credential, for every door that speaks HTTP.
package credential

import (
	"context"
	"net/http"
	"strings"

	"portico/internal/account"
	"portico/internal/portal"
	"portico/internal/secret"
)

// Parameter is the query parameter that some published clients send an API key in.
const Parameter = "api_key"

// Options are what a door or a route accepts.
type Options struct {
	QueryParameter bool // whether the parameter api_key may hold the credential; addresses end up in logs, so only where clients depend on it
}

// Credential is what a request says about who calls. The zero value is one that nobody has.
type Credential struct {
	ClientID string // for a client: its id, and Secret is its secret
	Secret   secret.Text
}

// Read finds the credential that a request carries in X-API-Key, api-key or Authorization, as Bearer token or as Basic with a
// client's id and secret; given is false for a request without. One that is given twice in one place, that differs from another, or
// that cannot be read is one that nobody has.
func Read(r *http.Request, o Options) (credential Credential, given bool) {
	var found []Credential
	for _, header := range []string{"X-Api-Key", "Api-Key"} {
		found = appendOnly(found, r.Header.Values(header), bare)
	}
	found = appendOnly(found, r.Header.Values("Authorization"), authorization)
	if o.QueryParameter {
		// What cannot be parsed is no parameter; the doors look at their own.
		found = appendOnly(found, r.URL.Query()[Parameter], bare)
	}
	for _, other := range found {
		if other != found[0] {
			return Credential{}, true
		}
	}
	if len(found) == 0 {
		return Credential{}, false
	}
	return found[0], true
}

func appendOnly(found []Credential, values []string, read func(string) Credential) []Credential {
	switch len(values) {
	case 0:
		return found
	case 1:
		return append(found, read(values[0]))
	default:
		return append(found, Credential{})
	}
}

func bare(value string) Credential { return Credential{Secret: secret.Text(value)} }

func authorization(value string) Credential {
	scheme, token, _ := strings.Cut(value, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return bare(strings.TrimSpace(token))
	case strings.EqualFold(scheme, "Basic"):
		if id, plain, ok := (&http.Request{Header: http.Header{"Authorization": {value}}}).BasicAuth(); ok && id != "" {
			return Credential{ClientID: id, Secret: secret.Text(plain)}
		}
	}
	return Credential{}
}

// Caller tells whom the credential stands for, within the merchant with the shop handle if there is one: as
// portal.Portal.Authenticate does, and account.Accounts.AuthenticateClient.
func (c Credential) Caller(ctx context.Context, p *portal.Portal, shop string) (account.Caller, error) {
	if c.ClientID != "" {
		return p.Accounts.AuthenticateClient(ctx, c.ClientID, c.Secret, shop)
	}
	return p.Authenticate(ctx, c.Secret, shop)
}

// Recognize is Caller for doors that keep the admission of an API key, as portal.Portal.Recognize asks for.
func (c Credential) Recognize(ctx context.Context, p *portal.Portal, shop string) (account.Caller, *account.Admission, error) {
	if c.ClientID != "" {
		caller, err := c.Caller(ctx, p, shop)
		return caller, nil, err
	}
	return p.Recognize(ctx, c.Secret, shop)
}

// SessionCookie is the name of the cookie that holds a member's session: over https, and over plain http, where browsers do not take the
// first.
func SessionCookie(secure bool) string {
	if secure {
		return "__Host-portico_session"
	}
	return "portico_session"
}
