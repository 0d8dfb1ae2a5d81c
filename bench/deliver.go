package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/internal/webhook"
)

// delivering is one flood of events.
type delivering struct {
	perSecond float64
	cpu       float64 // microseconds for an event
	split     string
}

// deliveries publishes events in this process, as a renewal books them, and lets real workers send them to a receiver in another. Each
// event goes to one endpoint. CPU time is that of everybody: publisher, Postgres, workers and receiver.
func deliveries(ctx context.Context, l *lab) ([]figure, error) {
	events, rounds := pick(l, 5000, 200), pick(l, 3, 1)
	results, err := alternate(rounds,
		func() (delivering, error) { return l.flood(ctx, events, 1) },
		func() (delivering, error) { return l.flood(ctx, events, leastMerchant) },
	)
	if err != nil {
		return nil, err
	}
	late, err := l.besideHanging(ctx, pick(l, 25*time.Second, time.Second))
	if err != nil {
		return nil, err
	}
	perSecond, cpu := func(d delivering) float64 { return d.perSecond }, func(d delivering) float64 { return d.cpu }
	one, fifty := results[0], results[1]
	name := func(endpoints string) string { return count(events) + " events to " + endpoints }
	return []figure{
		of(name("1 endpoint"), "events/s", column(one, perSecond)...),
		of("CPU, "+name("1 endpoint"), "us/event", column(one, cpu)...).because("%s", one[0].split),
		of(name("50 endpoints"), "events/s", column(fifty, perSecond)...).atLeast(1500),
		of("CPU, "+name("50 endpoints"), "us/event", column(fifty, cpu)...).atMost(600).because("%s", fifty[0].split),
		of("60 events/s beside one that hangs, p50", "ms", milliseconds(percentile(late, 50))).because("commit to receipt, %d events", len(late)),
		of("60 events/s beside one that hangs, p99", "ms", milliseconds(percentile(late, 99))).atMost(50).
			because("worst %s", number(milliseconds(late[len(late)-1]))),
	}, nil
}

// stage is what a delivery needs: a database, workers, a receiver, and somebody to publish.
type stage struct {
	*domain
	database  *database
	processes []*process // the workers, then the receiver
	address   string     // the receiver's
	next      map[int64]int64
}

func (l *lab) newStage(ctx context.Context) (*stage, error) {
	d, err := l.clone(ctx, l.medium)
	if err != nil {
		return nil, err
	}
	s := &stage{database: d, next: map[int64]int64{}}
	if s.domain, err = d.domain(ctx, realTime); err != nil {
		d.drop(ctx)
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		s.close(ctx)
		return nil, err
	}
	return s, nil
}

func (s *stage) open(ctx context.Context) (err error) {
	if s.processes, err = s.database.workers(ctx, s.db); err != nil {
		return err
	}
	p, err := s.database.lab.helper(ctx, "receive")
	if err != nil {
		return err
	}
	s.processes = append(s.processes, p)
	s.address, err = p.address(ctx)
	return err
}

func (s *stage) close(ctx context.Context) {
	stopAll(s.processes)
	s.db.Close()
	s.database.drop(ctx)
}

func (s *stage) endpoint(ctx context.Context, merchant int64, path string) error {
	_, _, err := s.webhooks.EndpointCreate(ctx, merchant, webhook.EndpointCreate{URL: "http://" + s.address + path})
	return err
}

// publish commits the next events of the first merchants, a different subscription each.
func (s *stage) publish(ctx context.Context, first, n, merchants int) error {
	events := make([]webhook.Event, n)
	perMerchant := s.database.subscriptions / benchMerchants(s.database)
	for i := range events {
		turn := first + i
		merchant := int64(turn%merchants + 1)
		// Row i belongs to merchant 1 + (i-1) % merchants; see data.sql.
		subscription := merchant + int64(benchMerchants(s.database)*(turn/merchants%perMerchant))
		s.next[subscription]++
		events[i] = event(merchant, subscription, s.next[subscription]+1) // the data has the first
	}
	return s.db.System().Tx(ctx, func(tx pgx.Tx) error { return s.webhooks.Publish(ctx, tx, events) })
}

func benchMerchants(d *database) int { return merchants(d.subscriptions) }

// event is about as large as billing's are.
func event(merchant, subscription, sequence int64) webhook.Event {
	at := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	features := map[string]any{"advancedReporting": true, "maxEmployees": 50, "region": "eu"}
	return webhook.Event{
		MerchantID: merchant, SubscriptionID: subscription, ProductID: merchant, Type: webhook.SubscriptionRenewed, Sequence: sequence, OccurredAt: at,
		Data: webhook.Object{
			{Key: "subscriptionId", Value: subscription}, {Key: "customerId", Value: subscription}, {Key: "companyId", Value: subscription},
			{Key: "productIdentifier", Value: productIdentifier}, {Key: "status", Value: "active"}, {Key: "reason", Value: nil},
			{Key: "currentPeriodStart", Value: at}, {Key: "currentPeriodEnd", Value: at.AddDate(0, 1, 0)},
			{Key: "accessUntil", Value: at.AddDate(0, 1, 7)}, {Key: "cancelAtPeriodEnd", Value: false}, {Key: "seats", Value: 1},
			{Key: "tier", Value: webhook.Object{{Key: "name", Value: "pro"}, {Key: "features", Value: features}}},
			{Key: "customer", Value: webhook.Object{{Key: "id", Value: subscription}, {Key: "email", Value: "customer@buyer.example"}}},
			{Key: "userMeta", Value: map[string]any{"plan": "pro"}},
		},
	}
}

