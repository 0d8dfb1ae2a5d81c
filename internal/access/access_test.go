package access

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
)

func TestASubscriptionGivesAccessWithItsTierSeatsAndFeatures(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	s.subscribe(subscription{company: personal, customer: customer, status: "ACTIVE"})

	decision := s.check()
	require.True(t, decision.Allowed)
	require.Equal(t, Allowed, decision.Reason)
	require.Equal(t, "pro", *decision.Tier)
	require.Equal(t, "ACTIVE", *decision.Status)
	require.Equal(t, int32(10), *decision.Seats)
	require.Equal(t, piDay.Add(time.Hour), *decision.ExpiresAt)
	require.Equal(t, "https://portal.example/portal/acme/payroll", decision.UpgradeURL)
	require.Equal(t, map[string]any{
		"advancedReporting": true, "maxEmployees": int64(50), "maxProjects": int64(9007199254740991), "region": "eu",
	}, decision.Features.Object())
}

func TestTheReasonSaysWhyAccessIsRefused(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	for i, test := range []struct {
		sentence string
		sub      subscription
		want     Reason
	}{
		{"a trial gives access", subscription{status: "TRIALING"}, Allowed},
		{"an active subscription gives access", subscription{status: "ACTIVE"}, Allowed},
		{"a late payment gives access during the grace", subscription{status: "PAST_DUE"}, Allowed},
		{"a cancellation at the period's end gives access until then", subscription{status: "ACTIVE", cancels: true}, Allowed},
		{"a trial that is over gives none", subscription{status: "TRIALING", ended: true}, Expired},
		{"a period that is over gives none", subscription{status: "ACTIVE", ended: true}, Expired},
		{"a late payment gives none after the grace", subscription{status: "PAST_DUE", ended: true}, Expired},
		{"a cancellation gives none after the period's end", subscription{status: "ACTIVE", ended: true, cancels: true}, Canceled},
		{"a cancelled one gives none, whatever has been paid for", subscription{status: "CANCELED"}, Canceled},
		{"an expired one gives none", subscription{status: "EXPIRED"}, Expired},
		{"one that was to be cancelled and expired first has expired", subscription{status: "EXPIRED", cancels: true}, Expired},
		{"a paused one gives none", subscription{status: "PAUSED"}, Paused},
		{"one that starts later gives none yet", subscription{status: "SCHEDULED"}, NotStarted},
		{"one whose first payment is open gives none yet", subscription{status: "INCOMPLETE"}, PaymentIncomplete},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			s := newShop(t, a, "shop"+string(rune('a'+i)))
			test.sub.customer, test.sub.company = s.person()
			s.subscribe(test.sub)

			decision := s.check()
			require.Equal(t, test.want, decision.Reason)
			require.Equal(t, test.sub.status, *decision.Status)
			require.Equal(t, test.want == Allowed, decision.Allowed)
			if test.want == Allowed {
				require.NotEmpty(t, decision.Features)
				return
			}
			require.Nil(t, decision.Tier)
			require.Nil(t, decision.Seats)
			require.Empty(t, decision.Features)
			require.False(t, decision.Feature("advancedReporting"))
			require.Zero(t, decision.Limit("maxEmployees", 0).Limit)
			require.NotNil(t, decision.ExpiresAt)
			require.NotEmpty(t, decision.UpgradeURL)
		})
	}
}

func TestAccessEndsAtTheInstantItSays(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	s.subscribe(subscription{company: personal, customer: customer, status: "ACTIVE"})
	end := piDay.Add(time.Hour)
	s.a.Now = func() time.Time { return end.Add(-time.Microsecond) }
	require.Equal(t, Allowed, s.check().Reason)
	s.a.Now = func() time.Time { return end }
	require.Equal(t, Expired, s.check().Reason)
}

func TestASubscriptionThatNeverGaveAccessHasNoEndOfIt(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	id := s.subscribe(subscription{company: personal, customer: customer, status: "INCOMPLETE"})
	s.exec(`update subscription set access_until = null where id = $1`, id)
	decision := s.check()
	require.Equal(t, PaymentIncomplete, decision.Reason)
	require.Nil(t, decision.ExpiresAt)
	s.exec(`update subscription set status = 'ACTIVE' where id = $1`, id)
	require.False(t, s.check().Allowed)
}

