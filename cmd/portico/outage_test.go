package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/devpg"
	"portico/internal/proctest"
	"portico/internal/secret"
)

// TestAServerOutlivesItsDatabase stops Postgres under a server that goes on, and starts it again.
func TestAServerOutlivesItsDatabase(t *testing.T) {
	t.Parallel()
	folder := t.TempDir() // of a test with a short name, for the socket's path
	start := func() *devpg.Server {
		postgres, err := devpg.Start(t.Context(), devpg.Options{Dir: folder + "/data"})
		require.NoError(t, err)
		t.Cleanup(func() { _ = postgres.Stop(t.Context()) })
		return postgres
	}
	postgres := start()
	env := []string{
		"DATABASE_URL=" + postgres.URL(), "PORTICO_KEYS=1:" + string(secret.NewKey()), "PORTICO_PEPPER=" + string(secret.NewKey()),
		fmt.Sprintf("PORTICO_ADDR=127.0.0.1:%d", proctest.FreePort(t)),
	}
	proctest.Portico(t, env, "migrate").Wait()
	serve := proctest.Portico(t, env, "serve")
	serve.Line(`"msg":"serving"`)
	base := "http://" + env[len(env)-1][len("PORTICO_ADDR="):]
	public := proctest.API{T: t, URL: base + "/graphql"}
	session := public.Do(`mutation { merchantSignUp(input: {name: "Acorn", email: "owner@acorn.test", password: "correct horse battery"}) {
		sessionToken userErrors { message } } }`, nil).Text("merchantSignUp.sessionToken")
	member := public.With("Authorization", "Bearer "+session)
	shop := member.Do(`mutation { sandboxCreate(input: {name: "Acorn test"}) { merchant { shop } userErrors { message } } }`, nil).Text("sandboxCreate.merchant.shop")
	member = member.With("Portico-Merchant", shop)
	key := member.Do(`mutation { apiKeyCreate(input: {name: "server"}) { secret userErrors { message } } }`, nil).Text("apiKeyCreate.secret")
	member.Do(`mutation { productCreate(input: {identifier: "rosterly", name: "Rosterly", launchUrl: "http://127.0.0.1:1/launch"}) { userErrors { message } } }`, nil)
	client := member.Do(`mutation { clientCreate(input: {product: {identifier: "rosterly"}, name: "server"}) { client { clientId } secret userErrors { message } } }`,
		nil).Object("clientCreate")
	tokenKey := member.Do(`{ tokenKey { key } }`, nil).Text("tokenKey.key")

	type answer struct {
		status int
		header http.Header
		text   string
	}
	send := func(method, path, body string, header ...string) answer {
		request, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		client := &http.Client{Timeout: 10 * time.Second} // a request has five seconds, whatever happens
		response, err := client.Do(request)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return answer{response.StatusCode, response.Header, string(text)}
	}
	asks := map[string]func() answer{
		"GraphQL with a key": func() answer {
			return send("POST", "/graphql", `{"query": "{ customers { nodes { id } } }"}`, "X-API-Key", key)
		},
		"GraphQL of nobody": func() answer {
			return send("POST", "/graphql", `{"query": "{ publicProducts(shop: \"`+shop+`\") { nodes { name } } }"}`)
		},
		"section B": func() answer {
			return send("GET", "/api/external/v2/customer-portal-settings/"+shop, "", "X-API-Key", key)
		},
		"section C": func() answer {
			return send("POST", "/api/v1/paywall/rosterly/get-customer-portal", `{"email": "ada@example.test"}`, "x-api-key", key)
		},
		"section D": func() answer { return send("POST", "/order/product", `{}`, "api-key", tokenKey) },
		"section E": func() answer {
			return send("POST", "/api/platform/claims", fmt.Sprintf(`{"client_id": %q, "client_secret": %q, "email": "ada@example.test", "claims": {}}`,
				client.Text("client.clientId"), client.Text("secret")))
		},
		"the portal":   func() answer { return send("GET", "/portal/"+shop, "") },
		"is it ready?": func() answer { return send("GET", "/readyz", "") },
	}
	before := map[string]int{}
	for name, ask := range asks {
		before[name] = ask().status
		require.Less(t, before[name], 500, name)
	}

	require.NoError(t, postgres.Stop(t.Context()))
	for range 2 { // with connections that were open, and without
		for name, ask := range asks {
			a := ask()
			if strings.HasPrefix(name, "GraphQL") && a.status == http.StatusOK { // it broke while it was performed
				require.Contains(t, a.text, `"UNAVAILABLE"`, name)
				continue
			}
			require.Equal(t, http.StatusServiceUnavailable, a.status, "%s: %s", name, a.text)
			require.NotContains(t, a.text, folder, "%s says nothing about internals", name)
			switch {
			case strings.HasPrefix(name, "section"):
				require.Equal(t, "5", a.header.Get("Retry-After"), name)
				var body struct{ Error any }
				require.NoError(t, json.Unmarshal([]byte(a.text), &body), name)
				if name == "section C" || name == "section E" {
					require.IsType(t, "", body.Error, name)
				} else {
					require.Equal(t, "UNAVAILABLE", body.Error.(map[string]any)["code"], name)
				}
			case strings.HasPrefix(name, "GraphQL"):
				require.Equal(t, "5", a.header.Get("Retry-After"), name)
				require.Contains(t, a.text, `"UNAVAILABLE"`, name)
			}
		}
	}
	require.Equal(t, http.StatusOK, send("GET", "/healthz", "").status, "the process itself is well")

	start()
	for name, ask := range asks {
		require.Eventually(t, func() bool { return ask().status == before[name] }, proctest.Patience, 100*time.Millisecond, name)
	}
	require.Contains(t, serve.Text(), "the database is away")
}
