package billing_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/billing"
	"portico/internal/fault"
)

func TestAClockRenewsItsCustomersInOrderAndNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, plan := t.Context(), w.plan(1999, 0)
	clock, err := w.billing.CreateTestClock(ctx, w.caller, "a year", nil)
	require.NoError(t, err)
	sub := w.sold(w.customer("ada@example.test", "pm_card_visa", &clock.ID), plan)
	real := w.sold(w.customer("bob@example.test", "pm_card_visa", nil), plan)
	start := w.time()
	target := start.AddDate(0, 13, 0)

	_, err = w.billing.AdvanceTestClock(ctx, w.caller, clock.ID, target)
	require.NoError(t, err)
	_, err = w.billing.AdvanceTestClock(ctx, w.caller, clock.ID, target)
	require.True(t, fault.Is(err, fault.CodeConflict), "it is advancing")
	billed, err := w.billing.BillDue(ctx)
	require.NoError(t, err)
	require.Zero(t, billed, "the sweeps leave clocked rows to their clock")
	args := billing.AdvanceClockArgs{MerchantID: w.caller.MerchantID, ClockID: clock.ID}
	require.NoError(t, w.billing.AdvanceClock(ctx, args))

	clocks, err := w.billing.TestClocksByID(ctx, w.caller, []int64{clock.ID})
	require.NoError(t, err)
	advanced := clocks[clock.ID]
	require.False(t, advanced.Advancing())
	require.Equal(t, target, advanced.NowAt.UTC())
	invoices := w.invoices(sub)
	require.Len(t, invoices, 14)
	for i, invoice := range invoices { // newest first
		n := len(invoices) - 1 - i
		require.EqualValues(t, n, invoice.PeriodIndex)
		require.Equal(t, billing.InvoicePaid, invoice.Status)
		require.Equal(t, invoice.PeriodStart.UTC(), invoice.CreatedAt.UTC(), "each was done when it was due")
		if n > 0 {
			require.Equal(t, invoices[i+1].PeriodEnd, invoice.PeriodStart)
		}
	}
	require.EqualValues(t, 14*1999, w.count(`select sum(amount_minor) from payment where customer_id = $1`, sub.CustomerID))
	require.Equal(t, 13, countOf(w.events(sub), "subscription.renewed"))
	require.Equal(t, real.UpdatedAt, w.read(real).UpdatedAt, "customers in real time are not touched")
}

func TestAClockEndsTrialsAndGivesUpDebtorsOnTheirDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	clock, err := w.billing.CreateTestClock(ctx, w.caller, "trials", nil)
	require.NoError(t, err)
	trial := w.sold(w.customer("ada@example.test", "", &clock.ID), w.plan(1999, 14))
	debtor := w.customer("bob@example.test", "pm_card_visa", &clock.ID)
	debt := w.sold(debtor, w.plan(500, 0))
	w.attach(debtor, "pm_card_chargeCustomerFailInsufficientFunds")
	_, err = w.billing.AdvanceTestClock(ctx, w.caller, clock.ID, w.time().AddDate(0, 3, 0))
	require.NoError(t, err)
	require.NoError(t, w.billing.AdvanceClock(ctx, billing.AdvanceClockArgs{MerchantID: w.caller.MerchantID, ClockID: clock.ID}))
	require.Equal(t, billing.Expired, w.read(trial).Status)
	require.Equal(t, *trial.TrialEnd, *w.read(trial).EndedAt)
	require.Equal(t, billing.Expired, w.read(debt).Status)
	require.Equal(t, debt.CurrentPeriodEnd.AddDate(0, 0, 7), *w.read(debt).EndedAt)
	require.EqualValues(t, 4, w.count(`select count(*) from payment_attempt where status = 'FAILED'`))
}

func TestAClockWhoseWorkerDiedIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	clock, err := w.billing.CreateTestClock(ctx, w.caller, "crash", nil)
	require.NoError(t, err)
	sub := w.sold(w.customer("ada@example.test", "pm_card_visa", &clock.ID), w.plan(1999, 0))
	_, err = w.billing.AdvanceTestClock(ctx, w.caller, clock.ID, w.time().AddDate(0, 2, 0))
	require.NoError(t, err)
	args := billing.AdvanceClockArgs{MerchantID: w.caller.MerchantID, ClockID: clock.ID}

	w.gateway.lose(true, true) // the money moves and the worker never hears of it
	require.Error(t, w.billing.AdvanceClock(ctx, args))
	require.True(t, w.read(sub).Charging)
	_, err = w.db.System().Exec(ctx, `update test_clock set lease_until = $1`, w.time().Add(30*time.Second))
	require.NoError(t, err)
	require.NoError(t, w.billing.AdvanceClock(ctx, args))
	require.True(t, w.read(sub).Charging, "another worker holds the lease")

	w.setTime(w.time().Add(31 * time.Second))
	resumed, err := w.billing.ResumeClocks(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, resumed)
	w.gateway.lose(false, false)
	require.NoError(t, w.billing.AdvanceClock(ctx, args))
	require.Len(t, w.invoices(sub), 3)
	require.EqualValues(t, 3*1999, w.count(`select sum(amount_minor) from test_gateway_charge where status = 'SUCCEEDED'`))
}

func TestClocksExistInSandboxesOnlyAndGoForward(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	clock, err := w.billing.CreateTestClock(ctx, w.caller, "forward", nil)
	require.NoError(t, err)
	_, err = w.billing.AdvanceTestClock(ctx, w.caller, clock.ID, w.time())
	require.True(t, fault.Is(err, fault.CodeInvalid))
	_, err = w.billing.AdvanceTestClock(ctx, w.caller, clock.ID, w.time().AddDate(11, 0, 0))
	require.True(t, fault.Is(err, fault.CodeInvalid))
	other := w.sandbox("Birch")
	_, err = w.billing.AdvanceTestClock(ctx, other, clock.ID, w.time().AddDate(1, 0, 0))
	require.True(t, fault.Is(err, fault.CodeNotFound), "another tenant's clock")
	live := w.caller
	live.MerchantID = w.count(`select sandbox_of from merchant where id = $1`, w.caller.MerchantID)
	_, err = w.billing.CreateTestClock(ctx, live, "live", nil)
	require.True(t, fault.Is(err, fault.CodeConflict))
}
