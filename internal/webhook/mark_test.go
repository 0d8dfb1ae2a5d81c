package webhook_test

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"portico/internal/page"
	"portico/internal/webhook"
)

// recorder notes the statements on daily partitions, as they are sent.
type recorder struct {
	mu  sync.Mutex
	all []asked
}

type asked struct {
	sql  string
	args []any
}

func (r *recorder) note(sql string, args []any) {
	if !regexp.MustCompile(`\b(event|webhook_attempt)\b`).MatchString(sql) || strings.HasPrefix(sql, "explain") {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, asked{sql, args})
}

// taken is what was noted since it was last asked.
func (r *recorder) taken() []asked {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

func (r *recorder) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	r.note(q.SQL, q.Args)
	return ctx
}

func (r *recorder) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (r *recorder) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (r *recorder) TraceBatchQuery(_ context.Context, _ *pgx.Conn, q pgx.TraceBatchQueryData) {
	r.note(q.SQL, q.Args)
}

func (r *recorder) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// plan is a part of what EXPLAIN says.
type plan struct {
	Relation string `json:"Relation Name"`
	Plans    []plan
}

func (p plan) partitions() (names []string) {
	if regexp.MustCompile(`^(event|webhook_attempt)_(p\d+|default)$`).MatchString(p.Relation) {
		names = append(names, p.Relation)
	}
	for _, part := range p.Plans {
		names = append(names, part.partitions()...)
	}
	return names
}

// visited are the partitions that Postgres looks into for a statement of the merchant, whether or not it finds something there.
func (m *merchant) visited(t *testing.T, w *webhook.Webhooks, one asked) []string {
	t.Helper()
	var explained []struct{ Plan plan }
	require.NoError(t, w.DB.Tenant(m.id).Tx(t.Context(), func(tx pgx.Tx) error {
		var text []byte
		if err := tx.QueryRow(t.Context(), "explain (analyze, buffers, format json) "+one.sql, one.args...).Scan(&text); err != nil {
			return err
		}
		return json.Unmarshal(text, &explained)
	}))
	return explained[0].Plan.partitions()
}

// live lets a merchant's events of so many days, six a day, arrive at its endpoint, and gives the deliveries.
func (m *merchant) live(t *testing.T, lasting int) []webhook.Delivery {
	t.Helper()
	two := m.subscriptions(t, 2)
	for range lasting {
		require.NoError(t, m.w.Partition(t.Context()))
		m.publish(t, two[0], two[1], two[0])
		m.w.clock.advance(8 * time.Hour)
		m.publish(t, two[1], two[0], two[1])
		m.ask(t, `with sent as (delete from webhook_delivery where merchant_id = $1 returning *), recorded as (
				insert into webhook_attempt (merchant_id, delivery_id, number, endpoint_id, event_id, event_created_at, subscription_id, status_code,
					duration_ms, created_at, delivery_created_at, outcome, finished_at)
				select merchant_id, id, 1, endpoint_id, event_id, event_created_at, subscription_id, 200, 5, created_at, created_at, 'DELIVERED', created_at
				from sent)
			select count(*) from sent`)
		m.w.clock.advance(16 * time.Hour)
	}
	require.Eventually(t, func() bool { // they show when no older transaction is open, be it another test's
		events, err := m.w.Events(t.Context(), m.id, 0, 0, 1000)
		return err == nil && len(events) == 6*lasting
	}, patience, time.Millisecond)
	m.ask(t, `with alone as (update id_mark set ended_xid = next_xid returning 1) select $1 + count(*) from alone`)
	return m.deliveries(t)
}

