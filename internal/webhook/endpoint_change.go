package webhook

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"portico/db"
	"portico/internal/fault"
)

const (
	cancelBatch = 1000
	// publishersEnd is when everybody who still saw an endpoint before its deletion has committed: longer than any transaction.
	publishersEnd = time.Minute
)

// EndpointUpdate says what to change of an endpoint. What is nil stays.
type EndpointUpdate struct {
	ID             int64
	URL            *string
	Description    *string
	EventTypes     []string
	TimeoutSeconds *int32
	SetProduct     bool // whether ProductID is to change
	ProductID      *int64
	SetRateLimit   bool // whether RateLimit is to change
	RateLimit      *int32
	SetHeaders     bool // whether Headers are to change
	Headers        []Header
}

// EndpointUpdate changes an endpoint. What is on its way goes by the new settings from the next look of its drain on, within a second. The answer shows the values of headers that were given. Faults: NOT_FOUND on id and product, INVALID on what is to change.
func (w *Webhooks) EndpointUpdate(ctx context.Context, merchantID int64, in EndpointUpdate) (Endpoint, error) {
	var shown []Header
	e, err := w.changeEndpoint(ctx, merchantID, in.ID, func(tx pgx.Tx, row db.WebhookEndpoint) error {
		var check fault.Check
		change := db.UpdateEndpointParams{
			MerchantID: merchantID, ID: in.ID, ProductID: row.ProductID, Url: row.Url, Description: row.Description,
			EventTypes: row.EventTypes, TimeoutSeconds: row.TimeoutSeconds, RateLimit: row.RateLimit,
			HeaderNames: row.HeaderNames, HeadersCipher: row.HeadersCipher,
		}
		if in.URL != nil {
			change.Url = *in.URL
			check.Add(w.checkURL(&change.Url))
		}
		if in.Description != nil {
			change.Description = *in.Description
			check.Add(checkDescription(&change.Description))
		}
		if in.EventTypes != nil {
			change.EventTypes = eventTypes(in.EventTypes, row.Format, &check)
		}
		if in.TimeoutSeconds != nil {
			change.TimeoutSeconds = *in.TimeoutSeconds
			check.Add(checkTimeout(change.TimeoutSeconds))
		}
		if in.SetRateLimit {
			change.RateLimit = in.RateLimit
			check.Add(checkRateLimit(change.RateLimit))
		}
		if in.SetHeaders {
			present, err := w.openHeaders(row)
			if err != nil {
				return err
			}
			headers := checkHeaders(in.Headers, present, &check)
			change.HeaderNames, change.HeadersCipher = w.sealHeaders(in.ID, headers)
			shown = justSet(in.Headers, headers)
		}
		if in.SetProduct {
			change.ProductID = in.ProductID
			if err := w.checkProduct(ctx, tx, merchantID, in.ProductID, &check); err != nil {
				return err
			}
		}
		if err := check.Err(); err != nil {
			return err
		}
		return w.DB.UpdateEndpoint(ctx, tx, change)
	})
	if err != nil {
		return Endpoint{}, fmt.Errorf("update endpoint %d: %w", in.ID, err)
	}
	if in.SetHeaders {
		e.Headers = shown
	}
	return e, nil
}

// justSet shows the values that were given, and not those that were kept.
func justSet(given, headers []Header) []Header {
	shown := make([]Header, len(headers))
	for i, h := range headers {
		shown[i] = Header{h.Name, valueOf(h.Name, given)}
	}
	return shown
}

// EndpointEnable has an endpoint receive events again, in their order: what has failed since its last success, also for good, then what has
// waited. All begins anew for it. Enabling an enabled one changes nothing. Fault: NOT_FOUND on id.
func (w *Webhooks) EndpointEnable(ctx context.Context, merchantID, id int64) (Endpoint, error) {
	e, err := w.changeEndpoint(ctx, merchantID, id, func(tx pgx.Tx, row db.WebhookEndpoint) error {
		if row.Status != EndpointDisabled {
			return nil
		}
		return w.enable(ctx, tx, row)
	})
	if err != nil {
		return Endpoint{}, fmt.Errorf("enable endpoint %d: %w", id, err)
	}
	return e, nil
}

// EndpointDisable has an endpoint receive nothing more; requests that are under way come to their end. Fault: NOT_FOUND on id.
func (w *Webhooks) EndpointDisable(ctx context.Context, merchantID, id int64) (Endpoint, error) {
	e, err := w.changeEndpoint(ctx, merchantID, id, func(tx pgx.Tx, row db.WebhookEndpoint) error {
		_, err := w.disable(ctx, tx, row, DisabledManual)
		return err
	})
	if err != nil {
		return Endpoint{}, fmt.Errorf("disable endpoint %d: %w", id, err)
	}
	return e, nil
}

