package access

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
)

// at moves the time of all that the shop's installation does.
func (s *shop) at(now time.Time) { s.a.Now = func() time.Time { return now } }

func (s *shop) expire() int {
	s.t.Helper()
	n, err := s.a.ClaimsExpire(s.t.Context())
	require.NoError(s.t, err)
	return n
}

func TestAClaimEndsWhenItExpiresWhetherOrNotTheWorkerHasCome(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	soon, later := piDay.Add(time.Hour), piDay.Add(2*time.Hour)
	_, err := s.setClaims(ClaimsSet{
		Claims: []byte(`{"soon": 1, "later": 2, "never": 3}`), ExpiresAt: &soon, Expiries: map[string]*time.Time{"later": &later, "never": nil},
	})
	require.NoError(t, err)
	s.at(soon.Add(-time.Microsecond))
	require.JSONEq(t, `{"soon": 1, "later": 2, "never": 3}`, said(t, s.claims()))
	require.Zero(t, s.expire())

	s.at(soon)
	require.JSONEq(t, `{"later": 2, "never": 3}`, said(t, s.claims()), "the worker is late")
	require.Equal(t, int64(1), s.claims().Version)
	require.Equal(t, 1, s.expire())
	require.Zero(t, s.expire())
	require.Equal(t, int64(2), s.claims().Version)
	change := s.history()[0]
	require.Equal(t, []any{"soon", account.KindSystem, "1", 0}, []any{change.Key, change.ActorKind, string(change.Before), len(change.After)})
	event := s.events()[1]["data"].(map[string]any)
	require.Equal(t, []any{"soon"}, event["changed"])
	require.Equal(t, map[string]any{"later": 2.0, "never": 3.0}, event["claims"])

	s.at(later.Add(time.Hour))
	s.mustSet(`{"new": true}`)
	require.JSONEq(t, `{"never": 3, "new": true}`, said(t, s.claims()))
	require.Zero(t, s.expire(), "whoever changes claims does the worker's part")
	require.Equal(t, []any{"later", "new"}, s.events()[2]["data"].(map[string]any)["changed"])
}

func TestClaimsOfACustomerOnATestClockExpireByTheClock(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	clock := s.clock(piDay.AddDate(0, 0, -30))
	s.exec(`update customer set test_clock_id = $1`, clock)
	ends := piDay.AddDate(0, 0, -20) // in the past, but in the future of the clock
	_, err := s.setClaims(ClaimsSet{Claims: []byte(`{"a": 1}`), ExpiresAt: &ends})
	require.NoError(t, err)
	require.Zero(t, s.expire())
	require.Len(t, s.claims().Claims, 1)

	s.exec(`update test_clock set now_at = $1`, ends.Add(time.Hour))
	require.Empty(t, s.claims().Claims)
	require.Equal(t, 1, s.expire())
	require.Equal(t, ends.Add(time.Hour).Format("2006-01-02T15:04:05.000Z"), s.events()[1]["createdAt"], "in the clock's time")
}

func TestClaimsOfManyCustomersOfManyMerchantsExpireTogether(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	mine, theirs := newShop(t, a, "mine"), newShop(t, a, "theirs")
	ends := piDay.Add(time.Hour)
	for _, s := range []*shop{mine, theirs} {
		for i := range 30 {
			_, err := s.setClaims(ClaimsSet{
				Customer: account.CustomerRef{Email: ptr(fmt.Sprintf("c%d@example.com", i))}, Claims: []byte(`{"a": 1}`), ExpiresAt: &ends,
			})
			require.NoError(t, err)
		}
	}
	mine.at(ends)
	require.Equal(t, 60, mine.expire())
	require.Equal(t, int64(60), mine.insert(`select count(*) from claim_set where claims = '{}' and expire_at is null and version = 2`))
	for _, s := range []*shop{mine, theirs} {
		// Each customer was made, and its claims were set and have ended.
		require.Equal(t, int64(90), s.insert(`select event_sequence from merchant where id = $1`, s.caller.MerchantID))
		require.Equal(t, int64(90), s.insert(`select count(distinct sequence) from event where merchant_id = $1`, s.caller.MerchantID))
	}
}

func TestOneCustomersUnreadableClaimsStopNobodyElses(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	ends := piDay.Add(time.Hour)
	for _, email := range []string{"broken@example.com", "whole@example.com"} {
		_, err := s.setClaims(ClaimsSet{Customer: account.CustomerRef{Email: &email}, Claims: []byte(`{"a": 1}`), ExpiresAt: &ends})
		require.NoError(t, err)
	}
	s.exec(`update claim_set set claims = '{"a": 7}' where customer_id = (select id from customer where email = 'broken@example.com')`)
	s.at(ends)
	_, err := s.a.ClaimsExpire(t.Context())
	require.ErrorContains(t, err, "read the claims of customer")
	require.Equal(t, int64(1), s.insert(`select count(*) from claim_set where claims = '{}'`))
	require.Zero(t, s.expire(), "what is broken waits, and does not stand before the others")
}
