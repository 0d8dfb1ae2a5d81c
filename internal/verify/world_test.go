package verify

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/gateway"
	"portico/internal/mail"
	"portico/internal/money"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// The cards that the test gateway knows.
const (
	good     = "pm_card_visa"
	noFunds  = "pm_card_chargeCustomerFailInsufficientFunds"
	declined = "pm_card_chargeCustomerFail"
)

// world is two merchants' sandboxes on a database of their own, made by the domain itself.
type world struct {
	t        *testing.T
	db       *db.DB
	accounts *account.Accounts
	catalog  *catalog.Catalog
	billing  *billing.Billing
	webhooks *webhook.Webhooks
	now      time.Time

	caller  account.Caller
	product catalog.Product
	subs    map[string]int64 // of the customers by name
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: dbtest.New(t), now: time.Date(2026, time.January, 31, 9, 30, 0, 0, time.UTC), subs: map[string]int64{}}
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	jobs, err := river.NewClient(riverpgxv5.New(w.db.Pool()), &river.Config{})
	require.NoError(t, err)
	clock, log := func() time.Time { return w.now }, slog.New(slog.DiscardHandler)
	w.accounts = &account.Accounts{DB: w.db, Keys: keys, Now: clock, PortalFeeBPS: 250}
	w.catalog = &catalog.Catalog{DB: w.db, Keys: keys, Now: clock, PublicURL: "https://portico.test"}
	w.webhooks = &webhook.Webhooks{
		DB: w.db, Keys: keys, Jobs: jobs, Now: clock, Log: log, Mail: &mail.Outbox{DB: w.db, Keys: keys, Jobs: jobs, Now: clock, Log: log},
		Guard: webhook.NewGuard(webhook.GuardOptions{AllowLoopback: true, AllowHTTP: true}),
	}
	w.accounts.Webhooks = w.webhooks
	w.billing = &billing.Billing{
		DB: w.db, Accounts: w.accounts, Catalog: w.catalog, Webhooks: w.webhooks, Jobs: jobs, Now: clock, Log: log,
		Gateways: map[string]gateway.Gateway{gateway.TestName: &gateway.Test{Pool: w.db.Pool(), Now: clock}},
	}
	w.open("acorn")
	return w
}

// open makes the sandbox of a new merchant, with a product, the one that the world's methods act on.
func (w *world) open(name string) {
	w.t.Helper()
	ctx := w.t.Context()
	up, err := w.accounts.SignUp(ctx, account.Origin{}, account.SignUp{
		Name: name, Email: name + "@merchant.test", Password: "correct horse battery", Verified: true,
	})
	require.NoError(w.t, err)
	w.caller = account.Caller{Kind: account.KindMember, MerchantID: up.Merchant.ID, MemberID: up.Member.ID, Role: account.RoleOwner}
	box, err := w.accounts.SandboxCreate(ctx, w.caller, name+" sandbox")
	require.NoError(w.t, err)
	w.caller.MerchantID = box.ID
	_, _, err = w.accounts.APIKeyCreate(ctx, w.caller, account.APIKeyCreate{Name: "server"})
	require.NoError(w.t, err)
	w.product, _, err = w.catalog.ProductCreate(ctx, w.caller, catalog.ProductCreate{
		Identifier: &name, Name: name, LaunchURL: "https://" + name + ".test/launch", LaunchTTLSeconds: 300,
	})
	require.NoError(w.t, err)
}

func (w *world) plan(minor int64, interval, currency string, trialDays int32) catalog.Plan {
	w.t.Helper()
	plan, err := w.catalog.PlanCreate(w.t.Context(), w.caller, catalog.PlanCreate{
		Product: catalog.ProductRef{ID: &w.product.ID}, Name: "Pro", Tier: "pro", TrialDays: trialDays,
		Prices: []catalog.PriceInput{{Interval: catalog.Interval(interval), Money: money.Money{Minor: minor, Currency: currency}}},
	})
	require.NoError(w.t, err)
	return plan
}

// sell makes a customer, with a card unless it is empty, and sells the plan to them. A decline is part of the story.
func (w *world) sell(name, card string, plan catalog.Plan, clock *int64) account.Customer {
	w.t.Helper()
	customer, err := w.accounts.CustomerCreate(w.t.Context(), w.caller, account.CustomerCreate{
		Email: name + "@example.test", Name: name, TestClockID: clock,
	})
	require.NoError(w.t, err)
	if card != "" {
		w.attach(customer, card)
	}
	w.buy(name, customer, plan)
	return customer
}

func (w *world) attach(customer account.Customer, card string) {
	w.t.Helper()
	_, err := w.billing.AttachPaymentMethod(w.t.Context(), w.caller, account.CustomerRef{ID: &customer.ID}, card)
	require.NoError(w.t, err)
}

func (w *world) buy(name string, customer account.Customer, plan catalog.Plan) {
	w.t.Helper()
	sub, err := w.billing.Create(w.t.Context(), w.caller, billing.Create{
		Customer: account.CustomerRef{ID: &customer.ID}, PlanID: plan.ID, Interval: string(plan.Prices[0].Interval), Quantity: 2,
	})
	if !fault.Is(err, fault.CodePaymentFailed) {
		require.NoError(w.t, err)
	}
	w.subs[name] = sub.ID
}

func (w *world) cancel(name string, atPeriodEnd bool) {
	w.t.Helper()
	_, err := w.billing.Cancel(w.t.Context(), w.caller, billing.Cancel{SubscriptionID: w.subs[name], AtPeriodEnd: atPeriodEnd})
	require.NoError(w.t, err)
}

