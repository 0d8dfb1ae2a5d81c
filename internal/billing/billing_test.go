package billing_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/fault"
)

func TestASaleIsChargedBookedAndTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.sold(w.customer("ada@example.test", "pm_card_visa", nil), w.plan(1999, 0))
	require.Equal(t, billing.Active, sub.Status)
	require.Equal(t, w.time(), *sub.CurrentPeriodStart)
	require.Equal(t, time.Date(2026, 2, 28, 9, 30, 0, 0, time.UTC), *sub.CurrentPeriodEnd)
	require.Equal(t, sub.CurrentPeriodEnd.AddDate(0, 0, 7), *sub.AccessUntil)
	invoices := w.invoices(sub)
	require.Len(t, invoices, 1)
	require.Equal(t, billing.InvoicePaid, invoices[0].Status)
	require.EqualValues(t, 1, invoices[0].Number)
	require.Equal(t, []string{"invoice.created", "subscription.created", "payment.succeeded"}, w.events(sub))
	require.EqualValues(t, 1999, w.count(`select sum(amount_minor) from ledger_entry where account = 'CASH'`))
	require.EqualValues(t, -50, w.count(`select sum(amount_minor) from ledger_entry where account = 'PORTAL_FEE'`))
	require.EqualValues(t, -1949, w.count(`select sum(amount_minor) from ledger_entry where account = 'MERCHANT_PAYABLE'`))
	require.EqualValues(t, 1999, w.count(`select sum(amount_minor) from test_gateway_charge where status = 'SUCCEEDED'`))
}

func TestEveryPeriodIsBilledOnceHoweverOftenTheSweepRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.sold(w.customer("ada@example.test", "pm_card_visa", nil), w.plan(1000, 0))
	w.setTime(sub.CurrentPeriodEnd.Add(time.Hour))
	w.runDue()
	w.runDue()
	again := w.read(sub)
	require.Equal(t, *sub.CurrentPeriodEnd, *again.CurrentPeriodStart)
	require.Equal(t, time.Date(2026, 3, 31, 9, 30, 0, 0, time.UTC), *again.CurrentPeriodEnd)
	require.Len(t, w.invoices(sub), 2)

	t.Run("a system that stood still for months catches up period by period", func(t *testing.T) {
		w.setTime(time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC))
		for range 5 {
			w.runDue()
		}
		require.Equal(t, time.Date(2026, 7, 31, 9, 30, 0, 0, time.UTC), *w.read(sub).CurrentPeriodEnd)
		require.Len(t, w.invoices(sub), 6)
		require.EqualValues(t, 6, w.count(`select count(distinct period_start) from invoice`))
		require.EqualValues(t, 6000, w.count(`select sum(amount_minor) from test_gateway_charge where status = 'SUCCEEDED'`))
	})
}

func TestABatchOfRenewalsIsWrittenWholeAndNumbersInvoicesWithoutGaps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := w.plan(1000, 0)
	const n = 60
	for i := range n {
		w.sold(w.customer(fmt.Sprintf("c%d@example.test", i), "pm_card_visa", nil), plan)
	}
	w.setTime(w.time().AddDate(0, 1, 0))
	billed, err := w.billing.BillDue(t.Context())
	require.NoError(t, err)
	require.Equal(t, n, billed)
	require.EqualValues(t, n, w.count(`select count(*) from payment_attempt where status = 'OPEN'`))
	require.EqualValues(t, n/50+1, w.count(`select count(*) from river_job where kind = 'payment.charge' and state = 'available'`),
		"attempts share jobs")
	billed, err = w.billing.BillDue(t.Context())
	require.NoError(t, err)
	require.Zero(t, billed, "what is being charged is off the due-list")
	w.chargeOpen()
	require.EqualValues(t, n, w.count(`select count(*) from subscription where status = 'ACTIVE' and period_index = 1`))
	require.EqualValues(t, 2*n, w.count(`select max(number) from invoice`))
	require.EqualValues(t, 2*n, w.count(`select count(distinct number) from invoice`))
	require.Zero(t, w.count(`select coalesce(sum(amount_minor), 0) from ledger_entry`))
}

func TestOneBadRowIsQuarantinedAndNeverStopsTheBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := w.plan(1000, 0)
	var subs []*billing.Subscription
	for i := range 7 {
		subs = append(subs, w.sold(w.customer(fmt.Sprintf("c%d@example.test", i), "pm_card_visa", nil), plan))
	}
	bad := subs[3]
	w.invoiceNextPeriod(bad)
	w.setTime(w.time().AddDate(0, 1, 0))
	w.runDue()
	require.EqualValues(t, 6, w.count(`select count(*) from subscription where period_index = 1`))
	require.EqualValues(t, 1, w.count(`select count(*) from subscription where id = $1 and quarantine_reason like '%invoice_renewal_key%'`, bad.ID))
	billed, err := w.billing.BillDue(t.Context())
	require.NoError(t, err)
	require.Zero(t, billed)
}

