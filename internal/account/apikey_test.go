package account_test

import (
	"os"
	"regexp"
	"strings"
	"sync"
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
	require.Equal(t, key, w.key(t, acme, key.ID))
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

	found, err := w.APIKeysByID(t.Context(), acme, []int64{ids[1], foreign.ID})
	require.NoError(t, err)
	require.Equal(t, map[int64]account.APIKey{ids[1]: keys[1]}, found)
}

func TestARolledKeyIsAcceptedUntilTheOverlapEnds(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	old, oldText, err := w.APIKeyCreate(t.Context(), acme, account.APIKeyCreate{Name: "Server", Scopes: []string{"ACCESS_READ", "CATALOG_READ"}})
	require.NoError(t, err)
	ends, expires := leapDay.Add(90*time.Second), leapDay.AddDate(0, 1, 0)
	rolled, err := w.APIKeyRoll(t.Context(), acme, account.APIKeyRoll{ID: old.ID, OverlapSeconds: 90, ExpiresAt: &expires})
	require.NoError(t, err)

	made := rolled.APIKey
	require.NotEqual(t, string(oldText), string(rolled.Secret))
	require.Equal(t, "Server", made.Name)
	require.Equal(t, old.Scopes, made.Scopes)
	require.True(t, expires.Equal(*made.ExpiresAt))
	require.Nil(t, made.RolledTo)
	require.Equal(t, made.ID, *rolled.Old.RolledTo)
	require.True(t, ends.Equal(*rolled.Old.ExpiresAt))
	require.Equal(t, rolled.Old, w.key(t, acme, old.ID))
	from, err := w.APIKeysRolledTo(t.Context(), acme, []int64{made.ID, old.ID})
	require.NoError(t, err)
	require.Equal(t, map[int64]account.APIKey{made.ID: rolled.Old}, from)

	require.Equal(t, made.ID, w.caller(t, rolled.Secret, "").APIKeyID)
	w.now = ends.Add(-time.Microsecond)
	require.Equal(t, old.ID, w.caller(t, oldText, "").APIKeyID)
	w.now = ends
	_, err = w.Authenticate(t.Context(), oldText, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
	require.Equal(t, made.ID, w.caller(t, rolled.Secret, "").APIKeyID)
}

func TestRollingNeverGivesAKeyMoreTimeThanItHad(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	expires := leapDay.Add(time.Hour)
	key, _ := w.apiKey(t, acme, &expires)
	rolled, err := w.APIKeyRoll(t.Context(), acme, account.APIKeyRoll{ID: key.ID, OverlapSeconds: 7 * 24 * 3600})
	require.NoError(t, err)
	require.True(t, expires.Equal(*rolled.Old.ExpiresAt))
	require.Nil(t, rolled.APIKey.ExpiresAt)
}

func TestWithoutAnOverlapTheOldKeyEndsAtOnce(t *testing.T) {
	t.Parallel()
	w := open(t)
	box := w.sandbox(t, w.signUp(t, "acme"))
	key, text := w.apiKey(t, box, nil)
	rolled, err := w.APIKeyRoll(t.Context(), box, account.APIKeyRoll{ID: key.ID})
	require.NoError(t, err)
	require.Contains(t, string(rolled.Secret), "_test_")
	_, err = w.Authenticate(t.Context(), text, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
}

func TestAKeyIsRolledOnceAndOnlyWhileItCanBeUsed(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	key, _ := w.apiKey(t, acme, nil)
	expires := leapDay.Add(time.Hour)
	expiring, _ := w.apiKey(t, acme, &expires)
	revoked, _ := w.apiKey(t, acme, nil)
	_, err := w.APIKeyRevoke(t.Context(), acme, revoked.ID)
	require.NoError(t, err)
	_, err = w.APIKeyRoll(t.Context(), bobs, account.APIKeyRoll{ID: key.ID})
	requireFault(t, err, fault.CodeNotFound, "id")
	for _, seconds := range []int32{-1, 7*24*3600 + 1} {
		_, err = w.APIKeyRoll(t.Context(), acme, account.APIKeyRoll{ID: key.ID, OverlapSeconds: seconds})
		requireFault(t, err, fault.CodeInvalid, "overlapSeconds")
	}
	_, err = w.APIKeyRoll(t.Context(), acme, account.APIKeyRoll{ID: key.ID, ExpiresAt: to(leapDay)})
	requireFault(t, err, fault.CodeInvalid, "expiresAt")
	require.Equal(t, 3, w.rows(t, "api_key"), "nothing is left behind")

	_, err = w.APIKeyRoll(t.Context(), acme, account.APIKeyRoll{ID: key.ID, OverlapSeconds: 7 * 24 * 3600})
	require.NoError(t, err)
	_, err = w.APIKeyRoll(t.Context(), acme, account.APIKeyRoll{ID: key.ID, OverlapSeconds: 60})
	requireFault(t, err, fault.CodeConflict, "id")
	_, err = w.APIKeyRoll(t.Context(), acme, account.APIKeyRoll{ID: revoked.ID})
	requireFault(t, err, fault.CodeConflict, "id")
	w.now = expires
	_, err = w.APIKeyRoll(t.Context(), acme, account.APIKeyRoll{ID: expiring.ID})
	requireFault(t, err, fault.CodeConflict, "id")
	require.Equal(t, 4, w.rows(t, "api_key"))
}

func TestOfRollsAtTheSameTimeOneMakesAKey(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	key, _ := w.apiKey(t, acme, nil)
	errs := make([]error, 4)
	var rolling sync.WaitGroup
	for i := range errs {
		rolling.Go(func() {
			_, errs[i] = w.APIKeyRoll(t.Context(), acme, account.APIKeyRoll{ID: key.ID, OverlapSeconds: 60})
		})
	}
	rolling.Wait()
	refused := 0
	for _, err := range errs {
		if err != nil {
			requireFault(t, err, fault.CodeConflict, "id")
			refused++
		}
	}
	require.Equal(t, len(errs)-1, refused)
	require.Equal(t, 2, w.rows(t, "api_key"))
}

func TestAKeyIsChangedInWhatIsGiven(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	key, text, err := w.APIKeyCreate(t.Context(), acme, account.APIKeyCreate{Name: "Server", Scopes: []string{"ACCESS_READ"}})
	require.NoError(t, err)
	update := func(in account.APIKeyUpdate) account.APIKey {
		t.Helper()
		in.ID = key.ID
		updated, err := w.APIKeyUpdate(t.Context(), acme, in)
		require.NoError(t, err)
		require.Equal(t, updated, w.key(t, acme, key.ID))
		return updated
	}
	want := key
	require.Equal(t, want, update(account.APIKeyUpdate{}))
	want.Name = "Robot"
	require.Equal(t, want, update(account.APIKeyUpdate{Name: to(" Robot ")}))
	want.Scopes = []string{"ACCESS_READ", "CATALOG_READ"}
	require.Equal(t, want, update(account.APIKeyUpdate{Scopes: []string{"CATALOG_READ", "ACCESS_READ"}}))
	require.Equal(t, want.Scopes, w.caller(t, text, "").Scopes, "in force at the next use")
	want.LastUsedAt = w.key(t, acme, key.ID).LastUsedAt
	want.Scopes = []string{"CATALOG_READ"}
	require.Equal(t, want, update(account.APIKeyUpdate{Scopes: []string{"CATALOG_READ"}}))
	expires := leapDay.Add(time.Hour)
	require.True(t, expires.Equal(*update(account.APIKeyUpdate{SetExpiry: true, ExpiresAt: &expires}).ExpiresAt))
	require.NotNil(t, update(account.APIKeyUpdate{Name: to("Robot")}).ExpiresAt)
	require.Nil(t, update(account.APIKeyUpdate{SetExpiry: true}).ExpiresAt)

	for _, c := range []struct {
		name  string
		in    account.APIKeyUpdate
		code  fault.Code
		field string
	}{
		{"no name", account.APIKeyUpdate{Name: to(" ")}, fault.CodeRequired, "name"},
		{"no scope", account.APIKeyUpdate{Scopes: []string{}}, fault.CodeInvalid, "scopes"},
		{"an unknown scope", account.APIKeyUpdate{Scopes: []string{"ROOT"}}, fault.CodeInvalid, "scopes.0"},
		{"an end in the past", account.APIKeyUpdate{SetExpiry: true, ExpiresAt: to(leapDay)}, fault.CodeInvalid, "expiresAt"},
	} {
		c.in.ID = key.ID
		_, err := w.APIKeyUpdate(t.Context(), acme, c.in)
		requireFault(t, err, c.code, c.field)
	}
	_, err = w.APIKeyUpdate(t.Context(), bobs, account.APIKeyUpdate{ID: key.ID, Name: to("Mine")})
	requireFault(t, err, fault.CodeNotFound, "id")
}

func TestAKeyThatIsOverStaysSo(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	expires := leapDay.Add(time.Hour)
	expired, _ := w.apiKey(t, acme, &expires)
	revoked, text := w.apiKey(t, acme, nil)
	_, err := w.APIKeyRevoke(t.Context(), acme, revoked.ID)
	require.NoError(t, err)
	w.now = expires
	for _, id := range []int64{expired.ID, revoked.ID} {
		_, err := w.APIKeyUpdate(t.Context(), acme, account.APIKeyUpdate{ID: id, SetExpiry: true})
		requireFault(t, err, fault.CodeConflict, "id")
	}
	_, err = w.Authenticate(t.Context(), text, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
}
