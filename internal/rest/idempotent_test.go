package rest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/catalog"
)

const keyHeader = "Idempotency-Key"

func (a answer) replayed() bool { return a.header.Get("Idempotent-Replayed") == "true" }

// repeatable is a request of each route that keeps answers, and another one with the same key.
type repeatable struct {
	path, other string // paths with their parameters
	body, next  string
	header      func() http.Header
	bare        bool
}

func (w *world) repeatables() map[string]repeatable {
	w.t.Helper()
	w.customer(w.box, "ada@example.com", nil, &w.plan)
	w.customer(w.box, "eve@example.com", nil, &w.plan)
	_, err := w.db.System().Exec(w.t.Context(), `update product set integration_page_url = 'https://acorn.test'`)
	require.NoError(w.t, err)
	bob := w.customer(w.box, "bob@example.com", nil, nil)
	consent, err := w.portal.ConnectStart(w.t.Context(), w.box, account.CustomerRef{ID: &bob.ID}, catalog.ProductRef{ID: &w.product.ID})
	require.NoError(w.t, err)
	tokenKey, err := w.portal.Accounts.TokenKey(w.t.Context(), w.box)
	require.NoError(w.t, err)
	order, err := json.Marshal(map[string]any{
		"access_token": "at-1", "user_token": string(consent.UserToken), "product_identifier": "payroll", "plan_id": w.plan.Number,
		"plan_type": "monthly", "price": 19.99, "status": "active", "started_at": "2025-12-15 00:00:00", "expire_at": "2026-01-15 12:30:00",
	})
	require.NoError(w.t, err)
	id, secret := w.client()
	return map[string]repeatable{
		mailPath: {
			path: mailPath + "?email=ada@example.com", other: mailPath + "?email=eve@example.com", header: func() http.Header { return key(w.key) },
		},
		"/order/product": {
			path: "/order/product", body: string(order), next: strings.Replace(string(order), "19.99", "29.99", 1),
			header: func() http.Header { return http.Header{"Api-Key": {string(tokenKey.Key)}} },
		},
		claimsPath: {
			path: claimsPath, body: `{"email": "ada@example.com", "claims": {"role": "<admin>"}}`, next: `{"email": "ada@example.com", "claims": {"role": "guest"}}`,
			header: func() http.Header { return basic(id, secret) }, bare: true,
		},
	}
}

func (w *world) entries() (n int) {
	w.t.Helper()
	require.NoError(w.t, w.db.System().QueryRow(w.t.Context(), `select count(*) from audit_entry`).Scan(&n))
	return n
}

// Each route with POST that the document has: none is forgotten.
func TestARequestWithAKeyIsPerformedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cases := w.repeatables()
	var document struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name, In, Description string }
			Responses  map[string]any
		}
	}
	require.NoError(t, json.Unmarshal([]byte(w.send(http.MethodGet, "/api/openapi.json", nil, nil).body), &document))
	for path, methods := range document.Paths {
		operation, posts := methods["post"]
		if !posts {
			continue
		}
		at := -1
		for i, parameter := range operation.Parameters {
			if parameter.Name == keyHeader && parameter.In == "header" {
				at = i
			}
		}
		require.GreaterOrEqual(t, at, 0, path)
		require.Contains(t, operation.Responses, "409", path)
		c, keeps := cases[path]
		require.NotEqual(t, keeps, strings.HasPrefix(operation.Parameters[at].Description, "Without effect"), path)
		if !keeps {
			continue
		}
		t.Run(path, func(t *testing.T) {
			post := func(path, body string) answer { return w.post(path, with(c.header(), keyHeader, "order-4711"), body) }
			first := post(c.path, c.body)
			require.Equal(t, 200, first.status, first.body)
			require.False(t, first.replayed())
			before := w.entries()
			again := post(c.path, strings.ReplaceAll(c.body, `": "`, `" :"`)) // written in another way
			require.Equal(t, 200, again.status, again.body)
			require.Equal(t, first.body, again.body)
			require.True(t, again.replayed())
			require.Equal(t, before, w.entries())

			other := post(map[bool]string{true: c.path, false: c.other}[c.other == ""], c.next)
			if c.bare {
				require.Contains(t, requireBareRefusal(t, other, 409), keyHeader)
			} else {
				requireRefused(t, other, 409, "IDEMPOTENCY_CONFLICT")
			}
			require.Equal(t, before, w.entries())
			require.False(t, w.post(c.path, with(c.header(), keyHeader, "order-4712"), c.body).replayed())
			require.False(t, w.post(c.path, c.header(), c.body).replayed())
		})
		delete(cases, path)
	}
	require.Empty(t, cases, "all are in the document")
	require.Empty(t, w.log.String())
}

func TestARefusalOfTheDomainIsRepeatedAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	post := func(email, key string) answer {
		return w.post(mailPath+"?email="+email, http.Header{"X-Api-Key": {w.key}, keyHeader: {key}}, "")
	}
	first := post("ada@example.com", "a")
	requireRefused(t, first, 404, "NOT_FOUND")
	w.customer(w.box, "ada@example.com", nil, &w.plan)
	again := post("ada@example.com", "a")
	requireRefused(t, again, 404, "NOT_FOUND")
	require.Equal(t, first.body, again.body)
	require.True(t, again.replayed())
	require.Equal(t, 200, post("ada@example.com", "b").status)

	rename := func(from, to string) {
		require.NoError(t, w.db.System().Tx(t.Context(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "alter table "+from+" rename to "+to)
			return err
		}))
	}
	rename("portal_token", "moved")
	requireRefused(t, post("ada@example.com", "c"), 500, "INTERNAL_SERVER_ERROR")
	rename("moved", "portal_token")
	served := post("ada@example.com", "c")
	require.Equal(t, 200, served.status, served.body)
	require.False(t, served.replayed())

	w.limit(10)
	require.Equal(t, 200, post("ada@example.com", "d").status)
	requireRefused(t, post("ada@example.com", "e"), 429, "THROTTLED")
	w.limit(100)
	require.False(t, post("ada@example.com", "e").replayed())
}

