package webhook_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

// probeIn is how long the endpoint's breaker waits until it probes.
func (m *merchant) probeIn(t *testing.T, e webhook.Endpoint) time.Duration {
	t.Helper()
	var at time.Time
	require.NoError(t, m.w.DB.Tenant(m.id).QueryRow(t.Context(), `select held_until from webhook_endpoint where id = $1 and breaker = 'OPEN'`, e.ID).Scan(&at))
	return at.Sub(m.w.clock.Now())
}

// woken is what Wake inserts when no jobs are there.
func (m *merchant) woken(t *testing.T) int {
	t.Helper()
	_, err := m.w.DB.Pool().Exec(t.Context(), `delete from river_job`)
	require.NoError(t, err)
	n, err := m.w.Wake(t.Context())
	require.NoError(t, err)
	return n
}

func TestABrokenEndpointsEventsAreHeldAndCatchUpInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r, broken := fickle(t)
	e, _ := m.endpoint(t, r.URL)
	subscriptions := m.subscriptions(t, 12)
	m.publish(t, subscriptions...)
	m.publish(t, subscriptions...)
	m.drain(t, e)
	require.Len(t, r.got(), 10)
	require.Equal(t, 1, m.jobs(t, e), "nobody needs to go on")

	jobs := m.jobs(t, e)
	m.publish(t, subscriptions[0])
	require.Equal(t, jobs, m.jobs(t, e), "what is published now waits too")
	m.drain(t, e)
	require.Zero(t, m.woken(t))
	require.Len(t, r.got(), 10)

	wait := m.probeIn(t, e)
	require.InEpsilon(t, 2*time.Second, wait, 0.2)
	w.clock.advance(wait - time.Microsecond)
	require.Zero(t, m.woken(t))
	w.clock.advance(time.Microsecond)
	require.Equal(t, 1, m.woken(t))
	require.Equal(t, 1, m.jobsIn(t, e, webhook.QueueSlow))
	m.drain(t, e)
	require.Len(t, r.got(), 11, "a single probe")
	require.Equal(t, int64(14), m.ask(t, `select count(*) from webhook_delivery where merchant_id = $1 and attempt_count = 0`))

	broken.Store(false)
	wait = m.probeIn(t, e)
	require.InEpsilon(t, 4*time.Second, wait, 0.2, "longer and longer")
	w.clock.advance(wait)
	require.Equal(t, 1, m.woken(t))
	m.drain(t, e)
	w.clock.advance(6 * time.Second) // what has failed before waits for its time
	m.drain(t, e)
	require.Equal(t, strings.TrimSpace(strings.Repeat("DELIVERED ", 25)), statuses(m.deliveries(t)))
	require.Len(t, r.got(), 25+11, "each once more")
	require.Equal(t, int64(1), m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1 and breaker = 'CLOSED'`))
	for i, subscription := range subscriptions {
		want := "1 2"
		if i == 0 {
			want = "1 2 3"
		}
		require.True(t, strings.HasSuffix(r.orderOf(subscription), want), r.orderOf(subscription))
	}
}

func TestEventsThatWereHeldForHoursStillArriveInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	var broken atomic.Bool
	broken.Store(true)
	r := receive(t, func(out http.ResponseWriter, _ string) {
		if broken.Load() {
			out.Header().Set("Retry-After", "14400")
			out.WriteHeader(http.StatusBadGateway)
		}
	})
	e, _ := m.endpoint(t, r.URL)
	subscriptions := m.subscriptions(t, 11)
	m.publish(t, subscriptions...)
	m.drain(t, e)
	require.Len(t, r.got(), 10)
	w.clock.advance(time.Second)
	m.publish(t, subscriptions...)

	broken.Store(false)
	w.clock.advance(2 * time.Hour) // much longer than a failing event holds the later ones, and less than Retry-After
	m.drain(t, e)
	for _, subscription := range subscriptions[:10] {
		require.Equal(t, "1 1 2", r.orderOf(subscription))
	}
	require.Equal(t, "1 2", r.orderOf(subscriptions[10]))
}

func TestWhoAsksForADeliveryDoesNotWaitForTheNextProbe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, answering(http.StatusBadGateway))
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscriptions(t, 11)...)
	m.drain(t, e)
	require.Len(t, r.got(), 10)
	m.drain(t, e)
	require.Len(t, r.got(), 10)
	deliveries := m.deliveries(t)
	_, err := w.DeliveryRetry(t.Context(), m.id, deliveries[len(deliveries)-1].ID)
	require.NoError(t, err)
	require.Equal(t, 1, m.jobsIn(t, e, webhook.QueueSlow))
	m.drain(t, e)
	require.Len(t, r.got(), 11)
}

// orderOf is the sequences in which a receiver got the events of one subscription.
func (r *inbox) orderOf(subscription int64) string {
	of := &inbox{}
	for _, request := range r.got() {
		if strings.Contains(request.body, fmt.Sprintf(`"subscriptionId":%d}`, subscription)) {
			of.all = append(of.all, request)
		}
	}
	return of.order()
}
