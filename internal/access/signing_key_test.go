package access

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/catalog"
	"portico/internal/fault"
)

func TestAKeyIsPublishedBeforeItSignsAndUntilItsLastTokenHasExpired(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	key := func(id int64, signsFrom time.Duration) SigningKey {
		return SigningKey{ID: id, Algorithm: catalog.ES256, SignsFrom: piDay.Add(signsFrom)}
	}
	revoked := func(k SigningKey, at time.Duration) SigningKey {
		k.RevokedAt = ptr(piDay.Add(at))
		return k
	}
	at := func(age time.Duration) *time.Time { return ptr(piDay.Add(age)) }
	linger := MaxAccessTTL + 5*time.Minute
	for name, c := range map[string]struct {
		keys    []SigningKey
		next    *time.Time // relative to now, which is piDay
		useless []int64
	}{
		"the first key signs at once":                   {nil, at(0), nil},
		"a young key is enough":                         {[]SigningKey{key(1, -29*day+time.Second)}, nil, nil},
		"its successor is published a day ahead":        {[]SigningKey{key(1, -29*day)}, at(day), nil},
		"however late that is noticed":                  {[]SigningKey{key(1, -300*day)}, at(day), nil},
		"one successor is enough":                       {[]SigningKey{key(1, -300*day), key(2, day)}, nil, nil},
		"a key stays while its tokens are valid":        {[]SigningKey{key(1, -30*day), key(2, -linger+time.Second)}, nil, nil},
		"and goes then":                                 {[]SigningKey{key(1, -30*day), key(2, -linger)}, nil, []int64{1}},
		"where nothing signs a key signs at once":       {[]SigningKey{revoked(key(1, -day), 0), key(2, day)}, at(0), nil},
		"a revoked key is known as that for a while":    {[]SigningKey{revoked(key(1, -day), -linger+time.Second), key(2, -day)}, nil, nil},
		"and then no more":                              {[]SigningKey{revoked(key(1, -day), -linger), key(2, -day)}, nil, []int64{1}},
		"a revoked key is no successor and has none":    {[]SigningKey{key(1, -29*day), revoked(key(2, day), 0)}, at(day), nil},
		"a revoked successor does not end a key's time": {[]SigningKey{key(1, -day), revoked(key(2, -2*linger), 0)}, nil, nil},
	} {
		next, useless := succession(c.keys, piDay)
		require.Equal(t, c.next, next, name)
		require.Equal(t, c.useless, useless, name)
	}
}

func (s *shop) keys() []SigningKey {
	s.t.Helper()
	keys, err := s.a.SigningKeys(s.t.Context())
	require.NoError(s.t, err)
	return keys
}

func (s *shop) published() map[string]JWK {
	s.t.Helper()
	keys, err := s.a.PublicKeys(s.t.Context())
	require.NoError(s.t, err)
	byKID := map[string]JWK{}
	for _, key := range keys {
		byKID[key.KID] = key
	}
	return byKID
}

func (s *shop) rotate(now time.Time) {
	s.t.Helper()
	s.at(now)
	require.NoError(s.t, s.a.SigningKeysRotate(s.t.Context()))
}

// kid is the key that a token says it is signed with.
func kid(t *testing.T, token Token) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(string(token.Token), ".")[0])
	require.NoError(t, err)
	var header struct {
		KID string `json:"kid"`
	}
	require.NoError(t, json.Unmarshal(text, &header))
	return header.KID
}

func (s *shop) mint() Token {
	s.t.Helper()
	token, err := s.a.AccessTokenCreate(s.t.Context(), s.caller, ada, payroll, 10*time.Minute)
	require.NoError(s.t, err)
	return token
}

func (s *shop) verify(token Token) TokenReason {
	s.t.Helper()
	check, err := s.a.AccessTokenVerify(s.t.Context(), s.caller, token.Token, nil)
	require.NoError(s.t, err)
	return check.Reason
}

