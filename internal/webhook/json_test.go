package webhook_test

import (
	"encoding/json"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"portico/internal/webhook"
	"portico/internal/webhook/webhooktest"
)

// manyBodies checks thousands of bodies, one in a check: what fails is shrunk to the one body that matters.
func manyBodies(t *testing.T, property func(t *rapid.T)) {
	t.Helper()
	for range 30 {
		rapid.Check(t, property)
	}
}

func TestStableJSONIsWhatANodeReceiverReads(t *testing.T) {
	t.Parallel()
	node := webhooktest.StartNode(t)

	t.Run("every rule's text is a fixed point", func(t *testing.T) {
		for _, rule := range rules {
			text, ok := node.Reads(t, []byte(rule.want))
			require.True(t, ok, rule.name)
			require.Equal(t, rule.want, text, rule.name)
		}
	})
	t.Run("the body of any value is a fixed point without unsafe numbers", func(t *testing.T) {
		manyBodies(t, func(t *rapid.T) {
			body, err := webhook.StableJSON(anyValue(4).Draw(t, "value"))
			require.NoError(t, err)
			requireFixedPoint(t, node, body)
			requireSafeNumbers(t, body)
		})
	})
	t.Run("raw JSON becomes what Node makes of it", func(t *testing.T) {
		manyBodies(t, func(t *rapid.T) {
			raw := webhooktest.RawJSON(4).Draw(t, "raw")
			body, err := webhook.StableJSON(json.RawMessage(raw))
			require.NoError(t, err)
			text, ok := node.Reads(t, []byte(raw))
			require.True(t, ok)
			require.Equal(t, text, string(body))
		})
	})
	t.Run("metadata with numbers of any size is a fixed point that says what was given", func(t *testing.T) {
		manyBodies(t, func(t *rapid.T) {
			raw := webhooktest.Metadata(4).Draw(t, "metadata")
			body, err := webhook.StableJSON(webhook.Object{{Key: "userMeta", Value: json.RawMessage(raw)}})
			require.NoError(t, err)
			requireFixedPoint(t, node, body)
			requireSafeNumbers(t, body)
			require.NoError(t, webhooktest.SameMeaning([]byte(`{"userMeta":`+raw+`}`), body))
		})
	})
	t.Run("raw JSON is refused exactly if Node refuses it", func(t *testing.T) {
		manyBodies(t, func(t *rapid.T) {
			raw := []byte(webhooktest.RawJSON(2).Draw(t, "raw"))
			raw[rapid.IntRange(0, len(raw)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("{}[],:\"\\-+.e0u \x00\x7ftx")).Draw(t, "byte")
			_, err := webhook.StableJSON(json.RawMessage(raw))
			_, ok := node.Reads(t, raw)
			require.Equal(t, ok, err == nil, "%q", raw)
		})
	})
	t.Run("what is large is a fixed point", func(t *testing.T) {
		for name, value := range large() {
			body, err := webhook.StableJSON(value)
			require.NoError(t, err, name)
			text, ok := node.Reads(t, body)
			require.True(t, ok, name)
			require.True(t, text == string(body), name) //nolint:testifylint // megabytes are no message
		}
	})
}

func requireFixedPoint(t require.TestingT, node *webhooktest.Node, body []byte) {
	text, ok := node.Reads(t, body)
	require.True(t, ok, string(body))
	require.Equal(t, string(body), text)
}

// large is what is beyond the bodies that are drawn: wide, long and deep ones.
func large() map[string]any {
	var characters strings.Builder
	for c := range rune(0x110000) {
		characters.WriteRune(c) // a surrogate becomes U+FFFD
	}
	backwards := make(webhook.Object, 0, 20_000)
	for n := 10_000; n > 0; n-- {
		backwards = append(backwards, webhook.Member{Key: strconv.Itoa(n), Value: n}, webhook.Member{Key: "0" + strconv.Itoa(n), Value: nil})
	}
	numbers := make([]any, 0, 4*2100)
	for exponent := -1075; exponent <= 1023; exponent++ {
		power := math.Ldexp(1, exponent)
		numbers = append(numbers, power, -power, math.Nextafter(power, 0), math.Nextafter(power, math.Inf(1)))
	}
	return map[string]any{
		"an array of 200,000 elements":                       slices.Repeat([]any{0, "a", nil, true}, 50_000),
		"an object whose 20,000 keys are in the wrong order": backwards,
		"every character there is":                           characters.String(),
		"every power of two and its neighbours":              numbers,
		"a hundred levels":                                   json.RawMessage(deep(100)),
	}
}

func requireSafeNumbers(t require.TestingT, body []byte) {
	tokens := json.NewDecoder(strings.NewReader(string(body)))
	for {
		token, err := tokens.Token()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
		if number, ok := token.(float64); ok {
			require.LessOrEqual(t, math.Abs(number), float64(1<<53-1), string(body))
		}
	}
}

func TestStableJSONKeepsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		float := rapid.Float64Range(-maxSafe, maxSafe).Draw(t, "float")
		integer := rapid.Int64().Draw(t, "integer")
		body, err := webhook.StableJSON([]any{text, float, integer})
		require.NoError(t, err)

		var back []any
		require.NoError(t, json.Unmarshal(body, &back))
		require.Equal(t, text, back[0])
		require.Equal(t, float, back[1])
		if integer < -maxSafe || integer > maxSafe {
			require.Equal(t, strconv.FormatInt(integer, 10), back[2])
		} else {
			require.Equal(t, float64(integer), back[2])
		}

		again, err := webhook.StableJSON(json.RawMessage(body))
		require.NoError(t, err)
		require.Equal(t, string(body), string(again))
	})
}

