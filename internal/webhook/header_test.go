package webhook_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/fault"
	"portico/internal/secret"
	"portico/internal/webhook"
)

func header(name, value string) webhook.Header {
	text := secret.Text(value)
	return webhook.Header{Name: name, Value: &text}
}

// faults is what is wrong with an input: codes and fields.
func faults(err error) string {
	var found []string
	for _, e := range fault.List(err) {
		found = append(found, string(e.Code)+" "+strings.Join(e.Field, "."))
	}
	return strings.Join(found, ", ")
}

func TestHeadersThatCouldPassForOursOrBreakARequestAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	for name, want := range map[string]string{
		"Host": "name", "host": "name", "HOST": "name", "Content-Type": "name", "content-length": "name", "Content-Encoding": "name", "CONTENT-MD5": "name",
		"X-Portal-Signature": "name", "webhook-id": "name", "Webhook-Signature": "name", "WEBHOOK-TIMESTAMP": "name", "Portico-Api-Version": "name",
		"api-key": "name", "User-Agent": "name", "Connection": "name", "Keep-Alive": "name", "Proxy-Authorization": "name", "Proxy-Connection": "name",
		"TE": "name", "Trailer": "name", "Transfer-Encoding": "name", "Upgrade": "name", "Expect": "name", "HTTP2-Settings": "name", "Accept-Encoding": "name",
		"a b": "name", "a:b": "name", ":authority": "name", "é": "name", "a\r\nb": "name", "a\x00": "name", strings.Repeat("a", 101): "name",
	} {
		_, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{
			URL: "https://example.com", Headers: []webhook.Header{header("X-Fine", "fine"), header(name, "value")},
		})
		require.Equal(t, "INVALID headers.1."+want, faults(err), "%q", name)
	}
	for _, value := range []string{"", " ", "a\r\nX-Evil: yes", "a\nb", "a\x00b", "a\tb", "é", "\xff", " a", "a ", "\x7f", strings.Repeat("a", 4097)} {
		_, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{URL: "https://example.com", Headers: []webhook.Header{header("X-A", value)}})
		require.Equal(t, "INVALID headers.0.value", faults(err), "%q", value)
	}
	many := make([]webhook.Header, 21)
	for i := range many {
		many[i] = header(fmt.Sprintf("X-%d", i), "a")
	}
	for name, c := range map[string]struct {
		headers []webhook.Header
		want    string
	}{
		"one too many":         {many, "INVALID headers"},
		"twice the same":       {[]webhook.Header{header("X-A", "a"), header("x-a", "b")}, "INVALID headers.1.name"},
		"no name":              {[]webhook.Header{header(" ", "a")}, "REQUIRED headers.0.name"},
		"no value":             {[]webhook.Header{{Name: "X-A"}}, "REQUIRED headers.0.value"},
		"too long in all":      {[]webhook.Header{header("X-A", strings.Repeat("a", 4000)), header("X-B", strings.Repeat("b", 4000))}, "INVALID headers"},
		"twenty are not a few": {many[:20], ""},
	} {
		_, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{URL: "https://example.com", Headers: c.headers})
		require.Equal(t, c.want, faults(err), name)
	}
}

func TestHeadersGoWithEveryRequestAndAreNotReadable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, nil)
	e, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{
		URL: r.URL, Headers: []webhook.Header{header("Authorization", "Bearer open sesame"), header("X-Tenant", "acorn")},
	})
	require.NoError(t, err)
	require.Equal(t, "Bearer open sesame", string(*e.Headers[0].Value), "whoever sets it sees it")
	require.Equal(t, "[redacted]", fmt.Sprint(*e.Headers[0].Value))
	m.publish(t, m.subscription(t))
	m.drain(t, e)
	require.Equal(t, "Bearer open sesame", r.got()[0].header.Get("Authorization"))
	require.Equal(t, "acorn", r.got()[0].header.Get("X-Tenant"))

	stored, err := w.Endpoint(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, []webhook.Header{{Name: "Authorization"}, {Name: "X-Tenant"}}, stored.Headers)
	require.Zero(t, m.ask(t, `select count(*) from webhook_endpoint e where e.merchant_id = $1 and (e::text like '%sesame%' or encode(headers_cipher, 'escape') like '%sesame%')`))

	// One is kept without being known, one is replaced, one is new.
	updated, err := w.EndpointUpdate(t.Context(), m.id, webhook.EndpointUpdate{
		ID: e.ID, SetHeaders: true, Headers: []webhook.Header{header("X-Tenant", "birch"), {Name: "authorization"}, header("X-New", "new")},
	})
	require.NoError(t, err)
	require.Equal(t, []webhook.Header{header("X-Tenant", "birch"), {Name: "authorization"}, header("X-New", "new")}, updated.Headers)
	m.publish(t, m.subscription(t))
	m.drain(t, e)
	last := r.got()[1].header
	require.Equal(t, "Bearer open sesame", last.Get("Authorization"))
	require.Equal(t, "birch", last.Get("X-Tenant"))
	require.Equal(t, "new", last.Get("X-New"))

	_, err = w.EndpointUpdate(t.Context(), m.id, webhook.EndpointUpdate{ID: e.ID, SetHeaders: true, Headers: []webhook.Header{{Name: "X-Unknown"}}})
	require.Equal(t, "REQUIRED headers.0.value", faults(err))
	updated, err = w.EndpointUpdate(t.Context(), m.id, webhook.EndpointUpdate{ID: e.ID, SetHeaders: true})
	require.NoError(t, err)
	require.Empty(t, updated.Headers)
}
