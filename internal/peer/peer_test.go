package peer_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/peer"
)

func TestTheClientIsTheLastAddressThatIsNoProxyOfOurs(t *testing.T) {
	t.Parallel()
	proxies := peer.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		proxies   peer.Proxies
		remote    string
		forwarded []string
		want      string
	}{
		"nobody is trusted by default":           {nil, "10.0.0.1:1234", []string{"203.0.113.7"}, "10.0.0.1"},
		"a stranger's header means nothing":      {proxies, "198.51.100.1:1234", []string{"203.0.113.7"}, "198.51.100.1"},
		"a proxy tells":                          {proxies, "10.0.0.1:1234", []string{"203.0.113.7"}, "203.0.113.7"},
		"what the client wrote is not looked at": {proxies, "10.0.0.1:1234", []string{"192.0.2.1, 203.0.113.7"}, "203.0.113.7"},
		"proxies behind proxies":                 {proxies, "10.0.0.1:1234", []string{"192.0.2.1, 203.0.113.7, 10.9.9.9"}, "203.0.113.7"},
		"in several headers":                     {proxies, "10.0.0.1:1234", []string{"192.0.2.1", "203.0.113.7", "10.9.9.9"}, "203.0.113.7"},
		"a chain of proxies only":                {proxies, "10.0.0.1:1234", []string{"10.1.1.1"}, "10.1.1.1"},
		"no header":                              {proxies, "10.0.0.1:1234", nil, "10.0.0.1"},
		"nonsense":                               {proxies, "10.0.0.1:1234", []string{"203.0.113.7, unknown"}, "10.0.0.1"},
		"IPv6":                                   {proxies, "[fd00::1]:1234", []string{"2001:db8::7"}, "2001:db8::7"},
		"IPv4 in IPv6":                           {proxies, "[::ffff:10.0.0.1]:1234", []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{RemoteAddr: c.remote, Header: http.Header{"X-Forwarded-For": c.forwarded}}
			require.Equal(t, c.want, c.proxies.Address(r).String())
		})
	}
	require.False(t, proxies.Address(&http.Request{RemoteAddr: "@"}).IsValid())
}
