package account

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"portico/internal/fault"
)

// codeOf runs one check and gives the code of what it found, or nothing.
func codeOf(run func(*fault.Check)) fault.Code {
	var check fault.Check
	run(&check)
	if check.Err() == nil {
		return ""
	}
	found := fault.List(check.Err())
	return found[0].Code
}

func TestEmailAddresses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		address string
		want    fault.Code
	}{
		{"ada@example.com", ""},
		{"  ada@example.com\n", ""},
		{"Ada.Lovelace+portico@mail.example.co.uk", ""},
		{"o'brien@example.com", ""},
		{"ada@localhost", ""},
		{"ada@xn--bcher-kva.example", ""},
		{"ada@bücher.example", ""},
		{"ада@пример.рф", ""},
		{"a@b.c1", ""},
		{long + "@" + long + "." + long + ".com", ""},

		{"", fault.CodeRequired},
		{" \t", fault.CodeRequired},
		{"ada", fault.CodeInvalid},
		{"@example.com", fault.CodeInvalid},
		{"ada@", fault.CodeInvalid},
		{"ada@example", fault.CodeInvalid},
		{"ada@@example.com", fault.CodeInvalid},
		{"ada@example.com@example.com", fault.CodeInvalid},
		{"ada@.example.com", fault.CodeInvalid},
		{"ada@example..com", fault.CodeInvalid},
		{"ada@example.com.", fault.CodeInvalid},
		{".ada@example.com", fault.CodeInvalid},
		{"ada.@example.com", fault.CodeInvalid},
		{"a..da@example.com", fault.CodeInvalid},
		{"ada@-example.com", fault.CodeInvalid},
		{"ada@example-.com", fault.CodeInvalid},
		{"ada@exam_ple.com", fault.CodeInvalid},
		{"ada@127.0.0.1", fault.CodeInvalid},
		{"ada@[127.0.0.1]", fault.CodeInvalid},
		{"Ada <ada@example.com>", fault.CodeInvalid},
		{"<ada@example.com>", fault.CodeInvalid},
		{"ada@example.com (Ada)", fault.CodeInvalid},
		{`"ada lovelace"@example.com`, fault.CodeInvalid},
		{`"ada"@example.com`, fault.CodeInvalid},
		{"ada lovelace@example.com", fault.CodeInvalid},
		{"ada@example.com, bob@example.com", fault.CodeInvalid},
		{"ada\r\n@example.com", fault.CodeInvalid},
		{"ada\x00@example.com", fault.CodeInvalid},
		{"ada@exam\x00ple.com", fault.CodeInvalid},
		{"ada\xff@example.com", fault.CodeInvalid},
		{"ada@exam\u200bple.com", fault.CodeInvalid},
		{long + "aa@example.com", fault.CodeInvalid},
		{"ada@" + long + "a.com", fault.CodeInvalid},
		{"ada@" + strings.Repeat("a.", 125) + "com", fault.CodeInvalid},
	} {
		t.Run(c.address, func(t *testing.T) {
			t.Parallel()
			var got string
			require.Equal(t, c.want, codeOf(func(check *fault.Check) { got = emailAddress(check, "email", c.address) }))
			require.Equal(t, strings.TrimSpace(c.address), got)
		})
	}
}

func TestLinesOfText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		want        fault.Code
	}{
		{"a name", "Café Müller 咖啡 ☕", ""},
		{"as many characters as may be", strings.Repeat("é", 20), ""},
		{"one character too many", strings.Repeat("é", 21), fault.CodeInvalid},
		{"nothing", "", fault.CodeRequired},
		{"spaces", " \n ", fault.CodeRequired},
		{"a line break", "a\nb", fault.CodeInvalid},
		{"a NUL", "a\x00b", fault.CodeInvalid},
		{"an escape", "a\x1b[0m", fault.CodeInvalid},
		{"not UTF-8", "a\xff", fault.CodeInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, codeOf(func(check *fault.Check) { line(check, "name", c.value, 20) }))
		})
	}
	require.Equal(t, "Ada", line(new(fault.Check), "name", "  Ada\t", 20))
}