func TestAConflictWithAnotherRequestFreesTheKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.customer(w.box, "ada@example.com", nil, &w.plan)
	id, secret := w.client()
	post := func() answer {
		return w.post(claimsPath, with(basic(id, secret), keyHeader, "k"), `{"email": "ada@example.com", "claims": {"role": "admin"}, "if_version": 1}`)
	}
	requireBareRefusal(t, post(), 409)
	require.Equal(t, 200, w.post(claimsPath, basic(id, secret), `{"email": "ada@example.com", "claims": {"seats": "5"}}`).status)
	again := post()
	require.Equal(t, 200, again.status, "what stood in the way is over: %s", again.body)
	require.False(t, again.replayed())
	require.True(t, post().replayed())
}

func TestAKeyIsOfWhoSentItAndOfItsRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.customer(w.box, "ada@example.com", nil, &w.plan)
	w.customer(w.live, "ada@example.com", nil, nil)
	id, secret := w.client()
	other, otherSecret := w.client()
	body := `{"email": "ada@example.com", "claims": {"role": "admin"}}`
	keyed := func(header http.Header) http.Header { return with(header, keyHeader, "k") }
	require.Equal(t, 200, w.post(claimsPath, keyed(basic(id, secret)), body).status)
	require.True(t, w.post(claimsPath, keyed(basic(id, secret)), body).replayed())
	inBody := w.setClaims(keyed(nil), map[string]any{
		"client_id": id, "client_secret": secret, "email": "ada@example.com", "claims": map[string]any{"role": "admin"},
	})
	require.True(t, inBody.replayed(), "credentials are no part of the request: %s", inBody.body)
	require.False(t, w.post(claimsPath, keyed(basic(other, otherSecret)), body).replayed(), "another client's key")
	requireBareRefusal(t, w.post(claimsPath, keyed(basic(id, "wrong")), body), 401)

	path := mailPath + "?email=ada@example.com"
	require.False(t, w.post(path, keyed(key(w.key)), "").replayed(), "the key of another route")
	require.True(t, w.post(path+"&api_key="+w.newKey(w.box, account.ScopeTokensWrite), keyed(nil), "").replayed(), "another key of the merchant")
	requireRefused(t, w.post(path, keyed(key(w.newKey(w.box, account.ScopeCustomersRead))), ""), 403, "FORBIDDEN")
	require.False(t, w.send(http.MethodGet, path, keyed(key(w.key)), nil).replayed(), "a key is for POST")

	w.now = w.now.Add(24 * time.Hour)
	a := w.post(claimsPath, keyed(basic(id, secret)), strings.Replace(body, "admin", "guest", 1))
	require.Equal(t, 200, a.status, "a day later the key is free: %s", a.body)
	require.False(t, a.replayed())
	require.Empty(t, w.log.String())
}

func TestAnAnswerWithATokenIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	post := func(email string) answer {
		return w.post(paywallPath("payroll"), http.Header{"X-Api-Key": {w.key}, keyHeader: {"k"}}, `{"email": "`+email+`"}`)
	}
	first, again := post("new@example.com"), post("new@example.com")
	require.Equal(t, []int{200, 200}, []int{first.status, again.status})
	require.NotEqual(t, first.body, again.body)
	require.False(t, again.replayed())
	require.Equal(t, 200, post("other@example.com").status)
	var kept, customers int
	require.NoError(t, w.db.System().QueryRow(t.Context(), `select (select count(*) from idempotency_key), (select count(*) from customer)`).Scan(&kept, &customers))
	require.Zero(t, kept)
	require.Equal(t, 2, customers)
}

func TestAKeyThatIsNoneNamesItsHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, keys := range map[string][]string{
		"empty": {""}, "too long": {strings.Repeat("k", 256)}, "a space": {"a b"}, "not ASCII": {"ä"}, "two": {"a", "b"},
	} {
		header := http.Header{"X-Api-Key": {w.key}, keyHeader: keys}
		a := w.post(mailPath+"?email=ada@example.com", header, "")
		requireRefused(t, a, 400, "INVALID")
		require.Contains(t, a.body, keyHeader, name)
		require.Contains(t, requireBareRefusal(t, w.post(paywallPath("payroll"), header, `{"email": "ada@example.com"}`), 400), keyHeader)
	}
	require.Zero(t, w.entries())
	requireRefused(t, w.post(mailPath+"?email=ada@example.com", http.Header{"X-Api-Key": {w.key}, keyHeader: {strings.Repeat("k", 255)}}, ""), 404, "NOT_FOUND")
}

func TestOfManyRequestsWithAKeyOneIsPerformed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, secret := w.client()
	answers := make(chan answer, 8)
	var all sync.WaitGroup
	for range cap(answers) {
		all.Go(func() {
			answers <- w.post(claimsPath, with(basic(id, secret), keyHeader, "k"), `{"email": "ada@example.com", "claims": {"role": "admin"}}`)
		})
	}
	all.Wait()
	close(answers)
	performed := 0
	for a := range answers {
		switch {
		case a.status == 200 && !a.replayed():
			performed++
		case a.status != 200:
			require.Contains(t, requireBareRefusal(t, a, 409), "still being performed")
		}
	}
	require.Equal(t, 1, performed)
	require.Equal(t, 1, w.entries())
}