func TestWithoutACustomerOrASubscriptionThereIsNoAccess(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	decision := s.check()
	require.Equal(t, CustomerNotFound, decision.Reason)
	require.False(t, decision.Allowed)
	require.Nil(t, decision.Status)
	require.Equal(t, "https://portal.example/portal/acme/payroll", decision.UpgradeURL)

	s.person()
	decision = s.check()
	require.Equal(t, NoSubscription, decision.Reason)
	require.False(t, decision.Allowed)
	require.Nil(t, decision.Status)
	require.NotNil(t, decision.Features.Object())
	require.Empty(t, decision.Features.Object())
}

func TestASubscriptionToOneProductGivesNoAccessToAnother(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	s.subscribe(subscription{company: personal, customer: customer, status: "ACTIVE"})
	s.insertProduct("planner", "https://planner.example/")
	decision, err := s.a.Check(t.Context(), s.caller, ada, catalog.ProductRef{Identifier: ptr("planner")})
	require.NoError(t, err)
	require.Equal(t, NoSubscription, decision.Reason)
}

func TestTheMerchantsOwnUpgradePageComesFirst(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.exec(`update product set upgrade_url = 'https://acme.example/buy'`)
	require.Equal(t, "https://acme.example/buy", s.check().UpgradeURL)
}

func TestTheHolderWhoseSubscriptionCounts(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	type want struct {
		reason Reason
		holder string
	}
	for i, test := range []struct {
		sentence          string
		personal, company []subscription // oldest first
		want              want
	}{
		{
			"the customer's own comes before the company's",
			[]subscription{{status: "TRIALING"}}, []subscription{{status: "ACTIVE"}}, want{Allowed, "personal"},
		},
		{
			"the company's counts when the customer has none",
			nil, []subscription{{status: "ACTIVE"}}, want{Allowed, "company"},
		},
		{
			"the company's counts when the customer's own gives no access any more",
			[]subscription{{status: "EXPIRED", ended: true}}, []subscription{{status: "ACTIVE"}}, want{Allowed, "company"},
		},
		{
			"the company's counts while the customer's own is paused",
			[]subscription{{status: "PAUSED"}}, []subscription{{status: "PAST_DUE"}}, want{Allowed, "company"},
		},
		{
			"the company's counts when the customer's own is late beyond the grace",
			[]subscription{{status: "PAST_DUE", ended: true}}, []subscription{{status: "ACTIVE"}}, want{Allowed, "company"},
		},
		{
			"the reason is the customer's own when neither gives access",
			[]subscription{{status: "PAUSED"}}, []subscription{{status: "CANCELED"}}, want{Paused, "personal"},
		},
		{
			"the newest counts when none gives access",
			[]subscription{{status: "EXPIRED"}, {status: "CANCELED"}, {status: "INCOMPLETE"}}, nil, want{PaymentIncomplete, "personal"},
		},
		{
			"one that gives access counts before newer ones that do not",
			[]subscription{{status: "ACTIVE"}, {status: "CANCELED"}}, nil, want{Allowed, "personal"},
		},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			s := newShop(t, a, "shop"+string(rune('a'+i)))
			company, personal := s.company("company"), s.company("personal")
			customer := s.employee(company, &personal)
			for _, sub := range test.personal {
				sub.company, sub.customer = personal, customer
				s.subscribe(sub)
			}
			for _, sub := range test.company {
				sub.company, sub.customer = company, customer
				s.subscribe(sub)
			}
			decision := s.check()
			require.Equal(t, test.want, want{decision.Reason, *decision.row.CompanyName})
		})
	}
}

func TestAnEmployeeWithoutAPersonalCompanyHasTheCompanysAccess(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	company := s.company("Analytical Engines")
	customer := s.employee(company, nil)
	s.subscribe(subscription{company: company, customer: customer, status: "ACTIVE", seats: 3})
	decision := s.check()
	require.True(t, decision.Allowed)
	require.Equal(t, int32(3), *decision.Seats)
}

func TestPayingForAnotherHolderGivesNoAccess(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, _ := s.person()
	s.subscribe(subscription{company: s.company("Analytical Engines"), customer: customer, status: "ACTIVE"})
	require.Equal(t, NoSubscription, s.check().Reason)
}

