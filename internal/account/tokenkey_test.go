package account_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/secret"
)

func (w *world) tokenKey(t *testing.T, caller account.Caller) account.TokenKey {
	t.Helper()
	key, err := w.TokenKey(t.Context(), caller)
	require.NoError(t, err)
	return key
}

func TestATokenKeyIsMadeAtSignUpAndStoredSealedAndHashed(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	key := w.tokenKey(t, acme)
	require.Regexp(t, `^ptc_tk_live_[0-9A-Za-z]{38}$`, string(key.Key))
	require.True(t, leapDay.Equal(key.CreatedAt))
	require.Nil(t, key.RolledUntil)
	require.Equal(t, w.Keys.Hash(key.Key), scan[[]byte](t, w.DB, `select key_hash from token_key`))
	require.NotContains(t, scan[string](t, w.DB, `select encode(key_cipher, 'escape') from token_key`), string(key.Key))
}

func TestATokenKeyActsForItsMerchantAlone(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	mine, theirs := w.tokenKey(t, acme), w.tokenKey(t, bobs)
	require.NotEqual(t, string(mine.Key), string(theirs.Key))

	want := account.Caller{Kind: account.KindTokenKey, MerchantID: acme.MerchantID}
	require.Equal(t, want, w.caller(t, mine.Key, ""))
	require.Equal(t, want, w.caller(t, mine.Key, "acme"))
	for _, shop := range []string{"bobs", "nobodys", "\x00\xff"} {
		_, err := w.Authenticate(t.Context(), mine.Key, shop)
		requireFault(t, err, fault.CodeForbidden, "")
	}
	for _, call := range []func(account.Caller) error{
		func(c account.Caller) error { _, err := w.TokenKey(t.Context(), c); return err },
		func(c account.Caller) error { _, err := w.TokenKeyRoll(t.Context(), c, 0); return err },
	} {
		requireFault(t, call(account.Caller{Kind: account.KindMember, MemberID: acme.MemberID}), fault.CodeNotFound, "")
	}

	w.exec(t, `update token_key set key_cipher = (select key_cipher from token_key where merchant_id = $1) where merchant_id = $2`,
		bobs.MerchantID, acme.MerchantID)
	_, err := w.TokenKey(t.Context(), acme)
	require.ErrorIs(t, err, secret.ErrOpen, "a key copied from another row is useless")
}

func TestARolledTokenKeyIsNotSentAndIsAcceptedUntilTheOverlapEnds(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	first := w.tokenKey(t, acme)
	firstEnds := leapDay.Add(time.Hour)
	second, err := w.TokenKeyRoll(t.Context(), acme, 3600)
	require.NoError(t, err)
	require.True(t, firstEnds.Equal(*second.RolledUntil))
	require.Equal(t, second, w.tokenKey(t, acme), "the new one is sent")
	require.NotEqual(t, string(first.Key), string(second.Key))

	w.now = leapDay.Add(time.Minute)
	third, err := w.TokenKeyRoll(t.Context(), acme, 60)
	require.NoError(t, err)
	require.True(t, firstEnds.Equal(*third.RolledUntil), "the last of those that are accepted")
	for _, key := range []account.TokenKey{first, second, third} {
		require.Equal(t, acme.MerchantID, w.caller(t, key.Key, "").MerchantID)
	}
	w.now = leapDay.Add(2 * time.Minute)
	_, err = w.Authenticate(t.Context(), second.Key, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
	w.caller(t, first.Key, "")
	w.now = firstEnds
	_, err = w.Authenticate(t.Context(), first.Key, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
	require.Nil(t, w.tokenKey(t, acme).RolledUntil)
	w.caller(t, third.Key, "")

	fourth, err := w.TokenKeyRoll(t.Context(), acme, 0)
	require.NoError(t, err)
	_, err = w.Authenticate(t.Context(), third.Key, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated, "without an overlap it ends at once")
	w.caller(t, fourth.Key, "")
	require.Equal(t, 2, w.rows(t, "token_key"), "those that had ended are taken away")

	for _, seconds := range []int32{-1, 7*24*3600 + 1} {
		_, err = w.TokenKeyRoll(t.Context(), acme, seconds)
		requireFault(t, err, fault.CodeInvalid, "overlapSeconds")
	}
}

func TestATokenKeyOfASuspendedMerchantIsRefused(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	key := w.tokenKey(t, acme)
	_, err := w.MerchantSuspend(t.Context(), operator, acme.MerchantID, "Fraud")
	require.NoError(t, err)
	_, err = w.Authenticate(t.Context(), key.Key, "")
	requireFault(t, err, fault.CodeForbidden, "")
	require.EqualError(t, err, "the merchant is suspended: Fraud")
	_, err = w.MerchantReinstate(t.Context(), operator, acme.MerchantID)
	require.NoError(t, err)
	w.caller(t, key.Key, "")
}

func TestTokenKeysRolledAtTheSameTimeFollowOneAnother(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	untouched := w.tokenKey(t, bobs)
	keys, errs := make([]account.TokenKey, 4), make([]error, 4)
	var rolling sync.WaitGroup
	for i := range keys {
		rolling.Go(func() { keys[i], errs[i] = w.TokenKeyRoll(t.Context(), acme, 60) })
	}
	rolling.Wait()
	sent, seen := w.tokenKey(t, acme), false
	for i := range keys {
		require.NoError(t, errs[i])
		seen = seen || keys[i].Key == sent.Key
		w.caller(t, keys[i].Key, "")
	}
	require.True(t, seen)
	require.Equal(t, untouched, w.tokenKey(t, bobs))
}
