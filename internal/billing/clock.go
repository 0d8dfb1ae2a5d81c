package billing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
)

const (
	maxAdvanceYears = 10
	maxClockName    = 200
	clockLease      = 30 * time.Second
	clockSliceSteps = 200
)

// TestClock is a sandbox's clock. It drives the periods, trials, grace and dunning of the customers on it.
type TestClock struct{ db.TestClock }

// Advancing tells whether workers are still performing what falls due up to the clock's target.
func (t *TestClock) Advancing() bool { return t.TargetAt != nil }

// AdvanceClockArgs is the job that performs a slice of a clock's advance.
type AdvanceClockArgs struct {
	MerchantID int64 `json:"merchant_id"`
	ClockID    int64 `json:"clock_id"`
}

// Kind implements river.JobArgs.
func (AdvanceClockArgs) Kind() string { return "test_clock.advance" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (AdvanceClockArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueMaintenance}
}

// CreateTestClock makes a clock in a sandbox. A nil start is the present.
func (b *Billing) CreateTestClock(ctx context.Context, caller account.Caller, name string, start *time.Time) (TestClock, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return TestClock{}, fault.Required("name")
	case utf8.RuneCountInString(name) > maxClockName || strings.ContainsRune(name, 0) || !utf8.ValidString(name):
		return TestClock{}, fault.Invalid("name", "must be text of at most %d characters", maxClockName)
	}
	merchant, err := b.Accounts.Merchant(ctx, caller)
	if err != nil {
		return TestClock{}, err
	}
	if !merchant.Sandbox() {
		return TestClock{}, fault.New(fault.CodeConflict, "", "test clocks exist in sandboxes only")
	}
	now := b.Now()
	if start == nil {
		start = &now
	}
	row, err := b.DB.InsertTestClock(ctx, b.DB.Tenant(caller.MerchantID), db.InsertTestClockParams{
		MerchantID: caller.MerchantID, Name: name, NowAt: start.UTC().Truncate(time.Microsecond), CreatedAt: now,
	})
	if err != nil {
		return TestClock{}, fmt.Errorf("insert test clock: %w", err)
	}
	return TestClock{row}, nil
}

// AdvanceTestClock sets the clock going: workers perform what falls due until it stands at the target.
func (b *Billing) AdvanceTestClock(ctx context.Context, caller account.Caller, id int64, target time.Time) (TestClock, error) {
	target = target.UTC().Truncate(time.Microsecond)
	var clock db.TestClock
	err := b.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		var err error
		if clock, err = b.lockClock(ctx, tx, caller.MerchantID, id); err != nil {
			return err
		}
		switch {
		case clock.TargetAt != nil:
			return fault.New(fault.CodeConflict, "testClock", "is still advancing")
		case !target.After(clock.NowAt):
			return fault.Invalid("to", "must be later than the clock's time")
		case target.After(clock.NowAt.AddDate(maxAdvanceYears, 0, 0)):
			return fault.Invalid("to", "must be at most %d years later than the clock's time", maxAdvanceYears)
		}
		clock.TargetAt = &target
		if err := b.setClock(ctx, tx, clock); err != nil {
			return err
		}
		_, err = b.Jobs.InsertTx(ctx, tx, AdvanceClockArgs{MerchantID: clock.MerchantID, ClockID: clock.ID}, nil)
		return err
	})
	if err != nil {
		return TestClock{}, err
	}
	return TestClock{clock}, nil
}

// AdvanceClock performs what falls due for the clock's customers, one step at a time and in time order, each charge booked
// before the next step. It works for a bounded slice and hands over to a new job. While another worker holds the clock's
// lease it does nothing.
func (b *Billing) AdvanceClock(ctx context.Context, args AdvanceClockArgs) (err error) {
	held, err := b.leaseClock(ctx, args)
	if err != nil || !held {
		return err
	}
	for range clockSliceSteps {
		done, err := b.clockStep(ctx, args)
		if err != nil {
			return errors.Join(err, b.releaseClock(context.WithoutCancel(ctx), args, false))
		}
		if done {
			return nil
		}
	}
	return b.releaseClock(ctx, args, true)
}

func (b *Billing) leaseClock(ctx context.Context, args AdvanceClockArgs) (held bool, err error) {
	err = b.DB.Tenant(args.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		clock, err := b.lockClock(ctx, tx, args.MerchantID, args.ClockID)
		if err != nil {
			return err
		}
		now := b.Now()
		if clock.TargetAt == nil || (clock.LeaseUntil != nil && clock.LeaseUntil.After(now)) {
			return nil
		}
		held, clock.LeaseUntil = true, at(now.Add(clockLease))
		return b.setClock(ctx, tx, clock)
	})
	return held, err
}