func TestADeclinedFirstPaymentLeavesTheCheckoutOpenForADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := w.plan(1999, 0)
	customer := w.customer("ada@example.test", "pm_card_chargeCustomerFail", nil)
	sub, err := w.create(customer, plan)
	require.True(t, fault.Is(err, fault.CodePaymentFailed), "%v", err)
	require.Equal(t, billing.Incomplete, sub.Status)

	t.Run("the next try takes it up again", func(t *testing.T) {
		w.attach(customer, "pm_card_visa")
		again := w.sold(customer, plan)
		require.Equal(t, sub.ID, again.ID)
		require.Equal(t, billing.Active, again.Status)
		require.EqualValues(t, 1, w.count(`select count(*) from invoice where status = 'VOID'`))
		require.EqualValues(t, 1, w.count(`select count(*) from payment`))
	})
	t.Run("another order takes its place", func(t *testing.T) {
		eve := w.customer("eve@example.test", "pm_card_chargeCustomerFail", nil)
		first, err := w.create(eve, plan)
		require.True(t, fault.Is(err, fault.CodePaymentFailed), "%v", err)
		w.attach(eve, "pm_card_visa")
		bigger := w.plan(4999, 0)
		second, err := w.createFor(eve, bigger, 2)
		require.NoError(t, err)
		require.Equal(t, first.ID, second.ID)
		require.Equal(t, bigger.ID, second.PlanID)
		require.Equal(t, billing.Active, second.Status)
		invoices := w.invoices(second)
		require.Equal(t, billing.InvoicePaid, invoices[0].Status)
		require.EqualValues(t, 9998, invoices[0].Total().Minor)
		require.Equal(t, billing.InvoiceVoid, invoices[1].Status)
	})
	t.Run("a second one is in the way", func(t *testing.T) {
		_, err := w.create(customer, plan)
		require.True(t, fault.Is(err, fault.CodeActivePurchaseExists))
	})
	t.Run("nobody pays within the day", func(t *testing.T) {
		other, _ := w.create(w.customer("bob@example.test", "pm_card_chargeCustomerFail", nil), plan)
		w.setTime(w.time().Add(24*time.Hour - time.Second))
		w.runDue()
		require.Equal(t, billing.Incomplete, w.read(other).Status)
		w.setTime(w.time().Add(time.Second))
		w.runDue()
		require.Equal(t, billing.Expired, w.read(other).Status)
		require.Equal(t, billing.InvoiceVoid, w.invoices(other)[0].Status)
		require.NotContains(t, w.events(other), "subscription.canceled", "there was no access to lose")
	})
}

func TestAPastDueSubscriptionIsRetriedSuspendedAndGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer := w.customer("ada@example.test", "pm_card_visa", nil)
	sub := w.sold(customer, w.plan(1999, 0))
	w.attach(customer, "pm_card_chargeCustomerFailInsufficientFunds")
	end := *sub.CurrentPeriodEnd
	for _, day := range []int{0, 3, 5} {
		w.setTime(end.AddDate(0, 0, day))
		w.runDue()
		w.runDue()
		again := w.read(sub)
		require.Equal(t, billing.PastDue, again.Status)
		require.Equal(t, end.AddDate(0, 0, 7), *again.AccessUntil, "access lasts through the grace")
	}
	require.EqualValues(t, 3, w.count(`select count(*) from payment_attempt where status = 'FAILED'`))
	w.setTime(end.AddDate(0, 0, 7))
	w.runDue()
	w.runDue()
	require.Equal(t, billing.Expired, w.read(sub).Status)
	require.EqualValues(t, 4, w.count(`select count(*) from payment_attempt where status = 'FAILED'`))
	require.Equal(t, billing.InvoiceUncollectible, w.invoices(sub)[0].Status)
	told := w.events(sub)
	require.Equal(t, 1, countOf(told, "subscription.past_due"), "one problem event per streak")
	require.Equal(t, 1, countOf(told, "subscription.canceled"), "access was lost once")
	require.Equal(t, 1, countOf(told, "subscription.expired"))
}

func TestANewCardPaysWhatIsPastDueAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer := w.customer("ada@example.test", "pm_card_visa", nil)
	sub := w.sold(customer, w.plan(1999, 0))
	w.attach(customer, "pm_card_chargeCustomerFail")
	w.setTime(*sub.CurrentPeriodEnd)
	w.runDue()
	require.Equal(t, billing.PastDue, w.read(sub).Status)
	require.True(t, w.read(sub).AwaitsNewCard, "a hard decline is not asked again")
	w.attach(customer, "pm_card_visa")
	again := w.read(sub)
	require.Equal(t, billing.Active, again.Status)
	require.Equal(t, *sub.CurrentPeriodEnd, *again.CurrentPeriodStart)
	require.Equal(t, "subscription.renewed", w.events(sub)[len(w.events(sub))-2])
}

func TestTrialsConvertWithACardAndEndWithout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := w.plan(1999, 14)
	with := w.sold(w.customer("ada@example.test", "pm_card_visa", nil), plan)
	without := w.sold(w.customer("bob@example.test", "", nil), plan)
	late := w.customer("eve@example.test", "", nil)
	attached := w.sold(late, plan)
	require.Equal(t, billing.Trialing, with.Status)
	require.Zero(t, w.count(`select count(*) from invoice`))
	w.attach(late, "pm_card_visa")
	w.setTime(*with.TrialEnd)
	w.runDue()
	require.Equal(t, billing.Active, w.read(with).Status)
	require.Equal(t, *with.TrialEnd, *w.read(with).CurrentPeriodStart, "paid periods are anchored at the trial's end")
	require.Equal(t, billing.Active, w.read(attached).Status)
	require.Equal(t, billing.Expired, w.read(without).Status)
	require.Equal(t, []string{"subscription.created", "subscription.canceled", "subscription.expired"}, w.events(without))

	t.Run("a customer tries a product once", func(t *testing.T) {
		_, err := w.create(account.Customer{ID: without.CustomerID}, plan)
		require.True(t, fault.Is(err, fault.CodeRequired), "no second trial, so a payment method is needed: %v", err)
	})
	t.Run("a conversion that is declined is past due", func(t *testing.T) {
		customer := w.customer("dan@example.test", "pm_card_chargeCustomerFailInsufficientFunds", nil)
		sub := w.sold(customer, plan)
		w.setTime(*sub.TrialEnd)
		w.runDue()
		require.Equal(t, billing.PastDue, w.read(sub).Status)
	})
}

func TestACancellationTakesEffectAtThePeriodsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.sold(w.customer("ada@example.test", "pm_card_visa", nil), w.plan(1999, 0))
	reason := "too dear"
	canceled, err := w.billing.Cancel(t.Context(), w.caller, billing.Cancel{SubscriptionID: sub.ID, AtPeriodEnd: true, Reason: &reason})
	require.NoError(t, err)
	require.True(t, canceled.CancelAtPeriodEnd)
	require.Equal(t, *sub.CurrentPeriodEnd, *canceled.AccessUntil)
	require.Equal(t, reason, w.reasonsOf(sub, "subscription.updated").CancelReason, "webhooks hear why")
	w.setTime(*sub.CurrentPeriodEnd)
	w.runDue()
	require.Equal(t, reason, w.reasonsOf(sub, "subscription.canceled").CancelReason)
	ended := w.read(sub)
	require.Equal(t, billing.Canceled, ended.Status)
	require.Equal(t, *sub.CurrentPeriodEnd, *ended.EndedAt)
	require.Equal(t, "subscription.canceled", w.events(sub)[len(w.events(sub))-1])
	require.Len(t, w.invoices(sub), 1, "it was not billed again")
}

func TestFreePlansRenewWithoutACard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.sold(w.customer("ada@example.test", "", nil), w.plan(0, 0))
	require.Equal(t, billing.Active, sub.Status)
	w.setTime(*sub.CurrentPeriodEnd)
	w.runDue()
	require.Equal(t, *sub.CurrentPeriodEnd, *w.read(sub).CurrentPeriodStart)
	require.Len(t, w.invoices(sub), 2)
	require.Zero(t, w.count(`select count(*) from payment`))
}

