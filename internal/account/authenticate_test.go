package account_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/secret"
)

func TestAMalformedCredentialIsRefusedWithoutALookUp(t *testing.T) {
	t.Parallel()
	offline := &account.Accounts{}
	for name, credential := range map[string]secret.Text{
		"nothing":          "",
		"a word":           "letmein",
		"another program":  "sk_live_0123456789",
		"a wrong checksum": secret.NewCredential(secret.KindAPIKey, true)[1:],
		"a client secret":  secret.NewCredential(secret.KindClientSecret, true),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := offline.Authenticate(t.Context(), credential, "")
			require.ErrorIs(t, err, account.ErrUnauthenticated)
			require.True(t, fault.Is(err, fault.CodeUnauthenticated))
		})
	}
}

func TestACredentialThatNobodyHasIsRefused(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	for _, kind := range []secret.Kind{secret.KindAPIKey, secret.KindSession, secret.KindTokenKey} {
		_, err := w.Authenticate(t.Context(), secret.NewCredential(kind, true), "")
		require.ErrorIs(t, err, account.ErrUnauthenticated)
	}
}

func TestAnAPIKeyActsForItsMerchantAlone(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	w.signUp(t, "bobs")
	key, text, err := w.APIKeyCreate(t.Context(), acme, account.APIKeyCreate{Name: "Server", Scopes: []string{account.ScopeAccessRead}})
	require.NoError(t, err)

	want := account.Caller{Kind: account.KindAPIKey, MerchantID: acme.MerchantID, APIKeyID: key.ID, Scopes: []string{"ACCESS_READ"}}
	require.Equal(t, want, w.caller(t, text, ""))
	require.Equal(t, want, w.caller(t, text, "acme"))
	for _, shop := range []string{"bobs", "nobodys", "ACME", "\x00\xff"} {
		_, err := w.Authenticate(t.Context(), text, shop)
		requireFault(t, err, fault.CodeForbidden, "")
	}
}

func TestAnAPIKeyEnds(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	expires := leapDay.Add(time.Hour)
	_, expiring := w.apiKey(t, acme, &expires)
	revoked, revokedText := w.apiKey(t, acme, nil)

	w.caller(t, revokedText, "")
	_, err := w.APIKeyRevoke(t.Context(), acme, revoked.ID)
	require.NoError(t, err)
	_, err = w.Authenticate(t.Context(), revokedText, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)

	w.now = expires.Add(-time.Microsecond)
	w.caller(t, expiring, "")
	w.now = expires
	_, err = w.Authenticate(t.Context(), expiring, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
	_, err = w.Authenticate(t.Context(), expiring, "bobs")
	require.ErrorIs(t, err, account.ErrUnauthenticated, "an ended key learns nothing about merchants")
}

func TestTheUseOfAnAPIKeyIsRecordedOnceAMinute(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	key, text := w.apiKey(t, acme, nil)
	require.Nil(t, key.LastUsedAt)

	for _, c := range []struct{ at, want time.Duration }{
		{0, 0},
		{time.Second, 0},
		{time.Minute - time.Microsecond, 0},
		{time.Minute, time.Minute},
		{90 * time.Second, time.Minute},
		{time.Hour, time.Hour},
	} {
		w.now = leapDay.Add(c.at)
		w.caller(t, text, "")
		used := w.key(t, acme, key.ID)
		require.True(t, leapDay.Add(c.want).Equal(*used.LastUsedAt), "%s: %s", c.at, used.LastUsedAt)
	}
	_, err := w.Authenticate(t.Context(), text, "bobs")
	require.Error(t, err)
	w.now = leapDay.Add(2 * time.Hour)
	_, err = w.Authenticate(t.Context(), text, "bobs")
	require.Error(t, err)
	used := w.key(t, acme, key.ID)
	require.True(t, leapDay.Add(time.Hour).Equal(*used.LastUsedAt), "a refused request is no use")
}

func TestABusyAPIKeyWritesNothing(t *testing.T) {
	t.Parallel()
	w := open(t)
	_, text := w.apiKey(t, w.signUp(t, "acme"), nil)
	w.caller(t, text, "")
	err := w.DB.System().Tx(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `lock table api_key in share mode`)
		require.NoError(t, err)
		short, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		w.now = w.now.Add(time.Second)
		_, err = w.Authenticate(short, text, "")
		return err
	})
	require.NoError(t, err)
}

