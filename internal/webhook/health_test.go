package webhook_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

func TestAnEndpointSaysHowItIsDoing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	var broken atomic.Bool
	r := receive(t, func(out http.ResponseWriter, _ string) {
		if broken.Load() {
			out.WriteHeader(http.StatusBadGateway)
		}
	})
	e, _ := m.endpoint(t, r.URL)
	condition := func() webhook.Condition {
		t.Helper()
		found, err := w.Endpoint(t.Context(), m.id, e.ID)
		require.NoError(t, err)
		return found.Condition
	}
	days := func() map[int64]webhook.Day {
		t.Helper()
		days, err := w.DaysByEndpoint(t.Context(), m.id, []int64{e.ID})
		require.NoError(t, err)
		return days
	}
	require.Equal(t, webhook.Condition{State: webhook.HealthGood, Since: e.CreatedAt}, condition())
	require.Empty(t, days())

	m.publish(t, m.subscriptions(t, 6)...)
	m.drain(t, e)
	require.EqualValues(t, 6, days()[e.ID].Succeeded)
	require.Positive(t, days()[e.ID].P95)
	require.NotNil(t, condition().LastSuccessAt)

	broken.Store(true)
	m.publish(t, m.subscriptions(t, 12)...)
	m.drain(t, e)
	failing := condition()
	require.Equal(t, webhook.HealthFailing, failing.State)
	require.EqualValues(t, 10, failing.ConsecutiveFailures)
	require.NotNil(t, failing.HeldUntil)
	require.NotNil(t, failing.LastFailureAt)
	require.EqualValues(t, 10, days()[e.ID].Failed)
	elsewhere, err := w.DaysByEndpoint(t.Context(), m.id+1, []int64{e.ID})
	require.NoError(t, err)
	require.Empty(t, elsewhere)

	_, err = w.EndpointDisable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, webhook.HealthDisabled, condition().State)
}