func TestShopHandles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		handle string
		want   fault.Code
	}{
		{"acme", ""}, {"ab", ""}, {"a1", ""}, {"acme-tools-2", ""}, {"a--b", ""}, {strings.Repeat("a", 63), ""}, {" acme ", ""},
		{"", fault.CodeRequired},
		{"a", fault.CodeInvalid}, {"Acme", fault.CodeInvalid}, {"1acme", fault.CodeInvalid}, {"-acme", fault.CodeInvalid},
		{"acme-", fault.CodeInvalid}, {"ac me", fault.CodeInvalid}, {"acme.com", fault.CodeInvalid}, {"acme/", fault.CodeInvalid},
		{"acmé", fault.CodeInvalid}, {"acme\nacme", fault.CodeInvalid}, {"ac\x00me", fault.CodeInvalid}, {strings.Repeat("a", 64), fault.CodeInvalid},
		{"api", fault.CodeInvalid}, {"graphql", fault.CodeInvalid}, {"admin", fault.CodeInvalid}, {"portal", fault.CodeInvalid},
		{"www", fault.CodeInvalid}, {"account", fault.CodeInvalid}, {"well-known", fault.CodeInvalid}, {"apis", ""},
	} {
		t.Run(c.handle, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, codeOf(func(check *fault.Check) { shopHandle(check, "shop", c.handle) }))
		})
	}
}

func TestAHandleIsMadeFromAName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Acme": "acme", "Acme Tools, Inc.": "acme-tools-inc", "  Café   Müller ": "cafe-muller", "O'Brien’s": "obriens",
		"3M": "shop-3m", "X": "shop-x", "Acme!": "acme", "--Acme--": "acme", "Łódź 1": "odz-1", "ﬁn": "fin",
		"咖啡": "", "☕ !": "", "": "",
		strings.Repeat("word ", 20): "word-word-word-word-word-word-word-word-word-word",
	} {
		require.Equal(t, want, handleFrom(name), name)
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z0-9 -]{0,80}`)).Draw(t, "name")
		if handle := handleFrom(name); handle != "" {
			require.Regexp(t, shopPattern, handle)
			require.LessOrEqual(t, len(handle), maxHandle)
		}
	})
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, password string
		want           fault.Code
	}{
		{"twelve characters", "twelve chars", ""},
		{"twelve characters of several bytes", strings.Repeat("é", 12), ""},
		{"128 bytes", strings.Repeat("four words are a password", 6)[:128], ""},
		{"spaces count", "a b c d e fg", ""},
		{"the address", "Ada@Example.com ", fault.CodeInvalid},
		{"the address and a little", "ada@example.com1", fault.CodeInvalid},
		{"a common one", "password1234", fault.CodeInvalid},
		{"a common one in disguise", "P@ssw0rd1234", fault.CodeInvalid},
		{"a row of keys", "qwertyuiop[]", fault.CodeInvalid},
		{"one character", strings.Repeat("a", 40), fault.CodeInvalid},
		{"eleven characters", "eleven char", fault.CodeInvalid},
		{"eleven characters of several bytes", strings.Repeat("é", 11), fault.CodeInvalid},
		{"129 bytes", strings.Repeat("a", 129), fault.CodeInvalid},
		{"65 characters of two bytes", strings.Repeat("é", 65), fault.CodeInvalid},
		{"not UTF-8", "twelve chars\xff", fault.CodeInvalid},
		{"nothing", "", fault.CodeRequired},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, codeOf(func(check *fault.Check) { newPassword(check, "password", c.password, "ada@example.com") }))
		})
	}
}

func TestScopesAreKnownOnesEachOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		asked []string
		want  []string
		field []string
	}{
		{"none asked for are all", nil, Scopes(), nil},
		{"in the schema's order, each once", []string{"WEBHOOKS_READ", "ACCESS_READ", "WEBHOOKS_READ"}, []string{"ACCESS_READ", "WEBHOOKS_READ"}, nil},
		{"an empty list", []string{}, nil, []string{"scopes"}},
		{"an unknown one", []string{"ACCESS_READ", "EVERYTHING"}, nil, []string{"scopes", "1"}},
		{"another case", []string{"access_read"}, nil, []string{"scopes", "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var check fault.Check
			got := knownScopes(&check, "scopes", c.asked)
			if c.field == nil {
				require.NoError(t, check.Err())
				require.Equal(t, c.want, got)
				return
			}
			require.True(t, fault.Is(check.Err(), fault.CodeInvalid))
			require.Equal(t, c.field, fault.List(check.Err())[0].Field)
		})
	}
}
