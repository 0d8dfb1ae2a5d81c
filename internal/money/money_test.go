package money_test

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"portico/internal/money"
)

func TestACurrencyHasItsISOExponent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		currency string
		decimals int
		known    bool
	}{
		{"USD", 2, true}, {"EUR", 2, true}, {"AED", 2, true}, {"ZWL", 2, true}, {"HUF", 2, true},
		{"JPY", 0, true}, {"KRW", 0, true}, {"XPF", 0, true}, {"BIF", 0, true}, {"CLP", 0, true}, {"ISK", 0, true},
		{"KWD", 3, true}, {"BHD", 3, true}, {"TND", 3, true},
		{"XXX", 0, false}, {"", 0, false}, {"usd", 0, false}, {"US", 0, false}, {"USD ", 0, false}, {"D E", 0, false}, {"SD ", 0, false},
		{"USDEUR", 0, false}, {" US", 0, false}, {"   ", 0, false},
	} {
		decimals, known := money.Exponent(c.currency)
		require.Equal(t, c.decimals, decimals, c.currency)
		require.Equal(t, c.known, known, c.currency)
	}
}

func TestAnAmountIsWrittenWithItsDecimals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		money money.Money
		want  string
	}{
		{money.Money{Minor: 1999, Currency: "USD"}, "19.99 USD"},
		{money.Money{Minor: 5, Currency: "USD"}, "0.05 USD"},
		{money.Money{Minor: 0, Currency: "USD"}, "0.00 USD"},
		{money.Money{Minor: -5, Currency: "USD"}, "-0.05 USD"},
		{money.Money{Minor: -1999, Currency: "EUR"}, "-19.99 EUR"},
		{money.Money{Minor: 1999, Currency: "JPY"}, "1999 JPY"},
		{money.Money{Minor: 0, Currency: "JPY"}, "0 JPY"},
		{money.Money{Minor: 1999, Currency: "KWD"}, "1.999 KWD"},
		{money.Money{Minor: 7, Currency: "BHD"}, "0.007 BHD"},
		{money.Money{Minor: math.MaxInt64, Currency: "USD"}, "92233720368547758.07 USD"},
		{money.Money{Minor: math.MinInt64, Currency: "USD"}, "-92233720368547758.08 USD"},
	} {
		require.Equal(t, c.want, c.money.String())
		require.Equal(t, strings.Fields(c.want)[0], c.money.Decimal())
	}
}

func TestUnlikeCurrenciesAreNotAdded(t *testing.T) {
	t.Parallel()
	_, err := money.Money{Minor: 1, Currency: "USD"}.Add(money.Money{Minor: 1, Currency: "EUR"})
	require.EqualError(t, err, "add EUR to USD: unlike currencies")
}

// amount draws amounts with a taste for the ends of int64.
func amount() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64(), rapid.Int64Range(-100, 100),
		rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64, math.MaxInt64 - 1}))
}

func TestArithmeticIsExactOrAnError(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := amount().Draw(t, "a"), amount().Draw(t, "b")
		for _, c := range []struct {
			exact *big.Int
			do    func() (money.Money, error)
		}{
			{new(big.Int).Add(big.NewInt(a), big.NewInt(b)), func() (money.Money, error) {
				return money.Money{Minor: a, Currency: "USD"}.Add(money.Money{Minor: b, Currency: "USD"})
			}},
			{new(big.Int).Mul(big.NewInt(a), big.NewInt(b)), func() (money.Money, error) {
				return money.Money{Minor: a, Currency: "USD"}.Times(b)
			}},
		} {
			got, err := c.do()
			if !c.exact.IsInt64() {
				require.ErrorContains(t, err, "overflow")
				continue
			}
			require.NoError(t, err)
			require.Equal(t, money.Money{Minor: c.exact.Int64(), Currency: "USD"}, got)
		}
	})
}

func TestBasisPointsAreRoundedHalfAwayFromZero(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ minor, bps, want int64 }{
		{10_000, 250, 250},
		{1999, 250, 50}, // 49.975
		{1, 5_000, 1},   // 0.5
		{1, 4_999, 0},
		{-1, 5_000, -1},
		{-1999, 250, -50},
		{0, 250, 0},
		{1999, 0, 0},
		{1999, 10_000, 1999},
		{math.MaxInt64, 10_000, math.MaxInt64},
		{math.MinInt64, 10_000, math.MinInt64},
	} {
		share := money.Money{Minor: c.minor, Currency: "USD"}.BasisPoints(c.bps)
		require.Equal(t, money.Money{Minor: c.want, Currency: "USD"}, share)
	}
}

func TestAFeeIsNeverMoreThanTheAmount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		minor, bps := rapid.Int64Range(0, math.MaxInt64).Draw(t, "minor"), rapid.Int64Range(0, 10_000).Draw(t, "bps")
		fee := money.Money{Minor: minor, Currency: "USD"}.BasisPoints(bps).Minor
		require.GreaterOrEqual(t, fee, int64(0))
		require.LessOrEqual(t, fee, minor)
	})
}
