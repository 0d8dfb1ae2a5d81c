package graph_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/graph"
	"portico/internal/webhook"
)

// following is a stream of server-sent events that a client reads.
type following struct {
	t        *testing.T
	response *http.Response
	lines    *bufio.Scanner
	hangUp   context.CancelFunc
}

// follow begins to follow, and fails the test where that is refused.
func (w *world) follow(who credentials, document string, vars variables) *following {
	w.t.Helper()
	f := w.tryToFollow(who, document, vars)
	require.Equal(w.t, "text/event-stream; charset=utf-8", f.response.Header.Get("Content-Type"))
	require.True(w.t, f.lines.Scan())
	require.Equal(w.t, ":", f.lines.Text(), "it has begun")
	return f
}

func (w *world) tryToFollow(who credentials, document string, vars variables) *following {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"query": document, "variables": vars})
	require.NoError(w.t, err)
	ctx, hangUp := context.WithTimeout(w.t.Context(), time.Minute)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.server.URL+"/graphql", bytes.NewReader(body))
	require.NoError(w.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	for name, value := range who {
		request.Header.Set(name, value)
	}
	response, err := w.server.Client().Do(request)
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		hangUp()
		_ = response.Body.Close()
	})
	f := &following{t: w.t, response: response, lines: bufio.NewScanner(response.Body), hangUp: hangUp}
	f.lines.Buffer(nil, 1<<20)
	return f
}

// event is the next one, whose name is "" when the stream has ended.
func (f *following) event() (name, data string) {
	for f.lines.Scan() {
		line := f.lines.Text()
		if text, is := strings.CutPrefix(line, "event: "); is {
			name = text
		}
		if text, is := strings.CutPrefix(line, "data: "); is {
			data = text
		}
		if line == "" && name != "" {
			return name, data
		}
	}
	return "", ""
}

// next is the next answer.
func (f *following) next() answer {
	f.t.Helper()
	name, data := f.event()
	require.Equal(f.t, "next", name, "%s %v", data, f.lines.Err())
	a := answer{t: f.t, raw: data}
	parsed := struct {
		Data   any
		Errors *[]struct {
			Message    string
			Path       []any
			Extensions struct{ Code, RequestID string }
		}
	}{Errors: &a.errors}
	decoder := json.NewDecoder(strings.NewReader(data))
	decoder.UseNumber()
	require.NoError(f.t, decoder.Decode(&parsed), data)
	a.data = parsed.Data
	return a
}

// ends asserts that the stream has nothing to show but an error with the code, and is over.
func (f *following) ends(code string) {
	f.t.Helper()
	a := f.next()
	require.Len(f.t, a.errors, 1, a.raw)
	require.Nil(f.t, a.data, a.raw)
	require.Equal(f.t, code, a.errors[0].Extensions.Code, a.raw)
	require.NotEmpty(f.t, a.errors[0].Extensions.RequestID)
	name, _ := f.event()
	require.Equal(f.t, "complete", name)
	name, _ = f.event()
	require.Empty(f.t, name)
}

// lively are the options of a door whose streams beat all the time.
func lively() graph.Options {
	limits := graph.DefaultLimits()
	limits.Beat = 20 * time.Millisecond
	return graph.Options{Limits: limits}
}

// publish publishes an event of the shop's subscription in a transaction that takes its time.
func (s *shop) publish(sequence int64, kind webhook.Type, before func()) {
	s.publishNote(sequence, kind, "a\nb\u2028", before)
}

func (s *shop) publishNote(sequence int64, kind webhook.Type, note string, before func()) {
	merchantID, subscriptionID := rowOf(s, "Merchant"), rowOf(s, "CustomerSubscription")
	err := s.w.db.System().Tx(s.w.t.Context(), func(tx pgx.Tx) error {
		err := s.w.resolver.Webhooks.Publish(s.w.t.Context(), tx, []webhook.Event{{
			MerchantID: merchantID, SubscriptionID: subscriptionID, ProductID: rowOf(s, "Product"), Type: kind, Sequence: sequence,
			OccurredAt: s.w.now, Data: webhook.Object{{Key: "note", Value: note}},
		}})
		before()
		return err
	})
	if err != nil {
		panic(err)
	}
}

