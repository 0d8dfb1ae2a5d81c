package webhook_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

func TestAnEventIsStoredAsTheBytesThatAreSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	subscription := m.subscription(t)
	m.publish(t, subscription)
	var events []webhook.StoredEvent
	require.Eventually(t, func() bool {
		var err error
		events, err = w.Events(t.Context(), m.id, 0, 0, 10)
		return err == nil && len(events) == 1
	}, patience, time.Millisecond)
	e := events[0]
	want := fmt.Sprintf(`{"event":"subscription.updated","id":"evt_%d","sequence":1,"createdAt":"2026-03-02T09:30:00.000Z",`+
		`"data":{"subscriptionId":%d}}`, e.ID, subscription)
	require.Equal(t, want, string(e.Body))
	require.Equal(t, webhook.SubscriptionUpdated, e.Type)
	require.Equal(t, subscription, e.SubscriptionID)
	require.Equal(t, int64(1), e.Sequence)
	require.True(t, e.OccurredAt.Equal(start))
	require.Positive(t, e.XID)
}

func TestEventsGoToTheEndpointsThatWantThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stranger := w.merchant(t), w.merchant(t)
	other := m.product(t, "other")
	create := func(m *merchant, in webhook.EndpointCreate) webhook.Endpoint {
		in.URL = "https://example.com/hooks"
		e, _, err := w.EndpointCreate(t.Context(), m.id, in)
		require.NoError(t, err)
		return e
	}
	cases := []struct {
		name     string
		endpoint webhook.Endpoint
		want     int64
	}{
		{"one that names nothing gets the four that everybody knows", create(m, webhook.EndpointCreate{}), 2},
		{"one that names a type gets that", create(m, webhook.EndpointCreate{EventTypes: []string{"invoice.created"}}), 1},
		{"one of the product gets its events", create(m, webhook.EndpointCreate{ProductID: &m.productID}), 2},
		{"one of another product gets none of them", create(m, webhook.EndpointCreate{ProductID: &other}), 0},
		{"a disabled one has them kept", create(m, webhook.EndpointCreate{}), 2},
		{"another merchant's gets nothing", create(stranger, webhook.EndpointCreate{}), 0},
	}
	_, err := w.DB.Tenant(m.id).Exec(t.Context(), `update webhook_endpoint set status = 'DISABLED', disabled_reason = 'MANUAL', disabled_at = now() where id = $1`, cases[4].endpoint.ID)
	require.NoError(t, err)
	subscription := m.subscription(t)
	events := []webhook.Event{
		m.event(subscription, webhook.SubscriptionCreated), m.event(subscription, webhook.InvoiceCreated), m.event(subscription, webhook.SubscriptionUpdated),
	}
	require.NoError(t, w.DB.Tenant(m.id).Tx(t.Context(), func(tx pgx.Tx) error { return w.Publish(t.Context(), tx, events) }))
	for _, c := range cases {
		require.Equal(t, c.want, m.ask(t, `select count(*) from webhook_delivery where $1 > 0 and endpoint_id = $2`, c.endpoint.ID), c.name)
		jobs := min(int(c.want), 1)
		if c.endpoint.ID == cases[4].endpoint.ID {
			jobs = 0
		}
		require.Equal(t, jobs, m.jobs(t, c.endpoint), c.name)
	}
}

// counted counts the round trips of a transaction.
type counted struct {
	pgx.Tx
	n int
}

func (c *counted) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	c.n++
	return c.Tx.Exec(ctx, sql, args...)
}

func (c *counted) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c.n++
	return c.Tx.Query(ctx, sql, args...) //nolint:rowserrcheck // the caller's
}

func (c *counted) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	c.n++
	return c.Tx.QueryRow(ctx, sql, args...)
}

func TestAThousandEventsOfThreeMerchantsTakeAsManyStatementsAsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	merchants := []*merchant{w.merchant(t), w.merchant(t), w.merchant(t)}
	var endpoints []webhook.Endpoint
	var subscriptions []int64
	for _, m := range merchants {
		e, _ := m.endpoint(t, "https://example.com/hooks")
		endpoints = append(endpoints, e)
		subscriptions = append(subscriptions, m.subscription(t))
	}
	publish := func(w *webhook.Webhooks, events []webhook.Event) int {
		var statements int
		scope := w.DB.Tenant(merchants[0].id, merchants[1].id, merchants[2].id)
		require.NoError(t, scope.Tx(t.Context(), func(tx pgx.Tx) error {
			c := &counted{Tx: tx}
			err := w.Publish(t.Context(), c, events)
			statements = c.n
			return err
		}))
		return statements
	}
	one := publish(w.process(t), []webhook.Event{merchants[0].event(subscriptions[0], webhook.SubscriptionRenewed)})
	var events []webhook.Event
	for i := range 1000 {
		events = append(events, merchants[i%3].event(subscriptions[i%3], webhook.SubscriptionRenewed))
	}
	require.Equal(t, one, publish(w.process(t), events))
	for i, m := range merchants {
		require.GreaterOrEqual(t, m.ask(t, `select count(*) from event where merchant_id = $1`), int64(333))
		require.Equal(t, m.sequence[subscriptions[i]], m.ask(t, `select count(*) from webhook_delivery d
			join event e using (merchant_id, subscription_id) where d.event_id = e.id and d.merchant_id = $1 and endpoint_id = $2`, endpoints[i].ID))
		require.Equal(t, 1, m.jobs(t, endpoints[i]), "one job per endpoint")
		require.Zero(t, m.ask(t, `select count(*) from (select id - lag(id) over (order by sequence) as step from event where merchant_id = $1) s
			where step <= 0`), "ids follow the order of the events")
	}
}

func TestPublishingInsertsADrainJobOnlyWhereNoneIsComing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := hold(t, nil)
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)

	m.publish(t, subscription)
	require.Equal(t, 1, m.jobs(t, e))
	m.publish(t, subscription)
	require.Equal(t, 1, m.jobs(t, e), "the first event's job finds the second too")

	done := make(chan error)
	go func() { done <- w.Drain(t.Context(), m.job(e), 1) }()
	r.await(t, 1)
	m.publish(t, subscription)
	require.Equal(t, 1, m.jobs(t, e), "the drain finds it")
	r.open()
	require.NoError(t, <-done)
	require.Len(t, r.got(), 3)

	m.publish(t, subscription)
	require.Equal(t, 2, m.jobs(t, e), "the drain has ended")

	m.drain(t, e)
	m.ask(t, `update webhook_endpoint set lease_owner = 2, lease_until = $2 where merchant_id = $1 returning 1`, start.Add(time.Microsecond))
	m.publish(t, subscription)
	require.Equal(t, 2, m.jobs(t, e), "somebody is draining")
}

func TestABodyThatCannotBeWrittenFailsThePublication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	event := m.event(m.subscription(t), webhook.SubscriptionUpdated)
	event.Data = webhook.Object{{Key: "bad", Value: struct{}{}}}
	require.ErrorContains(t, w.DB.Tenant(m.id).Tx(t.Context(), func(tx pgx.Tx) error {
		return w.Publish(t.Context(), tx, []webhook.Event{event})
	}), "write subscription.updated")
}
