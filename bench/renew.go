package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/verify"
)

// renewing is one round of whole renewals.
type renewing struct {
	perSecond float64
	cpu       float64 // microseconds for a renewal
	split     string
}

const (
	workProcesses = 2
	// The rows say when the last payment was made; looking costs the database time that would count.
	lookForRest = 500 * time.Millisecond
)

// renewals lets real workers do everything: the sweep opens invoices, charge jobs ask the test gateway and book payment, ledger entries and
// events. Time runs from the first invoice to the last payment.
func renewals(ctx context.Context, l *lab) ([]figure, error) {
	due, rounds := pick(l, 10_000, 300), pick(l, 3, 1)
	d, err := l.clone(ctx, l.medium)
	if err != nil {
		return nil, err
	}
	defer d.drop(ctx)
	pool, err := openPool(ctx, d.url)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	workers, err := d.workers(ctx, pool)
	if err != nil {
		return nil, err
	}
	defer stopAll(workers)
	var results []renewing
	for round := range rounds {
		r, err := d.renew(ctx, pool, workers, round*due, due)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	if err := check(ctx, pool); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%s due of %s, %d workers", count(due), count(l.medium), workProcesses)
	return []figure{
		of(name, "renewals/s", column(results, func(r renewing) float64 { return r.perSecond })...).atLeast(2000),
		of("CPU, "+name, "us/renewal", column(results, func(r renewing) float64 { return r.cpu })...).because("%s", results[0].split),
	}, nil
}

// keep has what is prepared outlive the cases: its events are years apart.
func keep() []string {
	return []string{"PORTICO_EVENT_RETENTION_DAYS=36500", "PORTICO_ATTEMPT_RETENTION_DAYS=36500"}
}

// workers starts the work processes and waits until they keep the schedule: choosing the one that does takes a while.
func (d *database) workers(ctx context.Context, pool *db.DB) ([]*process, error) {
	var workers []*process
	for range workProcesses {
		p, err := d.lab.porticoWith(ctx, d, keep(), "work")
		if err != nil {
			stopAll(workers)
			return nil, err
		}
		workers = append(workers, p)
	}
	for _, p := range workers {
		err := p.until(ctx, poll, func() (bool, error) {
			var sweeps int
			err := pool.Pool().QueryRow(ctx, `select count(*) from river_job where kind = 'renewal.sweep' and state = 'completed'`).Scan(&sweeps)
			return sweeps > 0, err
		})
		if err != nil {
			stopAll(workers)
			return nil, err
		}
	}
	return workers, nil
}

// renew makes the next subscriptions due and waits for the last payment.
func (d *database) renew(ctx context.Context, pool *db.DB, workers []*process, after, due int) (renewing, error) {
	started := realTime()
	if err := makeDue(ctx, pool, after, due); err != nil {
		return renewing{}, err
	}
	used, err := d.lab.meter(workers...).during(func() error {
		return waitFor(ctx, 10*time.Minute, lookForRest, func() (bool, error) {
			var left bool
			err := pool.System().QueryRow(ctx, `select exists (select from payment_attempt where status = 'OPEN')
				or exists (select from subscription where bill_at <= $1 and test_clock_id is null
					and quarantine_reason is null)`, realTime()).Scan(&left)
			return !left, err
		})
	})
	if err != nil {
		return renewing{}, err
	}
	var renewed int
	var first, last *time.Time
	err = pool.System().QueryRow(ctx, `select count(*), min(i.created_at), max(p.paid_at)
		from payment p join invoice i on i.merchant_id = p.merchant_id and i.id = p.invoice_id
		where i.id > $1 and i.created_at > $2`, d.subscriptions, started).Scan(&renewed, &first, &last)
	if err != nil {
		return renewing{}, err
	}
	if renewed != due {
		return renewing{}, fmt.Errorf("%d renewals were paid, want %d", renewed, due)
	}
	return renewing{perSecond: float64(due) / last.Sub(*first).Seconds(), cpu: used.perUnit(due), split: used.split(due)}, nil
}

// makeDue moves the next n subscriptions to a period that has ended a few days ago, within their grace. The next one ends in the future, so
// that each renews once.
func makeDue(ctx context.Context, pool *db.DB, after, n int) error {
	anchor := realTime().AddDate(0, 0, -33)
	return pool.System().Tx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update subscription set anchor_at = $1, current_period_start = $1,
				current_period_end = $1::timestamptz + interval '1 month', bill_at = $1::timestamptz + interval '1 month',
				access_until = $1::timestamptz + interval '1 month 7 days'
			where id > $2 and id <= $3`, anchor, after, after+n)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `update invoice set period_start = $1, period_end = $1::timestamptz + interval '1 month'
			where subscription_id > $2 and subscription_id <= $3`, anchor, after, after+n)
		return err
	})
}

// check asks everything that portico verify asks: speed that loses a payment is none.
func check(ctx context.Context, pool *db.DB) error {
	results, err := verify.Run(ctx, pool, realTime(), verify.Options{Quiescent: true})
	if err != nil {
		return err
	}
	if verify.Violations(results) > 0 {
		var text strings.Builder
		if err := verify.Print(&text, results); err != nil {
			return err
		}
		return fmt.Errorf("the database is not as it should be:\n%s", text.String())
	}
	return nil
}
