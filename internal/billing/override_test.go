package billing_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/money"
)

// limited makes a monthly plan with a limit of 50 employees.
func (w *world) limited() catalog.Plan {
	w.t.Helper()
	fifty := int64(50)
	plan, err := w.catalog.PlanCreate(w.t.Context(), w.caller, catalog.PlanCreate{
		Product: catalog.ProductRef{ID: &w.product.ID}, Name: "Pro", Tier: "pro",
		Features: []catalog.FeatureInput{{Name: "maxEmployees", Kind: catalog.FeatureLimit, Limit: &fifty}},
		Prices:   []catalog.PriceInput{{Interval: "MONTH", Money: money.Money{Minor: 0, Currency: "USD"}}},
	})
	require.NoError(w.t, err)
	return plan
}

func (w *world) override(sub *billing.Subscription, limit int64, end *time.Time) error {
	_, err := w.billing.OverrideFeatures(w.t.Context(), w.caller, billing.FeatureOverrides{
		SubscriptionID: sub.ID, Set: []catalog.OverrideInput{{Name: "maxEmployees", Kind: catalog.FeatureLimit, Limit: &limit, ExpiresAt: end}},
	})
	return err
}

// toldLimit is the limit in the newest event about a subscription, with its reason and when it happened.
func (w *world) toldLimit(sub *billing.Subscription) (limit int64, reason string, at time.Time) {
	w.t.Helper()
	var body []byte
	require.NoError(w.t, w.db.Tenant(w.caller.MerchantID).QueryRow(w.t.Context(), `
		select body, occurred_at from event where merchant_id = $1 and subscription_id = $2 order by sequence desc limit 1`,
		w.caller.MerchantID, sub.ID).Scan(&body, &at))
	var event struct {
		Data struct {
			Reason string
			Tier   struct{ Features struct{ MaxEmployees int64 } }
		}
	}
	require.NoError(w.t, json.Unmarshal(body, &event))
	return event.Data.Tier.Features.MaxEmployees, event.Data.Reason, at.UTC()
}

func (w *world) limit(sub *billing.Subscription) int64 {
	w.t.Helper()
	features, err := w.read(sub).Includes(w.time())
	require.NoError(w.t, err)
	return features.Limit("maxEmployees")
}

func TestAnOverrideIsToldWhenItBeginsAndWhenItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.sold(w.customer("ada@acorn.test", "", nil), w.limited())
	bystander := w.sold(w.customer("eve@acorn.test", "", nil), w.limited())
	require.NoError(t, w.override(bystander, 60, nil))
	end := w.time().Add(time.Hour)
	require.NoError(t, w.override(sub, 80, &end))
	limit, reason, _ := w.toldLimit(sub)
	require.Equal(t, int64(80), limit)
	require.Equal(t, "features_overridden", reason)
	before := w.events(sub)

	w.setTime(end.Add(-time.Microsecond))
	n, err := w.billing.EndDueOverrides(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, int64(80), w.limit(sub))
	w.setTime(end)
	require.Equal(t, int64(50), w.limit(sub), "it does not wait for the sweep")
	n, err = w.billing.EndDueOverrides(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	limit, reason, _ = w.toldLimit(sub)
	require.Equal(t, int64(50), limit)
	require.Equal(t, "feature_override_ended", reason)
	require.Equal(t, append(before, "subscription.updated"), w.events(sub))
	require.Zero(t, w.count(`select count(*) from subscription where override_end_at is not null`))
	require.Equal(t, int64(60), w.limit(bystander))
	n, err = w.billing.EndDueOverrides(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestAnOverrideSurvivesARenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.sold(w.customer("ada@acorn.test", "", nil), w.limited())
	require.NoError(t, w.override(sub, 80, nil))
	w.setTime(w.time().AddDate(0, 1, 0))
	w.runDue()
	limit, _, _ := w.toldLimit(sub)
	require.Equal(t, int64(80), limit)
	require.Equal(t, int64(80), w.limit(sub))
}

func TestOnATestClockAnOverrideEndsInItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clock, err := w.billing.CreateTestClock(t.Context(), w.caller, "clock", nil)
	require.NoError(t, err)
	sub := w.sold(w.customer("ada@acorn.test", "", &clock.ID), w.limited())
	start := w.time()
	end := start.Add(10 * 24 * time.Hour)
	require.NoError(t, w.override(sub, 80, &end))
	w.setTime(end.Add(time.Hour))
	n, err := w.billing.EndDueOverrides(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, int64(80), w.limit(sub), "the clock has not come there yet")
	w.setTime(start)
	_, err = w.billing.AdvanceTestClock(t.Context(), w.caller, clock.ID, start.Add(20*24*time.Hour))
	require.NoError(t, err)
	require.NoError(t, w.billing.AdvanceClock(t.Context(), billing.AdvanceClockArgs{MerchantID: w.caller.MerchantID, ClockID: clock.ID}))
	limit, reason, at := w.toldLimit(sub)
	require.Equal(t, int64(50), limit)
	require.Equal(t, "feature_override_ended", reason)
	require.Equal(t, end, at)
}

func TestAnEndedSubscriptionTakesNoOverrideAndForgetsItsOwnInSilence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.sold(w.customer("ada@acorn.test", "", nil), w.limited())
	end := w.time().Add(time.Hour)
	require.NoError(t, w.override(sub, 80, &end))
	_, err := w.billing.Cancel(t.Context(), w.caller, billing.Cancel{SubscriptionID: sub.ID})
	require.NoError(t, err)
	require.True(t, fault.Is(w.override(sub, 90, nil), fault.CodeConflict))
	told := w.events(sub)
	w.setTime(end)
	n, err := w.billing.EndDueOverrides(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, told, w.events(sub))
	require.Zero(t, w.count(`select count(*) from subscription where feature_overrides is not null`))
}
