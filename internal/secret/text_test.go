package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/secret"
)

const plain = "open sesame"

func TestATextNeverPrints(t *testing.T) {
	t.Parallel()
	text := secret.Text(plain)
	held := struct {
		Key  secret.Text
		Keys []secret.Text
	}{text, []secret.Text{text}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%e"} {
		for _, value := range []any{text, &text, held, &held, []secret.Text{text}, map[string]secret.Text{"key": text}} {
			printed := fmt.Sprintf(verb, value)
			require.NotContains(t, printed, plain, verb)
			require.NotContains(t, printed, fmt.Sprintf("%x", plain), verb)
			require.NotContains(t, printed, fmt.Sprintf("%X", plain), verb)
		}
	}
	require.Equal(t, "[redacted]", fmt.Sprint(text))
	require.Equal(t, "[redacted]", text.String())
	require.NotContains(t, fmt.Errorf("open the door with %w", fmt.Errorf("key %s", text)).Error(), plain)
}

func TestATextIsNeverLogged(t *testing.T) {
	t.Parallel()
	text := secret.Text(plain)
	held := struct{ Key secret.Text }{text}
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("sign in", "key", text, "pointer", &text, "held", held, slog.Group("group", "key", text), "list", []secret.Text{text})
	}
	require.NotContains(t, out.String(), plain)
	require.Contains(t, out.String(), "[redacted]")
}

func TestATextIsRedactedInJSONAndReadFromConfiguration(t *testing.T) {
	t.Parallel()
	written, err := json.Marshal(map[string]any{"key": secret.Text(plain)})
	require.NoError(t, err)
	require.JSONEq(t, `{"key":"[redacted]"}`, string(written))

	var read secret.Text
	require.NoError(t, read.UnmarshalText([]byte(plain)))
	require.Equal(t, plain, string(read))
}
