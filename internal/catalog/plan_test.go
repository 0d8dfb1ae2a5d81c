package catalog

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/money"
	"portico/internal/page"
)

func usd(minor int64) PriceInput {
	return PriceInput{Interval: Month, Money: money.Money{Minor: minor, Currency: "USD"}}
}

func newPlan(t *testing.T, c *Catalog, caller account.Caller, product Product, prices ...PriceInput) Plan {
	t.Helper()
	made, err := c.PlanCreate(t.Context(), caller, PlanCreate{Product: of(product), Name: "Pro", Tier: "pro", Prices: prices})
	require.NoError(t, err)
	return made
}

// whole is a plan with all there is of it.
var whole = PlanParts{Features: true}

func TestANewPlanComesBackWithItsFeaturesAndPrices(t *testing.T) {
	t.Parallel()
	c, caller, _ := newCatalog(t)
	product := newProduct(t, c, caller, "payroll")
	made, err := c.PlanCreate(t.Context(), caller, PlanCreate{
		Product: ProductRef{Identifier: ptr("payroll")}, Number: ptr(int64(7)), Name: " Pro ", Tier: "pro-2", TrialDays: 14,
		Features: []FeatureInput{
			{Name: "region", Kind: FeatureText, Text: ptr("eu")},
			{Name: "maxEmployees", Kind: FeatureLimit, Limit: ptr(int64(50))},
			{Name: "advancedReporting", Kind: FeatureBoolean, Enabled: ptr(true)},
			{Name: "maxProjects", Kind: FeatureUnlimited},
		},
		Prices: []PriceInput{
			{Interval: Year, Money: money.Money{Minor: 19900, Currency: "USD"}}, usd(1999), {Interval: Month, Money: money.Money{Minor: 0, Currency: "JPY"}},
		},
	})
	require.NoError(t, err)
	require.Len(t, made.Prices, 3)
	features, err := made.Features()
	require.NoError(t, err)
	require.Equal(t, Features{
		{Name: "advancedReporting", Kind: FeatureBoolean, Enabled: true},
		{Name: "maxEmployees", Kind: FeatureLimit, Limit: 50, Reset: ResetNever},
		{Name: "maxProjects", Kind: FeatureUnlimited, Limit: Unlimited, Reset: ResetNever},
		{Name: "region", Kind: FeatureText, Text: "eu"},
	}, features)
	require.Equal(t, Plan{
		ID: made.ID, MerchantID: caller.MerchantID, ProductID: product.ID, Number: 7, Name: "Pro", Tier: "pro-2", TrialDays: 14,
		features: made.features,
		Prices: []Price{
			{ID: made.Prices[0].ID, Interval: Year, Money: money.Money{Minor: 19900, Currency: "USD"}},
			{ID: made.Prices[1].ID, Interval: Month, Money: money.Money{Minor: 1999, Currency: "USD"}},
			{ID: made.Prices[2].ID, Interval: Month, Money: money.Money{Minor: 0, Currency: "JPY"}},
		},
		CreatedAt: piDay,
	}, made)
	found, err := c.Plan(t.Context(), caller, made.ID)
	require.NoError(t, err)
	require.Equal(t, made, found)
}

func TestAPlanNumberIsUniqueWithinTheProductOnly(t *testing.T) {
	t.Parallel()
	c, caller, _ := newCatalog(t)
	first, second := newProduct(t, c, caller, "first"), newProduct(t, c, caller, "second")
	in := PlanCreate{Product: of(first), Number: ptr(int64(7)), Name: "Pro", Tier: "pro", Prices: []PriceInput{usd(1)}}
	_, err := c.PlanCreate(t.Context(), caller, in)
	require.NoError(t, err)
	_, err = c.PlanCreate(t.Context(), caller, in)
	require.Equal(t, []string{"number TAKEN"}, faults(err))
	in.Product = of(second)
	_, err = c.PlanCreate(t.Context(), caller, in)
	require.NoError(t, err)
}

