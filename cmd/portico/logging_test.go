package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/proctest"
)

// lineSink hands on what is logged, as far as somebody takes it.
type lineSink chan string

func (c lineSink) Write(line []byte) (int, error) {
	select {
	case c <- string(line):
	default:
	}
	return len(line), nil
}

// Not parallel: the log of the standard library is the process's.
func TestWhatAReceiverSendsUnaskedIsNotLogged(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	lines := make(lineSink, 1)
	logger(jsonLines, lines, slog.LevelDebug)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}a word about somebody")
		_, _ = io.Copy(io.Discard, conn)
	}))
	t.Cleanup(server.Close)
	response, err := server.Client().Post(server.URL, "application/json", http.NoBody)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	select {
	case line := <-lines:
		require.Contains(t, line, `"level":"DEBUG","msg":"Unsolicited response received on idle HTTP channel"}`)
	case <-time.After(proctest.Patience):
		require.Fail(t, "nothing was logged")
	}
}

func TestWhatLibrariesLogIsAWarning(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	stray := slog.New(strayLog{jsonLines(&out, &slog.HandlerOptions{Level: slog.LevelInfo})})
	stray.Info("something is wrong")
	require.Contains(t, out.String(), `"level":"WARN","msg":"something is wrong"}`)
	out.Reset()
	stray.Info(`Unsolicited response received on idle HTTP channel starting with "a word"; err=<nil>`)
	require.Empty(t, out.String())
}
