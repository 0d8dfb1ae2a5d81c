package access

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
)

// counted is a shop whose customer has an active subscription of ten seats in the period that began at piDay, with two limits: 50
// employees, and 3 exports in a period.
func counted(t *testing.T) (s *shop, subscription int64) {
	t.Helper()
	s = newShop(t, newAccess(t), "acme")
	s.exec(`update plan set features = features || '{"exports": {"kind": "LIMIT", "limit": 3, "reset": "PERIOD"}}'`)
	customer, personal := s.person()
	id := s.subscribe(activeFor(customer, personal))
	s.period(id, piDay)
	return s, id
}

func activeFor(customer, company int64) subscription {
	return subscription{company: company, customer: customer, status: "ACTIVE"}
}

func (s *shop) period(subscription int64, start time.Time) {
	s.t.Helper()
	s.exec(`update subscription set current_period_start = $2, current_period_end = $3 where id = $1`, subscription, start, start.AddDate(0, 1, 0))
}

func (s *shop) record(feature string, quantity int64, id ...string) (LimitCheck, error) {
	return s.a.RecordUsage(s.t.Context(), s.caller, usage(feature, quantity, id...))
}

func (s *shop) set(feature string, quantity int64, id ...string) (LimitCheck, error) {
	return s.a.SetUsage(s.t.Context(), s.caller, usage(feature, quantity, id...))
}

func usage(feature string, quantity int64, id ...string) Usage {
	in := Usage{Customer: ada, Product: payroll, Feature: feature, Quantity: quantity}
	if len(id) > 0 {
		in.ID = &id[0]
	}
	return in
}

// used is the stored usage as access gives it.
func (s *shop) used(feature string) int64 {
	s.t.Helper()
	decision, err := s.a.CheckUsage(s.t.Context(), s.caller, ada, payroll)
	require.NoError(s.t, err)
	return decision.Used(feature)
}

func TestUsageIsAddedUpToTheLimit(t *testing.T) {
	t.Parallel()
	s, _ := counted(t)
	for _, step := range []struct {
		sentence   string
		do         func(string, int64, ...string) (LimitCheck, error)
		quantity   int64
		wantRefuse bool
		used       int64
	}{
		{"usage below the limit is counted", s.record, 48, false, 48},
		{"what would exceed the limit is not", s.record, 3, true, 48},
		{"the limit itself can be used", s.record, 2, false, 50},
		{"and nothing more", s.record, 1, true, 50},
		{"nothing is nothing", s.record, 0, false, 50},
		{"some is given back", s.record, -5, false, 45},
		{"never more than there is", s.record, -500, false, 0},
		{"usage can be set", s.set, 50, false, 50},
		{"not beyond the limit", s.set, 51, true, 50},
		{"back to nothing", s.set, 0, false, 0},
	} {
		check, err := step.do("maxEmployees", step.quantity)
		require.Equal(t, !step.wantRefuse, check.Allowed, step.sentence)
		require.Equal(t, step.used, check.Current, step.sentence)
		require.Equal(t, int64(50), check.Limit)
		require.Equal(t, "https://portal.example/portal/acme/payroll", check.UpgradeURL)
		require.Equal(t, step.used, s.used("maxEmployees"), step.sentence)
		if !step.wantRefuse {
			require.NoError(t, err, step.sentence)
			require.Nil(t, check.Error)
			continue
		}
		require.True(t, fault.Is(err, fault.CodePlanLimitReached), step.sentence)
		require.Equal(t, check.UpgradeURL, fault.List(err)[0].URL)
		sentence := fmt.Sprintf("he plan allows 50 for maxEmployees, and %d are used", step.used)
		require.Equal(t, "T"+sentence+".", *check.Error)
		require.Equal(t, "exceeds the limit: t"+sentence, fault.List(err)[0].Message)
	}
}

func TestAFirstUsageBeyondTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := counted(t)
	check, err := s.record("exports", 4)
	require.True(t, fault.Is(err, fault.CodePlanLimitReached))
	require.Zero(t, check.Current)
	check, err = s.record("exports", -4)
	require.NoError(t, err)
	require.Zero(t, check.Current)
}

func TestAfterADowngradeUsageCanOnlyShrink(t *testing.T) {
	t.Parallel()
	s, _ := counted(t)
	_, err := s.set("maxEmployees", 40)
	require.NoError(t, err)
	s.exec(`update plan set features = jsonb_set(features, '{maxEmployees,limit}', '10')`)
	_, err = s.record("maxEmployees", 1)
	require.True(t, fault.Is(err, fault.CodePlanLimitReached))
	_, err = s.set("maxEmployees", 41)
	require.True(t, fault.Is(err, fault.CodePlanLimitReached))
	check, err := s.set("maxEmployees", 39)
	require.NoError(t, err)
	require.Equal(t, LimitCheck{Allowed: true, Limit: 10, Current: 39, UpgradeURL: check.UpgradeURL}, check)
	check, err = s.record("maxEmployees", -1)
	require.NoError(t, err)
	require.Equal(t, int64(38), check.Current)
}

