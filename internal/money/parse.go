package money

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Parse reads a decimal that is not negative, such as 19.99, as an amount of the currency. Zeros behind the currency's decimals are none. An
// error says that the text is no such number, or that the currency has no such amount.
func Parse(decimal, currency string) (Money, error) {
	decimals, known := Exponent(currency)
	if !known {
		return Money{}, fmt.Errorf("%s is no currency", currency)
	}
	whole, part, dotted := strings.Cut(decimal, ".")
	if whole == "" || (dotted && part == "") || strings.Trim(whole+part, "0123456789") != "" {
		return Money{}, fmt.Errorf("%q is no decimal number", decimal)
	}
	if len(part) > decimals {
		if strings.Trim(part[decimals:], "0") != "" {
			return Money{}, fmt.Errorf("%s has %d decimals", currency, decimals)
		}
		part = part[:decimals]
	}
	minor, err := strconv.ParseInt(whole+part+strings.Repeat("0", decimals-len(part)), 10, 64)
	if err != nil || minor == math.MaxInt64 {
		return Money{}, fmt.Errorf("%q is too large", decimal)
	}
	return Money{Minor: minor, Currency: currency}, nil
}
