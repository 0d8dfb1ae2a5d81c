package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
)

const (
	settleEvery = 250 * time.Millisecond
	// A quiet moment must last: a job may be between two of the things that are asked for.
	settledFor = 2 * time.Second
)

// unfinished is what a system that has settled has none of.
type unfinished struct {
	what     string
	question string // how many there are
}

func settling() []unfinished {
	return []unfinished{
		{"clocks on their way", `select count(*) from test_clock where target_at is not null`},
		{"charges whose outcome is not booked", `select count(*) from payment_attempt where status = 'OPEN'`},
		{
			"subscriptions that are due", `select count(*) from subscription
			where test_clock_id is null and quarantine_reason is null and least(bill_at, end_at) <= clock_timestamp()`,
		},
		{
			"deliveries on their way", `select count(*) from webhook_delivery d
			join webhook_endpoint e on e.merchant_id = d.merchant_id and e.id = d.endpoint_id
			where e.status = 'ENABLED'`,
		},
	}
}

// settle waits until nothing is left to do. What does not end within the patience is a violation.
func settle(ctx context.Context, o options, d *db.DB, r *report) error {
	started := time.Now()
	parts := settling()
	last := make([]time.Duration, len(parts)) // when there was still something
	counts := make([]int, len(parts))
	for quiet := started; ; {
		now := time.Now()
		busy, err := count(ctx, d, parts, counts)
		if err != nil || busy {
			quiet = now
		}
		for i, n := range counts {
			if n > 0 {
				last[i] = now.Sub(started)
			}
		}
		if now.Sub(quiet) >= settledFor {
			break
		}
		if now.Sub(started) > o.patience {
			if err != nil {
				return fmt.Errorf("ask whether the system has settled: %w", err)
			}
			r.rule(fmt.Sprintf("the system settles within %s", o.patience), remaining(parts, counts))
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settleEvery):
		}
	}
	r.rule(fmt.Sprintf("the system settles within %s", o.patience), nil)
	var longest []string
	for i, part := range parts {
		longest = append(longest, fmt.Sprintf("%s %.1fs", part.what, last[i].Seconds()))
	}
	r.fact("settled after", strings.Join(longest, ", "))
	return nil
}

func count(ctx context.Context, d *db.DB, parts []unfinished, counts []int) (busy bool, err error) {
	err = d.System().Tx(ctx, func(tx pgx.Tx) error {
		for i, part := range parts {
			if err := tx.QueryRow(ctx, part.question).Scan(&counts[i]); err != nil {
				return err
			}
			busy = busy || counts[i] > 0
		}
		return nil
	})
	return busy, err
}

func remaining(parts []unfinished, counts []int) []string {
	var left []string
	for i, part := range parts {
		if counts[i] > 0 {
			left = append(left, fmt.Sprintf("%d %s", counts[i], part.what))
		}
	}
	return left
}