const maxSafe = 1<<53 - 1

type status string

func pointer[T any](v T) *T { return &v }

var rules = []struct {
	name  string
	value any
	want  string
}{
	{"members keep the order given", webhook.Object{{"b", 1}, {"a", 2}}, `{"b":1,"a":2}`},
	{"a map's members are sorted", map[string]any{"b": 1, "a": 2, "B": 3}, `{"B":3,"a":2,"b":1}`},
	{"array indexes come first, ascending", webhook.Object{{"b", 1}, {"10", 2}, {"9", 3}, {"0", 4}}, `{"0":4,"9":3,"10":2,"b":1}`},
	{"a map's array indexes are ordered as numbers", map[string]any{"10": 1, "9": 2, "-1": 3}, `{"9":2,"10":1,"-1":3}`},
	{"the largest array index is 2^32-2", webhook.Object{{"4294967295", 1}, {"4294967294", 2}, {"99999999999", 3}},
		`{"4294967294":2,"4294967295":1,"99999999999":3}`},
	{"other spellings of numbers are ordinary keys", webhook.Object{{"01", 1}, {"1.0", 2}, {"-0", 3}, {"", 4}, {"+1", 5}, {"1", 6}},
		`{"1":6,"01":1,"1.0":2,"-0":3,"":4,"+1":5}`},
	{"of a key given twice the last value wins in the first place", webhook.Object{{"a", 1}, {"b", 2}, {"a", []any{3}}}, `{"a":[3],"b":2}`},
	{"keys that become equal are one key", webhook.Object{{"\xff", 1}, {"\xfe", 2}}, "{\"\uFFFD\":2}"},
	{"__proto__ is a key like any other", webhook.Object{{"__proto__", webhook.Object{{"a", 1}}}, {"toString", nil}},
		`{"__proto__":{"a":1},"toString":null}`},
	{"nested objects are ordered as well", []any{webhook.Object{{"a", map[string]any{"x": 0, "1": 0}}, {"2", 0}}},
		`[{"2":0,"a":{"1":0,"x":0}}]`},
	{"empty ones", []any{webhook.Object{}, map[string]any{}, []any{}, ""}, `[{},{},[],""]`},

	{"nil is null, of whatever type", []any{nil, webhook.Object(nil), map[string]any(nil), []any(nil), json.RawMessage(nil),
		(*string)(nil), (*int64)(nil), (*time.Time)(nil)}, `[null,null,null,null,null,null,null,null]`},
	{"pointers are what they point to", []any{pointer("a"), pointer(1), pointer(any(true)), pointer(json.RawMessage(`{ }`))}, `["a",1,true,{}]`},
	{"named types are what they are made of", []any{status("ACTIVE"), []status{"a"}, map[status]int{"k": 1}}, `["ACTIVE",["a"],{"k":1}]`},
	{"booleans", []any{true, false}, `[true,false]`},

	{"HTML is not escaped", "<a href='x'>&</a>", `"<a href='x'>&</a>"`},
	{"line separators and DEL stay raw", "\u2028\u2029\x7f\u0085\ufeff", "\"\u2028\u2029\x7f\u0085\ufeff\""},
	{"control characters are escaped as JavaScript does", "\x00\x01\b\t\n\v\f\r\x1f", `"\u0000\u0001\b\t\n\u000b\f\r\u001f"`},
	{"only quotes and backslashes need a backslash", `"\/`, `"\"\\/"`},
	{"keys are escaped like other strings", webhook.Object{{"a\"\n<", 1}}, `{"a\"\n<":1}`},
	{"characters outside the first plane stay raw", "😀\U0010FFFF", "\"😀\U0010FFFF\""},
	{"invalid UTF-8 becomes replacement characters", "a\xffb\xed\xa0\x80", "\"a\uFFFDb\uFFFD\uFFFD\uFFFD\""},

	{"integers of every size", []any{int8(-128), int16(-2), int32(3), int64(4), uint(5), uint8(6), uint16(7), uint32(8), uint64(9)},
		`[-128,-2,3,4,5,6,7,8,9]`},
	{"integers up to 2^53-1 are numbers", []any{int64(maxSafe), int64(-maxSafe), uint64(maxSafe)},
		`[9007199254740991,-9007199254740991,9007199254740991]`},
	{"integers beyond are strings", []any{int64(maxSafe + 1), int64(-maxSafe - 1), uint64(math.MaxUint64)},
		`["9007199254740992","-9007199254740992","18446744073709551615"]`},
	{"floats are written as ECMAScript does", []any{0.1, 1e-6, 1e-7, 1.5e-10, 5e-324, 100.0, 123456789.125, -1e-100},
		`[0.1,0.000001,1e-7,1.5e-10,5e-324,100,123456789.125,-1e-100]`},
	{"minus zero is zero", []any{math.Copysign(0, -1), json.Number("-0"), json.RawMessage("-0.0e5")}, `[0,0,0]`},
	{"floats beyond 2^53-1 are strings of ECMAScript's text", []any{9007199254740992.0, 1e20, 1e21, -1.5e300},
		`["9007199254740992","100000000000000000000","1e+21","-1.5e+300"]`},
	{"a float32 is its own shortest text", []any{float32(0.1), float32(16777216)}, `[0.1,16777216]`},
	{"number text is written as ECMAScript does", []any{json.Number("1.0"), json.Number("1E2"), json.Number("10e-8"), json.Number("12.50")},
		`[1,100,1e-7,12.5]`},
	{"the 17 digits of a double are that double", []any{json.Number("0.10000000000000001"), json.Number("4.9406564584124654e-324")},
		`[0.1,5e-324]`},
	{"number text that a double does not keep is a string", []any{json.Number("9007199254740992"), json.Number("12345678901234567890"),
		json.Number("1e21"), json.Number("1e400"), json.Number("1e-400"), json.Number("1e-99999999999999999999"),
		json.Number("0.12345678901234567890"), json.Number("9007199254740990.9")},
		`["9007199254740992","12345678901234567890","1e21","1e400","1e-400","1e-99999999999999999999",` +
			`"0.12345678901234567890","9007199254740990.9"]`},
	{"a zero is zero whatever its exponent", json.Number("0.000e99999999999999999999"), `0`},

	{"raw JSON keeps its order and loses its spaces", json.RawMessage(" { \"b\" : [ 1 , { } , [ ] ] ,\t\"a\" : null , \"2\":true,\"1\":false}\r\n"),
		`{"1":false,"2":true,"b":[1,{},[]],"a":null}`},
	{"raw keys are equal however they are escaped", json.RawMessage(`{"a":1,"b":2,"\u0061":3}`), `{"a":3,"b":2}`},
	{"raw escapes are undone", json.RawMessage(`"\u0041\/\u003c\u2028\uD83D\uDE00\u001F\u0008"`), "\"A/<\u2028😀\\u001f\\b\""},
	{"raw lone surrogates stay escapes", json.RawMessage(`"\uD800 \uDFFF\uD83D\uD83D\uDE00\ude00\ud83d\u0041"`),
		`"\ud800 \udfff\ud83d😀\ude00\ud83dA"`},
	{"raw numbers beyond 2^53-1 are strings", json.RawMessage(`[9007199254740993,-1E+30,9007199254740991]`),
		`["9007199254740993","-1E+30",9007199254740991]`},
	{"raw invalid UTF-8 becomes replacement characters", json.RawMessage("\"a\xff\""), "\"a\uFFFD\""},

	{"times are UTC with milliseconds", time.Date(2026, time.March, 1, 1, 2, 3, 4_999_999, time.FixedZone("", 3600)), `"2026-03-01T00:02:03.004Z"`},
	{"whole seconds have milliseconds as well", time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC), `"2026-03-01T00:00:00.000Z"`},
}

