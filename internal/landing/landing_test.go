package landing_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/landing"
)

func TestThePagesKeepWhatTheirLinksCarry(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(landing.Handler())
	t.Cleanup(server.Close)
	get := func(path string) (int, http.Header, string) {
		response, err := http.Get(server.URL + path)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, response.Header, string(body)
	}
	for path, media := range map[string]string{
		"/account/verify": "text/html", "/account/reset": "text/html", "/account/invitation": "text/html",
		"/account/account.js": "text/javascript", "/account/account.css": "text/css",
	} {
		status, header, body := get(path)
		require.Equal(t, http.StatusOK, status, path)
		require.True(t, strings.HasPrefix(header.Get("Content-Type"), media), path)
		require.Equal(t, "no-referrer", header.Get("Referrer-Policy"))
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
		require.Equal(t, "no-store", header.Get("Cache-Control"))
		policy := header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.Contains(t, policy, "frame-ancestors 'none'")
		require.NotContains(t, policy, "unsafe")
		if media == "text/html" {
			require.Equal(t, 1, strings.Count(body, "<script"), "no script but the one from a file")
			require.NotContains(t, body, "<style")
			require.NotContains(t, body, "http", "nothing from anywhere else")
		}
	}
	for _, path := range []string{"/account/", "/account/files/verify.html", "/account/verify/more", "/account/../go.mod"} {
		status, _, _ := get(path)
		require.Equal(t, http.StatusNotFound, status, path)
	}
	_, _, script := get("/account/account.js")
	require.NotContains(t, script, "innerHTML", "what the server says is text")
}
