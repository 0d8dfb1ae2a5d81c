package webhook_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

// waits is why each of the merchant's deliveries waits, oldest first; those that are finished are left out.
func (m *merchant) waits(t *testing.T) []webhook.Wait {
	t.Helper()
	var ids []int64
	for _, d := range m.deliveries(t) {
		ids = append(ids, d.ID)
	}
	byID, err := m.w.WaitsByDelivery(t.Context(), m.id, ids)
	require.NoError(t, err)
	var all []webhook.Wait
	for _, id := range ids {
		if wait, waiting := byID[id]; waiting {
			all = append(all, wait)
		}
	}
	return all
}

func reasons(waits []webhook.Wait) string {
	all := make([]string, len(waits))
	for i, w := range waits {
		all[i] = w.Reason
	}
	return strings.Join(all, " ")
}

func TestADeliveryWaitsForItsRetryAndThoseBehindItWaitForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r, down := fickle(t)
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	m.publish(t, subscription, subscription, subscription)
	waits := m.waits(t)
	head := m.deliveries(t)[0]
	require.Equal(t, "QUEUED LANE LANE", reasons(waits))
	require.Nil(t, waits[0].Until)
	require.Equal(t, webhook.Wait{Reason: webhook.WaitLane, Behind: head.ID}, waits[1], "nobody knows when that is tried")
	require.Equal(t, head.ID, waits[2].Behind, "the first of them is what all wait for")

	m.drain(t, e)
	waits = m.waits(t)
	require.Equal(t, "RETRY LANE LANE", reasons(waits))
	require.True(t, waits[0].Until.Equal(*m.deliveries(t)[0].NextAttemptAt))
	require.True(t, waits[1].Until.Equal(start.Add(10*time.Minute)), "then they overtake it")
	require.Zero(t, waits[0].Behind)

	w.clock.advance(10 * time.Minute)
	require.Equal(t, "QUEUED QUEUED LANE", reasons(m.waits(t)))
	down.Store(false)
	m.drain(t, e)
	require.Empty(t, m.waits(t), "what is finished waits for nothing")
}

func TestDeliveriesOfABrokenEndpointWaitForItsProbe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, answering(http.StatusBadGateway))
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscriptions(t, 11)...)
	m.drain(t, e)
	stored, err := w.Endpoint(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	waits := m.waits(t)
	require.Equal(t, strings.Repeat("RETRY ", 10)+"BREAKER", reasons(waits), "retries are later than the probe")
	require.True(t, waits[10].Until.Equal(*stored.Condition.HeldUntil))
	w.clock.advance(waits[10].Until.Sub(w.clock.Now()))
	require.Equal(t, "QUEUED", m.waits(t)[10].Reason)
	for range 4 {
		m.drain(t, e)
		w.clock.advance(m.probeIn(t, e))
	}
	m.drain(t, e)
	require.Contains(t, reasons(m.waits(t)), "BREAKER", "the probe is later than a retry")
}

func TestDeliveriesOfADisabledEndpointWaitForItToBeEnabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, answering(http.StatusGone))
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	m.publish(t, subscription, subscription)
	m.drain(t, e)
	require.Equal(t, "DISABLED DISABLED", reasons(m.waits(t)))
}

func TestDeliveriesBeyondTheRateLimitWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	one := int32(1)
	r := receive(t, nil)
	e, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{URL: r.URL, RateLimit: &one})
	require.NoError(t, err)
	m.publish(t, m.subscriptions(t, 4)...)
	require.Equal(t, "QUEUED RATE_LIMIT RATE_LIMIT RATE_LIMIT", reasons(m.waits(t)), "one a second")
	ctx, shutDown := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Drain(ctx, m.job(e), 1) }()
	r.await(t, 1)
	shutDown()
	require.NoError(t, <-done)
	waits := m.waits(t)
	require.Equal(t, "RATE_LIMIT RATE_LIMIT RATE_LIMIT", reasons(waits))
	require.True(t, waits[0].Until.After(w.clock.Now()), "the next turn")
	w.clock.advance(time.Second)
	require.Equal(t, "QUEUED RATE_LIMIT RATE_LIMIT", reasons(m.waits(t)))
}

func TestAReceiverThatRefusesSingleRequestsIsGivenTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, answering(http.StatusTooManyRequests))
	e, _ := m.endpoint(t, r.URL)
	m.ask(t, `update webhook_endpoint set concurrency = 1 where merchant_id = $1 returning 1`)
	m.publish(t, m.subscriptions(t, 2)...)
	m.drain(t, e)
	waits := m.waits(t)
	require.Equal(t, "RETRY RATE_LIMIT", reasons(waits))
	require.True(t, waits[1].Until.After(w.clock.Now()))
}

func TestAReplayedDeliveryWaitsForReplayedOnesOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	subscription := m.subscription(t)
	m.publish(t, subscription, subscription)
	w.clock.advance(time.Second)
	m.endpoint(t, "https://example.com/hooks")
	m.run(t, m.replay(t, nil))
	m.publish(t, subscription)
	require.Equal(t, "QUEUED LANE QUEUED", reasons(m.waits(t)))
}

func TestNobodyLearnsWhyADeliveryOfAnotherMerchantWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stranger := w.merchant(t), w.merchant(t)
	m.endpoint(t, "https://example.com/hooks")
	m.publish(t, m.subscription(t))
	waits, err := w.WaitsByDelivery(t.Context(), stranger.id, []int64{m.deliveries(t)[0].ID})
	require.NoError(t, err)
	require.Empty(t, waits)
}
