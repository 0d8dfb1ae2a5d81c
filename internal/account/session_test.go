package account_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
)

func TestSignInOpensASessionForThirtyDays(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	sandbox := w.sandbox(t, owner)

	session, merchants, err := w.SignIn(t.Context(), home, account.SignIn{Email: " ACME@Example.com ", Password: passphrase})
	require.NoError(t, err)
	require.Equal(t, "acme@example.com", session.Member.Email)
	require.True(t, leapDay.AddDate(0, 0, 30).Equal(session.ExpiresAt))
	require.Len(t, merchants, 2)
	require.Equal(t, []int64{owner.MerchantID, sandbox.MerchantID}, []int64{merchants[0].ID, merchants[1].ID})

	caller := w.caller(t, session.Token, "")
	require.NotEqual(t, owner.SessionID, caller.SessionID)
	for w.now.Before(session.ExpiresAt.Add(-6 * 24 * time.Hour)) {
		w.now = w.now.Add(6 * 24 * time.Hour)
		require.Equal(t, caller, w.caller(t, session.Token, ""))
	}
	w.now = session.ExpiresAt.Add(-time.Microsecond)
	require.Equal(t, caller, w.caller(t, session.Token, ""))
	w.now = session.ExpiresAt
	_, err = w.Authenticate(t.Context(), session.Token, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
}

func TestWhateverDoesNotMatchIsTheSameAnswer(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	for _, c := range []struct{ name, email, password string }{
		{"a wrong password", "acme@example.com", passphrase + "!"},
		{"a password that is cut short", "acme@example.com", passphrase[:len(passphrase)-1]},
		{"no password", "acme@example.com", ""},
		{"a password that is too long", "acme@example.com", strings.Repeat("x", 10_000)},
		{"a password that is not UTF-8", "acme@example.com", "\xff\x00"},
		{"an unknown address", "nobody@example.com", passphrase},
		{"no address", "", passphrase},
		{"no e-mail address", "acme", passphrase},
		{"an address with a NUL", "acme\x00@example.com", passphrase},
		{"an address that is not UTF-8", "acme\xff@example.com", passphrase},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, merchants, err := w.SignIn(t.Context(), home, account.SignIn{Email: c.email, Password: c.password})
			requireFault(t, err, fault.CodeUnauthenticated, "")
			require.EqualError(t, err, "e-mail address and password do not match")
			require.Empty(t, merchants)
		})
	}
	require.Equal(t, 1, w.rows(t, "session"), "the one of the sign-up")
}

func TestSignInTakesTheMembersExpiredSessionsAway(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	w.signUp(t, "bobs")
	w.now = w.now.Add(account.SessionLifetime)
	_, _, err := w.SignIn(t.Context(), home, account.SignIn{Email: "acme@example.com", Password: passphrase})
	require.NoError(t, err)
	require.Equal(t, 2, w.rows(t, "session"), "Acme's new session, and the old one of somebody else")
}

func TestSignOutEndsTheCallersSessionOnly(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	first, _, err := w.SignIn(t.Context(), home, account.SignIn{Email: "acme@example.com", Password: passphrase})
	require.NoError(t, err)
	second, _, err := w.SignIn(t.Context(), home, account.SignIn{Email: "acme@example.com", Password: passphrase})
	require.NoError(t, err)
	caller := w.caller(t, first.Token, "")

	forged := caller
	forged.MemberID++
	require.NoError(t, w.SignOut(t.Context(), forged))
	require.Equal(t, caller, w.caller(t, first.Token, ""), "a session is its member's to end")

	require.NoError(t, w.SignOut(t.Context(), caller))
	_, err = w.Authenticate(t.Context(), first.Token, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
	w.caller(t, second.Token, "")
	require.NoError(t, w.SignOut(t.Context(), caller), "again")
	require.NoError(t, w.SignOut(t.Context(), account.Caller{Kind: account.KindAPIKey, APIKeyID: 1}))
}

func TestASessionEndsAWeekAfterItsLastUse(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	session, _, err := w.SignIn(t.Context(), home, account.SignIn{Email: "acme@example.com", Password: passphrase})
	require.NoError(t, err)
	w.now = w.now.Add(account.SessionIdle - time.Second)
	caller := w.caller(t, session.Token, "")
	w.now = w.now.Add(account.SessionIdle - time.Second)
	w.caller(t, session.Token, "")
	w.now = w.now.Add(account.SessionIdle)
	_, err = w.Authenticate(t.Context(), session.Token, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
	sessions, err := w.Sessions(t.Context(), caller, firstPage)
	require.NoError(t, err)
	require.Empty(t, sessions)
}

func TestSessionsAreSeenAndEndedByTheirMemberOnly(t *testing.T) {
	t.Parallel()
	w := open(t)
	first, other := w.signUp(t, "acme"), w.signUp(t, "bobs")
	w.now = w.now.Add(time.Hour)
	elsewhere := account.Origin{
		Address: netip.MustParseAddr("2001:db8::7"), UserAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1\x00\xff",
	}
	opened, _, err := w.SignIn(t.Context(), elsewhere, account.SignIn{Email: "acme@example.com", Password: passphrase})
	require.NoError(t, err)
	second := w.caller(t, opened.Token, "")
	w.now = w.now.Add(59 * time.Second)
	w.caller(t, opened.Token, "")
	before := w.now.Add(-59 * time.Second)
	sessions, err := w.Sessions(t.Context(), second, firstPage)
	require.NoError(t, err)
	require.Len(t, sessions, 2)
	require.Equal(t, account.Session{
		ID: second.SessionID, CreatedAt: before, LastUsedAt: before, ExpiresAt: before.Add(account.SessionLifetime),
		Address: "2001:db8::7", Device: "Safari on iPhone",
	}, sessions[0], "use is recorded to the minute")
	require.Equal(t, "Firefox on Linux", sessions[1].Device)
	require.Equal(t, "203.0.113.7", sessions[1].Address)
	w.now = w.now.Add(time.Second)
	w.caller(t, opened.Token, "")
	session, err := w.Session(t.Context(), first, second.SessionID)
	require.NoError(t, err)
	require.Equal(t, w.now, session.LastUsedAt)

	_, err = w.Session(t.Context(), other, second.SessionID)
	requireFault(t, err, fault.CodeNotFound, "id")
	requireFault(t, w.SessionRevoke(t.Context(), other, second.SessionID), fault.CodeNotFound, "id")
	ended, err := w.SessionRevokeOthers(t.Context(), other)
	require.NoError(t, err)
	require.Zero(t, ended)
	w.caller(t, opened.Token, "")

	ended, err = w.SessionRevokeOthers(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, 1, ended)
	_, err = w.Authenticate(t.Context(), opened.Token, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
	require.NoError(t, w.SessionRevoke(t.Context(), first, first.SessionID), "one may end one's own")
	requireFault(t, w.SessionRevoke(t.Context(), first, first.SessionID), fault.CodeNotFound, "id")
}
