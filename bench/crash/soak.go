package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

const (
	modeDeliveries = "deliveries"
	// passEvery is how often time is made to pass: that of holds always, that of retries once every receiver is well.
	passEvery = 500 * time.Millisecond
)

// soak is webhook delivery alone, at volume: a publisher, workers and receivers, of which workers and receivers are killed at random.
type soak struct {
	o         options
	site      *site
	hooks     *house // the receivers
	inboxes   []*inbox
	merchant  *merchant
	publisher *publisher
	before    int // events that there were when the publisher began
}

func runSoak(ctx context.Context, o options) (r *report, err error) {
	s := &soak{o: o}
	s.o.naive = false // Portico is as it is
	kind := "as they should be"
	if o.naive {
		kind = "that acknowledge what they have not kept"
	}
	o.say("\nseed %d: kill workers and receivers %d times in %s, receivers %s", o.seed, o.kills, o.lasting, kind)
	if s.site, err = openSite(ctx, s.o); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.site.close(context.WithoutCancel(ctx))) }()
	if err := s.openMerchant(ctx); err != nil {
		return nil, err
	}
	if err := s.openReceivers(ctx, o.naive); err != nil {
		return nil, err
	}
	defer s.hooks.close()
	if err := s.sellFree(ctx); err != nil {
		return nil, err
	}
	outbox, err := s.outbox(ctx)
	if err != nil {
		return nil, err
	}
	s.before = len(outbox)
	if s.publisher, err = newPublisher(ctx, s.o, s.site, s.merchant.id); err != nil {
		return nil, err
	}
	r = &report{}
	if err := s.run(ctx, r); err != nil {
		return nil, err
	}
	s.site.house.close()
	if o.naive {
		// Who is killed last keeps nothing, whichever were killed before.
		if err := s.hooks.program(receivers()[1]).kill(ctx); err != nil {
			return nil, err
		}
	}
	s.hooks.close()
	return r, s.judge(ctx, r)
}

// openMerchant makes a merchant with a free plan.
func (s *soak) openMerchant(ctx context.Context) error {
	// Nobody launches the product.
	m := &market{o: s.o, url: s.site.api, inbox: &receiver{url: "http://127.0.0.1:1"}, closing: make(chan struct{})}
	s.merchant = &merchant{market: m, n: 1, random: s.o.random(1)}
	if err := s.merchant.enter(ctx); err != nil {
		return err
	}
	return s.merchant.stock(ctx)
}

// openReceivers starts three receivers: one that is quick and has two endpoints, of which one wants some types only, one that is slow, and
// one with an endpoint that fails until it is healed.
func (s *soak) openReceivers(ctx context.Context, naive bool) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ill := filepath.Join(s.o.folder, "ill")
	if err := os.WriteFile(ill, nil, 0o600); err != nil {
		return err
	}
	programs := map[string][]string{}
	for i, endpoints := range [][]endpoint{
		{{Path: "/quick", Types: everyType()}, {Path: "/some", Types: []string{"subscription.renewed", "subscription.canceled"}}},
		{{Path: "/slow", Types: everyType(), Slow: true}},
		{{Path: "/failing", Types: everyType(), Failing: true}, {Path: "/beside", Types: everyType()}},
	} {
		address, err := s.site.address()
		if err != nil {
			return err
		}
		in := &inbox{Name: receivers()[i], Address: address, Ill: ill, Naive: naive, Endpoints: endpoints}
		in.Log = filepath.Join(s.o.folder, strings.ReplaceAll(in.Name, " ", "")+".events")
		for i := range in.Endpoints {
			if err := s.register(ctx, in.Address, &in.Endpoints[i]); err != nil {
				return err
			}
		}
		settings, err := in.save()
		if err != nil {
			return err
		}
		s.inboxes = append(s.inboxes, in)
		programs[in.Name] = []string{roleReceive, settings}
	}
	s.hooks = &house{folder: s.o.folder, binary: self}
	return s.hooks.keep(ctx, programs)
}

func receivers() []string { return []string{"receiver 1", "receiver 2", "receiver 3"} }

func (s *soak) register(ctx context.Context, address string, e *endpoint) error {
	made, err := must(s.merchant.client.do(ctx, "webhookEndpointCreate", `mutation($in: WebhookEndpointCreateInput!) {
		webhookEndpointCreate(input: $in) { secret userErrors { code message } } }`,
		object{"in": object{"url": "http://" + address + e.Path, "eventTypes": e.Types}}))
	e.Secret = made.text("secret")
	return err
}

