package billing_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/billing"
)

func (w *world) remind() int {
	w.t.Helper()
	n, err := w.billing.RemindDue(w.t.Context())
	require.NoError(w.t, err)
	return n
}

func (w *world) toldOfTrial(sub *billing.Subscription) int {
	w.t.Helper()
	return countOf(w.events(sub), "subscription.trial_ending")
}

func TestTheEndOfATrialIsAnnouncedOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		days  int32
		ahead time.Duration
	}{
		"two weeks":  {14, 72 * time.Hour},
		"four days":  {4, 72 * time.Hour},
		"three days": {3, 24 * time.Hour},
		"a day":      {1, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			sub := w.sold(w.customer("ada@example.test", "pm_card_visa", nil), w.plan(1999, c.days))
			if c.days > 1 {
				w.setTime(sub.TrialEnd.Add(-c.ahead - time.Second))
				require.Zero(t, w.remind())
			}
			w.setTime(sub.TrialEnd.Add(-c.ahead))
			require.Equal(t, 1, w.remind())
			require.Zero(t, w.remind())
			require.Equal(t, 1, w.toldOfTrial(sub))

			canceled, err := w.billing.Cancel(t.Context(), w.caller, billing.Cancel{SubscriptionID: sub.ID, AtPeriodEnd: true})
			require.NoError(t, err)
			require.Nil(t, canceled.RemindAt, "it has been announced, whatever changes until then")
			_, err = w.billing.Uncancel(t.Context(), w.caller, sub.ID)
			require.NoError(t, err)
			w.setTime(sub.TrialEnd.Add(time.Minute))
			w.runDue()
			require.Equal(t, billing.Active, w.read(sub).Status)
			require.Zero(t, w.remind())
			require.Equal(t, 1, w.toldOfTrial(sub))
		})
	}
}

func TestATrialThatIsOverIsNotAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.sold(w.customer("ada@example.test", "pm_card_visa", nil), w.plan(1999, 14))
	_, err := w.billing.Cancel(t.Context(), w.caller, billing.Cancel{SubscriptionID: sub.ID})
	require.NoError(t, err)
	paid := w.sold(w.customer("bob@example.test", "pm_card_visa", nil), w.plan(1999, 0))
	w.setTime(sub.TrialEnd.Add(-time.Hour))
	require.Zero(t, w.remind())
	require.Nil(t, w.read(paid).RemindAt)

	// As a release that knows of no reminders would leave it.
	_, err = w.db.System().Exec(t.Context(), `update subscription set remind_at = $1 where id = $2`, w.time(), paid.ID)
	require.NoError(t, err)
	require.Equal(t, 1, w.remind())
	require.Nil(t, w.read(paid).RemindAt)
	require.Zero(t, w.toldOfTrial(sub)+w.toldOfTrial(paid))
}

func TestASuspendedMerchantIsNotReminded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.sold(w.customer("ada@example.test", "pm_card_visa", nil), w.plan(1999, 14))
	operator := account.Caller{Kind: account.KindOperator, TOTP: true}
	_, err := w.accounts.MerchantSuspend(t.Context(), operator, w.caller.MerchantID, "Fraud")
	require.NoError(t, err)
	w.setTime(sub.TrialEnd.Add(-time.Hour))
	require.Zero(t, w.remind())
	require.Zero(t, w.toldOfTrial(sub))
	_, err = w.accounts.MerchantReinstate(t.Context(), operator, w.caller.MerchantID)
	require.NoError(t, err)
	require.Equal(t, 1, w.remind())
	require.Equal(t, 1, w.toldOfTrial(sub))
}

func TestAClockAnnouncesTheEndOfATrialBeforeItComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	clock, err := w.billing.CreateTestClock(ctx, w.caller, "trials", nil)
	require.NoError(t, err)
	sub := w.sold(w.customer("ada@example.test", "pm_card_visa", &clock.ID), w.plan(1999, 14))
	w.setTime(w.time().AddDate(1, 0, 0))
	require.Zero(t, w.remind(), "the sweep leaves clocked rows to their clock")
	_, err = w.billing.AdvanceTestClock(ctx, w.caller, clock.ID, sub.TrialEnd.AddDate(0, 0, 1))
	require.NoError(t, err)
	require.NoError(t, w.billing.AdvanceClock(ctx, billing.AdvanceClockArgs{MerchantID: w.caller.MerchantID, ClockID: clock.ID}))
	require.Equal(t, []string{"subscription.created", "subscription.trial_ending", "invoice.created", "subscription.renewed", "payment.succeeded"}, w.events(sub))
	require.EqualValues(t, 1, w.count(`select count(*) from event where subscription_id = $1 and type = 'subscription.trial_ending' and occurred_at = $2`,
		sub.ID, sub.TrialEnd.Add(-72*time.Hour)), "on its day")
}
