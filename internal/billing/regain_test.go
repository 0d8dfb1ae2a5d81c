package billing_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/billing"
)

// reasons are in the newest event of a type about a subscription.
type reasons struct{ Reason, CancelReason string }

func (w *world) reasonOf(sub *billing.Subscription, kind string) string {
	return w.reasonsOf(sub, kind).Reason
}

func (w *world) reasonsOf(sub *billing.Subscription, kind string) reasons {
	w.t.Helper()
	var body []byte
	require.NoError(w.t, w.db.System().QueryRow(w.t.Context(), `select body from event where subscription_id = $1 and type = $2
		order by sequence desc limit 1`, sub.ID, kind).Scan(&body))
	var read struct{ Data reasons }
	require.NoError(w.t, json.Unmarshal(body, &read))
	return read.Data
}

func TestACustomerWhoIsWonBackIsARegainOfAccess(t *testing.T) {
	t.Parallel()
	for name, plan := range map[string]struct {
		minor int64
		card  string
	}{"by paying": {1999, "pm_card_visa"}, "for nothing": {0, ""}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ada, pro := w.customer("ada@example.test", plan.card, nil), w.plan(plan.minor, 0)
			first := w.sold(ada, pro)
			require.NotContains(t, w.events(first), "subscription.renewed", "nobody had lost anything")
			_, err := w.billing.Cancel(t.Context(), w.caller, billing.Cancel{SubscriptionID: first.ID})
			require.NoError(t, err)
			second := w.sold(ada, pro)
			require.Contains(t, w.events(second), "subscription.created")
			require.Contains(t, w.events(second), "subscription.renewed")
			require.Equal(t, "won_back", w.reasonOf(second, "subscription.renewed"))
			require.NotContains(t, w.events(w.sold(w.customer("bob@example.test", plan.card, nil), pro)), "subscription.renewed", "nor had he")
		})
	}
}

func TestACheckoutThatWasNeverPaidIsNoLossToComeBackFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, pro := w.customer("ada@example.test", "pm_card_chargeCustomerFail", nil), w.plan(1999, 0)
	_, err := w.create(ada, pro)
	require.Error(t, err)
	w.setTime(w.time().AddDate(0, 0, 2))
	w.runDue()
	w.attach(ada, "pm_card_visa")
	require.NotContains(t, w.events(w.sold(ada, pro)), "subscription.renewed")
}

func TestALatePaymentSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.customer("ada@example.test", "pm_card_visa", nil)
	sub := w.sold(ada, w.plan(1999, 0))
	w.attach(ada, "pm_card_chargeCustomerFail")
	w.setTime(*sub.CurrentPeriodEnd)
	w.runDue()
	require.Equal(t, billing.PastDue, w.read(sub).Status)
	w.attach(ada, "pm_card_visa")
	w.chargeOpen()
	require.Equal(t, "paid_late", w.reasonOf(sub, "subscription.renewed"))
}
