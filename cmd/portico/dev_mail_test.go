package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/mail"
	"portico/internal/secret"
	"portico/jobs"
)

func TestKeptMailsAreShownAndCannotAct(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	log := slog.New(slog.DiscardHandler)
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	inserter, err := jobs.NewInserter(d.Pool(), log)
	require.NoError(t, err)
	now := time.Date(2026, time.January, 1, 9, 30, 0, 0, time.UTC)
	outbox := &mail.Outbox{DB: d, Keys: keys, Jobs: inserter, Keep: true, Now: func() time.Time { return now }, Log: log}
	mux := http.NewServeMux()
	routeDevMail(mux, outbox, log)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	page := func(path string, status int) (body string, header http.Header) {
		t.Helper()
		response, err := http.Get(server.URL + path)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, status, response.StatusCode)
		return string(text), response.Header
	}

	empty, _ := page("/dev/mail", http.StatusOK)
	require.Contains(t, empty, "No mail yet")

	var id int64
	require.NoError(t, d.System().Tx(t.Context(), func(tx pgx.Tx) error {
		err := outbox.Enqueue(t.Context(), tx, mail.Message{
			Recipient: "<i>ada</i>@example.test", Cause: "customer/1", Content: mail.MagicLink{
				Merchant: "<script>alert(1)</script>", Link: "https://portal.example.com/in?token=1&next=2", ExpiresAt: now,
			},
		})
		require.NoError(t, err)
		return tx.QueryRow(t.Context(), `select id from mail`).Scan(&id)
	}))
	require.NoError(t, outbox.Send(t.Context(), id))

	list, header := page("/dev/mail", http.StatusOK)
	one, oneHeader := page(fmt.Sprintf("/dev/mail/%d", id), http.StatusOK)
	for _, shown := range []string{list, one} {
		require.NotContains(t, shown, "<script>")
		require.NotContains(t, shown, "<i>ada")
		require.Contains(t, shown, "&lt;i&gt;ada&lt;/i&gt;@example.test")
		require.Contains(t, shown, "Your link to &lt;script&gt;alert(1)&lt;/script&gt;")
	}
	require.Contains(t, list, fmt.Sprintf(`href="/dev/mail/%d"`, id))
	require.Contains(t, one, "https://portal.example.com/in?token=1&amp;next=2")
	require.Contains(t, one, fmt.Sprintf(`src="/dev/mail/%d/html" sandbox="allow-popups`, id))
	for _, h := range []http.Header{header, oneHeader} {
		require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'")
		require.NotContains(t, h.Get("Content-Security-Policy"), "script-src")
		require.Equal(t, "no-store", h.Get("Cache-Control"))
	}

	html, header := page(fmt.Sprintf("/dev/mail/%d/html", id), http.StatusOK)
	require.Contains(t, html, `<base target="_blank">`)
	require.NotContains(t, html, "<script>")
	require.Contains(t, header.Get("Content-Security-Policy"), "sandbox ")
	require.NotContains(t, header.Get("Content-Security-Policy"), "allow-scripts")
	require.NotContains(t, header.Get("Content-Security-Policy"), "allow-same-origin")
	text, header := page(fmt.Sprintf("/dev/mail/%d/text", id), http.StatusOK)
	require.Contains(t, text, "\nhttps://portal.example.com/in?token=1&next=2\n")
	require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
	require.Contains(t, header.Get("Content-Type"), "text/plain")

	for _, path := range []string{"/dev/mail/0", "/dev/mail/x", "/dev/mail/0/html", "/dev/mail/0/text"} {
		page(path, http.StatusNotFound)
	}
}
