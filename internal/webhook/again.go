package webhook

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portico/db"
	"portico/internal/fault"
)

// DeliveryRetry sends a delivery again now, whatever became of it: the same event, bytes and delivery, whose attempts count on and whose
// schedule begins anew. Faults: NOT_FOUND on id; CONFLICT where the endpoint is not enabled or the event is no longer kept.
func (w *Webhooks) DeliveryRetry(ctx context.Context, merchantID, id int64) (Delivery, error) {
	known, err := w.DeliveriesByID(ctx, merchantID, []int64{id})
	if err != nil {
		return Delivery{}, err
	}
	if _, exists := known[id]; !exists {
		return Delivery{}, fault.NotFound("id", "delivery")
	}
	endpoint, err := w.Endpoint(ctx, merchantID, known[id].EndpointID)
	if err != nil && !fault.Is(err, fault.CodeNotFound) {
		return Delivery{}, err
	}
	if err != nil || endpoint.Status != EndpointEnabled {
		return Delivery{}, fault.New(fault.CodeConflict, "id", "its endpoint is not enabled")
	}
	err = w.DB.Tenant(merchantID).Tx(ctx, func(tx pgx.Tx) error { return w.askAgain(ctx, tx, known[id]) })
	if err != nil {
		return Delivery{}, fmt.Errorf("send delivery %d again: %w", id, err)
	}
	known, err = w.DeliveriesByID(ctx, merchantID, []int64{id})
	return known[id], err
}

// askAgain makes a delivery due. Of two that ask for a finished one, the second finds it pending.
func (w *Webhooks) askAgain(ctx context.Context, tx pgx.Tx, d Delivery) error {
	now := w.Now()
	pending := db.AskForPendingDeliveryParams{MerchantID: d.MerchantID, ID: d.ID, Now: now}
	endpointID, err := w.DB.AskForPendingDelivery(ctx, tx, pending)
	if db.IsNoRows(err) {
		tried := stretch{d.CreatedAt, now}.wider(clockSkew)
		endpointID, err = w.DB.AskForFinishedDelivery(ctx, tx, db.AskForFinishedDeliveryParams{
			MerchantID: d.MerchantID, ID: d.ID, EventCreatedAt: d.EventCreatedAt, Since: tried.since, Until: tried.until, Now: now,
		})
	}
	if db.IsNoRows(err) {
		endpointID, err = w.DB.AskForPendingDelivery(ctx, tx, pending)
	}
	var refused *pgconn.PgError
	switch {
	case db.IsNoRows(err):
		return fault.New(fault.CodeConflict, "id", "its event is no longer kept")
	case errors.As(err, &refused) && refused.ConstraintName == "webhook_delivery_event_key":
		return fault.New(fault.CodeConflict, "id", "its event is on its way to the endpoint by another delivery")
	case err != nil:
		return err
	}
	slow, err := w.DB.EndHold(ctx, tx, db.EndHoldParams{MerchantID: d.MerchantID, ID: endpointID, Now: now})
	if err != nil {
		return err
	}
	_, err = w.insertDrains(ctx, tx, []DrainArgs{{d.MerchantID, endpointID, slow}}, nil)
	return err
}
