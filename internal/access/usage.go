package access

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"portico/db"
	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
)

const (
	// rememberUsage is for how long a record of usage is recognised by its id.
	rememberUsage   = 35 * 24 * time.Hour
	retireBatch     = 10_000
	maxUsageID      = 255
	maxFeatureName  = 64
	usageRecordKey  = "usage_record_key"
	uniqueViolation = "23505"
)

// Usage is how much of a limit a customer uses of a product.
type Usage struct {
	Customer account.CustomerRef
	Product  catalog.ProductRef
	Feature  string
	Quantity int64
	ID       *string // the caller's own, so that a repetition is not counted again
}

// RecordUsage adds the quantity to the stored usage of a limit of the subscription that gives the customer access, unless the usage would
// exceed the limit: then nothing is counted, and PLAN_LIMIT_REACHED. A negative quantity gives back, down to 0 at least. Usage is the
// subscription's, whoever of its company uses it, and that of its current period for a limit that is reset with the period.
//
// The check says what is used now and what the limit is, Allowed that the quantity was counted; it is there with every error that has to do
// with the limit. A repetition of an ID within 35 days, for the same subscription and feature, gets the same answer and is not
// counted again; with another quantity it is a CONFLICT. What was refused is judged anew.
func (a *Access) RecordUsage(ctx context.Context, caller account.Caller, in Usage) (LimitCheck, error) {
	return a.use(ctx, caller, in, false)
}

// SetUsage is RecordUsage for a quantity that is the usage, and not what is added to it. What is less than before is always
// counted.
func (a *Access) SetUsage(ctx context.Context, caller account.Caller, in Usage) (LimitCheck, error) {
	return a.use(ctx, caller, in, true)
}

func (a *Access) use(ctx context.Context, caller account.Caller, in Usage, absolute bool) (LimitCheck, error) {
	if err := in.check(absolute); err != nil {
		return LimitCheck{}, err
	}
	decision, err := a.CheckUsage(ctx, caller, in.Customer, in.Product)
	if err != nil {
		return LimitCheck{}, err
	}
	check := decision.Limit(in.Feature, decision.Used(in.Feature))
	if err := decision.refuses(in.Feature); err != nil {
		return check, err
	}
	counted, err := a.count(ctx, decision, in, absolute)
	if err != nil {
		return LimitCheck{}, err
	}
	check.Current, check.Allowed, check.Error = counted.Used, true, nil
	switch {
	case counted.Absolute != absolute || counted.Quantity != in.Quantity:
		return LimitCheck{}, fault.New(fault.CodeConflict, "id", "has been used by %s with the quantity %d", callOf(counted.Absolute), counted.Quantity)
	case !counted.Counted:
		sentence := fmt.Sprintf("The plan allows %d for %s, and %d are used.", check.Limit, in.Feature, check.Current)
		check.Allowed, check.Error = false, &sentence
		return check, refusal(fault.CodePlanLimitReached, "quantity", decision.UpgradeURL,
			"exceeds the limit: the plan allows %d for %s, and %d are used", check.Limit, in.Feature, check.Current)
	}
	return check, nil
}

func (in *Usage) check(absolute bool) error {
	var check fault.Check
	switch {
	case in.Feature == "":
		check.Add(fault.Required("feature"))
	case len(in.Feature) > maxFeatureName || !storable(in.Feature):
		check.Add(fault.Invalid("feature", "must be the name of a feature: up to %d letters, digits and underscores", maxFeatureName))
	}
	switch {
	case absolute && (in.Quantity < 0 || in.Quantity > catalog.Unlimited):
		check.Add(fault.Invalid("quantity", "must be between 0 and %d", catalog.Unlimited))
	case in.Quantity < -catalog.Unlimited || in.Quantity > catalog.Unlimited:
		check.Add(fault.Invalid("quantity", "must be between %d and %d", -catalog.Unlimited, catalog.Unlimited))
	}
	if in.ID != nil && (*in.ID == "" || utf8.RuneCountInString(*in.ID) > maxUsageID || !storable(*in.ID)) {
		check.Add(fault.Invalid("id", "must be text of 1 to %d characters", maxUsageID))
	}
	return check.Err()
}

// storable tells whether Postgres takes a text.
func storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// refuses says why nothing can be counted at all.
func (d Decision) refuses(feature string) error {
	switch {
	case d.Reason == CustomerNotFound:
		return fault.NotFound("customer", "customer")
	case !d.Allowed:
		return noAccess(d)
	}
	switch kind := d.Features.Named(feature).Kind; kind {
	case catalog.FeatureLimit, catalog.FeatureUnlimited:
		return nil
	case "":
		return refusal(fault.CodeFeatureNotInPlan, "feature", d.UpgradeURL, "is not in the plan: it has nothing of the name %s", feature)
	default:
		return refusal(fault.CodeFeatureNotInPlan, "feature", d.UpgradeURL, "is no limit of the plan: %s is a %s, of which nothing is counted", feature, kind)
	}
}

