package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"portico/db"
)

const (
	clocksPerMerchant = 2
	// windDown is how long what has been begun may take to end.
	windDown = 90 * time.Second
)

// market is the driver: merchants with customers who buy, renew and cancel until it closes.
type market struct {
	o         options
	url       string
	inbox     *receiver
	db        *db.DB
	failures  failures
	busy      atomic.Int64 // mutations under way
	merchants []*merchant

	closing chan struct{}
	actors  *errgroup.Group
	cancel  context.CancelFunc
}

func openMarket(ctx context.Context, o options, url string, inbox *receiver, d *db.DB) *market {
	m := &market{o: o, url: url, inbox: inbox, db: d, closing: make(chan struct{})}
	ctx, m.cancel = context.WithCancel(ctx)
	m.actors, ctx = errgroup.WithContext(ctx)
	for i := range o.merchants {
		one := &merchant{market: m, n: i + 1, random: o.random(uint64(i + 1))}
		m.merchants = append(m.merchants, one)
		m.actors.Go(func() error { return one.live(ctx) })
	}
	m.actors.Go(func() error { return m.months(ctx) })
	return m
}

// caller is a client with a credential.
func (m *market) caller(header, credential string) *client {
	return &client{url: m.url, header: [2]string{header, credential}, failures: &m.failures, busy: &m.busy}
}

// close lets everybody finish what they are doing.
func (m *market) close(ctx context.Context) error {
	defer m.cancel()
	close(m.closing)
	ended := make(chan error, 1)
	go func() { ended <- m.actors.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(windDown):
		m.cancel()
		return errors.Join(errors.New("no more answers from Portico"), <-ended)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rest waits, and tells whether to go on.
func (m *market) rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-m.closing:
		return false
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// merchant has a sandbox, sells in it, and drives its clocks.
type merchant struct {
	market *market
	n      int
	random *rand.Rand
	client *client
	id     int64

	plans  map[string]string // ids by tier
	clocks []string          // their ids

	customers []*customer
}

// customer buys one product, and goes on trying where it did not become clear whether that worked.
type customer struct {
	email   string
	clock   int // index of the clock; -1 lives in real time
	plan    string
	card    string
	wants   bool // has asked for the subscription, and not heard yes or no
	unclear bool // there was a sale whose outcome was not known

	subscription string // once it is known
	sold         bool   // Portico said so
	canceled     bool   // Portico said so, and nobody has taken it back since
}

const (
	tierPro   = "pro"
	tierTrial = "trial"
	tierFree  = "free"
)

func (m *merchant) live(ctx context.Context) error {
	if err := errors.Join(m.enter(ctx), m.stock(ctx), m.listen(ctx), m.wind(ctx)); err != nil {
		return fmt.Errorf("open merchant %d: %w", m.n, err)
	}
	var actors errgroup.Group
	for i := range m.clocks {
		actors.Go(func() error { return m.advance(ctx, m.clocks[i]) })
	}
	actors.Go(func() error { return m.trade(ctx) })
	return actors.Wait()
}

// enter signs the merchant up and makes a sandbox with a key.
func (m *merchant) enter(ctx context.Context) error {
	visitor := m.market.caller("", "")
	account := object{"email": fmt.Sprintf("owner-%d@crash.example", m.n), "password": "correct horse battery"}
	up, err := visitor.do(ctx, "merchantSignUp", `mutation($in: MerchantSignUpInput!) {
		merchantSignUp(input: $in) { sessionToken userErrors { code message } } }`,
		object{"in": object{"name": fmt.Sprintf("Merchant %d", m.n), "email": account["email"], "password": account["password"]}})
	if err != nil {
		return err
	}
	member := m.market.caller("Authorization", "Bearer "+up.text("sessionToken"))
	sandbox, err := must(member.do(ctx, "sandboxCreate", `mutation($name: String!) {
		sandboxCreate(input: {name: $name}) { merchant { id shop } userErrors { code message } } }`,
		object{"name": fmt.Sprintf("Merchant %d test", m.n)}))
	if err != nil {
		return err
	}
	m.id, member.shop = number(sandbox.text("merchant.id")), sandbox.text("merchant.shop")
	key, err := must(member.do(ctx, "apiKeyCreate", `mutation { apiKeyCreate(input: {name: "server"}) { secret userErrors { code message } } }`, nil))
	if err != nil {
		return err
	}
	m.client = m.market.caller("X-API-Key", key.text("secret"))
	return nil
}

// must turns an answer that is no success into an error: where nothing can be in the way, the run cannot go on.
func must(a answer, err error) (answer, error) {
	if err == nil && a.code != "" {
		err = fmt.Errorf("%s: %s", a.code, a.message)
	}
	return a, err
}

// stock makes the product and its plans.
func (m *merchant) stock(ctx context.Context) error {
	var product answer
	for try := 1; product.text("product.id") == ""; try++ {
		var err error
		product, err = m.client.do(ctx, "productCreate", `mutation($in: ProductCreateInput!) {
			productCreate(input: $in) { product { id } userErrors { code message } } }`,
			object{"in": object{"identifier": fmt.Sprintf("product%d", try), "name": "Product", "launchUrl": m.market.inbox.url + "/launch"}})
		if err != nil {
			return err
		}
		if product.code != "" && product.code != "TAKEN" {
			return fmt.Errorf("productCreate: %s: %s", product.code, product.message)
		}
	}
	m.plans = map[string]string{}
	for _, p := range []struct {
		tier   string
		amount int
		trial  int
	}{{tierPro, 4900, 0}, {tierTrial, 1900, 14}, {tierFree, 0, 0}} {
		plan, err := must(m.client.do(ctx, "planCreate", `mutation($in: PlanCreateInput!) {
			planCreate(input: $in) { plan { id } userErrors { code message } } }`, object{"in": object{
			"product": object{"id": product.text("product.id")}, "name": p.tier, "tier": p.tier, "trialDays": p.trial,
			"prices": []object{{"interval": "MONTH", "money": object{"amountMinor": p.amount, "currency": "USD"}}},
		}}))
		if err != nil {
			return err
		}
		m.plans[p.tier] = plan.text("plan.id")
	}
	return nil
}

// listen registers an endpoint for everything. Where the answer with the secret is lost, the merchant has two, and knows the
// secret of the second.
func (m *merchant) listen(ctx context.Context) error {
	// A name of its own for each try: a secret must never be taken for that of another try's endpoint.
	for try := 1; ; try++ {
		path := fmt.Sprintf("/merchant-%d-%d", m.n, try)
		endpoint, err := must(m.client.do(ctx, "webhookEndpointCreate", `mutation($in: WebhookEndpointCreateInput!) {
			webhookEndpointCreate(input: $in) { secret userErrors { code message } } }`, object{"in": object{
			"url": m.market.inbox.url + path, "eventTypes": []string{"*"},
		}}))
		if err != nil {
			return err
		}
		if !endpoint.again {
			m.market.inbox.expect(path, endpoint.text("secret"))
			return nil
		}
	}
}

// wind makes the clocks.
func (m *merchant) wind(ctx context.Context) error {
	for i := range clocksPerMerchant {
		clock, err := must(m.client.do(ctx, "testClockCreate", `mutation($in: TestClockCreateInput!) {
			testClockCreate(input: $in) { testClock { id } userErrors { code message } } }`,
			object{"in": object{"name": fmt.Sprintf("clock %d", i), "now": fmt.Sprintf("2026-01-%dT09:30:00Z", 31-i)}}))
		if err != nil {
			return err
		}
		m.clocks = append(m.clocks, clock.text("testClock.id"))
	}
	return nil
}
