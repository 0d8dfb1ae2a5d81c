package portal_test

import (
	"log/slog"
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
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/gateway"
	"portico/internal/mail"
	"portico/internal/money"
	"portico/internal/page"
	"portico/internal/portal"
	"portico/internal/secret"
	"portico/internal/webhook"
)

var (
	newYear   = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	firstPage = page.Request{Size: 20}
)

// world is an installation on a database of its own, at a time that tests set.
type world struct {
	t      *testing.T
	db     *db.DB
	portal *portal.Portal

	mu  sync.Mutex
	now time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: dbtest.New(t), now: newYear}
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	jobs, err := river.NewClient(riverpgxv5.New(w.db.Pool()), &river.Config{})
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	accounts := &account.Accounts{DB: w.db, Keys: keys, Now: w.time}
	products := &catalog.Catalog{DB: w.db, Keys: keys, Now: w.time, PublicURL: "https://portico.test"}
	w.portal = &portal.Portal{
		DB: w.db, Keys: keys, Accounts: accounts, Catalog: products, Jobs: jobs, Now: w.time, Log: log, PublicURL: "https://portico.test",
		Mail:   &mail.Outbox{DB: w.db, Keys: keys, Jobs: jobs, Keep: true, Now: w.time, Log: log},
		Access: &access.Access{DB: w.db, Keys: keys, Now: w.time, Issuer: "https://portico.test"},
		Billing: &billing.Billing{
			DB: w.db, Accounts: accounts, Catalog: products, Jobs: jobs, Now: w.time, Log: log,
			Webhooks:    &webhook.Webhooks{DB: w.db, Keys: keys, Jobs: jobs, Now: w.time, Log: log},
			Gateways:    map[string]gateway.Gateway{gateway.TestName: &gateway.Test{Pool: w.db.Pool(), Now: w.time}},
			LiveGateway: gateway.TestName,
		},
	}
	accounts.Webhooks = w.portal.Billing.Webhooks
	w.portal.Billing.Mail, w.portal.Billing.PublicURL = w.portal.Mail, w.portal.PublicURL
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

// shop is a live merchant with a product and a plan that costs 10 dollars a month.
type shop struct {
	w       *world
	handle  string
	owner   account.Caller
	product catalog.Product
	plan    catalog.Plan
}

func (w *world) shop(handle string) *shop {
	w.t.Helper()
	up, err := w.portal.Accounts.SignUp(w.t.Context(), account.Origin{}, account.SignUp{
		Name: strings.ToUpper(handle), Shop: &handle, Email: handle + "@merchant.test", Password: "correct horse battery", Verified: true,
	})
	require.NoError(w.t, err)
	s := &shop{w: w, handle: handle, owner: account.Caller{
		Kind: account.KindMember, MerchantID: up.Merchant.ID, MemberID: up.Member.ID, EmailVerified: true, Role: account.RoleOwner,
	}}
	s.stock()
	return s
}

// sandbox is the same for a sandbox of the shop.
func (s *shop) sandbox() *shop {
	s.w.t.Helper()
	box, err := s.w.portal.Accounts.SandboxCreate(s.w.t.Context(), s.owner, s.handle+" box")
	require.NoError(s.w.t, err)
	owner := s.owner
	owner.MerchantID = box.ID
	sandbox := &shop{w: s.w, handle: box.Shop, owner: owner}
	sandbox.stock()
	return sandbox
}

func (s *shop) stock() {
	s.w.t.Helper()
	identifier := strings.ReplaceAll(s.handle, "-", "")
	var err error
	s.product, _, err = s.w.portal.Catalog.ProductCreate(s.w.t.Context(), s.owner, catalog.ProductCreate{
		Identifier: &identifier, Name: s.handle, LaunchURL: "https://" + s.handle + ".test/launch", LaunchTTLSeconds: 300,
	})
	require.NoError(s.w.t, err)
	s.plan = s.newPlan("Pro")
}

func (s *shop) newPlan(name string) catalog.Plan {
	s.w.t.Helper()
	plan, err := s.w.portal.Catalog.PlanCreate(s.w.t.Context(), s.owner, catalog.PlanCreate{
		Product: catalog.ProductRef{ID: &s.product.ID}, Name: name, Tier: "pro",
		Prices: []catalog.PriceInput{{Interval: "MONTH", Money: money.Money{Minor: 1000, Currency: "USD"}}},
	})
	require.NoError(s.w.t, err)
	return plan
}

func (s *shop) company(name string) account.Company {
	s.w.t.Helper()
	company, err := s.w.portal.Accounts.CompanyCreate(s.w.t.Context(), s.owner, account.CompanyCreate{Name: name})
	require.NoError(s.w.t, err)
	return company
}

// customer makes one with a card and a secret note of the merchant's.
func (s *shop) customer(email string, company *int64) account.Customer {
	s.w.t.Helper()
	customer, err := s.w.portal.Accounts.CustomerCreate(s.w.t.Context(), s.owner, account.CustomerCreate{
		Email: email, Name: email, CompanyID: company, UserMeta: []byte(`{"risk": "high"}`),
	})
	require.NoError(s.w.t, err)
	_, err = s.w.portal.Billing.AttachPaymentMethod(s.w.t.Context(), s.owner, byID(customer), "pm_card_visa")
	require.NoError(s.w.t, err)
	return customer
}

func (s *shop) sell(customer account.Customer) *billing.Subscription {
	s.w.t.Helper()
	sub, err := s.w.portal.Billing.Create(s.w.t.Context(), s.owner, billing.Create{
		Customer: byID(customer), PlanID: s.plan.ID, Interval: "MONTH", Quantity: 1,
	})
	require.NoError(s.w.t, err)
	return sub
}

func (s *shop) mint(customer account.Customer) portal.Minted {
	s.w.t.Helper()
	minted, err := s.w.portal.TokenCreate(s.w.t.Context(), s.owner, byID(customer))
	require.NoError(s.w.t, err)
	return minted
}

// as is the customer in the portal, with a token.
func (s *shop) as(customer account.Customer) account.Caller {
	s.w.t.Helper()
	caller, err := s.w.portal.Authenticate(s.w.t.Context(), s.mint(customer).JWT, "")
	require.NoError(s.w.t, err)
	return caller
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.db.System().Exec(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
}

func (w *world) count(sql string, args ...any) (n int64) {
	w.t.Helper()
	require.NoError(w.t, w.db.System().QueryRow(w.t.Context(), sql, args...).Scan(&n))
	return n
}

func byID(customer account.Customer) account.CustomerRef {
	return account.CustomerRef{ID: &customer.ID}
}

func to[T any](value T) *T { return &value }

func requireFault(t *testing.T, err error, code fault.Code, field string) {
	t.Helper()
	found := fault.List(err)
	require.Len(t, found, 1, "%v", err)
	require.Equal(t, code, found[0].Code, err)
	require.Equal(t, field, strings.Join(found[0].Field, "."), err)
}
