package account

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"portico/db/dbtest"
	"portico/internal/fault"
)

// nested is an object in which levels objects and arrays enclose one another.
func nested(levels int) string {
	return `{"a":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + `}`
}

func sized(bytes int) string { return `{"a":"` + strings.Repeat("x", bytes-len(`{"a":""}`)) + `"}` }

func TestUserMeta(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, raw string
		says      string // empty when it is accepted
	}{
		{"an empty object", `{}`, ""},
		{"all kinds of values", ` {"a":[1,-2.5e3,true,false,null,"é\n\u00e9 \"e999999\""],"b":{"":""}} `, ""},
		{"a character beyond the first plane", `{"😀":"\ud83d\ude00\uD83D\uDE00"}`, ""},
		{"an escaped backslash before u0000", `{"a":"\\u0000"}`, ""},
		{"an escaped backslash before a surrogate", `{"a":"\\ud800"}`, ""},
		{"the highest and lowest code units beside the surrogates", `{"a":"\ud7ff\ue000\uffff\u0001"}`, ""},
		{"20 levels", nested(20), ""},
		{"brackets in a string are no levels", `{"a":"` + strings.Repeat("[{", 30) + `"}`, ""},
		{"siblings are no levels", `{"a":[[],[],[],{},{},[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}`, ""},
		{"16 KiB", sized(16 << 10), ""},
		{"a number that is long when written out", `{"a":1e300}`, ""},

		{"16 KiB and a byte", sized(16<<10 + 1), "at most 16 KiB"},
		{"21 levels", nested(21), "nested at most 20 levels deep"},
		{"an array", `[]`, "must be a JSON object"},
		{"a string", `"a"`, "must be a JSON object"},
		{"no JSON", `{a:1}`, "is not valid JSON"},
		{"two objects", `{}{}`, "is not valid JSON"},
		{"half an object", `{"a"`, "is not valid JSON"},
		{"bytes that are not UTF-8", "{\"a\":\"\xff\"}", "is not valid JSON"},
		{"a surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", "is not valid JSON"},
		{"a raw NUL", "{\"a\":\"\x00\"}", "is not valid JSON"},
		{"an escaped NUL in a value", `{"a":"b\u0000"}`, "must not contain \\u0000"},
		{"an escaped NUL in a key", `{"\u0000":1}`, "must not contain \\u0000"},
		{"an escaped NUL within", `{"a":[{"b":["\u0000"]}]}`, "must not contain \\u0000"},
		{"a NUL behind an escaped backslash", `{"a":"\\\u0000"}`, "must not contain \\u0000"},
		{"a high surrogate alone", `{"a":"\ud83d"}`, "half of a surrogate pair"},
		{"a low surrogate alone", `{"a":"\ude00"}`, "half of a surrogate pair"},
		{"a high surrogate before a character", `{"a":"\ud83dx"}`, "half of a surrogate pair"},
		{"a high surrogate before another escape", `{"a":"\ud83d\n"}`, "half of a surrogate pair"},
		{"a high surrogate before a high one", `{"a":"\ud83d\ud83d\ude00"}`, "half of a surrogate pair"},
		{"a pair the wrong way round", `{"a":"\ude00\ud83d"}`, "half of a surrogate pair"},
		{"a pair and half of one", `{"a":"\ud83d\ude00\ude00"}`, "half of a surrogate pair"},
		{"half of a pair in a key", `{"\uD83D":1}`, "half of a surrogate pair"},
		{"a number that fills the disk", `{"a":1e131071}`, "with its numbers written out"},
		{"a number that Postgres cannot hold", `{"a":1E+999999999999999999999}`, "with its numbers written out"},
		{"a number that is too small", `{"a":1e-16384}`, "with its numbers written out"},
		{"many numbers that are long together", `{"a":[` + strings.Repeat("1e300,", 60) + `0]}`, "with its numbers written out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var check fault.Check
			got := userMeta(&check, "userMeta", json.RawMessage(c.raw))
			if c.says == "" {
				require.NoError(t, check.Err())
				require.Equal(t, strings.TrimSpace(c.raw), string(got))
				return
			}
			require.True(t, fault.Is(check.Err(), fault.CodeInvalid))
			require.Equal(t, []string{"userMeta"}, fault.List(check.Err())[0].Field)
			require.ErrorContains(t, check.Err(), c.says)
		})
	}
	for _, nothing := range []json.RawMessage{nil, {}, json.RawMessage(" null\n")} {
		require.Equal(t, "{}", string(userMeta(new(fault.Check), "userMeta", nothing)))
	}
}

func TestPostgresStoresWhateverUserMetaIsAccepted(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t).Pool()
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{`\u0000`, `\ud83d`, `\ude00`, `\ud83d\ude00`, `\\`, `\"`, `\n`, `\u00e9`, "😀", "é", "a", "e9", "[", "{"}),
		rapid.Map(rapid.Int32Range(0x20, 0x10ffff), func(c int32) string { return strings.NewReplacer(`"`, ``, `\`, ``).Replace(string(c)) }),
	)
	text := rapid.Map(rapid.SliceOfN(piece, 0, 3), func(pieces []string) string { return `"` + strings.Join(pieces, "") + `"` })
	number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,6})?`)
	scalar := rapid.OneOf(text, number, rapid.SampledFrom([]string{"true", "false", "null", "[]", "{}"}))
	rapid.Check(t, func(t *rapid.T) {
		key, value, list := text.Draw(t, "key"), scalar.Draw(t, "value"), rapid.SliceOfN(scalar, 0, 3).Draw(t, "list")
		raw := []byte(`{` + key + `:` + value + `,"list":[` + strings.Join(list, ",") + `]}`)
		if refuseUserMeta(raw) != "" {
			return
		}
		var written string
		require.NoError(t, pool.QueryRow(t.Context(), `select $1::jsonb::text`, json.RawMessage(raw)).Scan(&written))
		// Spaces that jsonb puts between members are all that is added.
		require.LessOrEqual(t, len(strings.ReplaceAll(written, " ", "")), maxUserMetaBytes)
	})
}
