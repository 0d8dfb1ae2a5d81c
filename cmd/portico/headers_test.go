package main

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/config"
)

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	mux := routes(t.Context(), &app{}, config.Config{})
	mux.HandleFunc("GET /page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
	})
	answered := func(publicURL, method, path string) http.Header {
		recorder := httptest.NewRecorder()
		newAPIServer(mux, publicURL, nil, slog.New(slog.DiscardHandler)).http.Handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		return recorder.Header()
	}
	for path, method := range map[string]string{"/": "GET", "/healthz": "GET", "/nowhere": "GET", "/graphql": "PUT", "/readyz": "POST"} {
		header := answered("https://portal.example.com", method, path)
		for name, want := range map[string]string{
			"Strict-Transport-Security": "max-age=31536000", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			require.Equal(t, want, header.Get(name), "%s of %s", name, path)
		}
		require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'", path)
		require.Contains(t, header.Get("Content-Security-Policy"), "frame-ancestors 'none'", path)
		require.Contains(t, header.Get("Permissions-Policy"), "camera=()", path)
	}
	require.Equal(t, []string{"default-src 'self'"}, answered("https://portal.example.com", "GET", "/page").Values("Content-Security-Policy"))
	require.Empty(t, answered("http://127.0.0.1:8080", "GET", "/").Get("Strict-Transport-Security"), "browsers would refuse it over http")
}

func TestTheServerGivesNobodyForever(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := newAPIServer(http.NewServeMux(), "https://portal.example.com", listener, slog.New(slog.DiscardHandler))
	defer func() { require.NoError(t, server.http.Close()) }()
	require.NotZero(t, server.http.ReadHeaderTimeout)
	require.NotZero(t, server.http.ReadTimeout)
	require.NotZero(t, server.http.WriteTimeout)
	require.NotZero(t, server.http.IdleTimeout)
	go func() { _ = server.http.Serve(listener) }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), nil)
	require.NoError(t, err)
	request.Header.Set("Large", strings.Repeat("x", 40<<10))
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, response.StatusCode)
}
