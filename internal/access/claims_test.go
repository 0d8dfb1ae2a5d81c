package access

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/page"
)

func (s *shop) setClaims(in ClaimsSet) (CustomerClaims, error) {
	s.t.Helper()
	if in.Customer == (account.CustomerRef{}) {
		in.Customer = ada
	}
	if in.Product == (catalog.ProductRef{}) {
		in.Product = payroll
	}
	return s.a.ClaimsSet(s.t.Context(), s.caller, in)
}

func (s *shop) mustSet(claims string) CustomerClaims {
	s.t.Helper()
	set, err := s.setClaims(ClaimsSet{Claims: []byte(claims)})
	require.NoError(s.t, err)
	return set
}

func (s *shop) claims() CustomerClaims {
	s.t.Helper()
	claims, err := s.a.Claims(s.t.Context(), s.caller, ada, payroll)
	require.NoError(s.t, err)
	return claims
}

func (s *shop) history() []ClaimChange {
	s.t.Helper()
	changes, err := s.a.ClaimsHistory(s.t.Context(), s.caller, ada, payroll, page.Request{Size: 100})
	require.NoError(s.t, err)
	return changes
}

// said is the claims as one JSON object.
func said(t *testing.T, claims CustomerClaims) string {
	t.Helper()
	object := map[string]json.RawMessage{}
	for _, claim := range claims.Claims {
		object[claim.Key] = claim.Value
	}
	text, err := json.Marshal(object)
	require.NoError(t, err)
	return string(text)
}

// events are the bodies of what was announced, oldest first.
func (s *shop) events() []map[string]any {
	s.t.Helper()
	rows, err := s.a.DB.System().Query(s.t.Context(), `select body from event where type = 'claims.updated' order by id`)
	require.NoError(s.t, err)
	defer rows.Close()
	var events []map[string]any
	for rows.Next() {
		var body []byte
		require.NoError(s.t, rows.Scan(&body))
		var event map[string]any
		require.NoError(s.t, json.Unmarshal(body, &event))
		events = append(events, event)
	}
	require.NoError(s.t, rows.Err())
	return events
}

func TestClaimsAreMergedByKeyAndNullDeletes(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, _ := s.person()
	s.exec(`update customer set user_meta = '{"crm": 7}'`)
	require.Zero(t, s.claims().Version)
	require.Empty(t, s.claims().Claims)

	first := s.mustSet(`{"plan": "pro", "seats": "5", "beta": true, "ratio": 0.5}`)
	require.Equal(t, int64(1), first.Version)
	require.Equal(t, piDay.Truncate(time.Microsecond), first.UpdatedAt.Truncate(time.Microsecond))
	second := s.mustSet(`{"plan": "team", "beta": null, "role": "admin", "unknown": null}`)
	require.Equal(t, int64(2), second.Version)
	require.JSONEq(t, `{"plan": "team", "seats": "5", "ratio": 0.5, "role": "admin"}`, said(t, second))
	require.Equal(t, second, s.claims())

	unset, err := s.a.ClaimsUnset(t.Context(), s.caller, ClaimsUnset{Customer: ada, Product: payroll, Keys: []string{"role", "nothing"}})
	require.NoError(t, err)
	require.JSONEq(t, `{"plan": "team", "seats": "5", "ratio": 0.5}`, said(t, unset))
	require.Equal(t, int64(3), unset.Version)

	events := s.events()
	require.Len(t, events, 3)
	require.Equal(t, map[string]any{
		"customerId": 12345.0, "email": "Ada@Example.com", "productIdentifier": "payroll", "version": 2.0,
		"changed":  []any{"beta", "plan", "role"},
		"claims":   map[string]any{"plan": "team", "seats": "5", "ratio": 0.5, "role": "admin"},
		"userMeta": map[string]any{"crm": 7.0},
	}, events[1]["data"])
	require.InEpsilon(t, 2.0, events[1]["sequence"], 0)

	history := s.history()
	require.Len(t, history, 8)
	require.Equal(t, ClaimChange{
		ID: history[0].ID, Version: 3, Key: "role", Before: []byte(`"admin"`), ActorKind: account.KindAPIKey, ChangedAt: history[0].ChangedAt,
	}, history[0])
	require.Equal(t, customer, unset.CustomerID)
}

