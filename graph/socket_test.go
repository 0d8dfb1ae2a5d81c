package graph_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"portico/graph"
	"portico/internal/webhook"
)

func TestThePublishedClientsFollow(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"sse", "ws"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, lively())
			s := w.open("Acorn")
			cursor := w.must(s.key, `{ latestEventCursor }`, nil).text("latestEventCursor")
			command := exec.CommandContext(t.Context(), "node", "follow.mjs", protocol, w.server.URL+"/graphql", s.key["Authorization"], cursor)
			command.Dir = "testdata/live"
			command.Stderr = t.Output()
			printed, err := command.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, command.Start(), "`make test` installs what it needs")
			lines := bufio.NewScanner(printed)
			line := func() string {
				t.Helper()
				require.True(t, lines.Scan(), "%v", lines.Err())
				return lines.Text()
			}
			require.Contains(t, line(), `"data":{"viewer":{"kind":"API_KEY"}}`)
			require.JSONEq(t, `{"complete":true}`, line())
			for i := range int64(20) {
				s.publish(4+i, webhook.SubscriptionUpdated, func() {})
				require.Contains(t, line(), `"sequence":`+string(mustJSON(4+i))+`,`)
			}
			_, err = w.db.System().Exec(t.Context(), `update api_key set revoked_at = now()`)
			require.NoError(t, err)
			require.Contains(t, line(), `"code":"UNAUTHENTICATED"`)
			if protocol == "sse" {
				require.JSONEq(t, `{"complete":true}`, line())
			}
			require.NoError(t, command.Wait())
			require.Empty(t, w.log.String())
		})
	}
}

func mustJSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

// socket is a client's end of a WebSocket.
type socket struct {
	t    *testing.T
	conn *websocket.Conn
}

func (w *world) dial(header http.Header, protocols ...string) (s *socket, refused int) {
	w.t.Helper()
	conn, response, err := websocket.Dial( //nolint:bodyclose // Dial has read what there is of it
		w.t.Context(), w.server.URL+"/graphql", &websocket.DialOptions{HTTPHeader: header, Subprotocols: protocols})
	if err != nil {
		require.NotNil(w.t, response, "%v", err)
		return nil, response.StatusCode
	}
	w.t.Cleanup(func() { _ = conn.CloseNow() })
	return &socket{w.t, conn}, 0
}

func (w *world) socket(header http.Header) *socket {
	w.t.Helper()
	s, refused := w.dial(header, "graphql-transport-ws")
	require.Zero(w.t, refused)
	return s
}

func (s *socket) say(messages ...string) *socket {
	s.t.Helper()
	for _, text := range messages {
		require.NoError(s.t, s.conn.Write(s.t.Context(), websocket.MessageText, []byte(text)))
	}
	return s
}

func (s *socket) hears(holding string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	_, text, err := s.conn.Read(ctx)
	require.NoError(s.t, err)
	require.Contains(s.t, string(text), holding)
	return string(text)
}

// isClosed asserts that the connection ends with the code, whatever came before.
func (s *socket) isClosed(code websocket.StatusCode) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		if _, _, err := s.conn.Read(ctx); err != nil {
			require.Equal(s.t, code, websocket.CloseStatus(err), "%v", err)
			return
		}
	}
}

const (
	initMessage = `{"type":"connection_init"}`
	follow1     = `{"id":"1","type":"subscribe","payload":{"query":"subscription { eventPublished { node { sequence } } }"}}`
)

