package webhook_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

// TestSavingTestingAndSendingRefuseTheSame gives each URL to all three: the endpoint's row gets it as if it had been saved under other
// rules. A receiver listens on all of this machine's addresses, and hears nothing.
func TestSavingTestingAndSendingRefuseTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Guard = webhook.NewGuard(webhook.GuardOptions{AllowHTTP: true})
	heard := make(chan string, 1000)
	listener, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		heard <- r.Host
	})}}
	server.Start()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)

	var urls []string
	for _, host := range []string{
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.0.1", "100.64.0.1", "198.18.0.1", "224.0.0.1",
		"255.255.255.255", "192.0.2.1", "169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16",
		"[::1]", "[::]", "[fe80::1]", "[fd00:ec2::254]", "[fc00::1]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]",
		"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]", "[0:0:0:0:0:0:0:1]",
		"[2002:7f00:1::]", "[2001:0:7f00:1::]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a00:1]", "[fe80::1%25eth0]", "[::1%25lo]",
		"0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "017700000001", "127.1", "127.0.1", "0", "127.0.0.1.", "127.000.000.001", "0x7f.1",
		"localhost", "LOCALHOST", "localhost.", "a.localhost", "metadata.localhost", "%31%32%37.0.0.1",
		"１２７.0.0.1", "ⓛocalhost", "127。0。0。1", "user@127.0.0.1", "user:pass@example.com", "example.com@127.0.0.1",
	} {
		urls = append(urls, "http://"+host+":"+port+"/hook")
	}
	urls = append(urls,
		"http://example.com:22/", "http://example.com:25/", "http://example.com:0/", "http://example.com:65536/", "http://127.0.0.1:1023/",
		"ftp://example.com/", "file:///etc/passwd", "gopher://127.0.0.1:"+port+"/", "unix:///var/run/docker.sock", "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
		"//127.0.0.1:"+port+"/", "http:127.0.0.1", "http:///hook", "http://example.com/#@127.0.0.1", "http://127.0.0.1:"+port+"#.example.com/",
	)
	m := w.merchant(t)
	for i, url := range urls {
		_, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{URL: url})
		require.Equal(t, "INVALID url", faults(err), "saving %s", url)
		if i%19 == 0 {
			m = w.merchant(t) // whose tests have not run out
		}
		e, _ := m.endpoint(t, "https://example.com")
		_, err = w.EndpointUpdate(t.Context(), m.id, webhook.EndpointUpdate{ID: e.ID, URL: &url})
		require.Equal(t, "INVALID url", faults(err), "changing to %s", url)
		_, err = w.DB.Tenant(m.id).Exec(t.Context(), `update webhook_endpoint set url = $1 where id = $2`, url, e.ID)
		require.NoError(t, err)

		// http.NewRequest does not take some of them.
		classes := []webhook.ErrorClass{webhook.ErrorRefusedAddress, webhook.ErrorGivenUp}
		trial := m.try(t, e, "invoice.created")
		require.Contains(t, classes, *trial.ErrorClass, "testing %s: %s", url, *trial.Error)
		require.Nil(t, trial.StatusCode, url)

		m.publish(t, m.subscription(t))
		m.drain(t, e)
		attempt := m.lastAttempt(t, e)
		require.Equal(t, *trial.ErrorClass, *attempt.ErrorClass, "sending to %s: %s", url, *attempt.Error)
		require.Equal(t, *trial.Error, *attempt.Error)
		require.NotContains(t, *attempt.Error, "127.0.0.1", "what was found out stays with us")
		_, err = w.EndpointDisable(t.Context(), m.id, e.ID)
		require.NoError(t, err)
	}
	require.Empty(t, heard)
}

// lastAttempt is the only attempt of the endpoint's only delivery.
func (m *merchant) lastAttempt(t *testing.T, e webhook.Endpoint) webhook.Attempt {
	t.Helper()
	for _, d := range m.deliveries(t) {
		if d.EndpointID == e.ID {
			return m.attempts(t, d)[0]
		}
	}
	require.Fail(t, "no delivery", "endpoint %d", e.ID)
	return webhook.Attempt{}
}

func TestNeitherARedirectNorAProxyOfTheEnvironmentIsFollowed(t *testing.T) {
	// Not parallel: the environment is the process's.
	proxy := receive(t, nil)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	w := newWorld(t)
	m := w.merchant(t)
	inside := receive(t, nil)
	outside := receive(t, func(rw http.ResponseWriter, _ string) {
		rw.Header().Set("Location", inside.URL)
		rw.WriteHeader(http.StatusTemporaryRedirect)
	})
	// A name, because Go's own proxy rules leave out this machine's addresses.
	e, _ := m.endpoint(t, strings.Replace(outside.URL, "127.0.0.1", "localhost", 1))
	trial := m.try(t, e, "invoice.created")
	require.Equal(t, webhook.ErrorRedirect, *trial.ErrorClass)
	m.publish(t, m.subscription(t))
	m.drain(t, e)
	require.Equal(t, webhook.ErrorRedirect, *m.lastAttempt(t, e).ErrorClass)
	nowhere, _ := m.endpoint(t, "http://nobody.invalid")
	require.Equal(t, webhook.ErrorDNS, *m.try(t, nowhere, "invoice.created").ErrorClass, "a proxy would have asked for it")
	require.Len(t, outside.got(), 2)
	require.Empty(t, inside.got())
	require.Empty(t, proxy.got())
	require.Equal(t, int32(http.StatusTemporaryRedirect), *trial.StatusCode)
}
