package webhook_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

var signedAt = time.Date(2026, time.March, 31, 23, 59, 58, 999_000_000, time.UTC)

// countingSecret holds size bytes that count up, so that no secret stands in a file.
func countingSecret(size int) string {
	key := make([]byte, size)
	for i := range key {
		key[i] = byte(i)
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

func TestSignaturesAreThoseThatNodeComputes(t *testing.T) {
	t.Parallel()
	type delivery struct {
		Secret    string `json:"secret"`
		ID        string `json:"id"`
		Timestamp int64  `json:"timestamp"`
		Body      string `json:"body"`
	}
	var deliveries []delivery
	for _, body := range []string{"", `{}`, `{"event":"subscription.created","data":{"note":"<é😀` + "\u2028" + `>"}}`} {
		for _, size := range []int{24, 32, 64} {
			deliveries = append(deliveries, delivery{countingSecret(size), "evt_42", signedAt.Unix(), body})
		}
	}
	made, err := webhook.NewSecret()
	require.NoError(t, err)
	deliveries = append(deliveries, delivery{made, "evt_43", 0, `{"a":1}`})

	input, err := json.Marshal(deliveries)
	require.NoError(t, err)
	node := exec.Command("node", "testdata/sign.mjs")
	node.Stdin = bytes.NewReader(input)
	output, err := node.Output()
	require.NoError(t, err, "this test needs Node.js")
	var signed []struct{ Portal, Standard string }
	require.NoError(t, json.Unmarshal(output, &signed))
	require.Len(t, signed, len(deliveries))

	for i, d := range deliveries {
		require.Equal(t, signed[i].Portal, webhook.PortalSignature(d.Secret, []byte(d.Body)))
		standard, err := webhook.StandardSignature(d.Secret, d.ID, time.Unix(d.Timestamp, 999), []byte(d.Body))
		require.NoError(t, err)
		require.Equal(t, signed[i].Standard, standard)
	}
}

func TestStandardSignatureRefusesASecretThatIsNotOne(t *testing.T) {
	t.Parallel()
	for name, secret := range map[string]string{
		"no secret at all":        "",
		"no prefix":               strings.TrimPrefix(countingSecret(32), "whsec_"),
		"an empty key":            "whsec_",
		"a key that is too short": countingSecret(23),
		"a key that is too long":  countingSecret(65),
		"not base64":              countingSecret(32) + "!",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := webhook.StandardSignature(secret, "evt_42", signedAt, []byte(`{}`))
			require.Error(t, err)
			if len(secret) > len("whsec_") {
				require.NotContains(t, err.Error(), secret)
			}
		})
	}
}

func TestNewSecretHolds32FreshBytes(t *testing.T) {
	t.Parallel()
	first, err := webhook.NewSecret()
	require.NoError(t, err)
	second, err := webhook.NewSecret()
	require.NoError(t, err)
	require.NotEqual(t, first, second)

	encoded, ok := strings.CutPrefix(first, "whsec_")
	require.True(t, ok)
	key, err := base64.StdEncoding.DecodeString(encoded)
	require.NoError(t, err)
	require.Len(t, key, 32)
}