func TestReferencesToOneCustomer(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	id, personal := s.person()
	s.subscribe(subscription{company: personal, customer: id, status: "ACTIVE"})
	for _, test := range []struct {
		sentence string
		ref      account.CustomerRef
		want     Reason
	}{
		{"the id finds the customer", account.CustomerRef{ID: &id}, Allowed},
		{"the number finds the customer", account.CustomerRef{Number: ptr(int64(12345))}, Allowed},
		{"the address finds the customer", account.CustomerRef{Email: ptr("Ada@Example.com")}, Allowed},
		{"the address is compared without regard to case", account.CustomerRef{Email: ptr("aDA@eXAMPLE.COM")}, Allowed},
		{"spaces around the address do not matter", account.CustomerRef{Email: ptr(" ada@example.com ")}, Allowed},
		{"the number is not an id", account.CustomerRef{ID: ptr(int64(12345))}, CustomerNotFound},
		{"the id is not a number", account.CustomerRef{Number: &id}, CustomerNotFound},
		{"another address is nobody's", account.CustomerRef{Email: ptr("ada@example.co")}, CustomerNotFound},
		{"no address is nobody's", account.CustomerRef{Email: ptr("")}, CustomerNotFound},
		{"an address with NUL is nobody's", account.CustomerRef{Email: ptr("ada@example.com\x00")}, CustomerNotFound},
		{"an address that is not UTF-8 is nobody's", account.CustomerRef{Email: ptr("ada@example.com\xff")}, CustomerNotFound},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			for _, product := range []catalog.ProductRef{payroll, {ID: &s.product}} {
				decision, err := s.a.Check(t.Context(), s.caller, test.ref, product)
				require.NoError(t, err)
				require.Equal(t, test.want, decision.Reason)
			}
		})
	}
	_, err := s.a.Accounts.CustomerCreate(t.Context(), s.caller, account.CustomerCreate{Email: "kim@example.com", Name: "Kim"})
	require.NoError(t, err)
	for email, want := range map[string]Reason{"Kim@example.com": NoSubscription, "\u212aim@example.com": CustomerNotFound} {
		decision, err := s.a.Check(t.Context(), s.caller, account.CustomerRef{Email: &email}, payroll)
		require.NoError(t, err)
		require.Equal(t, want, decision.Reason, "%+q", email)
	}
}

func TestReferencesThatNameNotExactlyOneThingAreInvalid(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	for _, customer := range []account.CustomerRef{{}, {Number: ptr(int64(1)), Email: ptr("ada@example.com")}, {ID: ptr(int64(1)), Number: ptr(int64(1))}} {
		_, err := s.a.Check(t.Context(), s.caller, customer, catalog.ProductRef{})
		faults := fault.List(err)
		require.Len(t, faults, 2)
		require.Equal(t, []string{"customer"}, faults[0].Field)
		require.Equal(t, []string{"product"}, faults[1].Field)
		require.Equal(t, fault.CodeInvalid, faults[0].Code)
		require.Equal(t, fault.CodeInvalid, faults[1].Code)
	}
}

func TestAnUnknownProductIsNotFound(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	for _, ref := range []catalog.ProductRef{
		{ID: ptr(int64(1 << 40))}, {Identifier: ptr("planner")}, {Identifier: ptr("payroll\x00")},
	} {
		_, err := s.a.Check(t.Context(), s.caller, ada, ref)
		require.True(t, fault.Is(err, fault.CodeNotFound))
		require.Equal(t, []string{"product"}, fault.List(err)[0].Field)
	}
}

func TestAnotherMerchantsCustomersAndProductsAreUnknown(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	mine, theirs := newShop(t, a, "mine"), newShop(t, a, "theirs")
	id, personal := theirs.person()
	theirs.subscribe(subscription{company: personal, customer: id, status: "ACTIVE"})
	require.True(t, theirs.check().Allowed)

	for _, ref := range []account.CustomerRef{{ID: &id}, ada, {Email: ptr("ada@example.com")}} {
		decision, err := a.Check(t.Context(), mine.caller, ref, payroll)
		require.NoError(t, err)
		require.Equal(t, CustomerNotFound, decision.Reason)
	}
	_, err := a.Check(t.Context(), mine.caller, ada, catalog.ProductRef{ID: &theirs.product})
	require.True(t, fault.Is(err, fault.CodeNotFound))
}

