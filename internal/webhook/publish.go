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
// none coming, all in tx. The scope of tx must cover the merchants of the events. They are one statement, however many they are, and one
// more where there are jobs.
//
// Call it last in the transaction: an event whose transaction commits long after Publish may find that the drain it relied on
// has ended, and then waits for Wake.
func (w *Webhooks) Publish(ctx context.Context, tx pgx.Tx, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	rows, err := eventRows(events)
	if err != nil {
		return err
	}
	rows.Now = w.Now()
	undrained, err := w.DB.PublishEvents(ctx, tx, rows)
	if err != nil {
		return fmt.Errorf("publish events: %w", err)
	}
	drains := make([]DrainArgs, len(undrained))
	for i, row := range undrained {
		drains[i] = DrainArgs(row)
	}
	_, err = w.insertDrains(ctx, tx, drains, nil)
	return err
}

func eventRows(events []Event) (db.PublishEventsParams, error) {
	var rows db.PublishEventsParams
	for _, e := range events {
		head, tail, err := e.body()
		if err != nil {
			return rows, fmt.Errorf("write %s of subscription %d: %w: %w", e.Type, e.SubscriptionID, ErrUnwritable, err)
		}
		rows.MerchantIds = append(rows.MerchantIds, e.MerchantID)
		rows.Types = append(rows.Types, string(e.Type))
		rows.SubscriptionIds = append(rows.SubscriptionIds, e.SubscriptionID)
		rows.ProductIds = append(rows.ProductIds, e.ProductID)
		rows.Sequences = append(rows.Sequences, e.Sequence)
		rows.Heads = append(rows.Heads, head)
		rows.Tails = append(rows.Tails, tail)
		rows.OccurredAts = append(rows.OccurredAts, e.OccurredAt)
	}
	return rows, nil
}
