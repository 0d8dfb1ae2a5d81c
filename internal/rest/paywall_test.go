package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/page"
	"portico/internal/rest"
)

func paywallPath(id any) string { return fmt.Sprintf("/api/v1/paywall/%v/get-customer-portal", id) }

func (w *world) paywall(id any, key string, body string) answer {
	w.t.Helper()
	header := http.Header{"Content-Type": {"application/json"}}
	if key != "" {
		header.Set("X-Api-Key", key)
	}
	return w.post(paywallPath(id), header, body)
}

func requireBareRefusal(t *testing.T, a answer, status int) string {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	require.Equal(t, "application/json; charset=utf-8", a.header.Get("Content-Type"))
	var body struct {
		Error string `json:"error"`
	}
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&body), a.body)
	require.NotEmpty(t, body.Error)
	return body.Error
}

func TestAServerGetsAnAddressWhereItsCustomerBuys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []any{w.product.ID, w.product.Identifier} {
		a := w.paywall(id, w.key, `{"email": "new@example.com", "userMeta": {"plan": "basic", "source": 7}, "more": 1}`)
		require.Equal(t, 200, a.status, a.body)
		var body map[string]string
		require.NoError(t, json.Unmarshal([]byte(a.body), &body))
		require.Len(t, body, 1)
		require.True(t, strings.HasPrefix(body["url"], "https://portico.test/portal/"+w.shop+"/payroll?token=eyJ"), body["url"])
		to, err := url.Parse(body["url"])
		require.NoError(t, err)
		page := w.send(http.MethodGet, to.RequestURI(), nil, nil)
		requirePage(t, page, 200)
		require.Contains(t, page.body, "Payroll &lt;b&gt;")
	}
	ada, err := w.portal.Accounts.Customer(t.Context(), w.box, account.CustomerRef{Email: to("NEW@example.com")})
	require.NoError(t, err)
	require.JSONEq(t, `{"plan": "basic", "source": 7}`, string(ada.UserMeta))
	require.NoError(t, w.options.Audit.Count(t.Context()))
	usage, err := w.options.Audit.TokenUsage(t.Context(), w.box, []int64{ada.ID})
	require.NoError(t, err)
	require.Len(t, usage[ada.ID], 1)
	require.EqualValues(t, 2, usage[ada.ID][0].Count, "tokens are counted")
	linked, err := w.portal.Accounts.Customers(t.Context(), w.box, &w.product.ID, page.Request{Size: 10})
	require.NoError(t, err)
	require.Len(t, linked, 1)
	require.Equal(t, ada.ID, linked[0].ID)
	require.Empty(t, w.log.String())
}

func TestWhoHasThePurchaseIsAConflictAndWhatWasFoundStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	company, err := w.portal.Accounts.CompanyCreate(t.Context(), w.box, account.CompanyCreate{Name: "Bakery"})
	require.NoError(t, err)
	w.customer(w.box, "payer@example.com", nil, &w.plan)
	ada, err := w.portal.Accounts.CustomerCreate(t.Context(), w.box, account.CustomerCreate{Email: "ada@example.com", Name: "Ada", CompanyID: &company.ID})
	require.NoError(t, err)
	w.subscribe(w.box, ada, w.plan)
	_, err = w.portal.Accounts.CustomerCreate(t.Context(), w.box, account.CustomerCreate{Email: "bob@example.com", Name: "Bob", CompanyID: &company.ID})
	require.NoError(t, err)
	for _, email := range []string{"payer@example.com", "ada@example.com", "bob@example.com"} {
		a := w.paywall("payroll", w.key, `{"email": "`+email+`", "userMeta": {"seen": true}}`)
		require.Contains(t, requireBareRefusal(t, a, 409), "active purchase")
		found, err := w.portal.Accounts.Customer(t.Context(), w.box, account.CustomerRef{Email: &email})
		require.NoError(t, err)
		require.JSONEq(t, `{"seen": true}`, string(found.UserMeta))
	}
	linked, err := w.portal.Accounts.Customers(t.Context(), w.box, &w.product.ID, page.Request{Size: 10})
	require.NoError(t, err)
	require.Len(t, linked, 3, "and Bob, who pays for nothing")
	for _, state := range []string{"PAUSED", "SCHEDULED", "PAST_DUE"} {
		_, err := w.db.System().Exec(t.Context(), `update subscription set status = $1, access_until = '2020-01-01'`, state)
		require.NoError(t, err)
		requireBareRefusal(t, w.paywall("payroll", w.key, `{"email": "payer@example.com"}`), 409)
	}
	_, err = w.db.System().Exec(t.Context(), `update subscription set status = 'EXPIRED', ended_at = '2020-01-01', bill_at = null, end_at = null`)
	require.NoError(t, err)
	require.Equal(t, 200, w.paywall("payroll", w.key, `{"email": "payer@example.com"}`).status)
}

func TestAPaywallIsRefusedInThePublishedOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	narrow := w.newKey(w.box, account.ScopeCustomersRead)
	revoked := w.newKey(w.box, account.ScopeTokensWrite)
	_, err := w.db.System().Exec(t.Context(), `update api_key set revoked_at = $1 where id = (select max(id) from api_key)`, newYear)
	require.NoError(t, err)
	const good = `{"email": "ada@example.com"}`
	for name, c := range map[string]struct {
		id        any
		key, body string
		status    int
	}{
		"no body":                           {"payroll", w.key, ``, 400},
		"no JSON":                           {"payroll", w.key, `email=ada@example.com`, 400},
		"a list":                            {"payroll", w.key, `[]`, 400},
		"null":                              {"payroll", w.key, `null`, 400},
		"two objects":                       {"payroll", w.key, good + good, 400},
		"no address":                        {"payroll", w.key, `{}`, 400},
		"an empty address":                  {"payroll", w.key, `{"email": ""}`, 400},
		"an address that is none":           {"payroll", w.key, `{"email": "ada"}`, 400},
		"a number for an address":           {"payroll", w.key, `{"email": 7}`, 400},
		"metadata that is no object":        {"payroll", w.key, `{"email": "ada@example.com", "userMeta": []}`, 400},
		"metadata with half a character":    {"payroll", w.key, `{"email": "ada@example.com", "userMeta": {"a": "\ud800"}}`, 400},
		"a body that is too large":          {"payroll", w.key, `{"email": "ada@example.com", "userMeta": {"a": "` + strings.Repeat("a", 70_000) + `"}}`, 400},
		"malformed, and no key":             {"payroll", "", `{}`, 400},
		"malformed, and no paywall":         {"nothing", w.key, `{}`, 400},
		"no key":                            {"payroll", "", good, 401},
		"no key and no paywall":             {"nothing", "", good, 401},
		"a wrong key":                       {"payroll", "ptc_sk_test_wrong", good, 401},
		"a revoked key":                     {"payroll", revoked, good, 401},
		"a key without the scope":           {"payroll", narrow, good, 403},
		"an unknown paywall":                {"nothing", w.key, good, 400},
		"an unknown number":                 {999, w.key, good, 400},
		"a number beyond 64 bits":           {"99999999999999999999", w.key, good, 400},
		"a paywall that none can be called": {"a%00b", w.key, good, 400},
	} {
		requireBareRefusal(t, w.paywall(c.id, c.key, c.body), c.status)
		_, err := w.portal.Accounts.Customer(t.Context(), w.box, account.CustomerRef{Email: to("ada@example.com")})
		require.Error(t, err, name)
	}
	w.stock(w.live, "ledger")
	requireBareRefusal(t, w.paywall("ledger", w.key, good), 400) // another merchant's
}

func TestCallsAtTheSameTimeMakeOneCustomer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	statuses := make(chan int, 10)
	var all sync.WaitGroup
	for range cap(statuses) {
		all.Go(func() {
			statuses <- w.paywall("payroll", w.key, `{"email": "ada@example.com", "userMeta": {"n": 1}}`).status
		})
	}
	all.Wait()
	close(statuses)
	for status := range statuses {
		require.Equal(t, 200, status)
	}
	customers, err := w.portal.Accounts.Customers(t.Context(), w.box, nil, page.Request{Size: 10})
	require.NoError(t, err)
	require.Len(t, customers, 1)
}