func TestOfPlansWithOneNumberAtTheSameTimeOneIsMade(t *testing.T) {
	t.Parallel()
	const calls = 8
	c, caller, _ := newCatalog(t)
	product := newProduct(t, c, caller, "payroll")
	errs := make([]error, calls)
	var wait sync.WaitGroup
	for i := range calls {
		wait.Go(func() {
			_, errs[i] = c.PlanCreate(t.Context(), caller, PlanCreate{
				Product: of(product), Number: ptr(int64(7)), Name: "Pro", Tier: "pro", Prices: []PriceInput{usd(1)},
			})
		})
	}
	wait.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else {
			require.Equal(t, []string{"number TAKEN"}, faults(err))
		}
	}
	require.Equal(t, 1, made)
	plans, err := c.Plans(t.Context(), caller, nil, whole, all)
	require.NoError(t, err)
	require.Len(t, plans, 1)
}

func TestWithoutANumberAPlanHasItsId(t *testing.T) {
	t.Parallel()
	c, caller, _ := newCatalog(t)
	product := newProduct(t, c, caller, "payroll")
	first := newPlan(t, c, caller, product, usd(1))
	require.Equal(t, first.ID, first.Number)

	// The merchant has already given the next two ids to plans of its own.
	for ahead := range int64(2) {
		_, err := c.PlanCreate(t.Context(), caller, PlanCreate{
			Product: of(product), Number: ptr(first.ID + 3 + ahead), Name: "Pro", Tier: "pro", Prices: []PriceInput{usd(1)},
		})
		require.NoError(t, err)
	}
	next := newPlan(t, c, caller, product, usd(1))
	require.Equal(t, first.ID+5, next.ID, "the ids that are numbers of other plans are passed over")
	require.Equal(t, next.ID, next.Number)
}

func TestAllFaultsOfAPlanAreReportedTogether(t *testing.T) {
	t.Parallel()
	c, caller, other := newCatalog(t)
	theirs := newProduct(t, c, other, "theirs")
	_, err := c.PlanCreate(t.Context(), caller, PlanCreate{
		Product: of(theirs), Number: ptr(int64(0)), Name: "\x00", Tier: "Pro", TrialDays: 731,
		Features: []FeatureInput{
			{Name: "a", Kind: FeatureUnlimited}, {Name: "a", Kind: FeatureLimit}, {Name: "max-employees", Kind: FeatureBoolean, Text: ptr("")},
		},
		Prices: []PriceInput{
			{Interval: "WEEK", Money: money.Money{Minor: -1, Currency: "usd"}}, usd(1), usd(2),
		},
	})
	require.Equal(t, []string{
		"number INVALID", "name INVALID", "tier INVALID", "trialDays INVALID",
		"features.1.name INVALID", "features.1.limit REQUIRED",
		"features.2.name INVALID", "features.2.enabled REQUIRED", "features.2.text INVALID",
		"prices.0.interval INVALID", "prices.0.money.currency INVALID", "prices.0.money.amountMinor INVALID", "prices.2 INVALID",
		"product NOT_FOUND",
	}, faults(err))
	plans, err := c.Plans(t.Context(), caller, nil, whole, all)
	require.NoError(t, err)
	require.Empty(t, plans)
}