// EndpointDelete takes an endpoint away for good, with its secrets. A job ends what is on its way to it; the history of its deliveries
// stays. Fault: NOT_FOUND on id.
func (w *Webhooks) EndpointDelete(ctx context.Context, merchantID, id int64) error {
	err := w.DB.Tenant(merchantID).Tx(ctx, func(tx pgx.Tx) error {
		if _, err := w.lockEndpoint(ctx, tx, merchantID, id); err != nil {
			return err
		}
		if err := w.DB.DeleteEndpoint(ctx, tx, db.DeleteEndpointParams{MerchantID: merchantID, ID: id, Now: w.Now()}); err != nil {
			return err
		}
		_, err := w.Jobs.InsertTx(ctx, tx, CancelArgs{merchantID, id}, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete endpoint %d: %w", id, err)
	}
	return nil
}

// CancelArgs is the job that ends what is on its way to a deleted endpoint: its worker calls CancelDeliveries.
type CancelArgs struct {
	MerchantID int64 `json:"merchant_id"`
	EndpointID int64 `json:"endpoint_id"`
}

// Kind implements river.JobArgs.
func (CancelArgs) Kind() string { return "webhook.cancel" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (CancelArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: Queue} }

// CancelDeliveries ends what is on its way to a deleted endpoint, and tells how long to wait before doing it again: who published while
// the endpoint was being deleted may commit later. 0 when that cannot be any more.
func (w *Webhooks) CancelDeliveries(ctx context.Context, merchantID, endpointID int64) (time.Duration, error) {
	scope, now := w.DB.Tenant(merchantID), w.Now()
	deletedAt, err := w.DB.EndpointDeletedAt(ctx, scope, db.EndpointDeletedAtParams{MerchantID: merchantID, ID: endpointID})
	if db.IsNoRows(err) {
		return 0, fmt.Errorf("endpoint %d is not deleted", endpointID)
	}
	if err != nil {
		return 0, fmt.Errorf("find deleted endpoint %d: %w", endpointID, err)
	}
	for {
		rows, err := w.DB.DeliveriesToCancel(ctx, scope.ByIndex(), db.DeliveriesToCancelParams{
			MerchantID: merchantID, EndpointID: endpointID, Batch: cancelBatch,
		})
		if err == nil && len(rows) > 0 {
			err = w.cancel(ctx, scope, merchantID, rows)
		}
		if err != nil {
			return 0, fmt.Errorf("cancel deliveries to endpoint %d: %w", endpointID, err)
		}
		if len(rows) < cancelBatch {
			return max(0, deletedAt.Add(publishersEnd).Sub(now)), nil
		}
	}
}

// cancel ends deliveries, in the partitions in which their last attempts can be. A request that is under way may be recorded meanwhile.
func (w *Webhooks) cancel(ctx context.Context, scope db.Scope, merchantID int64, rows []db.DeliveriesToCancelRow) error {
	now := w.Now()
	ids, tried := make([]int64, len(rows)), stretch{now, now}
	for i, row := range rows {
		ids[i] = row.ID
		if row.FirstAttemptAt != nil {
			tried.since = earlier(tried.since, *row.FirstAttemptAt)
		}
	}
	tried = tried.wider(clockSkew)
	return w.DB.CancelDeliveries(ctx, scope.ByIndex(), db.CancelDeliveriesParams{
		MerchantID: merchantID, Ids: ids, Since: tried.since, Until: tried.until, Now: now,
	})
}

// changeEndpoint does something to an endpoint and shows what came of it.
func (w *Webhooks) changeEndpoint(
	ctx context.Context, merchantID, id int64, change func(tx pgx.Tx, row db.WebhookEndpoint) error,
) (Endpoint, error) {
	var changed Endpoint
	err := w.DB.Tenant(merchantID).Tx(ctx, func(tx pgx.Tx) error {
		row, err := w.lockEndpoint(ctx, tx, merchantID, id)
		if err != nil {
			return err
		}
		if err := change(tx, row); err != nil {
			return err
		}
		if row, err = w.lockEndpoint(ctx, tx, merchantID, id); err != nil {
			return err
		}
		changed = endpointFrom(row, w.Now())
		return nil
	})
	return changed, err
}

func (w *Webhooks) lockEndpoint(ctx context.Context, tx pgx.Tx, merchantID, id int64) (db.WebhookEndpoint, error) {
	row, err := w.DB.LockEndpoint(ctx, tx, db.LockEndpointParams{MerchantID: merchantID, ID: id})
	if db.IsNoRows(err) {
		return row, noEndpoint("id")
	}
	return row, err
}
