package webhook_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/page"
	"portico/internal/webhook"
)

func first(n int) page.Request { return page.Request{Size: n} }

func TestADeadDeliveryIsSentAgainWithTheSameBytesAndAScheduleOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stranger := w.merchant(t), w.merchant(t)
	code := atomic.Int32{}
	code.Store(http.StatusInternalServerError)
	r := receive(t, func(w http.ResponseWriter, _ string) { w.WriteHeader(int(code.Load())) })
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscription(t))
	for range 10 {
		m.drain(t, e)
		w.clock.advance(30 * time.Hour)
	}
	dead := m.deliveries(t)[0]
	require.Equal(t, webhook.DeliveryFailed, dead.Status)

	_, err := w.DeliveryRetry(t.Context(), stranger.id, dead.ID)
	require.Equal(t, "NOT_FOUND id", faults(err))
	jobs := m.jobs(t, e)
	again, err := w.DeliveryRetry(t.Context(), m.id, dead.ID)
	require.NoError(t, err)
	require.Equal(t, webhook.DeliveryPending, again.Status)
	require.Equal(t, dead.ID, again.ID)
	require.Equal(t, dead.EventID, again.EventID)
	require.True(t, dead.CreatedAt.Equal(again.CreatedAt))
	require.True(t, again.NextAttemptAt.Equal(w.clock.Now()))
	require.Equal(t, jobs+1, m.jobs(t, e))
	_, err = w.DeliveryRetry(t.Context(), m.id, dead.ID)
	require.NoError(t, err, "twice is once")
	require.Len(t, m.deliveries(t), 1)

	m.drain(t, e)
	failing := m.deliveries(t)[0]
	require.Equal(t, webhook.DeliveryPending, failing.Status)
	require.Equal(t, int32(11), failing.AttemptCount)
	require.InDelta(t, 5, failing.NextAttemptAt.Sub(w.clock.Now()).Seconds(), 1, "the schedule begins anew")

	code.Store(http.StatusOK)
	_, err = w.DeliveryRetry(t.Context(), m.id, dead.ID)
	require.NoError(t, err)
	m.drain(t, e)
	require.Equal(t, "DELIVERED", statuses(m.deliveries(t)))
	require.Len(t, m.attempts(t, m.deliveries(t)[0]), 12)
	require.Len(t, r.got(), 12)
	for _, request := range r.got() {
		require.Equal(t, r.got()[0].body, request.body)
		require.Equal(t, r.got()[0].header.Get("webhook-id"), request.header.Get("webhook-id"))
	}
	delivered := webhook.DeliveryDelivered
	listed, _, err := w.Deliveries(t.Context(), m.id, webhook.DeliveryFilter{Status: &delivered}, first(10))
	require.NoError(t, err)
	require.Len(t, listed, 1, "its earlier end is none any more")
	failed := webhook.DeliveryFailed
	listed, _, err = w.Deliveries(t.Context(), m.id, webhook.DeliveryFilter{Status: &failed}, first(10))
	require.NoError(t, err)
	require.Empty(t, listed)
}

func TestNothingIsSentAgainToAnEndpointThatIsNotEnabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, _ := m.endpoint(t, receive(t, nil).URL)
	m.publish(t, m.subscription(t))
	m.drain(t, e)
	_, err := w.EndpointDisable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	_, err = w.DeliveryRetry(t.Context(), m.id, m.deliveries(t)[0].ID)
	require.Equal(t, "CONFLICT id", faults(err))
	require.Equal(t, "DELIVERED", statuses(m.deliveries(t)))
	require.NoError(t, w.EndpointDelete(t.Context(), m.id, e.ID))
	_, err = w.DeliveryRetry(t.Context(), m.id, m.deliveries(t)[0].ID)
	require.Equal(t, "CONFLICT id", faults(err))
}
