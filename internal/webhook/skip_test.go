package webhook_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/fault"
	"portico/internal/webhook"
)

func TestAnEndpointEnabledAnewGetsNothingOfWhatHasWaitedUnlessItIsReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r, broken := fickle(t)
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	m.publish(t, subscription)
	m.drain(t, e) // fails once
	_, err := w.EndpointDisable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	m.publish(t, subscription)
	w.clock.advance(time.Hour)
	broken.Store(false)
	before := len(r.got())

	enabled, err := w.EndpointEnableAnew(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, webhook.EndpointEnabled, enabled.Status)
	m.drain(t, e)
	require.Len(t, r.got(), before)
	status := webhook.DeliverySkipped
	skipped, _, err := w.Deliveries(t.Context(), m.id, webhook.DeliveryFilter{Status: &status}, first(10))
	require.NoError(t, err)
	require.Equal(t, "SKIPPED SKIPPED", statuses(skipped))
	require.Equal(t, int32(1), skipped[0].AttemptCount)
	require.Equal(t, int32(2), skipped[1].AttemptCount)
	require.True(t, skipped[0].FinishedAt.Equal(w.clock.Now()))
	attempts := m.attempts(t, skipped[1])
	require.Contains(t, *attempts[1].Error, "without catching up")
	require.Nil(t, attempts[1].StatusCode)

	m.publish(t, subscription)
	m.drain(t, e)
	require.Len(t, r.got(), before+1, "what happens from now on")
	again, err := w.EndpointEnableAnew(t.Context(), m.id, e.ID)
	require.NoError(t, err, "an enabled one stays as it is")
	require.Equal(t, enabled.Status, again.Status)

	replay := m.replay(t, func(in *webhook.ReplayStart) { in.FailedOnly = true })
	replay, _ = m.run(t, replay)
	require.Equal(t, int64(2), replay.Enqueued)
	m.drain(t, e)
	require.Len(t, r.got(), before+3)
	require.Equal(t, "DELIVERED DELIVERED DELIVERED", statuses(m.deliveries(t)))
}

func TestAnEnabledEndpointIsNotSkipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, _ := m.endpoint(t, receive(t, nil).URL)
	m.publish(t, m.subscription(t))
	_, err := w.EndpointEnableAnew(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, "PENDING", statuses(m.deliveries(t)))
	_, err = w.EndpointEnableAnew(t.Context(), w.merchant(t).id, e.ID)
	require.True(t, fault.Is(err, fault.CodeNotFound))
}

func TestWhereTooMuchWaitsForOneRequestTheNextGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, _ := m.endpoint(t, receive(t, nil).URL)
	m.publish(t, m.subscription(t))
	_, err := w.EndpointDisable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	m.ask(t, `with more as (
			insert into webhook_delivery (merchant_id, endpoint_id, event_id, event_created_at, subscription_id, next_attempt_at, created_at)
			select merchant_id, endpoint_id, event_id + n, event_created_at, subscription_id, next_attempt_at, created_at
			from webhook_delivery, generate_series(1, 20000) n where merchant_id = $1 returning 1)
		select count(*) from more`)
	_, err = w.EndpointEnableAnew(t.Context(), m.id, e.ID)
	require.True(t, fault.Is(err, fault.CodeConflict), "%v", err)
	standing, err := w.Endpoint(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, webhook.EndpointDisabled, standing.Status)
	require.Equal(t, int64(1), m.ask(t, `select count(*) from webhook_delivery where merchant_id = $1`))
	enabled, err := w.EndpointEnableAnew(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, webhook.EndpointEnabled, enabled.Status)
	require.Equal(t, int64(20001), m.ask(t, `select count(*) from webhook_attempt where merchant_id = $1 and outcome = 'SKIPPED'`))
}
