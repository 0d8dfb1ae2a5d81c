package webhook

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"portico/internal/fault"
)

const (
	maxURLBytes    = 2048
	maxHostBytes   = 253 // RFC 1035's limit for a name.
	dialTimeout    = 10 * time.Second
	tlsTimeout     = 10 * time.Second
	idleTimeout    = 90 * time.Second
	maxIdlePerHost = 64
	maxIdle        = 1024 // of all hosts: each is a file that the process may not have
	// A connection of HTTP/2 that has said nothing for so long is asked whether it is still there; requests on a dead one would all
	// wait for their timeouts.
	pingAfter, pingTimeout = 15 * time.Second, 5 * time.Second
	maxResponseHeaderBytes = 64 << 10
)

// refusedAddress does not say which address or which network it was: the merchant has no business with our side of the network.
const refusedAddress = "this host is on a private, local or reserved network, which Portico does not call"

// wireServer answers every machine on Azure with its configuration and keys, from an address that no registry calls special.
var wireServer = netip.MustParsePrefix("168.63.129.16/32")

// metadata are the addresses where clouds give credentials to whoever asks from a machine. Whoever allows a network that has one of them
// in it, such as 100.64.0.0/10 or fd00::/8, does not mean these.
func metadata() []string {
	return []string{
		"169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200", "192.0.0.192",
		"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
	}
}

// localNAT64 is for gateways of one's own, by RFC 8215. Their prefix has 96 bits, as the well-known one has: whatever is translated in
// another way has zeros at its end, which are refused.
var localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")

// errNoStatus is of an answer whose status has three digits and means nothing, such as 000.
var errNoStatus = errors.New("no status of HTTP")

// Guard decides which URLs of merchants Portico calls, when they are saved, tested and sent to. What a URL looks like is checked by
// CheckURL; where it leads is only known after DNS, so the address is checked when the connection is made, for every connection.
//
// Refused are all networks that IANA lists as special (private, loopback, link-local and with it the metadata services of clouds,
// shared, 6to4, documentation, multicast), IPv6 outside of global unicast (unique local, NAT64, mapped and compatible IPv4), and
// Azure's wire server. Ports are 80, 443 and all above 1023: merchants do run receivers on 8443, and what listens below for other
// protocols (SSH, SMTP, SMB) is no receiver.
//
// A Guard is safe for concurrent use, and all its clients share one pool of connections.
type Guard struct {
	addresses *ssrf.Guardian
	metadata  map[netip.Addr]bool
	dialer    *net.Dialer
	loopback  bool
	http      bool
	transport *http.Transport
}

// GuardOptions widen what a Guard lets through; the zero value is right for the public internet. None of them opens a port.
type GuardOptions struct {
	AllowLoopback bool // the machine itself, for portico dev
	// AllowCIDRs are networks that would be refused otherwise, for self-hosters whose products live on them. A metadata service within
	// is allowed only by its own address.
	AllowCIDRs []netip.Prefix
	AllowHTTP  bool // http beside https
}

// NewGuard makes a guard with a pool of connections of its own.
func NewGuard(o GuardOptions) *Guard {
	g := &Guard{addresses: guardian(o), metadata: map[netip.Addr]bool{}, loopback: o.AllowLoopback, http: o.AllowHTTP}
	for _, text := range metadata() {
		g.metadata[netip.MustParseAddr(text)] = true
	}
	for _, prefix := range o.AllowCIDRs {
		if prefix.IsSingleIP() {
			delete(g.metadata, prefix.Addr().Unmap())
		}
	}
	g.dialer = &net.Dialer{Timeout: dialTimeout, Control: g.control}
	// No Proxy: a proxy would connect where the guard cannot see it.
	g.transport = &http.Transport{
		DialContext:            g.dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    tlsTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		MaxResponseHeaderBytes: maxResponseHeaderBytes,
		// The answer is kept as it came; unpacking it could also make a great deal out of little.
		DisableCompression: true,
	}
	return g
}

func guardian(o GuardOptions) *ssrf.Guardian {
	allowed := o.AllowCIDRs
	if o.AllowLoopback {
		allowed = append([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, allowed...)
	}
	var v4, v6 []netip.Prefix
	for _, prefix := range allowed {
		switch {
		case prefix.Addr().Is4In6() && prefix.Bits() >= 96:
			v4 = append(v4, netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96))
		case prefix.Addr().Is4():
			v4 = append(v4, prefix)
		default:
			v6 = append(v6, prefix)
		}
	}
	return ssrf.New(
		ssrf.WithAnyPort(), // checkPort knows the ports: the library takes a list, not a range.
		ssrf.WithAllowedV4Prefixes(v4...),
		ssrf.WithAllowedV6Prefixes(v6...),
		ssrf.WithDeniedV4Prefixes(wireServer),
	)
}