func TestStableJSONRules(t *testing.T) {
	t.Parallel()
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			body, err := webhook.StableJSON(rule.value)
			require.NoError(t, err)
			require.Equal(t, rule.want, string(body))
		})
	}
}

type redacted string

func (redacted) MarshalText() ([]byte, error) { return []byte("redacted"), nil }

func TestStableJSONRefuses(t *testing.T) {
	t.Parallel()
	var itself any
	itself = &itself
	for name, value := range map[string]any{
		"NaN":                               math.NaN(),
		"an infinity":                       math.Inf(-1),
		"a float32 infinity":                float32(math.Inf(1)),
		"a number that is none":             json.Number("1x"),
		"an empty number":                   json.Number(""),
		"a number with a space":             json.Number("1 "),
		"a literal that is no number":       json.Number("true"),
		"raw text that is empty":            json.RawMessage(""),
		"raw text with a comma too many":    json.RawMessage(`{"a":1,}`),
		"raw text with two values":          json.RawMessage(`1 2`),
		"raw text with a byte order mark":   json.RawMessage("\ufeff1"),
		"raw text with a control character": json.RawMessage("\"\x01\""),
		"a struct":                          struct{ A int }{1},
		"bytes":                             []byte("a"),
		"a map whose keys are not strings":  map[int]any{1: 1},
		"a type with a text of its own":     redacted("secret"),
		"a year of five digits":             time.Date(10000, time.January, 1, 0, 0, 0, 0, time.UTC),
		"a pointer to itself":               itself,
		"a bad value within an object":      webhook.Object{{"a", []any{math.NaN()}}},
		"a bad value within a map":          map[string]any{"a": make(chan int)},
		"a bad value within raw text":       json.RawMessage(deep(101)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, err := webhook.StableJSON(value)
			require.Error(t, err)
			require.Nil(t, body)
		})
	}
}