// work does what the workers would do at that time.
func (w *world) work(now time.Time) {
	w.t.Helper()
	ctx := w.t.Context()
	w.now = now
	_, err := w.billing.BillDue(ctx)
	require.NoError(w.t, err)
	rows, err := w.db.System().Query(ctx, `select merchant_id, id from payment_attempt where status = 'OPEN'`)
	require.NoError(w.t, err)
	open, err := pgx.CollectRows(rows, pgx.RowToStructByPos[billing.AttemptRef])
	require.NoError(w.t, err)
	require.NoError(w.t, w.billing.Charge(ctx, open))
	_, err = w.billing.EndDue(ctx)
	require.NoError(w.t, err)
}

// endpoint makes a receiver that always answers with the status code.
func (w *world) endpoint(code int) webhook.Endpoint {
	w.t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		_, _ = io.Copy(io.Discard, request.Body)
		answer.WriteHeader(code)
		_, _ = io.WriteString(answer, "thanks")
	}))
	w.t.Cleanup(receiver.Close)
	var types []string
	for _, kind := range webhook.Types() {
		types = append(types, string(kind))
	}
	endpoint, _, err := w.webhooks.EndpointCreate(w.t.Context(), w.caller.MerchantID, webhook.EndpointCreate{URL: receiver.URL, EventTypes: types})
	require.NoError(w.t, err)
	return endpoint
}

// date is a quarter of an hour later than sales are made, so that what falls due on that day is due.
func date(month time.Month, day int) time.Time {
	return time.Date(2026, month, day, 9, 45, 0, 0, time.UTC)
}

// newBusyWorld is a world where most of what can happen has happened.
func newBusyWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	ctx := t.Context()
	works, fails := w.endpoint(http.StatusOK), w.endpoint(http.StatusInternalServerError)
	monthly, yearly, free := w.plan(1999, "MONTH", "USD", 0), w.plan(9900, "YEAR", "EUR", 0), w.plan(0, "MONTH", "USD", 0)
	trial := w.plan(1500, "MONTH", "USD", 14)

	w.sell("renewed", good, monthly, nil)
	w.sell("twin", good, monthly, nil)
	w.sell("yearly", good, yearly, nil)
	w.sell("free", "", free, nil)
	w.sell("converted", good, trial, nil)
	w.sell("tried", "", trial, nil)
	debtor, stuck := w.sell("debtor", good, monthly, nil), w.sell("stuck", good, monthly, nil)
	w.sell("neverpaid", declined, monthly, nil)
	w.buy("secondtry", w.sell("secondtry", declined, monthly, nil), free)
	w.sell("leaving", good, monthly, nil)
	w.sell("left", good, monthly, nil)
	w.cancel("left", true)
	w.sell("gone", good, monthly, nil)
	w.cancel("gone", false)

	clock, err := w.billing.CreateTestClock(ctx, w.caller, "months", nil)
	require.NoError(t, err)
	w.sell("clocked", good, monthly, &clock.ID)
	w.attach(w.sell("givenup", good, monthly, &clock.ID), noFunds)
	_, err = w.billing.AdvanceTestClock(ctx, w.caller, clock.ID, w.now.AddDate(0, 4, 0))
	require.NoError(t, err)
	require.NoError(t, w.billing.AdvanceClock(ctx, billing.AdvanceClockArgs{MerchantID: w.caller.MerchantID, ClockID: clock.ID}))

	for _, day := range []time.Time{date(time.February, 1), date(time.February, 14), date(time.February, 28), date(time.March, 14)} {
		w.work(day)
	}
	w.attach(debtor, noFunds)
	w.attach(stuck, declined)
	for _, day := range []time.Time{date(time.March, 28), date(time.March, 31), date(time.April, 3)} {
		w.work(day)
	}
	w.cancel("leaving", true)
	w.sell("trying", good, trial, nil)
	w.sell("unpaid", declined, monthly, nil)
	for _, e := range []webhook.Endpoint{works, fails, fails, fails, fails} {
		// Its breaker would hold what the checks are about.
		_, err = w.db.System().Exec(ctx, `update webhook_endpoint set breaker = 'CLOSED', held_until = null, failures = 0, suspects = '{}'`)
		require.NoError(t, err)
		require.NoError(t, w.webhooks.Drain(ctx, webhook.DrainArgs{MerchantID: w.caller.MerchantID, EndpointID: e.ID, Slow: true}, 1))
	}

	acorn, product := w.caller, w.product
	// One merchant's payments are all fee; of another's smallest ones, none is.
	w.accounts.PortalFeeBPS = 10_000
	w.open("birch")
	w.sell("neighbour", good, w.plan(500, "MONTH", "USD", 0), nil)
	w.accounts.PortalFeeBPS = 250
	w.open("cedar")
	w.sell("cheap", good, w.plan(5, "MONTH", "USD", 0), nil)
	w.caller, w.product = acorn, product
	return w
}

// statuses are those of the subscriptions by name.
func (w *world) statuses() map[string]string {
	w.t.Helper()
	found := map[string]string{}
	for name, id := range w.subs {
		var status string
		require.NoError(w.t, w.db.System().QueryRow(w.t.Context(), `select status from subscription where id = $1`, id).Scan(&status))
		found[name] = strings.ToLower(status)
	}
	return found
}
