package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnAccessTokenIsMintedAndVerified(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	const mint = `mutation($email: String!, $ttl: Int! = 600) { accessTokenCreate(input: {customer: {email: $email}, product: {identifier: "acorn"},
		ttlSeconds: $ttl}) { token expiresAt allowed userErrors { field code message } } }`
	a := w.must(s.client, mint, variables{"email": s.email})
	require.Equal(t, true, a.at("accessTokenCreate.allowed"))
	require.Equal(t, "2026-01-31T09:40:00Z", a.text("accessTokenCreate.expiresAt"))
	w.ask(s.client, mint, variables{"email": s.email, "ttl": 3601}).refuses("accessTokenCreate", "INVALID input.ttlSeconds")
	w.ask(s.client, mint, variables{"email": "nobody@acorn.test"}).refuses("accessTokenCreate", "NOT_FOUND input.customer")

	const verify = `query($token: String!, $product: ProductRef) { accessTokenVerify(token: $token, product: $product) {
		valid reason customerId productIdentifier claims claimsVersion claimsCurrent issuedAt expiresAt } }`
	token := a.text("accessTokenCreate.token")
	for _, who := range []credentials{s.client, s.keyWith("ACCESS_READ"), s.member("VIEWER")} {
		b := w.must(who, verify, variables{"token": token})
		require.Equal(t, "VALID", b.text("accessTokenVerify.reason"))
		require.Equal(t, "pro", b.text("accessTokenVerify.claims.plan"))
		require.Equal(t, true, b.at("accessTokenVerify.claimsCurrent"))
	}
	bad := w.must(s.client, verify, variables{"token": token + "A", "product": variables{"identifier": "acorn"}})
	require.Equal(t, map[string]any{
		"valid": false, "reason": "BAD_SIGNATURE", "customerId": nil, "productIdentifier": nil, "claims": nil, "claimsVersion": nil,
		"claimsCurrent": nil, "issuedAt": nil, "expiresAt": nil,
	}, bad.at("accessTokenVerify"))

	w.must(s.key, `mutation($id: ID!) { productUpdate(input: {id: $id, accessTokenAlgorithm: EDDSA}) { product { accessTokenAlgorithm } userErrors { code } } }`,
		variables{"id": s.ids["Product"]})
	eddsa := w.must(s.client, mint, variables{"email": s.email}).text("accessTokenCreate.token")
	require.Equal(t, "VALID", w.must(s.client, verify, variables{"token": eddsa}).text("accessTokenVerify.reason"))
	require.Equal(t, "EDDSA", w.must(s.key, `{ product(ref: {identifier: "acorn"}) { accessTokenAlgorithm } }`, nil).text("product.accessTokenAlgorithm"))
	require.NotContains(t, w.log.String(), token)

	require.NoError(t, w.resolver.Audit.Count(t.Context()))
	usage := w.must(s.owner, `query($email: String!) { customer(ref: {email: $email}) { tokenUsage { kind count } } }`, variables{"email": s.email})
	require.Contains(t, usage.raw, `{"kind":"ACCESS","count":2}`)
}
