package main

import (
	"context"
	"fmt"
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
	"portico/internal/config"
	"portico/internal/gateway"
	"portico/internal/idempotency"
	"portico/internal/mail"
	"portico/internal/portal"
	"portico/internal/rate"
	"portico/internal/secret"
	"portico/internal/vault"
	"portico/internal/webhook"
	"portico/jobs"
)

const (
	// lingerFor is how long an endpoint's drain waits for its next event: for half a minute that costs about as much as a job does.
	lingerFor = 30 * time.Second
	// restFrom is where a look every 25 ms costs as much as the jobs that it spares.
	restFrom = 20
)

// app is the domain on one database.
type app struct {
	db       *db.DB
	accounts *account.Accounts
	catalog  *catalog.Catalog
	access   *access.Access
	billing  *billing.Billing
	portal   *portal.Portal
	webhooks *webhook.Webhooks
	mail     *mail.Outbox
	vault    *vault.Vault
	audit    *audit.Log
	rates    *rate.Limiter
	repeats  *idempotency.Keys
	log      *slog.Logger
}

// wire is where everything is put together. Callers close the app.
func wire(ctx context.Context, c config.Config, log *slog.Logger) (*app, error) {
	keys, err := secret.NewKeyring(c.Keys, c.Pepper)
	if err != nil {
		return nil, err
	}
	address, err := withMaxConns(string(c.DatabaseURL), c.DBMaxConns)
	if err != nil {
		return nil, err
	}
	d, err := db.Open(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := d.Ready(ctx); err != nil {
		d.Close()
		return nil, fmt.Errorf("%w: run portico migrate", err)
	}
	inserter, err := jobs.NewInserter(d.Pool(), log)
	if err != nil {
		d.Close()
		return nil, err
	}
	// What Postgres can store, so that a value is the same before and after it was stored.
	now := func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
	a := &app{db: d, log: log, vault: &vault.Vault{DB: d, Keys: keys, Jobs: inserter, Now: now, Log: log}}
	if err := a.vault.Admit(ctx); err != nil {
		d.Close()
		return nil, err
	}
	a.audit = &audit.Log{DB: d, Now: now, Retention: days(c.AuditRetentionDays), Log: log}
	a.rates = &rate.Limiter{DB: d, Now: now}
	a.repeats = &idempotency.Keys{DB: d, Now: now, Log: log}
	guard := webhook.NewGuard(webhook.GuardOptions{
		AllowLoopback: c.WebhookAllowLoopback, AllowHTTP: c.WebhookAllowHTTP, AllowCIDRs: c.WebhookAllowCIDRs,
	})
	a.mail = &mail.Outbox{DB: d, Keys: keys, Jobs: inserter, Now: now, Log: log}
	a.accounts = &account.Accounts{
		DB: d, Keys: keys, Now: now, Mail: a.mail, Jobs: inserter, PublicURL: c.PublicURL, PortalFeeBPS: c.PortalFeeBPS,
	}
	if c.SMTPURL != "" {
		if a.mail.Transport, err = mail.NewSMTP(c.SMTPURL, c.MailFrom); err != nil {
			d.Close()
			return nil, err
		}
	}
	a.webhooks = &webhook.Webhooks{
		DB: d, Keys: keys, Jobs: inserter, Guard: guard, Now: now, Log: log,
		TokenKey: a.accounts.SentTokenKey, EventRetention: days(c.EventRetentionDays), AttemptRetention: days(c.AttemptRetentionDays),
		Mail: a.mail, PublicURL: c.PublicURL, Linger: lingerFor, RestFrom: restFrom,
	}
	a.accounts.Webhooks = a.webhooks
	a.catalog = &catalog.Catalog{DB: d, Keys: keys, Now: now, Webhooks: a.webhooks, PublicURL: c.PublicURL}
	a.access = &access.Access{DB: d, Keys: keys, Accounts: a.accounts, Webhooks: a.webhooks, Now: now, Issuer: c.PublicURL}
	a.billing = &billing.Billing{
		DB: d, Accounts: a.accounts, Catalog: a.catalog, Webhooks: a.webhooks, Mail: a.mail, Jobs: inserter, Now: now, Log: log,
		PublicURL:   c.PublicURL,
		Gateways:    map[string]gateway.Gateway{gateway.TestName: &gateway.Test{Pool: d.Pool(), Now: now, Loss: c.TestGatewayLoss}},
		LiveGateway: c.LiveGateway,
	}
	a.webhooks.AccessToken = a.billing.AccessToken
	a.portal = &portal.Portal{
		DB: d, Keys: keys, Accounts: a.accounts, Catalog: a.catalog, Billing: a.billing, Access: a.access, Mail: a.mail, Jobs: inserter,
		Now: now, PublicURL: c.PublicURL, Log: log,
	}
	return a, nil
}

func (a *app) close() { a.db.Close() }

func withMaxConns(address string, n int32) (string, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		// url.Parse repeats the address, password included, in its error.
		return "", fmt.Errorf("DATABASE_URL cannot be read")
	}
	query := parsed.Query()
	if !query.Has("pool_max_conns") {
		query.Set("pool_max_conns", strconv.Itoa(int(n)))
	}
	parsed.RawQuery = query.Encode()
	return parsed.String(), nil
}

func days(n int32) time.Duration { return time.Duration(n) * 24 * time.Hour }
