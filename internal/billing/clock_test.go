package billing_test

import (
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/account"
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

func TestAClockNeverPassesAChargeThatIsUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, plan := t.Context(), w.plan(1999, 0)
	clock, err := w.billing.CreateTestClock(ctx, w.caller, "race", nil)
	require.NoError(t, err)
	w.sold(w.customer("ada@example.test", "pm_card_visa", &clock.ID), plan)
	bob := w.customer("bob@example.test", "pm_card_visa", &clock.ID)
	_, err = w.billing.AdvanceTestClock(ctx, w.caller, clock.ID, w.time().AddDate(0, 1, 20))
	require.NoError(t, err)
	slow := &unresponsive{}
	w.replaceGateway(slow)
	var bought *billing.Subscription
	// While Ada's renewal is charged Bob buys, and his own charge stays without an answer for now.
	slow.whileConfirm = func() {
		w.gateway.lose(true, true)
		bought = w.sold(bob, plan)
		w.gateway.lose(false, false)
	}
	require.NoError(t, w.billing.AdvanceClock(ctx, billing.AdvanceClockArgs{MerchantID: w.caller.MerchantID, ClockID: clock.ID}))
	require.True(t, bought.Charging)
	var paidAt time.Time
	require.NoError(t, w.db.System().QueryRow(ctx, `select min(paid_at) from payment where customer_id = $1`, bob.ID).Scan(&paidAt))
	require.Equal(t, bought.CreatedAt, paidAt)
}

func TestOneBadRowDoesNotStopItsClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, plan := t.Context(), w.plan(1999, 0)
	clock, err := w.billing.CreateTestClock(ctx, w.caller, "bad row", nil)
	require.NoError(t, err)
	bad := w.sold(w.customer("ada@example.test", "pm_card_visa", &clock.ID), plan)
	good := w.sold(w.customer("bob@example.test", "pm_card_visa", &clock.ID), plan)
	w.invoiceNextPeriod(bad)
	_, err = w.billing.AdvanceTestClock(ctx, w.caller, clock.ID, w.time().AddDate(0, 1, 20))
	require.NoError(t, err)
	require.NoError(t, w.billing.AdvanceClock(ctx, billing.AdvanceClockArgs{MerchantID: w.caller.MerchantID, ClockID: clock.ID}))
	require.EqualValues(t, 1, w.read(good).PeriodIndex)
	require.NotNil(t, w.read(bad).QuarantineReason)
	clocks, err := w.billing.TestClocksByID(ctx, w.caller, []int64{clock.ID})
	require.NoError(t, err)
	require.Nil(t, clocks[clock.ID].TargetAt, "it has arrived")
}

func TestAWorkerThatLostItsLeaseLeavesTheClockAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	clock, err := w.billing.CreateTestClock(ctx, w.caller, "lease", nil)
	require.NoError(t, err)
	sub := w.sold(w.customer("ada@example.test", "pm_card_visa", &clock.ID), w.plan(1999, 0))
	_, err = w.billing.AdvanceTestClock(ctx, w.caller, clock.ID, w.time().AddDate(0, 3, 0))
	require.NoError(t, err)
	slow := &unresponsive{}
	w.replaceGateway(slow)
	others := w.time().Add(time.Minute)
	slow.whileConfirm = func() {
		_, err := w.db.System().Exec(ctx, `update test_clock set lease_until = $1`, others)
		require.NoError(t, err)
	}
	require.NoError(t, w.billing.AdvanceClock(ctx, billing.AdvanceClockArgs{MerchantID: w.caller.MerchantID, ClockID: clock.ID}))
	require.EqualValues(t, 1, w.read(sub).PeriodIndex, "the step under way is finished, no other begun")
	require.EqualValues(t, 1, w.count(`select count(*) from test_clock where lease_until = $1`, others))
}

func TestACheckoutTakenUpByACustomerOnAClockLivesInThatClocksTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, plan := t.Context(), w.plan(1999, 0)
	later := w.time().AddDate(2, 0, 0)
	clock, err := w.billing.CreateTestClock(ctx, w.caller, "later", &later)
	require.NoError(t, err)
	company, err := w.accounts.CompanyCreate(ctx, w.caller, account.CompanyCreate{Name: "Both"})
	require.NoError(t, err)
	colleague := func(email, card string, clock *int64) account.Customer {
		customer, err := w.accounts.CustomerCreate(ctx, w.caller, account.CustomerCreate{
			Email: email, Name: email, TestClockID: clock, CompanyID: &company.ID,
		})
		require.NoError(t, err)
		w.attach(customer, card)
		return customer
	}
	first, err := w.create(colleague("ada@example.test", "pm_card_chargeCustomerFail", nil), plan)
	require.True(t, fault.Is(err, fault.CodePaymentFailed))
	sub := w.sold(colleague("bob@example.test", "pm_card_visa", &clock.ID), plan)
	require.Equal(t, first.ID, sub.ID)
	require.Equal(t, &clock.ID, sub.TestClockID)
	require.Equal(t, later, *sub.CurrentPeriodStart)
}

func TestASaleThatHadToWaitHappensAtTheClocksPresentTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, plan := t.Context(), w.plan(1999, 0)
	clock, err := w.billing.CreateTestClock(ctx, w.caller, "stale", nil)
	require.NoError(t, err)
	bob := w.customer("bob@example.test", "pm_card_visa", &clock.ID)
	target := w.time().AddDate(0, 3, 0)
	// Somebody moves the clock and has not committed yet when the sale begins.
	moved := make(chan *billing.Subscription, 1)
	require.NoError(t, w.db.Tenant(w.caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update test_clock set now_at = $1 where id = $2`, target, clock.ID)
		if err != nil {
			return err
		}
		go func() {
			sub, err := w.create(bob, plan)
			if err == nil {
				moved <- sub
			}
			close(moved)
		}()
		require.Eventually(t, func() bool {
			return w.count(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) > 0
		}, 10*time.Second, 10*time.Millisecond)
		return nil
	}))
	sub := <-moved
	require.NotNil(t, sub)
	require.Equal(t, target, *sub.CurrentPeriodStart)
}

func TestACheckoutAndItsClockDoNotDeadlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, plan := t.Context(), w.plan(1999, 0)
	clock, err := w.billing.CreateTestClock(ctx, w.caller, "deadlock", nil)
	require.NoError(t, err)
	bob := w.customer("bob@example.test", "pm_card_chargeCustomerFail", &clock.ID)
	var group sync.WaitGroup
	const rounds = 60
	group.Go(func() {
		for range rounds { // each takes up the checkout again, or a new one when the clock has expired it
			_, err := w.create(bob, plan)
			if fault.List(err) == nil {
				t.Errorf("a sale: %v", err)
			}
		}
	})
	group.Go(func() {
		for range rounds {
			clocks, err := w.billing.TestClocksByID(ctx, w.caller, []int64{clock.ID})
			if err != nil {
				t.Errorf("read the clock: %v", err)
				return
			}
			_, _ = w.billing.AdvanceTestClock(ctx, w.caller, clock.ID, clocks[clock.ID].NowAt.Add(25*time.Hour))
			if err := w.billing.AdvanceClock(ctx, billing.AdvanceClockArgs{MerchantID: w.caller.MerchantID, ClockID: clock.ID}); err != nil {
				t.Errorf("a step: %v", err)
			}
		}
	})
	group.Wait()
}
