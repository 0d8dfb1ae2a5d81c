package graph_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const recordUsage = `mutation($feature: String!, $quantity: Long!, $id: String) {
	usageRecord(input: {customer: {email: "ada@acorn.test"}, product: {identifier: "acorn"}, feature: $feature, quantity: $quantity, id: $id}) {
		limit { allowed current limit error upgradeUrl } userErrors { code field message url } } }`

func TestAnAppCountsWhatItsCustomersUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	record := func(who credentials, quantity int) answer {
		return w.ask(who, recordUsage, variables{"feature": "maxEmployees", "quantity": quantity})
	}
	a := record(s.client, 49)
	require.Equal(t, true, a.at("usageRecord.limit.allowed"), a.raw)
	require.EqualValues(t, 49, a.number("usageRecord.limit.current"))
	a = record(s.keyWith("USAGE_WRITE"), 2)
	a.refuses("usageRecord", "PLAN_LIMIT_REACHED input.quantity")
	require.Equal(t, false, a.at("usageRecord.limit.allowed"))
	require.EqualValues(t, 49, a.number("usageRecord.limit.current"))
	require.EqualValues(t, 50, a.number("usageRecord.limit.limit"))
	require.Equal(t, "The plan allows 50 for maxEmployees, and 49 are used.", a.text("usageRecord.limit.error"))
	require.Equal(t, "https://portico.test/portal/"+s.handle+"/acorn", a.text("usageRecord.limit.upgradeUrl"))
	require.Equal(t, a.text("usageRecord.limit.upgradeUrl"), a.text("usageRecord.userErrors.0.url"))
	record(s.keyWith("ACCESS_READ"), 1).fails("FORBIDDEN")
	record(s.member("VIEWER"), 1).fails("FORBIDDEN")
	a = w.ask(s.key, recordUsage, variables{"feature": "missing", "quantity": 1})
	a.refuses("usageRecord", "FEATURE_NOT_IN_PLAN input.feature")
	require.EqualValues(t, 0, a.number("usageRecord.limit.limit"))

	const ask = `query($with: Boolean!, $current: Long) { access(customer: {email: "ada@acorn.test"}, product: {identifier: "acorn"}) {
		allowed ... on Access { ...gate } } } fragment gate on Access { stored: limit(name: "maxEmployees", current: $current) @include(if: $with) { allowed current }
		given: limit(name: "maxEmployees", current: 50) { allowed current } }`
	a = w.must(s.client, ask, variables{"with": true})
	require.EqualValues(t, 49, a.number("access.stored.current"))
	require.Equal(t, true, a.at("access.stored.allowed"))
	require.Equal(t, false, a.at("access.given.allowed"))
	a = w.must(s.client, ask, variables{"with": true, "current": 50})
	require.Equal(t, false, a.at("access.stored.allowed"))
	require.EqualValues(t, 1, w.statements(func() { w.must(s.key, ask, variables{"with": true}) }), "usage or not, it is one statement")
	require.EqualValues(t, 1, w.statements(func() { w.must(s.key, ask, variables{"with": false}) }))

	a = w.must(s.key, `mutation { usageSet(input: {customer: {email: "ada@acorn.test"}, product: {identifier: "acorn"}, feature: "maxEmployees", quantity: 12}) {
		limit { allowed current } userErrors { code } } }`, nil)
	require.EqualValues(t, 12, a.number("usageSet.limit.current"))
	a = w.must(s.owner, `query($id: ID!) { subscription(id: $id) { features { name kind enabled limit text used reset origin expiresAt } } }`,
		variables{"id": s.ids["CustomerSubscription"]})
	require.JSONEq(t, `{"data":{"subscription":{"features":[`+
		`{"enabled":true,"expiresAt":null,"kind":"BOOLEAN","limit":null,"name":"advancedReporting","origin":"PLAN","reset":null,"text":null,"used":null},`+
		`{"enabled":null,"expiresAt":null,"kind":"LIMIT","limit":50,"name":"maxEmployees","origin":"PLAN","reset":"NEVER","text":null,"used":12}]}}}`, a.shown())
}

func TestUsageOfManySubscriptionsIsOneStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	for i := range 3 {
		s.buy(s.customer(fmt.Sprintf("u%d@acorn.test", i), "pm_card_visa"), s.ids["Plan"])
	}
	const list = `query($n: Int!) { subscriptions(first: $n) { nodes { features { name used } } } }`
	statements := func(n int) int64 { return w.statements(func() { w.must(s.key, list, variables{"n": n}) }) }
	require.Equal(t, statements(1), statements(4))
}

