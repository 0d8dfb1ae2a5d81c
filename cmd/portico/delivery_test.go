package main_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
	"portico/internal/proctest"
	"portico/internal/secret"
	"portico/internal/webhook"
	"portico/jobs"
)

// outlet is a merchant whose events are published here and sent by real workers.
type outlet struct {
	*webhook.Webhooks
	t          *testing.T
	env        []string
	merchantID int64
	sequence   map[int64]int64 // the last of each subscription
}

func newOutlet(t *testing.T) *outlet {
	t.Helper()
	address, sealing, pepper := dbtest.URL(t), "1:"+secret.NewKey(), secret.NewKey()
	keys, err := secret.NewKeyring(sealing, pepper)
	require.NoError(t, err)
	d, err := db.Open(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(d.Close)
	inserter, err := jobs.NewInserter(d.Pool(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	o := &outlet{
		t: t, sequence: map[int64]int64{},
		env: []string{
			"DATABASE_URL=" + address, "PORTICO_KEYS=" + string(sealing), "PORTICO_PEPPER=" + string(pepper), "PORTICO_LOG_LEVEL=debug",
			"PORTICO_WEBHOOK_ALLOW_LOOPBACK=true", "PORTICO_WEBHOOK_ALLOW_HTTP=true",
		},
		Webhooks: &webhook.Webhooks{
			DB: d, Keys: keys, Jobs: inserter, Log: slog.New(slog.DiscardHandler),
			Now:   func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) },
			Guard: webhook.NewGuard(webhook.GuardOptions{AllowLoopback: true, AllowHTTP: true}),
		},
	}
	require.NoError(t, d.System().QueryRow(t.Context(), `insert into merchant (shop, name, email, portal_fee_bps, created_at)
		values ('acorn', 'Acorn', 'shop@example.com', 0, now()) returning id`).Scan(&o.merchantID))
	return o
}

func (o *outlet) worker() *proctest.Process {
	o.t.Helper()
	p := proctest.Portico(o.t, o.env, "work")
	p.Line(`"msg":"working"`)
	return p
}

func (o *outlet) endpoint(url string, timeoutSeconds int32) webhook.Endpoint {
	o.t.Helper()
	e, _, err := o.EndpointCreate(o.t.Context(), o.merchantID, webhook.EndpointCreate{URL: url, TimeoutSeconds: &timeoutSeconds})
	require.NoError(o.t, err)
	return e
}

// publish publishes an event of each of the subscriptions, in one transaction.
func (o *outlet) publish(subscriptionIDs ...int64) {
	o.t.Helper()
	events := make([]webhook.Event, len(subscriptionIDs))
	for i, id := range subscriptionIDs {
		o.sequence[id]++
		events[i] = webhook.Event{
			MerchantID: o.merchantID, SubscriptionID: id, Type: webhook.SubscriptionUpdated, Sequence: o.sequence[id], OccurredAt: o.Now(),
			Data: webhook.Object{{Key: "subscriptionId", Value: id}},
		}
	}
	require.NoError(o.t, o.DB.Tenant(o.merchantID).Tx(o.t.Context(), func(tx pgx.Tx) error { return o.Publish(o.t.Context(), tx, events) }))
}

func (o *outlet) ask(sql string, args ...any) (n int) {
	o.t.Helper()
	require.NoError(o.t, o.DB.Tenant(o.merchantID).QueryRow(o.t.Context(), sql, args...).Scan(&n))
	return n
}

// post is a request that a receiver has got.
type post struct{ path, id, body string }

// posts is a receiver that notes what it gets, before it answers.
type posts struct {
	*httptest.Server
	mu  sync.Mutex
	all []post
}

func receivePosts(t *testing.T, answer func(w http.ResponseWriter, p post)) *posts {
	t.Helper()
	r := &posts{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		p := post{request.URL.Path, request.Header.Get("webhook-id"), string(body)}
		r.mu.Lock()
		r.all = append(r.all, p)
		r.mu.Unlock()
		answer(w, p)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *posts) got() []post {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]post(nil), r.all...)
}

func (r *posts) await(t *testing.T, n int) []post {
	t.Helper()
	require.Eventually(t, func() bool { return len(r.got()) >= n }, proctest.Patience, 10*time.Millisecond)
	return r.got()
}