func TestAWebSocketIsHeldToItsProtocol(t *testing.T) {
	t.Parallel()
	options := lively()
	options.Limits.InitTime = time.Minute
	options.Limits.MessageBytes, options.Limits.Operations = 2_000, 2
	w := newWorldWith(t, options)
	s := w.open("Acorn")
	withKey := `{"type":"connection_init","payload":{"Authorization":"` + s.key["Authorization"] + `"}}`
	for name, c := range map[string]struct {
		says []string
		code websocket.StatusCode
	}{
		"no JSON":                         {[]string{"nonsense"}, 4400},
		"no type":                         {[]string{`{}`}, 4400},
		"an unknown type":                 {[]string{`{"type":"start"}`}, 4400},
		"a list":                          {[]string{`[]`}, 4400},
		"an operation too early":          {[]string{follow1}, 4401},
		"a wrong key":                     {[]string{`{"type":"connection_init","payload":{"authorization":"Bearer ptc_sk_live_nonsense"}}`}, 4403},
		"a key that is no string":         {[]string{`{"type":"connection_init","payload":{"authorization":7}}`}, 4400},
		"a payload that is no object":     {[]string{`{"type":"connection_init","payload":7}`}, 4400},
		"two keys that differ":            {[]string{`{"type":"connection_init","payload":{"authorization":"` + s.key["Authorization"] + `","x-api-key":"other"}}`}, 4403},
		"another merchant's handle":       {[]string{`{"type":"connection_init","payload":{"portico-merchant":"nonsense","authorization":"` + s.key["Authorization"] + `"}}`}, 4403},
		"connection_init twice":           {[]string{withKey, withKey}, 4429},
		"an operation without an id":      {[]string{withKey, `{"type":"subscribe","payload":{"query":"{ viewer { kind } }"}}`}, 4400},
		"two operations of the same name": {[]string{withKey, follow1, follow1}, 4409},
		"a message that is too long":      {[]string{withKey, `{"type":"ping","payload":{"a":"` + strings.Repeat("a", 2_000) + `"}}`}, websocket.StatusMessageTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			w.socket(nil).say(c.says...).isClosed(c.code)
		})
	}
	t.Run("another subprotocol", func(t *testing.T) {
		other, _ := w.dial(nil, "graphql-ws")
		other.isClosed(4406)
	})
	t.Run("binary messages", func(t *testing.T) {
		c := w.socket(nil)
		require.NoError(t, c.conn.Write(t.Context(), websocket.MessageBinary, []byte(initMessage)))
		c.isClosed(4400)
	})
	t.Run("operations", func(t *testing.T) {
		c := w.socket(nil).say(withKey)
		c.hears(`{"type":"connection_ack"}`)
		c.say(`{"type":"ping","payload":{"a":1}}`).hears(`{"type":"pong","payload":{"a":1}}`)
		c.say(`{"id":"q","type":"subscribe","payload":{"query":"{ viewer { kind } }"}}`).hears(`"data":{"viewer":{"kind":"API_KEY"}}`)
		c.hears(`{"id":"q","type":"complete"}`)
		c.say(`{"id":"q","type":"subscribe","payload":{"query":"{ nonsense }"}}`).hears(`"code":"BAD_REQUEST"`)
		c.say(`{"id":"q","type":"subscribe","payload":{"query":"subscription { eventPublished(after: \"nonsense\") { cursor } }"}}`).hears(`"code":"BAD_REQUEST"`)
		c.say(`{"id":"q","type":"subscribe","payload":7}`).hears(`"code":"BAD_REQUEST"`)
		c.say(`{"id":"q","type":"subscribe","payload":{"query":"mutation { companyCreate(input: {name: \"Late\"}) { company { name } } }"}}`).hears(`"name":"Late"`)
		c.hears(`"complete"`)
		c.say(follow1, strings.Replace(follow1, `"1"`, `"2"`, 1), strings.Replace(follow1, `"1"`, `"3"`, 1))
		require.Contains(t, c.hears(`"code":"THROTTLED"`), `"id":"3"`)
		c.say(`{"id":"1","type":"complete"}`, `{"id":"2","type":"complete"}`)
		require.Eventually(t, func() bool {
			c.say(`{"id":"4","type":"subscribe","payload":{"query":"{ viewer { kind } }"}}`)
			if strings.Contains(c.hears(`"id":"4"`), "THROTTLED") {
				return false
			}
			c.hears("complete")
			return true
		}, 30*time.Second, 10*time.Millisecond)
	})
	require.Empty(t, w.log.String())
}

func TestAWebSocketThatSaysNothingIsClosed(t *testing.T) {
	t.Parallel()
	limits := graph.DefaultLimits()
	limits.InitTime = 50 * time.Millisecond
	w := newWorldWith(t, graph.Options{Limits: limits})
	w.socket(nil).isClosed(4408)
}

