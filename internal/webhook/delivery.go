package webhook

import (
	"context"
	"fmt"
	"time"

	"portico/db"
	"portico/internal/page"
)

// The statuses of a delivery.
const (
	DeliveryPending   = "PENDING"   // waits for its first or next attempt, or for its endpoint to be enabled again
	DeliveryDelivered = "DELIVERED" // the receiver acknowledged with a 2xx
	DeliveryFailed    = "FAILED"    // every attempt failed, or its endpoint was deleted behind a failed one
)

// Delivery is one event on its way to one endpoint.
type Delivery struct {
	MerchantID    int64
	ID            int64
	EndpointID    int64
	EventID       int64
	Status        string
	AttemptCount  int32
	NextAttemptAt *time.Time // while it is pending
	CreatedAt     time.Time
	FinishedAt    *time.Time
}

// Attempt is one request to a receiver.
type Attempt struct {
	Number       int32   // from 1
	StatusCode   *int32  // nil when there was no answer
	Error        *string // why there was no answer, or why it does not count
	ResponseBody string  // its first 16 KiB
	DurationMs   int32
	CreatedAt    time.Time // when the request began
}

// DeliveryFilter narrows a list of deliveries by what is given.
type DeliveryFilter struct {
	EndpointID *int64
	Status     *string
}

// Deliveries is a page of the merchant's deliveries, newest first, and whether more follow.
func (w *Webhooks) Deliveries(ctx context.Context, merchantID int64, f DeliveryFilter, p page.Request) ([]Delivery, bool, error) {
	rows, err := w.DB.ListDeliveries(ctx, w.DB.Tenant(merchantID), db.ListDeliveriesParams{
		MerchantID: merchantID, Before: p.Before(), Most: p.Limit(), EndpointID: f.EndpointID, Status: f.Status,
	})
	if err != nil {
		return nil, false, fmt.Errorf("list deliveries: %w", err)
	}
	deliveries := make([]Delivery, len(rows))
	for i, row := range rows {
		deliveries[i] = Delivery(row)
	}
	deliveries, more := page.Trim(deliveries, p.Size)
	return deliveries, more, nil
}

// DeliveriesByID is the merchant's deliveries among the ids.
func (w *Webhooks) DeliveriesByID(ctx context.Context, merchantID int64, ids []int64) (map[int64]Delivery, error) {
	rows, err := w.DB.DeliveriesByID(ctx, w.DB.Tenant(merchantID), db.DeliveriesByIDParams{MerchantID: merchantID, Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("read deliveries by id: %w", err)
	}
	deliveries := make(map[int64]Delivery, len(rows))
	for _, row := range rows {
		deliveries[row.ID] = Delivery(row)
	}
	return deliveries, nil
}

// AttemptsByDelivery is the attempts of each of the merchant's deliveries among the ids, oldest first.
func (w *Webhooks) AttemptsByDelivery(ctx context.Context, merchantID int64, ids []int64) (map[int64][]Attempt, error) {
	rows, err := w.DB.AttemptsByDelivery(ctx, w.DB.Tenant(merchantID), db.AttemptsByDeliveryParams{
		MerchantID: merchantID, DeliveryIds: ids,
	})
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	attempts := make(map[int64][]Attempt, len(ids))
	for _, row := range rows {
		attempts[row.DeliveryID] = append(attempts[row.DeliveryID], Attempt{
			Number: row.Number, StatusCode: row.StatusCode, Error: row.Error, ResponseBody: row.ResponseBody,
			DurationMs: row.DurationMs, CreatedAt: row.CreatedAt,
		})
	}
	return attempts, nil
}
