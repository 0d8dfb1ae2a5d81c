package webhook

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Announcement is something that happened to no subscription.
type Announcement struct {
	MerchantID int64
	ProductID  int64
	Type       Type
	Data       Object
}

// Announce publishes one in tx. Its sequence counts up within the merchant; the merchant's row is locked until tx ends, so that the
// order of the sequences is that of the commits.
func (w *Webhooks) Announce(ctx context.Context, tx pgx.Tx, a Announcement) error {
	sequence, err := w.DB.TakeEventSequence(ctx, tx, a.MerchantID)
	if err != nil {
		return fmt.Errorf("take a sequence for %s: %w", a.Type, err)
	}
	return w.Publish(ctx, tx, []Event{{
		MerchantID: a.MerchantID, ProductID: a.ProductID, Type: a.Type, Sequence: sequence, OccurredAt: w.Now(), Data: a.Data,
	}})
}
