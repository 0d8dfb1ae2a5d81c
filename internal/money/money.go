// Package money owns amounts: integer minor units with their currency.
package money

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Money is an amount in the minor units of its ISO 4217 currency: 1999 with USD is 19.99 dollars, with JPY 1999 yen.
type Money struct {
	Minor    int64
	Currency string
}

// Exponent is the number of decimals of an ISO 4217 currency, and whether Portico knows the currency.
func Exponent(currency string) (decimals int, known bool) {
	if strings.Contains(zeroDecimals, currency+" ") && len(currency) == 3 {
		return 0, true
	}
	if strings.Contains(threeDecimals, currency+" ") && len(currency) == 3 {
		return 3, true
	}
	if strings.Contains(twoDecimals, currency+" ") && len(currency) == 3 {
		return 2, true
	}
	return 0, false
}

const (
	zeroDecimals  = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF "
	threeDecimals = "BHD IQD JOD KWD LYD OMR TND "
	twoDecimals   = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP " +
		"CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES " +
		"KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD " +
		"PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY " +
		"TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWL "
)

// String is the decimal amount and its currency: "19.99 USD".
func (m Money) String() string { return m.Decimal() + " " + m.Currency }

// Decimal is the amount as a decimal number with exactly the currency's decimals: "19.99".
func (m Money) Decimal() string {
	decimals, _ := Exponent(m.Currency)
	text := strconv.FormatUint(magnitude(m.Minor), 10)
	if decimals > 0 {
		if missing := decimals + 1 - len(text); missing > 0 {
			text = strings.Repeat("0", missing) + text
		}
		text = text[:len(text)-decimals] + "." + text[len(text)-decimals:]
	}
	if m.Minor < 0 {
		return "-" + text
	}
	return text
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return uint64(-(n + 1)) + 1 //nolint:gosec // not negative by now
	}
	return uint64(n)
}

// Add is the sum, an error for unlike currencies or a sum that int64 does not hold.
func (m Money) Add(other Money) (Money, error) {
	if m.Currency != other.Currency {
		return Money{}, fmt.Errorf("add %s to %s: unlike currencies", other.Currency, m.Currency)
	}
	if (other.Minor > 0 && m.Minor > math.MaxInt64-other.Minor) || (other.Minor < 0 && m.Minor < math.MinInt64-other.Minor) {
		return Money{}, fmt.Errorf("add %s to %s: overflow", other, m)
	}
	return Money{m.Minor + other.Minor, m.Currency}, nil
}

// Times is the amount for a number of units, an error when int64 does not hold it.
func (m Money) Times(units int64) (Money, error) {
	product := new(big.Int).Mul(big.NewInt(m.Minor), big.NewInt(units))
	if !product.IsInt64() {
		return Money{}, fmt.Errorf("multiply %s by %d: overflow", m, units)
	}
	return Money{product.Int64(), m.Currency}, nil
}

// BasisPoints is the given share of the amount (100 basis points are one percent), rounded half away from zero.
func (m Money) BasisPoints(bps int64) Money {
	share := new(big.Int).Mul(big.NewInt(m.Minor), big.NewInt(bps))
	half := big.NewInt(5_000)
	if share.Sign() < 0 {
		half.Neg(half)
	}
	share.Add(share, half).Quo(share, big.NewInt(10_000))
	return Money{share.Int64(), m.Currency}
}