func TestWhatMakesNoDifferenceToClaimsLeavesNoTrace(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	ends := piDay.Add(time.Hour)
	set := ClaimsSet{Claims: []byte(`{"plan": "pro", "limit": 1.0, "name": "a\u003cb"}`), Expiries: map[string]*time.Time{"plan": &ends}}
	first, err := s.setClaims(set)
	require.NoError(t, err)
	again, err := s.setClaims(set)
	require.NoError(t, err)
	require.Equal(t, first, again)
	s.mustSet(`{"limit": 1, "name": "a<b", "unknown": null}`)
	_, err = s.a.ClaimsUnset(t.Context(), s.caller, ClaimsUnset{Customer: ada, Product: payroll, Keys: []string{"unknown"}})
	require.NoError(t, err)
	require.Equal(t, int64(1), s.claims().Version)
	require.Len(t, s.history(), 3)
	require.Len(t, s.events(), 1)

	s.mustSet(`{"plan": "pro"}`)
	require.Equal(t, int64(2), s.claims().Version, "without its expiry it is another claim")
	require.Nil(t, s.claims().Claims[2].ExpiresAt)
}

func TestAValueStaysWhatItIs(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	set := s.mustSet(`{"five": "5", "number": 5, "yes": true, "true": "true", "empty": "", "large": 9007199254740991, "small": -1e-7,
		"text": "a\nb <&> \u2028 😀", "date": "2026-04-15"}`)
	want := `{"date":"2026-04-15","empty":"","five":"5","large":9007199254740991,"number":5,"small":-1e-7,` +
		`"text":"a\nb <&> ` + "\u2028" + ` 😀","true":"true","yes":true}`
	for _, claims := range []CustomerClaims{set, s.claims()} {
		require.JSONEq(t, want, said(t, claims))
		for _, claim := range claims.Claims {
			require.Contains(t, want, `"`+claim.Key+`":`+string(claim.Value), "as JavaScript writes it")
		}
	}
}

