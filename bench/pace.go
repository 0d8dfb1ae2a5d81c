package main

import (
	"context"
	"fmt"
	"time"
)

// paced is what a while at a steady pace gives.
type paced struct {
	late         []time.Duration // from commit to receipt, sorted
	used         usage
	transactions int
}

// paces are what most installations live at: a few events a second for a hundred endpoints, and workers that have nothing to do. The CPU is
// that of everybody, publisher and receiver included.
func paces(ctx context.Context, l *lab) ([]figure, error) {
	endpoints := pick(l, 100, leastMerchant)
	lasting := pick(l, 30*time.Second, time.Second)
	idle, err := l.paced(ctx, endpoints, 0, lasting)
	if err != nil {
		return nil, err
	}
	seconds := int(lasting.Seconds())
	idly := idle.used.perUnit(seconds)
	name := fmt.Sprintf("%d workers without events, %d endpoints", workProcesses, endpoints)
	figures := []figure{
		of("CPU, "+name, "us/s", idly).because("%s", idle.used.split(seconds)),
		of("transactions, "+name, "per second", float64(idle.transactions)/float64(seconds)),
	}
	for _, perSecond := range []int{60, 6} {
		p, err := l.paced(ctx, endpoints, perSecond, lasting)
		if err != nil {
			return nil, err
		}
		events := len(p.late)
		name := fmt.Sprintf("%d events/s to %d endpoints", perSecond, endpoints)
		cpu := p.used.perUnit(events)
		figures = append(figures,
			of("CPU, "+name, "us/event", cpu).because("%s", p.used.split(events)),
			of("CPU, "+name+", beyond that of no events", "us/event", max(0, cpu-idly/float64(perSecond))),
			of("transactions, "+name, "per event", float64(p.transactions)/float64(events)),
			of(name+", p50", "ms", milliseconds(percentile(p.late, 50))).because("commit to receipt, %d events", events),
			of(name+", p99", "ms", milliseconds(percentile(p.late, 99))).atMost(50).because("worst %s", number(milliseconds(p.late[events-1]))),
		)
	}
	return figures, nil
}

// paced publishes so many events each second, spread over the endpoints, none of which fails.
func (l *lab) paced(ctx context.Context, endpoints, perSecond int, lasting time.Duration) (p paced, err error) {
	p.used, err = l.among(ctx, noneFail, endpoints, func(s *stage) error {
		before, err := s.transactions(ctx)
		if err != nil {
			return err
		}
		var committed []time.Time
		if perSecond == 0 {
			err = pause(ctx, lasting)
		} else {
			committed, err = s.steadily(ctx, lasting, time.Second/time.Duration(perSecond), endpoints)
		}
		if err != nil {
			return err
		}
		after, err := s.transactions(ctx)
		if err != nil {
			return err
		}
		p.transactions = after - before
		p.late, err = s.lateness(ctx, committed, func(event int) string { return noneFail(event%endpoints + 1) })
		return err
	})
	return p, err
}

func pause(ctx context.Context, lasting time.Duration) error {
	select {
	case <-time.After(lasting):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// transactions is how many have ended, as far as the processes have told Postgres, which each does once a second.
func (s *stage) transactions(ctx context.Context) (n int, err error) {
	err = s.db.Pool().QueryRow(ctx, `select xact_commit + xact_rollback from pg_stat_database where datname = current_database()`).Scan(&n)
	return n, err
}
