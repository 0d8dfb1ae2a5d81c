package billing

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
)

const reasonMerchantClosed = "merchant closed"

// Close asks for the end of a merchant's account.
type Close struct {
	Shop                string // the merchant's handle, to be sure which
	CancelSubscriptions bool
}

// CloseMerchant closes the caller's merchant and its sandboxes for good: its credentials and webhooks stop and its members no longer
// see it, while its records are kept. While it has live subscriptions that is a CONFLICT that counts them, unless they are to be
// canceled: then it sells nothing from now on, they run to the end of what has been paid for, and the last of them closes it.
func (b *Billing) CloseMerchant(ctx context.Context, caller account.Caller, in Close) (account.Merchant, error) {
	err := b.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		locked, err := b.DB.LockMerchantForClosing(ctx, tx, caller.MerchantID)
		if err != nil {
			return fmt.Errorf("lock merchant %d: %w", caller.MerchantID, err)
		}
		if err := (account.Merchant{Shop: locked.Shop}).Confirm(in.Shop); err != nil {
			return err
		}
		live, err := b.DB.CountLiveSubscriptions(ctx, tx, caller.MerchantID)
		if err != nil {
			return fmt.Errorf("count live subscriptions: %w", err)
		}
		if live > 0 && !in.CancelSubscriptions && locked.Status == account.MerchantOpen {
			return fault.New(fault.CodeConflict, "cancelSubscriptions", "there are live subscriptions, %d in number: cancel them first, or with this", live)
		}
		return b.DB.BeginClosing(ctx, tx, caller.MerchantID)
	})
	if err != nil {
		return account.Merchant{}, fmt.Errorf("close merchant %d: %w", caller.MerchantID, err)
	}
	// What was sold before the lock is seen only by a later statement.
	if _, err := b.closeEmpty(ctx); err != nil {
		return account.Merchant{}, err
	}
	return b.Accounts.Merchant(ctx, caller)
}

// CloseDue goes on closing merchants: it cancels what they have left, slice by slice, and closes those that have nothing left. It
// returns how many merchants and sandboxes it closed.
func (b *Billing) CloseDue(ctx context.Context) (int, error) {
	for started := b.Now(); b.Now().Sub(started) < sweepFor; {
		n, err := b.cancelClosing(ctx)
		if err != nil {
			return 0, err
		}
		if n < sweepBatch {
			break
		}
	}
	return b.closeEmpty(ctx)
}

func (b *Billing) cancelClosing(ctx context.Context) (int, error) {
	var refs []Ref
	atPeriodEnd := map[Ref]bool{}
	act := func(c *change, s *Subscription) error {
		return c.cancel(s, atPeriodEnd[Ref{s.MerchantID, s.ID}], at(reasonMerchantClosed))
	}
	err := b.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		rows, err := b.DB.LockSubscriptionsOfClosing(ctx, tx, sweepBatch)
		if err != nil {
			return fmt.Errorf("claim the subscriptions of closing merchants: %w", err)
		}
		for _, row := range rows {
			ref := Ref{row.MerchantID, row.ID}
			refs, atPeriodEnd[ref] = append(refs, ref), row.AtPeriodEnd
		}
		return b.apply(ctx, tx, refs, act, 0)
	})
	if !blamesRow(err) {
		return len(refs), err
	}
	for _, ref := range refs {
		err := b.DB.Tenant(ref.MerchantID).Tx(ctx, func(tx pgx.Tx) error { return b.applyTo(ctx, tx, ref, act) })
		if blamesRow(err) {
			err = b.quarantine(ctx, ref, err)
		}
		if err != nil {
			return 0, err
		}
	}
	return len(refs), nil
}

// applyTo decides a single subscription, unless it is being charged meanwhile.
func (b *Billing) applyTo(ctx context.Context, tx pgx.Tx, ref Ref, act decide) error {
	s, err := b.lockOne(ctx, tx, ref.MerchantID, ref.ID)
	if err != nil || s.Charging || !s.Live() {
		return err
	}
	return b.apply(ctx, tx, []Ref{ref}, act, 0)
}

func (b *Billing) closeEmpty(ctx context.Context) (int, error) {
	closed, err := b.DB.CloseMerchants(ctx, b.DB.System(), b.Now())
	if err != nil {
		return 0, fmt.Errorf("close merchants: %w", err)
	}
	return len(closed), nil
}

// requireOpen holds a merchant open until a sale is written. CONFLICT for one that is being closed.
func (b *Billing) requireOpen(ctx context.Context, tx db.DBTX, merchantID int64) error {
	status, err := b.DB.LockMerchantForSale(ctx, tx, merchantID)
	if err != nil {
		return fmt.Errorf("look at merchant %d: %w", merchantID, err)
	}
	if status != account.MerchantOpen {
		return fault.New(fault.CodeConflict, "", "the merchant is being closed and sells nothing any more")
	}
	return nil
}
