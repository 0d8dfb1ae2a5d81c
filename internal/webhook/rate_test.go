package webhook_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

func TestADrainKeepsToTheRateOfItsEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	var mu sync.Mutex
	var times []time.Duration
	r := receive(t, func(http.ResponseWriter, string) {
		mu.Lock()
		defer mu.Unlock()
		times = append(times, w.clock.Now().Sub(start))
	})
	rate := int32(10)
	e, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{URL: r.URL, RateLimit: &rate})
	require.NoError(t, err)
	m.publish(t, m.subscriptions(t, 25)...)
	noted := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(times)
	}
	done := make(chan error)
	go func() { done <- w.Drain(t.Context(), m.job(e), 1) }()
	// What a tenth of a second would have let through goes at once.
	expected := []time.Duration{0}
	for step := range 24 {
		expected = append(expected, time.Duration(step)*100*time.Millisecond)
		require.Eventually(t, func() bool { return noted() >= len(expected) }, patience, time.Millisecond)
		w.clock.advance(100 * time.Millisecond)
	}
	require.NoError(t, <-done)
	require.Equal(t, expected, times)
	for i := range times {
		within := 0
		for _, at := range times[i:] {
			if at < times[i]+time.Second {
				within++
			}
		}
		require.LessOrEqual(t, within, 11, "from %s on", times[i])
	}
}