func TestALostAnswerIsFoundOutAndNeverChargedTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := w.plan(1999, 0)
	t.Run("asking tells what became of it", func(t *testing.T) {
		w.gateway.lose(true, false)
		sub := w.sold(w.customer("ada@example.test", "pm_card_visa", nil), plan)
		require.Equal(t, billing.Active, sub.Status)
	})
	t.Run("a provider that answers with an error is asked again at once", func(t *testing.T) {
		w.gateway.lose(false, false)
		w.gateway.loseNext(2, 2)
		sub := w.sold(w.customer("eve@example.test", "pm_card_visa", nil), plan)
		require.Equal(t, billing.Active, sub.Status)
	})
	t.Run("a card that the provider does not answer for is not attached", func(t *testing.T) {
		w.gateway.loseNext(3, 0)
		customer := w.customer("dan@example.test", "", nil)
		_, err := w.billing.AttachPaymentMethod(t.Context(), w.caller, account.CustomerRef{ID: &customer.ID}, "pm_card_visa")
		require.True(t, fault.Is(err, fault.CodePaymentFailed), "%v", err)
		require.Zero(t, w.count(`select count(*) from payment_method where customer_id = $1`, customer.ID))
	})
	t.Run("when asking fails too, the job asks again later", func(t *testing.T) {
		w.gateway.lose(true, true)
		sub := w.sold(w.customer("bob@example.test", "pm_card_visa", nil), plan)
		require.Equal(t, billing.Incomplete, sub.Status)
		require.True(t, sub.Charging)
		_, err := w.billing.Cancel(t.Context(), w.caller, billing.Cancel{SubscriptionID: sub.ID})
		require.True(t, fault.Is(err, fault.CodeConflict), "money may be on its way")
		customer := account.Customer{ID: sub.CustomerID}
		again, err := w.create(customer, plan)
		require.NoError(t, err)
		require.Equal(t, sub.ID, again.ID, "the same order again is the same order")
		require.Equal(t, billing.Incomplete, again.Status)
		_, err = w.create(customer, w.plan(2999, 0))
		require.True(t, fault.Is(err, fault.CodeConflict), "a second charge would be one too many")
		_, err = w.createFor(customer, plan, 2)
		require.True(t, fault.Is(err, fault.CodeConflict), "a second charge would be one too many")
		require.EqualValues(t, 1, w.count(`select count(*) from payment_attempt where subscription_id = $1`, sub.ID))
		w.setTime(w.time().Add(48 * time.Hour))
		w.runDueWithoutCharges()
		require.Equal(t, billing.Incomplete, w.read(sub).Status, "nothing ends while money may be on its way")
		w.gateway.lose(false, false)
		w.chargeOpen()
		require.Equal(t, billing.Active, w.read(sub).Status)
	})
	require.EqualValues(t, 3*1999, w.count(`select sum(amount_minor) from test_gateway_charge where status = 'SUCCEEDED'`))
	require.EqualValues(t, 3*1999, w.count(`select sum(amount_minor) from payment`))
}

func TestForgottenChargesGetANewJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.gateway.lose(true, true)
	w.sold(w.customer("ada@example.test", "pm_card_visa", nil), w.plan(1999, 0))
	n, err := w.billing.ResumeCharges(t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "whoever is charging gets time")
	for range 2 {
		w.setTime(w.time().Add(2 * time.Minute))
		n, err = w.billing.ResumeCharges(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
		n, err = w.billing.ResumeCharges(t.Context())
		require.NoError(t, err)
		require.Zero(t, n, "the others have their turn first")
	}
	require.EqualValues(t, 2, w.count(`select count(*) from river_job where kind = 'payment.charge' and max_attempts = 1`))
}

func TestConcurrentPurchasesLeaveOneSubscriptionAndOneCharge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer, plan := w.customer("ada@example.test", "pm_card_visa", nil), w.plan(1999, 0)
	const n = 8
	type result struct {
		sub *billing.Subscription
		err error
	}
	results := make(chan result, n)
	for range n {
		go func() {
			sub, err := w.create(customer, plan)
			results <- result{sub, err}
		}()
	}
	sold := map[int64]bool{}
	for range n {
		one := <-results
		if one.err == nil {
			sold[one.sub.ID] = true // who came while it was charged
			continue
		}
		require.True(t, fault.Is(one.err, fault.CodeActivePurchaseExists), "%v", one.err)
	}
	require.Len(t, sold, 1)
	require.EqualValues(t, 1, w.count(`select count(*) from subscription`))
	require.EqualValues(t, 1, w.count(`select count(*) from test_gateway_charge`))
}

func (w *world) runDueWithoutCharges() {
	w.t.Helper()
	_, err := w.billing.BillDue(w.t.Context())
	require.NoError(w.t, err)
	_, err = w.billing.EndDue(w.t.Context())
	require.NoError(w.t, err)
}

func countOf(all []string, one string) int {
	n := 0
	for _, each := range all {
		if each == one {
			n++
		}
	}
	return n
}
