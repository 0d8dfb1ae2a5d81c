package webhook

import (
	"context"
	"fmt"
	"time"

	"portico/db"
)

// Why a delivery waits, as in the schema's WebhookWaitReason.
const (
	WaitRetry     = "RETRY"      // for its next attempt
	WaitLane      = "LANE"       // for an earlier one of its subscription
	WaitBreaker   = "BREAKER"    // for the next probe of its endpoint, whose events are held
	WaitRateLimit = "RATE_LIMIT" // for its endpoint's turn
	WaitDisabled  = "DISABLED"   // for its endpoint to be enabled
	WaitQueued    = "QUEUED"     // for a free place, or is being sent
)

// Wait is why a delivery has not been made, or not yet again.
type Wait struct {
	Reason string
	Until  *time.Time // not before then, or for WaitLane until then at the latest; nil where that is not known
	Behind int64      // for WaitLane: the delivery that it waits for
}

// WaitsByDelivery is that of each of the merchant's deliveries among the ids that is not finished.
func (w *Webhooks) WaitsByDelivery(ctx context.Context, merchantID int64, ids []int64) (map[int64]Wait, error) {
	now := w.Now()
	rows, err := w.DB.DeliveryWaits(ctx, w.DB.Tenant(merchantID).ByIndex(), db.DeliveryWaitsParams{
		MerchantID: merchantID, Ids: ids, Now: now, HoldSeconds: laneHold.Seconds(),
	})
	if err != nil {
		return nil, fmt.Errorf("ask why deliveries wait: %w", err)
	}
	waits := make(map[int64]Wait, len(rows))
	for _, row := range rows {
		waits[row.ID] = waitOf(row, now)
	}
	return waits, nil
}

// waitOf names what lasts longest of what is known: an endpoint that is disabled before all, then an earlier event, then the later of
// two instants.
func waitOf(row db.DeliveryWaitsRow, now time.Time) Wait {
	held := row.HeldUntil
	if held != nil && !held.After(now) {
		held = nil
	}
	next := &row.NextAttemptAt
	if !next.After(now) {
		next = nil
	}
	switch {
	case row.EndpointStatus != EndpointEnabled:
		return Wait{Reason: WaitDisabled}
	case row.HolderID > 0:
		wait := Wait{Reason: WaitLane, Behind: row.HolderID}
		if row.HolderTried {
			wait.Until = &row.HoldEnds
		}
		return wait
	case next != nil && row.AttemptCount > 0 && (held == nil || next.After(*held)):
		return Wait{Reason: WaitRetry, Until: next}
	case held != nil && row.Breaker == BreakerClosed:
		// The receiver refused even single requests.
		return Wait{Reason: WaitRateLimit, Until: held}
	case held != nil:
		return Wait{Reason: WaitBreaker, Until: held}
	case next != nil:
		return Wait{Reason: WaitQueued, Until: next}
	case row.RateLimit != nil && row.NextRequestAt != nil && row.NextRequestAt.After(now):
		return Wait{Reason: WaitRateLimit, Until: row.NextRequestAt}
	case row.BeyondRate:
		return Wait{Reason: WaitRateLimit}
	default:
		return Wait{Reason: WaitQueued}
	}
}
