package account_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
)

func TestTheScopesAreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	schema, err := os.ReadFile("../../schema.graphqls")
	require.NoError(t, err)
	enum := regexp.MustCompile(`(?s)enum ApiScope \{(.*?)\}`).FindSubmatch(schema)
	require.NotNil(t, enum)
	var scopes []string
	for _, value := range regexp.MustCompile(`(?m)^ *([A-Z_]+)$`).FindAllSubmatch(enum[1], -1) {
		scopes = append(scopes, string(value[1]))
	}
	require.Equal(t, scopes, account.Scopes())
}

func TestAnAPIKeyIsShownOnceAndStoredAsAHash(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	expires := leapDay.AddDate(1, 0, 0)
	key, text, err := w.APIKeyCreate(t.Context(), acme, account.APIKeyCreate{
		Name: " Server ", Scopes: []string{"CATALOG_READ", "ACCESS_READ", "CATALOG_READ"}, ExpiresAt: &expires,
	})
	require.NoError(t, err)
	require.Regexp(t, `^ptc_sk_live_[0-9A-Za-z]{38}$`, string(text))
	require.Equal(t, account.APIKey{
		ID: key.ID, Name: "Server", Hint: string(text[:len("ptc_sk_live_")+4]), Scopes: []string{"ACCESS_READ", "CATALOG_READ"},
		CreatedAt: key.CreatedAt, ExpiresAt: key.ExpiresAt,
	}, key)
	require.True(t, leapDay.Equal(key.CreatedAt))
	require.True(t, expires.Equal(*key.ExpiresAt))

	require.Equal(t, w.Keys.Hash(text), scan[[]byte](t, w.DB, `select key_hash from api_key`))
	require.NotContains(t, scan[string](t, w.DB, `select api_key::text from api_key`), string(text[16:]))
	found, err := w.APIKey(t.Context(), acme, key.ID)
	require.NoError(t, err)
	require.Equal(t, key, found)
}

func TestAKeyOfASandboxSaysTest(t *testing.T) {
	t.Parallel()
	w := open(t)
	key, text := w.apiKey(t, w.sandbox(t, w.signUp(t, "acme")), nil)
	require.Regexp(t, `^ptc_sk_test_`, string(text))
	require.Equal(t, account.Scopes(), key.Scopes, "every scope when none is asked for")
	require.Nil(t, key.ExpiresAt)
}

func TestAnAPIKeyIsRefused(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	for _, c := range []struct {
		name  string
		in    account.APIKeyCreate
		code  fault.Code
		field string
	}{
		{"without a name", account.APIKeyCreate{Name: " "}, fault.CodeRequired, "name"},
		{"with a name of 201 characters", account.APIKeyCreate{Name: strings.Repeat("a", 201)}, fault.CodeInvalid, "name"},
		{"with an unknown scope", account.APIKeyCreate{Name: "A", Scopes: []string{"ACCESS_READ", "ROOT"}}, fault.CodeInvalid, "scopes.1"},
		{"with no scope", account.APIKeyCreate{Name: "A", Scopes: []string{}}, fault.CodeInvalid, "scopes"},
		{"expired already", account.APIKeyCreate{Name: "A", ExpiresAt: to(leapDay)}, fault.CodeInvalid, "expiresAt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, text, err := w.APIKeyCreate(t.Context(), acme, c.in)
			requireFault(t, err, c.code, c.field)
			require.Empty(t, string(text))
		})
	}
	_, _, err := w.APIKeyCreate(t.Context(), account.Caller{Kind: account.KindMember, MemberID: acme.MemberID}, account.APIKeyCreate{Name: "A"})
	requireFault(t, err, fault.CodeNotFound, "")
}

func TestRevokingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	key, _ := w.apiKey(t, acme, nil)

	_, err := w.APIKeyRevoke(t.Context(), bobs, key.ID)
	requireFault(t, err, fault.CodeNotFound, "id")
	_, err = w.APIKeyRevoke(t.Context(), acme, key.ID+1)
	requireFault(t, err, fault.CodeNotFound, "id")

	first, err := w.APIKeyRevoke(t.Context(), acme, key.ID)
	require.NoError(t, err)
	require.True(t, leapDay.Equal(*first.RevokedAt))
	w.now = w.now.Add(time.Hour)
	again, err := w.APIKeyRevoke(t.Context(), acme, key.ID)
	require.NoError(t, err)
	require.Equal(t, first, again)
}

func idsOf(keys []account.APIKey) []int64 {
	ids := make([]int64, len(keys))
	for i, key := range keys {
		ids[i] = key.ID
	}
	return ids
}

func TestAPIKeysAreListedNewestFirstForTheirMerchant(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	var ids []int64
	for range 4 {
		key, _ := w.apiKey(t, acme, nil)
		ids = append([]int64{key.ID}, ids...)
	}
	foreign, _ := w.apiKey(t, bobs, nil)
	_, err := w.APIKeyRevoke(t.Context(), acme, ids[0])
	require.NoError(t, err)

	keys, err := w.APIKeys(t.Context(), acme, page.Request{Size: 2})
	require.NoError(t, err)
	require.Len(t, keys, 3, "a row more than the page tells that there is another")
	require.Equal(t, ids[:3], idsOf(keys))
	rest, err := w.APIKeys(t.Context(), acme, page.Request{Size: 20, After: keys[1].ID})
	require.NoError(t, err)
	require.Equal(t, ids[2:], idsOf(rest))

	_, err = w.APIKey(t.Context(), acme, foreign.ID)
	requireFault(t, err, fault.CodeNotFound, "id")
}