func rowOf(s *shop, typename string) (id int64) {
	_, err := fmt.Sscanf(s.ids[typename], "gid://portico/"+typename+"/%d", &id)
	if err != nil {
		panic(err)
	}
	return id
}

const followEvents = `subscription($types: [String!], $after: String) { eventPublished(types: $types, after: $after) { cursor node { id type sequence body } } }`

func TestAFollowerWhoComesBackHasEveryEventOnceInCommitOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := w.open("Acorn"), w.open("Birch")
	cursor := w.must(s.key, `{ latestEventCursor }`, nil).text("latestEventCursor")
	const before, after = 3, 120 // of the subscription; the customer is told of before it
	var publishing sync.WaitGroup
	for i := range after {
		publishing.Go(func() {
			s.publish(int64(before+1+i), webhook.SubscriptionUpdated, func() { time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond) })
		})
		publishing.Go(func() { other.publish(int64(before+1+i), webhook.SubscriptionUpdated, func() {}) })
	}
	var got []string
	for len(got) < after {
		f := w.follow(s.key, followEvents, variables{"after": cursor})
		for range 1 + rand.IntN(40) {
			a := f.next()
			require.Empty(t, a.errors, a.raw)
			cursor = a.text("eventPublished.cursor")
			got = append(got, a.text("eventPublished.node.id"))
			if len(got) == after {
				break
			}
		}
		f.hangUp() // with more on the way
	}
	publishing.Wait()
	var listed []string
	for _, event := range w.pages(s.key, 1+before+after) {
		listed = append(listed, event.(map[string]any)["id"].(string))
	}
	require.Equal(t, listed[1+before:], got)
	require.Empty(t, w.log.String())

	t.Run("from the beginning", func(t *testing.T) {
		f := w.follow(s.key, followEvents, variables{"after": ""})
		for _, id := range listed {
			require.Equal(t, id, f.next().text("eventPublished.node.id"))
		}
	})
	t.Run("from now on", func(t *testing.T) {
		f := w.follow(s.key, followEvents, nil)
		s.publish(before+after+1, webhook.SubscriptionUpdated, func() {})
		a := f.next()
		require.EqualValues(t, before+after+1, a.number("eventPublished.node.sequence"))
		require.Contains(t, a.raw, `"note":"a\nb`+"\u2028", "the bytes that are signed")
		require.Contains(t, a.raw, `"cost":{"requested":2,"actual":`)
	})
	t.Run("of some types", func(t *testing.T) {
		f := w.follow(s.key, followEvents, variables{"types": []string{"subscription.canceled", "subscription.renewed"}})
		s.publish(before+after+2, webhook.SubscriptionUpdated, func() {})
		s.publish(before+after+3, webhook.SubscriptionRenewed, func() {})
		require.Equal(t, "subscription.renewed", f.next().text("eventPublished.node.type"))
	})
	t.Run("of a kind", func(t *testing.T) {
		f := w.follow(s.key, followEvents, variables{"types": []string{" payment.* ", "subscription.past_due"}})
		s.publish(before+after+4, webhook.SubscriptionUpdated, func() {})
		s.publish(before+after+5, webhook.PaymentFailed, func() {})
		require.Equal(t, "payment.failed", f.next().text("eventPublished.node.type"))
	})
}

// pages are the first n events of a merchant.
func (w *world) pages(who credentials, n int) (events []any) {
	w.t.Helper()
	var after any
	for len(events) < n {
		a := w.must(who, `query($after: String) { events(first: 100, after: $after) { nodes { id } pageInfo { endCursor } } }`, variables{"after": after})
		events = append(events, a.at("events.nodes").([]any)...)
		if end := a.at("events.pageInfo.endCursor"); end != nil {
			after = end
		}
	}
	return events
}

func TestAStreamIsRefusedAsAQuestionIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	for name, c := range map[string]struct {
		who            credentials
		document, code string
	}{
		"a type that does not exist": {s.key, `subscription { eventPublished(types: ["nonsense"]) { cursor } }`, "BAD_REQUEST"},
		"no type":                    {s.key, `subscription { eventPublished(types: []) { cursor } }`, "BAD_REQUEST"},
		"no cursor":                  {s.key, `subscription { eventPublished(after: "nonsense") { cursor } }`, "BAD_REQUEST"},
		"two root fields":            {s.key, `subscription { eventPublished { cursor } subscriptionChanged { id } }`, "BAD_REQUEST"},
		"no such field":              {s.key, `subscription { nonsense }`, "BAD_REQUEST"},
		"too many aliases":           {s.key, `subscription { eventPublished { ` + strings.Repeat("a: cursor b: cursor ", 10) + ` } }`, "QUERY_TOO_COMPLEX"},
		"the schema":                 {nil, `subscription { __schema { types { name } } }`, "BAD_REQUEST"},
		"nobody":                     {nil, `subscription { eventPublished { cursor } }`, "UNAUTHENTICATED"},
		"a scope that is missing":    {s.keyWith("CATALOG_READ"), `subscription { eventPublished { cursor } }`, "FORBIDDEN"},
		"an unknown hash":            {s.key, ``, "PERSISTED_QUERY_NOT_FOUND"},
	} {
		t.Run(name, func(t *testing.T) {
			body := map[string]any{"query": c.document}
			if c.document == "" {
				body = map[string]any{"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": strings.Repeat("0", 64)}}}
			}
			text, err := json.Marshal(body)
			require.NoError(t, err)
			who := credentials{"Accept": "text/event-stream"}
			for header, value := range c.who {
				who[header] = value
			}
			a := w.post(who, string(text))
			require.Equal(t, "text/event-stream; charset=utf-8", a.header.Get("Content-Type"))
			require.NotEmpty(t, a.errors, a.raw)
			require.Equal(t, c.code, a.errors[0].Extensions.Code, a.raw)
		})
	}
	t.Run("by a client that takes no stream", func(t *testing.T) {
		a := w.post(s.key, `{"query": "subscription { eventPublished { cursor } }"}`)
		a.fails("BAD_REQUEST")
		require.Contains(t, a.errors[0].Message, "text/event-stream")
	})
	t.Run("with a wrong credential", func(t *testing.T) {
		f := w.tryToFollow(bearer("ptc_sk_live_nonsense"), followEvents, nil)
		require.Equal(t, http.StatusUnauthorized, f.response.StatusCode)
		require.Equal(t, "application/json; charset=utf-8", f.response.Header.Get("Content-Type"))
	})
	t.Run("a question may be asked for a stream", func(t *testing.T) {
		f := w.tryToFollow(s.key, `{ viewer { kind } }`, nil)
		require.Equal(t, "API_KEY", f.next().text("viewer.kind"))
		name, _ := f.event()
		require.Equal(t, "complete", name)
	})
	require.Empty(t, w.log.String())
}

func aKey(s *shop) credentials { return s.key }

func aMember(s *shop) credentials { return s.owner }

func withSQL(sql string) func(*world, *shop) {
	return func(w *world, _ *shop) {
		_, err := w.db.System().Exec(w.t.Context(), sql)
		require.NoError(w.t, err)
	}
}

