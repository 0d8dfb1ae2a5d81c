package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/mail"
	"portico/internal/secret"
)

const (
	// remindAhead is how long before its end the payer of a connected subscription without a payment method is told.
	remindAhead = 3 * day
	remindBatch = 100
)

// Remind mails the payers of connected subscriptions that end soon for want of a payment method, once for each end, and tells how many.
func (b *Billing) Remind(ctx context.Context) (int, error) {
	total := 0
	for {
		n := 0
		err := b.DB.System().Tx(ctx, func(tx pgx.Tx) error {
			rows, err := b.DB.LockConnectionsToRemind(ctx, tx, db.LockConnectionsToRemindParams{Horizon: b.Now().Add(remindAhead), Most: remindBatch})
			if err != nil {
				return err
			}
			n = len(rows)
			var marks db.MarkRemindedParams
			for _, row := range rows {
				marks.MerchantIds = append(marks.MerchantIds, row.MerchantID)
				marks.SubscriptionIds = append(marks.SubscriptionIds, row.ID)
				marks.Ends = append(marks.Ends, row.EndAt)
				about := db.SubscriptionNoticeRow{MerchantName: row.MerchantName, Shop: row.Shop, ProductName: row.ProductName, Email: row.Email}
				if err := b.mailNeed(ctx, tx, Ref{row.MerchantID, row.ID}, about, row.EndAt, "soon"); err != nil {
					return err
				}
			}
			return b.DB.MarkReminded(ctx, tx, marks)
		})
		if err != nil {
			return total, fmt.Errorf("remind payers: %w", err)
		}
		if total += n; n < remindBatch {
			return total, nil
		}
	}
}

// askForPaymentMethod mails the payer of a subscription that was just connected.
func (b *Billing) askForPaymentMethod(ctx context.Context, tx pgx.Tx, s *Subscription) error {
	about, err := b.DB.SubscriptionNotice(ctx, tx, db.SubscriptionNoticeParams{MerchantID: s.MerchantID, ID: s.ID})
	if err != nil {
		return fmt.Errorf("read whom to ask for a payment method: %w", err)
	}
	return b.mailNeed(ctx, tx, Ref{s.MerchantID, s.ID}, about, *s.CurrentPeriodEnd, "connected")
}

func (b *Billing) mailNeed(ctx context.Context, tx pgx.Tx, ref Ref, about db.SubscriptionNoticeRow, end time.Time, occasion string) error {
	return b.Mail.Enqueue(ctx, tx, mail.Message{
		MerchantID: &ref.MerchantID, Recipient: about.Email, Cause: fmt.Sprintf("payment_method_needed/%d/%d/%s", ref.ID, end.Unix(), occasion),
		Content: mail.PaymentMethodNeeded{
			Merchant: about.MerchantName, Product: about.ProductName, EndsAt: end, Link: secret.Text(b.PublicURL + "/portal/" + about.Shop),
		},
	})
}
