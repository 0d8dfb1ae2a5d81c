package secret_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"portico/internal/secret"
)

// counting is a key of 32 bytes that count up from first, so that no secret stands in a file.
func counting(first byte) secret.Text {
	return secret.Text(base64.StdEncoding.EncodeToString(bytesFrom(first, 32)))
}

func bytesFrom(first byte, size int) []byte {
	key := make([]byte, size)
	for i := range key {
		key[i] = first + byte(i)
	}
	return key
}

func ring(t testing.TB, keys secret.Text) *secret.Keyring {
	t.Helper()
	made, err := secret.NewKeyring(keys, counting(200))
	require.NoError(t, err)
	return made
}

func TestWhatIsSealedOpensForTheSameIdentityOnly(t *testing.T) {
	t.Parallel()
	keys := ring(t, "1:"+counting(1))
	sealed := keys.Seal("product/12/launch_secret", plain)

	opened, err := keys.Open("product/12/launch_secret", sealed)
	require.NoError(t, err)
	require.Equal(t, plain, string(opened))
	for _, identity := range []string{"product/13/launch_secret", "product/12/other", "merchant/12/launch_secret", ""} {
		_, err := keys.Open(identity, sealed)
		require.ErrorIs(t, err, secret.ErrOpen)
	}
	require.NotContains(t, string(sealed), plain)
	require.NotEqual(t, sealed, keys.Seal("product/12/launch_secret", plain), "two seals must not show that they hold the same secret")
}

func TestEverySecretSurvivesSealingAndEveryChangedByteIsNoticed(t *testing.T) {
	t.Parallel()
	keys := ring(t, "7:"+counting(1))
	rapid.Check(t, func(t *rapid.T) {
		text, identity := rapid.String().Draw(t, "text"), rapid.String().Draw(t, "identity")
		sealed := keys.Seal(identity, secret.Text(text))
		opened, err := keys.Open(identity, sealed)
		require.NoError(t, err)
		require.Equal(t, text, string(opened))

		sealed[rapid.IntRange(0, len(sealed)-1).Draw(t, "place")] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		_, err = keys.Open(identity, sealed)
		require.ErrorIs(t, err, secret.ErrOpen)
	})
}

func TestACiphertextThatIsCutShortIsRefused(t *testing.T) {
	t.Parallel()
	keys := ring(t, "1:"+counting(1))
	sealed := keys.Seal("product/12", plain)
	for length := range sealed {
		_, err := keys.Open("product/12", sealed[:length])
		require.ErrorIs(t, err, secret.ErrOpen)
	}
}

func TestTheFirstKeySealsAndAllKeysOpen(t *testing.T) {
	t.Parallel()
	old := ring(t, "1:"+counting(1))
	rotated := ring(t, "2:"+counting(50)+", 1:"+counting(1))
	fresh := ring(t, "2:"+counting(50))

	opened, err := rotated.Open("row", old.Seal("row", plain))
	require.NoError(t, err)
	require.Equal(t, plain, string(opened))

	opened, err = fresh.Open("row", rotated.Seal("row", plain))
	require.NoError(t, err)
	require.Equal(t, plain, string(opened))

	_, err = fresh.Open("row", old.Seal("row", plain))
	require.ErrorIs(t, err, secret.ErrOpen, "a key that is gone opens nothing")
	_, err = ring(t, "1:"+counting(99)).Open("row", old.Seal("row", plain))
	require.ErrorIs(t, err, secret.ErrOpen, "the version alone does not make it the key")
}

func TestAKeyringThatCannotWorkIsRefusedByName(t *testing.T) {
	t.Parallel()
	key, pepper := "1:"+counting(1), counting(9)
	short := secret.Text(base64.StdEncoding.EncodeToString(bytesFrom(0, 16)))
	for _, c := range []struct {
		name         string
		keys, pepper secret.Text
		says         string
	}{
		{"no keys", "", pepper, "PORTICO_KEYS is not set"},
		{"no pepper", key, "", "PORTICO_PEPPER is not set"},
		{"no version", counting(1), pepper, "PORTICO_KEYS, entry 1: want <version"},
		{"version 0", "0:" + counting(1), pepper, "PORTICO_KEYS, entry 1: want <version"},
		{"version 256", "256:" + counting(1), pepper, "PORTICO_KEYS, entry 1: want <version"},
		{"a negative version", "-1:" + counting(1), pepper, "PORTICO_KEYS, entry 1: want <version"},
		{"a short key", "1:" + short, pepper, "PORTICO_KEYS, entry 1: want base64 of 32 bytes"},
		{"a key that is not base64", "1:" + counting(1)[1:] + "!", pepper, "PORTICO_KEYS, entry 1: want base64 of 32 bytes"},
		{"a bad second key", key + ",2:", pepper, "PORTICO_KEYS, entry 2: want base64 of 32 bytes"},
		{"an empty entry", key + ",", pepper, "PORTICO_KEYS, entry 2: want <version"},
		{"a version given twice", key + ",1:" + counting(50), pepper, "PORTICO_KEYS, entry 2: version 1 is given twice"},
		{"a short pepper", key, short, "PORTICO_PEPPER: want base64 of 32 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := secret.NewKeyring(c.keys, c.pepper)
			require.ErrorContains(t, err, c.says)
			for _, text := range []secret.Text{counting(1), counting(9), counting(50), short} {
				require.NotContains(t, err.Error(), string(text))
			}
		})
	}
}

func TestAHashIsTheHMACWithThePepper(t *testing.T) {
	t.Parallel()
	mac := hmac.New(sha256.New, bytesFrom(200, 32))
	mac.Write([]byte(plain))
	require.Equal(t, mac.Sum(nil), ring(t, "1:"+counting(1)).Hash(plain))
}

func TestANewKeyMakesAKeyring(t *testing.T) {
	t.Parallel()
	first, second := secret.NewKey(), secret.NewKey()
	require.NotEqual(t, string(first), string(second))
	_, err := secret.NewKeyring("1:"+first, second)
	require.NoError(t, err)
}

func TestAKeyringNeverPrints(t *testing.T) {
	t.Parallel()
	keys := ring(t, "1:"+counting(1))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		require.Equal(t, "[redacted]", fmt.Sprintf(verb, keys))
		require.Contains(t, fmt.Sprintf(verb, struct{ Keys *secret.Keyring }{keys}), "[redacted]}")
	}
}

func TestANewEntryHasAVersionThatTheRingDoesNotUse(t *testing.T) {
	t.Parallel()
	pepper := secret.NewKey()
	ring := func(versions ...int) *secret.Keyring {
		var entries []string
		for _, version := range versions {
			entries = append(entries, fmt.Sprintf("%d:%s", version, string(secret.NewKey())))
		}
		made, err := secret.NewKeyring(secret.Text(strings.Join(entries, ",")), pepper)
		require.NoError(t, err)
		return made
	}
	all := make([]int, 255)
	for i := range all {
		all[i] = i + 1
	}
	for want, used := range map[string]*secret.Keyring{
		"1": nil, "2": ring(1), "6": ring(2, 5), "3": ring(255, 2, 1), "255": ring(all[:254]...),
	} {
		entry, err := used.NewEntry()
		require.NoError(t, err)
		version, _, _ := strings.Cut(string(entry), ":")
		require.Equal(t, want, version)
		made, err := secret.NewKeyring(entry, pepper)
		require.NoError(t, err, "it can be read")
		require.Equal(t, want, fmt.Sprint(made.First()))
		require.True(t, made.Has(made.First()))
		require.False(t, made.Has(made.First()-1))
	}
	_, err := ring(all...).NewEntry()
	require.Error(t, err)
}
