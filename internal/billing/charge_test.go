package billing_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/billing"
	"portico/internal/fault"
	"portico/internal/gateway"
)

// unresponsive is the test gateway behind a network on which some calls never come back.
type unresponsive struct {
	gateway.Gateway
	mu           sync.Mutex
	keys         map[string]string // by reference
	hangPrepare  string            // the key whose preparation hangs
	hangConfirm  string            // the key whose confirmation hangs after the money moved
	refuse       error             // the answer to every preparation
	whileConfirm func()            // happens during the first confirmation
}

func (u *unresponsive) Prepare(ctx context.Context, c gateway.Charge) (string, error) {
	switch {
	case u.refuse != nil:
		return "", u.refuse
	case c.Key == u.hangPrepare:
		<-ctx.Done()
		return "", ctx.Err()
	}
	ref, err := u.Gateway.Prepare(ctx, c)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.keys[ref] = c.Key
	return ref, err
}

func (u *unresponsive) Confirm(ctx context.Context, ref string) (gateway.Outcome, error) {
	u.mu.Lock()
	key, meanwhile := u.keys[ref], u.whileConfirm
	u.whileConfirm = nil
	u.mu.Unlock()
	if meanwhile != nil {
		meanwhile()
	}
	outcome, err := u.Gateway.Confirm(ctx, ref)
	if key == u.hangConfirm {
		<-ctx.Done()
		return gateway.Outcome{}, ctx.Err()
	}
	return outcome, err
}

// replaceGateway puts an unresponsive gateway in the place of the world's.
func (w *world) replaceGateway(u *unresponsive) {
	u.Gateway, u.keys = w.gateway, map[string]string{}
	w.billing.Gateways[gateway.TestName] = u
}

func TestHangingCallsDoNotKeepOtherChargesFromBeingBooked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := w.plan(1000, 0)
	const n = 20 // one job's
	for i := range n {
		w.sold(w.customer(fmt.Sprintf("c%d@example.test", i), "pm_card_visa", nil), plan)
	}
	w.setTime(w.time().AddDate(0, 1, 0))
	_, err := w.billing.BillDue(t.Context())
	require.NoError(t, err)
	first := w.count(`select min(id) from payment_attempt where status = 'OPEN'`)
	w.replaceGateway(&unresponsive{hangPrepare: fmt.Sprintf("attempt/%d", first), hangConfirm: fmt.Sprintf("attempt/%d", first+1)})
	var refs []billing.AttemptRef
	for id := first; id < first+n; id++ {
		refs = append(refs, billing.AttemptRef{MerchantID: w.caller.MerchantID, ID: id})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // the job's
	defer cancel()
	require.Error(t, w.billing.Charge(ctx, refs), "one of them is not even prepared")
	require.NoError(t, ctx.Err(), "a charge ends before its job does")
	require.EqualValues(t, n+n-1, w.count(`select count(*) from payment`), "the one without an answer was asked about")
	require.EqualValues(t, 1, w.count(`select count(*) from payment_attempt where status = 'OPEN'`))
}

func TestAChargeThatCannotBeBookedDoesNotKeepOthersFromBeingBooked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := w.plan(1000, 0)
	const n = 7
	var broken *billing.Subscription
	for i := range n {
		sub := w.sold(w.customer(fmt.Sprintf("c%d@example.test", i), "pm_card_visa", nil), plan)
		if i == n/2 {
			broken = sub
		}
	}
	w.setTime(w.time().AddDate(0, 1, 0))
	_, err := w.billing.BillDue(t.Context())
	require.NoError(t, err)
	change := func(status, from string) {
		tag, err := w.db.System().Exec(t.Context(), `update invoice set status = $1, closed_at = case when $1 <> 'OPEN' then created_at end
			where subscription_id = $2 and status = $3`, status, broken.ID, from)
		require.NoError(t, err)
		require.EqualValues(t, 1, tag.RowsAffected())
	}
	change("UNCOLLECTIBLE", "OPEN")
	first := w.count(`select min(id) from payment_attempt where status = 'OPEN'`)
	var refs []billing.AttemptRef
	for id := first; id < first+n; id++ {
		refs = append(refs, billing.AttemptRef{MerchantID: w.caller.MerchantID, ID: id})
	}
	for range 2 {
		require.ErrorContains(t, w.billing.Charge(t.Context(), refs), "were not open")
		require.EqualValues(t, n+n-1, w.count(`select count(*) from payment`))
		require.EqualValues(t, 1, w.count(`select count(*) from payment_attempt where status = 'OPEN'`))
		require.True(t, w.read(broken).Charging)
	}
	change("OPEN", "UNCOLLECTIBLE")
	require.NoError(t, w.billing.Charge(t.Context(), refs))
	require.EqualValues(t, n+n, w.count(`select count(*) from payment`))
	require.EqualValues(t, n+n, w.count(`select count(*) from test_gateway_charge where status = 'SUCCEEDED'`))
}