func TestClaimsThatCannotBeKeptAreRefusedByKey(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	many := func(n, size int) string {
		members := make([]string, n)
		for i := range members {
			members[i] = fmt.Sprintf(`"k%d": "%s"`, i, strings.Repeat("x", size))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	past, soon := piDay, piDay.Add(time.Hour)
	for name, c := range map[string]struct {
		in    ClaimsSet
		field string
		code  fault.Code
	}{
		"an array":                       {ClaimsSet{Claims: []byte(`[]`)}, "claims", fault.CodeInvalid},
		"nothing":                        {ClaimsSet{Claims: []byte(`{}`)}, "claims", fault.CodeRequired},
		"null":                           {ClaimsSet{Claims: []byte(`null`)}, "claims", fault.CodeRequired},
		"a key that begins with a digit": {ClaimsSet{Claims: []byte(`{"1st": "x"}`)}, "claims.1st", fault.CodeInvalid},
		"an empty key":                   {ClaimsSet{Claims: []byte(`{"": "x"}`)}, "claims.", fault.CodeInvalid},
		"a key of 65 characters":         {ClaimsSet{Claims: []byte(`{"` + strings.Repeat("k", 65) + `": 1}`)}, "claims." + strings.Repeat("k", 65), fault.CodeInvalid},
		"JavaScript's own key":           {ClaimsSet{Claims: []byte(`{"__proto__": 1}`)}, "claims.__proto__", fault.CodeInvalid},
		"a registered claim":             {ClaimsSet{Claims: []byte(`{"exp": 1}`)}, "claims.exp", fault.CodeInvalid},
		"a registered claim, written so": {ClaimsSet{Claims: []byte(`{"Aud": "x"}`)}, "claims.Aud", fault.CodeInvalid},
		"a name of ours":                 {ClaimsSet{Claims: []byte(`{"claimsVersion": 1}`)}, "claims.claimsVersion", fault.CodeInvalid},
		"our prefix":                     {ClaimsSet{Claims: []byte(`{"portico_role": 1}`)}, "claims.portico_role", fault.CodeInvalid},
		"an object":                      {ClaimsSet{Claims: []byte(`{"a": {"b": 1}}`)}, "claims.a", fault.CodeInvalid},
		"a list":                         {ClaimsSet{Claims: []byte(`{"a": ["b"]}`)}, "claims.a", fault.CodeInvalid},
		"a large number":                 {ClaimsSet{Claims: []byte(`{"a": 9007199254740993}`)}, "claims.a", fault.CodeInvalid},
		"many digits":                    {ClaimsSet{Claims: []byte(`{"a": 0.12345678901234567890}`)}, "claims.a", fault.CodeInvalid},
		"a huge number":                  {ClaimsSet{Claims: []byte(`{"a": 1e400}`)}, "claims.a", fault.CodeInvalid},
		"NUL":                            {ClaimsSet{Claims: []byte(`{"a": "\u0000"}`)}, "claims", fault.CodeInvalid},
		"half a character":               {ClaimsSet{Claims: []byte(`{"a": "\ud83d"}`)}, "claims", fault.CodeInvalid},
		"more than 1 KiB":                {ClaimsSet{Claims: []byte(`{"a": "` + strings.Repeat("x", 1023) + `"}`)}, "claims.a", fault.CodeInvalid},
		"51":                             {ClaimsSet{Claims: []byte(many(51, 1))}, "claims", fault.CodeInvalid},
		"101 at once":                    {ClaimsSet{Claims: []byte(many(101, 1))}, "claims", fault.CodeInvalid},
		"more than 8 KiB":                {ClaimsSet{Claims: []byte(many(9, 1000))}, "claims", fault.CodeInvalid},
		"an expiry that is over":         {ClaimsSet{Claims: []byte(`{"a": 1}`), ExpiresAt: &past}, "claims.a", fault.CodeInvalid},
		"an expiry of nothing":           {ClaimsSet{Claims: []byte(`{"a": 1}`), Expiries: map[string]*time.Time{"b": &soon}}, "expiries", fault.CodeInvalid},
		"an expiry of what is deleted":   {ClaimsSet{Claims: []byte(`{"a": null}`), Expiries: map[string]*time.Time{"a": &soon}}, "expiries", fault.CodeInvalid},
	} {
		_, err := s.setClaims(c.in)
		found := fault.List(err)
		require.Len(t, found, 1, "%s: %v", name, err)
		require.Equal(t, c.code, found[0].Code, name)
		require.Equal(t, c.field, strings.Join(found[0].Field, "."), name)
	}
	require.Zero(t, s.claims().Version)
	s.mustSet(many(50, 100))
	_, err := s.setClaims(ClaimsSet{Claims: []byte(`{"one": "more"}`)})
	require.True(t, fault.Is(err, fault.CodeInvalid), "those that are there count")
	s.mustSet(`{"k0": null, "one": "` + strings.Repeat("x", 1022) + `"}`)
}

func TestClaimsChangeOnlyFromTheVersionThatIsGiven(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	set := func(version int64, claims string) (CustomerClaims, error) {
		return s.setClaims(ClaimsSet{Claims: []byte(claims), IfVersion: &version})
	}
	_, err := set(0, `{"a": 1}`)
	require.NoError(t, err)
	now, err := set(0, `{"a": 2}`)
	require.True(t, fault.Is(err, fault.CodeConflict))
	require.ErrorContains(t, err, "version 1")
	require.Equal(t, int64(1), now.Version, "the conflict tells what there is")
	require.JSONEq(t, `{"a": 1}`, said(t, now))
	_, err = set(1, `{"a": 2}`)
	require.NoError(t, err)
	_, err = s.a.ClaimsUnset(t.Context(), s.caller, ClaimsUnset{Customer: ada, Product: payroll, Keys: []string{"a"}, IfVersion: ptr(int64(1))})
	require.True(t, fault.Is(err, fault.CodeConflict))

	// Of those who compare with the same version one is first.
	var group sync.WaitGroup
	won := make(chan bool, 8)
	for i := range cap(won) {
		group.Go(func() {
			_, err := set(2, fmt.Sprintf(`{"a": %d}`, i+10))
			won <- err == nil
		})
	}
	group.Wait()
	close(won)
	wins := 0
	for w := range won {
		if w {
			wins++
		}
	}
	require.Equal(t, 1, wins)
	require.Equal(t, int64(3), s.claims().Version)
}

func TestClaimsSetAtTheSameTimeAreAllKept(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	email := "new@example.com"
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			_, err := s.setClaims(ClaimsSet{Customer: account.CustomerRef{Email: &email}, Claims: []byte(fmt.Sprintf(`{"k%d": %d}`, i, i))})
			if err != nil {
				s.t.Error(err)
			}
		})
	}
	group.Wait()
	claims, err := s.a.Claims(t.Context(), s.caller, account.CustomerRef{Email: ptr("NEW@example.com")}, payroll)
	require.NoError(t, err)
	require.Len(t, claims.Claims, 8)
	require.Equal(t, int64(8), claims.Version)
	require.Equal(t, int64(1), s.insert(`select count(*) from customer`), "one customer, however many ask")
	versions := map[any]bool{}
	for _, event := range s.events() {
		versions[event["data"].(map[string]any)["version"]] = true
	}
	require.Len(t, versions, 8)
}

