package main

import (
	"context"
	"fmt"
	"time"

	"portico/db"
)

// tenancy compares the scoped SELECT with what it would be without tenants: plain, on tables whose row-level security is off.
func tenancy(ctx context.Context, l *lab) ([]figure, error) {
	var sides []func() (float64, error)
	for _, held := range []bool{true, false} {
		d, err := l.clone(ctx, l.small)
		if err != nil {
			return nil, err
		}
		defer d.drop(ctx)
		pool, err := openPool(ctx, d.url)
		if err != nil {
			return nil, err
		}
		defer pool.Close()
		ask := func(merchant int64) db.DBTX { return pool.Tenant(merchant) }
		sides = append(sides, func() (float64, error) { return l.ask(ctx, pool, ask) })
		if held {
			continue
		}
		for _, table := range []string{"merchant", "product", "customer", "subscription", "test_clock", "company", "plan"} {
			if _, err := pool.Pool().Exec(ctx, "alter table "+table+" no force row level security, disable row level security"); err != nil {
				return nil, err
			}
		}
		sides = append(sides, func() (float64, error) { return l.ask(ctx, pool, func(int64) db.DBTX { return pool.Pool() }) })
	}
	results, err := alternate(pick(l, 7, 1), sides...)
	if err != nil {
		return nil, err
	}
	held, open, plain := results[0], results[1], results[2]
	return []figure{
		of("SELECT in its scope", "us", held...).because("one connection, without HTTP"),
		of("SELECT in its scope, policies off", "us", open...),
		of("SELECT, plain, policies off", "us", plain...),
		of("policies on against off", "times", ratios(held, open)...),
		of("row-level security against none", "times", ratios(held, plain)...).atMost(1.3),
	}, nil
}

// ask is how long the SELECT takes on one connection, in microseconds.
func (l *lab) ask(ctx context.Context, pool *db.DB, of func(merchant int64) db.DBTX) (float64, error) {
	n := pick(l, 5000, 200)
	var elapsed time.Duration
	for i := range n + n/10 {
		if i == n/10 {
			elapsed = 0 // what came before has warmed up
		}
		merchant, number, identifier := int64(i%leastMerchant+1), int64(i/leastMerchant%10+1), productIdentifier
		began := time.Now()
		row, err := pool.AccessOf(ctx, of(merchant), db.AccessOfParams{
			MerchantID: merchant, CustomerNumber: &number, ProductIdentifier: &identifier, Now: began,
		})
		elapsed += time.Since(began)
		if err != nil {
			return 0, err
		}
		if !row.Live || !row.Seated {
			return 0, fmt.Errorf("customer %d of merchant %d has no access", number, merchant)
		}
	}
	return float64(elapsed.Microseconds()) / float64(n), nil
}
