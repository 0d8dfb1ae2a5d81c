package access

import (
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/secret"
	"portico/internal/webhook"
)

var piDay = time.Date(2026, 3, 14, 15, 9, 26, 535897000, time.UTC)

const launchSecret = "the-launch-secret-of-the-product-in-tests-ü"

// shop is a merchant with one product, payroll, and one plan of it, pro.
type shop struct {
	t       *testing.T
	a       *Access
	caller  account.Caller
	product int64
	plan    int64
	price   int64
}

func newAccess(t *testing.T) *Access {
	t.Helper()
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	a := &Access{DB: dbtest.New(t), Keys: keys, Now: func() time.Time { return piDay }, Issuer: "https://portal.example"}
	now := func() time.Time { return a.Now() }
	jobs, err := river.NewClient(riverpgxv5.New(a.DB.Pool()), &river.Config{})
	require.NoError(t, err)
	a.Accounts = &account.Accounts{DB: a.DB, Keys: keys, Now: now}
	a.Webhooks = &webhook.Webhooks{DB: a.DB, Keys: keys, Jobs: jobs, Now: now, Log: slog.New(slog.DiscardHandler)}
	a.Accounts.Webhooks = a.Webhooks
	return a
}

func newShop(t *testing.T, a *Access, handle string) *shop {
	t.Helper()
	s := &shop{t: t, a: a, caller: account.Caller{Kind: account.KindAPIKey}}
	s.caller.MerchantID = s.insert(`
		insert into merchant (shop, name, email, portal_fee_bps, created_at)
		values ($1, $1, 'owner@example.com', 0, $2) returning id`, handle, piDay)
	s.product = s.insertProduct("payroll", "https://payroll.example/launch")
	s.plan = s.insert(`
		insert into plan (merchant_id, product_id, number, name, tier, features, created_at)
		values ($1, $2, 1, 'Pro', 'pro', $3, $4) returning id`, s.caller.MerchantID, s.product, []byte(`{
			"advancedReporting": {"kind": "BOOLEAN", "enabled": true}, "maxEmployees": {"kind": "LIMIT", "limit": 50},
			"maxProjects": {"kind": "UNLIMITED"}, "region": {"kind": "TEXT", "text": "eu"}}`), piDay)
	s.price = s.insert(`
		insert into price (merchant_id, plan_id, interval, currency, amount_minor) values ($1, $2, 'MONTH', 'USD', 1999) returning id`,
		s.caller.MerchantID, s.plan)
	return s
}

func (s *shop) insert(sql string, args ...any) (id int64) {
	s.t.Helper()
	require.NoError(s.t, s.a.DB.System().QueryRow(s.t.Context(), sql, args...).Scan(&id))
	return id
}

func (s *shop) exec(sql string, args ...any) {
	s.t.Helper()
	_, err := s.a.DB.System().Exec(s.t.Context(), sql, args...)
	require.NoError(s.t, err)
}

func (s *shop) insertProduct(identifier, launchURL string) int64 {
	s.t.Helper()
	id := s.insert(`select nextval(pg_get_serial_sequence('product', 'id'))`)
	sealed := s.a.Keys.Seal(catalog.LaunchSecretIdentity(id), launchSecret)
	return s.insert(`
		insert into product (merchant_id, id, identifier, name, launch_url, launch_secret_cipher, launch_ttl_seconds, created_at)
		values ($1, $2, $3, $3, $4, $5, 120, $6) returning id`, s.caller.MerchantID, id, identifier, launchURL, sealed, piDay)
}

func (s *shop) company(name string) int64 {
	s.t.Helper()
	return s.insert(`insert into company (merchant_id, name, created_at) values ($1, $2, $3) returning id`,
		s.caller.MerchantID, name, piDay)
}

// person is a customer with the number 12345, the address Ada@Example.com and no company but a personal one.
func (s *shop) person() (customer, personal int64) {
	s.t.Helper()
	personal = s.company("Ada Lovelace")
	return s.insert(`
		insert into customer (merchant_id, number, email, name, role, company_id, personal_company_id, created_at)
		values ($1, 12345, 'Ada@Example.com', 'Ada Lovelace', 'admin', $2, $2, $3) returning id`,
		s.caller.MerchantID, personal, piDay), personal
}

// employee is the same as person in a company, with a personal company if one is given.
func (s *shop) employee(company int64, personal *int64) (customer int64) {
	s.t.Helper()
	return s.insert(`
		insert into customer (merchant_id, number, email, name, role, company_id, personal_company_id, created_at)
		values ($1, 12345, 'Ada@Example.com', 'Ada Lovelace', 'admin', $2, $3, $4) returning id`,
		s.caller.MerchantID, company, personal, piDay)
}

// subscription is one to payroll that is as the status says, with ten seats. Access ends an hour from piDay, unless ended says that
// it did an hour before.
type subscription struct {
	company, customer int64
	status            string
	seats             int32 // 10 when 0
	ended             bool
	cancels           bool
	clock             *int64
}

func (s *shop) subscribe(sub subscription) int64 {
	s.t.Helper()
	if sub.seats == 0 {
		sub.seats = 10
	}
	accessUntil := piDay.Add(time.Hour)
	if sub.ended {
		accessUntil = piDay.Add(-time.Hour)
	}
	var endedAt *time.Time
	if sub.status == "CANCELED" || sub.status == "EXPIRED" {
		endedAt = &accessUntil
	}
	return s.insert(`
		insert into subscription (merchant_id, product_id, company_id, customer_id, plan_id, price_id, status, quantity, anchor_at,
		                          cancel_at_period_end, ended_at, access_until, test_clock_id, created_at, updated_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $9, $9) returning id`,
		s.caller.MerchantID, s.product, sub.company, sub.customer, s.plan, s.price, sub.status, sub.seats, piDay,
		sub.cancels, endedAt, accessUntil, sub.clock)
}

func (s *shop) clock(now time.Time) int64 {
	s.t.Helper()
	return s.insert(`insert into test_clock (merchant_id, name, now_at, created_at) values ($1, 'clock', $2, $3) returning id`,
		s.caller.MerchantID, now, piDay)
}

// check asks whether the customer 12345 may use payroll.
func (s *shop) check() Decision {
	s.t.Helper()
	decision, err := s.a.Check(s.t.Context(), s.caller, ada, payroll)
	require.NoError(s.t, err)
	return decision
}

var (
	ada     = account.CustomerRef{Number: ptr(int64(12345))}
	payroll = catalog.ProductRef{Identifier: ptr("payroll")}
)

func ptr[T any](v T) *T { return &v }