func TestAKeyThatWasSeenIsRecognizedWithoutALookUp(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	expires := leapDay.Add(2 * time.Hour)
	key, text := w.apiKey(t, acme, &expires)
	recognize := func(shop string) (account.Caller, *account.Admission, error) {
		return w.Recognize(t.Context(), text, shop)
	}
	lookUps := func(shop string) int64 {
		t.Helper()
		before := w.DB.Pool().Stat().AcquireCount()
		_, _, err := recognize(shop)
		require.NoError(t, err)
		return w.DB.Pool().Stat().AcquireCount() - before
	}

	require.EqualValues(t, 2, lookUps(""), "found, and its use recorded")
	require.EqualValues(t, 1, lookUps(""), "found as it is now")
	require.Zero(t, lookUps(""))
	require.Zero(t, lookUps("acme"))
	caller, admission, err := recognize("")
	require.NoError(t, err)
	require.Equal(t, w.caller(t, text, ""), caller)
	require.NoError(t, w.Confirm(admission.In(t.Context())))
	_, _, err = recognize("bobs")
	requireFault(t, err, fault.CodeForbidden, "")

	require.EqualValues(t, 1, lookUps(""), "what was refused was forgotten")
	w.now = leapDay.Add(time.Minute)
	require.EqualValues(t, 2, lookUps(""), "its use is recorded every minute")
	used := w.key(t, acme, key.ID)
	require.True(t, w.now.Equal(*used.LastUsedAt))

	w.now = expires.Add(-time.Second)
	lookUps("")
	lookUps("")
	_, admission, err = recognize("")
	require.NoError(t, err)
	require.NotNil(t, admission)
	w.now = expires
	_, _, err = recognize("")
	require.ErrorIs(t, err, account.ErrUnauthenticated)

	_, admission, err = w.Recognize(t.Context(), secret.NewCredential(secret.KindAPIKey, true), "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
	require.Nil(t, admission)
	_, admission, err = w.Recognize(t.Context(), "letmein", "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
	require.Nil(t, admission)
}

func TestAMemberChoosesAMerchantByItsHandle(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "bobs")
	signedUp, err := w.SignUp(t.Context(), home, account.SignUp{Name: "Acme", Email: "ada@example.com", Password: passphrase})
	require.NoError(t, err)
	token := signedUp.Session.Token
	owner := w.caller(t, token, "")
	sandbox, err := w.SandboxCreate(t.Context(), owner, "Trial run")
	require.NoError(t, err)

	require.Equal(t, owner, w.caller(t, token, ""), "the real merchant comes before its sandbox")
	require.Equal(t, owner, w.caller(t, token, "acme"))
	inside := w.caller(t, token, "trial-run")
	require.Equal(t, sandbox.ID, inside.MerchantID)
	require.Equal(t, account.RoleOwner, inside.Role)
	w.exec(t, `update membership set role = 'VIEWER' where merchant_id = $1`, owner.MerchantID)
	require.Equal(t, account.RoleViewer, w.caller(t, token, "trial-run").Role, "the roles are those of the merchant")

	var sentences []string
	for _, shop := range []string{"bobs", "nobodys", "ACME", "-", "\x00", "\xff", "' or true --"} {
		_, err := w.Authenticate(t.Context(), token, shop)
		requireFault(t, err, fault.CodeForbidden, "")
		sentences = append(sentences, err.Error())
	}
	require.Equal(t, sentences[0], sentences[1], "the answer does not tell which merchants exist")

	w.exec(t, `delete from membership where merchant_id = $1`, owner.MerchantID)
	alone := w.caller(t, token, "")
	require.Equal(t, account.Caller{Kind: account.KindMember, MemberID: owner.MemberID, SessionID: owner.SessionID}, alone)
	_, err = w.Authenticate(t.Context(), token, "acme")
	requireFault(t, err, fault.CodeForbidden, "")
	_, err = w.Merchant(t.Context(), alone)
	requireFault(t, err, fault.CodeNotFound, "")
}

func TestRolesIncludeTheOnesBelow(t *testing.T) {
	t.Parallel()
	roles := []account.Role{account.RoleViewer, account.RoleAdmin, account.RoleOwner}
	for i, role := range roles {
		for j, other := range roles {
			require.Equal(t, i >= j, role.Includes(other), "%s %s", role, other)
		}
		require.False(t, account.Role("").Includes(role))
		require.False(t, account.Role("GOD").Includes(role))
	}
}

func TestAScopeIsHeldOrNot(t *testing.T) {
	t.Parallel()
	caller := account.Caller{Scopes: []string{account.ScopeCatalogRead}}
	require.True(t, caller.HasScope(account.ScopeCatalogRead))
	require.False(t, caller.HasScope(account.ScopeCatalogWrite))
}

func TestNoCredentialReachesAClosedMerchant(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	session, _, err := w.SignIn(t.Context(), home, account.SignIn{Email: "acme@example.com", Password: passphrase})
	require.NoError(t, err)
	_, key := w.apiKey(t, owner, nil)
	tokenKey := w.tokenKey(t, owner).Key
	for _, credential := range []secret.Text{session.Token, key, tokenKey} {
		require.Equal(t, owner.MerchantID, w.caller(t, credential, "").MerchantID)
	}
	w.exec(t, `update merchant set status = 'CLOSED', closed_at = $2 where id = $1`, owner.MerchantID, leapDay)
	for _, credential := range []secret.Text{key, tokenKey} {
		_, err := w.Authenticate(t.Context(), credential, "")
		require.ErrorIs(t, err, account.ErrUnauthenticated)
	}
	require.Zero(t, w.caller(t, session.Token, "").MerchantID)
	_, err = w.Authenticate(t.Context(), session.Token, "acme")
	requireFault(t, err, fault.CodeForbidden, "")
}
