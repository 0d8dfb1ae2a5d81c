package billing

import (
	"context"
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
	clockLease      = 10 * time.Second
	clockSliceSteps = 200
	minClockYear    = 1970
	maxClockYear    = 2200
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

// InsertOpts implements river.JobArgsWithInsertOpts. One try: ResumeClocks is the retry.
func (AdvanceClockArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueMaintenance, MaxAttempts: 1}
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
	if year := start.UTC().Year(); year < minClockYear || year >= maxClockYear {
		return TestClock{}, fault.Invalid("now", "must be between the years %d and %d", minClockYear, maxClockYear)
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
		case target.Year() >= maxClockYear:
			return fault.Invalid("to", "must be before the year %d", maxClockYear)
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
