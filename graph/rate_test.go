package graph_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/graph"
	"portico/internal/peer"
	"portico/internal/rate"
)

// spent is what extensions.cost says.
type spent struct {
	Requested, Actual int
	ThrottleStatus    *struct{ MaximumAvailable, CurrentlyAvailable, RestoreRate int }
}

func (a answer) cost() spent {
	a.t.Helper()
	var shown struct{ Extensions struct{ Cost *spent } }
	require.NoError(a.t, json.Unmarshal([]byte(a.raw), &shown))
	require.NotNil(a.t, shown.Extensions.Cost, a.raw)
	return *shown.Extensions.Cost
}

// rates leave a thousand points to everybody, and one more each second.
func rates() graph.Options {
	limit := rate.Limit{Burst: 1_000, Restore: 1}
	return graph.Options{Rates: rate.Rates{Servers: limit, People: limit, Anonymous: limit}}
}

func TestEachAnswerSaysWhatItHasCost(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, rates())
	s := w.sandbox("Acorn")
	s.stock("acorn")
	left := w.must(s.key, `{ rateLimit { currentlyAvailable } }`, nil).number("rateLimit.currentlyAvailable")
	for _, c := range []struct {
		document          string
		requested, actual int
	}{
		{`{ products(first: 50) { nodes { plans { tier } } } }`, 1 + 50*(1+5), 1 + 1 + 1},
		{`{ products(first: 50) { nodes { name description } pageInfo { endCursor } } }`, 1 + 50 + 1, 1 + 1 + 1},
		{`{ product(ref: {identifier: "birch"}) { name } }`, 1, 0},
		{`{ viewer { kind } viewer { merchant { name } } }`, 1 + 1 + 1, 2},
		{`mutation { companyCreate(input: {name: "{{\"\\"}) { company { name } userErrors { code } } }`, 10 + 1 + 1 + 5, 10 + 1 + 1},
		{`mutation { companyCreate(input: {name: ""}) { company { name } userErrors { code } } }`, 10 + 1 + 1 + 5, 10 + 1 + 1},
		{`{ __type(name: "Query") { name } }`, 100, 100},
		{`{ __typename }`, 0, 0},
		{`{ rateLimit { currentlyAvailable } }`, 0, 0},
		{`{ nothing: node(id: "gid://portico/Product/999999") { id } }`, 1, 0},
		{`mutation { customerCreate(input: {email: "bob@acorn.test", name: "Bob", userMeta: {a: {}}}) { customer { userMeta } } }`, 10 + 1 + 1, 10 + 1 + 1},
	} {
		a := w.ask(s.key, c.document, nil)
		left -= int64(c.actual)
		got := a.cost()
		require.Equal(t, c.requested, got.Requested, c.document)
		require.Equal(t, c.actual, got.Actual, "%s: %s", c.document, a.raw)
		require.EqualValues(t, left, got.ThrottleStatus.CurrentlyAvailable, c.document)
		require.Equal(t, 1_000, got.ThrottleStatus.MaximumAvailable)
		require.Equal(t, 1, got.ThrottleStatus.RestoreRate)
	}
	require.NotContains(t, w.ask(s.key, `{ nothing }`, nil).raw, "extensions\":{\"cost", "there was no operation")
}

func TestWhoHasSpentTheirPointsHasToWait(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, rates())
	s := w.sandbox("Acorn")
	other := w.sandbox("Birch")
	const schema = `{ __type(name: "Query") { name } }`
	for range 10 {
		w.must(s.key, schema, nil)
	}
	a := w.ask(s.key, schema, nil)
	a.fails("THROTTLED")
	require.Equal(t, http.StatusOK, a.status, "clients of application/json read an answer with 200 only")
	require.Equal(t, "100", a.header.Get("Retry-After"))
	require.Equal(t, 0, a.cost().Actual)
	require.Nil(t, a.data)
	a = w.post(credentials{"Authorization": s.key["Authorization"], "Accept": "application/graphql-response+json"}, `{"query": `+quoted(schema)+`}`)
	a.fails("THROTTLED")
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Equal(t, "100", a.header.Get("Retry-After"))

	require.EqualValues(t, 0, w.must(s.key, `{ rateLimit { currentlyAvailable } }`, nil).number("rateLimit.currentlyAvailable"), "which is free")
	w.must(s.owner, schema, nil)
	w.must(other.key, schema, nil)
	before := w.contents()
	w.ask(s.key, `mutation { companyCreate(input: {name: "Initech"}) { company { id } } }`, nil).fails("THROTTLED")
	require.Equal(t, before, w.contents(), "nothing was done")
	w.now = w.now.Add(100 * time.Second)
	require.Equal(t, 100, w.must(s.key, schema, nil).cost().Actual)
}

func TestSignInsAreChargedToTheAddress(t *testing.T) {
	t.Parallel()
	options := rates()
	options.Proxies = peer.Proxies{netip.MustParsePrefix("127.0.0.0/8")}
	w := newWorldWith(t, options)
	const signIn = `mutation { memberSignIn(input: {email: "ada@acorn.test", password: "wrong"}) { userErrors { code message } } }`
	from := func(address string) answer {
		return w.post(credentials{"X-Forwarded-For": address}, `{"query": `+quoted(signIn)+`}`)
	}
	for range 19 {
		a := from("203.0.113.7")
		require.Equal(t, 56, a.cost().Requested)
		require.Equal(t, 52, a.cost().Actual)
	}
	from("203.0.113.7").fails("THROTTLED")
	require.Empty(t, from("203.0.113.8").errors)
	for i := range 19 {
		from([]string{"2001:db8::1", "2001:db8::2"}[i%2])
	}
	from("2001:db8:0:0:ffff::").fails("THROTTLED")
	require.Empty(t, from("2001:db8:0:1::").errors)

	many := `mutation { a: memberSignIn(input: {email: "a", password: "b"}) { expiresAt } b: memberSignIn(input: {email: "a", password: "b"}) { expiresAt }
		c: memberSignIn(input: {email: "a", password: "b"}) { expiresAt } d: memberSignIn(input: {email: "a", password: "b"}) { expiresAt } }`
	w.ask(nil, many, nil).fails("QUERY_TOO_COMPLEX")
}

func TestWithoutALimitNobodyIsCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.must(nil, `{ rateLimit { restoreRate } viewer { kind } }`, nil)
	require.Nil(t, a.at("rateLimit"))
	require.Nil(t, a.cost().ThrottleStatus)
	require.Equal(t, 1, a.cost().Actual)
	require.EqualValues(t, 0, w.statements(func() { w.must(nil, `{ viewer { kind } }`, nil) }))
}