func TestLimitsOfAPlan(t *testing.T) {
	t.Parallel()
	c, caller, _ := newCatalog(t)
	product := newProduct(t, c, caller, "payroll")
	for _, test := range []struct {
		sentence string
		change   func(*PlanCreate)
		want     []string
	}{
		{"a product is named", func(in *PlanCreate) { in.Product = ProductRef{} }, []string{"product INVALID"}},
		{"a product is one of the merchant's", func(in *PlanCreate) { in.Product = ProductRef{Identifier: ptr("other")} }, []string{"product NOT_FOUND"}},
		{"a number may be JavaScript's largest", func(in *PlanCreate) { in.Number = ptr(int64(1<<53 - 1)) }, nil},
		{"a number is exact in JavaScript", func(in *PlanCreate) { in.Number = ptr(int64(1 << 53)) }, []string{"number INVALID"}},
		{"a name is needed", func(in *PlanCreate) { in.Name = "\t" }, []string{"name REQUIRED"}},
		{"a tier is needed", func(in *PlanCreate) { in.Tier = "" }, []string{"tier REQUIRED"}},
		{"a tier may be a digit", func(in *PlanCreate) { in.Tier = "1" }, nil},
		{"a tier does not start with a hyphen", func(in *PlanCreate) { in.Tier = "-a" }, []string{"tier INVALID"}},
		{"a tier is not padded", func(in *PlanCreate) { in.Tier = "pro " }, []string{"tier INVALID"}},
		{"a tier has at most 64 characters", func(in *PlanCreate) { in.Tier = strings.Repeat("a", 65) }, []string{"tier INVALID"}},
		{"a trial may last two years", func(in *PlanCreate) { in.TrialDays = 730 }, nil},
		{"a trial is not negative", func(in *PlanCreate) { in.TrialDays = -1 }, []string{"trialDays INVALID"}},
		{"a price is needed", func(in *PlanCreate) { in.Prices = nil }, []string{"prices REQUIRED"}},
		{"an amount may be JavaScript's largest", func(in *PlanCreate) { in.Prices = []PriceInput{usd(1<<53 - 1)} }, nil},
		{
			"an amount is exact in JavaScript",
			func(in *PlanCreate) { in.Prices = []PriceInput{usd(1 << 53)} }, []string{"prices.0.money.amountMinor INVALID"},
		},
		{
			"a currency is one that is in use",
			func(in *PlanCreate) { in.Prices[0].Money.Currency = "XXX" }, []string{"prices.0.money.currency INVALID"},
		},
		{
			"a currency is in upper case",
			func(in *PlanCreate) { in.Prices[0].Money.Currency = "Usd" }, []string{"prices.0.money.currency INVALID"},
		},
		{
			"the same currency for another interval is another price",
			func(in *PlanCreate) {
				in.Prices = append(in.Prices, PriceInput{Interval: Year, Money: in.Prices[0].Money})
			}, nil,
		},
		{
			"there are at most 50 prices",
			func(in *PlanCreate) { in.Prices = make([]PriceInput, 51) }, []string{"prices INVALID"},
		},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			in := PlanCreate{Product: of(product), Name: "Pro", Tier: "pro", Prices: []PriceInput{usd(1999)}}
			test.change(&in)
			_, err := c.PlanCreate(t.Context(), caller, in)
			require.Equal(t, test.want, faults(err))
			if test.want == nil {
				require.NoError(t, err)
			}
		})
	}
}

func TestAPlanOfAnotherMerchantIsNotFound(t *testing.T) {
	t.Parallel()
	c, caller, other := newCatalog(t)
	theirs := newPlan(t, c, other, newProduct(t, c, other, "theirs"), usd(1))
	_, err := c.Plan(t.Context(), caller, theirs.ID)
	require.Equal(t, []string{"plan NOT_FOUND"}, faults(err))
	_, err = c.Plan(t.Context(), other, theirs.ID)
	require.NoError(t, err)
}

func TestPlansArePagedNewestFirst(t *testing.T) {
	t.Parallel()
	c, caller, other := newCatalog(t)
	payroll, planner := newProduct(t, c, caller, "payroll"), newProduct(t, c, caller, "planner")
	first := newPlan(t, c, caller, payroll, usd(1), PriceInput{Interval: Year, Money: money.Money{Minor: 10, Currency: "EUR"}})
	second := newPlan(t, c, caller, planner, usd(2))
	newPlan(t, c, other, newProduct(t, c, other, "payroll"), usd(3))
	third := newPlan(t, c, caller, payroll, usd(4))

	plans, err := c.Plans(t.Context(), caller, nil, whole, page.Request{Size: 1})
	require.NoError(t, err)
	require.Equal(t, []Plan{third, second}, plans, "with the one that tells of another page")
	plans, err = c.Plans(t.Context(), caller, nil, whole, page.Request{Size: 1, After: second.ID})
	require.NoError(t, err)
	require.Equal(t, []Plan{first}, plans)
	plans, err = c.Plans(t.Context(), caller, &ProductRef{Identifier: ptr("payroll")}, whole, all)
	require.NoError(t, err)
	require.Equal(t, []Plan{third, first}, plans)
	_, err = c.Plans(t.Context(), caller, &ProductRef{Identifier: ptr("unknown")}, whole, all)
	require.True(t, fault.Is(err, fault.CodeNotFound))
}

