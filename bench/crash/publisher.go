package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"portico/db"
	"portico/internal/webhook"
	"portico/jobs"
)

const (
	publishers = 3
	// partPublisher is the part of the run that the first publisher is, to options.random.
	partPublisher = 100
	// mostAtOnce is how many subscriptions a transaction changes.
	mostAtOnce = 12
	// rolledBack is one of how many transactions that change their mind.
	rolledBack = 15
)

var errChangedMind = errors.New("rolled back")

// publisher commits changes of subscriptions with their events, as the domain does, and now and then rolls one back.
type publisher struct {
	db            *db.DB
	webhooks      *webhook.Webhooks
	merchant      int64
	subscriptions []int64 // in order, so that transactions do not wait for one another in a circle
	random        func(part uint64) *rand.Rand
	pause         time.Duration // between two transactions of a publisher, on average
	committed     atomic.Int64  // events
	rolledBack    atomic.Int64
}

func newPublisher(ctx context.Context, o options, at *site, merchant int64) (*publisher, error) {
	log := slog.New(slog.DiscardHandler)
	inserter, err := jobs.NewInserter(at.db.Pool(), log)
	if err != nil {
		return nil, err
	}
	p := &publisher{
		db: at.db, merchant: merchant, random: o.random,
		webhooks: &webhook.Webhooks{
			DB: at.db, Keys: at.keys, Jobs: inserter, Now: func() time.Time { return time.Now().UTC() }, Log: log,
			Guard: webhook.NewGuard(webhook.GuardOptions{AllowLoopback: true, AllowHTTP: true}),
		},
	}
	const perChange = 2 // events of a subscription in a transaction, on average
	p.pause = o.lasting * publishers * perChange * mostAtOnce / 2 / time.Duration(o.events)
	err = at.db.System().Tx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select id from subscription where merchant_id = $1 order by id`, merchant)
		if err != nil {
			return err
		}
		p.subscriptions, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	return p, err
}

// run publishes until ctx ends.
func (p *publisher) run(ctx context.Context) error {
	var group errgroup.Group
	for i := range publishers {
		random := p.random(partPublisher + uint64(i))
		group.Go(func() error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(time.Duration(random.Float64() * 2 * float64(p.pause))):
				}
				if err := p.publish(context.WithoutCancel(ctx), random); err != nil {
					return fmt.Errorf("publish: %w", err)
				}
			}
		})
	}
	return group.Wait()
}

func (p *publisher) publish(ctx context.Context, random *rand.Rand) error {
	var events []webhook.Event
	changeMind := random.IntN(rolledBack) == 0
	err := p.db.Tenant(p.merchant).Tx(ctx, func(tx pgx.Tx) error {
		picked := make([]int64, 1+random.IntN(mostAtOnce))
		for i := range picked {
			picked[i] = p.subscriptions[random.IntN(len(p.subscriptions))]
		}
		slices.Sort(picked)
		for _, subscription := range slices.Compact(picked) {
			many := int64(1 + random.IntN(3))
			var last int64
			err := tx.QueryRow(ctx, `update subscription set event_sequence = event_sequence + $3 where merchant_id = $1 and id = $2 returning event_sequence`,
				p.merchant, subscription, many).Scan(&last)
			if err != nil {
				return err
			}
			for sequence := last - many + 1; sequence <= last; sequence++ {
				events = append(events, p.event(random, subscription, sequence))
			}
		}
		if err := p.webhooks.Publish(ctx, tx, events); err != nil {
			return err
		}
		if changeMind {
			return errChangedMind
		}
		return nil
	})
	switch {
	case errors.Is(err, errChangedMind):
		p.rolledBack.Add(int64(len(events)))
		return nil
	case err == nil:
		p.committed.Add(int64(len(events)))
	}
	return err
}

func (p *publisher) event(random *rand.Rand, subscription, sequence int64) webhook.Event {
	types := everyType()
	return webhook.Event{
		MerchantID: p.merchant, SubscriptionID: subscription, Type: webhook.Type(types[random.IntN(len(types))]), Sequence: sequence, OccurredAt: time.Now().UTC(),
		Data: webhook.Object{
			{Key: "subscriptionId", Value: subscription}, {Key: "status", Value: "active"},
			{Key: "userMeta", Value: map[string]any{"10": random.Float64(), "9": random.Int64(), "note": "<b>&\u2028😀", "a": []any{nil, 1e-7}}},
		},
	}
}

// everyType is the types that are about subscriptions.
func everyType() []string {
	return []string{
		"subscription.created", "subscription.updated", "subscription.canceled", "subscription.renewed", "subscription.past_due",
		"subscription.expired", "invoice.created", "payment.succeeded", "payment.failed",
	}
}
