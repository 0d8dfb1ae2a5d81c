package webhook_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

func TestWakeFindsRetriesAndLostEventsOfAllMerchants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	failed, lost, idle := w.merchant(t), w.merchant(t), w.merchant(t)
	r := receive(t, answering(http.StatusBadGateway))
	retrying, _ := failed.endpoint(t, r.URL)
	forgotten, _ := lost.endpoint(t, "https://example.com/hooks")
	quiet, _ := idle.endpoint(t, "https://example.com/hooks")
	failed.publish(t, failed.subscription(t))
	failed.drain(t, retrying)
	lost.publish(t, lost.subscription(t))
	_, err := w.DB.Pool().Exec(t.Context(), `delete from river_job`)
	require.NoError(t, err)

	wake := func() int {
		n, err := w.Wake(t.Context())
		require.NoError(t, err)
		return n
	}
	require.Equal(t, 1, wake())
	require.Equal(t, 1, lost.jobs(t, forgotten))
	require.Zero(t, wake(), "its job has not run yet")
	w.clock.advance(6 * time.Second)
	require.Equal(t, 1, wake())
	require.Equal(t, 1, failed.jobs(t, retrying))
	require.Equal(t, 1, lost.jobs(t, forgotten))
	require.Zero(t, idle.jobs(t, quiet))
}

func TestWakeLeavesAnEndpointToItsDrainUntilTheLeaseEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	doomed := w.process(t)
	r := receive(t, func(http.ResponseWriter, string) { doomed.DB.Close() })
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscription(t))
	n, err := w.Wake(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	// To River, the job of a process that died runs on.
	_, err = w.DB.Pool().Exec(t.Context(), `update river_job set state = 'running'`)
	require.NoError(t, err)
	require.Error(t, doomed.Drain(t.Context(), m.job(e), 1))
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, 0}, {15*time.Second - time.Microsecond, 0}, {time.Microsecond, 1}} {
		w.clock.advance(step.wait)
		n, err := w.Wake(t.Context())
		require.NoError(t, err)
		require.Equal(t, step.want, n)
	}
}

func TestATakenJobDoesNotFailWake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	for range 3 {
		e, _ := m.endpoint(t, "https://example.com/hooks")
		require.NotZero(t, e.ID)
	}
	subscription := m.subscription(t)
	m.publish(t, subscription)
	first, err := w.Wake(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, first)
	e, _ := m.endpoint(t, "https://example.com/hooks")
	require.NoError(t, w.DB.Tenant(m.id).Tx(t.Context(), func(tx pgx.Tx) error {
		return w.Publish(t.Context(), tx, []webhook.Event{m.event(subscription, webhook.SubscriptionRenewed)})
	}))
	second, err := w.Wake(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, second)
	require.Equal(t, 2, m.jobs(t, e))
}
