package webhook_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

func TestAttemptsAreFollowedByTheirMerchantOnlyAndEachOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, other := w.merchant(t), w.merchant(t)
	r := receive(t, answering(200))
	e, _ := m.endpoint(t, r.URL)
	foreign, _ := other.endpoint(t, r.URL)
	ctx, hangUp := context.WithTimeout(t.Context(), patience)
	defer hangUp()
	attempts, err := w.FollowAttempts(ctx, m.id)
	require.NoError(t, err)
	next, stop := iter.Pull2(attempts)
	defer stop()
	const events = 120 // more than a page
	other.publish(t, other.subscription(t))
	other.drain(t, foreign)
	m.publish(t, m.subscriptions(t, events)...)
	m.drain(t, e)
	seen := map[int64]int32{}
	for len(seen) < events {
		page, err, more := next()
		require.NoError(t, err)
		require.True(t, more)
		for _, a := range page {
			require.Equal(t, e.ID, a.EndpointID)
			require.EqualValues(t, 200, *a.StatusCode)
			require.Zero(t, seen[a.DeliveryID], "each once")
			seen[a.DeliveryID] = a.Number
		}
	}
	again := w.process(t) // another process records the next
	m.publish(t, m.subscription(t))
	require.NoError(t, again.Drain(t.Context(), m.job(e), 7))
	page, err, more := next()
	require.NoError(t, err)
	require.True(t, more)
	require.Len(t, page, 1)
	require.Zero(t, seen[page[0].DeliveryID])
	hangUp()
	_, _, more = next()
	require.False(t, more)
}

func TestAFollowedAttemptSaysWhyItFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, answering(500))
	e, _ := m.endpoint(t, r.URL)
	ctx, hangUp := context.WithTimeout(t.Context(), patience)
	defer hangUp()
	attempts, err := w.FollowAttempts(ctx, m.id)
	require.NoError(t, err)
	next, stop := iter.Pull2(attempts)
	defer stop()
	m.publish(t, m.subscription(t))
	m.drain(t, e)
	page, err, more := next()
	require.NoError(t, err)
	require.True(t, more)
	require.Len(t, page, 1)
	require.Equal(t, m.lastAttempt(t, e), page[0].Attempt, "as the delivery's own list has it")
	require.Equal(t, webhook.ErrorStatus, *page[0].ErrorClass)
}
