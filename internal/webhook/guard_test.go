package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/fault"
)

// forbiddenAddresses has at least one address of every network that Portico must not call, as the dialer would see it.
var forbiddenAddresses = map[string][]string{
	"loopback":                  {"127.0.0.1", "127.255.255.254", "::1"},
	"this network":              {"0.0.0.0", "0.1.2.3", "::"},
	"private":                   {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"},
	"unique local":              {"fc00::1", "fd12:3456:789a::1"},
	"link-local":                {"169.254.0.1", "fe80::1", "febf::1"},
	"cloud metadata":            {"169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192"},
	"Azure's wire server":       {"168.63.129.16"},
	"carrier-grade NAT":         {"100.64.0.1", "100.127.255.255"},
	"site-local":                {"fec0::1"},
	"mapped IPv4":               {"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"},
	"compatible IPv4":           {"::127.0.0.1", "::10.0.0.1"},
	"NAT64":                     {"64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::808:808", "64:ff9b:1::1"},
	"6to4":                      {"2002:7f00:1::", "2002:a00:1::1", "192.88.99.1"},
	"Teredo and other protocol": {"2001::1", "2001:0:7f00:1::", "2001:20::1", "192.0.0.1"},
	"documentation":             {"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"},
	"benchmarking":              {"198.18.0.1", "198.19.255.255", "2001:2::1"},
	"multicast":                 {"224.0.0.1", "239.255.255.255", "ff02::1"},
	"reserved":                  {"240.0.0.1", "255.255.255.255", "4000::1", "100::1", "5f00::1"},
	"AS112 and relays":          {"192.31.196.1", "192.52.193.1", "192.175.48.1", "2620:4f:8000::1"},
	"with a zone":               {"fe80::1%eth0", "2606:4700::1111%eth0"},
}

var publicAddresses = []string{"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "168.63.129.17", "2606:4700:4700::1111", "2a00:1450:4001::1"}

func hostOf(address string) string {
	if strings.Contains(address, ":") {
		return "[" + strings.ReplaceAll(address, "%", "%25") + "]"
	}
	return address
}

func TestGuardRefusesEveryNetworkThatIsNotPublic(t *testing.T) {
	t.Parallel()
	guard := NewGuard(GuardOptions{})
	for class, addresses := range forbiddenAddresses {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			for _, address := range addresses {
				require.EqualError(t, guard.CheckURL("https://"+hostOf(address)+"/hook"), refusedAddress, address)
				err := guard.control("tcp", net.JoinHostPort(address, "443"), nil)
				require.EqualError(t, err, refusedAddress, address)
				require.True(t, fault.Is(err, fault.CodeInvalid))
			}
		})
	}
}

func TestGuardLetsPublicAddressesThrough(t *testing.T) {
	t.Parallel()
	guard := NewGuard(GuardOptions{})
	for _, address := range publicAddresses {
		require.NoError(t, guard.CheckURL("https://"+hostOf(address)+"/hook"), address)
		require.NoError(t, guard.control("tcp", net.JoinHostPort(address, "443"), nil), address)
	}
	require.NoError(t, guard.CheckURL("https://[::ffff:8.8.8.8]/hook"))
}

