package billing_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"portico/db"
	"portico/db/dbtest"
	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/gateway"
	"portico/internal/money"
	"portico/internal/page"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// world is a sandbox with a product, on a database of its own, at a time that tests set.
type world struct {
	t        *testing.T
	db       *db.DB
	accounts *account.Accounts
	catalog  *catalog.Catalog
	billing  *billing.Billing
	gateway  *flaky
	caller   account.Caller
	product  catalog.Product

	mu  sync.Mutex
	now time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: dbtest.New(t), now: time.Date(2026, time.January, 31, 9, 30, 0, 0, time.UTC)}
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	inserter, err := river.NewClient(riverpgxv5.New(w.db.Pool()), &river.Config{})
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	w.gateway = &flaky{Gateway: &gateway.Test{Pool: w.db.Pool(), Now: w.time}}
	w.accounts = &account.Accounts{DB: w.db, Keys: keys, Now: w.time, PortalFeeBPS: 250}
	w.catalog = &catalog.Catalog{DB: w.db, Keys: keys, Now: w.time, PublicURL: "https://portico.test"}
	w.billing = &billing.Billing{
		DB: w.db, Accounts: w.accounts, Catalog: w.catalog, Jobs: inserter, Now: w.time, Log: log,
		Webhooks: &webhook.Webhooks{DB: w.db, Keys: keys, Jobs: inserter, Now: w.time, Log: log},
		Gateways: map[string]gateway.Gateway{gateway.TestName: w.gateway},
	}
	w.accounts.Webhooks = w.billing.Webhooks
	w.caller = w.sandbox("Acorn")
	w.product = w.newProduct(w.caller, "acorn")
	return w
}

func (w *world) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) setTime(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = now
}

// sandbox signs a merchant up and opens its sandbox.
func (w *world) sandbox(name string) account.Caller {
	w.t.Helper()
	ctx := w.t.Context()
	up, err := w.accounts.SignUp(ctx, account.Origin{}, account.SignUp{
		Name: name, Email: strings.ToLower(name) + "@merchant.test", Password: "correct horse battery", Verified: true,
	})
	require.NoError(w.t, err)
	owner := account.Caller{Kind: account.KindMember, MerchantID: up.Merchant.ID, MemberID: up.Member.ID, Role: account.RoleOwner}
	box, err := w.accounts.SandboxCreate(ctx, owner, name+" sandbox")
	require.NoError(w.t, err)
	owner.MerchantID = box.ID
	return owner
}

func (w *world) newProduct(caller account.Caller, identifier string) catalog.Product {
	w.t.Helper()
	product, _, err := w.catalog.ProductCreate(w.t.Context(), caller, catalog.ProductCreate{
		Identifier: &identifier, Name: identifier, LaunchURL: "https://" + identifier + ".test/launch", LaunchTTLSeconds: 300,
	})
	require.NoError(w.t, err)
	return product
}

// plan makes a monthly plan of the world's product.
func (w *world) plan(minor int64, trialDays int32) catalog.Plan {
	w.t.Helper()
	plan, err := w.catalog.PlanCreate(w.t.Context(), w.caller, catalog.PlanCreate{
		Product: catalog.ProductRef{ID: &w.product.ID}, Name: "Pro", Tier: "pro", TrialDays: trialDays,
		Prices: []catalog.PriceInput{{Interval: "MONTH", Money: money.Money{Minor: minor, Currency: "USD"}}},
	})
	require.NoError(w.t, err)
	return plan
}

// customer makes a customer; a card token attaches a payment method.
func (w *world) customer(email, card string, clock *int64) account.Customer {
	w.t.Helper()
	customer, err := w.accounts.CustomerCreate(w.t.Context(), w.caller, account.CustomerCreate{Email: email, Name: email, TestClockID: clock})
	require.NoError(w.t, err)
	if card != "" {
		w.attach(customer, card)
	}
	return customer
}

func (w *world) attach(customer account.Customer, card string) {
	w.t.Helper()
	_, err := w.billing.AttachPaymentMethod(w.t.Context(), w.caller, account.CustomerRef{ID: &customer.ID}, card)
	require.NoError(w.t, err)
}

func (w *world) create(customer account.Customer, plan catalog.Plan) (*billing.Subscription, error) {
	return w.createFor(customer, plan, 1)
}

func (w *world) createFor(customer account.Customer, plan catalog.Plan, seats int32) (*billing.Subscription, error) {
	return w.billing.Create(w.t.Context(), w.caller, billing.Create{
		Customer: account.CustomerRef{ID: &customer.ID}, PlanID: plan.ID, Interval: "MONTH", Quantity: seats,
	})
}

