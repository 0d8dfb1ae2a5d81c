package billing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"portico/db"
)

// AdvanceClock performs what falls due for the clock's customers, one step at a time and in time order, each charge booked
// before the next step. It works for a bounded slice and hands over to a new job. While another worker holds the clock's
// lease it does nothing.
func (b *Billing) AdvanceClock(ctx context.Context, args AdvanceClockArgs) error {
	run := &clockRun{b: b, args: args}
	if err := run.take(ctx); err != nil || run.lease == nil {
		return err
	}
	for range clockSliceSteps {
		goOn, err := run.step(ctx)
		if err != nil {
			return errors.Join(err, run.release(context.WithoutCancel(ctx), false))
		}
		if !goOn {
			return nil
		}
	}
	return run.release(ctx, true)
}

// ResumeClocks hands clocks that nobody is advancing to new jobs: their worker was killed.
func (b *Billing) ResumeClocks(ctx context.Context) (int, error) {
	rows, err := b.DB.StalledClocks(ctx, b.DB.System(), b.Now())
	if err != nil {
		return 0, fmt.Errorf("read stalled clocks: %w", err)
	}
	params := make([]river.InsertManyParams, len(rows))
	for i, row := range rows {
		params[i] = river.InsertManyParams{
			Args:       AdvanceClockArgs{MerchantID: row.MerchantID, ClockID: row.ID},
			InsertOpts: &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true, ByPeriod: clockLease}},
		}
	}
	if len(params) == 0 {
		return 0, nil
	}
	if _, err := b.Jobs.InsertMany(ctx, params); err != nil {
		return 0, fmt.Errorf("insert clock jobs: %w", err)
	}
	return len(params), nil
}

// clockRun is one worker's hold on an advancing clock.
type clockRun struct {
	b     *Billing
	args  AdvanceClockArgs
	lease *time.Time // until when, as stored: it is ours as long as the row says the same
}

func (r *clockRun) take(ctx context.Context) error {
	return r.b.DB.Tenant(r.args.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		clock, err := r.b.lockClock(ctx, tx, r.args.MerchantID, r.args.ClockID)
		if err != nil {
			return err
		}
		now := r.b.Now()
		if clock.TargetAt == nil || (clock.LeaseUntil != nil && clock.LeaseUntil.After(now)) {
			return nil
		}
		return r.extend(ctx, tx, &clock)
	})
}

// extend saves the clock with a lease from now on.
func (r *clockRun) extend(ctx context.Context, tx pgx.Tx, clock *db.TestClock) error {
	r.lease = at(r.b.Now().Add(clockLease).Truncate(time.Microsecond))
	clock.LeaseUntil = r.lease
	return r.b.setClock(ctx, tx, *clock)
}

// with locks the clock and does something with it, unless the lease has gone to somebody else.
func (r *clockRun) with(ctx context.Context, do func(pgx.Tx, *db.TestClock) error) (held bool, err error) {
	err = r.b.DB.Tenant(r.args.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		clock, err := r.b.lockClock(ctx, tx, r.args.MerchantID, r.args.ClockID)
		if err != nil {
			return err
		}
		if held = clock.LeaseUntil != nil && clock.LeaseUntil.Equal(*r.lease); !held {
			return nil
		}
		return do(tx, &clock)
	})
	return held, err
}

func (r *clockRun) release(ctx context.Context, goOn bool) error {
	_, err := r.with(ctx, func(tx pgx.Tx, clock *db.TestClock) error {
		clock.LeaseUntil = nil
		if err := r.b.setClock(ctx, tx, *clock); err != nil || !goOn {
			return err
		}
		_, err := r.b.Jobs.InsertTx(ctx, tx, r.args, nil)
		return err
	})
	return err
}

// step moves the clock to the next instant at which something falls due for one subscription and does it. A subscription that
// cannot be decided is quarantined, and the clock goes on for the others.
func (r *clockRun) step(ctx context.Context) (goOn bool, err error) {
	open, err := r.openAttempts(ctx, r.b.DB.Tenant(r.args.MerchantID))
	if err != nil {
		return false, err
	}
	if len(open) > 0 {
		if err := r.b.Charge(ctx, open); err != nil {
			return false, err
		}
	}
	var due int64
	lease := *r.lease
	held, err := r.with(ctx, func(tx pgx.Tx, clock *db.TestClock) error {
		due, goOn, err = r.stepIn(ctx, tx, clock)
		return err
	})
	if err != nil {
		r.lease = &lease // what was extended is rolled back
	}
	if due != 0 && blamesRow(err) {
		return true, r.b.quarantine(ctx, Ref{r.args.MerchantID, due}, err)
	}
	return goOn && held, err
}

func (r *clockRun) openAttempts(ctx context.Context, tx db.DBTX) ([]AttemptRef, error) {
	rows, err := r.b.DB.OpenAttemptsOfClock(ctx, tx, db.OpenAttemptsOfClockParams{
		MerchantID: r.args.MerchantID, TestClockID: r.args.ClockID,
	})
	if err != nil {
		return nil, fmt.Errorf("read open attempts: %w", err)
	}
	refs := make([]AttemptRef, len(rows))
	for i, row := range rows {
		refs[i] = AttemptRef(row)
	}
	return refs, nil
}

// stepIn is step behind the clock's lock. It tells which subscription was due, if one was, and whether there may be more.
func (r *clockRun) stepIn(ctx context.Context, tx pgx.Tx, clock *db.TestClock) (due int64, goOn bool, err error) {
	if clock.TargetAt == nil {
		return 0, false, nil
	}
	// Asked again: somebody may have bought meanwhile, and nothing later may pass a charge that is under way.
	if open, err := r.openAttempts(ctx, tx); err != nil || len(open) > 0 {
		return 0, true, err
	}
	next, err := r.b.DB.NextClockStep(ctx, tx, db.NextClockStepParams{
		MerchantID: r.args.MerchantID, TestClockID: r.args.ClockID, Target: *clock.TargetAt,
	})
	if db.IsNoRows(err) {
		clock.NowAt, clock.TargetAt, clock.LeaseUntil = *clock.TargetAt, nil, nil
		return 0, false, r.b.setClock(ctx, tx, *clock)
	}
	if err != nil {
		return 0, false, fmt.Errorf("look for what is due: %w", err)
	}
	if next.DueAt.After(clock.NowAt) {
		clock.NowAt = next.DueAt
	}
	if err := r.extend(ctx, tx, clock); err != nil {
		return 0, false, err
	}
	locked, err := r.b.DB.LockSubscriptions(ctx, tx, db.LockSubscriptionsParams{
		MerchantIds: []int64{r.args.MerchantID}, Ids: []int64{next.ID},
	})
	if err != nil || len(locked) == 0 {
		return 0, true, err
	}
	return next.ID, true, r.b.apply(ctx, tx, []Ref{Ref(locked[0])}, (*change).due, callerChargesFor)
}