func TestGuardOptionsOpenWhatTheyNameAndNothingElse(t *testing.T) {
	t.Parallel()
	prefixes := func(texts ...string) (all []netip.Prefix) {
		for _, text := range texts {
			all = append(all, netip.MustParsePrefix(text))
		}
		return all
	}
	for name, tt := range map[string]struct {
		options   GuardOptions
		open      []string
		forbidden []string
	}{
		"loopback": {
			GuardOptions{AllowLoopback: true},
			[]string{"127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "8.8.8.8"},
			[]string{"10.0.0.1", "169.254.169.254", "::", "0.0.0.0", "::127.0.0.1", "64:ff9b::7f00:1"},
		},
		"a private network": {
			GuardOptions{AllowCIDRs: prefixes("10.1.0.0/16", "fd12::/32")},
			[]string{"10.1.2.3", "fd12::1", "::ffff:10.1.2.3", "8.8.8.8"},
			[]string{"10.2.0.1", "fd13::1", "127.0.0.1", "::1"},
		},
		"a network given in IPv6 form": {
			GuardOptions{AllowCIDRs: prefixes("::ffff:10.1.0.0/112")},
			[]string{"10.1.2.3"},
			[]string{"10.2.0.1"},
		},
		"a network and loopback": {
			GuardOptions{AllowLoopback: true, AllowCIDRs: prefixes("10.1.0.0/16")},
			[]string{"10.1.2.3", "127.0.0.1"},
			[]string{"10.2.0.1"},
		},
		"NAT64 of public addresses only": {
			GuardOptions{AllowCIDRs: prefixes("64:ff9b::/96")},
			[]string{"64:ff9b::808:808"},
			[]string{"64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808"},
		},
		"NAT64 of one's own": {
			GuardOptions{AllowCIDRs: prefixes("64:ff9b:1::/48")},
			[]string{"64:ff9b:1::808:808", "64:ff9b:1:aaaa:bbbb:cccc:808:808"},
			[]string{"64:ff9b:1::7f00:1", "64:ff9b:1::a00:1", "64:ff9b:1::a9fe:a9fe", "64:ff9b:1::a83f:8110", "64:ff9b:1:7f00:0:100::", "64:ff9b::808:808"},
		},
		"networks with metadata services in them": {
			GuardOptions{AllowCIDRs: prefixes("100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24", "168.63.129.0/24", "fd00::/8")},
			[]string{"100.100.100.201", "169.254.169.253", "192.0.0.193", "fd00:ec2::255", "fd20:ce::255"},
			[]string{"100.100.100.200", "169.254.169.254", "169.254.170.2", "169.254.170.23", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd00:ec2::23",
				"fd20:ce::254", "::ffff:169.254.169.254", "::ffff:100.100.100.200"},
		},
		"a metadata service by its own address": {
			GuardOptions{AllowCIDRs: prefixes("100.100.100.200/32", "fd00:ec2::254/128")},
			[]string{"100.100.100.200", "fd00:ec2::254"},
			[]string{"100.100.100.201", "169.254.169.254", "fd00:ec2::23"},
		},
		"everything": {
			GuardOptions{AllowCIDRs: prefixes("0.0.0.0/0", "::/0")},
			[]string{"10.0.0.1", "127.0.0.1", "fe80::1"},
			[]string{"169.254.169.254", "fd00:ec2::254", "64:ff9b::a9fe:a9fe"},
		},
		"no prefix at all": {
			GuardOptions{AllowCIDRs: []netip.Prefix{{}}},
			[]string{"8.8.8.8"},
			[]string{"10.0.0.1", "fd12::1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guard := NewGuard(tt.options)
			for _, address := range tt.open {
				require.NoError(t, guard.CheckURL("https://"+hostOf(address)), address)
				require.NoError(t, guard.control("tcp", net.JoinHostPort(address, "443"), nil), address)
			}
			for _, address := range tt.forbidden {
				require.EqualError(t, guard.CheckURL("https://"+hostOf(address)), refusedAddress, address)
				require.EqualError(t, guard.control("tcp", net.JoinHostPort(address, "443"), nil), refusedAddress, address)
			}
			require.Error(t, guard.control("tcp", "8.8.8.8:22", nil), "no option opens a port")
		})
	}
}

func TestCheckURLTakesWhatMerchantsRun(t *testing.T) {
	t.Parallel()
	guard := NewGuard(GuardOptions{})
	for _, raw := range []string{
		"https://example.com",
		"HTTPS://Example.COM/hooks?source=portico&x=%23",
		"https://example.com.:443/",
		"https://example.com:80/",
		"https://example.com:1024/",
		"https://example.com:8443/",
		"https://example.com:65535/",
		"https://example.com:/",
		"https://xn--bcher-kva.example/",
		"https://my_service.example-1.com/",
		"https://1.2.3.4.example.com/",
		"https://7.example/",
		"https://0xcafe.example/",
		"https://receiver/",
		"https://example.com/" + strings.Repeat("a", maxURLBytes-len("https://example.com/")),
		"https://" + strings.Repeat("a", 63) + ".example/",
	} {
		require.NoError(t, guard.CheckURL(raw), raw)
	}
	require.NoError(t, NewGuard(GuardOptions{AllowHTTP: true}).CheckURL("http://example.com"))
	require.NoError(t, NewGuard(GuardOptions{AllowLoopback: true}).CheckURL("https://localhost:8080"))
}

func TestCheckURLRefusesAndSaysWhy(t *testing.T) {
	t.Parallel()
	guard := NewGuard(GuardOptions{})
	for name, tt := range map[string]struct{ raw, sentence string }{
		"nothing":                         {"", "must begin with https://"},
		"no scheme":                       {"example.com/hook", "must begin with https://"},
		"http":                            {"http://example.com", "must begin with https://"},
		"another scheme":                  {"ftp://example.com", "must begin with https://"},
		"a file":                          {"file:///etc/passwd", "must begin with https://"},
		"no host":                         {"https:///hook", "has no host"},
		"no host but a port":              {"https://:443/", "has no host"},
		"no authority":                    {"https:example.com", "has no host"},
		"a user name":                     {"https://user@example.com/", "user name"},
		"a password":                      {"https://user:secret@example.com/", "user name"},
		"an empty user name":              {"https://@example.com/", "user name"},
		"a host disguised as a user name": {"https://example.com@127.0.0.1/", "user name"},
		"a fragment":                      {"https://example.com/#top", "fragment"},
		"an empty fragment":               {"https://example.com/#", "fragment"},
		"too long":                        {"https://example.com/" + strings.Repeat("a", maxURLBytes), "longer than 2048 bytes"},
		"a space before":                  {" https://example.com/", "spaces"},
		"a space within":                  {"https://example.com/a b", "spaces"},
		"a line break":                    {"https://example.com/\r\nX: y", "spaces"},
		"NUL":                             {"https://example.com/\x00", "spaces"},
		"full-width digits":               {"https://１２７.0.0.1/", "outside ASCII"},
		"a circled host":                  {"https://ⓛocalhost/", "outside ASCII"},
		"a backslash":                     {`https://example.com\@127.0.0.1/`, "not a URL"},
		"an escaped host":                 {"https://%31%32%37.0.0.1/", "not a URL"},
		"an escaped full-width digit":     {"https://%EF%BC%91.example/", "not the name of a host"},
		"a bracket too few":               {"https://[::1/", "not a URL"},
		"SSH":                             {"https://example.com:22/", "port must be"},
		"the last low port":               {"https://example.com:1023/", "port must be"},
		"port zero":                       {"https://example.com:0/", "port must be"},
		"a port too high":                 {"https://example.com:65536/", "port must be"},
		"a port with a zero before":       {"https://example.com:022/", "port must be"},
		"a port that is no number":        {"https://example.com:https/", "not a URL"},
		"localhost":                       {"https://localhost/", refusedAddress},
		"localhost in full":               {"https://LocalHost./", refusedAddress},
		"a name below localhost":          {"https://a.localhost/", refusedAddress},
		"loopback in short":               {"https://127.1/", "unusual form"},
		"loopback as one number":          {"https://2130706433/", "unusual form"},
		"loopback in hexadecimal":         {"https://0x7F000001/", "unusual form"},
		"loopback in hexadecimal parts":   {"https://0x7f.0x0.0x0.0x1/", "unusual form"},
		"loopback in octal":               {"https://0177.0.0.1/", "unusual form"},
		"loopback in octal, one number":   {"https://017700000001/", "unusual form"},
		"loopback in mixed form":          {"https://0x7f.1/", "unusual form"},
		"loopback with a dot behind":      {"https://127.0.0.1./", "unusual form"},
		"loopback with zeros":             {"https://127.000.000.001/", "unusual form"},
		"zero":                            {"https://0/", "unusual form"},
		"a prefix of hexadecimal":         {"https://0x/", "unusual form"},
		"an address too long":             {"https://1.2.3.4.5/", "unusual form"},
		"loopback mapped, in hexadecimal": {"https://[::ffff:7f00:1]/", refusedAddress},
		"loopback written out":            {"https://[0:0:0:0:0:0:0:1]/", refusedAddress},
		"an empty label":                  {"https://a..example/", "not the name"},
		"a dot alone":                     {"https://./", "not the name"},
		"a label too long":                {"https://" + strings.Repeat("a", 64) + ".example/", "not the name"},
		"a name too long":                 {"https://" + strings.Repeat("a.", 127) + "example/", "not the name"},
		"a star":                          {"https://*.example/", "not the name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := guard.CheckURL(tt.raw)
			require.ErrorContains(t, err, tt.sentence)
			require.True(t, fault.Is(err, fault.CodeInvalid))
		})
	}
}

