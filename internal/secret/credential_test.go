package secret_test

import (
	"hash/crc32"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"portico/internal/secret"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// signed appends the checksum as the format describes it: CRC-32 of all before it, six digits to the base 62.
func signed(body string) secret.Text {
	sum, digits := crc32.ChecksumIEEE([]byte(body)), ""
	for range 6 {
		digits = string(base62[sum%62]) + digits
		sum /= 62
	}
	return secret.Text(body + digits)
}

func TestANewCredentialHasTheFormOfItsKind(t *testing.T) {
	t.Parallel()
	kinds := []secret.Kind{secret.KindAPIKey, secret.KindClientSecret, secret.KindTokenKey, secret.KindSession,
		secret.KindPersonSession, secret.KindMagicLink}
	rapid.Check(t, func(t *rapid.T) {
		kind, live := rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.Bool().Draw(t, "live")
		mode := map[bool]string{true: "live", false: "test"}[live]
		credential := secret.NewCredential(kind, live)

		require.Regexp(t, `^ptc_`+string(kind)+`_`+mode+`_[0-9A-Za-z]{38}$`, string(credential))
		require.Equal(t, signed(string(credential[:len(credential)-6])), credential)
		read, err := secret.KindOf(credential)
		require.NoError(t, err)
		require.Equal(t, kind, read)
		require.NotEqual(t, string(credential), string(secret.NewCredential(kind, live)))
	})
}

func TestOneWrongCharacterIsNoticedWithoutALookUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(secret.NewCredential(secret.KindAPIKey, true))
		place := rapid.IntRange(0, len(text)-1).Draw(t, "place")
		wrong := rapid.SampledFrom([]byte(base62+"_-")).Filter(func(b byte) bool { return b != text[place] }).Draw(t, "wrong")
		text[place] = wrong
		_, err := secret.KindOf(secret.Text(text))
		require.ErrorIs(t, err, secret.ErrMalformed)
	})
}

func TestKindOfRefusesWhatIsNotACredential(t *testing.T) {
	t.Parallel()
	random := strings.Repeat("a1", 16)
	good := signed("ptc_sk_live_" + random)
	kind, err := secret.KindOf(good)
	require.NoError(t, err)
	require.Equal(t, secret.KindAPIKey, kind)

	for name, text := range map[string]secret.Text{
		"nothing":                    "",
		"another program's key":      signed("sk_live_" + random),
		"another prefix":             signed("ptx_sk_live_" + random),
		"an unknown kind":            signed("ptc_zz_live_" + random),
		"no kind":                    signed("ptc__live_" + random),
		"an unknown mode":            signed("ptc_sk_prod_" + random),
		"too short":                  signed("ptc_sk_live_" + random[1:]),
		"too long":                   signed("ptc_sk_live_" + random + "a"),
		"a part too many":            signed("ptc_sk_live_" + random[1:] + "_"),
		"a character beyond base 62": signed("ptc_sk_live_" + random[1:] + "-"),
		"a NUL":                      signed("ptc_sk_live_" + random[1:] + "\x00"),
		"bytes that are not UTF-8":   signed("ptc_sk_live_" + random[1:] + "\xff"),
		"a space before it":          " " + good,
		"a line break behind it":     good + "\n",
		"a wrong checksum":           good[:len(good)-6] + "000000",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := secret.KindOf(text)
			require.ErrorIs(t, err, secret.ErrMalformed)
		})
	}
}

func TestAHintShowsTheBeginningOnly(t *testing.T) {
	t.Parallel()
	require.Equal(t, "ptc_sk_test_a1a1", secret.Hint(signed("ptc_sk_test_"+strings.Repeat("a1", 16))))
	for _, text := range []secret.Text{"", "short", "no_more", "whole_secret"} {
		require.Empty(t, secret.Hint(text), "%q", string(text))
	}
}
