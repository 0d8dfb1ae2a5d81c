package webhook_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

// replay starts one of everything since the beginning.
func (m *merchant) replay(t *testing.T, change func(*webhook.ReplayStart)) webhook.Replay {
	t.Helper()
	in := webhook.ReplayStart{Since: start.Add(-time.Hour)}
	if change != nil {
		change(&in)
	}
	started, err := m.w.StartReplay(t.Context(), m.id, in)
	require.NoError(t, err)
	require.Equal(t, webhook.ReplayQueued, started.Status)
	return started
}

// run runs a replay once, and tells where it stands.
func (m *merchant) run(t *testing.T, r webhook.Replay) (webhook.Replay, time.Duration) {
	t.Helper()
	wait, err := m.w.RunReplay(t.Context(), m.id, r.ID)
	require.NoError(t, err)
	return m.standing(t, r), wait
}

func (m *merchant) standing(t *testing.T, r webhook.Replay) webhook.Replay {
	t.Helper()
	known, err := m.w.ReplaysByID(t.Context(), m.id, []int64{r.ID})
	require.NoError(t, err)
	return known[r.ID]
}

func TestAReplaySendsTheEventsOfATimeAgainWithTheSameBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r, late := receive(t, nil), receive(t, nil)
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	m.publish(t, subscription, subscription)
	w.clock.advance(time.Hour)
	m.publish(t, subscription, subscription)
	until := w.clock.Now()
	w.clock.advance(time.Hour)
	m.publish(t, subscription)
	m.drain(t, e)
	before := m.deliveries(t)
	later, _ := m.endpoint(t, late.URL)

	w.clock.advance(time.Second)
	started := m.replay(t, func(in *webhook.ReplayStart) { in.Since = until; in.EventTypes = []string{"subscription.*"} })
	done, wait := m.run(t, started)
	require.Zero(t, wait)
	require.Equal(t, webhook.ReplayDone, done.Status)
	require.Equal(t, []int64{3, 6}, []int64{done.Matched, done.Enqueued}, "three events, two endpoints")
	require.True(t, done.FinishedAt.Equal(w.clock.Now()))
	m.drain(t, e)
	require.NoError(t, w.Drain(t.Context(), webhook.DrainArgs{MerchantID: m.id, EndpointID: later.ID}, 2))
	require.Equal(t, "1 2 3 4 5 3 4 5", r.order())
	require.Equal(t, "3 4 5", late.order(), "also to an endpoint that came later")
	for i := range 3 {
		require.Equal(t, r.got()[2+i].body, r.got()[5+i].body)
		require.Equal(t, r.got()[2+i].body, late.got()[i].body)
		require.Equal(t, r.got()[2+i].header.Get("webhook-id"), late.got()[i].header.Get("webhook-id"))
	}
	require.Equal(t, before[4].ID, m.deliveries(t)[4].ID)
	require.Equal(t, int32(2), m.deliveries(t)[4].AttemptCount, "the same delivery, whose attempts count on")
	require.Len(t, m.deliveries(t), 8)

	started = m.replay(t, func(in *webhook.ReplayStart) {
		in.Until = &until
		in.EndpointID = &later.ID
		in.EventTypes = []string{"invoice.created"}
	})
	done, _ = m.run(t, started)
	require.Zero(t, done.Matched+done.Enqueued)
	started = m.replay(t, func(in *webhook.ReplayStart) { in.Until = &until; in.EndpointID = &later.ID })
	done, _ = m.run(t, started)
	require.Equal(t, []int64{2, 2}, []int64{done.Matched, done.Enqueued})
}

func TestAReplayOfWhatFailedLeavesTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	var healthy atomic.Bool
	r := receive(t, func(w http.ResponseWriter, body string) {
		if !healthy.Load() && strings.Contains(body, `"sequence":1,`) {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	m.publish(t, subscription, subscription)
	for range 10 {
		m.drain(t, e)
		w.clock.advance(30 * time.Hour)
	}
	require.Equal(t, "FAILED DELIVERED", statuses(m.deliveries(t)))
	healthy.Store(true)
	sent := len(r.got())
	done, _ := m.run(t, m.replay(t, func(in *webhook.ReplayStart) { in.FailedOnly = true }))
	require.Equal(t, []int64{2, 1}, []int64{done.Matched, done.Enqueued})
	m.drain(t, e)
	require.Len(t, r.got(), sent+1)
	require.Equal(t, "DELIVERED DELIVERED", statuses(m.deliveries(t)))
}

// Three times as many events as a transaction looks at.
const manyEvents = 300

func TestAReplayThatIsKilledGoesOnWhereItWasAndMakesNothingTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	m.publish(t, m.subscriptions(t, manyEvents)...)
	w.clock.advance(time.Second)
	e, _ := m.endpoint(t, "https://example.com/hooks")
	started := m.replay(t, nil)

	doomed := w.process(t)
	ctx, kill := context.WithCancel(t.Context())
	calls := 0
	doomed.Now = func() time.Time {
		if calls++; calls == 3 { // in the middle of its second batch
			kill()
		}
		return w.clock.Now()
	}
	_, err := doomed.RunReplay(ctx, m.id, started.ID)
	require.ErrorIs(t, err, context.Canceled)
	killed := m.standing(t, started)
	require.Equal(t, webhook.ReplayRunning, killed.Status)
	require.Positive(t, killed.Enqueued)
	require.Less(t, killed.Enqueued, int64(manyEvents))
	require.Equal(t, killed.Enqueued, m.ask(t, `select count(*) from webhook_delivery where merchant_id = $1`), "the checkpoint is that of what was made")

	same, _ := m.run(t, started)
	require.Equal(t, killed, same, "it is another worker's until its lease ends")
	resumed, err := w.ResumeReplays(t.Context())
	require.NoError(t, err)
	require.Zero(t, resumed)
	w.clock.advance(time.Minute)
	resumed, err = w.ResumeReplays(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, resumed)

	going, wait := m.run(t, started)
	require.Equal(t, 500*time.Millisecond, wait, "live events do not wait behind all of it")
	require.Equal(t, int64(200), going.Enqueued)
	require.Equal(t, webhook.ReplayRunning, going.Status)
	m.ask(t, `with sent as (delete from webhook_delivery where merchant_id = $1 and id in (
			select id from webhook_delivery order by id limit 150) returning *)
		insert into webhook_attempt (merchant_id, delivery_id, number, endpoint_id, event_id, event_created_at, subscription_id, status_code,
			duration_ms, created_at, delivery_created_at, outcome, finished_at)
		select merchant_id, id, 1, endpoint_id, event_id, event_created_at, subscription_id, 200, 1, $2, created_at, 'DELIVERED', $2 from sent
		returning 1`, w.clock.Now())
	w.clock.advance(wait)
	done, _ := m.run(t, started)
	require.Equal(t, webhook.ReplayDone, done.Status)
	require.Equal(t, []int64{manyEvents, manyEvents}, []int64{done.Matched, done.Enqueued})
	require.Equal(t, int64(manyEvents), m.ask(t, `select count(distinct event_id) from (
		select event_id from webhook_delivery where merchant_id = $1 and endpoint_id = $2
		union all select event_id from webhook_attempt where merchant_id = $1 and endpoint_id = $2) d`, e.ID))
	require.Len(t, m.deliveries(t), manyEvents)
}

func TestACanceledReplayMakesNothingMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stranger := w.merchant(t), w.merchant(t)
	m.publish(t, m.subscription(t))
	w.clock.advance(time.Second)
	m.endpoint(t, "https://example.com/hooks")
	started := m.replay(t, nil)
	_, err := w.CancelReplay(t.Context(), stranger.id, started.ID)
	require.Equal(t, "NOT_FOUND id", faults(err))
	canceled, err := w.CancelReplay(t.Context(), m.id, started.ID)
	require.NoError(t, err)
	require.Equal(t, webhook.ReplayCanceled, canceled.Status)
	same, _ := m.run(t, started)
	require.Equal(t, canceled, same)
	require.Empty(t, m.deliveries(t))
	_, err = w.CancelReplay(t.Context(), m.id, started.ID)
	require.Equal(t, "CONFLICT id", faults(err))
}

func TestAReplayIsOfATimeThatIsKeptAndAMerchantHasThreeAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.EventRetention = 10 * days
	m, stranger := w.merchant(t), w.merchant(t)
	e, _ := stranger.endpoint(t, "https://example.com/hooks")
	midnight := start.Truncate(days).Add(-10 * days)
	early, future, now := start.Add(-time.Hour), start.Add(time.Second), start
	for want, in := range map[string]webhook.ReplayStart{
		"INVALID since":        {Since: midnight.Add(-time.Microsecond)},
		"INVALID until":        {Since: early, Until: &future},
		"INVALID eventTypes.0": {Since: early, EventTypes: []string{"x"}},
		"NOT_FOUND endpoint":   {Since: early, EndpointID: &e.ID},
	} {
		_, err := w.StartReplay(t.Context(), m.id, in)
		require.Equal(t, want, faults(err))
	}
	_, err := w.StartReplay(t.Context(), m.id, webhook.ReplayStart{Since: now})
	require.Equal(t, "INVALID since", faults(err), "a time without length")
	_, err = w.EndpointDisable(t.Context(), stranger.id, e.ID)
	require.NoError(t, err)
	_, err = w.StartReplay(t.Context(), stranger.id, webhook.ReplayStart{Since: early, EndpointID: &e.ID})
	require.Equal(t, "CONFLICT endpoint", faults(err))

	for range 3 {
		m.replay(t, func(in *webhook.ReplayStart) { in.Since = midnight })
	}
	_, err = w.StartReplay(t.Context(), m.id, webhook.ReplayStart{Since: early})
	require.Equal(t, "CONFLICT ", faults(err))
	replays, more, err := w.Replays(t.Context(), m.id, first(2))
	require.NoError(t, err)
	require.Len(t, replays, 2)
	require.True(t, more)
	m.run(t, replays[0])
	m.replay(t, nil)
}