// noAccess is NO_ACTIVE_SUBSCRIPTION: what is asked for needs access.
func noAccess(d Decision) error {
	sentence := "the customer has no active subscription for this product"
	if d.Reason == SeatNotAssigned {
		sentence = d.refused()
	}
	return refusal(fault.CodeNoActiveSubscription, "", d.UpgradeURL, "%s", sentence)
}

func refusal(code fault.Code, field, url, format string, args ...any) error {
	refused := fault.New(code, field, format, args...)
	refused.URL = url
	return refused
}

// callOf is the mutation that counts so.
func callOf(absolute bool) string {
	if absolute {
		return "usageSet"
	}
	return "usageRecord"
}

// count counts in one statement. Whoever comes with an id at the same time as another asks twice, as the first answer may be that the
// other was quicker.
func (a *Access) count(ctx context.Context, d Decision, in Usage, absolute bool) (db.CountUsageRow, error) {
	feature := d.Features.Named(in.Feature)
	params := db.CountUsageParams{
		MerchantID: d.merchantID, SubscriptionID: *d.row.SubscriptionID, Feature: in.Feature, Quantity: in.Quantity, Absolute: absolute,
		Allowed: feature.Limit, PeriodStart: periodOf(feature, d.row.CurrentPeriodStart), Key: rand.Text(), Now: a.Now(),
	}
	if in.ID != nil {
		params.Key = *in.ID
	}
	counted, err := a.DB.CountUsage(ctx, a.DB.Tenant(d.merchantID), params)
	if again := isRepetition(err) || (err == nil && !counted.Counted); again && in.ID != nil {
		counted, err = a.DB.CountUsage(ctx, a.DB.Tenant(d.merchantID), params)
	}
	if err != nil {
		return counted, fmt.Errorf("count usage: %w", err)
	}
	return counted, nil
}

func isRepetition(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == uniqueViolation && pgErr.ConstraintName == usageRecordKey
}

// periodOf is the start of the period that usage counts in, the year 1 where usage is never reset.
func periodOf(feature catalog.Feature, current *time.Time) time.Time {
	if feature.Reset == catalog.ResetPeriod && current != nil {
		return *current
	}
	return time.Time{}
}

// SubscriptionRef names a subscription among all merchants.
type SubscriptionRef struct{ MerchantID, ID int64 }

// UsageOf is the stored usage of the named subscriptions, which the caller has read before: by the subscription's id and the feature, for
// the features that they include.
func (a *Access) UsageOf(ctx context.Context, features map[SubscriptionRef]catalog.Features) (map[int64]map[string]int64, error) {
	var params db.UsageOfSubscriptionsParams
	byID := make(map[int64]catalog.Features, len(features))
	for ref, included := range features {
		params.MerchantIds, params.Ids = append(params.MerchantIds, ref.MerchantID), append(params.Ids, ref.ID)
		byID[ref.ID] = included
	}
	tenant := slices.Compact(slices.Sorted(slices.Values(params.MerchantIds)))
	rows, err := a.DB.UsageOfSubscriptions(ctx, a.DB.Tenant(tenant...), params)
	if err != nil {
		return nil, fmt.Errorf("read usage of subscriptions: %w", err)
	}
	used := make(map[int64]map[string]int64, len(features))
	for _, row := range rows {
		c := counter{row.Feature, row.Lifetime, row.Used}
		if !c.counts(byID[row.SubscriptionID].Named(c.Feature)) {
			continue
		}
		if used[row.SubscriptionID] == nil {
			used[row.SubscriptionID] = map[string]int64{}
		}
		used[row.SubscriptionID][c.Feature] = c.Used
	}
	return used, nil
}

// RetireUsage forgets the records that are too old for a repetition. What is used stays.
func (a *Access) RetireUsage(ctx context.Context) error {
	for n := int64(retireBatch); n == retireBatch; {
		var err error
		n, err = a.DB.ForgetUsageRecords(ctx, a.DB.System(), db.ForgetUsageRecordsParams{
			Before: a.Now().Add(-rememberUsage), Lim: retireBatch,
		})
		if err != nil {
			return fmt.Errorf("forget records of usage: %w", err)
		}
	}
	return nil
}

// counter is the usage of a feature in the current period of the subscription, or for its lifetime.
type counter struct {
	Feature  string `json:"feature"`
	Lifetime bool   `json:"lifetime"`
	Used     int64  `json:"used"`
}

// counts tells whether it is this counter that a feature has now.
func (c counter) counts(feature catalog.Feature) bool {
	return c.Feature == feature.Name && feature.Counts() && c.Lifetime == (feature.Reset != catalog.ResetPeriod)
}

func readUsage(column json.RawMessage, features catalog.Features) (map[string]int64, error) {
	if len(column) == 0 {
		return nil, nil
	}
	var counters []counter
	if err := json.Unmarshal(column, &counters); err != nil {
		return nil, fmt.Errorf("read usage: %w", err)
	}
	used := make(map[string]int64, len(counters))
	for _, c := range counters {
		if c.counts(features.Named(c.Feature)) {
			used[c.Feature] = c.Used
		}
	}
	return used, nil
}
