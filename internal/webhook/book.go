package webhook

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
)

// bookMoment is how long a record waits for those of other endpoints. Only the later events of the same subscription wait for it.
const bookMoment = 2 * time.Millisecond

// record is the replies that an endpoint's drain has got.
type record struct {
	merchantID, endpointID, owner int64
	replies                       []reply
}

// booked says that they are recorded.
type booked struct {
	replies []reply
	err     error
}

// book records the replies that have come, and tells run.
func (d *drain) book(ctx context.Context) {
	r := record{d.merchantID, d.endpointID, d.owner, d.done}
	d.asking, d.done = true, nil
	go func() {
		_, err := d.w.records.ask(ctx, r, bookMoment, d.w.settle)
		d.booked <- booked{r.replies, err}
	}()
}

// settle records the replies of several drains in one statement.
func (w *Webhooks) settle(ctx context.Context, records []record) ([]struct{}, error) {
	p := db.SettleDeliveriesParams{Now: w.Now()}
	for _, one := range records {
		for _, r := range one.replies {
			status, retryAt := r.outcome()
			p.MerchantIds = append(p.MerchantIds, one.merchantID)
			p.EndpointIds = append(p.EndpointIds, one.endpointID)
			p.Owners = append(p.Owners, one.owner)
			p.Ids = append(p.Ids, r.deliveryID)
			p.Numbers = append(p.Numbers, r.number)
			p.Statuses = append(p.Statuses, status)
			p.NextAttemptAts = append(p.NextAttemptAts, retryAt)
			p.StatusCodes = append(p.StatusCodes, int32(r.statusCode)) //nolint:gosec // three digits
			p.ErrorClasses = append(p.ErrorClasses, string(r.class))
			p.Errors = append(p.Errors, r.failure)
			p.ResponseBodies = append(p.ResponseBodies, r.body)
			p.DurationsMs = append(p.DurationsMs, int32(r.duration.Milliseconds())) //nolint:gosec // within requestTimeout
			p.StartedAts = append(p.StartedAts, r.startedAt)
		}
	}
	if err := w.DB.SettleDeliveries(ctx, w.DB.Tenant(tenants(p.MerchantIds)...).ByIndex(), p); err != nil {
		return nil, fmt.Errorf("record attempts: %w", err)
	}
	return make([]struct{}, len(records)), nil
}

// tenants is each merchant once.
func tenants(merchantIDs []int64) []int64 {
	each := slices.Clone(merchantIDs)
	slices.Sort(each)
	return slices.Compact(each)
}

// recorded lets go of what is recorded. What was held behind it may be free now.
func (d *drain) recorded(ctx context.Context, b booked) error {
	d.asking = false
	if b.err != nil {
		return b.err
	}
	gone := false
	for _, r := range b.replies {
		delete(d.sending, r.deliveryID)
		gone = gone || r.statusCode == http.StatusGone
	}
	d.more = d.more || d.held
	if gone {
		return d.disable(ctx)
	}
	return nil
}

// disable obeys a 410: the receiver wants no more.
func (d *drain) disable(ctx context.Context) error {
	err := d.w.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		row, err := d.w.lockEndpoint(ctx, tx, d.merchantID, d.endpointID)
		switch {
		case fault.Is(err, fault.CodeNotFound):
			return nil
		case err != nil:
			return err
		case row.Status != EndpointEnabled || row.LeaseOwner == nil || *row.LeaseOwner != d.owner:
			return nil
		}
		return d.w.giveUp(ctx, tx, row, DisabledGone)
	})
	if err != nil {
		return fmt.Errorf("disable endpoint: %w", err)
	}
	return nil
}