func TestAChargeIsBookedAlthoughItsCallerHasGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.sold(w.customer("ada@example.test", "pm_card_visa", nil), w.plan(1000, 0))
	w.setTime(*sub.CurrentPeriodEnd)
	_, err := w.billing.BillDue(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	w.replaceGateway(&unresponsive{whileConfirm: cancel})
	id := w.count(`select id from payment_attempt where status = 'OPEN'`)
	_ = w.billing.Charge(ctx, []billing.AttemptRef{{MerchantID: w.caller.MerchantID, ID: id}})
	w.billing.Gateways[gateway.TestName] = w.gateway
	w.chargeOpen()
	require.EqualValues(t, 2, w.count(`select count(*) from payment`))
	require.EqualValues(t, 2, w.count(`select count(*) from test_gateway_charge where status = 'SUCCEEDED'`))
}

func TestAChargeThatTheProviderRefusesToPrepareIsDeclined(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer := w.customer("ada@example.test", "pm_card_visa", nil)
	sub := w.sold(customer, w.plan(1999, 0))
	w.replaceGateway(&unresponsive{refuse: &gateway.Decline{Code: "resource_missing", Message: "no such payment method"}})
	w.setTime(*sub.CurrentPeriodEnd)
	w.runDue()
	require.Equal(t, billing.PastDue, w.read(sub).Status)
	require.True(t, w.read(sub).AwaitsNewCard)
	w.billing.Gateways[gateway.TestName] = w.gateway
	w.attach(customer, "pm_card_mastercard")
	require.Equal(t, billing.Active, w.read(sub).Status)
}

func TestACardAttachedDuringAChargeIsUsedAfterItsDecline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer := w.customer("ada@example.test", "pm_card_visa", nil)
	sub := w.sold(customer, w.plan(1999, 0))
	w.attach(customer, "pm_card_chargeCustomerFail")
	w.setTime(*sub.CurrentPeriodEnd)
	_, err := w.billing.BillDue(t.Context())
	require.NoError(t, err)
	w.attach(customer, "pm_card_visa") // the old card's charge has not been made yet
	w.chargeOpen()
	require.Equal(t, billing.PastDue, w.read(sub).Status)
	w.runDue()
	require.Equal(t, billing.Active, w.read(sub).Status)
}

func TestATrialAfterAFailedCheckoutIsChargedItsOwnPrice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer := w.customer("ada@example.test", "pm_card_chargeCustomerFail", nil)
	_, err := w.create(customer, w.plan(5000, 0))
	require.True(t, fault.Is(err, fault.CodePaymentFailed))
	w.attach(customer, "pm_card_visa")
	sub := w.sold(customer, w.plan(1999, 14))
	require.Equal(t, billing.Trialing, sub.Status)
	w.setTime(*sub.TrialEnd)
	w.runDue()
	require.Equal(t, *sub.TrialEnd, *w.read(sub).CurrentPeriodStart)
	require.EqualValues(t, 1999, w.count(`select sum(amount_minor) from payment`))
	require.Equal(t, []string{billing.InvoicePaid, billing.InvoiceVoid}, []string{w.invoices(sub)[0].Status, w.invoices(sub)[1].Status})
}

func TestATotalThatCannotBeBilledIsRefusedEvenOnTrial(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer := w.customer("ada@example.test", "pm_card_visa", nil)
	for _, seats := range []int32{2, 1_000_000} { // beyond what JavaScript holds exactly, and beyond what we do
		_, err := w.createFor(customer, w.plan(9007199254740991, 14), seats)
		require.True(t, fault.Is(err, fault.CodeInvalid), "%v", err)
	}
	require.Zero(t, w.count(`select count(*) from subscription`))
}

func TestALossOfAccessIsToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.db.System().Exec(t.Context(), `update merchant set dunning_days = '{0,3,10}'`)
	require.NoError(t, err)
	customer := w.customer("ada@example.test", "pm_card_visa", nil)
	suspended := w.sold(customer, w.plan(1999, 0))
	w.attach(customer, "pm_card_chargeCustomerFailInsufficientFunds")
	for _, days := range []int{0, 3, 8} {
		w.setTime(suspended.CurrentPeriodEnd.AddDate(0, 0, days))
		w.runDue()
	}
	require.True(t, w.read(suspended).Suspended, "the grace ended before dunning did")
	neverPaid, err := w.create(w.customer("bob@example.test", "pm_card_chargeCustomerFail", nil), w.plan(1999, 0))
	require.True(t, fault.Is(err, fault.CodePaymentFailed))
	for sub, told := range map[*billing.Subscription]int{suspended: 1, neverPaid: 0} {
		_, err = w.billing.Cancel(t.Context(), w.caller, billing.Cancel{SubscriptionID: sub.ID})
		require.NoError(t, err)
		require.Equal(t, told, countOf(w.events(sub), "subscription.canceled"))
		require.Equal(t, billing.InvoiceVoid, w.invoices(sub)[0].Status)
	}
}
