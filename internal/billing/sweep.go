package billing

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portico/db"
	"portico/internal/webhook"
)

const (
	sweepBatch = 1000
	// A sweep ends well before its job's timeout; what is left is found by the next one.
	sweepFor = 15 * time.Second
	// Merchants are spread over as many lanes (subscription.lane), and one sweep works in a lane at a time: two
	// in one batch's merchants would wait for each other's invoice counters and so gain nothing.
	lanes = 8
)

// decide is what a sweep does about one due subscription, in memory.
type decide func(*change, *Subscription) error

// pick locks the next rows of a due-list, at most a batch.
type pick func(context.Context, pgx.Tx) ([]dueRow, error)

type dueRow = db.LockDueBillsRow

// BillDue bills every subscription whose time has come, batch by batch, and returns how many it worked on. Lanes in which another
// sweep works are left to it. A missed run is harmless: the next finds the same rows.
func (b *Billing) BillDue(ctx context.Context) (int, error) {
	started, total := b.Now(), 0
	first := rand.IntN(lanes) //nolint:gosec // so that no lane is always the last, nothing more
	for i := range lanes {
		lane := int16((first + i) % lanes)
		n, err := b.sweep(ctx, started, (*change).bill, func(ctx context.Context, tx pgx.Tx) ([]dueRow, error) {
			return b.claimBills(ctx, tx, lane)
		})
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (b *Billing) claimBills(ctx context.Context, tx pgx.Tx, lane int16) ([]dueRow, error) {
	if free, err := b.DB.TakeLane(ctx, tx, int32(lane)); err != nil || !free {
		return nil, err
	}
	return b.DB.LockDueBills(ctx, tx, db.LockDueBillsParams{Lane: lane, Now: b.Now(), Batch: sweepBatch})
}

// EndDue ends every subscription whose time has come, as BillDue bills them. Endings take no invoice numbers and need no lanes.
func (b *Billing) EndDue(ctx context.Context) (int, error) {
	return b.sweep(ctx, b.Now(), (*change).endDue, func(ctx context.Context, tx pgx.Tx) ([]dueRow, error) {
		rows, err := b.DB.LockDueEnds(ctx, tx, db.LockDueEndsParams{Now: b.Now(), Batch: sweepBatch})
		due := make([]dueRow, len(rows))
		for i, row := range rows {
			due[i] = dueRow(row)
		}
		return due, err
	})
}

func (b *Billing) sweep(ctx context.Context, started time.Time, act decide, next pick) (int, error) {
	total := 0
	for b.Now().Sub(started) < sweepFor {
		var refs []Ref
		claimed := 0
		err := b.DB.System().Tx(ctx, func(tx pgx.Tx) error {
			rows, err := next(ctx, tx)
			if err == nil {
				claimed = len(rows)
				refs, err = b.hold(ctx, tx, rows)
			}
			if err != nil {
				return fmt.Errorf("claim due subscriptions: %w", err)
			}
			return b.apply(ctx, tx, refs, act, 0)
		})
		if blamesRow(err) {
			err = b.isolate(ctx, refs, act)
		}
		total += len(refs)
		if err != nil || claimed < sweepBatch {
			return total, err
		}
	}
	return total, nil
}

// hold takes what belongs to suspended merchants off the due-lists, until they are reinstated, and gives the others.
func (b *Billing) hold(ctx context.Context, tx pgx.Tx, due []dueRow) ([]Ref, error) {
	var refs, held []Ref
	for _, row := range due {
		if row.Suspended {
			held = append(held, Ref{row.MerchantID, row.ID})
		} else {
			refs = append(refs, Ref{row.MerchantID, row.ID})
		}
	}
	if len(held) == 0 {
		return refs, nil
	}
	merchantIDs, ids := columns(held)
	_, err := b.DB.HoldSubscriptions(ctx, tx, db.HoldSubscriptionsParams{MerchantIds: merchantIDs, Ids: ids})
	return refs, err
}

// apply decides each of the locked subscriptions and writes all decisions set-based.
func (b *Billing) apply(ctx context.Context, tx pgx.Tx, refs []Ref, act decide, headStart time.Duration) error {
	if len(refs) == 0 {
		return nil
	}
	subs, err := b.load(ctx, tx, refs)
	if err != nil {
		return err
	}
	c, err := b.begin(ctx, tx, len(subs))
	if err != nil {
		return err
	}
	for _, s := range subs {
		if err := act(c, s); err != nil {
			return &undecidable{err: fmt.Errorf("subscription %d: %w", s.ID, err)}
		}
	}
	return c.flush(ctx, headStart)
}

// undecidable marks an error that one subscription's data causes.
type undecidable struct{ err error }

func (u *undecidable) Error() string { return u.err.Error() }
func (u *undecidable) Unwrap() error { return u.err }

// blamesRow tells whether an error comes from some row's data, so that leaving that row out helps. Everything else (a lost
// connection, a deadlock, a shutdown) is for the next run.
func blamesRow(err error) bool {
	var undecided *undecidable
	if errors.As(err, &undecided) || errors.Is(err, webhook.ErrUnwritable) {
		return true
	}
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return false
	}
	const dataException, integrityViolation, raised = "22", "23", "P0"
	for _, class := range []string{dataException, integrityViolation, raised} {
		if strings.HasPrefix(pgErr.Code, class) {
			return true
		}
	}
	return false
}

// isolate goes through a batch that failed: once more as a whole, then in halves, until the row that is to blame stands alone and
// is quarantined. One bad row never stops the others.
func (b *Billing) isolate(ctx context.Context, refs []Ref, act decide) error {
	err := b.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		still, err := b.lockStillDue(ctx, tx, refs)
		if err != nil {
			return err
		}
		return b.apply(ctx, tx, still, act, 0)
	})
	switch {
	case !blamesRow(err):
		return err
	case len(refs) == 1:
		return b.quarantine(ctx, refs[0], err)
	}
	half := len(refs) / 2
	if err := b.isolate(ctx, refs[:half], act); err != nil {
		return err
	}
	return b.isolate(ctx, refs[half:], act)
}

// quarantine takes a subscription off every due-list, with the reason, until a person has looked at it.
func (b *Billing) quarantine(ctx context.Context, ref Ref, cause error) error {
	b.Log.ErrorContext(ctx, "subscription quarantined", "merchant_id", ref.MerchantID, "subscription_id", ref.ID, "error", cause)
	err := b.DB.QuarantineSubscription(ctx, b.DB.Tenant(ref.MerchantID), db.QuarantineSubscriptionParams{
		MerchantID: ref.MerchantID, ID: ref.ID, Reason: at(cause.Error()),
	})
	if err != nil {
		return fmt.Errorf("quarantine subscription %d: %w", ref.ID, err)
	}
	return nil
}

func (b *Billing) lockStillDue(ctx context.Context, tx pgx.Tx, refs []Ref) ([]Ref, error) {
	merchantIDs, ids := columns(refs)
	rows, err := b.DB.LockStillDue(ctx, tx, db.LockStillDueParams{MerchantIds: merchantIDs, Ids: ids, Now: b.Now()})
	if err != nil {
		return nil, fmt.Errorf("lock due subscriptions: %w", err)
	}
	still := make([]Ref, len(rows))
	for i, row := range rows {
		still[i] = Ref(row)
	}
	return still, nil
}