func TestALauncherShowsEveryProduct(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	s.stock("planner")
	w.must(s.key, recordUsage, variables{"feature": "maxEmployees", "quantity": 7})
	const all = `query($first: Int, $after: String) { accessAll(customer: {email: "ada@acorn.test"}, first: $first, after: $after) {
		nodes { product { id identifier name logoUrl } allowed reason tier upgradeUrl features limit(name: "maxEmployees") { current allowed } }
		edges { cursor } pageInfo { hasNextPage endCursor } } }`
	customer, _ := s.portalToken(s.ids["Customer"])
	for name, who := range map[string]credentials{"key": s.keyWith("ACCESS_READ"), "member": s.member("VIEWER"), "customer": customer} {
		a := w.must(who, all, nil)
		require.Equal(t, "planner", a.text("accessAll.nodes.0.product.identifier"), name)
		require.Equal(t, "NO_SUBSCRIPTION", a.text("accessAll.nodes.0.reason"))
		require.Equal(t, "https://portico.test/portal/"+s.handle+"/planner", a.text("accessAll.nodes.0.upgradeUrl"))
		require.Equal(t, "acorn", a.text("accessAll.nodes.1.product.identifier"))
		require.Equal(t, "pro", a.text("accessAll.nodes.1.tier"))
		require.EqualValues(t, 7, a.number("accessAll.nodes.1.limit.current"))
		require.Nil(t, a.at("accessAll.nodes.2"))
	}
	a := w.must(s.key, all, variables{"first": 1})
	require.Equal(t, true, a.at("accessAll.pageInfo.hasNextPage"))
	a = w.must(s.key, all, variables{"first": 1, "after": a.text("accessAll.pageInfo.endCursor")})
	require.Equal(t, "acorn", a.text("accessAll.nodes.0.product.identifier"))
	require.Equal(t, false, a.at("accessAll.pageInfo.hasNextPage"))
	require.EqualValues(t, 1, w.statements(func() { w.must(s.key, all, nil) }))

	a = w.must(s.client, all, nil)
	require.Equal(t, "acorn", a.text("accessAll.nodes.0.product.identifier"))
	require.Nil(t, a.at("accessAll.nodes.1"), "a client has one product")
	w.ask(w.person(s.email), all, nil).fails("FORBIDDEN")
}

func TestAccessToAFeature(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	for feature, want := range map[string]string{"advancedReporting": "ALLOWED", "maxEmployees": "ALLOWED", "sso": "FEATURE_NOT_IN_PLAN"} {
		a := w.must(s.key, `query($f: String!) { access(customer: {email: "ada@acorn.test"}, product: {identifier: "acorn"}, feature: $f) { allowed reason tier } }`,
			variables{"f": feature})
		require.Equal(t, want, a.text("access.reason"), feature)
		require.Equal(t, want == "ALLOWED", a.at("access.allowed"))
		require.Equal(t, "pro", a.text("access.tier"))
	}
}

func TestAMerchantGivesASubscriptionValuesOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	const override = `mutation($input: SubscriptionFeaturesOverrideInput!) { subscriptionFeaturesOverride(input: $input) {
		subscription { features { name origin enabled limit expiresAt } } userErrors { code field message } } }`
	id := s.ids["CustomerSubscription"]
	last := w.must(s.key, `{ events { pageInfo { endCursor } } }`, nil).text("events.pageInfo.endCursor")
	end := w.now.Add(time.Hour)
	a := w.must(s.key, override, variables{"input": variables{"subscription": id, "set": []variables{
		{"name": "maxEmployees", "kind": "LIMIT", "limit": 80, "expiresAt": end.Format(time.RFC3339)},
		{"name": "advancedReporting", "kind": "BOOLEAN", "enabled": false},
	}}})
	require.Equal(t, "OVERRIDE", a.text("subscriptionFeaturesOverride.subscription.features.0.origin"))
	require.Equal(t, end.Format(time.RFC3339), a.text("subscriptionFeaturesOverride.subscription.features.1.expiresAt"))
	require.EqualValues(t, 80, a.number("subscriptionFeaturesOverride.subscription.features.1.limit"))

	const ask = `{ access(customer: {email: "ada@acorn.test"}, product: {identifier: "acorn"}) { features feature(name: "advancedReporting") } }`
	require.Equal(t, map[string]any{"advancedReporting": false, "maxEmployees": json.Number("80")}, w.must(s.key, ask, nil).at("access.features"))
	s.awaitEvents(1, last)
	a = w.must(s.key, `query($after: String) { events(after: $after) { nodes { type body } } }`, variables{"after": last})
	require.Equal(t, "subscription.updated", a.text("events.nodes.0.type"))
	require.Equal(t, "features_overridden", a.text("events.nodes.0.body.data.reason"))
	require.EqualValues(t, 80, a.number("events.nodes.0.body.data.tier.features.maxEmployees"))

	a = w.must(s.key, override, variables{"input": variables{"subscription": id, "unset": []string{"advancedReporting"}}})
	require.Equal(t, "PLAN", a.text("subscriptionFeaturesOverride.subscription.features.0.origin"))
	require.Equal(t, "OVERRIDE", a.text("subscriptionFeaturesOverride.subscription.features.1.origin"))
	a = w.ask(s.key, override, variables{"input": variables{"subscription": id, "set": []variables{{"name": "sso", "kind": "BOOLEAN", "enabled": true}}}})
	a.refuses("subscriptionFeaturesOverride", "FEATURE_NOT_IN_PLAN input.set.0.name")
	customer, _ := s.portalToken(s.ids["Customer"])
	w.ask(customer, override, variables{"input": variables{"subscription": id, "unset": []string{"maxEmployees"}}}).fails("FORBIDDEN")
	audited := w.must(s.owner, `query($id: ID!) { auditLog(object: $id, action: "subscriptionFeaturesOverride") { nodes { fields outcome } } }`, variables{"id": id})
	require.Equal(t, []any{"subscription", "unset"}, audited.at("auditLog.nodes.2.fields"), audited.raw)
}