func TestACookieOpensAWebSocketFromOurOwnPagesOnly(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, graph.Options{Origin: "https://portico.test"})
	session, _ := w.signUp("Acorn")
	cookie := "portico_session=" + strings.TrimPrefix(session["Authorization"], "Bearer ")
	for origin, kind := range map[string]string{"https://portico.test": "MEMBER", w.server.URL: "MEMBER"} {
		c := w.socket(http.Header{"Cookie": {cookie}, "Origin": {origin}}).say(initMessage)
		c.hears("connection_ack")
		c.say(`{"id":"1","type":"subscribe","payload":{"query":"{ viewer { kind } }"}}`).hears(kind)
	}
	w.socket(http.Header{"Cookie": {cookie}}).say(initMessage).isClosed(4403)
	_, refused := w.dial(http.Header{"Cookie": {cookie}, "Origin": {"https://evil.test"}}, "graphql-transport-ws")
	require.Equal(t, http.StatusForbidden, refused)

	t.Run("a page that the merchant has registered brings a credential", func(t *testing.T) {
		s := w.open("Birch")
		w.must(s.owner, `mutation { corsOriginsUpdate(input: {origins: ["https://app.birch.test"]}) { userErrors { code } } }`, nil)
		page := http.Header{"Origin": {"https://app.birch.test"}}
		c := w.socket(page).say(`{"type":"connection_init","payload":{"authorization":"` + s.key["Authorization"] + `"}}`)
		c.hears("connection_ack")
		w.socket(page).say(`{"type":"connection_init","payload":{"authorization":"` + session["Authorization"] + `"}}`).isClosed(4403)
		withCookie := page.Clone()
		withCookie.Set("Cookie", cookie)
		w.socket(withCookie).say(initMessage).isClosed(4403)
	})
}

func TestAWebSocketIsClosedWhenTheProcessIsAboutToEnd(t *testing.T) {
	t.Parallel()
	stopping := make(chan struct{})
	w := newWorldWith(t, graph.Options{Stopping: stopping})
	s := w.open("Acorn")
	c := w.socket(http.Header{"Authorization": {s.key["Authorization"]}}).say(initMessage, follow1)
	c.hears("connection_ack")
	close(stopping)
	c.isClosed(websocket.StatusGoingAway)
}

func TestConnectionsAreCountedByCaller(t *testing.T) {
	t.Parallel()
	options := lively()
	options.Limits.CallerConnections = 2
	w := newWorldWith(t, options)
	s := w.open("Acorn")
	key := http.Header{"Authorization": {s.key["Authorization"]}}
	for range 2 {
		w.socket(key).say(initMessage).hears("connection_ack")
	}
	w.socket(key).say(initMessage).isClosed(websocket.StatusTryAgainLater)
	for range 2 { // who has not said yet who calls, as the ones before had not either: they leave their places a moment after they are told
		require.Eventually(t, func() bool {
			_, refused := w.dial(nil, "graphql-transport-ws")
			return refused == 0
		}, 10*time.Second, 10*time.Millisecond)
	}
	_, refused := w.dial(nil, "graphql-transport-ws")
	require.Equal(t, http.StatusTooManyRequests, refused)
}

func TestAClientThatTakesNothingIsCutOff(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"sse", "ws"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			options := graph.Options{Limits: graph.DefaultLimits()}
			options.Limits.WriteTime, options.Limits.CallerConnections = 100*time.Millisecond, 1
			w := newWorldWith(t, options)
			s := w.open("Acorn")
			if protocol == "sse" {
				w.follow(s.key, followEvents, nil)
			} else {
				c := w.socket(http.Header{"Authorization": {s.key["Authorization"]}}).say(initMessage)
				c.hears("connection_ack")
				c.say(`{"id":"1","type":"subscribe","payload":{"query":"subscription { eventPublished { node { body } } }"}}`)
			}
			// More than the kernel keeps for a connection.
			for i := range int64(20) {
				s.publishNote(4+i, webhook.SubscriptionUpdated, strings.Repeat("a", 1<<20), func() {})
			}
			require.Eventually(t, func() bool {
				return w.tryToFollow(s.key, followEvents, nil).response.StatusCode == http.StatusOK
			}, 30*time.Second, 10*time.Millisecond, "its connection counts no longer")
		})
	}
}
