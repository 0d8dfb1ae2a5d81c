package audit_test

import (
	"bytes"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/account"
	"portico/internal/audit"
)

var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// world is a database and a log at a time of its own, with one merchant, a key of it and one customer.
type world struct {
	*audit.Log
	t        *testing.T
	now      time.Time
	logged   bytes.Buffer
	key      account.Caller
	customer int64
}

func open(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: noon}
	w.Log = &audit.Log{
		DB: dbtest.New(t), Now: func() time.Time { return w.now }, Retention: 400 * 24 * time.Hour, Log: slog.New(slog.NewTextHandler(&w.logged, nil)),
	}
	w.key = account.Caller{Kind: account.KindAPIKey, APIKeyID: 7, MerchantID: w.merchant("acorn")}
	w.customer = w.customerOf(w.key.MerchantID)
	return w
}

func (w *world) insert(sql string, args ...any) (id int64) {
	w.t.Helper()
	require.NoError(w.t, w.DB.System().QueryRow(w.t.Context(), sql, args...).Scan(&id))
	return id
}

func (w *world) merchant(shop string) int64 {
	w.t.Helper()
	return w.insert(`insert into merchant (shop, name, email, portal_fee_bps, created_at)
		values ($1, 'Shop', 'shop@example.com', 0, $2) returning id`, shop, noon)
}

func (w *world) customerOf(merchant int64) int64 {
	w.t.Helper()
	company := w.insert(`insert into company (merchant_id, name, personal, created_at) values ($1, 'Ada', true, $2) returning id`, merchant, noon)
	return w.insert(`insert into customer (merchant_id, number, email, name, company_id, personal_company_id, created_at)
		values ($1, 1, 'ada@example.test', 'Ada', $2, $2, $3) returning id`, merchant, company, noon)
}

func act() audit.Act {
	return audit.Act{
		Action: "planCreate", Object: "gid://portico/Product/3", Fields: []string{"name"}, RequestID: "R1",
		Origin: account.Origin{Address: netip.MustParseAddr("203.0.113.7"), UserAgent: "curl/8.5"},
	}
}

func anything() (audit.Result, error) { return audit.Result{}, nil }

// entries are those of the caller's merchant, newest first.
func (w *world) entries(caller account.Caller, q audit.Query) []audit.Entry {
	w.t.Helper()
	entries, err := w.Entries(w.t.Context(), caller, q, audit.Newest(), 100)
	require.NoError(w.t, err)
	return entries
}

// count is how many entries there are, whosever they are.
func (w *world) count() int {
	w.t.Helper()
	return int(w.insert(`select count(*) from audit_entry`))
}

func (w *world) exec(sql string, args ...any) error {
	return w.DB.System().Tx(w.t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(w.t.Context(), sql, args...)
		return err
	})
}