// endpoint is a merchant's server on this machine that counts its requests.
func endpoint(t *testing.T, handle http.HandlerFunc) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	var requests atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handle(w, r)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.EnableHTTP2 = true
	t.Cleanup(func() { server.Close() })
	return server, &requests
}

type answer struct{ status, protoMajor int }

// send posts to the endpoint and reads all of its answer.
func send(t *testing.T, client *http.Client, target string) (answer, error) {
	t.Helper()
	t.Cleanup(client.CloseIdleConnections)
	resp, err := client.Post(target, "application/json", strings.NewReader(`{}`))
	if err != nil {
		return answer{}, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, resp.Body.Close())
	return answer{resp.StatusCode, resp.ProtoMajor}, err
}

const patience = 30 * time.Second

func TestClientReachesLoopbackOnlyIfItIsAllowed(t *testing.T) {
	t.Parallel()
	server, requests := endpoint(t, func(http.ResponseWriter, *http.Request) {})
	server.Start()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)

	for name, host := range map[string]string{"an address": "127.0.0.1", "a name that leads there": "localhost"} {
		target := "http://" + net.JoinHostPort(host, port) + "/hook"

		_, err = send(t, NewGuard(GuardOptions{AllowHTTP: true}).Client(patience), target)
		var refusal *fault.Error
		require.ErrorAs(t, err, &refusal, name)
		require.EqualError(t, refusal, refusedAddress, name)
		require.EqualError(t, err, `Post "`+target+`": `+refusedAddress, name)
		require.Zero(t, requests.Load(), name)

		got, err := send(t, NewGuard(GuardOptions{AllowHTTP: true, AllowLoopback: true}).Client(patience), target)
		require.NoError(t, err, name)
		require.Equal(t, http.StatusOK, got.status, name)
		require.EqualValues(t, 1, requests.Swap(0), name)
	}
}

