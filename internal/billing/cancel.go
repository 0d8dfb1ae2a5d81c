package billing

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/webhook"
)

// Cancel asks for the end of a subscription.
type Cancel struct {
	SubscriptionID int64
	AtPeriodEnd    bool // false: now
	Reason         *string
}

// Cancel ends a subscription now or when the paid period ends. Without a paid period ahead it ends now in any case.
func (b *Billing) Cancel(ctx context.Context, caller account.Caller, in Cancel) (*Subscription, error) {
	if in.Reason != nil {
		reason := strings.TrimSpace(*in.Reason)
		if utf8.RuneCountInString(reason) > maxCancelReason || strings.ContainsRune(reason, 0) || !utf8.ValidString(reason) {
			return nil, fault.Invalid("reason", "must be text of at most %d characters", maxCancelReason)
		}
		in.Reason = &reason
	}
	return b.update(ctx, caller, in.SubscriptionID, func(c *change, s *Subscription) error {
		return c.cancel(s, in.AtPeriodEnd, in.Reason)
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
	return b.update(ctx, caller, id, func(c *change, s *Subscription) error {
		if err := s.uncancel(); err != nil {
			return err
		}
		return c.emit(s, webhook.SubscriptionUpdated, "", nil)
	})
}

// update is one change to one subscription that the caller named: lock, decide, write.
func (b *Billing) update(ctx context.Context, caller account.Caller, id int64, act decide) (*Subscription, error) {
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
		c, err := b.begin(ctx, tx, 0)
		if err != nil {
			return err
		}
		if err := act(c, s); err != nil {
			return err
		}
		return c.flush(ctx, 0)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}
