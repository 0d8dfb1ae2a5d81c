package webhook

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/db"
)

// ErrUnwritable is returned for an event whose data has no JSON. It comes from the data, so trying again does not help.
var ErrUnwritable = errors.New("the event cannot be written")

// Publish stores the events, a delivery for every endpoint that wants them, and a drain job for every enabled such endpoint that has
// none coming, all in tx. The scope of tx must cover the merchants of the events. The number of statements does not depend
// on the number of events.
//
// Call it last in the transaction: an event whose transaction commits long after Publish may find that the drain it relied on
// has ended, and then waits for Wake.
func (w *Webhooks) Publish(ctx context.Context, tx pgx.Tx, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	ids, err := w.DB.ReserveEventIDs(ctx, tx, int32(len(events))) //nolint:gosec // a batch size
	if err != nil {
		return fmt.Errorf("reserve event ids: %w", err)
	}
	rows, err := eventRows(events, ids)
	if err != nil {
		return err
	}
	now := w.Now()
	rows.CreatedAt = now
	if err := w.DB.InsertEvents(ctx, tx, rows); err != nil {
		return fmt.Errorf("insert events: %w", err)
	}
	deliveries := db.InsertDeliveriesParams{
		Now: now, MerchantIds: rows.MerchantIds, EventIds: ids, SubscriptionIds: rows.SubscriptionIds, Types: rows.Types,
	}
	for _, e := range events {
		deliveries.ProductIds = append(deliveries.ProductIds, e.ProductID)
	}
	undrained, err := w.DB.InsertDeliveries(ctx, tx, deliveries)
	if err != nil {
		return fmt.Errorf("insert deliveries: %w", err)
	}
	drains := make([]DrainArgs, len(undrained))
	for i, row := range undrained {
		drains[i] = DrainArgs(row)
	}
	_, err = w.insertDrains(ctx, tx, drains, nil)
	return err
}

func eventRows(events []Event, ids []int64) (db.InsertEventsParams, error) {
	rows := db.InsertEventsParams{Ids: ids}
	for i, e := range events {
		body, err := e.body(ids[i])
		if err != nil {
			return rows, fmt.Errorf("write %s of subscription %d: %w: %w", e.Type, e.SubscriptionID, ErrUnwritable, err)
		}
		rows.MerchantIds = append(rows.MerchantIds, e.MerchantID)
		rows.Types = append(rows.Types, string(e.Type))
		rows.SubscriptionIds = append(rows.SubscriptionIds, e.SubscriptionID)
		rows.Sequences = append(rows.Sequences, e.Sequence)
		rows.Bodies = append(rows.Bodies, body)
		rows.OccurredAts = append(rows.OccurredAts, e.OccurredAt)
	}
	return rows, nil
}