func TestWhatIsReadLiesInFewPartitionsHoweverManyThereAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, _ := m.endpoint(t, receive(t, nil).URL)
	all := m.live(t, 90)
	require.Len(t, all, 540)
	statements := &recorder{}
	reader := w.process(t, func(c *pgxpool.Config) { c.ConnConfig.Tracer = statements })
	latest, old := all[len(all)-1], all[60]

	events, err := w.Events(t.Context(), m.id, 0, 0, 1000)
	require.NoError(t, err)
	position := map[int64]webhook.StoredEvent{}
	for _, one := range events {
		position[one.ID] = one
	}
	delivered := webhook.DeliveryDelivered
	dead := webhook.DeliveryFailed
	for _, c := range []struct {
		name string
		most int // partitions of a statement, the default one among them
		read func() (rows int, err error)
		rows int
	}{
		{"a delivery of today by its id", 4, func() (int, error) {
			found, err := reader.DeliveriesByID(t.Context(), m.id, []int64{latest.ID})
			return len(found), err
		}, 1},
		{"an old delivery by its id", 8, func() (int, error) {
			found, err := reader.DeliveriesByID(t.Context(), m.id, []int64{old.ID})
			return len(found), err
		}, 1},
		{"the attempts of an old delivery", 3, func() (int, error) {
			found, err := reader.AttemptsByDelivery(t.Context(), m.id, []webhook.Delivery{old})
			return len(found), err
		}, 1},
		{"an event of today by its id", 4, func() (int, error) {
			found, err := reader.EventsByID(t.Context(), m.id, []int64{latest.EventID})
			return len(found), err
		}, 1},
		{"an old event by its id", 4, func() (int, error) {
			found, err := reader.EventsByID(t.Context(), m.id, []int64{old.EventID})
			return len(found), err
		}, 1},
		{"the events behind the newest", 5, func() (int, error) {
			found, err := reader.Events(t.Context(), m.id, position[latest.EventID].XID, latest.EventID, 5)
			return len(found), err
		}, 0},
		{"the events behind an old one", 6, func() (int, error) {
			found, err := reader.Events(t.Context(), m.id, position[old.EventID].XID, old.EventID, 5)
			return len(found), err
		}, 5},
		{"the first of all events", 6, func() (int, error) {
			found, err := reader.Events(t.Context(), m.id, 0, 0, 5)
			return len(found), err
		}, 5},
		{"the newest deliveries", 5, func() (int, error) {
			found, _, err := reader.Deliveries(t.Context(), m.id, webhook.DeliveryFilter{}, first(3))
			return len(found), err
		}, 3},
		{"the newest deliveries to an endpoint that arrived", 5, func() (int, error) {
			found, _, err := reader.Deliveries(t.Context(), m.id, webhook.DeliveryFilter{EndpointID: &e.ID, Status: &delivered}, first(3))
			return len(found), err
		}, 3},
		{"a page of deliveries of five days ago", 9, func() (int, error) {
			found, _, err := reader.Deliveries(t.Context(), m.id, webhook.DeliveryFilter{}, page.Request{Size: 3, After: all[len(all)-26].ID})
			return len(found), err
		}, 3},
		{"the deliveries of an event of today", 4, func() (int, error) {
			found, _, err := reader.Deliveries(t.Context(), m.id, webhook.DeliveryFilter{EventID: &latest.EventID}, first(3))
			return len(found), err
		}, 1},
		{"the failed deliveries of an event of today", 4, func() (int, error) {
			found, _, err := reader.Deliveries(t.Context(), m.id, webhook.DeliveryFilter{EventID: &latest.EventID, Status: &dead}, first(3))
			return len(found), err
		}, 0},
		{"a delivery of today that is sent again", 8, func() (int, error) {
			_, err := reader.DeliveryRetry(t.Context(), m.id, latest.ID)
			return 1, err
		}, 1},
	} {
		statements.taken()
		rows, err := c.read()
		require.NoError(t, err, c.name)
		require.Equal(t, c.rows, rows, c.name)
		noted := statements.taken()
		require.NotEmpty(t, noted, c.name)
		for _, one := range noted {
			visited := m.visited(t, reader, one)
			require.LessOrEqual(t, len(visited), c.most, "%s looks into %v", c.name, visited)
		}
	}
}

