package graph_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClaimsAreSetReadAndUnset(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	const (
		claims = `claims { customerId productIdentifier version updatedAt claims { key value expiresAt source } object } userErrors { field code message }`
		set    = `mutation($email: String!, $claims: JSON!, $expiries: [ClaimExpiryInput!]! = [], $if: Long) { claimsSet(input: {customer: {email: $email},
			product: {identifier: "acorn"}, claims: $claims, expiries: $expiries, ifVersion: $if}) { ` + claims + ` } }`
	)
	a := w.must(s.keyWith("CLAIMS_WRITE"), set, variables{
		"email": s.email, "claims": variables{"role": "admin", "seats": "5", "beta": true, "n": 0.5}, "expiries": []any{variables{"key": "beta", "expiresAt": "2026-03-01T00:00:00+01:00"}},
	})
	require.EqualValues(t, 1, a.number("claimsSet.claims.version"))
	require.Equal(t, map[string]any{"key": "beta", "value": true, "expiresAt": "2026-02-28T23:00:00Z", "source": "MERCHANT"}, a.at("claimsSet.claims.claims.0"))
	require.Equal(t, "pro", a.text("claimsSet.claims.object.plan"))
	require.Equal(t, "5", a.text("claimsSet.claims.object.seats"), "a string stays a string")
	require.Equal(t, "0.5", fmt.Sprint(a.at("claimsSet.claims.object.n")))

	const read = `query($email: String!) { claims(customer: {email: $email}, product: {identifier: "acorn"}) { customerId version object } }`
	b := w.must(s.keyWith("CLAIMS_READ"), read, variables{"email": s.email})
	require.Equal(t, a.at("claimsSet.claims.object"), b.at("claims.object"))
	require.Nil(t, w.must(s.client, read, variables{"email": "nobody@acorn.test"}).at("claims"))

	conflict := w.ask(s.client, set, variables{"email": s.email, "claims": variables{"role": "viewer"}, "if": 0})
	conflict.refuses("claimsSet", "CONFLICT input.ifVersion")
	require.EqualValues(t, 1, conflict.number("claimsSet.claims.version"), "with what there is")
	w.ask(s.client, set, variables{"email": s.email, "claims": variables{"exp": 1, "role": variables{}}}).refuses("claimsSet", "INVALID input.claims.exp", "INVALID input.claims.role")
	twice := []any{variables{"key": "beta"}, variables{"key": "beta", "expiresAt": "2026-03-01T00:00:00Z"}}
	w.ask(s.client, set, variables{"email": s.email, "claims": variables{"beta": true}, "expiries": twice}).refuses("claimsSet", "INVALID input.expiries")
	w.ask(s.client, set, variables{"email": "nobody", "claims": variables{"role": "x"}}).refuses("claimsSet", "INVALID input.customer.email")
	created := w.must(s.client, set, variables{"email": "new@acorn.test", "claims": variables{"role": "viewer"}})
	require.Equal(t, "viewer", created.text("claimsSet.claims.object.role"))

	unset := w.must(s.client, `mutation($email: String!) { claimsUnset(input: {customer: {email: $email}, product: {identifier: "acorn"},
		keys: ["role"], ifVersion: 1}) { `+claims+` } }`, variables{"email": s.email})
	require.EqualValues(t, 2, unset.number("claimsUnset.claims.version"))

	history := w.must(s.owner, `query($email: String!) { claimsHistory(customer: {email: $email}, product: {identifier: "acorn"}, first: 1) {
		nodes { version key before after actor { kind id } changedAt } pageInfo { hasNextPage } } }`, variables{"email": s.email})
	require.Equal(t, map[string]any{
		"version": json.Number("2"), "key": "role", "before": "admin", "after": nil, "changedAt": "2026-01-31T09:30:00Z",
		"actor": map[string]any{"kind": "CLIENT", "id": s.ids["Client"]},
	}, history.at("claimsHistory.nodes.0"))
	require.Equal(t, true, history.at("claimsHistory.pageInfo.hasNextPage"))

	log := w.must(s.owner, `{ auditLog(action: "claimsUnset") { nodes { object outcome } } }`, nil)
	require.Equal(t, s.ids["Customer"], log.text("auditLog.nodes.0.object"), "the log says whose they are, also by an address")
}
