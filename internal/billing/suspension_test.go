package billing_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/fault"
)

var operator = account.Caller{Kind: account.KindOperator, OperatorID: 1}

func TestSubscriptionsOfASuspendedMerchantWaitAndThenGoOnPeriodByPeriod(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan, trial := w.plan(1999, 0), w.newProduct(w.caller, "tried")
	renewing := w.sold(w.customer("ada@acorn.test", "pm_card_visa", nil), plan)
	leaving := w.sold(w.customer("bob@acorn.test", "pm_card_visa", nil), plan)
	_, err := w.billing.Cancel(t.Context(), w.caller, billing.Cancel{SubscriptionID: leaving.ID, AtPeriodEnd: true})
	require.NoError(t, err)
	w.product = trial
	unpaid := w.sold(w.customer("eve@acorn.test", "", nil), w.plan(500, 14))

	suspended := w.caller
	w.caller = w.sandbox("Birch")
	w.product = w.newProduct(w.caller, "birch")
	neighbour := w.sold(w.customer("zoe@birch.test", "pm_card_visa", nil), w.plan(1999, 0))
	birch := w.caller
	_, err = w.accounts.MerchantSuspend(t.Context(), operator, suspended.MerchantID, "Fraud")
	require.NoError(t, err)

	w.setTime(time.Date(2026, time.April, 1, 0, 0, 0, 0, time.UTC))
	for range 4 {
		w.runDue()
	}
	require.Len(t, w.invoices(neighbour), 3, "others are renewed, though later in the list")
	w.caller = suspended
	for _, sub := range []*billing.Subscription{renewing, leaving, unpaid} {
		again := w.read(sub)
		require.True(t, again.Live())
		require.Equal(t, sub.CurrentPeriodEnd, again.CurrentPeriodEnd)
	}
	require.Len(t, w.invoices(renewing), 1)
	require.EqualValues(t, 3, w.count(`select count(*) from subscription where held`), "the sweeps need not read past them again")

	_, err = w.accounts.MerchantReinstate(t.Context(), operator, suspended.MerchantID)
	require.NoError(t, err)
	require.Zero(t, w.count(`select count(*) from subscription where held`))
	w.runDue()
	require.Len(t, w.invoices(renewing), 2)
	require.Equal(t, billing.Canceled, w.read(leaving).Status)
	require.Equal(t, billing.Expired, w.read(unpaid).Status)
	w.runDue()
	require.Len(t, w.invoices(renewing), 3)
	w.runDue()
	require.Len(t, w.invoices(renewing), 3)
	require.True(t, w.read(renewing).CurrentPeriodEnd.Equal(time.Date(2026, time.April, 30, 9, 30, 0, 0, time.UTC)))
	w.caller = birch
	require.Len(t, w.invoices(neighbour), 3)
}

func TestWhatASweepClaimsWhileTheMerchantIsReinstatedIsNotHeldForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.sold(w.customer("ada@acorn.test", "pm_card_visa", nil), w.plan(1999, 0))
	_, err := w.accounts.MerchantSuspend(t.Context(), operator, w.caller.MerchantID, "Fraud")
	require.NoError(t, err)
	err = w.db.System().Tx(t.Context(), func(tx pgx.Tx) error {
		lane := int16(w.caller.MerchantID % 8)
		due, err := w.db.LockDueBills(t.Context(), tx, db.LockDueBillsParams{Lane: lane, Now: *sub.CurrentPeriodEnd, Batch: 10})
		require.NoError(t, err)
		require.Equal(t, []db.LockDueBillsRow{{MerchantID: sub.MerchantID, ID: sub.ID, Suspended: true}}, due)
		_, err = w.accounts.MerchantReinstate(t.Context(), operator, w.caller.MerchantID)
		require.NoError(t, err)
		held, err := w.db.HoldSubscriptions(t.Context(), tx, db.HoldSubscriptionsParams{MerchantIds: []int64{sub.MerchantID}, Ids: []int64{sub.ID}})
		require.Zero(t, held)
		return err
	})
	require.NoError(t, err)
	w.setTime(*sub.CurrentPeriodEnd)
	w.runDue()
	require.Len(t, w.invoices(sub), 2)
}

func TestAChargeThatWasUnderWayAtASuspensionIsBooked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.sold(w.customer("ada@acorn.test", "pm_card_visa", nil), w.plan(1999, 0))
	w.setTime(*sub.CurrentPeriodEnd)
	_, err := w.billing.BillDue(t.Context())
	require.NoError(t, err)
	_, err = w.accounts.MerchantSuspend(t.Context(), operator, w.caller.MerchantID, "Fraud")
	require.NoError(t, err)
	w.chargeOpen()
	require.True(t, w.read(sub).CurrentPeriodEnd.After(*sub.CurrentPeriodEnd))
}

func TestABatchThatFailsLeavesTheSuspendedOutAsWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := w.plan(1999, 0)
	bad := w.sold(w.customer("ada@acorn.test", "pm_card_visa", nil), plan)
	w.invoiceNextPeriod(bad)
	held := w.caller
	w.caller = w.sandbox("Birch")
	w.product = w.newProduct(w.caller, "birch")
	good := w.sold(w.customer("zoe@birch.test", "pm_card_visa", nil), w.plan(1999, 0))
	_, err := w.accounts.MerchantSuspend(t.Context(), operator, held.MerchantID, "Fraud")
	require.NoError(t, err)
	w.setTime(*good.CurrentPeriodEnd)
	w.runDue()
	require.Len(t, w.invoices(good), 2)
	require.Zero(t, w.count(`select count(*) from subscription where quarantine_reason is not null`))
}

func TestAnArchivedProductIsNotSold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := w.plan(1999, 0)
	sub := w.sold(w.customer("ada@acorn.test", "pm_card_visa", nil), plan)
	_, err := w.catalog.ProductArchive(t.Context(), w.caller, w.product.ID)
	require.NoError(t, err)
	_, err = w.create(w.customer("bob@acorn.test", "pm_card_visa", nil), plan)
	require.True(t, fault.Is(err, fault.CodeConflict), "%v", err)
	w.setTime(*sub.CurrentPeriodEnd)
	w.runDue()
	require.Len(t, w.invoices(sub), 2, "what has been sold goes on")
}
