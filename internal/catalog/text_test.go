package catalog

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/fault"
)

func TestLaunchURLs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence string
		url      string
		want     string // part of the message; empty when it is accepted
	}{
		{"https is accepted", "https://app.example/launch", ""},
		{"its own parameters, port and fragment are accepted", "https://app.example:8443/a%20b?tenant=7&x=#/launch", ""},
		{"an international host is accepted", "https://bücher.example/", ""},
		{"http on localhost is accepted", "http://localhost:3000/launch", ""},
		{"http on a subdomain of localhost is accepted", "http://App.Localhost:3000", ""},
		{"http on a loopback IPv4 address is accepted", "http://127.4.5.6/", ""},
		{"http on the loopback IPv6 address is accepted", "http://[::1]:3000/", ""},
		{"http elsewhere would show the token to the network", "http://app.example/launch", "https"},
		{"a name that only begins like localhost is elsewhere", "http://localhost.example/", "https"},
		{"http on a private address crosses a network", "http://192.168.1.5/", "https"},
		{"an empty one is missing", "", "required"},
		{"a relative one is refused", "/launch", "absolute"},
		{"one without a scheme is refused", "//app.example/launch", "absolute"},
		{"one without a host is refused", "https:///launch", "absolute"},
		{"a port is not a host", "https://:443/", "absolute"},
		{"another scheme is refused", "javascript:alert(1)", "absolute"},
		{"ftp is refused", "ftp://app.example/", "absolute"},
		{"a user name is refused", "https://user@app.example/", "user name"},
		{"a password is refused", "https://user:pass@app.example/", "user name"},
		{"spaces are refused", "https://app.example/a b", "not a URL"},
		{"line breaks are refused", "https://app.example/\nx", "control"},
		{"NUL is refused", "https://app.example/\x00", "NUL"},
		{"bytes that are not UTF-8 are refused", "https://app.example/\xff", "UTF-8"},
		{"a malformed escape is refused", "https://app.example/%zz", "not a URL"},
		{"a backslash in the host is refused", `https://app.example\@other.example/`, "not a URL"},
		{"port 0 is refused", "https://app.example:0/", "port"},
		{"a port beyond 65535 is refused", "https://app.example:65536/", "port"},
		{"2048 characters are accepted", "https://app.example/" + strings.Repeat("a", 2028), ""},
		{"2049 characters are refused", "https://app.example/" + strings.Repeat("a", 2029), "2048"},
		{"a parameter named token is Portico's", "https://app.example/?a=1&token=x", "token"},
		{"an escaped parameter named token is Portico's too", "https://app.example/?%74oken=x", "token"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			t.Parallel()
			wrong := checkLaunchURL("launchUrl", test.url)
			if test.want == "" {
				require.Nil(t, wrong)
				return
			}
			require.NotNil(t, wrong)
			require.Equal(t, []string{"launchUrl"}, wrong.Field)
			require.Contains(t, wrong.Message, test.want)
		})
	}
}

func TestAnUpgradeURLMayHaveAParameterNamedToken(t *testing.T) {
	t.Parallel()
	require.Nil(t, checkURL("upgradeUrl", "https://shop.example/buy?token=campaign"))
}

func TestLines(t *testing.T) {
	t.Parallel()
	require.Nil(t, checkLine("name", "Größe 勤怠 <&>", 12))
	require.Equal(t, fault.CodeRequired, checkLine("name", "", 10).Code)
	require.Equal(t, fault.CodeInvalid, checkLine("name", "eleven char", 10).Code)
	require.Equal(t, fault.CodeInvalid, checkLine("name", "two\nlines", 10).Code)
	require.Equal(t, fault.CodeInvalid, checkLine("name", "nul\x00", 10).Code)
	require.Equal(t, fault.CodeInvalid, checkLine("name", "\xc3\x28", 10).Code)
}
