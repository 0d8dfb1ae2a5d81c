package graph_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tokenKey is the shop's token key as a credential.
func (s *shop) tokenKey() credentials {
	s.w.t.Helper()
	return credentials{"api-key": s.w.must(s.owner, `{ tokenKey { key } }`, nil).text("tokenKey.key")}
}

func TestAnAPIKeyIsRolledAndItsUseMovesOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	a := w.must(s.owner, `mutation($id: ID!) { apiKeyRoll(input: {id: $id}) {
		apiKey { id name scopes expiresAt rolledFrom { id expiresAt rolledTo { id } } rolledTo { id } } secret userErrors { code } } }`,
		variables{"id": s.ids["ApiKey"]})
	made := a.text("apiKeyRoll.apiKey.id")
	require.Equal(t, s.ids["ApiKey"], a.text("apiKeyRoll.apiKey.rolledFrom.id"))
	require.Equal(t, "2026-02-01T09:30:00Z", a.text("apiKeyRoll.apiKey.rolledFrom.expiresAt"), "a day's overlap unless asked otherwise")
	require.Equal(t, made, a.text("apiKeyRoll.apiKey.rolledFrom.rolledTo.id"))
	require.Nil(t, a.at("apiKeyRoll.apiKey.rolledTo"))
	fresh := bearer(a.text("apiKeyRoll.secret"))
	for _, who := range []credentials{s.key, fresh} {
		require.Equal(t, "API_KEY", w.must(who, `{ viewer { kind } }`, nil).text("viewer.kind"))
	}
	require.NotContains(t, w.must(s.owner, `{ apiKeys { nodes { id hint } } }`, nil).raw, a.text("apiKeyRoll.secret"))
	var listed answer
	statements := w.statements(func() {
		listed = w.must(s.owner, `{ apiKeys { nodes { id rolledFrom { id } rolledTo { id } } } }`, nil)
	})
	require.Equal(t, int64(4), statements, "however many keys there are")
	require.Equal(t, made, listed.text("apiKeys.nodes.1.rolledTo.id"))
	require.Equal(t, s.ids["ApiKey"], listed.text("apiKeys.nodes.0.rolledFrom.id"))

	w.ask(s.owner, `mutation($id: ID!) { apiKeyRoll(input: {id: $id}) { secret userErrors { code field message } } }`,
		variables{"id": s.ids["ApiKey"]}).refuses("apiKeyRoll", "CONFLICT input.id")
	w.ask(s.owner, `mutation($id: ID!) { apiKeyRoll(input: {id: $id, overlapSeconds: 604801}) { secret userErrors { code field message } } }`,
		variables{"id": made}).refuses("apiKeyRoll", "INVALID input.overlapSeconds")
	w.now = w.now.Add(24 * time.Hour)
	w.ask(s.key, `{ viewer { kind } }`, nil).fails("UNAUTHENTICATED")
	w.must(fresh, `{ viewer { kind } }`, nil)
}

func TestAnAPIKeyIsChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	update := func(fields string) answer {
		return w.must(s.owner, `mutation($id: ID!) { apiKeyUpdate(input: {id: $id, `+fields+`}) {
			apiKey { name scopes expiresAt } userErrors { code } } }`, variables{"id": s.ids["ApiKey"]})
	}
	for range 3 {
		w.must(s.key, `{ customers { nodes { id } } }`, nil)
	}
	update(`name: "robot", scopes: [CATALOG_READ], expiresAt: "2027-01-01T00:00:00Z"`)
	w.ask(s.key, `{ customers { nodes { id } } }`, nil).fails("FORBIDDEN")
	a := update(`scopes: [CATALOG_READ, CUSTOMERS_READ]`)
	w.must(s.key, `{ customers { nodes { id } } }`, nil)
	require.Equal(t, "robot", a.text("apiKeyUpdate.apiKey.name"))
	require.Equal(t, "2027-01-01T00:00:00Z", a.text("apiKeyUpdate.apiKey.expiresAt"), "what is left out stays")
	require.Nil(t, update(`expiresAt: null`).at("apiKeyUpdate.apiKey.expiresAt"), "null is never")
	w.ask(s.owner, `mutation($id: ID!) { apiKeyUpdate(input: {id: $id, name: " ", expiresAt: "2020-01-01T00:00:00Z"}) {
		userErrors { code field message } } }`, variables{"id": s.ids["ApiKey"]}).refuses("apiKeyUpdate", "REQUIRED input.name", "INVALID input.expiresAt")
}

func TestAClientAsksForAccessToItsOwnProductAndForNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	own := s.ids["Product"]
	viewer := w.must(s.client, `{ viewer { kind merchant { id } member { id } merchants { id } } }`, nil)
	require.Equal(t, "CLIENT", viewer.text("viewer.kind"))
	require.Equal(t, s.ids["Merchant"], viewer.text("viewer.merchant.id"))

	const access = `query($email: String!, $product: ProductRef!) { access(customer: {email: $email}, product: $product) { allowed tier } }`
	for _, product := range []variables{{"id": own}, {"identifier": "acorn"}} {
		a := w.must(s.client, access, variables{"email": s.email, "product": product})
		require.Equal(t, true, a.at("access.allowed"))
		require.Equal(t, "pro", a.text("access.tier"))
	}
	s.stock("second")
	for _, product := range []variables{{"id": s.ids["Product"]}, {"identifier": "second"}, {"identifier": "nothing"}} {
		w.ask(s.client, access, variables{"email": s.email, "product": product}).fails("NOT_FOUND")
	}
	require.Equal(t, false, w.must(s.key, access, variables{"email": s.email, "product": variables{"identifier": "second"}}).at("access.allowed"))
	w.ask(s.client, `query($id: ID!) { node(id: $id) { id } }`, variables{"id": own}).fails("FORBIDDEN")

	birch := w.open("Birch")
	w.ask(s.client, access, variables{"email": birch.email, "product": variables{"id": birch.ids["Product"]}}).fails("NOT_FOUND")
	w.ask(s.client.in(birch.handle), `{ viewer { kind } }`, nil).fails("FORBIDDEN")
}

func TestAClientIsRolledAndRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	const viewer = `{ viewer { kind } }`
	a := w.must(s.owner, `mutation($id: ID!) { clientRoll(input: {id: $id, overlapSeconds: 60}) {
		client { id clientId name hint rolledUntil lastUsedAt product { identifier } } secret userErrors { code } } }`, variables{"id": s.ids["Client"]})
	require.Equal(t, "acorn", a.text("clientRoll.client.product.identifier"))
	require.Equal(t, "2026-01-31T09:31:00Z", a.text("clientRoll.client.rolledUntil"))
	require.True(t, strings.HasPrefix(a.text("clientRoll.secret"), a.text("clientRoll.client.hint")))
	fresh := basic(a.text("clientRoll.client.clientId"), a.text("clientRoll.secret"))
	w.must(s.client, viewer, nil)
	w.must(fresh, viewer, nil)
	w.now = w.now.Add(time.Minute)
	w.ask(s.client, viewer, nil).fails("UNAUTHENTICATED")
	w.must(fresh, viewer, nil)

	listed := w.must(s.owner, `{ clients(product: {identifier: "acorn"}) { nodes { id product { id } rolledUntil revokedAt } } }`, nil)
	require.Equal(t, s.ids["Client"], listed.text("clients.nodes.0.id"))
	require.Nil(t, listed.at("clients.nodes.0.rolledUntil"))
	require.NotContains(t, listed.raw, a.text("clientRoll.secret"))
	s.stock("second")
	require.Equal(t, []any{}, w.must(s.owner, `{ clients(product: {identifier: "second"}) { nodes { id } } }`, nil).at("clients.nodes"))

	a = w.must(s.owner, `mutation($id: ID!) { clientRevoke(input: {id: $id}) { client { revokedAt } userErrors { code } } }`, variables{"id": s.ids["Client"]})
	require.Equal(t, "2026-01-31T09:31:00Z", a.text("clientRevoke.client.revokedAt"))
	w.ask(fresh, viewer, nil).fails("UNAUTHENTICATED")
	w.ask(s.owner, `mutation($id: ID!) { clientRoll(input: {id: $id}) { secret userErrors { code field message } } }`,
		variables{"id": s.ids["Client"]}).refuses("clientRoll", "CONFLICT input.id")
	w.ask(s.owner, `mutation { clientCreate(input: {name: " ", product: {identifier: "acorn"}}) { secret userErrors { code field message } } }`, nil).
		refuses("clientCreate", "REQUIRED input.name")
}

func TestTheTokenKeyIsShownToAdminsAndNeverCached(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	const ask = `{ tokenKey { key createdAt rolledUntil } }`
	a := w.must(s.owner, ask, nil)
	require.Regexp(t, `^ptc_tk_test_`, a.text("tokenKey.key"))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Equal(t, a.text("tokenKey.key"), w.must(s.owner, ask, nil).text("tokenKey.key"), "as often as it is asked for")
	w.must(s.member("ADMIN"), ask, nil)
	for _, who := range []credentials{s.member("VIEWER"), s.key, s.tokenKey()} {
		w.ask(who, ask, nil).fails("FORBIDDEN")
	}
	first := s.tokenKey()
	for _, who := range []credentials{first, bearer(first["api-key"]), {"X-API-Key": first["api-key"]}} {
		viewer := w.must(who, `{ viewer { kind merchant { id } } }`, nil)
		require.Equal(t, "TOKEN_KEY", viewer.text("viewer.kind"))
		require.Equal(t, s.ids["Merchant"], viewer.text("viewer.merchant.id"))
	}

	a = w.must(s.owner, `mutation { tokenKeyRoll(input: {overlapSeconds: 60}) { tokenKey { key rolledUntil } userErrors { code } } }`, nil)
	require.Equal(t, "2026-01-31T09:31:00Z", a.text("tokenKeyRoll.tokenKey.rolledUntil"))
	require.Equal(t, a.text("tokenKeyRoll.tokenKey.key"), s.tokenKey()["api-key"])
	w.must(first, `{ viewer { kind } }`, nil)
	w.now = w.now.Add(time.Minute)
	w.ask(first, `{ viewer { kind } }`, nil).fails("UNAUTHENTICATED")
	w.must(s.tokenKey(), `{ viewer { kind } }`, nil)
	w.ask(s.owner, `mutation { tokenKeyRoll(input: {overlapSeconds: -1}) { tokenKey { key } userErrors { code field message } } }`, nil).
		refuses("tokenKeyRoll", "INVALID input.overlapSeconds")
	require.Empty(t, w.log.String())
}