func TestKeysSucceedOneAnotherWithoutATokenBeingRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	first := s.mint()
	require.Len(t, s.keys(), 2, "one of each algorithm, made with the first token")
	for _, key := range s.keys() {
		require.NotContains(t, string(key.cipher), "MC4CAQ", "sealed")
	}

	announced := piDay.Add(KeySignsFor - KeyPublishAhead)
	s.rotate(announced)
	require.Len(t, s.published(), 4)
	require.Equal(t, kid(t, first), kid(t, s.mint()), "the next one does not sign yet")

	last := piDay.Add(KeySignsFor - time.Second)
	s.at(last)
	late := s.mint()
	s.at(piDay.Add(KeySignsFor))
	next := s.mint()
	require.NotEqual(t, kid(t, late), kid(t, next))
	require.Equal(t, []TokenReason{TokenValid, TokenValid}, []TokenReason{s.verify(late), s.verify(next)})
	require.Contains(t, s.published(), kid(t, late))
	require.Contains(t, s.published(), kid(t, next))

	s.rotate(piDay.Add(KeySignsFor + time.Hour))
	require.Contains(t, s.published(), kid(t, late), "tokens of an hour are valid until now")
	s.rotate(piDay.Add(KeySignsFor + time.Hour + 5*time.Minute))
	require.NotContains(t, s.published(), kid(t, late))
	require.Equal(t, TokenUnknownKey, s.verify(late))
	s.rotate(piDay.Add(KeySignsFor + 2*time.Hour))
	require.Len(t, s.keys(), 2, "again changes nothing")
}

func TestAnotherProcessNoticesNewKeysWithinSeconds(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	now := piDay
	s.a.Now = func() time.Time { return now }
	other := &Access{DB: s.a.DB, Keys: s.a.Keys, Now: s.a.Now, Issuer: s.a.Issuer}
	old := s.mint()
	require.NoError(t, other.SigningKeysRoll(t.Context(), 0))
	require.Equal(t, kid(t, old), kid(t, s.mint()))
	now = now.Add(keyMemory)
	require.NotEqual(t, kid(t, old), kid(t, s.mint()))
	require.Equal(t, TokenValid, s.verify(old), "rolling ends no token")
}

func TestAKeyRolledByHandIsPublishedBeforeItSigns(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	old := s.mint()
	require.NoError(t, s.a.SigningKeysRoll(t.Context(), KeyRollAhead))
	require.Len(t, s.published(), 4)
	s.at(piDay.Add(KeyRollAhead - time.Second))
	require.Equal(t, kid(t, old), kid(t, s.mint()), "apps may not know the new one yet")
	s.at(piDay.Add(KeyRollAhead))
	next := s.mint()
	require.NotEqual(t, kid(t, old), kid(t, next))
	require.Contains(t, s.published(), kid(t, old))
	require.Equal(t, TokenValid, s.verify(next))
}

func TestARevokedKeyEndsItsTokensAtOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	token := s.mint()
	_, err := s.a.SigningKeyRevoke(t.Context(), kid(t, token))
	require.NoError(t, err)
	require.Equal(t, TokenKeyRevoked, s.verify(token))
	require.NotContains(t, s.published(), kid(t, token))
	next := s.mint()
	require.NotEqual(t, kid(t, token), kid(t, next))
	require.Equal(t, TokenValid, s.verify(next))
	_, err = s.a.SigningKeyRevoke(t.Context(), "unknown")
	require.True(t, fault.Is(err, fault.CodeNotFound))
}

func TestTokensMintedAtTheSameTimeMakeOneKey(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	var group sync.WaitGroup
	for range 8 {
		a := &Access{DB: s.a.DB, Keys: s.a.Keys, Now: s.a.Now, Issuer: s.a.Issuer}
		group.Go(func() {
			if _, err := a.AccessTokenCreate(t.Context(), s.caller, ada, payroll, time.Hour); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Len(t, s.keys(), 2)
}
