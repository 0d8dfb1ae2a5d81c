package vault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
	"portico/internal/access"
	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/mail"
	"portico/internal/money"
	"portico/internal/portal"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// newYear is the instant at which these tests happen.
var newYear = time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)

// world is an installation whose processes may have different keys.
type world struct {
	t      *testing.T
	db     *db.DB
	pepper secret.Text
	keys   map[int]secret.Text
	log    bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, db: dbtest.New(t), pepper: secret.NewKey(), keys: map[int]secret.Text{1: secret.NewKey(), 2: secret.NewKey(), 3: secret.NewKey()}}
}

// ring has the keys of these versions, the first of which seals.
func (w *world) ring(versions ...int) *secret.Keyring {
	w.t.Helper()
	var entries []string
	for _, version := range versions {
		entries = append(entries, fmt.Sprintf("%d:%s", version, string(w.keys[version])))
	}
	ring, err := secret.NewKeyring(secret.Text(strings.Join(entries, ",")), w.pepper)
	require.NoError(w.t, err)
	return ring
}

// process is one with these keys.
func (w *world) process(versions ...int) *process {
	w.t.Helper()
	jobs, err := river.NewClient(riverpgxv5.New(w.db.Pool()), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(w.t, err)
	keys, now, log := w.ring(versions...), func() time.Time { return newYear }, slog.New(slog.NewTextHandler(&w.log, nil))
	accounts := &account.Accounts{DB: w.db, Keys: keys, Now: now}
	p := &process{
		Vault:    &Vault{DB: w.db, Keys: keys, Jobs: jobs, Now: now, Log: log},
		t:        w.t,
		accounts: accounts,
		access:   &access.Access{DB: w.db, Keys: keys, Now: now},
		portal:   &portal.Portal{DB: w.db, Keys: keys, Accounts: accounts, Now: now, PublicURL: "https://portico.test", Log: log},
		catalog:  &catalog.Catalog{DB: w.db, Keys: keys, Now: now, PublicURL: "https://portico.test"},
		webhooks: &webhook.Webhooks{DB: w.db, Keys: keys, Jobs: jobs, Guard: webhook.NewGuard(webhook.GuardOptions{}), Now: now, Log: log},
		mail:     &mail.Outbox{DB: w.db, Keys: keys, Jobs: jobs, Now: now, Log: log},
	}
	p.portal.Catalog, accounts.Webhooks = p.catalog, p.webhooks
	p.portal.Billing = &billing.Billing{
		DB: w.db, Accounts: accounts, Catalog: p.catalog, Webhooks: p.webhooks, Mail: p.mail, Jobs: jobs, Now: now, Log: log,
	}
	return p
}

type process struct {
	*Vault
	t        *testing.T
	accounts *account.Accounts
	access   *access.Access
	portal   *portal.Portal
	catalog  *catalog.Catalog
	webhooks *webhook.Webhooks
	mail     *mail.Outbox
}

// stock makes something of everything that is sealed, and gives the merchant as a caller.
func (p *process) stock() account.Caller {
	p.t.Helper()
	ctx := p.t.Context()
	up, err := p.accounts.SignUp(ctx, account.Origin{}, account.SignUp{
		Name: "Acorn", Email: "owner@acorn.test", Password: "correct horse battery", Verified: true,
	})
	require.NoError(p.t, err)
	caller := account.Caller{Kind: account.KindMember, MerchantID: up.Merchant.ID, MemberID: up.Member.ID, EmailVerified: true, Role: account.RoleOwner}
	integrationPage := "https://app.test/connect"
	product, _, err := p.catalog.ProductCreate(ctx, caller, catalog.ProductCreate{
		Name: "App", LaunchURL: "https://app.test/", LaunchTTLSeconds: 300, IntegrationPageURL: &integrationPage,
	})
	require.NoError(p.t, err)
	_, _, err = p.catalog.ProductSecretRoll(ctx, caller, product.ID, 3600)
	require.NoError(p.t, err)
	_, err = p.catalog.ProductSubmitForReview(ctx, caller, catalog.SubmitForReview{ProductID: product.ID, TestCredentials: "ada / open sesame"})
	require.NoError(p.t, err)
	_, _, err = p.accounts.OperatorCreate(ctx, "operator@portico.test", "correct horse battery")
	require.NoError(p.t, err)
	customer, err := p.accounts.CustomerCreate(ctx, caller, account.CustomerCreate{Email: "ada@acorn.test", Name: "Ada"})
	require.NoError(p.t, err)
	_, err = p.portal.TokenCreate(ctx, caller, account.CustomerRef{ID: &customer.ID})
	require.NoError(p.t, err)
	require.NoError(p.t, p.access.SigningKeysRotate(ctx))
	p.connect(caller, product, customer)
	value := secret.Text("open sesame")
	endpoint, _, err := p.webhooks.EndpointCreate(ctx, caller.MerchantID, webhook.EndpointCreate{
		URL: "https://app.test/hook", Headers: []webhook.Header{{Name: "Authorization", Value: &value}},
	})
	require.NoError(p.t, err)
	_, _, err = p.webhooks.EndpointRollSecret(ctx, caller.MerchantID, endpoint.ID, 3600)
	require.NoError(p.t, err)
	err = p.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		return p.mail.Enqueue(ctx, tx, mail.Message{
			MerchantID: &caller.MerchantID, Recipient: "ada@acorn.test", Cause: "test/1", Content: mail.PasswordChanged{At: newYear, Link: "https://portico.test/reset"},
		})
	})
	require.NoError(p.t, err)
	return caller
}