func numbers(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = strconv.Itoa(i)
	}
	return texts
}

func TestACustomerIsCreatedOnlyToHaveClaims(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	nobody := account.CustomerRef{Email: ptr("nobody@example.com")}
	for name, in := range map[string]ClaimsSet{
		"a number that nobody has": {Claims: []byte(`{"a": 1}`)},
		"a deletion":               {Customer: nobody, Claims: []byte(`{"a": null}`)},
		"a version":                {Customer: nobody, Claims: []byte(`{"a": 1}`), IfVersion: ptr(int64(3))},
		"an unknown product":       {Customer: nobody, Claims: []byte(`{"a": 1}`), Product: catalog.ProductRef{Identifier: ptr("planner")}},
	} {
		_, err := s.setClaims(in)
		require.True(t, fault.Is(err, fault.CodeNotFound), "%s: %v", name, err)
	}
	for name, in := range map[string]ClaimsSet{
		"a wrong claim":     {Customer: nobody, Claims: []byte(`{"exp": 1}`)},
		"too many claims":   {Customer: nobody, Claims: []byte(`{"k` + strings.Join(numbers(51), `": 1, "k`) + `": 1}`)},
		"one that is over":  {Customer: nobody, Claims: []byte(`{"a": 1}`), ExpiresAt: ptr(piDay)},
		"no e-mail address": {Customer: account.CustomerRef{Email: ptr("nobody")}, Claims: []byte(`{"a": 1}`)},
	} {
		_, err := s.setClaims(in)
		require.True(t, fault.Is(err, fault.CodeInvalid), "%s: %v", name, err)
	}
	_, err := s.a.Claims(t.Context(), s.caller, nobody, payroll)
	require.True(t, fault.Is(err, fault.CodeNotFound))
	require.Zero(t, s.insert(`select count(*) from customer`))
}

func TestAClientHasToDoWithTheClaimsOfItsProductOnly(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	s.mustSet(`{"a": 1}`)
	other := s.insertProduct("planner", "https://planner.example")
	client := account.Caller{Kind: account.KindClient, MerchantID: s.caller.MerchantID, ClientID: 3, ProductID: other}
	_, err := s.a.Claims(t.Context(), client, ada, payroll)
	require.True(t, fault.Is(err, fault.CodeNotFound))
	_, err = s.a.ClaimsHistory(t.Context(), client, ada, payroll, page.Request{Size: 1})
	require.True(t, fault.Is(err, fault.CodeNotFound))
	_, err = s.a.ClaimsSet(t.Context(), client, ClaimsSet{Customer: ada, Product: payroll, Claims: []byte(`{"a": 2}`)})
	require.True(t, fault.Is(err, fault.CodeNotFound))
	_, err = s.a.ClaimsUnset(t.Context(), client, ClaimsUnset{Customer: ada, Product: payroll, Keys: []string{"a"}})
	require.True(t, fault.Is(err, fault.CodeNotFound))
	require.JSONEq(t, `{"a": 1}`, said(t, s.claims()))

	own, err := s.a.ClaimsSet(t.Context(), client, ClaimsSet{
		Customer: ada, Product: catalog.ProductRef{Identifier: ptr("planner")}, Claims: []byte(`{"a": 2}`),
	})
	require.NoError(t, err)
	require.JSONEq(t, `{"a": 2}`, said(t, own))
	require.JSONEq(t, `{"a": 1}`, said(t, s.claims()), "claims are of one product")
	changes, err := s.a.ClaimsHistory(t.Context(), client, ada, catalog.ProductRef{ID: &other}, page.Request{Size: 1})
	require.NoError(t, err)
	require.Equal(t, []any{account.KindClient, int64(3)}, []any{changes[0].ActorKind, changes[0].ActorID})
}

