package account

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/fault"
	"portico/internal/secret"
)

const (
	passphrase = "correct horse battery"
	// Argon2's parameters as OWASP gives them, a salt of 16 bytes and a key of 32.
	phcPattern = `^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`
)

func TestAPasswordIsVerifiedAgainstItsHash(t *testing.T) {
	t.Parallel()
	var a Accounts
	hash, err := a.hashPassword(t.Context(), passphrase)
	require.NoError(t, err)
	require.Regexp(t, phcPattern, hash)

	for password, want := range map[string]bool{passphrase: true, passphrase + " ": false, "Correct horse battery": false, "": false} {
		matches, err := a.verifyPassword(t.Context(), hash, password)
		require.NoError(t, err)
		require.Equal(t, want, matches, password)
	}
	again, err := a.hashPassword(t.Context(), passphrase)
	require.NoError(t, err)
	require.NotEqual(t, hash, again, "the salt is fresh")
}

func TestTheParametersOfAStoredHashAreUsed(t *testing.T) {
	t.Parallel()
	// A vector of the reference implementation: argon2 somesalt -id -t 2 -m 16 -p 1, with the password "password".
	const stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	matches, err := new(Accounts).verifyPassword(t.Context(), stored, "password")
	require.NoError(t, err)
	require.True(t, matches)
}

func TestTheSameTextInAnotherUnicodeFormIsTheSamePassword(t *testing.T) {
	t.Parallel()
	var a Accounts
	hash, err := a.hashPassword(t.Context(), "cafe\u0301 au lait")
	require.NoError(t, err)
	matches, err := a.verifyPassword(t.Context(), hash, "caf\u00e9 au lait")
	require.NoError(t, err)
	require.True(t, matches)
}

func TestAStoredHashThatCannotBeReadIsOurError(t *testing.T) {
	t.Parallel()
	good := dummyHash()
	for name, stored := range map[string]string{
		"nothing":              "",
		"another function":     strings.Replace(good, "argon2id", "argon2i", 1),
		"another version":      strings.Replace(good, "v=19", "v=16", 1),
		"no parameters":        strings.Replace(good, "m=19456,t=2,p=1", "", 1),
		"a salt of other text": strings.Replace(good, "$A", "$!", 1),
		"no key":               good[:strings.LastIndexByte(good, '$')+1],
		"a part too many":      good + "$",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := new(Accounts).verifyPassword(t.Context(), stored, passphrase)
			require.ErrorContains(t, err, "stored hash")
			require.Nil(t, fault.List(err))
		})
	}
}

func TestTheDummyHashTakesAsLongAsARealOneAndMatchesNothing(t *testing.T) {
	t.Parallel()
	require.Regexp(t, phcPattern, dummyHash())
	for _, password := range []string{"", passphrase, strings.Repeat("\x00", 32)} {
		matches, err := new(Accounts).verifyPassword(t.Context(), dummyHash(), password)
		require.NoError(t, err)
		require.False(t, matches)
	}
}

// fillSlots occupies the hashing of passwords until the test ends.
func fillSlots(t *testing.T, a *Accounts) {
	t.Helper()
	for range min(maxHashings, runtime.GOMAXPROCS(0)) {
		release, err := a.hashing.take(t.Context())
		require.NoError(t, err)
		t.Cleanup(release)
	}
}

func TestHashingWaitsForASlotAndGivesUpWithItsRequest(t *testing.T) {
	t.Parallel()
	var a Accounts
	fillSlots(t, &a)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := a.hashPassword(short, passphrase)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	var other Accounts
	release, err := other.hashing.take(t.Context())
	require.NoError(t, err)
	release()
	_, err = other.hashPassword(t.Context(), passphrase)
	require.NoError(t, err, "a released slot is free")
}

func TestEveryRefusalAtSignInCostsTwoHashings(t *testing.T) {
	t.Parallel()
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	now := time.Date(2028, time.February, 29, 12, 0, 0, 0, time.UTC)
	a := &Accounts{DB: dbtest.New(t), Keys: keys, Now: func() time.Time { return now }}
	hash, err := a.hashPassword(t.Context(), passphrase)
	require.NoError(t, err)
	for email, verified := range map[string]*time.Time{"proven@example.com": &now, "unproven@example.com": nil, "both@example.com": nil} {
		_, err := a.insertMember(t.Context(), a.DB.Pool(), email, hash, verified)
		require.NoError(t, err)
	}
	_, err = a.insertMember(t.Context(), a.DB.Pool(), "both@example.com", hash, &now)
	require.NoError(t, err)

	for _, email := range []string{"nobody@example.com", "proven@example.com", "unproven@example.com", "both@example.com"} {
		hashings, err := a.hashingsOf(func() error {
			_, _, err := a.SignIn(t.Context(), Origin{}, SignIn{Email: email, Password: "another long password"})
			return err
		})
		require.True(t, fault.Is(err, fault.CodeUnauthenticated))
		require.Equal(t, 2, hashings, "%s: a quicker answer would tell who is known", email)
	}
}

// hashingsOf counts the hashings that something costs: without room in it, the channel shows each.
func (a *Accounts) hashingsOf(do func() error) (hashings int, err error) {
	a.hashing.once.Do(func() {})
	free, done := make(chan struct{}), make(chan error)
	a.hashing.free = free
	go func() { done <- do() }()
	for {
		select {
		case <-free:
			hashings++
			free <- struct{}{}
		case err := <-done:
			return hashings, err
		}
	}
}

func TestWhatCannotMatchCostsNeitherALookUpNorAHashing(t *testing.T) {
	t.Parallel()
	offline := &Accounts{}
	for email, password := range map[string]string{
		"ada@example.com": strings.Repeat("x", MaxPasswordBytes+1), "ada": passphrase,
	} {
		_, _, err := offline.SignIn(t.Context(), Origin{}, SignIn{Email: email, Password: password})
		require.True(t, fault.Is(err, fault.CodeUnauthenticated))
	}
}