// sellFree gives each customer a subscription to the free plan.
func (s *soak) sellFree(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(4)
	for i := range s.o.customers {
		email := fmt.Sprintf("customer-%d@crash.example", i+1)
		group.Go(func() error {
			if _, err := must(s.merchant.client.do(ctx, "customerCreate", `mutation($in: CustomerCreateInput!) {
				customerCreate(input: $in) { userErrors { code message } } }`, object{"in": object{"email": email, "name": "Customer"}})); err != nil {
				return err
			}
			_, err := must(s.merchant.client.do(ctx, "subscriptionCreate", `mutation($in: SubscriptionCreateInput!) {
				subscriptionCreate(input: $in) { userErrors { code message } } }`,
				object{"in": object{"customer": object{"email": email}, "plan": s.merchant.plans[tierFree], "interval": "MONTH"}}))
			return err
		})
	}
	return group.Wait()
}

// run publishes, kills, heals and waits.
func (s *soak) run(ctx context.Context, r *report) error {
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error { return s.publisher.run(publishing) })
	// A receiver that was down for a moment must be in the game again a moment later.
	passing, settled := context.WithCancel(ctx)
	defer settled()
	var clock errgroup.Group
	clock.Go(func() error { return s.pass(passing, holdsEnd) })
	started := time.Now()
	for i, next := range schedule(s.o.random(0), s.o.mode, s.o.kills, s.o.lasting) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(next.after):
		}
		s.o.say("  %5.1fs  kill %d of %d: %s", time.Since(started).Seconds(), i+1, s.o.kills, strings.Join(next.victims, " and "))
		for _, victim := range next.victims {
			p := s.site.house.program(victim)
			if p == nil {
				p = s.hooks.program(victim)
			}
			if err := p.kill(ctx); err != nil {
				return err
			}
		}
		r.killed++
	}
	stop()
	if err := group.Wait(); err != nil {
		return err
	}
	if err := s.refused(ctx); err != nil {
		return err
	}
	// Now everybody is well, and what waits for another attempt need not wait for as long as it would.
	if err := os.Remove(s.inboxes[0].Ill); err != nil {
		return err
	}
	clock.Go(func() error { return s.pass(passing, retriesAreDue) })
	err := settle(ctx, s.o, s.site.db, r)
	settled()
	return errors.Join(err, clock.Wait())
}

// refused waits until the endpoint that fails has refused something: the receivers may have been down all the while.
func (s *soak) refused(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, s.o.patience)
	defer cancel()
	for {
		var refused bool
		err := s.site.db.System().QueryRow(waiting, `select exists (select from webhook_attempt where status_code = 500)`).Scan(&refused)
		if err != nil || refused {
			return err
		}
		time.Sleep(passEvery)
	}
}

// What is locked is being settled: to wait for it would be to wait in a circle.
const (
	// retriesAreDue has what was tried before be tried again. What waits for its predecessor is called up by that.
	retriesAreDue = `
		update webhook_delivery d set next_attempt_at = clock_timestamp()
		from (
			select merchant_id, id from webhook_delivery
			where attempt_count > 0 and next_attempt_at > clock_timestamp()
			for update skip locked
		) waiting
		where d.merchant_id = waiting.merchant_id and d.id = waiting.id`
	// holdsEnd has endpoints probed whose events are held.
	holdsEnd = `
		update webhook_endpoint e set held_until = clock_timestamp()
		from (
			select merchant_id, id from webhook_endpoint
			where breaker = 'OPEN' and held_until > clock_timestamp()
			for update skip locked
		) held
		where e.merchant_id = held.merchant_id and e.id = held.id`
)

// pass lets the time pass that something waits for, until ctx ends.
func (s *soak) pass(ctx context.Context, change string) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(passEvery):
		}
		err := s.site.db.System().Tx(context.WithoutCancel(ctx), func(tx pgx.Tx) error {
			_, err := tx.Exec(context.WithoutCancel(ctx), change)
			return err
		})
		if err != nil {
			return fmt.Errorf("let time pass: %w", err)
		}
	}
}

// deliveryVictims are those of a kill: a worker, a receiver, several at once.
func deliveryVictims(random *rand.Rand) []string {
	workers := []string{victimWorker1, victimWorker2}
	one, other := workers[random.IntN(2)], receivers()[random.IntN(3)]
	switch dice := random.IntN(10); {
	case dice < 3:
		return []string{one}
	case dice < 4:
		return workers
	case dice < 8:
		return []string{other}
	case dice < 9:
		return []string{one, other}
	}
	return append(workers, receivers()...)
}