// CheckURL checks what can be known of a URL without asking DNS: https (or an allowed http), a host, a port that is allowed, neither
// user name nor fragment, at most 2048 bytes of ASCII, and no address that would be refused. An error is a fault.Error that blames no
// field, because the caller knows which input it came from.
func (g *Guard) CheckURL(raw string) error {
	if len(raw) > maxURLBytes {
		return refuse("the URL is longer than " + strconv.Itoa(maxURLBytes) + " bytes")
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return refuse("the URL holds spaces or characters outside ASCII: write them with %, and the host as xn--…")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return refuse("this is not a URL")
	}
	if err := g.checkScheme(u.Scheme); err != nil {
		return err
	}
	if u.Hostname() == "" {
		return refuse("the URL has no host")
	}
	if u.User != nil {
		return refuse("the URL holds a user name or a password: webhooks are authenticated by their signature")
	}
	if strings.Contains(raw, "#") {
		return refuse("the URL has a fragment (#…), which is never sent")
	}
	if err := checkPort(u.Port()); err != nil {
		return err
	}
	return g.checkHost(u.Hostname())
}

func (g *Guard) checkScheme(scheme string) error {
	switch {
	case scheme == "https", scheme == "http" && g.http:
		return nil
	case g.http:
		return refuse("the URL must begin with https:// or http://")
	default:
		return refuse("the URL must begin with https://")
	}
}

// checkPort takes the port as a URL holds it, empty for that of the scheme.
func checkPort(text string) error {
	if text == "" || text == "80" || text == "443" {
		return nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port < 1024 {
		return refuse("the port must be 80, 443, or one from 1024 to 65535")
	}
	return nil
}

func (g *Guard) checkHost(host string) error {
	if ip, err := netip.ParseAddr(host); err == nil {
		return g.checkAddr(ip)
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	labels := strings.Split(name, ".")
	last := labels[len(labels)-1]
	// 127.1, 0x7f000001, 0177.0.0.1 and 2130706433: resolvers differ on what they are, and no name ends in a number.
	if isNumeric(last) {
		return refuse("the host is an IP address in an unusual form: write it as four numbers from 0 to 255")
	}
	if last == "localhost" && !g.loopback {
		return refuse(refusedAddress)
	}
	if len(name) > maxHostBytes {
		return refuse("this is not the name of a host")
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return refuse("this is not the name of a host")
		}
	}
	return nil
}

func isNumeric(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}

func (g *Guard) checkAddr(ip netip.Addr) error {
	ip = ip.Unmap()
	if g.addresses.SafeAddr(ip) != nil || g.metadata[ip] {
		return refuse(refusedAddress)
	}
	// Whoever runs on IPv6 alone allows NAT64's prefix, which must not open the private IPv4 networks behind the gateway.
	if ssrf.IPv6NAT64Prefix.Contains(ip) || localNAT64.Contains(ip) {
		bytes := ip.As16()
		if v4, _ := netip.AddrFromSlice(bytes[12:]); g.addresses.SafeAddr(v4) != nil || g.metadata[v4] {
			return refuse(refusedAddress)
		}
	}
	return nil
}

// control is asked by the dialer before each connection, with the address that DNS gave.
func (g *Guard) control(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return refuse(refusedAddress)
	}
	if err := checkPort(strconv.Itoa(int(target.Port()))); err != nil {
		return err
	}
	return g.checkAddr(target.Addr())
}

func refuse(sentence string) error { return fault.Invalid("", "%s", sentence) }

// Client makes requests through the guard. The timeout is for all of one request: name, connection, headers and body. Redirects are
// answers like any other and are not followed. The body of an answer is as long as the receiver likes: limit what you read.
//
// Errors, those of reading a body included, are made for the merchant's eyes and name no address of ours: a fault.Error where the
// guard refused, a SendError where the network failed.
func (g *Guard) Client(timeout time.Duration) *http.Client {
	return &http.Client{
		Transport:     &guardedTransport{guard: g, timeout: timeout},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type guardedTransport struct {
	guard   *Guard
	timeout time.Duration
}

func (t *guardedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	// An endpoint that was saved while http was allowed is not called once it no longer is; and what resolvers differ on is not theirs to
	// decide.
	if err := t.guard.CheckURL(req.URL.String()); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	// http.Client's own timeout would flatten our errors into text.
	ctx, cancel := context.WithTimeout(req.Context(), t.timeout)
	resp, err := t.guard.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, explain(err)
	}
	if resp.StatusCode < http.StatusContinue || resp.StatusCode == http.StatusSwitchingProtocols {
		return withoutBody(resp, cancel)
	}
	resp.Body = &guardedBody{resp.Body, cancel}
	return resp, nil
}

// withoutBody ends the connection of an answer that has none. What follows a 101 is another protocol, and reading it has no timeout: the
// transport lets go of such a connection, so that its receiver could hold a request for as long as it likes.
func withoutBody(resp *http.Response, cancel context.CancelFunc) (*http.Response, error) {
	defer cancel()
	_ = resp.Body.Close()
	if resp.StatusCode < http.StatusContinue {
		return nil, explain(errNoStatus)
	}
	resp.Body = http.NoBody
	return resp, nil
}

// CloseIdleConnections serves http.Client's method of that name.
func (t *guardedTransport) CloseIdleConnections() { t.guard.transport.CloseIdleConnections() }

type guardedBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *guardedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = explain(err)
	}
	return n, err
}

func (b *guardedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