// connect takes over a subscription that the customer has with the merchant.
func (p *process) connect(caller account.Caller, product catalog.Product, customer account.Customer) {
	p.t.Helper()
	ref := catalog.ProductRef{ID: &product.ID}
	plan, err := p.catalog.PlanCreate(p.t.Context(), caller, catalog.PlanCreate{
		Product: ref, Name: "Pro", Tier: "pro", Prices: []catalog.PriceInput{{Interval: catalog.Month, Money: money.Money{Minor: 999, Currency: "USD"}}},
	})
	require.NoError(p.t, err)
	consent, err := p.portal.ConnectStart(p.t.Context(), caller, account.CustomerRef{ID: &customer.ID}, ref)
	require.NoError(p.t, err)
	_, err = p.portal.ReportConnected(p.t.Context(), caller, portal.Connected{
		AccessToken: "at-1", UserToken: consent.UserToken, Product: ref, PlanNumber: plan.Number, Interval: catalog.Month, AmountMinor: 999,
		StartedAt: newYear, ExpireAt: newYear.AddDate(0, 1, 0),
	})
	require.NoError(p.t, err)
}

// work performs the rotation's jobs until none is left.
func (p *process) work() (slices int) {
	p.t.Helper()
	for {
		jobs, err := p.Jobs.JobList(p.t.Context(), river.NewJobListParams().Kinds(RotateArgs{}.Kind()).States(unfinished()...))
		require.NoError(p.t, err)
		if len(jobs.Jobs) == 0 {
			return slices
		}
		for _, job := range jobs.Jobs {
			var args RotateArgs
			require.NoError(p.t, json.Unmarshal(job.EncodedArgs, &args))
			require.NoError(p.t, p.Rotate(p.t.Context(), args))
			_, err := p.Jobs.JobDelete(p.t.Context(), job.ID)
			require.NoError(p.t, err)
			slices++
		}
	}
}

// sealed opens every sealed value with the keys of this process.
func (p *process) sealed() map[string]string {
	p.t.Helper()
	opened := map[string]string{}
	for _, c := range Columns() {
		rows, err := p.DB.System().Query(p.t.Context(), fmt.Sprintf(`select array[%s], %s from %s where %[2]s is not null`,
			strings.Join(c.Key, ", "), c.Name, c.Table))
		require.NoError(p.t, err)
		found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o outdated, err error) {
			return o, row.Scan(&o.key, &o.sealed)
		})
		require.NoError(p.t, err)
		require.NotEmpty(p.t, found, c)
		for _, one := range found {
			plain, err := p.Keys.Open(c.Identity(one.key), one.sealed)
			require.NoError(p.t, err, "%s %v", c, one.key)
			opened[fmt.Sprint(c, one.key)] = string(plain)
		}
	}
	return opened
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.db.System().Exec(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
}