func TestTheCompatibleRoutesTakeFromTheSamePointsAsGraphQL(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.limit(20)
	w.customer(w.box, "ada@example.com", to(int64(12345)), &w.plan)
	require.Equal(t, 200, w.paywall("payroll", w.key, `{"email": "bob@example.com"}`).status)
	require.Equal(t, 200, w.send(http.MethodGet, tokenPath+"?customerId=12345", key(w.key), nil).status)
	a := w.paywall("payroll", w.key, `{"email": "eve@example.com"}`)
	requireBareRefusal(t, a, 429)
	require.Equal(t, "10", a.header.Get("Retry-After"))
	_, err := w.portal.Accounts.Customer(t.Context(), w.box, account.CustomerRef{Email: to("eve@example.com")})
	require.Error(t, err)
	requireRefused(t, w.send(http.MethodGet, tokenPath+"?customerId=12345", key(w.key), nil), 429, "THROTTLED")
}

func TestTheDocumentDescribesEveryRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.send(http.MethodGet, "/api/openapi.json", nil, nil)
	require.Equal(t, 200, a.status)
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Security    []map[string][]string
			Responses   map[string]any
		}
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &document))
	require.Equal(t, "3.1.0", document.OpenAPI)
	for path, methods := range document.Paths {
		for method, operation := range methods {
			require.NotEmpty(t, operation.OperationID, path)
			require.NotEmpty(t, operation.Security, path)
			require.Contains(t, operation.Responses, "200", path)
			require.Contains(t, operation.Responses, "429", path)
			path := strings.NewReplacer("{paywallId}", "payroll").Replace(path)
			a := w.send(strings.ToUpper(method), path, nil, nil)
			require.Contains(t, []int{400, 401}, a.status, "%s is answered: %s", path, a.body)
		}
	}
	var types struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Type any }
			}
			SecuritySchemes map[string]struct{ Name string }
		}
		Paths map[string]struct {
			Post struct{ RequestBody struct{ Required bool } }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &types))
	require.Equal(t, []any{"string", "number"}, types.Components.Schemas["OrderRequest"].Properties["price"].Type)
	require.Contains(t, types.Components.Schemas["ClaimsRequest"].Properties["claims"].Type, "object")
	require.Equal(t, "portico_session", types.Components.SecuritySchemes["session"].Name)
	require.True(t, types.Paths["/order/product"].Post.RequestBody.Required)
	w.options.Secure = true
	w.server.Config.Handler = rest.NewHandler(w.options)
	require.Contains(t, w.send(http.MethodGet, "/api/openapi.json", nil, nil).body, `"__Host-portico_session"`)
	for _, path := range []string{tokenPath, linkPath, mailPath, paywallPath("{paywallId}"), external + "customer-portal-settings/{id}"} {
		require.Contains(t, document.Paths, path)
	}
}

func TestAnAddressSaysWhichMethodsItTakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, allowed := range map[string]string{
		tokenPath: "GET", mailPath: "POST, GET", external + "customer-portal-settings/1": "GET", "/order/product": "POST",
	} {
		a := w.send(http.MethodPut, path, key(w.key), nil)
		requireRefused(t, a, 405, "METHOD_NOT_ALLOWED")
		require.Equal(t, allowed, a.header.Get("Allow"))
	}
	requireBareRefusal(t, w.send(http.MethodGet, paywallPath("payroll"), key(w.key), nil), 405)
	requireBareRefusal(t, w.send(http.MethodDelete, "/api/platform/claims", nil, nil), 405)
	requireRefused(t, w.send(http.MethodGet, "/api/nothing", key(w.key), nil), 404, "NOT_FOUND")
	requireRefused(t, w.send(http.MethodPost, "/order/products", key(w.key), nil), 404, "NOT_FOUND")
}