// invoiceNextPeriod plants what only an error elsewhere could: the next period has an invoice, so that billing it must fail.
func (w *world) invoiceNextPeriod(sub *billing.Subscription) {
	w.t.Helper()
	_, err := w.db.System().Exec(w.t.Context(), `
		insert into invoice (merchant_id, number, subscription_id, customer_id, kind, status, currency, amount_minor, period_index,
			period_start, period_end, created_at)
		select merchant_id, 999, id, customer_id, 'RENEWAL', 'OPEN', 'USD', 1000, 1, current_period_end,
			current_period_end + interval '1 month', created_at from subscription where id = $1`, sub.ID)
	require.NoError(w.t, err)
}

func (w *world) sold(customer account.Customer, plan catalog.Plan) *billing.Subscription {
	w.t.Helper()
	sub, err := w.create(customer, plan)
	require.NoError(w.t, err)
	return sub
}

func (w *world) read(sub *billing.Subscription) *billing.Subscription {
	w.t.Helper()
	again, err := w.billing.Get(w.t.Context(), w.caller, sub.ID)
	require.NoError(w.t, err)
	return again
}

func (w *world) invoices(sub *billing.Subscription) []billing.Invoice {
	w.t.Helper()
	invoices, err := w.billing.Invoices(w.t.Context(), w.caller, &sub.ID, page.Request{Size: page.MaxSize})
	require.NoError(w.t, err)
	return invoices
}

// runDue does what the workers would: bill, charge what billing left to jobs, end.
func (w *world) runDue() {
	w.t.Helper()
	ctx := w.t.Context()
	_, err := w.billing.BillDue(ctx)
	require.NoError(w.t, err)
	w.chargeOpen()
	_, err = w.billing.EndDue(ctx)
	require.NoError(w.t, err)
}

func (w *world) chargeOpen() {
	w.t.Helper()
	var refs []billing.AttemptRef
	rows, err := w.db.System().Query(w.t.Context(), `select merchant_id, id from payment_attempt where status = 'OPEN' order by id`)
	require.NoError(w.t, err)
	refs, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r billing.AttemptRef, err error) {
		err = row.Scan(&r.MerchantID, &r.ID)
		return r, err
	})
	require.NoError(w.t, err)
	require.NoError(w.t, w.billing.Charge(w.t.Context(), refs))
}

// events are the types of what was told about a subscription, in order.
func (w *world) events(sub *billing.Subscription) []string {
	w.t.Helper()
	rows, err := w.db.Tenant(w.caller.MerchantID).Query(w.t.Context(),
		`select type from event where merchant_id = $1 and subscription_id = $2 order by sequence`, w.caller.MerchantID, sub.ID)
	require.NoError(w.t, err)
	types, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(w.t, err)
	return types
}

// count answers a question with one number across all tenants.
func (w *world) count(sql string, args ...any) int64 {
	w.t.Helper()
	var n int64
	require.NoError(w.t, w.db.System().QueryRow(w.t.Context(), sql, args...).Scan(&n))
	return n
}

// flaky is the test gateway behind a network that can lose answers.
type flaky struct {
	gateway.Gateway
	mu          sync.Mutex
	loseConfirm bool // the money moves, the answer is lost
	loseGet     bool
	loseAttach  int // so many answers from now on
	losePrepare int
}

func (f *flaky) loseNext(attach, prepare int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loseAttach, f.losePrepare = attach, prepare
}

func (f *flaky) Attach(ctx context.Context, token string) (gateway.Card, error) {
	card, err := f.Gateway.Attach(ctx, token)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.loseAttach--; f.loseAttach >= 0 {
		return gateway.Card{}, fmt.Errorf("attach: connection reset")
	}
	return card, err
}

func (f *flaky) Prepare(ctx context.Context, charge gateway.Charge) (string, error) {
	ref, err := f.Gateway.Prepare(ctx, charge)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.losePrepare--; f.losePrepare >= 0 {
		return "", fmt.Errorf("prepare %s: connection reset", charge.Key)
	}
	return ref, err
}

func (f *flaky) lose(confirm, get bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loseConfirm, f.loseGet = confirm, get
}

func (f *flaky) Confirm(ctx context.Context, ref string) (gateway.Outcome, error) {
	outcome, err := f.Gateway.Confirm(ctx, ref)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.loseConfirm {
		return gateway.Outcome{}, fmt.Errorf("confirm %s: connection reset", ref)
	}
	return outcome, err
}

func (f *flaky) Get(ctx context.Context, ref string) (gateway.Outcome, error) {
	f.mu.Lock()
	lost := f.loseGet
	f.mu.Unlock()
	if lost {
		return gateway.Outcome{}, fmt.Errorf("get %s: timeout", ref)
	}
	return f.Gateway.Get(ctx, ref)
}