func TestPlansOfSeveralProductsComeAtOnceOldestFirst(t *testing.T) {
	t.Parallel()
	c, caller, other := newCatalog(t)
	payroll, planner, empty := newProduct(t, c, caller, "payroll"), newProduct(t, c, caller, "planner"), newProduct(t, c, caller, "empty")
	first, second := newPlan(t, c, caller, payroll, usd(1)), newPlan(t, c, caller, planner, usd(2))
	third := newPlan(t, c, caller, payroll, usd(3), PriceInput{Interval: Year, Money: money.Money{Minor: 10, Currency: "EUR"}})
	theirs := newProduct(t, c, other, "theirs")
	newPlan(t, c, other, theirs, usd(4))

	byProduct, err := c.PlansByProduct(t.Context(), caller, []int64{planner.ID, empty.ID, theirs.ID, payroll.ID}, whole)
	require.NoError(t, err)
	require.Equal(t, map[int64][]Plan{payroll.ID: {first, third}, planner.ID: {second}}, byProduct)

	byID, err := c.PlansByID(t.Context(), caller, []int64{third.ID, first.ID, third.ID, 1 << 40}, whole)
	require.NoError(t, err)
	require.Equal(t, map[int64]Plan{first.ID: first, third.ID: third}, byID)
}

func TestAPlanThatWasReadWithoutItsFeaturesDoesNotPassForOneThatHasNone(t *testing.T) {
	t.Parallel()
	c, caller, _ := newCatalog(t)
	payroll := newProduct(t, c, caller, "payroll")
	made := newPlan(t, c, caller, payroll, usd(1))
	features, err := made.Features()
	require.NoError(t, err)
	require.Empty(t, features)

	byProduct, err := c.PlansByProduct(t.Context(), caller, []int64{payroll.ID}, PlanParts{})
	require.NoError(t, err)
	byID, err := c.PlansByID(t.Context(), caller, []int64{made.ID}, PlanParts{})
	require.NoError(t, err)
	listed, err := c.Plans(t.Context(), caller, nil, PlanParts{}, all)
	require.NoError(t, err)
	for _, plan := range []Plan{byProduct[payroll.ID][0], byID[made.ID], listed[0]} {
		_, err := plan.Features()
		require.ErrorContains(t, err, "without its features")
		plan.features = made.features
		require.Equal(t, made, plan, "all else is there")
	}
}

func TestManyPricesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	c, caller, _ := newCatalog(t)
	var prices []PriceInput
	for _, interval := range []Interval{Year, Month} {
		for _, currency := range strings.Fields("ZAR USD TRY SEK PLN NOK MXN JPY INR HUF GBP EUR DKK CZK CHF CAD BRL AUD AED ILS KWD NZD RON SGD THB") {
			prices = append(prices, PriceInput{Interval: interval, Money: money.Money{Minor: int64(len(prices)), Currency: currency}})
		}
	}
	require.Len(t, prices, maxPrices)
	made := newPlan(t, c, caller, newProduct(t, c, caller, "payroll"), prices...)
	found, err := c.Plan(t.Context(), caller, made.ID)
	require.NoError(t, err)
	require.Equal(t, made, found)
	for i, want := range prices {
		require.Equal(t, want, PriceInput{Interval: found.Prices[i].Interval, Money: found.Prices[i].Money})
	}
}
