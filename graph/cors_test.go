package graph_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/graph"
)

const app = "https://app.acorn.test"

// preflight asks what a page of another origin may do.
func (w *world) preflight(origin string) (status int, header http.Header) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodOptions, w.server.URL+"/graphql", nil)
	require.NoError(w.t, err)
	request.Header.Set("Origin", origin)
	request.Header.Set("Access-Control-Request-Method", "POST")
	request.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
	response, err := w.server.Client().Do(request)
	require.NoError(w.t, err)
	require.NoError(w.t, response.Body.Close())
	return response.StatusCode, response.Header
}

func from(origin string, who credentials) credentials {
	headers := credentials{"Origin": origin, "Sec-Fetch-Site": "cross-site"}
	for name, value := range who {
		headers[name] = value
	}
	return headers
}

func TestPagesOfRegisteredOriginsMayCallForTheirMerchant(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, graph.Options{Origin: "https://portico.test"})
	s, other := w.sandbox("Acorn"), w.sandbox("Birch")
	const register, viewer = `mutation($o: [String!]!) { corsOriginsUpdate(input: {origins: $o}) { origins userErrors { code field message } } }`, `{ viewer { kind } }`
	status, header := w.preflight(app)
	require.Equal(t, http.StatusForbidden, status)
	require.Empty(t, header.Get("Access-Control-Allow-Origin"))
	a := w.ask(from(app, s.key), viewer, nil)
	a.fails("FORBIDDEN")
	require.Equal(t, http.StatusForbidden, a.status)
	require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))

	a = w.must(s.owner, register, variables{"o": []string{app, "http://localhost:5173", app}})
	require.Equal(t, []any{"http://localhost:5173", app}, a.at("corsOriginsUpdate.origins"))
	require.Equal(t, []any{"http://localhost:5173", app}, w.must(s.owner, `{ corsOrigins }`, nil).at("corsOrigins"))
	require.Empty(t, w.must(other.owner, `{ corsOrigins }`, nil).at("corsOrigins"))

	status, header = w.preflight(app)
	require.Equal(t, http.StatusNoContent, status)
	require.Equal(t, app, header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "GET, POST", header.Get("Access-Control-Allow-Methods"))
	require.Contains(t, header.Get("Access-Control-Allow-Headers"), "Authorization")
	require.Contains(t, header.Values("Vary"), "Origin")
	for _, who := range []credentials{s.key, s.owner} {
		a = w.must(from(app, who), viewer, nil)
		require.Equal(t, app, a.header.Get("Access-Control-Allow-Origin"))
		require.Contains(t, a.header.Get("Access-Control-Expose-Headers"), "Retry-After")
		require.Empty(t, a.header.Get("Access-Control-Allow-Credentials"))
	}

	before := w.contents()
	const mutation = `mutation { companyCreate(input: {name: "Initech"}) { company { id } } }`
	for name, who := range map[string]credentials{"another merchant's key": other.key, "nobody": nil, "a credential that is none": bearer("x")} {
		a = w.ask(from(app, who), mutation, nil)
		require.Len(t, a.errors, 1, name)
		require.Equal(t, app, a.header.Get("Access-Control-Allow-Origin"), "it may read why")
		require.Contains(t, []int{http.StatusForbidden, http.StatusUnauthorized}, a.status)
	}
	token := strings.TrimPrefix(s.owner["Authorization"], "Bearer ")
	w.ask(from(app, credentials{"Cookie": "portico_session=" + token, "Portico-Merchant": s.handle}), mutation, nil).fails("FORBIDDEN")
	after := w.contents()
	delete(before, "api_key") // its last use
	delete(after, "api_key")
	require.Equal(t, before, after)

	w.must(s.owner, register, variables{"o": []string{}})
	w.ask(from(app, s.key), viewer, nil).fails("FORBIDDEN")
}

func TestOurOwnPagesAreOfNoOtherOrigin(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, graph.Options{Origin: "https://portico.test"})
	for name, headers := range map[string]credentials{
		"its public address":    {"Origin": "https://portico.test"},
		"the address it is at":  {"Origin": w.server.URL},
		"what the browser says": {"Origin": "http://10.1.1.1", "Sec-Fetch-Site": "same-origin"},
		"no browser":            {},
	} {
		a := w.ask(headers, `{ viewer { kind } }`, nil)
		require.Equal(t, "ANONYMOUS", a.text("viewer.kind"), name)
		require.Empty(t, a.header.Get("Access-Control-Allow-Origin"), name)
	}
	status, _ := w.preflight("https://portico.test")
	require.Equal(t, http.StatusNoContent, status)
	for _, origin := range []string{"null", "", "file://", "https://portico.test.evil.test", strings.Repeat("x", 10_000)} {
		if origin != "" {
			w.ask(credentials{"Origin": origin}, `{ viewer { kind } }`, nil).fails("FORBIDDEN")
		}
	}
}

func TestAnOriginIsWhatABrowserWouldSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	const register = `mutation($o: [String!]!) { corsOriginsUpdate(input: {origins: $o}) { origins userErrors { code field message } } }`
	for _, origin := range []string{
		"", "*", "null", "https://*.acorn.test", "acorn.test", "https://", "https://acorn.test/", "https://acorn.test/app", "https://Acorn.test", "HTTPS://acorn.test",
		"https://acorn.test:443", "http://localhost:80", "http://acorn.test", "http://localhost.acorn.test", "ftp://acorn.test", "https://ada@acorn.test",
		"https://acorn.test?a", "https://acorn.test#a", "https://äpfel.test", "https://acorn.test\u0000", "https://" + strings.Repeat("a", 250) + ".test", "javascript:alert(1)",
	} {
		w.ask(s.owner, register, variables{"o": []string{app, origin}}).refuses("corsOriginsUpdate", "INVALID input.origins.1")
	}
	many := make([]string, 21)
	for i := range many {
		many[i] = app
	}
	w.ask(s.owner, register, variables{"o": many}).refuses("corsOriginsUpdate", "INVALID input.origins")
	w.ask(s.key, register, variables{"o": []string{app}}).fails("FORBIDDEN")
	require.Empty(t, w.must(s.owner, `{ corsOrigins }`, nil).at("corsOrigins"))
	for _, origin := range []string{"https://acorn.test:8443", "http://127.0.0.1:3000", "http://[::1]:3000", "https://10.0.0.1", "http://localhost"} {
		w.must(s.owner, register, variables{"o": []string{origin}})
	}
}

func TestWhatAnotherProcessHasChangedIsNoticedWithinHalfAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	status, _ := w.preflight(app)
	require.Equal(t, http.StatusForbidden, status)
	_, err := w.db.System().Exec(t.Context(), `insert into cors_origin select id, $1 from merchant where shop = $2`, app, s.handle)
	require.NoError(t, err)
	require.Zero(t, w.statements(func() { status, _ = w.preflight(app) }), "the answer is remembered")
	require.Equal(t, http.StatusForbidden, status)
	w.now = w.now.Add(30 * time.Second)
	status, _ = w.preflight(app)
	require.Equal(t, http.StatusNoContent, status)
}