// deep is raw JSON of arrays and objects in one another.
func deep(levels int) string {
	text := "1"
	for level := range levels {
		if level%2 == 0 {
			text = "[" + text + "]"
		} else {
			text = `{"a":` + text + "}"
		}
	}
	return text
}

func TestStableJSONTakesAHundredLevels(t *testing.T) {
	t.Parallel()
	nest := func(value any, levels int) any {
		for level := range levels {
			switch level % 3 {
			case 0:
				value = []any{value}
			case 1:
				value = webhook.Object{{"a", value}}
			default:
				value = map[string]any{"a": value}
			}
		}
		return value
	}
	for _, levels := range []struct{ outside, raw int }{{100, 0}, {0, 100}, {50, 50}} {
		body, err := webhook.StableJSON(nest(json.RawMessage(deep(levels.raw)), levels.outside))
		require.NoError(t, err)
		require.Equal(t, 100, strings.Count(string(body), "[")+strings.Count(string(body), "{"))

		_, err = webhook.StableJSON(nest(json.RawMessage(deep(levels.raw)), levels.outside+1))
		require.ErrorContains(t, err, "nested deeper than 100")
	}
}

// anyValue makes what events and metadata are made of, with a taste for what JavaScript treats specially.
func anyValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kinds := 5
		if depth > 0 {
			kinds = 8
		}
		switch rapid.IntRange(0, kinds).Draw(t, "kind") {
		case 0:
			return rapid.SampledFrom([]any{nil, true, false, (*string)(nil)}).Draw(t, "plain")
		case 1, 2:
			return anyString().Draw(t, "string")
		case 3:
			return anyNumber().Draw(t, "number")
		case 4:
			seconds := rapid.Int64Range(-62135596800, 253402300799).Draw(t, "seconds")
			return time.Unix(seconds, rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		case 5:
			return json.RawMessage(webhooktest.RawJSON(depth).Draw(t, "raw"))
		case 6:
			return rapid.SliceOfN(anyValue(depth-1), 0, 4).Draw(t, "slice")
		case 7:
			return rapid.MapOfN(anyKey(), anyValue(depth-1), 0, 6).Draw(t, "map")
		default:
			members := rapid.Custom(func(t *rapid.T) webhook.Member {
				return webhook.Member{Key: anyKey().Draw(t, "key"), Value: anyValue(depth-1).Draw(t, "value")}
			})
			return webhook.Object(rapid.SliceOfN(members, 0, 6).Draw(t, "object"))
		}
	})
}

func anyKey() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"__proto__", "constructor", "toJSON", "length", "a", "b", "a", "0", "1", "2", "10", "007", "-0", "-1", "1e3",
			"4294967293", "4294967294", "4294967295", "4294967296", "9007199254740993", "18446744073709551616", "Infinity"}),
		rapid.Map(rapid.Uint32(), func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }),
		anyString(),
	)
}

func anyString() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", "\u2028\u2029", `<script>&amp;'"\/`, "\x00\x01\x1f\x7f", "\b\f\n\r\t\v", "😀👩\u200d👧", "\ufeff\ufffe\uffff",
			"\xff", "\xed\xa0\x80\xed\xb0\x80", "\xf4\x90\x80\x80", "e\u0301", `\u0041`, "1e21"}),
		rapid.String(),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
}

func anyNumber() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.SampledFrom([]any{0, math.Copysign(0, -1), 1e21, 1e-7, 1e20, 999999999999999900000.0, 1 << 53, 1<<53 - 1, -1 << 53, 5e-324,
			math.MaxFloat64, uint64(math.MaxUint64), int64(math.MinInt64), float32(0.1), json.Number("1E400")}),
		rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).AsAny(),
		rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32).AsAny(),
		rapid.Int64().AsAny(),
		rapid.Uint64().AsAny(),
		rapid.Map(rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?`),
			func(text string) any { return json.Number(text) }),
	)
}
