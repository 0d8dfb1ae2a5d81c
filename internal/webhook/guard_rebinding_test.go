package webhook

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/fault"
)

// names is a DNS server on this machine whose names lead somewhere else each time they are asked for.
type names struct {
	mu      sync.Mutex
	answers [][]string // IPv4 addresses, for one question after the other; the last ones stay
}

// resolver asks the server and nobody else.
func (n *names) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		question := make([]byte, 512)
		for {
			size, from, err := server.ReadFrom(question)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(n.answer(question[:size]), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// answer writes what RFC 1035 wants: the question again, and an A record for each address.
func (n *names) answer(question []byte) []byte {
	end := 12
	for question[end] != 0 {
		end += 1 + int(question[end])
	}
	kind := binary.BigEndian.Uint16(question[end+1:])
	end += 5
	var addresses []string
	if kind == 1 {
		n.mu.Lock()
		addresses = n.answers[0]
		if len(n.answers) > 1 {
			n.answers = n.answers[1:]
		}
		n.mu.Unlock()
	}
	reply := append([]byte{}, question[:2]...)
	reply = append(reply, 0x81, 0x80, 0, 1, 0, byte(len(addresses)), 0, 0, 0, 0)
	reply = append(reply, question[12:end]...)
	for _, address := range addresses {
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		reply = append(reply, netip.MustParseAddr(address).AsSlice()...)
	}
	return reply
}

func TestANameThatLeadsElsewhereAfterItWasCheckedIsNotFollowed(t *testing.T) {
	t.Parallel()
	server, requests := endpoint(t, func(http.ResponseWriter, *http.Request) {})
	server.Start()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	target := "http://rebinding.example:" + port + "/hook"
	// 127.0.0.1 stands for the public internet, so that nothing here leaves the machine.
	guard := func(answers ...[]string) *Guard {
		g := NewGuard(GuardOptions{AllowHTTP: true, AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
		g.dialer.Resolver = (&names{answers: answers}).resolver(t)
		return g
	}
	refused := func(g *Guard) {
		t.Helper()
		_, err := send(t, g.Client(patience), target)
		var refusal *fault.Error
		require.ErrorAs(t, err, &refusal)
		require.EqualError(t, refusal, refusedAddress)
	}
	for name, private := range map[string]string{"loopback": "127.0.0.2", "private": "10.0.0.1", "metadata": "169.254.169.254", "this network": "0.0.0.0"} {
		g := guard([]string{"127.0.0.1"}, []string{private})
		require.NoError(t, g.CheckURL(target), name)
		_, err := send(t, g.Client(patience), target)
		require.NoError(t, err, name)
		require.EqualValues(t, 1, requests.Swap(0), name)
		g.transport.CloseIdleConnections()
		refused(g)
		require.Zero(t, requests.Load(), name)
	}
	refused(guard([]string{"10.0.0.1", "169.254.169.254"}))
	require.Zero(t, requests.Load())
	_, err = send(t, guard([]string{"127.0.0.2", "127.0.0.1"}).Client(patience), target)
	require.NoError(t, err, "of several addresses those are called that may be")
	require.EqualValues(t, 1, requests.Load())
}

func TestAConnectionThatIsKeptLeadsWhereItWasChecked(t *testing.T) {
	t.Parallel()
	server, requests := endpoint(t, func(http.ResponseWriter, *http.Request) {})
	server.Start()
	g := NewGuard(GuardOptions{AllowHTTP: true, AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	g.dialer.Resolver = (&names{answers: [][]string{{"127.0.0.1"}, {"10.0.0.1"}}}).resolver(t)
	target := strings.Replace(server.URL, "127.0.0.1", "rebinding.example", 1)
	for range 2 {
		_, err := send(t, g.Client(patience), target)
		require.NoError(t, err)
	}
	require.EqualValues(t, 2, requests.Load())
}