func TestAHundredCallersNeverExceedTheLimitTogether(t *testing.T) {
	t.Parallel()
	s, _ := counted(t)
	_, err := s.set("maxEmployees", 3)
	require.NoError(t, err)
	var all sync.WaitGroup
	var accepted, refused atomic.Int64
	for range 100 {
		all.Go(func() {
			check, err := s.record("maxEmployees", 1)
			switch {
			case err == nil && check.Current <= 50:
				accepted.Add(1)
			case fault.Is(err, fault.CodePlanLimitReached) && check.Current == 50:
				refused.Add(1)
			}
		})
	}
	all.Wait()
	require.Equal(t, []int64{47, 53}, []int64{accepted.Load(), refused.Load()})
	require.Equal(t, int64(50), s.used("maxEmployees"))
}

func TestTheFirstCallersOfALimitCountTogether(t *testing.T) {
	t.Parallel()
	s, _ := counted(t)
	var all sync.WaitGroup
	var accepted atomic.Int64
	for range 20 {
		all.Go(func() {
			if _, err := s.record("exports", 1); err == nil {
				accepted.Add(1)
			}
		})
	}
	all.Wait()
	require.Equal(t, int64(3), accepted.Load())
	require.Equal(t, int64(3), s.used("exports"))
}

func TestARepetitionIsNotCountedAgain(t *testing.T) {
	t.Parallel()
	s, _ := counted(t)
	first, err := s.record("exports", 2, "order-1")
	require.NoError(t, err)
	_, err = s.record("exports", 1, "order-2")
	require.NoError(t, err)
	again, err := s.record("exports", 2, "order-1")
	require.NoError(t, err)
	require.Equal(t, first, again, "the same answer, also now that there is no room any more")
	require.Equal(t, int64(3), s.used("exports"))

	_, err = s.record("exports", 1, "order-1")
	require.True(t, fault.Is(err, fault.CodeConflict))
	require.EqualError(t, err, "id: has been used by usageRecord with the quantity 2")
	_, err = s.set("exports", 2, "order-1")
	require.True(t, fault.Is(err, fault.CodeConflict))
	_, err = s.record("maxEmployees", 7, "order-1")
	require.NoError(t, err, "another feature has ids of its own")

	_, err = s.record("exports", 1, "order-3")
	require.True(t, fault.Is(err, fault.CodePlanLimitReached))
	_, err = s.record("exports", -1)
	require.NoError(t, err)
	_, err = s.record("exports", 1, "order-3")
	require.NoError(t, err, "what was refused is judged anew")
}

func TestRepetitionsAtTheSameTimeCountOnce(t *testing.T) {
	t.Parallel()
	s, _ := counted(t)
	var all sync.WaitGroup
	var accepted atomic.Int64
	for range 20 {
		all.Go(func() {
			if check, err := s.record("exports", 3, "order-1"); err == nil && check.Current == 3 {
				accepted.Add(1)
			}
		})
	}
	all.Wait()
	require.Equal(t, int64(20), accepted.Load(), "each of them is told that it was counted")
	require.Equal(t, int64(3), s.used("exports"))
}

func TestRecordsAreForgottenAfter35DaysAndUsageIsNot(t *testing.T) {
	t.Parallel()
	s, _ := counted(t)
	_, err := s.record("exports", 1, "order-1")
	require.NoError(t, err)
	recorded := s.a.Now()
	left := func(at time.Time) int64 {
		s.a.Now = func() time.Time { return at }
		require.NoError(t, s.a.RetireUsage(t.Context()))
		return s.insert(`select count(*) from usage_record`)
	}
	require.Equal(t, int64(1), left(recorded.Add(35*24*time.Hour)))
	require.Equal(t, int64(0), left(recorded.Add(35*24*time.Hour+time.Microsecond)))
	s.exec(`update subscription set access_until = '2027-01-01'`)
	require.Equal(t, int64(1), s.used("exports"))
	_, err = s.record("exports", 1, "order-1")
	require.NoError(t, err)
	require.Equal(t, int64(2), s.used("exports"))
}