func TestWhatEndsWithItsEndpointIsLookedForInTheDaysOfItsAttempts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, _ := m.endpoint(t, receive(t, answering(http.StatusInternalServerError)).URL)
	m.live(t, 30)
	subscription := m.subscription(t)
	require.NoError(t, w.Partition(t.Context()))
	m.publish(t, subscription)
	m.drain(t, e)
	require.NoError(t, w.EndpointDelete(t.Context(), m.id, e.ID))
	statements := &recorder{}
	worker := w.process(t, func(c *pgxpool.Config) { c.ConnConfig.Tracer = statements })
	_, err := worker.CancelDeliveries(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	all := m.deliveries(t)
	require.Equal(t, webhook.DeliveryFailed, all[len(all)-1].Status)
	noted := statements.taken()
	require.Len(t, noted, 1)
	visited := m.visited(t, worker, noted[0])
	require.NotEmpty(t, visited)
	require.LessOrEqual(t, len(visited), 3, "%v", visited)
}

func TestPagesOfManyDaysHaveEveryRowOnceAndInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, _ := m.endpoint(t, receive(t, nil).URL)
	all := m.live(t, 25)
	m.ask(t, `delete from webhook_attempt where merchant_id = $1 and delivery_id between $2 and $3 returning 1`, all[30].ID, all[80].ID)
	all = append(all[:30], all[81:]...)
	_, err := w.DeliveryRetry(t.Context(), m.id, all[7].ID)
	require.NoError(t, err)
	m.drain(t, e)
	again, err := w.DeliveriesByID(t.Context(), m.id, []int64{all[7].ID})
	require.NoError(t, err)
	all[7] = again[all[7].ID]
	require.Equal(t, int32(2), all[7].AttemptCount)
	require.Len(t, m.attempts(t, all[7]), 2)

	var listed []webhook.Delivery
	request := first(7)
	for more := true; more; request.After = listed[len(listed)-1].ID {
		var next []webhook.Delivery
		next, more, err = w.Deliveries(t.Context(), m.id, webhook.DeliveryFilter{}, request)
		require.NoError(t, err)
		listed = append(listed, next...)
	}
	slices.Reverse(listed)
	require.Equal(t, all, listed, "one that was sent again today stands where it did")

	m.ask(t, `delete from event where merchant_id = $1 and created_at > $2 and created_at < $3 returning 1`, start.Add(4*days), start.Add(14*days))
	kept := m.ask(t, `select count(*) from event where merchant_id = $1`)
	var events []webhook.StoredEvent
	for xid, id := int64(0), int64(0); ; {
		next, err := w.Events(t.Context(), m.id, xid, id, 7)
		require.NoError(t, err)
		if len(next) == 0 {
			break
		}
		events = append(events, next...)
		xid, id = next[len(next)-1].XID, next[len(next)-1].ID
	}
	require.Len(t, events, int(kept))
	require.True(t, slices.IsSortedFunc(events, func(a, b webhook.StoredEvent) int { return cmp.Compare(a.XID, b.XID) }))
}

func TestARowIsFoundByItsIDWhereTheClockWasWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	_, _ = m.endpoint(t, receive(t, nil).URL)
	delivery := m.live(t, 5)[12]
	m.ask(t, `with moved as (update id_mark set at = at + interval '100 days' returning 1) select count(*) + $1 from moved`)
	found, err := w.DeliveriesByID(t.Context(), m.id, []int64{delivery.ID})
	require.NoError(t, err)
	require.Equal(t, delivery, found[delivery.ID])
	events, err := w.EventsByID(t.Context(), m.id, []int64{delivery.EventID})
	require.NoError(t, err)
	require.Contains(t, events, delivery.EventID)
	next, err := w.Events(t.Context(), m.id, events[delivery.EventID].XID, delivery.EventID, 1)
	require.NoError(t, err)
	require.Len(t, next, 1, "a mark of a time to come is not believed")

	require.NoError(t, w.Partition(t.Context()))
	require.Equal(t, m.id, m.ask(t, `select count(*) - 1 + $1 from id_mark`), "nor kept")
}
