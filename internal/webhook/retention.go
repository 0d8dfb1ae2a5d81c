package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portico/db"
)

const (
	// daysAhead is how many days have their partition before they begin.
	daysAhead = 7
	// retireBatch is how many rows a statement of a retirement touches.
	retireBatch = 1000
	// lockNotAvailable is the SQLSTATE of who gave up waiting for a lock.
	lockNotAvailable = "55P03"
	day              = 24 * time.Hour
	expiredSentence  = "it was not delivered while its event was kept"
)

// partitioned are the tables that lie in daily partitions, in the order in which they are looked after.
func (w *Webhooks) partitioned() map[string]time.Duration {
	return map[string]time.Duration{"event": w.EventRetention, "webhook_attempt": w.AttemptRetention}
}

// Partition makes the partitions of the next days, notes how far ids have come in this one, and drops what is no longer kept: whole days in UTC, with their partitions. What is
// still to be sent of an event that goes is EXPIRED first. A partition whose locks are busy is left to the next run, as is everything
// that ctx leaves no time for.
func (w *Webhooks) Partition(ctx context.Context) error {
	today := w.Now().UTC().Truncate(day)
	failed := []error{w.mark(ctx)}
	for parent, retention := range w.partitioned() {
		failed = append(failed, w.makeAhead(ctx, parent, today))
		if retention > 0 {
			failed = append(failed, w.retire(ctx, parent, today.Add(-retention)))
		}
	}
	return errors.Join(failed...)
}

func (w *Webhooks) makeAhead(ctx context.Context, parent string, today time.Time) error {
	for ahead := range daysAhead + 1 {
		at := today.AddDate(0, 0, ahead)
		_, err := w.DB.MakePartition(ctx, w.DB.System(), db.MakePartitionParams{Parent: parent, Day: at.Format(time.DateOnly)})
		if err != nil && !w.isBusy(ctx, err, parent, at) {
			return fmt.Errorf("make the partition of %s for %s: %w", parent, at.Format(time.DateOnly), err)
		}
	}
	return nil
}

// retire drops what was before the day that begins at before.
func (w *Webhooks) retire(ctx context.Context, parent string, before time.Time) error {
	if parent == "event" {
		if err := w.expire(ctx, before); err != nil {
			return err
		}
	}
	days, err := w.DB.PartitionDays(ctx, w.DB.System(), parent)
	if err != nil {
		return fmt.Errorf("list the partitions of %s: %w", parent, err)
	}
	for _, at := range days {
		if at.AddDate(0, 0, 1).After(before) {
			break
		}
		_, err := w.DB.RetirePartition(ctx, w.DB.System(), db.RetirePartitionParams{
			Parent: parent, Day: at.Format(time.DateOnly),
		})
		if err != nil && !w.isBusy(ctx, err, parent, at) {
			return fmt.Errorf("retire the partition of %s for %s: %w", parent, at.Format(time.DateOnly), err)
		}
	}
	if err := w.DB.DropRetired(ctx, w.DB.System()); err != nil && !w.isBusy(ctx, err, parent, before) {
		return fmt.Errorf("drop retired partitions: %w", err)
	}
	for deleted := int64(retireBatch); deleted == retireBatch; {
		deleted, err = w.DB.RetireRows(ctx, w.DB.System(), db.RetireRowsParams{Parent: parent, Before: before, Most: retireBatch})
		if err != nil {
			return fmt.Errorf("delete old rows of %s: %w", parent, err)
		}
	}
	return nil
}

// expire gives up what is still to be sent of the events that go.
func (w *Webhooks) expire(ctx context.Context, before time.Time) error {
	for expired := int64(retireBatch); expired == retireBatch; {
		var err error
		expired, err = w.DB.ExpireDeliveries(ctx, w.DB.System(), db.ExpireDeliveriesParams{
			Before: before, Most: retireBatch, Error: expiredSentence, Now: w.Now(),
		})
		if err != nil {
			return fmt.Errorf("expire deliveries: %w", err)
		}
		if expired > 0 {
			w.Log.WarnContext(ctx, "webhook deliveries expired with their events", "deliveries", expired)
		}
	}
	return nil
}

// isBusy tells whether somebody else held a lock for too long. The next run tries again.
func (w *Webhooks) isBusy(ctx context.Context, err error, parent string, at time.Time) bool {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != lockNotAvailable {
		return false
	}
	w.Log.InfoContext(ctx, "a partition is busy and waits for the next run", "table", parent, "day", at.Format(time.DateOnly))
	return true
}
