package billing_test

import (
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/fault"
)

// live has the world act for the merchant that its sandbox belongs to, and the test gateway for live money.
func (w *world) live() {
	w.t.Helper()
	w.billing.LiveGateway = "test"
	var parent int64
	err := w.db.System().QueryRow(w.t.Context(), `select sandbox_of from merchant where id = $1`, w.caller.MerchantID).Scan(&parent)
	require.NoError(w.t, err)
	w.caller.MerchantID = parent
	w.product = w.newProduct(w.caller, "live")
}

func (w *world) status(merchantID int64) (status string) {
	w.t.Helper()
	require.NoError(w.t, w.db.System().QueryRow(w.t.Context(), `select status from merchant where id = $1`, merchantID).Scan(&status))
	return status
}

func (w *world) closeDue() int {
	w.t.Helper()
	closed, err := w.billing.CloseDue(w.t.Context())
	require.NoError(w.t, err)
	return closed
}

// told has every delivery made.
func (w *world) told() {
	w.t.Helper()
	_, err := w.db.System().Exec(w.t.Context(), `delete from webhook_delivery`)
	require.NoError(w.t, err)
}

func TestAMerchantWithoutSubscriptionsIsClosedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sandbox := w.caller
	w.live()
	_, err := w.billing.CloseMerchant(t.Context(), w.caller, billing.Close{Shop: "another"})
	require.True(t, fault.Is(err, fault.CodeInvalid), "%v", err)
	merchant, err := w.billing.CloseMerchant(t.Context(), w.caller, billing.Close{Shop: "acorn"})
	require.NoError(t, err)
	require.Equal(t, account.MerchantClosed, merchant.Status)
	require.Equal(t, account.MerchantClosed, w.status(sandbox.MerchantID))
}

func TestRunningSubscriptionsComeFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sandbox := w.caller
	played := w.sold(w.customer("player@acorn.test", "pm_card_visa", nil), w.plan(1000, 0))
	w.live()
	plan := w.plan(1000, 0)
	sub := w.sold(w.customer("ada@acorn.test", "pm_card_visa", nil), plan)
	late := w.customer("late@acorn.test", "pm_card_visa", nil)
	w.told()

	_, err := w.billing.CloseMerchant(t.Context(), w.caller, billing.Close{Shop: "acorn"})
	require.True(t, fault.Is(err, fault.CodeConflict), "%v", err)
	require.ErrorContains(t, err, "1 in number")
	require.Equal(t, account.MerchantOpen, w.status(w.caller.MerchantID))
	require.Zero(t, w.closeDue())
	require.False(t, w.read(sub).CancelAtPeriodEnd)

	for range 2 {
		merchant, err := w.billing.CloseMerchant(t.Context(), w.caller, billing.Close{Shop: "acorn", CancelSubscriptions: true})
		require.NoError(t, err)
		require.Equal(t, account.MerchantClosing, merchant.Status)
	}
	_, err = w.create(late, plan)
	require.True(t, fault.Is(err, fault.CodeConflict), "%v", err)
	require.Zero(t, w.closeDue())
	require.Zero(t, w.closeDue(), "again")
	sub = w.read(sub)
	require.Equal(t, billing.Active, sub.Status, "what was paid for is not taken away")
	require.True(t, sub.CancelAtPeriodEnd)
	require.Equal(t, "merchant closed", *sub.CancelReason)
	require.Equal(t, []string{"invoice.created", "payment.succeeded", "subscription.created", "subscription.updated"}, slices.Sorted(slices.Values(w.events(sub))))
	w.caller, sandbox = sandbox, w.caller
	require.Equal(t, billing.Canceled, w.read(played).Status, "a sandbox has nothing to wait for")
	w.caller = sandbox

	w.setTime(*sub.CurrentPeriodEnd)
	w.runDue()
	require.Equal(t, billing.Canceled, w.read(sub).Status)
	require.Equal(t, 2, w.closeDue())
	require.Equal(t, account.MerchantClosed, w.status(w.caller.MerchantID))
}

func TestAMerchantIsClosedWhenItsEndpointsHaveBeenTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.db.System().Exec(t.Context(), `
		insert into webhook_endpoint (merchant_id, url, secret_cipher, event_types, created_at)
		select id, 'https://acorn.test', decode(repeat('00', 29), 'hex'), '{subscription.canceled}', created_at from merchant where id = $1`, w.caller.MerchantID)
	require.NoError(t, err)
	sub := w.sold(w.customer("ada@acorn.test", "pm_card_visa", nil), w.plan(1000, 0))
	handle := ""
	require.NoError(t, w.db.System().QueryRow(t.Context(), `select shop from merchant where id = $1`, w.caller.MerchantID).Scan(&handle))
	_, err = w.billing.CloseMerchant(t.Context(), w.caller, billing.Close{Shop: handle, CancelSubscriptions: true})
	require.NoError(t, err)
	require.Zero(t, w.closeDue(), "the endpoint has not heard of the end yet")
	require.Equal(t, billing.Canceled, w.read(sub).Status)
	w.told()
	require.Equal(t, 1, w.closeDue(), "the sandbox alone")
	require.EqualValues(t, 0, w.count(`select count(*) from webhook_endpoint where status = 'ENABLED'`))
	require.EqualValues(t, 0, w.count(`select count(*) from api_key where revoked_at is null and merchant_id = $1`, w.caller.MerchantID))
}

func TestNothingIsSoldByAMerchantThatWasClosedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	handle := ""
	require.NoError(t, w.db.System().QueryRow(t.Context(), `select shop from merchant where id = $1`, w.caller.MerchantID).Scan(&handle))
	plan := w.plan(0, 0)
	var customers []account.Customer
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		customers = append(customers, w.customer(name+"@acorn.test", "", nil))
	}
	var done sync.WaitGroup
	for i, customer := range customers {
		done.Go(func() {
			if i == len(customers)/2 {
				_, _ = w.billing.CloseMerchant(t.Context(), w.caller, billing.Close{Shop: handle})
			}
			_, _ = w.create(customer, plan)
		})
	}
	done.Wait()
	closed := w.status(w.caller.MerchantID) == account.MerchantClosed
	live := w.count(`select count(*) from subscription where status = 'ACTIVE'`)
	require.NotEqual(t, closed, live > 0, "closed: %t, live subscriptions: %d", closed, live)
}

func TestASubscriptionThatCannotBeCanceledDoesNotKeepTheOthersFromIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := w.plan(1000, 0)
	bad := w.sold(w.customer("bad@acorn.test", "pm_card_visa", nil), plan)
	good := w.sold(w.customer("good@acorn.test", "pm_card_visa", nil), plan)
	for _, sql := range []string{
		`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$`,
		`create trigger refuse before update on subscription for each row
			when (old.id = ` + strconv.FormatInt(bad.ID, 10) + ` and new.ended_at is not null) execute function refuse()`,
	} {
		_, err := w.db.System().Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	_, err := w.db.System().Exec(t.Context(), `update merchant set status = 'CLOSING' where id = $1`, w.caller.MerchantID)
	require.NoError(t, err)
	w.setTime(w.time().Add(time.Minute))
	require.Zero(t, w.closeDue())
	require.Equal(t, billing.Canceled, w.read(good).Status)
	require.NotNil(t, w.read(bad).QuarantineReason)
}