func (b *Billing) releaseClock(ctx context.Context, args AdvanceClockArgs, goOn bool) error {
	return b.DB.Tenant(args.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		clock, err := b.lockClock(ctx, tx, args.MerchantID, args.ClockID)
		if err != nil {
			return err
		}
		clock.LeaseUntil = nil
		if err := b.setClock(ctx, tx, clock); err != nil || !goOn {
			return err
		}
		_, err = b.Jobs.InsertTx(ctx, tx, args, nil)
		return err
	})
}

// clockStep moves the clock to the next instant at which something falls due for one subscription and does it.
func (b *Billing) clockStep(ctx context.Context, args AdvanceClockArgs) (done bool, err error) {
	// Charges that an earlier slice left open come before anything later.
	open, err := b.DB.OpenAttemptsOfClock(ctx, b.DB.Tenant(args.MerchantID), db.OpenAttemptsOfClockParams{
		MerchantID: args.MerchantID, TestClockID: args.ClockID,
	})
	if err != nil {
		return false, fmt.Errorf("read open attempts: %w", err)
	}
	if len(open) > 0 {
		refs := make([]AttemptRef, len(open))
		for i, row := range open {
			refs[i] = AttemptRef(row)
		}
		if err := b.Charge(ctx, refs); err != nil {
			return false, err
		}
	}
	err = b.DB.Tenant(args.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		done, err = b.clockStepIn(ctx, tx, args)
		return err
	})
	return done, err
}

func (b *Billing) clockStepIn(ctx context.Context, tx pgx.Tx, args AdvanceClockArgs) (done bool, err error) {
	clock, err := b.lockClock(ctx, tx, args.MerchantID, args.ClockID)
	if err != nil || clock.TargetAt == nil {
		return true, err
	}
	next, err := b.DB.NextClockStep(ctx, tx, db.NextClockStepParams{
		MerchantID: args.MerchantID, TestClockID: args.ClockID, Target: *clock.TargetAt,
	})
	if db.IsNoRows(err) {
		clock.NowAt, clock.TargetAt, clock.LeaseUntil = *clock.TargetAt, nil, nil
		return true, b.setClock(ctx, tx, clock)
	}
	if err != nil {
		return false, fmt.Errorf("look for what is due: %w", err)
	}
	if next.DueAt.After(clock.NowAt) {
		clock.NowAt = next.DueAt
	}
	clock.LeaseUntil = at(b.Now().Add(clockLease))
	if err := b.setClock(ctx, tx, clock); err != nil {
		return false, err
	}
	s, err := b.lockOne(ctx, tx, args.MerchantID, next.ID)
	if err != nil {
		return false, err
	}
	c, err := b.begin(ctx, tx, 1)
	if err != nil {
		return false, err
	}
	if err := c.endDue(s); err != nil {
		return false, err
	}
	if err := c.bill(s); err != nil {
		return false, err
	}
	return false, c.flush(ctx, callerChargesFor)
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

func (b *Billing) lockClock(ctx context.Context, tx pgx.Tx, merchantID, id int64) (db.TestClock, error) {
	clock, err := b.DB.LockTestClock(ctx, tx, db.LockTestClockParams{MerchantID: merchantID, ID: id})
	if db.IsNoRows(err) {
		return clock, fault.NotFound("testClock", "test clock")
	}
	if err != nil {
		return clock, fmt.Errorf("lock test clock: %w", err)
	}
	return clock, nil
}

func (b *Billing) setClock(ctx context.Context, tx pgx.Tx, clock db.TestClock) error {
	err := b.DB.SetTestClock(ctx, tx, db.SetTestClockParams{
		MerchantID: clock.MerchantID, ID: clock.ID, NowAt: clock.NowAt, TargetAt: clock.TargetAt, LeaseUntil: clock.LeaseUntil,
	})
	if err != nil {
		return fmt.Errorf("set test clock: %w", err)
	}
	return nil
}

// TestClocks lists the merchant's clocks, newest first.
func (b *Billing) TestClocks(ctx context.Context, caller account.Caller, p page.Request) ([]TestClock, error) {
	rows, err := b.DB.TestClocks(ctx, b.DB.Tenant(caller.MerchantID), db.TestClocksParams{
		MerchantID: caller.MerchantID, Before: p.Before(), Lim: p.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("read test clocks: %w", err)
	}
	clocks := make([]TestClock, len(rows))
	for i, row := range rows {
		clocks[i] = TestClock{row}
	}
	return clocks, nil
}

// TestClocksByID finds those of the named clocks that the merchant has.
func (b *Billing) TestClocksByID(ctx context.Context, caller account.Caller, ids []int64) (map[int64]TestClock, error) {
	rows, err := b.DB.TestClocksByID(ctx, b.DB.Tenant(caller.MerchantID), db.TestClocksByIDParams{MerchantID: caller.MerchantID, Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("read test clocks: %w", err)
	}
	clocks := make(map[int64]TestClock, len(rows))
	for _, row := range rows {
		clocks[row.ID] = TestClock{row}
	}
	return clocks, nil
}