func TestAWorkerThatIsStoppedWaitsForTheAnswersToWhatItHasSent(t *testing.T) {
	t.Parallel()
	o := newOutlet(t)
	answered := make(chan struct{})
	r := receivePosts(t, func(_ http.ResponseWriter, p post) {
		if strings.Contains(p.body, `"sequence":1,`) {
			<-answered
		}
	})
	answer := sync.OnceFunc(func() { close(answered) })
	t.Cleanup(answer)
	o.endpoint(r.URL, 30)
	worker := o.worker()
	o.publish(1)
	r.await(t, 1)
	worker.Signal(syscall.SIGTERM)
	worker.Line("Hard stop started") // its patience for jobs is over: what is under way is told to end
	answer()
	worker.Wait()
	require.Equal(t, 1, o.ask(`select count(*) from webhook_attempt where status_code = 200 and outcome = 'DELIVERED'`))
	require.Zero(t, o.ask(`select count(*) from webhook_delivery`))

	next := o.worker()
	o.publish(1)
	all := r.await(t, 2)
	require.Contains(t, all[1].body, `"sequence":2,`, "the first is not sent again")
	next.Stop()
	require.Len(t, r.got(), 2)
}

func TestWhatAKilledWorkerHadSentIsSentAgainWithTheSameIDAndBody(t *testing.T) {
	t.Parallel()
	o := newOutlet(t)
	answered := make(chan struct{})
	var sent atomic.Int32
	r := receivePosts(t, func(http.ResponseWriter, post) {
		if sent.Add(1) == 1 {
			<-answered
		}
	})
	t.Cleanup(sync.OnceFunc(func() { close(answered) }))
	o.endpoint(r.URL, 30)
	worker := o.worker()
	o.publish(1)
	r.await(t, 1)
	worker.Kill()
	require.Equal(t, 1, o.ask(`select count(*) from webhook_delivery where attempt_count = 0`))
	// Its lease would last for some seconds more.
	require.Equal(t, 1, o.ask(`with ended as (update webhook_endpoint set lease_until = lease_until - interval '15 s' where lease_owner is not null returning 1)
		select count(*) from ended`))
	again := o.worker()
	all := r.await(t, 2)
	require.Equal(t, all[0], all[1])
	require.NotEmpty(t, all[0].id)
	require.Eventually(t, func() bool {
		return o.ask(`select count(*) from webhook_attempt where number = 1 and outcome = 'DELIVERED'`) == 1
	}, proctest.Patience, 10*time.Millisecond)
	again.Stop()
	require.Len(t, r.got(), 2)
}

func TestHealthyEndpointsGetEverythingInOrderBesideFailingOnesThatAreHeld(t *testing.T) {
	t.Parallel()
	const endpoints, subscriptions, rounds = 100, 20, 3
	o := newOutlet(t)
	r := receivePosts(t, func(w http.ResponseWriter, p post) {
		if strings.HasPrefix(p.path, "/broken") {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	// Taken and not listened to: it refuses connections, and nobody else gets it.
	refusing, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, refusing.Close())
	for n := range endpoints {
		switch n % 10 {
		case 0:
			o.endpoint("http://"+refusing.Addr().String(), 5)
		case 1, 2:
			o.endpoint(r.URL+"/broken/"+strconv.Itoa(n), 5)
		default:
			o.endpoint(r.URL+"/"+strconv.Itoa(n), 5)
		}
	}
	workers := []*proctest.Process{o.worker(), o.worker()}
	for range rounds {
		for subscription := range int64(subscriptions) {
			o.publish(subscription + 1)
		}
	}
	const healthy = endpoints * 7 / 10
	require.Eventually(t, func() bool {
		return o.ask(`select count(*) from webhook_attempt where outcome = 'DELIVERED'`) == healthy*subscriptions*rounds &&
			o.ask(`select count(*) from webhook_endpoint where breaker = 'OPEN'`) == endpoints-healthy
	}, proctest.Patience, 100*time.Millisecond)
	for _, w := range workers {
		w.Stop()
	}

	requests, last := map[string]int{}, map[string]int{}
	for _, p := range r.got() {
		requests[p.path]++
		if !strings.HasPrefix(p.path, "/broken") {
			var sequence, subscription int
			_, err := fmt.Sscanf(p.body[strings.Index(p.body, `"sequence":`):], `"sequence":%d`, &sequence)
			require.NoError(t, err)
			_, err = fmt.Sscanf(p.body[strings.Index(p.body, `"subscriptionId":`):], `"subscriptionId":%d`, &subscription)
			require.NoError(t, err)
			lane := fmt.Sprint(p.path, " ", subscription)
			require.Equal(t, last[lane]+1, sequence, lane)
			last[lane] = sequence
		}
	}
	require.Len(t, last, healthy*subscriptions)
	for path, n := range requests {
		if strings.HasPrefix(path, "/broken") {
			require.LessOrEqual(t, n, subscriptions+10, "%s: ten at once, ten until its breaker opens, and some probes", path)
		} else {
			require.Equal(t, subscriptions*rounds, n, path)
		}
	}
	require.Equal(t, (endpoints-healthy)*subscriptions*rounds, o.ask(`select count(*) from webhook_delivery`), "nothing is given up")
	require.LessOrEqual(t, o.ask(`select coalesce(max(attempt_count), 0) from webhook_delivery`), 3)
}