func TestClientRefusesHTTPWhereItIsNotAllowed(t *testing.T) {
	t.Parallel()
	server, requests := endpoint(t, func(http.ResponseWriter, *http.Request) {})
	server.Start()
	_, err := send(t, NewGuard(GuardOptions{AllowLoopback: true}).Client(patience), server.URL)
	require.ErrorContains(t, err, "must begin with https://")
	require.Zero(t, requests.Load())
}

func TestClientUsesNoProxy(t *testing.T) {
	t.Parallel()
	require.Nil(t, NewGuard(GuardOptions{}).transport.Proxy)
}

func TestClientDoesNotFollowRedirects(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect,
		http.StatusPermanentRedirect} {
		server, requests := endpoint(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", status) })
		server.Start()
		got, err := send(t, NewGuard(GuardOptions{AllowHTTP: true, AllowLoopback: true}).Client(patience), server.URL)
		require.NoError(t, err)
		require.Equal(t, status, got.status)
		require.EqualValues(t, 1, requests.Load())
	}
}

// trusting makes a guard that trusts the server's certificate.
func trusting(server *httptest.Server) *Guard {
	guard := NewGuard(GuardOptions{AllowLoopback: true, AllowHTTP: true})
	guard.transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if server.Certificate() != nil {
		guard.transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	}
	return guard
}

func TestClientSpeaksHTTP2AndChecksCertificates(t *testing.T) {
	t.Parallel()
	server, requests := endpoint(t, func(http.ResponseWriter, *http.Request) {})
	server.StartTLS()

	_, err := send(t, NewGuard(GuardOptions{AllowLoopback: true}).Client(patience), server.URL)
	requireSentence(t, err, "the endpoint's TLS certificate is not signed by a known authority")
	_, err = send(t, trusting(server).Client(patience), strings.Replace(server.URL, "127.0.0.1", "localhost", 1))
	requireSentence(t, err, "the endpoint's TLS certificate is not for this host")
	require.Zero(t, requests.Load())

	got, err := send(t, trusting(server).Client(patience), server.URL)
	require.NoError(t, err)
	require.Equal(t, 2, got.protoMajor)
}

func requireSentence(t *testing.T, err error, sentence string) {
	t.Helper()
	var failure *SendError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, sentence, failure.Sentence)
	// http.Client puts the method and the merchant's own URL before it, and nothing else.
	var outer *url.Error
	if errors.As(err, &outer) {
		require.EqualError(t, outer.Err, sentence)
	} else {
		require.EqualError(t, err, sentence)
	}
}

