package account_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
)

var operator = account.Caller{Kind: account.KindOperator, OperatorID: 1}

func TestASuspendedMerchantsKeysAreRefusedAndItsMembersAreTold(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	session, _, err := w.SignIn(t.Context(), home, account.SignIn{Email: "acme@example.com", Password: passphrase})
	require.NoError(t, err)
	inside := w.sandbox(t, acme)
	_, key := w.apiKey(t, acme, nil)
	_, sandboxKey := w.apiKey(t, inside, nil)
	_, others := w.apiKey(t, bobs, nil)

	merchant, err := w.MerchantSuspend(t.Context(), operator, acme.MerchantID, " Chargebacks ")
	require.NoError(t, err)
	require.Equal(t, "Chargebacks", *merchant.Suspension)
	require.True(t, leapDay.Equal(*merchant.SuspendedAt))
	w.now = w.now.AddDate(0, 0, 1)
	merchant, err = w.MerchantSuspend(t.Context(), operator, acme.MerchantID, "Fraud")
	require.NoError(t, err)
	require.Equal(t, "Fraud", *merchant.Suspension)
	require.True(t, leapDay.Equal(*merchant.SuspendedAt), "since the first time")

	_, err = w.Authenticate(t.Context(), key, "")
	requireFault(t, err, fault.CodeForbidden, "")
	require.EqualError(t, err, "the merchant is suspended: Fraud")
	_, err = w.Authenticate(t.Context(), sandboxKey, "")
	requireFault(t, err, fault.CodeForbidden, "")
	w.caller(t, others, "")
	require.Equal(t, "Fraud", w.caller(t, session.Token, "acme").Suspended)
	require.Equal(t, "Fraud", w.caller(t, session.Token, shopOf(t, w, inside)).Suspended)

	_, err = w.MerchantReinstate(t.Context(), operator, inside.MerchantID)
	requireFault(t, err, fault.CodeConflict, "id")
	merchant, err = w.MerchantReinstate(t.Context(), operator, acme.MerchantID)
	require.NoError(t, err)
	require.Nil(t, merchant.SuspendedAt)
	w.caller(t, key, "")
	w.caller(t, sandboxKey, "")
	require.Empty(t, w.caller(t, session.Token, "acme").Suspended)

	_, err = w.MerchantSuspend(t.Context(), operator, inside.MerchantID, "A sandbox alone")
	require.NoError(t, err)
	w.caller(t, key, "")
	_, err = w.MerchantReinstate(t.Context(), operator, inside.MerchantID)
	require.NoError(t, err)
	w.caller(t, sandboxKey, "")
}

func shopOf(t *testing.T, w *world, caller account.Caller) string {
	t.Helper()
	merchant, err := w.Merchant(t.Context(), caller)
	require.NoError(t, err)
	return merchant.Shop
}

func TestOperatorsFindMerchants(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	playground := shopOf(t, w, w.sandbox(t, acme))
	bobs := w.signUp(t, "bobs")
	_, err := w.MerchantSuspend(t.Context(), operator, bobs.MerchantID, "Fraud")
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		filter account.MerchantFilter
		want   string
	}{
		{"all live ones, newest first", account.MerchantFilter{}, "bobs acme"},
		{"sandboxes", account.MerchantFilter{Sandboxes: true}, playground},
		{"suspended ones", account.MerchantFilter{Status: to(account.MerchantSuspended)}, "bobs"},
		{"open ones", account.MerchantFilter{Status: to(account.MerchantOpen)}, "acme"},
		{"by part of the name", account.MerchantFilter{Search: "cM"}, "acme"},
		{"by part of the address", account.MerchantFilter{Search: "BOBS@ex"}, "bobs"},
		{"by what is no pattern", account.MerchantFilter{Search: "%"}, ""},
	} {
		found, err := w.AllMerchants(t.Context(), operator, c.filter, firstPage)
		require.NoError(t, err)
		var shops []string
		for _, one := range found {
			shops = append(shops, one.Shop)
		}
		require.Equal(t, c.want, strings.Join(shops, " "), c.name)
	}
	for _, search := range []string{"\x00", "\xff", strings.Repeat("x", 201)} {
		_, err := w.AllMerchants(t.Context(), operator, account.MerchantFilter{Search: search}, firstPage)
		requireFault(t, err, fault.CodeInvalid, "search")
	}
}

func TestWhatOperatorsDoIsForOperatorsOnly(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	_, err := w.MerchantSuspend(t.Context(), acme, acme.MerchantID, "Fraud")
	requireFault(t, err, fault.CodeForbidden, "")
	_, err = w.MerchantReinstate(t.Context(), acme, acme.MerchantID)
	requireFault(t, err, fault.CodeForbidden, "")
	_, err = w.AllMerchants(t.Context(), acme, account.MerchantFilter{}, firstPage)
	requireFault(t, err, fault.CodeForbidden, "")
	_, err = w.MerchantSuspend(t.Context(), operator, acme.MerchantID+100, "Fraud")
	requireFault(t, err, fault.CodeNotFound, "id")
	_, err = w.MerchantSuspend(t.Context(), operator, acme.MerchantID, " ")
	requireFault(t, err, fault.CodeRequired, "reason")
}