// flood publishes events as fast as it goes, spread over the endpoints, and waits until all are received and recorded. Time runs from
// the first transaction to the last receipt.
func (l *lab) flood(ctx context.Context, events, endpoints int) (delivering, error) {
	s, err := l.newStage(ctx)
	if err != nil {
		return delivering{}, err
	}
	defer s.close(ctx)
	for merchant := 1; merchant <= endpoints; merchant++ {
		if err := s.endpoint(ctx, int64(merchant), "/"+strconv.Itoa(merchant)); err != nil {
			return delivering{}, err
		}
	}
	const batch = 50 // what a few charge jobs book at a time
	var started time.Time
	var seen taken
	used, err := l.meter(s.processes...).withSelf().during(func() error {
		started = time.Now()
		for first := 0; first < events; first += batch {
			if err := s.publish(ctx, first, min(batch, events-first), endpoints); err != nil {
				return err
			}
		}
		return waitFor(ctx, 5*time.Minute, poll, func() (bool, error) {
			if err := ask(ctx, s.address, "/taken", &seen); err != nil || seen.Events < events {
				return false, err
			}
			return s.settled(ctx)
		})
	})
	if err != nil {
		return delivering{}, fmt.Errorf("%d of %d events were received: %w", seen.Events, events, err)
	}
	if seen.Events != events || seen.Again > 0 {
		return delivering{}, fmt.Errorf("%d events were received and %d again, want %d and none", seen.Events, seen.Again, events)
	}
	return delivering{perSecond: float64(events) / seen.Last.Sub(started).Seconds(), cpu: used.perUnit(events), split: used.split(events)}, nil
}

func (s *stage) settled(ctx context.Context) (bool, error) {
	var open bool
	err := s.db.System().QueryRow(ctx, `select exists (select from webhook_delivery)`).Scan(&open)
	return !open, err
}

// besideHanging publishes 60 events a second to a merchant's two endpoints, one of which answers late, and returns how long after its
// commit each was received by the other, sorted. It lasts for more than one slice of a drain, so that handing over is in it.
func (l *lab) besideHanging(ctx context.Context, lasting time.Duration) ([]time.Duration, error) {
	s, err := l.newStage(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close(ctx)
	const healthy = "/healthy"
	for _, path := range []string{healthy, hanging} {
		if err := s.endpoint(ctx, 1, path); err != nil {
			return nil, err
		}
	}
	committed, err := s.steadily(ctx, lasting, time.Second/60, 1)
	if err != nil {
		return nil, err
	}
	return s.lateness(ctx, committed, func(int) string { return healthy })
}

// lateness is how long after its commit each event was received at its path, sorted. Events without a path are left out.
func (s *stage) lateness(ctx context.Context, committed []time.Time, path func(event int) string) ([]time.Duration, error) {
	ids, err := s.eventIDs(ctx, len(committed))
	if err != nil {
		return nil, err
	}
	expected := map[string]time.Time{}
	for i, id := range ids {
		if where := path(i); where != "" {
			expected[where+" evt_"+strconv.FormatInt(id, 10)] = committed[i]
		}
	}
	var late []time.Duration
	err = waitFor(ctx, patience, poll, func() (bool, error) {
		receipts := map[string]time.Time{}
		if err := ask(ctx, s.address, "/receipts", &receipts); err != nil {
			return false, err
		}
		late = nil
		for key, at := range receipts {
			if since, asked := expected[key]; asked {
				late = append(late, max(0, at.Sub(since)))
			}
		}
		return len(late) == len(expected), nil
	})
	if err != nil {
		return nil, fmt.Errorf("%d of %d events were received: %w", len(late), len(expected), err)
	}
	slices.Sort(late)
	return late, nil
}

// steadily publishes an event of the next merchant at each tick and returns when each was committed.
func (s *stage) steadily(ctx context.Context, lasting, every time.Duration, merchants int) ([]time.Time, error) {
	var committed []time.Time
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for range int(lasting / every) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if err := s.publish(ctx, len(committed), 1, merchants); err != nil {
			return nil, err
		}
		committed = append(committed, time.Now())
	}
	return committed, nil
}

// eventIDs are those of the last n events, in the order of their publication.
func (s *stage) eventIDs(ctx context.Context, n int) ([]int64, error) {
	rows, err := s.db.System().Query(ctx, `select id from event where id > $1 order by id`, s.database.subscriptions)
	if err != nil {
		return nil, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err == nil && len(ids) != n {
		err = fmt.Errorf("%d events are stored, want %d", len(ids), n)
	}
	return ids, err
}
