package account

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/page"
)

const (
	maxSearch     = 200
	maxSuspension = 1_000
)

// MerchantFilter narrows the list of all merchants.
type MerchantFilter struct {
	Search    string  // part of a name, handle or e-mail address
	Status    *string // one that Merchant.Standing gives
	Sandboxes bool    // sandboxes instead of live merchants
}

// AllMerchants lists the merchants of this installation for operators, newest first: up to a row more than the page, which tells
// whether there is another.
func (a *Accounts) AllMerchants(ctx context.Context, caller Caller, filter MerchantFilter, request page.Request) ([]Merchant, error) {
	if err := operatorsOnly(caller); err != nil {
		return nil, err
	}
	search := strings.TrimSpace(filter.Search)
	if !utf8.ValidString(search) || strings.ContainsRune(search, 0) || utf8.RuneCountInString(search) > maxSearch {
		return nil, fault.Invalid("search", "must be text of at most %d characters", maxSearch)
	}
	rows, err := a.DB.SearchMerchants(ctx, a.DB.System(), db.SearchMerchantsParams{
		Before: request.Before(), Sandbox: filter.Sandboxes, Status: filter.Status, Search: search, RowLimit: request.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("list merchants: %w", err)
	}
	return convert(rows, merchantOf), nil
}

// MerchantSuspend suspends a merchant with its sandboxes. From then on
//   - members sign in and read, and what would change or sell anything is FORBIDDEN with the reason;
//   - every other credential of the merchant is FORBIDDEN with the reason;
//   - the sweeps pass over its subscriptions: nothing is renewed, charged again or ended;
//   - its products are not shown in public;
//   - charges under way are booked, and events that were published are delivered.
//
// Suspending again changes the reason.
func (a *Accounts) MerchantSuspend(ctx context.Context, caller Caller, id int64, reason string) (Merchant, error) {
	var check fault.Check
	reason = line(&check, "reason", reason, maxSuspension)
	if err := check.Err(); err != nil {
		return Merchant{}, err
	}
	return a.judge(ctx, caller, id, func(tx pgx.Tx, merchant Merchant) error {
		now := a.Now()
		err := a.DB.SuspendMerchant(ctx, tx, db.SuspendMerchantParams{MerchantID: merchant.ID, SuspendedAt: &now, Reason: &reason})
		if err != nil {
			return err
		}
		return a.DB.RenewAPIKeyVersions(ctx, tx, merchant.ID)
	})
}

// MerchantReinstate ends a suspension, and that of the merchant's sandboxes. Subscriptions go on period by period from where they
// stood. A merchant that is not suspended stays as it is; a sandbox of a suspended merchant is a CONFLICT.
func (a *Accounts) MerchantReinstate(ctx context.Context, caller Caller, id int64) (Merchant, error) {
	return a.judge(ctx, caller, id, func(tx pgx.Tx, merchant Merchant) error {
		if merchant.SandboxOf != nil {
			parent, err := a.lockMerchant(ctx, tx, *merchant.SandboxOf)
			if err != nil {
				return err
			}
			if parent.SuspendedAt != nil {
				return fault.New(fault.CodeConflict, "id", "belongs to a merchant that is suspended: reinstate that one")
			}
		}
		now := a.Now()
		if err := a.DB.ReinstateMerchant(ctx, tx, db.ReinstateMerchantParams{MerchantID: merchant.ID, ReinstatedAt: &now}); err != nil {
			return err
		}
		return a.DB.ReleaseSubscriptions(ctx, tx, merchant.ID)
	})
}

func (a *Accounts) judge(ctx context.Context, caller Caller, id int64, act func(pgx.Tx, Merchant) error) (Merchant, error) {
	if err := operatorsOnly(caller); err != nil {
		return Merchant{}, err
	}
	var merchant Merchant
	err := a.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		before, err := a.lockMerchant(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := act(tx, before); err != nil {
			return err
		}
		merchant, err = a.merchant(ctx, tx, id)
		return err
	})
	return merchant, err
}

func (a *Accounts) lockMerchant(ctx context.Context, tx pgx.Tx, id int64) (Merchant, error) {
	row, err := a.DB.LockMerchant(ctx, tx, id)
	if db.IsNoRows(err) {
		return Merchant{}, fault.NotFound("id", "merchant")
	}
	if err != nil {
		return Merchant{}, fmt.Errorf("lock merchant %d: %w", id, err)
	}
	return merchantOf(row), nil
}

// operatorsOnly stands behind the door, because what operators do reaches every merchant.
func operatorsOnly(caller Caller) error {
	if caller.Kind != KindOperator {
		return fault.New(fault.CodeForbidden, "", "only operators may do this")
	}
	return nil
}
