package billing

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/mail"
	"portico/internal/secret"
	"portico/internal/settings"
	"portico/internal/webhook"
)

// Cancel asks for the end of a subscription.
type Cancel struct {
	SubscriptionID int64
	AtPeriodEnd    bool // false: now
	Reason         *string
}

// Cancel ends a subscription now or when the paid period ends. Without a paid period ahead it ends now in any case. Customers are held to
// the merchant's portal settings (NOT_ALLOWED_BY_SETTINGS, REQUIRED on reason) and get a mail that confirms it, if the merchant wants that.
func (b *Billing) Cancel(ctx context.Context, caller account.Caller, in Cancel) (*Subscription, error) {
	if in.Reason != nil {
		reason := strings.TrimSpace(*in.Reason)
		if utf8.RuneCountInString(reason) > maxCancelReason || strings.ContainsRune(reason, 0) || !utf8.ValidString(reason) {
			return nil, fault.Invalid("reason", "must be text of at most %d characters", maxCancelReason)
		}
		in.Reason = &reason
	}
	return b.update(ctx, caller, in.SubscriptionID, settings.CancelSubscription, func(c *change, s *Subscription, rules *settings.Settings) error {
		if rules == nil {
			return c.cancel(s, in.AtPeriodEnd, in.Reason)
		}
		if err := c.checkCancellation(ctx, s, rules, in.Reason); err != nil {
			return err
		}
		if err := c.cancel(s, in.AtPeriodEnd, in.Reason); err != nil || !rules.Notifications.SendCancellationConfirmation {
			return err
		}
		return c.confirmCancellation(ctx, s)
	})
}

// cancel ends a subscription now or when the paid period ends, and says so.
func (c *change) cancel(s *Subscription, atPeriodEnd bool, reason *string) error {
	open, hadAccess := s.OpenInvoiceID, s.hasAccess()
	if err := s.cancel(s.now(c.now), atPeriodEnd, reason); err != nil {
		return err
	}
	if !s.Live() && open != nil {
		c.close(&Invoice{db.Invoice{MerchantID: s.MerchantID, ID: *open}}, InvoiceVoid, s.now(c.now))
	}
	if s.Live() || !hadAccess {
		return c.emit(s, webhook.SubscriptionUpdated, reasonCanceled, nil)
	}
	return c.emit(s, webhook.SubscriptionCanceled, reasonCanceled, nil)
}

// Uncancel takes back a cancellation that has not taken effect.
func (b *Billing) Uncancel(ctx context.Context, caller account.Caller, id int64) (*Subscription, error) {
	return b.update(ctx, caller, id, settings.KeepSubscription, func(c *change, s *Subscription, _ *settings.Settings) error {
		if err := s.uncancel(); err != nil {
			return err
		}
		return c.emit(s, webhook.SubscriptionUpdated, "", nil)
	})
}

// checkCancellation holds a customer to the settings.
func (c *change) checkCancellation(ctx context.Context, s *Subscription, rules *settings.Settings, reason *string) error {
	paid, err := c.b.DB.CountPaidPeriods(ctx, c.tx, db.CountPaidPeriodsParams{MerchantID: s.MerchantID, SubscriptionID: s.ID})
	if err != nil {
		return fmt.Errorf("count the paid periods of subscription %d: %w", s.ID, err)
	}
	return rules.CheckCancellation(reason, paid)
}

// confirmCancellation mails the customer what it has done.
func (c *change) confirmCancellation(ctx context.Context, s *Subscription) error {
	about, err := c.b.DB.SubscriptionNotice(ctx, c.tx, db.SubscriptionNoticeParams{MerchantID: s.MerchantID, ID: s.ID})
	if err != nil {
		return fmt.Errorf("read whom to tell about subscription %d: %w", s.ID, err)
	}
	content := mail.SubscriptionCanceled{
		Merchant: about.MerchantName, Product: about.ProductName, Link: secret.Text(c.b.PublicURL + "/portal/" + about.Shop),
	}
	if s.Live() {
		content.EndsAt = s.CurrentPeriodEnd
	}
	// A cancellation that was taken back can be made again, in the same period too.
	return c.b.Mail.Enqueue(ctx, c.tx, mail.Message{
		MerchantID: &s.MerchantID, Recipient: about.Email, Content: content,
		Cause: fmt.Sprintf("subscription_canceled/%d/%d", s.ID, c.now.UnixMicro()),
	})
}

// update is one change to one subscription that the caller named: lock, hold customers to the settings, decide, write.
func (b *Billing) update(
	ctx context.Context, caller account.Caller, id int64, act settings.Act, do func(*change, *Subscription, *settings.Settings) error,
) (*Subscription, error) {
	ref, err := b.find(ctx, caller, id)
	if err != nil {
		return nil, err
	}
	var s *Subscription
	err = b.DB.Tenant(ref.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		var err error
		if s, err = b.lockOne(ctx, tx, ref.MerchantID, id); err != nil {
			return err
		}
		if err := mayChange(caller, s); err != nil {
			return err
		}
		rules, err := settings.Hold(ctx, b.DB, tx, caller, ref.MerchantID, s.CustomerID, act)
		if err != nil {
			return err
		}
		c, err := b.begin(ctx, tx, 0)
		if err != nil {
			return err
		}
		if err := do(c, s, rules); err != nil {
			return err
		}
		return c.flush(ctx, 0)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}
