package billing

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/mail"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// remindAhead is how long before its end a subscription's is announced; a trial that is no longer than that is announced a day before.
const remindAhead = 3 * day

// RemindDue announces the ends whose time has come, as BillDue bills: subscription.trial_ending of trials, and a mail to the payers of
// connected subscriptions that end for want of a payment method.
func (b *Billing) RemindDue(ctx context.Context) (int, error) {
	return b.sweep(ctx, b.Now(), (*change).remind, func(ctx context.Context, tx pgx.Tx) ([]dueRow, error) {
		rows, err := b.DB.LockDueReminders(ctx, tx, db.LockDueRemindersParams{Now: b.Now(), Batch: sweepBatch})
		due := make([]dueRow, len(rows))
		for i, row := range rows {
			due[i] = dueRow(row)
		}
		return due, err
	})
}

// remind announces the end of a due subscription.
func (c *change) remind(s *Subscription) error {
	now := s.now(c.now)
	if s.RemindAt == nil || s.RemindAt.After(now) {
		return nil
	}
	if s.remindAt() == nil { // a release that knows of no reminders has changed it
		s.RemindAt = nil
		c.save(s)
		return nil
	}
	end := *s.CurrentPeriodEnd
	s.RemindedFor, s.RemindAt = &end, nil
	if s.Status == Trialing {
		return c.emit(s, webhook.SubscriptionTrialEnding, "", nil)
	}
	c.needed = append(c.needed, s)
	c.save(s)
	return nil
}

func (c *change) mailNeeds(ctx context.Context) error {
	for _, s := range c.needed {
		if err := c.b.needPaymentMethod(ctx, c.tx, s, "soon"); err != nil {
			return err
		}
	}
	return nil
}

// needPaymentMethod mails the payer of a connected subscription that has no payment method: when it is connected, and before it ends.
func (b *Billing) needPaymentMethod(ctx context.Context, tx pgx.Tx, s *Subscription, occasion string) error {
	about, err := b.DB.SubscriptionNotice(ctx, tx, db.SubscriptionNoticeParams{MerchantID: s.MerchantID, ID: s.ID})
	if err != nil {
		return fmt.Errorf("read whom to ask for a payment method: %w", err)
	}
	end := *s.CurrentPeriodEnd
	return b.Mail.Enqueue(ctx, tx, mail.Message{
		MerchantID: &s.MerchantID, Recipient: about.Email, Cause: fmt.Sprintf("payment_method_needed/%d/%d/%s", s.ID, end.Unix(), occasion),
		Content: mail.PaymentMethodNeeded{
			Merchant: about.MerchantName, Product: about.ProductName, EndsAt: end, Link: secret.Text(b.PublicURL + "/portal/" + about.Shop),
		},
	})
}
