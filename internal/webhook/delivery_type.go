package webhook

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
)

// typesIn are the types that types and patterns name, nil for all of them. Faults: INVALID on eventTypes.
func typesIn(asked []string) ([]string, error) {
	if asked == nil {
		return nil, nil
	}
	var check fault.Check
	asked = eventTypes(asked, FormatPortal, &check)
	if err := check.Err(); err != nil || slices.Contains(asked, everyType) {
		return nil, err
	}
	return slices.DeleteFunc(typeNames(Types()), func(t string) bool { return !isWanted(Type(t), asked) }), nil
}

// A delivery does not have its event's type. Where the type is rare its events lead to their deliveries, and where it is common the
// deliveries lead to their events until the page is full: which of these it is depends on the values, so they are planned for.

func (w *Webhooks) pendingOfTypes(ctx context.Context, tx pgx.Tx, merchantID int64, l listing) ([]db.PendingDeliveriesRow, error) {
	rows, err := w.DB.PendingDeliveriesOfTypes(ctx, tx, db.PendingDeliveriesOfTypesParams{
		MerchantID: merchantID, Types: l.types, EventsUntil: l.made.wider(clockSkew).until, Above: l.above, Before: l.before,
		MadeSince: l.made.since, MadeUntil: l.made.until, EndpointID: l.EndpointID, EventID: l.EventID, Most: l.Limit(),
	})
	same := make([]db.PendingDeliveriesRow, len(rows))
	for i, row := range rows {
		same[i] = db.PendingDeliveriesRow(row)
	}
	return same, err
}

func (w *Webhooks) finishedOfTypes(
	ctx context.Context, tx pgx.Tx, merchantID int64, l listing, tried stretch,
) ([]db.FinishedDeliveriesRow, error) {
	rows, err := w.DB.FinishedDeliveriesOfTypes(ctx, tx, db.FinishedDeliveriesOfTypesParams{
		MerchantID: merchantID, Types: l.types, EventsUntil: l.made.wider(clockSkew).until, Above: l.above, Before: l.before,
		MadeSince: l.made.since, MadeUntil: l.made.until, EndpointID: l.EndpointID, EventID: l.EventID, Outcome: l.Status,
		Since: tried.since, Until: tried.until, Most: l.Limit(),
	})
	return finishedRows(rows), err
}
