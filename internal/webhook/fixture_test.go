package webhook_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
	"portico/internal/mail"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// start is when every test begins.
var start = time.Date(2026, time.March, 2, 9, 30, 0, 0, time.UTC)

// patience is how long a test waits for what another goroutine does.
const patience = 20 * time.Second

// clock is a time that stands still until a test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// NowOrNil makes the clock River's too, for the periods of unique jobs.
func (c *clock) NowOrNil() *time.Time { now := c.Now(); return &now }

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a database and the Webhooks of one process on it.
type world struct {
	*webhook.Webhooks
	clock *clock
	url   string
	keys  *secret.Keyring
}

func newWorld(t *testing.T) *world {
	t.Helper()
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	w := &world{clock: &clock{now: start}, url: dbtest.URL(t), keys: keys}
	w.Webhooks = w.process(t)
	return w
}

// process is one more process on the same database, with connections of its own.
func (w *world) process(t *testing.T, options ...func(*pgxpool.Config)) *webhook.Webhooks {
	t.Helper()
	d, err := db.Open(t.Context(), w.url, options...)
	require.NoError(t, err)
	t.Cleanup(d.Close)
	jobs, err := river.NewClient(riverpgxv5.New(d.Pool()), &river.Config{Test: river.TestConfig{Time: w.clock}})
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	return &webhook.Webhooks{
		DB: d, Keys: w.keys, Jobs: jobs, Now: w.clock.Now, Log: log,
		Mail: &mail.Outbox{DB: d, Keys: w.keys, Jobs: jobs, Now: w.clock.Now, Log: log, Keep: true}, PublicURL: "https://portico.test",
		Guard: webhook.NewGuard(webhook.GuardOptions{AllowLoopback: true, AllowHTTP: true}),
		AccessToken: func(_ context.Context, _, subscriptionID int64) (*secret.Text, error) {
			return accessTokenOf(subscriptionID), nil
		},
		TokenKey: func(_ context.Context, merchantID int64) (secret.Text, error) { return tokenKeyOf(merchantID), nil },
	}
}

func tokenKeyOf(merchantID int64) secret.Text {
	return secret.Text(fmt.Sprintf("token key of %d", merchantID))
}

// merchant is a tenant with one product, and as many subscriptions to it as a test likes.
type merchant struct {
	w         *world
	id        int64
	productID int64
	sequence  map[int64]int64 // the last of each subscription
}

func (w *world) merchant(t *testing.T) *merchant {
	t.Helper()
	m := &merchant{w: w, sequence: map[int64]int64{}}
	err := w.DB.System().QueryRow(t.Context(), `insert into merchant (shop, name, email, portal_fee_bps, created_at)
		select 'shop-' || n, 'Shop', 'shop@example.com', 0, $1 from nextval('ledger_transaction_id_seq') n returning id`, start).Scan(&m.id)
	require.NoError(t, err)
	m.productID = m.product(t, "first")
	return m
}

func (m *merchant) product(t *testing.T, identifier string) int64 {
	t.Helper()
	return m.ask(t, `insert into product (merchant_id, identifier, name, launch_url, launch_secret_cipher, created_at)
		values ($1, $2, 'Product', 'https://example.com', '', now()) returning id`, identifier)
}

func (m *merchant) subscription(t *testing.T) int64 {
	t.Helper()
	// A company of its own each, because a company has one live subscription to a product.
	return m.ask(t, `with company as (
			insert into company (merchant_id, name, created_at) values ($1, 'Company', now()) returning id
		), customer as (
			insert into customer (merchant_id, number, email, name, company_id, created_at)
			select $1, id, id || '@example.com', 'Customer', id, now() from company returning id, company_id
		), plan as (
			insert into plan (merchant_id, product_id, number, name, tier, created_at)
			select $1, $2::bigint, id, 'Plan', 'pro', now() from company returning id
		), price as (
			insert into price (merchant_id, plan_id, interval, currency, amount_minor) select $1, id, 'MONTH', 'EUR', 900 from plan returning id
		)
		insert into subscription (merchant_id, product_id, company_id, customer_id, plan_id, price_id, status, quantity, anchor_at,
			created_at, updated_at)
		select $1, $2, company_id, customer.id, plan.id, price.id, 'ACTIVE', 1, now(), now(), now() from customer, plan, price returning id`,
		m.productID)
}

func (m *merchant) subscriptions(t *testing.T, n int) []int64 {
	t.Helper()
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = m.subscription(t)
	}
	return ids
}

// ask runs a statement about this merchant ($1) whose answer is a number.
func (m *merchant) ask(t *testing.T, sql string, args ...any) int64 {
	t.Helper()
	var id int64
	require.NoError(t, m.w.DB.Tenant(m.id).QueryRow(t.Context(), sql, append([]any{m.id}, args...)...).Scan(&id))
	return id
}

func (m *merchant) event(subscriptionID int64, kind webhook.Type) webhook.Event {
	m.sequence[subscriptionID]++
	return webhook.Event{
		MerchantID: m.id, SubscriptionID: subscriptionID, ProductID: m.productID, Type: kind,
		Sequence: m.sequence[subscriptionID], OccurredAt: m.w.clock.Now(),
		Data: webhook.Object{{Key: "subscriptionId", Value: subscriptionID}},
	}
}

