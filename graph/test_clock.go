package graph

import (
	"context"
	"time"

	"portico/internal/billing"
)

// TestClock is billing.TestClock as the schema shows it.
type TestClock struct{ billing.TestClock }

func showTestClock(row billing.TestClock, _ *siblings[TestClock]) *TestClock { return &TestClock{row} }

// IsNode implements Node.
func (*TestClock) IsNode() {}

// ID is the global id.
func (c *TestClock) ID() string { return gid("TestClock", c.rowID()) }

func (c *TestClock) rowID() int64 { return c.TestClock.ID }

// Now is the clock's present time.
func (c *TestClock) Now() time.Time { return c.NowAt }

// Target is where the clock is going, while it advances.
func (c *TestClock) Target() *time.Time { return c.TargetAt }

// Status is what the clock is doing.
func (c *TestClock) Status() string {
	if c.Advancing() {
		return "ADVANCING"
	}
	return "READY"
}

// TestClocks are the sandbox's.
func (r query) TestClocks(ctx context.Context, first *int32, after *string) (*Connection[TestClock], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	clocks, err := r.Billing.TestClocks(ctx, callerOf(ctx), request)
	return connect(clocks, err, request.Size, showTestClock, (*TestClock).rowID)
}

func (r *Resolver) testClocks(ctx context.Context, ids []int64) (map[int64]*TestClock, error) {
	return readByID(ctx, "TestClock", ids, r.Billing.TestClocksByID, showTestClock)
}

// TestClockCreate makes a test clock.
func (r mutation) TestClockCreate(ctx context.Context, in TestClockCreateInput) (*TestClockCreatePayload, error) {
	clock, err := r.Billing.CreateTestClock(ctx, callerOf(ctx), in.Name, in.Now)
	if err != nil {
		refused, err := userErrors(err)
		return &TestClockCreatePayload{UserErrors: refused}, err
	}
	return &TestClockCreatePayload{TestClock: &TestClock{clock}}, nil
}

// TestClockAdvance sets a test clock going.
func (r mutation) TestClockAdvance(ctx context.Context, in TestClockAdvanceInput) (*TestClockAdvancePayload, error) {
	clock, err := r.advance(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &TestClockAdvancePayload{UserErrors: refused}, err
	}
	return &TestClockAdvancePayload{TestClock: &TestClock{clock}}, nil
}

func (r mutation) advance(ctx context.Context, in TestClockAdvanceInput) (billing.TestClock, error) {
	id, err := rowID("testClock", "TestClock", in.TestClock)
	if err != nil {
		return billing.TestClock{}, err
	}
	return r.Billing.AdvanceTestClock(ctx, callerOf(ctx), id, in.To)
}
