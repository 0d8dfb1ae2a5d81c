package main

import (
	"context"
	"log/slog"
	"net/url"
	"strconv"
	"time"

	"portico/db"
	"portico/internal/access"
	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/gateway"
	"portico/internal/mail"
	"portico/internal/secret"
	"portico/internal/webhook"
	"portico/jobs"
)

// domain is Portico's inside on one database, for cases that call it in this process.
type domain struct {
	db       *db.DB
	accounts *account.Accounts
	access   *access.Access
	audit    *audit.Log
	billing  *billing.Billing
	webhooks *webhook.Webhooks
}

// publicURL is where the installation seems to be; nobody calls it.
const publicURL = "http://127.0.0.1:8080"

// connections is what one process of Portico opens at most, by default.
const connections = 10

// domain puts the parts together as the command does. Callers close its db.
func (d *database) domain(ctx context.Context, now func() time.Time) (*domain, error) {
	keys, err := benchKeyring()
	if err != nil {
		return nil, err
	}
	pool, err := openPool(ctx, d.url)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	inserter, err := jobs.NewInserter(pool.Pool(), log)
	if err != nil {
		pool.Close()
		return nil, err
	}
	hooks := &webhook.Webhooks{
		DB: pool, Keys: keys, Jobs: inserter, Now: now, Log: log,
		Guard: webhook.NewGuard(webhook.GuardOptions{AllowLoopback: true, AllowHTTP: true}),
		Mail:  &mail.Outbox{DB: pool, Keys: keys, Jobs: inserter, Now: now, Log: log}, PublicURL: publicURL,
	}
	accounts := &account.Accounts{DB: pool, Keys: keys, Now: now, Webhooks: hooks}
	return &domain{
		db: pool, accounts: accounts, webhooks: hooks,
		access: &access.Access{DB: pool, Keys: keys, Now: now, Issuer: publicURL},
		audit:  &audit.Log{DB: pool, Now: now, Log: log},
		billing: &billing.Billing{
			DB: pool, Accounts: accounts, Webhooks: hooks, Jobs: inserter, Now: now, Log: log, LiveGateway: gateway.TestName,
			Catalog:  &catalog.Catalog{DB: pool, Keys: keys, Now: now, PublicURL: publicURL},
			Gateways: map[string]gateway.Gateway{gateway.TestName: &gateway.Test{Pool: pool.Pool(), Now: now}},
		},
	}, nil
}

// openPool opens as many connections as a process of Portico does.
func openPool(ctx context.Context, address string) (*db.DB, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	query := parsed.Query()
	query.Set("pool_max_conns", strconv.Itoa(connections))
	parsed.RawQuery = query.Encode()
	return db.Open(ctx, parsed.String())
}

// apiKeys makes a key for each of the first n merchants.
func (d *domain) apiKeys(ctx context.Context, n int) (map[int64]secret.Text, error) {
	keys := make(map[int64]secret.Text, n)
	for merchant := int64(1); merchant <= int64(n); merchant++ {
		_, key, err := d.accounts.APIKeyCreate(ctx, account.Caller{Kind: account.KindMember, MerchantID: merchant, EmailVerified: true}, account.APIKeyCreate{Name: "bench"})
		if err != nil {
			return nil, err
		}
		keys[merchant] = key
	}
	return keys, nil
}

func realTime() time.Time { return time.Now().UTC() }
