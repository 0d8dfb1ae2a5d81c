package rest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/credential"
	"portico/internal/page"
)

const claimsPath = "/api/platform/claims"

// client is the id and the secret of a product's server.
func (w *world) client() (id, secret string) {
	w.t.Helper()
	client, plain, err := w.portal.Accounts.ClientCreate(w.t.Context(), w.box, account.ClientCreate{ProductID: w.product.ID, Name: "server"})
	require.NoError(w.t, err)
	return client.ClientID, string(plain)
}

func (w *world) setClaims(header http.Header, body map[string]any) answer {
	w.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(w.t, err)
	return w.post(claimsPath, header, string(text))
}

func basic(id, secret string) http.Header {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(id, secret)
	return r.Header
}

func TestAServerSetsAndReadsClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, secret := w.client()
	set := func(claims any) answer {
		return w.setClaims(nil, map[string]any{"client_id": id, "client_secret": secret, "email": "New@Example.com", "claims": claims})
	}
	a := set(map[string]any{"plan": "pro", "seats": "5", "beta": true, "score": 1.5})
	require.Equal(t, 200, a.status, a.body)
	require.JSONEq(t, `{"email": "New@Example.com", "claims": {"plan": "pro", "seats": "5", "beta": true, "score": 1.5}, "version": 1}`, a.body)
	a = set(map[string]any{"beta": nil, "role": "admin"})
	want := `{"email": "new@example.com", "claims": {"plan": "pro", "seats": "5", "role": "admin", "score": 1.5}, "version": 2}`
	require.Equal(t, 200, a.status, a.body)
	read := w.send(http.MethodGet, claimsPath+"?email="+url.QueryEscape("new@example.com"), basic(id, secret), nil)
	require.Equal(t, 200, read.status, read.body)
	require.JSONEq(t, want, read.body)
	stale := w.setClaims(basic(id, secret), map[string]any{"email": "new@example.com", "claims": map[string]any{"a": "b"}, "if_version": 1})
	requireBareRefusal(t, stale, 409)
	require.Contains(t, stale.body, "if_version: ")
	late := w.setClaims(basic(id, secret), map[string]any{"email": "new@example.com", "claims": map[string]any{"a": "b"}, "expires_at": "tomorrow"})
	requireBareRefusal(t, late, 400)
	require.Contains(t, late.body, "expires_at: must be a time")
	require.Empty(t, w.log.String())
	require.NotContains(t, a.body, secret)
}

func TestTheDashboardSetsClaimsWithItsCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session, _, err := w.portal.Accounts.SignIn(t.Context(), account.Origin{}, account.SignIn{Email: "owner@acorn.test", Password: "correct horse battery"})
	require.NoError(t, err)
	dashboard := func(more ...string) http.Header {
		header := http.Header{"Cookie": {credential.SessionCookie(false) + "=" + string(session.Token)}, "Portico-Merchant": {w.shop}}
		for i := 0; i < len(more); i += 2 {
			header.Set(more[i], more[i+1])
		}
		return header
	}
	body := map[string]any{"product_identifier": "payroll", "email": "ada@example.com", "claims": map[string]any{"plan": "pro"}}
	require.Equal(t, 200, w.setClaims(dashboard("Sec-Fetch-Site", "same-origin"), body).status)
	read := w.send(http.MethodGet, claimsPath+"?product_identifier=payroll&email=ada@example.com", dashboard(), nil)
	require.Contains(t, read.body, `"plan":"pro"`)
	requireBareRefusal(t, w.setClaims(dashboard("Sec-Fetch-Site", "cross-site"), body), 403)
	_, err = w.db.System().Exec(t.Context(), `update membership set role = 'VIEWER'`)
	require.NoError(t, err)
	refused := w.setClaims(dashboard("Sec-Fetch-Site", "same-origin"), body)
	requireBareRefusal(t, refused, 403)
	var entries int
	require.NoError(t, w.db.System().QueryRow(t.Context(), `select count(*) from audit_entry where request_id = $1 and code = 'FORBIDDEN'`,
		refused.header.Get("X-Request-Id")).Scan(&entries))
	require.Equal(t, 1, entries, "a refusal leaves an entry")
	_, err = w.db.System().Exec(t.Context(), `update membership set role = 'OWNER'`)
	require.NoError(t, err)
	delete(body, "product_identifier")
	requireBareRefusal(t, w.setClaims(dashboard("Sec-Fetch-Site", "same-origin"), body), 400)
}

func TestClaimsAreRefusedToWhoIsNotTheProducts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, secret := w.client()
	with := func(changes map[string]any) map[string]any {
		body := map[string]any{"client_id": id, "client_secret": secret, "email": "ada@example.com", "claims": map[string]any{"a": "b"}}
		for name, value := range changes {
			body[name] = value
		}
		return body
	}
	for name, c := range map[string]struct {
		body   map[string]any
		status int
	}{
		"a wrong secret":        {with(map[string]any{"client_secret": secret[:len(secret)-1]}), 401},
		"another id":            {with(map[string]any{"client_id": "nobody"}), 401},
		"no credentials":        {with(map[string]any{"client_id": "", "client_secret": ""}), 401},
		"no address":            {with(map[string]any{"email": ""}), 400},
		"an address that is no": {with(map[string]any{"email": "ada"}), 400},
		"no claims":             {with(map[string]any{"claims": nil}), 400},
		"a list of claims":      {with(map[string]any{"claims": []int{1}}), 400},
		"an object in a claim":  {with(map[string]any{"claims": map[string]any{"a": map[string]any{}}}), 400},
		"another product":       {with(map[string]any{"product_identifier": "nothing"}), 404},
	} {
		t.Run(name, func(t *testing.T) { requireBareRefusal(t, w.setClaims(nil, c.body), c.status) })
	}
	nobody := w.send(http.MethodGet, claimsPath+"?email=nobody@example.com", basic(id, secret), nil)
	requireBareRefusal(t, nobody, 404)
	require.Contains(t, nobody.body, "email: ")
	requireBareRefusal(t, w.send(http.MethodGet, claimsPath, basic(id, secret), nil), 400)
	requireBareRefusal(t, w.send(http.MethodGet, claimsPath+"?email=ada@example.com", key(w.key), nil), 401)
	customers, err := w.portal.Accounts.Customers(t.Context(), w.box, nil, page.Request{Size: 10})
	require.NoError(t, err)
	require.Empty(t, customers)
}
