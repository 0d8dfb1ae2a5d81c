package graph_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAListIsReadPageByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	var want []any
	for i := range 7 {
		want = append([]any{s.customer(fmt.Sprintf("c%d@acorn.test", i), "")}, want...)
	}
	const list = `query($first: Int, $after: String) { customers(first: $first, after: $after) {
		nodes { id } edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }`
	var got []any
	var after any
	for _, size := range []int{3, 3, 1} {
		a := w.must(s.key, list, variables{"first": 3, "after": after})
		nodes := a.at("customers.nodes").([]any)
		require.Len(t, nodes, size)
		for i, node := range nodes {
			require.Equal(t, node, a.at(fmt.Sprintf("customers.edges.%d.node", i)))
			got = append(got, node.(map[string]any)["id"])
		}
		require.Equal(t, len(got) < 7, a.at("customers.pageInfo.hasNextPage"))
		after = a.text("customers.pageInfo.endCursor")
		require.Equal(t, after, a.text(fmt.Sprintf("customers.edges.%d.cursor", size-1)))
	}
	require.Equal(t, want, got)

	a := w.must(s.key, list, variables{"after": after})
	require.Equal(t, []any{}, a.at("customers.nodes"))
	require.Nil(t, a.at("customers.pageInfo.endCursor"), "whoever polls keeps the cursor of before")
	for _, wrong := range []variables{{"first": 0}, {"first": 101}, {"first": -1}, {"after": "nonsense"}, {"after": "***"}} {
		w.ask(s.key, list, wrong).fails("BAD_REQUEST")
	}
}

func TestEventsAreReadInCommitOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	const list = `query($first: Int, $after: String) { events(first: $first, after: $after) {
		nodes { sequence } edges { cursor } pageInfo { hasNextPage endCursor } } }`
	a := w.must(s.key, `{ events(first: 1) { nodes { type subscriptionId } pageInfo { endCursor } } }`, nil)
	require.Equal(t, "customer.created", a.text("events.nodes.0.type"))
	require.Nil(t, a.at("events.nodes.0.subscriptionId"))
	after := a.text("events.pageInfo.endCursor")
	for sequence := range 3 {
		a := w.must(s.key, list, variables{"first": 1, "after": after})
		require.EqualValues(t, sequence+1, a.number("events.nodes.0.sequence"))
		require.Equal(t, sequence < 2, a.at("events.pageInfo.hasNextPage"))
		after = a.text("events.pageInfo.endCursor")
	}
	require.Equal(t, []any{}, w.must(s.key, list, variables{"after": after}).at("events.nodes"))
	w.must(s.key, `mutation($id: ID!) { subscriptionCancel(input: {subscription: $id}) { userErrors { code } } }`,
		variables{"id": s.ids["CustomerSubscription"]})
	require.EqualValues(t, 4, s.awaitEvents(1, after).number("events.nodes.0.sequence"))
	w.ask(s.key, list, variables{"after": "MTIz"}).fails("BAD_REQUEST")
	w.ask(s.key, list, variables{"first": 101}).fails("BAD_REQUEST")
}

