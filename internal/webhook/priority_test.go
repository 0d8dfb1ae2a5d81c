package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

// oneAtATime has an endpoint get single requests, as one that has refused two at once.
func (m *merchant) oneAtATime(t *testing.T, e webhook.Endpoint) {
	t.Helper()
	m.ask(t, `update webhook_endpoint set concurrency = 1, refused_size = 2, refused_at = $2 where merchant_id = $1 and id = $3 returning 1`,
		m.w.clock.Now(), e.ID)
}

// kinds is a letter for each request that the receiver has got: what classify says of its body.
func (r *inbox) kinds(classify func(body string) string) string {
	var all strings.Builder
	for _, request := range r.got() {
		all.WriteString(classify(request.body))
	}
	return all.String()
}

func TestAReceiverThatIsBackGetsWhatIsNewBeforeWhatHasFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r, down := fickle(t)
	e, _ := m.endpoint(t, r.URL)
	missed, fresh := m.subscriptions(t, 8), m.subscriptions(t, 24)
	m.publish(t, missed...)
	m.drain(t, e)
	require.Len(t, r.got(), 8, "too few for the breaker")
	down.Store(false)
	w.clock.advance(time.Minute)
	m.publish(t, fresh...)
	m.oneAtATime(t, e)
	m.drain(t, e)
	order := r.kinds(func(body string) string {
		for _, id := range missed {
			if strings.Contains(body, fmt.Sprintf(`"subscriptionId":%d}`, id)) {
				return "r"
			}
		}
		return "f"
	})
	require.Equal(t, "rrrrrrrr", order[:8])
	// The first turn is that of the drain's number, which is 1.
	require.Equal(t, strings.Repeat("frfffrff", 4), order[8:], "one of four is a retry, as long as there is something new")
}

func TestAFreshEventWaitsForTheRetryOfAnEarlierOneOfItsSubscriptionOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r, down := fickle(t)
	e, _ := m.endpoint(t, r.URL)
	subscriptions := m.subscriptions(t, 9)
	m.publish(t, subscriptions...)
	m.drain(t, e)
	down.Store(false)
	// More than a look sees, each behind the retry of its subscription, and then one that nothing holds.
	for range 15 {
		m.publish(t, subscriptions...)
	}
	free := m.subscription(t)
	m.publish(t, free)
	w.clock.advance(7 * time.Second)
	m.oneAtATime(t, e)
	m.drain(t, e)
	require.Len(t, r.got(), 9+9*16+1)
	for _, id := range subscriptions {
		require.Equal(t, "1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", r.orderOf(id))
	}
	at := strings.Index(r.kinds(func(body string) string {
		if strings.Contains(body, fmt.Sprintf(`"subscriptionId":%d}`, free)) {
			return "!"
		}
		return "."
	}), "!")
	require.Less(t, at, 9+16, "held events do not hide one that can be sent")
}

func TestAReplaySendsASubscriptionsEventsInOrderAlsoThoseItHasDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, alone())
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	for range 30 {
		m.publish(t, subscription)
	}
	m.drain(t, e)
	once := r.order()
	// Their first attempts are longer ago than a failing delivery holds its lane.
	w.clock.advance(time.Hour)
	m.run(t, m.replay(t, nil))
	m.drain(t, e)
	require.Equal(t, once+" "+once, r.order())
	require.Equal(t, strings.TrimSpace(strings.Repeat("DELIVERED ", 30)), statuses(m.deliveries(t)), "one at a time")
}

func TestWhatAReplaySendsAndThatFailsStaysBehindWhatIsNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	var down atomic.Bool
	r := receive(t, func(out http.ResponseWriter, _ string) {
		if down.Load() {
			out.WriteHeader(http.StatusInternalServerError)
		}
	})
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	m.publish(t, subscription, subscription)
	m.drain(t, e)
	w.clock.advance(time.Hour)
	m.run(t, m.replay(t, nil))
	down.Store(true)
	m.drain(t, e)
	require.Equal(t, "1 2 1", r.order(), "a failing one holds those that are replayed behind it")
	down.Store(false)
	w.clock.advance(time.Minute)
	m.publish(t, subscription)
	m.oneAtATime(t, e)
	m.drain(t, e)
	require.Equal(t, "1 2 1 3 1 2", r.order(), "and holds nothing that has just happened")
}

// The old events are of the same subscriptions as the live ones.
func TestLiveEventsGoBeforeWhatIsLeftOfAReplayOfFiveThousand(t *testing.T) {
	t.Parallel()
	const subscriptions, each, ahead = 50, 100, 200
	w := newWorld(t)
	m := w.merchant(t)
	ids := m.subscriptions(t, subscriptions)
	for range each {
		m.publish(t, ids...)
	}
	w.clock.advance(time.Minute)
	r := receive(t, nil)
	e, _ := m.endpoint(t, r.URL)
	started := m.replay(t, nil)
	isLive := func(body string) string {
		if strings.Contains(body, `"createdAt":"2026-03-02T09:30:00.000Z"`) {
			return "o"
		}
		return "L"
	}
	replayed, live := 0, 0
	for standing := started; standing.Status != webhook.ReplayDone; {
		w.clock.advance(time.Second) // after which it looks again
		standing, _ = m.run(t, started)
		made := int(standing.Enqueued) - replayed
		replayed = int(standing.Enqueued)
		require.LessOrEqual(t, made, ahead)
		// Behind all that the replay has made due, in every row but the priority's.
		m.publish(t, ids[:10]...)
		live += 10
		before := len(r.got())
		ctx, enough := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Drain(ctx, m.job(e), 1) }()
		r.await(t, replayed+live)
		enough()
		require.NoError(t, <-done)
		order := r.kinds(isLive)[before:]
		// Ten that are live, a replayed one for each seven of them, and up to fifty requests at once that overtake one another.
		require.Less(t, strings.LastIndex(order, "L"), 10+2+50, order)
	}
	require.Equal(t, subscriptions*each, replayed)
	require.Len(t, r.got(), replayed+live, "nothing twice")
	for i, id := range ids {
		old := &inbox{}
		for _, request := range r.got() {
			if isLive(request.body) == "o" && strings.Contains(request.body, fmt.Sprintf(`"subscriptionId":%d}`, id)) {
				old.all = append(old.all, request)
			}
		}
		var want []string
		for n := range each {
			want = append(want, fmt.Sprint(n+1))
		}
		require.Equal(t, strings.Join(want, " "), old.order(), "the replayed ones of subscription %d in their order", i)
	}
}
