package access

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/page"
)

// all asks for every product, and gives the decisions by identifier in their order.
func (s *shop) all(caller account.Caller) (order []string, found map[string]Decision) {
	s.t.Helper()
	decisions, err := s.a.CheckAll(s.t.Context(), caller, ada, true, page.Request{Size: 100})
	require.NoError(s.t, err)
	found = map[string]Decision{}
	for _, d := range decisions {
		order, found[d.Product.Identifier] = append(order, d.Product.Identifier), d
	}
	return order, found
}

func TestAllProductsAreDecidedAsEachOfThemAlone(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	products := map[string]int64{"payroll": s.product}
	company, personal := s.company("company"), s.company("personal")
	customer := s.employee(company, &personal)
	clock := s.clock(piDay.AddDate(0, 0, -30))
	for identifier, subs := range map[string][]subscription{
		"company":  {{company: company, status: "ACTIVE"}, {company: personal, status: "PAUSED"}},
		"clocked":  {{company: personal, status: "ACTIVE", ended: true, clock: &clock}},
		"expired":  {{company: personal, status: "EXPIRED", ended: true}, {company: company, status: "PAST_DUE", ended: true}},
		"nothing":  nil,
		"canceled": {{company: company, status: "CANCELED"}},
	} {
		products[identifier] = s.insertProduct(identifier, "https://"+identifier+".example")
		for _, sub := range subs {
			sub.customer = customer
			s.exec(`update subscription set product_id = $2 where id = $1`, s.subscribe(sub), products[identifier])
		}
	}
	s.subscribe(activeFor(customer, personal))
	_, err := s.record("maxEmployees", 7)
	require.NoError(t, err)

	order, found := s.all(s.caller)
	require.Len(t, order, 6)
	reasons := map[Reason]bool{}
	for i, identifier := range order {
		alone, err := s.a.CheckUsage(t.Context(), s.caller, ada, catalog.ProductRef{Identifier: &identifier})
		require.NoError(t, err)
		require.Equal(t, alone, found[identifier], identifier)
		require.Equal(t, products[identifier], found[identifier].Product.ID)
		reasons[alone.Reason] = true
		if i > 0 {
			require.Greater(t, products[order[i-1]], products[identifier], "the newest comes first")
		}
	}
	require.Equal(t, map[Reason]bool{Allowed: true, Expired: true, NoSubscription: true, Canceled: true}, reasons)
	require.Equal(t, int64(7), found["payroll"].Used("maxEmployees"))

	decisions, err := s.a.CheckAll(t.Context(), s.caller, ada, false, page.Request{Size: 2, After: products[order[1]]})
	require.NoError(t, err)
	var next []string
	for _, d := range decisions {
		next = append(next, d.Product.Identifier)
	}
	require.Equal(t, order[2:5], next, "up to one more than the page")
}

func TestWhichProductsACustomerIsShown(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	for identifier, status := range map[string]string{
		"approved": "APPROVED", "draft": "DRAFT", "archived": "ARCHIVED", "kept": "ARCHIVED", "trying": "DRAFT",
	} {
		id := s.insertProduct(identifier, "https://a.example")
		s.exec(`update product set status = $2 where id = $1`, id, status)
		if identifier == "kept" || identifier == "trying" {
			s.exec(`update subscription set product_id = $2 where id = $1`, s.subscribe(activeFor(customer, personal)), id)
		}
	}
	s.exec(`update product set status = 'ARCHIVED' where id = $1`, s.product)
	shown, _ := s.all(s.caller)
	require.ElementsMatch(t, []string{"approved", "draft", "kept", "trying"}, shown)

	self := account.Caller{Kind: account.KindCustomer, MerchantID: s.caller.MerchantID, CustomerID: customer}
	shown, _ = s.all(self)
	require.ElementsMatch(t, []string{"approved", "kept", "trying"}, shown)
	s.exec(`update merchant set sandbox_of = id`)
	shown, _ = s.all(self)
	require.ElementsMatch(t, []string{"approved", "draft", "kept", "trying"}, shown, "in a sandbox nothing is reviewed")

	client := account.Caller{Kind: account.KindClient, MerchantID: s.caller.MerchantID, ProductID: s.insert(`select id from product where identifier = 'draft'`)}
	shown, _ = s.all(client)
	require.Equal(t, []string{"draft"}, shown)

	self.CustomerID++
	shown, found := s.all(self)
	require.ElementsMatch(t, []string{"approved", "draft", "trying"}, shown)
	require.Equal(t, CustomerNotFound, found["approved"].Reason, "a customer knows of no other")
	_, err := s.a.CheckAll(t.Context(), s.caller, account.CustomerRef{}, false, page.Request{Size: 1})
	require.True(t, fault.Is(err, fault.CodeInvalid))
}

func TestAskingForAFeature(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	require.Equal(t, NoSubscription, s.check().Asking("advancedReporting").Reason)
	s.subscribe(activeFor(customer, personal))
	s.exec(`update plan set features = features || '{"off": {"kind": "BOOLEAN", "enabled": false}, "noUploads": {"kind": "LIMIT", "limit": 0}}'`)
	for feature, want := range map[string]Reason{
		"advancedReporting": Allowed, "maxEmployees": Allowed, "maxProjects": Allowed, "region": Allowed,
		"off": FeatureNotInPlan, "noUploads": FeatureNotInPlan, "missing": FeatureNotInPlan,
	} {
		decision := s.check().Asking(feature)
		require.Equal(t, want, decision.Reason, feature)
		require.Equal(t, want == Allowed, decision.Allowed, feature)
		require.Equal(t, "pro", *decision.Tier)
	}
}

func TestAnOverrideCountsUntilItEnds(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	id := s.subscribe(activeFor(customer, personal))
	s.exec(`update subscription set feature_overrides = $2 where id = $1`, id, []byte(`{
		"maxEmployees": {"kind": "LIMIT", "limit": 80, "expiresAt": "2026-03-14T15:30:00Z"}, "advancedReporting": {"kind": "BOOLEAN", "enabled": false}}`))
	end := time.Date(2026, 3, 14, 15, 30, 0, 0, time.UTC)
	check := func(at time.Time, limit int64, sentence string) {
		s.a.Now = func() time.Time { return at }
		decision := s.check()
		require.Equal(t, limit, decision.Features.Limit("maxEmployees"), sentence)
		require.False(t, decision.Feature("advancedReporting"))
		launch, err := s.a.LaunchTokenCreate(t.Context(), s.caller, ada, payroll)
		require.NoError(t, err)
		claims, err := verify(string(launch.Token), at)
		require.NoError(t, err)
		require.InEpsilon(t, float64(limit), claims["subscription"].(map[string]any)["features"].(map[string]any)["maxEmployees"], 0)
	}
	check(end.Add(-time.Microsecond), 80, "before its end")
	_, err := s.set("maxEmployees", 80)
	require.NoError(t, err)
	check(end, 50, "at its end")
	_, err = s.record("maxEmployees", 1)
	require.True(t, fault.Is(err, fault.CodePlanLimitReached))

	clock := s.clock(end.Add(-time.Minute))
	s.exec(`update subscription set test_clock_id = $2 where id = $1`, id, clock)
	check(end.Add(time.Minute), 80, "on a test clock it ends in the clock's time")
	s.exec(`update test_clock set now_at = $1`, end)
	check(end.Add(-time.Minute), 50, "also when the world has not come there yet")
}
