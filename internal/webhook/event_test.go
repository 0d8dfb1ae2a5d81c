package webhook_test

import (
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

func sequences(events []webhook.StoredEvent) []int64 {
	all := make([]int64, len(events))
	for i, e := range events {
		all[i] = e.Sequence
	}
	return all
}

func TestAnEventThatCommitsLateIsNotBehindTheCursor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	early, late := m.subscription(t), m.subscription(t)
	m.sequence[late] = 100
	publish := func(commit <-chan struct{}, published chan<- struct{}, subscription int64) func(pgx.Tx) error {
		event := m.event(subscription, webhook.SubscriptionUpdated)
		return func(tx pgx.Tx) error {
			err := w.Publish(t.Context(), tx, []webhook.Event{event})
			close(published)
			<-commit
			return err
		}
	}
	var xid, id int64
	var seen []int64
	poll := func() {
		events, err := w.Events(t.Context(), m.id, xid, id, 10)
		require.NoError(t, err)
		for _, e := range events {
			xid, id = e.XID, e.ID
			seen = append(seen, e.Sequence)
		}
	}

	gate, publishedLate, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	commitLate := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(commitLate)
	go func() { done <- w.DB.Tenant(m.id).Tx(t.Context(), publish(gate, publishedLate, late)) }()
	<-publishedLate
	commitEarly := make(chan struct{})
	close(commitEarly)
	require.NoError(t, w.DB.Tenant(m.id).Tx(t.Context(), publish(commitEarly, make(chan struct{}), early)))
	poll()
	require.Empty(t, seen, "the later transaction must not be shown while the earlier one is open")
	commitLate()
	require.NoError(t, <-done)
	// Transactions of other tests count for the snapshot as well, so it may take a moment.
	require.Eventually(t, func() bool { poll(); return len(seen) == 2 }, patience, time.Millisecond)
	require.Equal(t, []int64{101, 1}, seen)
	poll()
	require.Len(t, seen, 2)
}

func TestEventsComeInPagesAndStayWithTheirMerchant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stranger := w.merchant(t), w.merchant(t)
	subscription := m.subscription(t)
	m.publish(t, subscription, subscription)
	m.publish(t, subscription, subscription, subscription)
	stranger.publish(t, stranger.subscription(t))
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		all, err := w.Events(t.Context(), m.id, 0, 0, 100)
		require.NoError(c, err)
		require.Equal(c, []int64{1, 2, 3, 4, 5}, sequences(all))
	}, patience, time.Millisecond)
	page, err := w.Events(t.Context(), m.id, 0, 0, 3)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2, 3}, sequences(page))
	page, err = w.Events(t.Context(), m.id, page[2].XID, page[2].ID, 3)
	require.NoError(t, err)
	require.Equal(t, []int64{4, 5}, sequences(page))

	byID, err := w.EventsByID(t.Context(), m.id, []int64{page[0].ID, page[1].ID})
	require.NoError(t, err)
	require.Equal(t, map[int64]webhook.StoredEvent{page[0].ID: page[0], page[1].ID: page[1]}, byID)
	byID, err = w.EventsByID(t.Context(), stranger.id, []int64{page[0].ID})
	require.NoError(t, err)
	require.Empty(t, byID)
}
