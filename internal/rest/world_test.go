package rest_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
	"portico/internal/access"
	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/gateway"
	"portico/internal/idempotency"
	"portico/internal/mail"
	"portico/internal/money"
	"portico/internal/portal"
	"portico/internal/rate"
	"portico/internal/rest"
	"portico/internal/secret"
	"portico/internal/webhook"
)

var newYear = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// world is an installation with a sandbox, reached over HTTP, at a time that tests set.
type world struct {
	t       *testing.T
	db      *db.DB
	portal  *portal.Portal
	options rest.Options
	server  *httptest.Server
	log     *lines
	live    account.Caller
	box     account.Caller
	shop    string // of the sandbox
	product catalog.Product
	plan    catalog.Plan
	key     string // of the sandbox, with the scope TOKENS_WRITE
	now     time.Time
}

// lines is what the door has logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: dbtest.New(t), log: &lines{}, now: newYear}
	now := func() time.Time { return w.now }
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	jobs, err := river.NewClient(riverpgxv5.New(w.db.Pool()), &river.Config{})
	require.NoError(t, err)
	log := slog.New(slog.NewJSONHandler(w.log, nil))
	accounts := &account.Accounts{DB: w.db, Keys: keys, Now: now}
	products := &catalog.Catalog{DB: w.db, Keys: keys, Now: now, PublicURL: "https://portico.test"}
	w.portal = &portal.Portal{
		DB: w.db, Keys: keys, Accounts: accounts, Catalog: products, Jobs: jobs, Now: now, Log: log, PublicURL: "https://portico.test",
		Mail:   &mail.Outbox{DB: w.db, Keys: keys, Jobs: jobs, Keep: true, Now: now, Log: log},
		Access: &access.Access{DB: w.db, Keys: keys, Now: now, Issuer: "https://portico.test"},
		Billing: &billing.Billing{
			DB: w.db, Accounts: accounts, Catalog: products, Jobs: jobs, Now: now, Log: log,
			Webhooks:    &webhook.Webhooks{DB: w.db, Keys: keys, Jobs: jobs, Now: now, Log: log},
			Gateways:    map[string]gateway.Gateway{gateway.TestName: &gateway.Test{Pool: w.db.Pool(), Now: now}},
			LiveGateway: gateway.TestName,
		},
	}
	accounts.Webhooks = w.portal.Billing.Webhooks
	w.portal.Access.Accounts, w.portal.Access.Webhooks = accounts, w.portal.Billing.Webhooks
	w.portal.Billing.Mail, w.portal.Billing.PublicURL = w.portal.Mail, w.portal.PublicURL
	up, err := accounts.SignUp(t.Context(), account.Origin{}, account.SignUp{
		Name: "Acorn <&>", Email: "owner@acorn.test", Password: "correct horse battery", Verified: true,
	})
	require.NoError(t, err)
	w.live = account.Caller{Kind: account.KindMember, MerchantID: up.Merchant.ID, MemberID: up.Member.ID, Role: account.RoleOwner}
	box, err := accounts.SandboxCreate(t.Context(), w.live, "Acorn box")
	require.NoError(t, err)
	w.box, w.shop = w.live, box.Shop
	w.box.MerchantID = box.ID
	w.key = w.newKey(w.box, account.ScopeTokensWrite)
	w.product, w.plan = w.stock(w.box, "payroll")
	w.options = rest.Options{
		Portal: w.portal, Audit: &audit.Log{DB: w.db, Now: now, Log: log},
		Repeats: &idempotency.Keys{DB: w.db, Now: now, Log: log}, Limiter: &rate.Limiter{DB: w.db, Now: now},
		PublicURL: "https://portico.test", Log: log,
	}
	w.server = httptest.NewServer(rest.NewHandler(w.options))
	t.Cleanup(w.server.Close)
	return w
}

// limit gives every caller so many points, and one more each second.
func (w *world) limit(points int32) {
	limit := rate.Limit{Burst: points, Restore: 1}
	w.options.Rates = rate.Rates{Servers: limit, People: limit, Anonymous: limit}
	w.server.Config.Handler = rest.NewHandler(w.options)
}

func (w *world) newKey(of account.Caller, scopes ...string) string {
	w.t.Helper()
	_, key, err := w.portal.Accounts.APIKeyCreate(w.t.Context(), of, account.APIKeyCreate{Name: "server", Scopes: scopes})
	require.NoError(w.t, err)
	return string(key)
}

func (w *world) stock(of account.Caller, identifier string) (catalog.Product, catalog.Plan) {
	w.t.Helper()
	product, _, err := w.portal.Catalog.ProductCreate(w.t.Context(), of, catalog.ProductCreate{
		Identifier: &identifier, Name: "Payroll <b>", LaunchURL: "https://payroll.test", LaunchTTLSeconds: 300,
	})
	require.NoError(w.t, err)
	plan, err := w.portal.Catalog.PlanCreate(w.t.Context(), of, catalog.PlanCreate{
		Product: catalog.ProductRef{ID: &product.ID}, Name: "Pro", Tier: "pro",
		Prices: []catalog.PriceInput{{Interval: "MONTH", Money: money.Money{Minor: 1999, Currency: "USD"}}},
	})
	require.NoError(w.t, err)
	return product, plan
}

// customer makes a customer of the merchant; with a plan, one who has bought it.
func (w *world) customer(of account.Caller, email string, number *int64, plan *catalog.Plan) account.Customer {
	w.t.Helper()
	customer, err := w.portal.Accounts.CustomerCreate(w.t.Context(), of, account.CustomerCreate{Email: email, Name: "Ada", Number: number})
	require.NoError(w.t, err)
	if plan == nil {
		return customer
	}
	w.subscribe(of, customer, *plan)
	return customer
}

// subscribe sells a plan to a customer, for its company if it has one.
func (w *world) subscribe(of account.Caller, customer account.Customer, plan catalog.Plan) {
	w.t.Helper()
	ref := account.CustomerRef{ID: &customer.ID}
	_, err := w.portal.Billing.AttachPaymentMethod(w.t.Context(), of, ref, "pm_card_visa")
	require.NoError(w.t, err)
	_, err = w.portal.Billing.Create(w.t.Context(), of, billing.Create{Customer: ref, PlanID: plan.ID, Interval: "MONTH", Quantity: 1})
	require.NoError(w.t, err)
}

// answer is what a request came back with.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request, without following redirects.
func (w *world) send(method, path string, header http.Header, form url.Values) answer {
	w.t.Helper()
	header = header.Clone()
	if form != nil {
		header = with(header, "Content-Type", "application/x-www-form-urlencoded")
	}
	return w.ask(method, path, header, form.Encode())
}

// post sends a body.
func (w *world) post(path string, header http.Header, body string) answer {
	w.t.Helper()
	return w.ask(http.MethodPost, path, header, body)
}

func with(header http.Header, name, value string) http.Header {
	if header == nil {
		header = http.Header{}
	}
	header.Set(name, value)
	return header
}

func (w *world) ask(method, path string, header http.Header, body string) answer {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, strings.NewReader(body))
	require.NoError(w.t, err)
	if header != nil {
		request.Header = header
	}
	client := &http.Client{Transport: w.server.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	response, err := client.Do(request)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, response.Body.Close()) }()
	answered, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	return answer{response.StatusCode, response.Header, string(answered)}
}

func key(value string) http.Header { return http.Header{"X-Api-Key": {value}} }

func to[T any](value T) *T { return &value }