func TestTheSubscriptionSaysWhatTheMerchantHasNot(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	require.JSONEq(t, `{}`, said(t, s.claims()), "no plan: the free tier")
	sub := s.subscribe(subscription{company: personal, customer: customer, status: "TRIALING"})
	s.exec(`update subscription set trial_end = '2026-04-15T23:30:00Z'`)
	require.JSONEq(t, `{"plan": "pro", "status": "trialing", "seats": "10", "trial_ends": "2026-04-15"}`, said(t, s.claims()))
	require.Zero(t, s.claims().Version, "it has no version of its own")

	set := s.mustSet(`{"plan": "custom", "seats": 7}`)
	require.JSONEq(t, `{"plan": "custom", "status": "trialing", "seats": 7, "trial_ends": "2026-04-15"}`, said(t, set))
	sources := map[string]ClaimSource{}
	for _, claim := range set.Claims {
		sources[claim.Key] = claim.Source
	}
	require.Equal(t, map[string]ClaimSource{
		"plan": FromMerchant, "seats": FromMerchant, "status": FromSubscription, "trial_ends": FromSubscription,
	}, sources)
	require.Equal(t, "trialing", s.events()[0]["data"].(map[string]any)["claims"].(map[string]any)["status"],
		"an event has all of them, to be put in the place of what a receiver has")
	s.mustSet(`{"plan": null, "seats": null}`)
	s.exec(`update subscription set status = 'ACTIVE' where id = $1`, sub)
	require.JSONEq(t, `{"plan": "pro", "status": "active", "seats": "10"}`, said(t, s.claims()))
	s.exec(`update subscription set status = 'PAUSED' where id = $1`, sub)
	require.JSONEq(t, `{"status": "paused"}`, said(t, s.claims()), "what it entitles to goes with access")
}

// Claims choose the subscription that speaks for the customer by a query of their own.
func TestClaimsSpeakOfTheSubscriptionThatAccessLooksAt(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	company, personal := s.company("Analytical Engines"), s.company("Ada Lovelace")
	customer := s.employee(company, &personal)
	clock := s.clock(piDay.Add(30 * time.Minute))
	agree := func() {
		t.Helper()
		decision := s.check()
		status, plan := any(nil), any(nil)
		for _, claim := range s.claims().Claims {
			switch claim.Key {
			case "status":
				status = string(claim.Value)
			case "plan":
				plan = string(claim.Value)
			}
		}
		if decision.Status == nil {
			require.Nil(t, status)
			return
		}
		require.Equal(t, `"`+strings.ToLower(*decision.Status)+`"`, status)
		require.Equal(t, decision.Allowed, plan != nil)
	}
	agree()
	for _, held := range []int64{company, personal} {
		for _, sub := range []subscription{
			{status: "EXPIRED", ended: true}, {status: "CANCELED", ended: true}, {status: "PAUSED"}, {status: "PAST_DUE", clock: &clock},
		} {
			sub.company, sub.customer = held, customer
			id := s.subscribe(sub)
			agree()
			s.exec(`update test_clock set now_at = now_at + interval '2 hours'`)
			agree()
			s.exec(`update test_clock set now_at = now_at - interval '2 hours'`)
			s.exec(`update subscription set status = 'EXPIRED', ended_at = access_until where id = $1`, id)
			agree()
		}
	}
}

func TestHistoryIsReadPageByPageAndForgetsOldVersions(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	for i := range 5 {
		s.mustSet(fmt.Sprintf(`{"n": %d}`, i))
	}
	var seen []int64
	request := page.Request{Size: 2}
	for {
		rows, err := s.a.ClaimsHistory(t.Context(), s.caller, ada, payroll, request)
		require.NoError(t, err)
		rows, more := page.Trim(rows, request.Size)
		for _, row := range rows {
			seen = append(seen, row.Version)
			request.After = row.ID
		}
		if !more {
			break
		}
	}
	require.Equal(t, []int64{5, 4, 3, 2, 1}, seen)

	s.exec(`update claim_set set version = 599`)
	s.exec(`update claim_change set version = version + 97`) // 98 to 102
	s.mustSet(`{"n": "last"}`)
	require.Len(t, s.history(), 3, "those from version 101 on are kept")
}