// Each field costs its statement once for all the objects on its level, so that the number does not grow with the lists.
func TestAFieldCostsOneStatementPerLevel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	for i := range 4 {
		s.stock(fmt.Sprintf("acorn%d", i))
		s.buy(s.customer(fmt.Sprintf("c%d@acorn.test", i), "pm_card_visa"), s.ids["Plan"])
	}
	const all = 5
	for name, c := range map[string]struct {
		document   string
		list       string
		statements int64
	}{
		"products":         {`{ products { nodes { id } } }`, "products.nodes", 1},
		"plans":            {`{ products { nodes { plans { id prices { id } } } } }`, "products.nodes", 3}, // prices are read with their plans
		"back and forth":   {`{ products { nodes { plans { product { plans { tier } } } } } }`, "products.nodes", 6},
		"through edges":    {`{ products { edges { node { plans { tier } } } } }`, "products.edges", 3},
		"twice":            {`{ products { nodes { a: plans { tier } b: plans { name } } } }`, "products.nodes", 3},
		"with and without": {`{ products { nodes { a: plans { tier } b: plans { features { name } } } } }`, "products.nodes", 5},
		"token usage":      {`{ customers { nodes { tokenUsage { count } } } }`, "customers.nodes", 3}, // the first finds the session,
		"customers":        {`{ customers { nodes { company { name } testClock { id } paymentMethods { id } } } }`, "customers.nodes", 3},
		"subscriptions":    {`{ subscriptions { nodes { id } } }`, "subscriptions.nodes", 2}, // ids first, then their details
		"what they are of": {`{ subscriptions { nodes { product { name } plan { name } customer { name } company { name } } } }`, "subscriptions.nodes", 2 + 5},
		"three levels":     {`{ subscriptions { nodes { plan { product { name } } customer { company { name } } } } }`, "subscriptions.nodes", 2 + 3 + 2},
		"invoices":         {`{ subscriptions { nodes { invoices(first: 2) { nodes { number } pageInfo { hasNextPage } } } } }`, "subscriptions.nodes", 3},
		"deliveries":       {`{ webhookDeliveries { nodes { event { type } attempts { number } } } }`, "webhookDeliveries.nodes", 4}, // the days of events first
		"their waits":      {`{ webhookDeliveries { nodes { waitReason waitsUntil waitsBehindId } } }`, "webhookDeliveries.nodes", 2},
	} {
		t.Run(name, func(t *testing.T) {
			var a answer
			who := s.key
			if name == "token usage" {
				who = s.owner
			}
			statements := w.statements(func() { a = w.must(who, c.document, nil) })
			if name != "deliveries" && name != "their waits" { // of one product's subscriptions only
				require.Len(t, a.at(c.list), all)
			}
			require.Equal(t, c.statements, statements, a.raw)
		})
	}

	t.Run("nodes cost one statement per type", func(t *testing.T) {
		a := w.must(s.key, `{ products { nodes { id } } customers { nodes { id } } }`, nil)
		var ids []any
		for i := range all {
			ids = append(ids, a.text(fmt.Sprintf("products.nodes.%d.id", i)), a.text(fmt.Sprintf("customers.nodes.%d.id", i)))
		}
		statements := w.statements(func() {
			a = w.must(s.key, `query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Product { plans { tier } } ... on Customer { company { id } } } }`,
				variables{"ids": ids})
		})
		for i, id := range ids {
			require.Equal(t, id, a.text(fmt.Sprintf("nodes.%d.id", i)))
		}
		require.EqualValues(t, 2+2+1, statements)
	})

	t.Run("an id that is none is told with the argument that it came in", func(t *testing.T) {
		require.Contains(t, w.ask(s.key, `{ node(id: "8") { id } }`, nil).raw, `"message":"id: must be a global id such as`)
		require.Contains(t, w.ask(s.key, `{ nodes(ids: ["8"]) { id } }`, nil).raw, `"message":"ids: must be a global id such as`)
	})

	t.Run("the features of plans are read wherever they are asked for", func(t *testing.T) {
		const features = `[{"name":"advancedReporting"},{"name":"maxEmployees"}]`
		for _, document := range []string{
			`{ plans { nodes { features { name } } } }`,
			`{ plans { edges { node { product { plans { features { name } } } } } } }`,
			`{ products { nodes { plans { tier } plans { features { name } } } } }`,
			`{ products { nodes { plans { ...f } } } } fragment f on Plan { ... on Node { ... on Plan { features { name } } } }`,
			`{ subscriptions { nodes { plan { name } with: plan { features { name } } } } }`,
			`{ node(id: "` + s.ids["Plan"] + `") { ... on Plan { features { name } } } }`,
			`{ nodes(ids: ["` + s.ids["Plan"] + `", "` + s.ids["Product"] + `"]) { ... on Plan { features { name } } ... on Product { plans { features { name } } } } }`,
		} {
			require.Contains(t, w.must(s.key, document, nil).raw, features, document)
		}
	})

	t.Run("each subscription has its own invoices", func(t *testing.T) {
		a := w.must(s.key, `{ subscriptions { nodes { id invoices { nodes { id } } } } }`, nil)
		for i := range all {
			sub := a.text(fmt.Sprintf("subscriptions.nodes.%d.id", i))
			own := w.must(s.key, `query($id: ID!) { invoices(subscription: $id) { nodes { id } } }`, variables{"id": sub})
			require.Len(t, own.at("invoices.nodes"), 1)
			require.Equal(t, own.at("invoices.nodes"), a.at(fmt.Sprintf("subscriptions.nodes.%d.invoices.nodes", i)))
		}
	})
}

func TestNodesComeInTheOrderAskedForAndNullWhereThereIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	ids := []any{s.ids["Plan"], "gid://portico/Product/999999", s.ids["Product"], "gid://portico/Unicorn/1", s.ids["Plan"]}
	a := w.must(s.key, `query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }`, variables{"ids": ids})
	for i, typename := range []any{"Plan", nil, "Product", nil, "Plan"} {
		require.Equal(t, typename, a.at(fmt.Sprintf("nodes.%d.__typename", i)))
	}
	for typename, id := range s.ids {
		require.Equal(t, typename, w.must(s.owner, `query($id: ID!) { node(id: $id) { __typename } }`, variables{"id": id}).text("node.__typename"))
	}
	for _, wrong := range []string{"", "12", "gid://shopify/Product/1", "gid://portico/Product/01", "gid://portico/Product/-1", "gid://portico/Product"} {
		w.ask(s.key, `query($id: ID!) { node(id: $id) { id } }`, variables{"id": wrong}).fails("BAD_REQUEST")
	}
	many := make([]string, 101)
	for i := range many {
		many[i] = s.ids["Plan"]
	}
	w.ask(s.key, `query($ids: [ID!]!) { nodes(ids: $ids) { id } }`, variables{"ids": many}).fails("BAD_REQUEST")
	require.Len(t, w.must(s.key, `query($ids: [ID!]!) { nodes(ids: $ids) { id } }`, variables{"ids": many[1:]}).at("nodes"), 100)

	t.Run("where the type is known, the number is enough", func(t *testing.T) {
		number := s.ids["Product"][len("gid://portico/Product/"):]
		for _, id := range []any{number, s.ids["Product"]} {
			a := w.must(s.key, `query($id: ID!) { product(ref: {id: $id}) { id } }`, variables{"id": id})
			require.Equal(t, s.ids["Product"], a.text("product.id"))
		}
		w.ask(s.key, `query($id: ID!) { product(ref: {id: $id}) { id } }`, variables{"id": s.ids["Plan"]}).fails("BAD_REQUEST")
	})
}
