package webhooktest

import (
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// RawJSON is JSON as other programs write it, nested up to depth levels: with spaces, needless escapes, NUL, lone surrogates and keys
// that come twice. Its numbers are ones that a double holds.
func RawJSON(depth int) *rapid.Generator[string] {
	return value(depth, rapid.OneOf(rawString(escapes()), rawString(unstorable())), rawNumber())
}

// Metadata is a JSON object as merchants attach it to customers: without NUL and lone surrogates, which are refused, and with numbers
// of any size and precision.
func Metadata(depth int) *rapid.Generator[string] {
	anyNumber := rapid.OneOf(
		rawNumber(),
		rapid.SampledFrom([]string{"1e21", "-1E+21", "9007199254740992", "9007199254740993", "-9007199254740992", "18446744073709551616", "1e-7",
			"5e-325", "1e-400", "1e400", "1.7976931348623157e308", "1.7976931348623159e308", "0.12345678901234567890", "1.10", "100", "1e2"}),
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?`),
	)
	return object(depth, rawString(escapes()), anyNumber)
}

func value(depth int, texts, numbers *rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		kinds := 3
		if depth > 0 {
			kinds = 6
		}
		var text string
		switch rapid.IntRange(0, kinds).Draw(t, "kind") {
		case 0:
			text = rapid.SampledFrom([]string{"null", "true", "false"}).Draw(t, "literal")
		case 1:
			text = numbers.Draw(t, "number")
		case 2, 3:
			text = texts.Draw(t, "string")
		case 4:
			text = "[" + space(t) + strings.Join(rapid.SliceOfN(value(depth-1, texts, numbers), 0, 4).Draw(t, "array"), ",") + "]"
		default:
			text = object(depth, texts, numbers).Draw(t, "object")
		}
		return space(t) + text + space(t)
	})
}

func object(depth int, texts, numbers *rapid.Generator[string]) *rapid.Generator[string] {
	member := rapid.Custom(func(t *rapid.T) string {
		key := rapid.OneOf(rawKey(), texts).Draw(t, "key")
		return space(t) + key + space(t) + ":" + value(depth-1, texts, numbers).Draw(t, "value")
	})
	return rapid.Custom(func(t *rapid.T) string {
		return "{" + strings.Join(rapid.SliceOfN(member, 0, 6).Draw(t, "object"), ",") + space(t) + "}"
	})
}

func space(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "", "", " ", "\n\t\r "}).Draw(t, "space")
}

// escapes are pieces of strings that can be stored.
func escapes() []string {
	return []string{`\ud83d\ude00`, `\u001F`, `\u2028`, "\u2028", "\u2029", `\/`, `/`, `\\`, `\"`, `\b`, `\f`, `\n`, `\r`, `\t`, `\u0022`, `\u005C`, `\uFFFD`,
		`\u007f`, "<", ">", "&", "'", "\x7f", "😀", "👩\u200d👧", "é", "e\u0301", "\ufeff", "0", "1e21"}
}

// unstorable are pieces that input validation refuses.
func unstorable() []string {
	return []string{`\u0000`, `\ud800`, `\uDBFF`, `\udc00`, `\uDFFF`, `\uD83D\u0041`, `\ude00\ud83d`}
}

func rawString(some []string) *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom(some),
		rapid.Map(rapid.Int32Range(0x20, 0x10ffff), func(c int32) string {
			return strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(string(c))
		}),
	)
	return rapid.Map(rapid.SliceOfN(piece, 0, 6), func(pieces []string) string { return `"` + strings.Join(pieces, "") + `"` })
}

// rawKey is a key that JavaScript treats specially, or that is another one written differently.
func rawKey() *rapid.Generator[string] {
	return rapid.Map(rapid.SampledFrom([]string{"a", "b", `\u0061`, "", "__proto__", "constructor", "toJSON", "0", "1", "2", `\u0031`, "10", "01", "-0", "-1", "1e3",
		"1.0", "4294967294", "4294967295", "4294967296", "9007199254740992"}), func(key string) string { return `"` + key + `"` })
}

func rawNumber() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"0", "-0", "-0.0", "0e99", "1.0", "1E2", "1e-7", "1e+3", "0.000001", "0.0000001", "5e-324",
			"9007199254740991", "-9007199254740991", "0.10000000000000001", "2.5000"}),
		rapid.Custom(func(t *rapid.T) string {
			number := rapid.Float64Range(-maxSafe, maxSafe).Draw(t, "float")
			format := rapid.SampledFrom([]byte("eEgG")).Draw(t, "format")
			digits := rapid.SampledFrom([]int{-1, 16, 17}).Draw(t, "digits")
			if digits == 16 && (format == 'g' || format == 'G') {
				digits = 17
			}
			if digits == 17 && (format == 'e' || format == 'E') {
				digits = 16
			}
			return strconv.FormatFloat(number, format, digits, 64)
		}),
		rapid.Map(rapid.Int64Range(-maxSafe, maxSafe), func(n int64) string { return strconv.FormatInt(n, 10) }),
	)
}
