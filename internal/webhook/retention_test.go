package webhook_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

// days is how far the tests of retention move the clock: they end long before the real day, as the database drops nothing that is young.
const days = 24 * time.Hour

// partitions are the names of the partitions of events, without those of the real week.
func (m *merchant) partitions(t *testing.T, parent string) (names []string) {
	t.Helper()
	rows, err := m.w.DB.Pool().Query(t.Context(), `select relname::text from pg_class
		where relkind = 'r' and relname ~ ('^' || $1 || '_p2026(03|04)') order by relname`, parent)
	require.NoError(t, err)
	names, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return names
}

func TestPartitionsAreMadeAWeekAheadAndDroppedWhenTheyAreNoLongerKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.EventRetention, w.AttemptRetention = 10*days, 5*days
	m := w.merchant(t)
	r := receive(t, nil)
	e, _ := m.endpoint(t, r.URL)
	require.NoError(t, w.Partition(t.Context()))
	require.Len(t, m.partitions(t, "event"), 8)
	require.Equal(t, "event_p20260309", m.partitions(t, "event")[7])

	subscription := m.subscription(t)
	m.publish(t, subscription, subscription)
	m.drain(t, e)
	first := m.deliveries(t)
	for range 6 {
		w.clock.advance(days)
		require.NoError(t, w.Partition(t.Context()))
	}
	require.Equal(t, "event_p20260302", m.partitions(t, "event")[0])
	require.Equal(t, "webhook_attempt_p20260303", m.partitions(t, "webhook_attempt")[0], "until five days after midnight")
	require.Empty(t, m.deliveries(t))
	_, err := w.DeliveryRetry(t.Context(), m.id, first[0].ID)
	require.Equal(t, "NOT_FOUND id", faults(err))

	m.publish(t, subscription)
	var kept []webhook.StoredEvent
	require.Eventually(t, func() bool { // they show when no older transaction is open, be it another test's
		kept, err = w.Events(t.Context(), m.id, 0, 0, 10)
		return err == nil && len(kept) == 3
	}, patience, time.Millisecond)
	w.clock.advance(4 * days)
	require.NoError(t, w.Partition(t.Context()))
	require.Equal(t, "event_p20260302", m.partitions(t, "event")[0])
	w.clock.advance(days)
	require.NoError(t, w.Partition(t.Context()))
	require.Equal(t, "event_p20260303", m.partitions(t, "event")[0])

	left, err := w.Events(t.Context(), m.id, 0, 0, 10)
	require.NoError(t, err)
	require.Equal(t, kept[2:], left)
	left, err = w.Events(t.Context(), m.id, kept[1].XID, kept[1].ID, 10)
	require.NoError(t, err, "a reader who has read all that was dropped has missed nothing")
	require.Equal(t, kept[2:], left)
	var expired *webhook.ExpiredCursorError
	_, err = w.Events(t.Context(), m.id, kept[0].XID, kept[0].ID, 10)
	require.ErrorAs(t, err, &expired)
	require.True(t, expired.KeptSince.Equal(time.Date(2026, time.March, 3, 0, 0, 0, 0, time.UTC)))
	stranger := w.merchant(t)
	_, err = w.Events(t.Context(), stranger.id, kept[0].XID, kept[0].ID, 10)
	require.NoError(t, err)
}

func TestOldEventsWithoutAPartitionAreDroppedToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.EventRetention, w.AttemptRetention = 10*days, 5*days
	m := w.merchant(t)
	e, _ := m.endpoint(t, receive(t, nil).URL)
	subscription := m.subscription(t)
	m.publish(t, subscription, subscription)
	m.drain(t, e)
	require.Equal(t, int64(2), m.ask(t, `select count(*) from event_default where merchant_id = $1`))
	require.NoError(t, w.Partition(t.Context()))
	require.Equal(t, "event_p20260303", m.partitions(t, "event")[0], "the day that has begun goes on without one")
	w.clock.advance(11 * days)
	m.publish(t, subscription)
	require.NoError(t, w.Partition(t.Context()))
	require.Equal(t, int64(1), m.ask(t, `select count(*) from event where merchant_id = $1`))
	require.Zero(t, m.ask(t, `select count(*) from webhook_attempt where merchant_id = $1`))
	require.Equal(t, int64(1), m.ask(t, `select count(*) from event_floor where merchant_id = $1`))
}

func TestWhatIsStillUnsentWhenItsEventGoesIsVisiblyDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.EventRetention, w.AttemptRetention = 10*days, 5*days
	m := w.merchant(t)
	r := receive(t, answering(http.StatusInternalServerError))
	e, _ := m.endpoint(t, r.URL)
	require.NoError(t, w.Partition(t.Context()))
	m.publish(t, m.subscription(t))
	m.drain(t, e)
	_, err := w.EndpointDisable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	w.clock.advance(11 * days)
	require.NoError(t, w.Partition(t.Context()))
	require.NotContains(t, m.partitions(t, "event"), "event_p20260302")

	dead := m.deliveries(t)
	require.Equal(t, "EXPIRED", statuses(dead))
	require.True(t, dead[0].FinishedAt.Equal(w.clock.Now()))
	attempts := m.attempts(t, dead[0])
	require.Equal(t, "it was not delivered while its event was kept", *attempts[len(attempts)-1].Error)
	require.Nil(t, attempts[len(attempts)-1].StatusCode)
	status := webhook.DeliveryExpired
	listed, _, err := w.Deliveries(t.Context(), m.id, webhook.DeliveryFilter{Status: &status}, first(10))
	require.NoError(t, err)
	require.Equal(t, dead, listed)
	_, err = w.EndpointEnable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	_, err = w.DeliveryRetry(t.Context(), m.id, dead[0].ID)
	require.Equal(t, "CONFLICT id", faults(err), "there is nothing left to send")
}

func TestAPartitionThatSomebodyReadsIsLeftToTheNextRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.EventRetention, w.AttemptRetention = 10*days, 10*days
	m := w.merchant(t)
	require.NoError(t, w.Partition(t.Context()))
	w.clock.advance(11 * days)
	err := w.DB.System().Tx(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `select from event limit 1`)
		require.NoError(t, err)
		return w.Partition(t.Context())
	})
	require.NoError(t, err)
	require.Contains(t, m.partitions(t, "event"), "event_p20260302")
	require.NotContains(t, m.partitions(t, "webhook_attempt"), "webhook_attempt_p20260302")
	require.NoError(t, w.Partition(t.Context()))
	require.NotContains(t, m.partitions(t, "event"), "event_p20260302")
}

func TestTheDatabaseDropsNothingThatIsYoung(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.EventRetention, w.AttemptRetention = days, days
	w.clock.advance(20 * 365 * days)
	require.ErrorContains(t, w.Partition(t.Context()), "is not old yet")
	require.NoError(t, w.process(t).Partition(context.WithoutCancel(t.Context())), "who drops nothing may have any time")
}