func TestASubscriptionOnATestClockLivesInItsTime(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	clock := s.clock(piDay.AddDate(0, 0, -30))
	s.subscribe(subscription{company: personal, customer: customer, status: "ACTIVE", ended: true, clock: &clock})
	require.Equal(t, Allowed, s.check().Reason, "the clock has not come to the end yet, though the world has")
	s.exec(`update test_clock set now_at = $1`, piDay.Add(-time.Hour))
	require.Equal(t, Expired, s.check().Reason, "the clock has come to the end")
}

func TestGates(t *testing.T) {
	t.Parallel()
	plan := catalog.Features{
		{Name: "advancedReporting", Kind: catalog.FeatureBoolean, Enabled: true},
		{Name: "maxEmployees", Kind: catalog.FeatureLimit, Limit: 50},
		{Name: "maxProjects", Kind: catalog.FeatureUnlimited, Limit: catalog.Unlimited},
		{Name: "noUploads", Kind: catalog.FeatureLimit, Limit: 0},
		{Name: "off", Kind: catalog.FeatureBoolean},
		{Name: "region", Kind: catalog.FeatureText, Text: "eu"},
	}
	allowed := Decision{Allowed: true, Features: plan, UpgradeURL: "https://acme.example/buy"}
	for name, want := range map[string]bool{
		"advancedReporting": true, "off": false, "missing": false, "maxEmployees": false, "maxProjects": false, "region": false,
	} {
		require.Equal(t, want, allowed.Feature(name), name)
	}
	for _, test := range []struct {
		sentence string
		name     string
		current  int64
		want     bool
		limit    int64
		message  string
	}{
		{"usage below the limit may grow", "maxEmployees", 49, true, 50, ""},
		{"usage at the limit may not", "maxEmployees", 50, false, 50, "The plan allows 50 for maxEmployees."},
		{"usage beyond the limit may not", "maxEmployees", 51, false, 50, "The plan allows 50 for maxEmployees."},
		{"no usage may grow below a limit", "maxEmployees", 0, true, 50, ""},
		{"negative usage is no usage", "maxEmployees", -1, false, 50, "The plan allows 50 for maxEmployees."},
		{"an unlimited one is never reached", "maxProjects", 9007199254740990, true, 9007199254740991, ""},
		{"a limit of nothing allows nothing", "noUploads", 0, false, 0, "The plan does not include noUploads."},
		{"a missing limit is nothing", "missing", 0, false, 0, "The plan does not include missing."},
		{
			"a boolean is no limit", "advancedReporting", 0, false, 0,
			"advancedReporting is no limit: it is a BOOLEAN, which is on or off. Ask for it with feature.",
		},
		{"a text is no limit", "region", 0, false, 0, "region is no limit: it is a TEXT. Read it in features."},
		{"no name is long", strings.Repeat("x", 65), 0, false, 0, "The plan does not include a limit of that name: no name is so long."},
		{"negative usage does not open a missing limit", "missing", -1, false, 0, "The plan does not include missing."},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			t.Parallel()
			want := LimitCheck{Allowed: test.want, Limit: test.limit, Current: test.current, UpgradeURL: "https://acme.example/buy"}
			if test.message != "" {
				want.Error = &test.message
			}
			require.Equal(t, want, allowed.Limit(test.name, test.current))
		})
	}
	refused := Decision{Reason: Expired, UpgradeURL: "https://acme.example/buy"}
	require.False(t, refused.Feature("advancedReporting"))
	require.Equal(t, LimitCheck{Error: ptr("There is no active subscription."), UpgradeURL: "https://acme.example/buy"}, refused.Limit("maxEmployees", 0))

	// Access was asked with another feature, which is not in the plan.
	asked := allowed.Asking("missing")
	require.False(t, asked.Allowed)
	require.Equal(t, "The plan allows 50 for maxEmployees.", *asked.Limit("maxEmployees", 50).Error)
	require.Equal(t, "There is no such customer.", *Decision{Reason: CustomerNotFound}.Limit("maxEmployees", 0).Error)
	require.Equal(t, "The company's subscription is for those with a seat, and the customer has none.",
		*Decision{Reason: SeatNotAssigned}.Limit("maxEmployees", 0).Error)
}