func TestAStreamEndsWithItsCredential(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		who  func(*shop) credentials
		end  func(*world, *shop)
		code string
	}{
		"a revoked key":      {aKey, withSQL(`update api_key set revoked_at = now()`), "UNAUTHENTICATED"},
		"an expired key":     {aKey, withSQL(`update api_key set expires_at = '2026-01-31T09:00:00Z'`), "UNAUTHENTICATED"},
		"a narrowed key":     {aKey, withSQL(`update api_key set scopes = '{CATALOG_READ}'`), "UNAUTHENTICATED"},
		"an ended session":   {aMember, withSQL(`delete from session`), "UNAUTHENTICATED"},
		"an expired session": {aMember, withSQL(`update session set expires_at = '2026-01-31T09:00:00Z'`), "UNAUTHENTICATED"},
		"a changed role":     {aMember, withSQL(`update membership set role = 'VIEWER'`), "UNAUTHENTICATED"},
		"a lost membership":  {aMember, withSQL(`delete from membership`), "FORBIDDEN"},
		"a suspended merchant": {aKey, func(w *world, s *shop) {
			w.must(w.operator(), `mutation($id: ID!) { merchantSuspend(input: {id: $id, reason: "fraud"}) { userErrors { code } } }`,
				variables{"id": w.must(s.live, `{ merchant { id } }`, nil).text("merchant.id")})
		}, "FORBIDDEN"},
		"a revoked portal token": {func(s *shop) credentials {
			who, _ := s.portalToken(s.ids["Customer"])
			return who
		}, func(w *world, s *shop) {
			w.must(s.key, `mutation($id: ID!) { portalTokenRevoke(input: {customer: {id: $id}}) { userErrors { code } } }`, variables{"id": s.ids["Customer"]})
		}, "UNAUTHENTICATED"},
	} {
		for _, idle := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, idle: %t", name, idle), func(t *testing.T) {
				t.Parallel()
				options := lively()
				if !idle {
					options.Limits.Beat = time.Hour
				}
				w := newWorldWith(t, options)
				s := w.open("Acorn")
				f := w.follow(c.who(s), `subscription { subscriptionChanged { id } }`, nil)
				s.publish(4, webhook.SubscriptionUpdated, func() {})
				require.Equal(t, s.ids["CustomerSubscription"], f.next().text("subscriptionChanged.id"))
				c.end(w, s)
				if !idle {
					s.publish(5, webhook.SubscriptionUpdated, func() {})
				}
				f.ends(c.code)
				require.Empty(t, w.log.String())
			})
		}
	}
}

func TestCustomersFollowTheirOwnSubscriptionsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := w.open("Acorn"), w.open("Birch")
	bob := s.customer("bob@acorn.test", "pm_card_visa")
	adas, bobs := s.ids["CustomerSubscription"], s.buy(bob, s.ids["Plan"]).text("subscriptionCreate.subscription.id")
	customer, _ := s.portalToken(s.ids["Customer"])
	const follow = `subscription { subscriptionChanged { id status cancelAtPeriodEnd customer { email } } }`
	one := `subscription { subscriptionChanged(subscription: "` + adas + `") { id cancelAtPeriodEnd } }`
	followers := map[string]*following{
		"the customer":              w.follow(customer, follow, nil),
		"the merchant, one":         w.follow(s.key, one, nil),
		"the merchant, a customer":  w.follow(s.key, `subscription { subscriptionChanged(customer: {email: "`+s.email+`"}) { id cancelAtPeriodEnd } }`, nil),
		"the customer, its own one": w.follow(customer, one, nil),
	}
	all := w.follow(s.key, follow, nil)
	for _, who := range []credentials{customer, w.person("nobody@acorn.test"), other.key} {
		w.ask(who, `subscription { subscriptionChanged(subscription: "`+bobs+`") { id } }`, nil).fails("NOT_FOUND")
	}
	const cancel = `mutation($id: ID!) { subscriptionCancel(input: {subscription: $id}) { userErrors { code } } }`
	w.must(other.key, cancel, variables{"id": other.ids["CustomerSubscription"]})
	w.must(s.key, cancel, variables{"id": bobs})
	w.must(s.key, cancel, variables{"id": adas})
	for seen := []string{}; !slices.Contains(seen, adas) || !slices.Contains(seen, bobs); {
		seen = append(seen, all.next().text("subscriptionChanged.id"))
	}
	for name, f := range followers {
		a := f.next()
		require.Empty(t, a.errors, "%s: %s", name, a.raw)
		require.Equal(t, adas, a.text("subscriptionChanged.id"), name)
		require.Equal(t, true, a.at("subscriptionChanged.cancelAtPeriodEnd"), name)
	}
	require.Empty(t, w.log.String())
}