// publish publishes an event of each of the subscriptions, in one transaction.
func (m *merchant) publish(t *testing.T, subscriptionIDs ...int64) {
	t.Helper()
	events := make([]webhook.Event, len(subscriptionIDs))
	for i, id := range subscriptionIDs {
		events[i] = m.event(id, webhook.SubscriptionUpdated)
	}
	require.NoError(t, m.w.DB.Tenant(m.id).Tx(t.Context(), func(tx pgx.Tx) error { return m.w.Publish(t.Context(), tx, events) }))
}

func (m *merchant) endpoint(t *testing.T, url string) (webhook.Endpoint, string) {
	t.Helper()
	e, key, err := m.w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{URL: url})
	require.NoError(t, err)
	return e, string(key)
}

// job is a drain job of the slow queue, where an endpoint of any health is drained.
func (m *merchant) job(e webhook.Endpoint) webhook.DrainArgs {
	return webhook.DrainArgs{MerchantID: m.id, EndpointID: e.ID, Slow: true}
}

// drain runs one drain to its end.
func (m *merchant) drain(t *testing.T, e webhook.Endpoint) {
	t.Helper()
	require.NoError(t, m.w.Drain(t.Context(), m.job(e), 1))
}

// jobs is how many drain jobs wait for the endpoint.
func (m *merchant) jobs(t *testing.T, e webhook.Endpoint) int {
	t.Helper()
	return m.jobsIn(t, e, webhook.Queue) + m.jobsIn(t, e, webhook.QueueSlow)
}

func (m *merchant) jobsIn(t *testing.T, e webhook.Endpoint, queue string) int {
	t.Helper()
	var n int
	require.NoError(t, m.w.DB.Pool().QueryRow(t.Context(), `select count(*) from river_job where kind = 'webhook.drain' and queue = $3
		and state = 'available' and args @> jsonb_build_object('merchant_id', $1::bigint, 'endpoint_id', $2::bigint)`, m.id, e.ID, queue).Scan(&n))
	return n
}

// deliveries is the merchant's deliveries, oldest first.
func (m *merchant) deliveries(t *testing.T) []webhook.Delivery {
	t.Helper()
	var ids []int64
	require.NoError(t, m.w.DB.Tenant(m.id).QueryRow(t.Context(), `select array_agg(id order by id) from (
		select id from webhook_delivery where merchant_id = $1 union select delivery_id from webhook_attempt where merchant_id = $1) d`, m.id).Scan(&ids))
	byID, err := m.w.DeliveriesByID(t.Context(), m.id, ids)
	require.NoError(t, err)
	deliveries := make([]webhook.Delivery, len(ids))
	for i, id := range ids {
		deliveries[i] = byID[id]
	}
	return deliveries
}

func (m *merchant) attempts(t *testing.T, d webhook.Delivery) []webhook.Attempt {
	t.Helper()
	attempts, err := m.w.AttemptsByDelivery(t.Context(), m.id, []webhook.Delivery{d})
	require.NoError(t, err)
	return attempts[d.ID]
}

func statuses(deliveries []webhook.Delivery) string {
	all := make([]string, len(deliveries))
	for i, d := range deliveries {
		all[i] = d.Status
	}
	return strings.Join(all, " ")
}

// got is a request that a receiver has got.
type got struct {
	header http.Header
	body   string
}

// inbox is a receiver that notes what it gets and answers as its test likes, 200 if it does not care.
type inbox struct {
	*httptest.Server
	open func() // lets go the requests that hold has held
	mu   sync.Mutex
	all  []got
}

func receive(t *testing.T, answer func(w http.ResponseWriter, body string)) *inbox {
	t.Helper()
	r := &inbox{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.mu.Lock()
		r.all = append(r.all, got{request.Header, string(body)})
		r.mu.Unlock()
		if answer != nil {
			answer(w, string(body))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// hold is a receiver that answers the requests that which picks, or all, only after open.
func hold(t *testing.T, which func(body string) bool) *inbox {
	t.Helper()
	gate := make(chan struct{})
	r := receive(t, func(_ http.ResponseWriter, body string) {
		if which == nil || which(body) {
			<-gate
		}
	})
	r.open = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(r.open) // before Close, which waits for its requests
	return r
}

func answering(code int) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, _ string) { w.WriteHeader(code) }
}

// alone refuses what comes while another request is under way.
func alone() func(http.ResponseWriter, string) {
	sending := make(chan struct{}, 1)
	return func(w http.ResponseWriter, _ string) {
		select {
		case sending <- struct{}{}:
			time.Sleep(time.Millisecond)
			<-sending
		default:
			w.WriteHeader(http.StatusConflict)
		}
	}
}

// fickle is a receiver that answers with an error as long as it is down, and it is at first.
func fickle(t *testing.T) (r *inbox, down *atomic.Bool) {
	t.Helper()
	down = &atomic.Bool{}
	down.Store(true)
	return receive(t, func(out http.ResponseWriter, _ string) {
		if down.Load() {
			out.WriteHeader(http.StatusBadGateway)
		}
	}), down
}

func (r *inbox) got() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]got(nil), r.all...)
}

// await waits until the receiver has n requests.
func (r *inbox) await(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(r.got()) >= n }, patience, time.Millisecond)
}

// connectedID is a subscription that its merchant knows by a name of its own.
const connectedID = 4711

func accessTokenOf(subscriptionID int64) *secret.Text {
	if subscriptionID != connectedID {
		return nil
	}
	token := secret.Text("at-4711")
	return &token
}
