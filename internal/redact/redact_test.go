package redact_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"portico/internal/redact"
	"portico/internal/secret"
)

const marker = "Hunter2Marker"

func TestATextLosesItsSecretsAndNothingElse(t *testing.T) {
	t.Parallel()
	key := string(secret.NewCredential(secret.KindAPIKey, true))
	_, number := strconv.ParseInt(marker, 10, 64)
	_, instant := time.Parse(time.RFC3339, marker)
	_, address := url.Parse(strings.Join([]string{"http://", marker, "\x7f"}, ""))
	_, prefix := netip.ParsePrefix(marker)
	for _, c := range []struct{ text, want string }{
		{"key " + key + ".", "key [redacted]."},
		{"whsec_TWFya2VyTWFya2VyTWFya2Vy and eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "[redacted] and [redacted]"},
		{"Authorization: Bearer " + marker, "Authorization: [redacted]"},
		{"$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", "[redacted]"},
		{"connect to postgres://portico:" + marker + "@db:5432/portico failed", "connect to postgres://[redacted]@db:5432/portico failed"},
		{`Post "https://hooks.example/in?token=` + marker + `": EOF`, `Post "https://hooks.example/in?[redacted]": EOF`},
		{"550 no such user <" + marker + "+x@example.co.uk>", "550 no such user <[redacted]>"},
		{"to=" + marker + "%40example.test&x=1", "to=[redacted]&x=1"},
		{`find plan 7: ERROR: invalid input syntax for type bigint: "` + marker + "\n" + marker + `" (SQLSTATE 22P02)`, "find plan 7: ERROR: [redacted] (SQLSTATE 22P02)"},
		{`failed to encode args[0]: unable to encode "` + marker + `" into binary format for int8 (OID 20)`,
			"failed to encode args[0]: unable to encode [redacted] into binary format for int8 (OID 20)"},
		{number.Error(), `strconv.ParseInt: parsing [redacted]: invalid syntax`},
		{instant.Error(), `parsing time [redacted] as "2006-01-02T15:04:05Z07:00": cannot parse [redacted] as "2006"`},
		{address.Error(), `parse [redacted]: net/url: invalid control character in URL`},
		{prefix.Error(), `netip.ParsePrefix([redacted]): no '/'`},

		{`ERROR: duplicate key value violates unique constraint "customer_email_key" (SQLSTATE 23505)`, ""},
		{"/root/go/pkg/mod/github.com/99designs/gqlgen@v0.17.95/graphql/resolve_field.go:211 +0x1b4", ""},
		{"lookup db on 10.0.0.2:53: no such host", ""},
		{"panic: runtime error: index out of range [3] with length 3", ""},
		{"https://portal.example.com/graphql", ""},
		{"2026-01-31T09:30:00Z job 7 of queue webhooks", ""},
	} {
		want := c.want
		if want == "" {
			want = c.text
		}
		require.Equal(t, want, redact.Text(c.text))
	}
}

func TestWhateverIsLoggedIsRedacted(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: redact.Attr}))
	address := marker + "@example.test"
	log.With("with", address).WithGroup("group").Info("message "+address,
		"text", address, "error", fmt.Errorf("wrapped: %w", &pgconn.PgError{Severity: "ERROR", Code: "22P02", Message: marker, Detail: marker}),
		"list", []string{address}, "map", map[string]any{"a": address}, "func", func() {}, slog.Group("inner", "text", address), "text", secret.Text(marker))
	require.NotContains(t, out.String(), marker)
	for _, kept := range []string{`"level":"INFO"`, `"msg":"message [redacted]"`, `"error":"wrapped: ERROR: [redacted] (SQLSTATE 22P02)"`, `"time":"2`} {
		require.Contains(t, out.String(), kept)
	}
	out.Reset()
	log.Info("working", "queues", []string{"mail"}, "n", 3, "nothing", nil, "for", time.Second)
	require.Contains(t, out.String(), `"queues":["mail"],"n":3,"nothing":null,"for":1000000000`)
}

func TestARedactedErrorIsStillWhatItWas(t *testing.T) {
	t.Parallel()
	cause := errors.New("to " + marker + "@example.test")
	err := redact.Error(fmt.Errorf("send: %w", cause))
	require.EqualError(t, err, "send: to [redacted]")
	require.ErrorIs(t, err, cause)
	require.NoError(t, redact.Error(nil))
	require.PanicsWithValue(t, "no [redacted]", func() { redact.Panic("no " + marker + "@example.test") })
	require.NotPanics(t, func() { redact.Panic(nil) })
}
