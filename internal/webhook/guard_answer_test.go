package webhook

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// raw is an endpoint that answers with these bytes and keeps the connection until the client ends it.
func raw(t *testing.T, bytes string) string {
	t.Helper()
	server, _ := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, bytes)
		_, _ = io.Copy(io.Discard, conn)
	})
	server.Start()
	return server.URL
}

// Reading what follows a 101 has no timeout: a receiver could hold its request until it goes away.
func TestAnAnswerThatSwitchesProtocolsEndsItsConnection(t *testing.T) {
	t.Parallel()
	client := NewGuard(GuardOptions{AllowHTTP: true, AllowLoopback: true}).Client(patience)
	got, err := send(t, client, raw(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"))
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, got.status)
}

func TestAStatusThatIsNoneIsNoAnswer(t *testing.T) {
	t.Parallel()
	client := NewGuard(GuardOptions{AllowHTTP: true, AllowLoopback: true}).Client(patience)
	for _, status := range []string{"000", "099"} {
		_, err := send(t, client, raw(t, "HTTP/1.1 "+status+" None\r\nContent-Length: 0\r\n\r\n"))
		requireSentence(t, err, "the endpoint's answer is not HTTP that Portico can read")
	}
}
