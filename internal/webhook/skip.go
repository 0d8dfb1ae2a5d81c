package webhook

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
)

const (
	skipBatch = 1000
	// skipAtMost is how much one request gives up: what it does has to be done within the time of a request.
	skipAtMost      = 20_000
	skippedSentence = "it was given up when its endpoint was enabled without catching up"
)

// EndpointEnableAnew has a disabled endpoint receive events again from now on: whatever has waited is SKIPPED, and what had failed for good
// stays so. Enabling an enabled one changes nothing. Faults: NOT_FOUND on id; CONFLICT on catchUp where so much waits that some is left: the
// endpoint stays disabled, and asking again goes on.
func (w *Webhooks) EndpointEnableAnew(ctx context.Context, merchantID, id int64) (Endpoint, error) {
	e, err := w.enableAnew(ctx, merchantID, id)
	if err != nil {
		return Endpoint{}, fmt.Errorf("enable endpoint %d anew: %w", id, err)
	}
	return e, nil
}

func (w *Webhooks) enableAnew(ctx context.Context, merchantID, id int64) (Endpoint, error) {
	total := int64(0)
	for skipped := int64(skipBatch); skipped == skipBatch; total += skipped {
		if total >= skipAtMost {
			return Endpoint{}, fault.New(fault.CodeConflict, "catchUp", "%d deliveries were given up and more may wait: enable it again", total)
		}
		var err error
		skipped, err = w.DB.SkipDeliveries(ctx, w.DB.Tenant(merchantID).ByIndex(), db.SkipDeliveriesParams{
			MerchantID: merchantID, EndpointID: id, Most: skipBatch, Error: skippedSentence, Now: w.Now(),
		})
		if err != nil {
			return Endpoint{}, fmt.Errorf("skip what waits: %w", err)
		}
	}
	return w.changeEndpoint(ctx, merchantID, id, func(tx pgx.Tx, row db.WebhookEndpoint) error {
		return w.DB.EnableEndpoint(ctx, tx, db.EnableEndpointParams{MerchantID: merchantID, ID: row.ID, Now: w.Now()})
	})
}