func TestUsageOfAPeriodBeginsAnewWithTheNextOne(t *testing.T) {
	t.Parallel()
	s, id := counted(t)
	for _, feature := range []string{"exports", "maxEmployees"} {
		_, err := s.record(feature, 3)
		require.NoError(t, err)
	}
	s.period(id, piDay.AddDate(0, 1, 0))
	require.Equal(t, int64(0), s.used("exports"))
	require.Equal(t, int64(3), s.used("maxEmployees"), "what there is does not go away")
	check, err := s.record("exports", 2)
	require.NoError(t, err)
	require.Equal(t, int64(2), check.Current)
	s.period(id, piDay)
	require.Equal(t, int64(3), s.used("exports"), "each period has its own")
}

func TestUsageIsTheSubscriptions(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	company := s.company("Analytical Engines")
	s.employee(company, nil)
	colleague := s.insert(`
		insert into customer (merchant_id, number, email, name, company_id, created_at)
		values ($1, 2, 'charles@example.com', 'Charles', $2, $3) returning id`, s.caller.MerchantID, company, piDay)
	s.subscribe(activeFor(colleague, company))
	_, err := s.record("maxEmployees", 30)
	require.NoError(t, err)
	in := usage("maxEmployees", 21)
	in.Customer = account.CustomerRef{ID: &colleague}
	check, err := s.a.RecordUsage(t.Context(), s.caller, in)
	require.True(t, fault.Is(err, fault.CodePlanLimitReached), "what a colleague uses counts")
	require.Equal(t, int64(30), check.Current)
}

func TestWhatIsUnlimitedIsCountedAndNeverReached(t *testing.T) {
	t.Parallel()
	s, _ := counted(t)
	check, err := s.record("maxProjects", 1_000_000)
	require.NoError(t, err)
	require.Equal(t, LimitCheck{Allowed: true, Limit: catalog.Unlimited, Current: 1_000_000, UpgradeURL: check.UpgradeURL}, check)
	_, err = s.record("maxProjects", catalog.Unlimited)
	require.True(t, fault.Is(err, fault.CodePlanLimitReached), "a counter stays exact in JavaScript")
}

func TestUsageThatCannotBeCounted(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	s := newShop(t, a, "acme")
	client := account.Caller{Kind: account.KindClient, MerchantID: s.caller.MerchantID, ProductID: s.insertProduct("planner", "https://planner.example")}
	unknown := usage("maxEmployees", 1)
	unknown.Customer = account.CustomerRef{Number: ptr(int64(99))}
	_, err := a.RecordUsage(t.Context(), s.caller, unknown)
	require.True(t, fault.Is(err, fault.CodeNotFound))
	require.Equal(t, []string{"customer"}, fault.List(err)[0].Field)

	customer, personal := s.person()
	check, err := s.record("maxEmployees", 1)
	require.True(t, fault.Is(err, fault.CodeNoActiveSubscription))
	require.Equal(t, "https://portal.example/portal/acme/payroll", fault.List(err)[0].URL)
	require.Equal(t, "There is no active subscription.", *check.Error)
	s.subscribe(activeFor(customer, personal))

	for feature, want := range map[string]fault.Error{
		"missing":           {Code: fault.CodeFeatureNotInPlan, Message: "is not in the plan: it has nothing of the name missing"},
		"advancedReporting": {Code: fault.CodeFeatureNotInPlan, Message: "is no limit of the plan: advancedReporting is a BOOLEAN, of which nothing is counted"},
		"region":            {Code: fault.CodeFeatureNotInPlan, Message: "is no limit of the plan: region is a TEXT, of which nothing is counted"},
		"":                  {Code: fault.CodeRequired, Message: "is required"},
		"\x00":              {Code: fault.CodeInvalid, Message: "must be the name of a feature: up to 64 letters, digits and underscores"},
	} {
		_, err := s.record(feature, 1)
		found := fault.List(err)
		require.Len(t, found, 1, feature)
		require.Equal(t, []string{"feature"}, found[0].Field)
		require.Equal(t, want, fault.Error{Code: found[0].Code, Message: found[0].Message})
	}
	for _, quantity := range []int64{catalog.Unlimited + 1, -catalog.Unlimited - 1} {
		_, err := s.record("maxEmployees", quantity)
		require.True(t, fault.Is(err, fault.CodeInvalid))
	}
	_, err = s.set("maxEmployees", -1)
	require.True(t, fault.Is(err, fault.CodeInvalid))
	for _, id := range []string{"", "a\x00", string(make([]rune, 256))} {
		_, err := s.record("maxEmployees", 1, id)
		require.True(t, fault.Is(err, fault.CodeInvalid), "%q", id)
	}
	_, err = a.RecordUsage(t.Context(), client, usage("maxEmployees", 1))
	require.True(t, fault.Is(err, fault.CodeNotFound), "a client counts for its own product")
	require.Zero(t, s.insert(`select count(*) from usage_counter`))
}
