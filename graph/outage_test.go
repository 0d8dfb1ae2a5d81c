package graph_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

// receiver acknowledges what it gets, or nothing while it is down.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	down  bool
	heard []event // those that it has acknowledged
}

type event struct {
	Event    string
	Sequence int64
	Data     map[string]any
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		var got event
		body, _ := io.ReadAll(in.Body)
		err := json.Unmarshal(body, &got)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil || r.down {
			out.WriteHeader(http.StatusBadGateway)
			return
		}
		r.heard = append(r.heard, got)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) setDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

func (r *receiver) events() []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]event(nil), r.heard...)
}

// hook registers an endpoint with that URL.
func (s *shop) hook(url string, types ...string) string {
	s.w.t.Helper()
	return s.w.must(s.key, `mutation($url: String!, $types: [String!]) { webhookEndpointCreate(input: {url: $url, eventTypes: $types}) {
		webhookEndpoint { id } userErrors { code } } }`, variables{"url": url, "types": types}).text("webhookEndpointCreate.webhookEndpoint.id")
}

// drain sends what an endpoint has due, as a worker does.
func (s *shop) drain(endpoint string) {
	s.w.t.Helper()
	args := webhook.DrainArgs{MerchantID: rowOf(s, "Merchant"), Slow: true}
	_, err := fmt.Sscanf(endpoint, "gid://portico/WebhookEndpoint/%d", &args.EndpointID)
	require.NoError(s.w.t, err)
	require.NoError(s.w.t, s.w.resolver.Webhooks.Drain(s.w.t.Context(), args, 1))
}

func TestAnEndpointThatWasDownForDaysComesBackWithoutALoss(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	r, witness := newReceiver(t), newReceiver(t)
	r.setDown(true)
	down, up := s.hook(r.URL, "subscription.updated"), s.hook(witness.URL, "endpoint.disabled")
	first := w.must(s.key, `{ events(first: 100) { nodes { sequence subscriptionId } } }`, nil).at("events.nodes").([]any)
	sequence := int64(len(first))
	publish := func() {
		t.Helper()
		sequence++
		s.publish(sequence, webhook.SubscriptionUpdated, func() {})
	}
	endpoint := func() answer {
		t.Helper()
		return w.must(s.key, `query($id: ID!) { webhookEndpoint(id: $id) { status disabledReason disabledAt health { state failingSince waiting } } }`, variables{"id": down})
	}
	mails := func() []string {
		t.Helper()
		kept, err := w.outbox.KeptMails(t.Context(), 100)
		require.NoError(t, err)
		var about []string
		for _, one := range kept {
			if strings.HasPrefix(string(one.Kind), "ENDPOINT_") {
				about = append(about, string(one.Kind)+" "+one.Recipient)
			}
		}
		return about
	}
	failUntil := func(until time.Time) {
		t.Helper()
		for ; w.now.Before(until); w.now = w.now.Add(6 * time.Hour) {
			publish()
			s.drain(down)
			_, err := w.resolver.Webhooks.JudgeFailing(t.Context())
			require.NoError(t, err)
			w.work(`select id from mail where status = 'QUEUED' order by id`, w.outbox.Send)
		}
	}
	before := sequence
	since := w.now
	failUntil(since.Add(3 * 24 * time.Hour))
	require.Empty(t, mails())
	failUntil(since.Add(5 * 24 * time.Hour))
	require.Equal(t, []string{"ENDPOINT_FAILING acorn@merchant.test"}, mails())
	require.Equal(t, "ENABLED", endpoint().at("webhookEndpoint.status"))
	require.Equal(t, "FAILING", endpoint().at("webhookEndpoint.health.state"))

	failUntil(w.now.Add(time.Hour))
	require.Equal(t, "DISABLED", endpoint().at("webhookEndpoint.status"))
	require.Equal(t, "FAILING", endpoint().at("webhookEndpoint.disabledReason"))
	require.ElementsMatch(t, []string{"ENDPOINT_FAILING acorn@merchant.test", "ENDPOINT_DISABLED acorn@merchant.test"}, mails())
	s.drain(up)
	require.Len(t, witness.events(), 1)
	require.Equal(t, "failing", witness.events()[0].Data["reason"])

	failUntil(w.now.Add(2 * 24 * time.Hour))
	require.Len(t, mails(), 2)
	require.Equal(t, sequence-before, endpoint().number("webhookEndpoint.health.waiting"))
	require.Equal(t, since.Format(time.RFC3339), endpoint().at("webhookEndpoint.health.failingSince"))

	r.setDown(false)
	a := w.must(s.key, `mutation($id: ID!) { webhookEndpointEnable(input: {id: $id}) { webhookEndpoint { status health { state } } userErrors { code } } }`,
		variables{"id": down})
	require.Equal(t, "ENABLED", a.at("webhookEndpointEnable.webhookEndpoint.status"))
	publish()
	for range 2 { // what has failed, and what has waited for it
		s.drain(down)
	}
	var order []int64
	for _, event := range r.events() {
		order = append(order, event.Sequence)
	}
	var want []int64
	for n := before + 1; n <= sequence; n++ {
		want = append(want, n)
	}
	require.Equal(t, want, order)
	require.Equal(t, "HEALTHY", endpoint().at("webhookEndpoint.health.state"))
	require.Zero(t, endpoint().number("webhookEndpoint.health.waiting"))
	require.Nil(t, endpoint().at("webhookEndpoint.health.failingSince"))
	require.Len(t, witness.events(), 1)
}
