package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// maxLong is the largest integer that JavaScript tells from its neighbours.
const maxLong = 1<<53 - 1

// inputError is about a value that is not of its type: the caller's to mend, before any operation sees it.
type inputError struct{ sentence string }

func (e *inputError) Error() string { return e.sentence }

func refuse(format string, args ...any) error { return &inputError{fmt.Sprintf(format, args...)} }

// MarshalString writes a String.
func MarshalString(s string) graphql.Marshaler { return text(s) }

// UnmarshalString reads a String. Numbers are none.
func UnmarshalString(v any) (string, error) {
	text, ok := v.(string)
	if !ok {
		return "", refuse("must be a string")
	}
	return text, nil
}

// MarshalID writes an ID.
func MarshalID(id string) graphql.Marshaler { return text(id) }

// UnmarshalID reads an ID: a string, or a whole number for a bare one.
func UnmarshalID(v any) (string, error) {
	if text, ok := v.(string); ok {
		return text, nil
	}
	number, err := wholeNumber(v, math.MinInt64, math.MaxInt64)
	if err != nil {
		return "", refuse("must be an id: a string or a whole number")
	}
	return strconv.FormatInt(number, 10), nil
}

// MarshalBoolean writes a Boolean.
func MarshalBoolean(b bool) graphql.Marshaler { return graphql.MarshalBoolean(b) }

// UnmarshalBoolean reads a Boolean.
func UnmarshalBoolean(v any) (bool, error) {
	b, ok := v.(bool)
	if !ok {
		return false, refuse("must be true or false")
	}
	return b, nil
}

// MarshalInt writes an Int.
func MarshalInt(number int32) graphql.Marshaler { return graphql.MarshalInt32(number) }

// UnmarshalInt reads an Int: a whole number of 32 bits.
func UnmarshalInt(v any) (int32, error) {
	number, err := wholeNumber(v, math.MinInt32, math.MaxInt32)
	return int32(number), err //nolint:gosec // within the bounds
}

// MarshalLong writes a Long.
func MarshalLong(number int64) graphql.Marshaler { return graphql.MarshalInt64(number) }

// UnmarshalLong reads a Long: a whole number that JavaScript can hold.
func UnmarshalLong(v any) (int64, error) { return wholeNumber(v, -maxLong, maxLong) }

// wholeNumber reads what a variable or a literal gives for a whole number.
func wholeNumber(v any, lowest, highest int64) (int64, error) {
	var number int64
	switch v := v.(type) {
	case json.Number:
		read, err := strconv.ParseInt(v.String(), 10, 64)
		if err != nil {
			return 0, refuse("must be a whole number between %d and %d", lowest, highest)
		}
		number = read
	case int64:
		number = v
	case int: // a default value of the schema
		number = int64(v)
	default:
		return 0, refuse("must be a whole number")
	}
	if number < lowest || number > highest {
		return 0, refuse("must be between %d and %d", lowest, highest)
	}
	return number, nil
}

// MarshalDateTime writes a DateTime.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = w.Write(t.UTC().AppendFormat(nil, `"`+time.RFC3339Nano+`"`))
	})
}

// UnmarshalDateTime reads a DateTime: RFC 3339 with any offset.
func UnmarshalDateTime(v any) (time.Time, error) {
	text, _ := v.(string)
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, refuse("must be an RFC 3339 date and time, such as 2026-01-31T09:30:00Z")
	}
	return t.UTC(), nil
}

// MarshalJSON writes JSON as it is.
func MarshalJSON(text json.RawMessage) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = w.Write(text) })
}

// UnmarshalJSON reads JSON. Numbers in variables stay as they were written, however large.
func UnmarshalJSON(v any) (json.RawMessage, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, refuse("must be JSON")
	}
	return text.Bytes(), nil
}

// MarshalEnum writes an enum's value.
func MarshalEnum(value string) graphql.Marshaler { return text(value) }

// UnmarshalEnum reads an enum's value. It is known to be one but for the case of its letters: the validator does not look at that
// in variables, and all our values are upper case.
func UnmarshalEnum(v any) (string, error) {
	value, ok := v.(string)
	if !ok || strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != "" {
		return "", refuse("must be a value of the enum, in upper case")
	}
	return value, nil
}
