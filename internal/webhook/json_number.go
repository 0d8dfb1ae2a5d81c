package webhook

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// maxSafeInteger is the largest integer up to which JavaScript tells every integer from its neighbours, 2^53-1.
const maxSafeInteger = 1<<53 - 1

func (w *jsonWriter) integer(digits string, safe bool) {
	if safe {
		w.text(digits)
		return
	}
	w.string(digits)
}

func (w *jsonWriter) float(f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return errors.New("JSON has no NaN and no infinity")
	}
	w.integer(ecmaNumber(f), math.Abs(f) <= maxSafeInteger)
	return nil
}

// numberText appends a number that is given as text, or that text as a string where a double would not keep what it says.
func (w *jsonWriter) numberText(text string) error {
	if !isNumber(text) {
		return errors.New("a json.Number does not hold a JSON number")
	}
	// The only error left is a number out of range, which comes as an infinity and is beyond the safe integers.
	if f, _ := strconv.ParseFloat(text, 64); math.Abs(f) <= maxSafeInteger {
		short := ecmaNumber(f)
		written := parseDecimal(text)
		if written == parseDecimal(short) || written == parseDecimal(strconv.FormatFloat(f, 'e', 16, 64)) {
			w.text(short)
			return nil
		}
	}
	w.string(text)
	return nil
}

func isNumber(text string) bool {
	if text == "" || text[0] != '-' && !isDigit(text[0]) || !isDigit(text[len(text)-1]) {
		return false
	}
	return json.Valid([]byte(text))
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// ecmaNumber is ECMAScript's Number::toString of a finite f: 1e-7, 1e+21, and 0 for minus zero.
func ecmaNumber(f float64) string {
	if f == 0 {
		return "0"
	}
	if abs := math.Abs(f); 1e-6 <= abs && abs < 1e21 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	// Go writes at least two digits of the exponent, ECMAScript as many as it has.
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	return mantissa + "e" + exponent[:1] + strings.TrimLeft(exponent[1:], "0")
}

// decimal is the value of a number's text, exactly and in one form only: digits without outer zeros, times ten to the exponent.
type decimal struct {
	negative bool
	digits   string
	exponent int
}

func parseDecimal(text string) decimal {
	text, negative := strings.CutPrefix(text, "-")
	mantissa, power := text, "0"
	if e := strings.IndexAny(text, "eE"); e >= 0 {
		mantissa, power = text[:e], text[e+1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return decimal{}
	}
	// An exponent beyond an int is cut to the largest, and equals no double's either way.
	exponent, _ := strconv.Atoi(power)
	significant := strings.TrimRight(digits, "0")
	return decimal{negative, significant, exponent - len(fraction) + len(digits) - len(significant)}
}
