package webhooktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
)

const (
	maxSafe = 1<<53 - 1
	// Up to 15 digits every text is a double's, and 17 tell a double from its neighbours: more say something that no double does.
	keptDigits, toldDigits = 15, 17
)

// SameMeaning explains where body does not say what given says. Both are JSON without spaces that matter and in any order of keys. A
// number may have become a string with the same value where a receiver's double would not hold it, and must have where it is beyond
// 2^53-1 or has more digits than a double tells.
func SameMeaning(given, body []byte) error {
	want, err := decode(given)
	if err != nil {
		return fmt.Errorf("read what was given: %w", err)
	}
	got, err := decode(body)
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	return same("$", want, got)
}

func decode(text []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err = decoder.Decode(&value)
	return value, err
}

func same(path string, want, got any) error {
	switch want := want.(type) {
	case json.Number:
		return sameNumber(path, string(want), got)
	case []any:
		list, is := got.([]any)
		if !is || len(list) != len(want) {
			return fmt.Errorf("%s: want %d elements, got %v", path, len(want), got)
		}
		for i := range want {
			if err := same(fmt.Sprintf("%s[%d]", path, i), want[i], list[i]); err != nil {
				return err
			}
		}
	case map[string]any:
		object, is := got.(map[string]any)
		if !is || len(object) != len(want) {
			return fmt.Errorf("%s: want %d members, got %v", path, len(want), got)
		}
		for key := range want {
			there, has := object[key]
			if !has {
				return fmt.Errorf("%s: %q is missing", path, key)
			}
			if err := same(fmt.Sprintf("%s[%q]", path, key), want[key], there); err != nil {
				return err
			}
		}
	default:
		if !reflect.DeepEqual(want, got) {
			return fmt.Errorf("%s: want %q, got %q", path, want, got)
		}
	}
	return nil
}

func sameNumber(path, want string, got any) error {
	held, _ := json.Number(want).Float64() // an infinity where it is out of range
	digits := significant(want)
	switch got := got.(type) {
	case json.Number:
		read, err := got.Float64()
		if err != nil || read != held || math.Abs(held) > maxSafe || digits > toldDigits || held == 0 && digits > 0 {
			return fmt.Errorf("%s: want %s, got the number %s", path, want, got)
		}
		return nil
	case string:
		value, isNumber := new(big.Rat).SetString(got)
		exact, _ := new(big.Rat).SetString(want)
		needless := math.Abs(held) <= maxSafe && digits <= keptDigits && (held != 0 || digits == 0) && math.Abs(held) >= math.SmallestNonzeroFloat64*(1<<52)
		if !isNumber || value.Cmp(exact) != 0 || needless {
			return fmt.Errorf("%s: want %s, got the string %q", path, want, got)
		}
		return nil
	}
	return fmt.Errorf("%s: want %s, got %v", path, want, got)
}

// significant counts the digits of a number's text without outer zeros.
func significant(number string) int {
	mantissa, _, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(number, "-")), "e")
	return len(strings.Trim(strings.Replace(mantissa, ".", "", 1), "0"))
}
