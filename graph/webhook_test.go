package graph_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestADeliverySaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	w.must(s.key, `mutation($id: ID!) { subscriptionCancel(input: {subscription: $id, reason: "too dear"}) { userErrors { code } } }`,
		variables{"id": s.ids["CustomerSubscription"]})
	const list = `{ webhookDeliveries { nodes { id status nextAttemptAt waitReason waitsUntil waitsBehindId } } }`
	a := w.must(s.key, list, nil)
	require.Len(t, a.at("webhookDeliveries.nodes"), 2)
	require.Equal(t, "LANE", a.text("webhookDeliveries.nodes.0.waitReason"))
	require.Equal(t, a.text("webhookDeliveries.nodes.1.id"), a.text("webhookDeliveries.nodes.0.waitsBehindId"))
	require.Nil(t, a.at("webhookDeliveries.nodes.0.waitsUntil"))
	require.Equal(t, "QUEUED", a.text("webhookDeliveries.nodes.1.waitReason"))
	require.Nil(t, a.at("webhookDeliveries.nodes.1.waitsBehindId"))

	w.must(s.key, `mutation($id: ID!) { webhookEndpointDisable(input: {id: $id}) { userErrors { code } } }`, variables{"id": s.ids["WebhookEndpoint"]})
	a = w.must(s.key, `query($id: ID!) { node(id: $id) { ... on WebhookDelivery { waitReason } } }`, variables{"id": a.text("webhookDeliveries.nodes.0.id")})
	require.Equal(t, "DISABLED", a.text("node.waitReason"))

	w.must(s.key, `mutation($id: ID!) { webhookEndpointDelete(input: {id: $id}) { userErrors { code } } }`, variables{"id": s.ids["WebhookEndpoint"]})
	_, err := w.db.System().Exec(t.Context(), `with sent as (delete from webhook_delivery returning *)
		insert into webhook_attempt (merchant_id, delivery_id, number, endpoint_id, event_id, event_created_at, subscription_id, status_code,
			duration_ms, created_at, delivery_created_at, outcome, finished_at)
		select merchant_id, id, 1, endpoint_id, event_id, event_created_at, subscription_id, 200, 1, $1, created_at, 'DELIVERED', $1 from sent`, w.now)
	require.NoError(t, err)
	a = w.must(s.key, list, nil)
	require.Equal(t, "DELIVERED", a.text("webhookDeliveries.nodes.0.status"))
	for _, field := range []string{"waitReason", "waitsUntil", "waitsBehindId"} {
		require.Nil(t, a.at("webhookDeliveries.nodes.0."+field), "it waits for nothing")
	}
}

func TestDeliveriesAreListedByTheTimeOfTheirCreation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	const list = `query($since: DateTime, $until: DateTime) { webhookDeliveries(since: $since, until: $until) { nodes { id createdAt } } }`
	all := len(w.must(s.key, list, nil).at("webhookDeliveries.nodes").([]any))
	require.Positive(t, all)
	at := func(d time.Duration) string { return w.now.Add(d).Format(time.RFC3339) }
	for _, c := range []struct {
		window variables
		want   int
	}{
		{variables{"since": at(-time.Hour), "until": at(time.Hour)}, all},
		{variables{"since": at(time.Hour)}, 0},
		{variables{"until": at(-time.Hour)}, 0},
	} {
		require.Len(t, w.must(s.key, list, c.window).at("webhookDeliveries.nodes"), c.want)
	}
	w.ask(s.key, list, variables{"since": at(time.Hour), "until": at(-time.Hour)}).fails("BAD_REQUEST")
	require.Contains(t, w.ask(s.key, list, variables{"since": at(0), "until": at(0)}).raw, "since: must be before until")
}

func TestDeliveriesAreListedByTheTypeOfTheirEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	const list = `query($types: [String!]) { webhookDeliveries(eventTypes: $types) { nodes { event { type } } } }`
	all := len(w.must(s.key, list, nil).at("webhookDeliveries.nodes").([]any))
	created := w.must(s.key, list, variables{"types": []string{"subscription.created"}})
	require.Equal(t, "subscription.created", created.text("webhookDeliveries.nodes.0.event.type"))
	require.Empty(t, w.must(s.key, list, variables{"types": []string{"payment.*", "product.approved"}}).at("webhookDeliveries.nodes"))
	require.Len(t, w.must(s.key, list, variables{"types": []string{"*"}}).at("webhookDeliveries.nodes"), all)
	require.Contains(t, w.ask(s.key, list, variables{"types": []string{"subscription"}}).raw, "eventTypes.0: must be one of")
}