func TestClientBoundsTheHeadersOfAnAnswer(t *testing.T) {
	t.Parallel()
	long := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("a", 2*maxResponseHeaderBytes))
	}
	for name, start := range map[string]func(*httptest.Server){"HTTP/1.1": (*httptest.Server).Start, "HTTP/2": (*httptest.Server).StartTLS} {
		server, requests := endpoint(t, long)
		start(server)
		_, err := send(t, trusting(server).Client(patience), server.URL)
		requireSentence(t, err, "the endpoint's answer is not HTTP that Portico can read")
		require.EqualValues(t, 1, requests.Load(), name)
	}
}

func TestClientGivesUpAfterItsTimeout(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(http.ResponseWriter){
		"before the headers": func(http.ResponseWriter) {},
		"within the body": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, "{")
			w.(http.Flusher).Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, _ := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
				// The server sees a client leave only once it has read the body.
				_, _ = io.Copy(io.Discard, r.Body)
				begin(w)
				<-r.Context().Done()
			})
			server.Start()
			_, err := send(t, trusting(server).Client(200*time.Millisecond), server.URL)
			requireSentence(t, err, "the endpoint did not answer in time")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			var timeout net.Error
			require.ErrorAs(t, err, &timeout)
			require.True(t, timeout.Timeout())
		})
	}
}

func TestClientSaysHowTheConnectionFailed(t *testing.T) {
	t.Parallel()
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		server, _ := endpoint(t, nil)
		server.Start()
		server.Close()
		_, err := send(t, trusting(server).Client(patience), server.URL)
		requireSentence(t, err, "the endpoint refused the connection")
	})
	t.Run("the endpoint hangs up", func(t *testing.T) {
		t.Parallel()
		server, _ := endpoint(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		server.Start()
		_, err := send(t, trusting(server).Client(patience), server.URL)
		requireSentence(t, err, "the endpoint closed the connection before it had answered")
	})
	t.Run("the endpoint hangs up within the body", func(t *testing.T) {
		t.Parallel()
		server, _ := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
		})
		server.Start()
		_, err := send(t, trusting(server).Client(patience), server.URL)
		requireSentence(t, err, "the endpoint closed the connection before it had answered")
	})
	t.Run("a port without TLS", func(t *testing.T) {
		t.Parallel()
		server, _ := endpoint(t, func(http.ResponseWriter, *http.Request) {})
		server.Start()
		_, err := send(t, trusting(server).Client(patience), strings.Replace(server.URL, "http:", "https:", 1))
		requireSentence(t, err, "the endpoint does not speak TLS on this port")
	})
	t.Run("the caller gives up", func(t *testing.T) {
		t.Parallel()
		server, _ := endpoint(t, func(http.ResponseWriter, *http.Request) {})
		server.Start()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, nil)
		require.NoError(t, err)
		_, err = trusting(server).Client(patience).Do(req) //nolint:bodyclose // A request that was given up has no answer.
		requireSentence(t, err, "the request was given up")
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestSentencesKeepOurSideOfTheNetworkToOurselves(t *testing.T) {
	t.Parallel()
	source := &net.TCPAddr{IP: net.IPv4(10, 9, 8, 7), Port: 40000}
	for sentence, cause := range map[string]error{
		"the host does not exist":                     &net.DNSError{Err: "no such host", Name: "a.example", Server: "10.9.8.7:53", IsNotFound: true},
		"the host could not be looked up":             &net.DNSError{Err: "i/o timeout", Name: "a.example", Server: "10.9.8.7:53", IsTimeout: true},
		"the endpoint cannot be reached":              &net.OpError{Op: "dial", Net: "tcp", Source: source, Err: syscall.EHOSTUNREACH},
		"the endpoint refused the TLS connection":     &net.OpError{Op: "remote error", Source: source, Err: errors.New("tls: handshake failure")},
		"the endpoint's TLS certificate is not valid": &tls.CertificateVerificationError{Err: x509.UnhandledCriticalExtension{}},
		"the endpoint's TLS certificate has expired or is not valid yet": &tls.CertificateVerificationError{
			Err: x509.CertificateInvalidError{Reason: x509.Expired}},
		"the endpoint closed the connection before it had answered": &net.OpError{Op: "read", Net: "tcp", Source: source, Err: syscall.ECONNRESET},
	} {
		err := explain(cause)
		require.EqualError(t, err, sentence)
		require.ErrorIs(t, err, cause)
	}
}
