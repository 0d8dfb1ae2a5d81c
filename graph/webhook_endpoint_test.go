package graph_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// paths are the members of a body, those of the merchant's own data left out.
func paths(t *testing.T, body string) []string {
	t.Helper()
	var value any
	require.NoError(t, json.Unmarshal([]byte(body), &value))
	all := map[string]struct{}{}
	var walk func(path string, value any)
	walk = func(path string, value any) {
		all[path] = struct{}{}
		if members, isObject := value.(map[string]any); isObject && path != ".data.userMeta" && path != ".data.claims" && path != ".data.tier.features" {
			for name, member := range members {
				walk(path+"."+name, member)
			}
		}
	}
	walk("", value)
	return slices.Sorted(maps.Keys(all))
}

const tryEndpoint = `mutation($id: ID!, $type: String!) { webhookEndpointTest(input: {id: $id, eventType: $type}) {
	result { statusCode durationMs responseBody requestHeaders { name value } requestBody errorClass error } userErrors { code field message } } }`

func TestASampleLooksLikeTheEventsThatHappen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}))
	t.Cleanup(receiver.Close)
	w.must(s.key, `mutation($id: ID!, $url: String!) { webhookEndpointUpdate(input: {id: $id, url: $url}) { userErrors { code } } }`,
		variables{"id": s.ids["WebhookEndpoint"], "url": receiver.URL})
	w.must(s.key, `mutation($email: String!) { claimsSet(input: {customer: {email: $email}, product: {identifier: "acorn"}, claims: {plan: "pro"}}) {
		userErrors { code } } }`, variables{"email": s.email})
	w.must(s.key, `mutation($id: ID!) { webhookEndpointDisable(input: {id: $id}) { userErrors { code } } }`, variables{"id": s.hook("https://receiver.test/hook")})
	s.awaitEvents(6, nil)
	happened := w.must(s.key, `{ events { nodes { type body } } }`, nil).at("events.nodes").([]any)
	for _, event := range happened {
		kind := event.(map[string]any)["type"].(string)
		real, err := json.Marshal(event.(map[string]any)["body"])
		require.NoError(t, err)
		a := w.must(s.key, tryEndpoint, variables{"id": s.ids["WebhookEndpoint"], "type": kind})
		sent := a.text("webhookEndpointTest.result.requestBody")
		require.Equal(t, sent, a.text("webhookEndpointTest.result.responseBody"), "the receiver's answer")
		require.Equal(t, slices.Sorted(slices.Values(append(paths(t, string(real)), ".test"))), paths(t, sent), kind)
	}
}

func TestAnEndpointIsManagedThroughTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	const all = `webhookEndpoint { id url productId format eventTypes description apiVersion timeoutSeconds rateLimit headers { name value }
		status disabledReason disabledAt publicKey nextPublicKey nextSecretAt } userErrors { code field message }`
	a := w.must(s.key, `mutation($input: WebhookEndpointCreateInput!) { webhookEndpointCreate(input: $input) { secret `+all+` } }`, variables{"input": variables{
		"url": "https://receiver.test/hook", "product": variables{"identifier": "acorn"}, "format": "PAYMENT_NOTIFICATION", "description": "money",
		"timeoutSeconds": 30, "rateLimit": 5, "headers": []variables{{"name": "Authorization", "value": "open sesame"}},
	}})
	id := a.text("webhookEndpointCreate.webhookEndpoint.id")
	at := func(mutation, path string) any { return a.at(mutation + ".webhookEndpoint." + path) }
	require.Equal(t, "PAYMENT_NOTIFICATION", at("webhookEndpointCreate", "format"))
	require.Equal(t, []any{"payment.succeeded"}, at("webhookEndpointCreate", "eventTypes"))
	require.Equal(t, []any{map[string]any{"name": "Authorization", "value": "open sesame"}}, at("webhookEndpointCreate", "headers"))

	a = w.must(s.key, `mutation($id: ID!) { webhookEndpointUpdate(input: {id: $id, rateLimit: null, product: null}) { `+all+` } }`, variables{"id": id})
	require.Nil(t, at("webhookEndpointUpdate", "rateLimit"))
	require.Nil(t, at("webhookEndpointUpdate", "productId"))
	require.Equal(t, "money", at("webhookEndpointUpdate", "description"), "what is left out stays")
	require.Equal(t, []any{map[string]any{"name": "Authorization", "value": nil}}, at("webhookEndpointUpdate", "headers"))
	a = w.must(s.key, `mutation($id: ID!) { webhookEndpointUpdate(input: {id: $id, headers: [{name: "authorization"}, {name: "X-A", value: "a"}]}) { `+all+` } }`,
		variables{"id": id})
	require.Equal(t, []any{map[string]any{"name": "authorization", "value": nil}, map[string]any{"name": "X-A", "value": "a"}}, at("webhookEndpointUpdate", "headers"))

	a = w.must(s.key, `mutation($id: ID!) { webhookEndpointRollSecret(input: {id: $id}) { secret `+all+` } }`, variables{"id": id})
	require.Regexp(t, "^whsec_", a.text("webhookEndpointRollSecret.secret"))
	next := at("webhookEndpointRollSecret", "nextPublicKey")
	require.Regexp(t, "^whpk_", next)
	require.NotNil(t, at("webhookEndpointRollSecret", "nextSecretAt"))
	a = w.must(s.key, `mutation($id: ID!) { webhookEndpointActivateSecret(input: {id: $id}) { `+all+` } }`, variables{"id": id})
	require.Equal(t, next, at("webhookEndpointActivateSecret", "publicKey"))

	a = w.must(s.key, `mutation($id: ID!) { webhookEndpointDisable(input: {id: $id}) { `+all+` } }`, variables{"id": id})
	require.Equal(t, "MANUAL", at("webhookEndpointDisable", "disabledReason"))
	a = w.must(s.key, `query($id: ID!) { webhookEndpoint(id: $id) { status } webhookEndpoints(status: DISABLED) { nodes { id } } }`, variables{"id": id})
	require.Equal(t, "DISABLED", a.text("webhookEndpoint.status"))
	require.Equal(t, id, a.text("webhookEndpoints.nodes.0.id"))
	a = w.must(s.key, `mutation($id: ID!) { webhookEndpointEnable(input: {id: $id}) { `+all+` } }`, variables{"id": id})
	require.Equal(t, "ENABLED", at("webhookEndpointEnable", "status"))
	w.must(s.key, `mutation($id: ID!) { webhookEndpointDisable(input: {id: $id}) { userErrors { code } } }`, variables{"id": id})
	a = w.must(s.key, `mutation($id: ID!) { webhookEndpointEnable(input: {id: $id, catchUp: false}) { `+all+` } }`, variables{"id": id})
	require.Equal(t, "ENABLED", at("webhookEndpointEnable", "status"))
	a = w.must(s.key, `query($id: ID!) { webhookDeliveries(endpoint: $id, status: PENDING) { nodes { id } } }`, variables{"id": id})
	require.Empty(t, a.at("webhookDeliveries.nodes"), "it was given up")
	a = w.must(s.key, `mutation($id: ID!) { webhookEndpointDelete(input: {id: $id}) { deletedId userErrors { code } } }`, variables{"id": id})
	require.Equal(t, id, a.text("webhookEndpointDelete.deletedId"))
	a = w.must(s.key, `query($id: ID!) { webhookEndpoint(id: $id) { id } node(id: $id) { id } }`, variables{"id": id})
	require.Nil(t, a.at("webhookEndpoint"))
	require.Nil(t, a.at("node"))
}