func TestAPersonFollowsTheSubscriptionsWithAllMerchants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := map[string]*shop{}
	for _, name := range []string{"Acorn", "Birch"} {
		session, handle := w.signUp(name)
		w.verify(name)
		s := &shop{w: w, name: name, handle: handle, owner: session, key: session, ids: map[string]string{}}
		s.stock(strings.ToLower(name))
		s.buy(s.customer("bob@example.com", "pm_card_visa"), s.ids["Plan"])
		own[s.buy(s.customer("ada@example.com", "pm_card_visa"), s.ids["Plan"]).text("subscriptionCreate.subscription.id")] = s
	}
	f := w.follow(w.person("ada@example.com"), `subscription { subscriptionChanged { id cancelAtPeriodEnd } }`, nil)
	for id, s := range own {
		for _, sub := range w.must(s.key, `{ subscriptions { nodes { id } } }`, nil).at("subscriptions.nodes").([]any) {
			w.must(s.key, `mutation($id: ID!) { subscriptionCancel(input: {subscription: $id}) { userErrors { code } } }`,
				variables{"id": sub.(map[string]any)["id"]})
		}
		for seen := false; !seen; { // its purchase may be seen before
			a := f.next()
			require.Contains(t, own, a.text("subscriptionChanged.id"))
			seen = a.text("subscriptionChanged.id") == id && a.at("subscriptionChanged.cancelAtPeriodEnd") == true
		}
	}
}

func TestACallerHasOnlySoManyConnections(t *testing.T) {
	t.Parallel()
	options := lively()
	options.Limits.CallerConnections, options.Limits.Connections = 2, 3
	w := newWorldWith(t, options)
	s, other := w.open("Acorn"), w.open("Birch")
	first := w.follow(s.key, followEvents, nil)
	w.follow(s.key, followEvents, nil)
	refused := w.tryToFollow(s.key, followEvents, nil)
	require.Equal(t, http.StatusTooManyRequests, refused.response.StatusCode)
	require.Equal(t, "10", refused.response.Header.Get("Retry-After"))
	w.follow(other.key, followEvents, nil)
	require.Equal(t, http.StatusTooManyRequests, w.tryToFollow(s.owner, followEvents, nil).response.StatusCode, "the process is full")
	first.hangUp()
	require.Eventually(t, func() bool {
		return w.tryToFollow(s.key, followEvents, nil).response.StatusCode == http.StatusOK
	}, 30*time.Second, 10*time.Millisecond)
}

func TestAStreamEndsWhenTheProcessIsAboutTo(t *testing.T) {
	t.Parallel()
	options := graph.Options{}
	stopping := make(chan struct{})
	options.Stopping = stopping
	w := newWorldWith(t, options)
	s := w.open("Acorn")
	f := w.follow(s.key, followEvents, nil)
	close(stopping)
	name, _ := f.event()
	require.Empty(t, name, "no event says that there is nothing more: clients come back")
	require.NoError(t, f.lines.Err())
}

func TestTheOutcomesOfDeliveriesAreFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := w.open("Acorn"), w.open("Birch")
	const outcome = ` { attempt { number statusCode error } delivery { id status event { type } attempts { number } } endpoint { id url } }`
	all := w.follow(s.key, `subscription { webhookDelivered`+outcome+` }`, nil)
	one := w.follow(s.owner, `subscription($id: ID!) { webhookDelivered(endpoint: $id)`+outcome+` }`, variables{"id": s.ids["WebhookEndpoint"]})
	for _, merchant := range []*shop{other, s} {
		_, err := w.db.System().Exec(t.Context(), `
			insert into webhook_attempt (merchant_id, delivery_id, number, endpoint_id, event_id, event_created_at, subscription_id, status_code,
				error, duration_ms, created_at, delivery_created_at)
			select merchant_id, id, 1, endpoint_id, event_id, event_created_at, subscription_id, 503, 'the endpoint answered 503', 7, $2, created_at
			from webhook_delivery where merchant_id = $1 order by id limit 1`, rowOf(merchant, "Merchant"), w.now)
		require.NoError(t, err)
	}
	for _, f := range []*following{all, one} {
		a := f.next()
		require.Empty(t, a.errors, a.raw)
		require.EqualValues(t, 503, a.number("webhookDelivered.attempt.statusCode"))
		require.Equal(t, "PENDING", a.text("webhookDelivered.delivery.status"))
		require.Equal(t, "subscription.created", a.text("webhookDelivered.delivery.event.type"))
		require.Equal(t, s.ids["WebhookEndpoint"], a.text("webhookDelivered.endpoint.id"))
	}
	require.Empty(t, w.log.String())
}
