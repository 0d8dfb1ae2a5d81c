package webhook_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"portico/internal/fault"
	"portico/internal/webhook"
)

func TestDeliveriesAreListedByTheTypesOfTheirEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{URL: receive(t, nil).URL, EventTypes: []string{"*"}})
	require.NoError(t, err)
	subscription := m.subscription(t)
	all := []webhook.Type{webhook.SubscriptionRenewed, webhook.PaymentFailed, webhook.PaymentSucceeded, webhook.SubscriptionCanceled}
	publish := func() {
		for _, kind := range all {
			m.publishAll(t, m.event(subscription, kind))
		}
	}
	publish()
	m.drain(t, e)
	w.clock.advance(time.Hour)
	publish() // still to be sent
	listed := func(status *string, asked ...string) (found []int64) {
		for _, d := range m.listed(t, webhook.DeliveryFilter{EventTypes: asked, Status: status}, 3) {
			found = append(found, d.ID)
		}
		return found
	}
	ids := func(places ...int) (found []int64) {
		for _, place := range places {
			found = append(found, m.deliveries(t)[place].ID)
		}
		return found
	}
	pending := webhook.DeliveryPending
	require.Equal(t, ids(5, 1), listed(nil, "payment.failed"))
	require.Equal(t, ids(7, 4, 3, 0), listed(nil, "subscription.*"))
	require.Equal(t, ids(7, 6, 3, 2), listed(nil, "subscription.canceled", "payment.succeeded"))
	require.Equal(t, ids(6, 5), listed(&pending, "payment.*"))
	require.Equal(t, ids(7, 6, 5, 4, 3, 2, 1, 0), listed(nil, "*"))
	require.Empty(t, listed(nil, "product.approved"))
	eventID := m.deliveries(t)[5].EventID
	for asked, want := range map[string]int{"payment.failed": 1, "payment.succeeded": 0} {
		found, _, err := w.Deliveries(t.Context(), m.id, webhook.DeliveryFilter{EventTypes: []string{asked}, EventID: &eventID, EndpointID: &e.ID}, first(5))
		require.NoError(t, err)
		require.Len(t, found, want)
	}
	for _, wrong := range [][]string{{}, {"payment"}, {"payment.failed", "*.failed"}} {
		_, _, err := w.Deliveries(t.Context(), m.id, webhook.DeliveryFilter{EventTypes: wrong}, first(5))
		require.True(t, fault.Is(err, fault.CodeInvalid), "%v", wrong)
	}
}

// reading is a part of a plan, with the rows that it read.
type reading struct {
	Node     string  `json:"Node Type"`
	Index    string  `json:"Index Name"`
	Relation string  `json:"Relation Name"`
	Rows     float64 `json:"Actual Rows"`
	Passed   float64 `json:"Rows Removed by Filter"`
	Loops    float64 `json:"Actual Loops"`
	Plans    []reading
}

func (p reading) walk(visit func(reading)) {
	visit(p)
	for _, part := range p.Plans {
		part.walk(visit)
	}
}

func TestATypeLeadsToItsDeliveriesHoweverRareItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, _ := m.endpoint(t, receive(t, nil).URL)
	require.NoError(t, w.Partition(t.Context()))
	const many = 20000
	m.ask(t, `with made as (
			insert into event (merchant_id, id, type, sequence, body, occurred_at, created_at)
			select $1, 1000 + n, case when n % 2000 = 7 then 'product.rejected' else 'payment.succeeded' end, n, '', at, at
			from generate_series(1, $3::bigint) n, lateral (select $4::timestamptz - n * interval '1 second' as at) time
			returning *), recorded as (
			insert into webhook_attempt (merchant_id, delivery_id, number, endpoint_id, event_id, event_created_at, subscription_id, status_code,
				duration_ms, created_at, delivery_created_at, outcome, finished_at)
			select merchant_id, id, 1, $2, id, created_at, 0, 200, 5, created_at, created_at, 'DELIVERED', created_at from made)
		select count(*) from made`, e.ID, many, w.clock.Now())
	_, err := w.DB.Pool().Exec(t.Context(), `analyze event, webhook_attempt, webhook_delivery`)
	require.NoError(t, err)
	statements := &recorder{}
	reader := w.process(t, func(c *pgxpool.Config) { c.ConnConfig.Tracer = statements })
	for kind, want := range map[string]int{"product.rejected": 5, "payment.succeeded": 5, "product.approved": 0} {
		statements.taken()
		found, _, err := reader.Deliveries(t.Context(), m.id, webhook.DeliveryFilter{EventTypes: []string{kind}}, first(5))
		require.NoError(t, err)
		require.Len(t, found, want, kind)
		for _, one := range statements.taken() {
			read := 0.0
			m.explain(t, reader, one).walk(func(p reading) {
				if p.Relation != "" {
					read += (p.Rows + p.Passed) * p.Loops
				}
			})
			require.Less(t, read, 300.0, "%s reads few of %d rows", kind, many)
		}
	}
}

// explain is how Postgres goes about a statement of the merchant with its values.
func (m *merchant) explain(t *testing.T, w *webhook.Webhooks, one asked) reading {
	t.Helper()
	var explained []struct{ Plan reading }
	require.NoError(t, w.DB.Tenant(m.id).Tx(t.Context(), func(tx pgx.Tx) error {
		require.NoError(t, w.DB.PlanForValues(t.Context(), tx))
		var text []byte
		if err := tx.QueryRow(t.Context(), "explain (analyze, format json) "+one.sql, one.args...).Scan(&text); err != nil {
			return err
		}
		return json.Unmarshal(text, &explained)
	}))
	return explained[0].Plan
}
