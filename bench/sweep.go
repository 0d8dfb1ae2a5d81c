package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// sweeping is one round: everything due is billed.
type sweeping struct {
	perSecond float64
	cpu       float64 // microseconds for a renewal
	split     string
}

// sweeps bills the same number of due subscriptions among few and among many. It calls the sweep in this process, as a worker does,
// rather than start workers: they would make the charges from the same queue meanwhile, which the case renew measures, and here
// the clock says exactly how many are due. Two sweeps run at once, as two workers would.
func sweeps(ctx context.Context, l *lab) ([]figure, error) {
	const workers = 2
	due, rounds := pick(l, 10_000, 200), pick(l, 3, 1)
	many, err := l.clone(ctx, l.large)
	if err != nil {
		return nil, err
	}
	defer many.drop(ctx)
	billed := 0
	amongMany := func(n, workers int) func() (sweeping, error) {
		return func() (sweeping, error) {
			billed += n
			return many.sweep(ctx, dueAt(l.large, billed), n, workers)
		}
	}
	amongFew := func() (sweeping, error) {
		few, err := l.clone(ctx, l.small)
		if err != nil {
			return sweeping{}, err
		}
		defer few.drop(ctx)
		return few.sweep(ctx, dueAt(l.small, due), due, workers)
	}
	results, err := alternate(rounds, amongFew, amongMany(due, workers), amongMany(due, 1))
	if err != nil {
		return nil, err
	}
	few, large, alone := results[0], results[1], results[2]
	backlog, err := amongMany(10*due, workers)()
	if err != nil {
		return nil, err
	}
	perSecond, cpu := func(s sweeping) float64 { return s.perSecond }, func(s sweeping) float64 { return s.cpu }
	name := func(subscriptions, due int) string {
		return fmt.Sprintf("%s due of %s", count(due), count(subscriptions))
	}
	return []figure{
		of(name(l.small, due), "renewals/s", column(few, perSecond)...),
		of(name(l.large, due), "renewals/s", column(large, perSecond)...),
		of(name(l.large, due)+", one sweep", "renewals/s", column(alone, perSecond)...),
		of(name(l.large, 10*due), "renewals/s", backlog.perSecond).atLeast(10_000),
		of("CPU, "+name(l.small, due), "us/renewal", column(few, cpu)...).because("%s", few[0].split),
		of("CPU, "+name(l.large, due), "us/renewal", column(large, cpu)...).because("%s", large[0].split),
		of("CPU, "+name(l.large, 10*due), "us/renewal", backlog.cpu).because("%s", backlog.split),
		of(fmt.Sprintf("CPU, %s against %s", count(l.large), count(l.small)), "times", ratios(column(large, cpu), column(few, cpu))...).atMost(1.5),
	}, nil
}

// sweep bills what is due at an instant and makes sure that it was that many.
func (d *database) sweep(ctx context.Context, now time.Time, due, workers int) (sweeping, error) {
	domain, err := d.domain(ctx, func() time.Time { return now })
	if err != nil {
		return sweeping{}, err
	}
	defer domain.db.Close()
	var elapsed time.Duration
	total := 0
	used, err := d.lab.meter().withSelf().during(func() error {
		var mu sync.Mutex
		var group errgroup.Group
		started := time.Now()
		for range workers {
			group.Go(func() error {
				n, err := domain.billing.BillDue(ctx)
				mu.Lock()
				defer mu.Unlock()
				total += n
				return err
			})
		}
		err := group.Wait()
		elapsed = time.Since(started)
		return err
	})
	if err != nil {
		return sweeping{}, err
	}
	var quarantined int
	err = domain.db.System().QueryRow(ctx, `select count(*) from subscription where quarantine_reason is not null`).Scan(&quarantined)
	if err == nil && (total != due || quarantined > 0) {
		err = fmt.Errorf("%d subscriptions were billed and %d quarantined, want %d and none", total, quarantined, due)
	}
	return sweeping{perSecond: float64(due) / elapsed.Seconds(), cpu: used.perUnit(due), split: used.split(due)}, err
}

// count writes a round number as people say it.
func count(n int) string {
	switch {
	case n >= 1_000_000 && n%100_000 == 0:
		return fmt.Sprintf("%g M", float64(n)/1e6)
	case n >= 1000 && n%100 == 0:
		return fmt.Sprintf("%g k", float64(n)/1e3)
	}
	return fmt.Sprint(n)
}
