package webhook_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

func TestAReceiverThatRefusesMoreThanFourAtOnceGetsFourAndLosesNothing(t *testing.T) {
	t.Parallel()
	const most, events = 4, 120
	w := newWorld(t)
	m := w.merchant(t)
	var atOnce atomic.Int32
	var mu sync.Mutex
	var refused []int // by request
	taken := map[string]int{}
	requests := 0
	r := receive(t, func(out http.ResponseWriter, body string) {
		w.clock.advance(time.Millisecond)
		defer atOnce.Add(-1)
		n := atOnce.Add(1)
		time.Sleep(5 * time.Millisecond) // so that they are there together
		mu.Lock()
		defer mu.Unlock()
		if requests++; n > most {
			refused = append(refused, requests)
			out.WriteHeader(http.StatusTooManyRequests)
			return
		}
		taken[body]++
	})
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscriptions(t, events)...)
	for range 5 {
		m.drain(t, e)
		w.clock.advance(7 * time.Second)
	}
	require.Len(t, taken, events)
	for _, n := range taken {
		require.Equal(t, 1, n)
	}
	require.NotEmpty(t, refused, "it begins with ten")
	require.LessOrEqual(t, len(refused), 20, "it settles")
	require.Equal(t, strings.TrimSpace(strings.Repeat("DELIVERED ", events)), statuses(m.deliveries(t)))
}

func TestConcurrencyIsRememberedFromDrainToDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := hold(t, nil)
	e, _ := m.endpoint(t, r.URL)
	m.ask(t, `update webhook_endpoint set concurrency = 3 where merchant_id = $1 returning 1`)
	m.publish(t, m.subscriptions(t, 40)...)
	done := make(chan error)
	go func() { done <- w.Drain(t.Context(), m.job(e), 1) }()
	r.await(t, 3)
	w.clock.advance(5 * time.Second)
	require.Eventually(t, func() bool {
		return m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1 and lease_until = $2`, start.Add(20*time.Second)) == 1
	}, patience, time.Millisecond)
	require.Len(t, r.got(), 3)
	r.open()
	require.NoError(t, <-done)
	require.Len(t, r.got(), 40)
}

func TestASlowEndpointMovesToItsOwnQueueAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	var slow atomic.Bool
	slow.Store(true)
	r := receive(t, func(http.ResponseWriter, string) {
		if slow.Load() {
			w.clock.advance(2 * time.Second)
		}
	})
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	m.publish(t, subscription, subscription, subscription)
	require.Equal(t, 1, m.jobsIn(t, e, webhook.Queue))
	healthy := m.job(e)
	healthy.Slow = false
	require.NoError(t, w.Drain(t.Context(), healthy, 1))
	require.Len(t, r.got(), 1, "the worker is for others")
	require.Equal(t, 1, m.jobsIn(t, e, webhook.QueueSlow), "its successor")

	require.NoError(t, w.Drain(t.Context(), healthy, 1))
	require.Len(t, r.got(), 1, "nor does a job of before keep it")
	require.Equal(t, 2, m.jobsIn(t, e, webhook.QueueSlow))
	slow.Store(false)
	m.drain(t, e)
	require.Len(t, r.got(), 3)
	m.publish(t, m.subscription(t))
	require.Equal(t, 3, m.jobsIn(t, e, webhook.QueueSlow), "it is not yet known to be healthy again")
	_, err := w.DB.Pool().Exec(t.Context(), `delete from river_job`)
	require.NoError(t, err)
	woken, err := w.Wake(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, woken)
	require.Equal(t, 1, m.jobsIn(t, e, webhook.QueueSlow))

	for range 30 {
		m.publish(t, subscription)
	}
	m.drain(t, e)
	require.Zero(t, m.jobsIn(t, e, webhook.Queue))
	m.publish(t, subscription)
	require.Equal(t, 1, m.jobsIn(t, e, webhook.Queue), "healthy again")
}

func TestAnEndpointThatFailsManyMovesToTheSlowQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, answering(http.StatusInternalServerError))
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscription(t))
	m.drain(t, e)
	m.publish(t, m.subscription(t))
	require.Equal(t, 2, m.jobsIn(t, e, webhook.Queue), "one event that fails is no reason")
	m.publish(t, m.subscription(t))
	m.drain(t, e)
	m.publish(t, m.subscription(t))
	require.Equal(t, 1, m.jobsIn(t, e, webhook.QueueSlow))
	require.Equal(t, 2, m.jobsIn(t, e, webhook.Queue))
}

func TestAnAnswerThatIsTooLongIsReadOnSoThatItsConnectionServesAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	var mu sync.Mutex
	connections := map[string]bool{}
	r := receive(t, func(out http.ResponseWriter, _ string) { fmt.Fprint(out, strings.Repeat("x", 40<<10)) })
	r.Config.Handler = remember(r.Config.Handler, func(from string) {
		mu.Lock()
		defer mu.Unlock()
		connections[from] = true
	})
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	m.publish(t, subscription, subscription, subscription)
	m.drain(t, e)
	require.Len(t, r.got(), 3)
	require.Len(t, connections, 1)
	require.Len(t, m.attempts(t, m.deliveries(t)[0])[0].ResponseBody, 16<<10)
}

func remember(next http.Handler, from func(address string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from(r.RemoteAddr)
		next.ServeHTTP(w, r)
	})
}
