package account_test

import (
	"log/slog"
	"net/netip"
	"regexp"
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
	"portico/internal/fault"
	"portico/internal/mail"
	"portico/internal/page"
	"portico/internal/secret"
	"portico/internal/webhook"
)

const passphrase = "correct horse battery"

// The leap day is the named instant at which these tests begin.
var leapDay = time.Date(2028, time.February, 29, 12, 0, 0, 0, time.UTC)

var firstPage = page.Request{Size: 20}

// world is a database with accounts at a time of its own.
type world struct {
	*account.Accounts
	outbox *mail.Outbox
	now    time.Time
}

// home is where people of these tests sit.
var home = account.Origin{Address: netip.MustParseAddr("203.0.113.7"), UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}

func open(t *testing.T) *world {
	t.Helper()
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	w := &world{now: leapDay}
	d, now := dbtest.New(t), func() time.Time { return w.now }
	jobs, err := river.NewClient(riverpgxv5.New(d.Pool()), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	w.outbox = &mail.Outbox{DB: d, Keys: keys, Jobs: jobs, Keep: true, Now: now, Log: slog.New(slog.DiscardHandler)}
	w.Accounts = &account.Accounts{
		DB: d, Keys: keys, Now: now, Mail: w.outbox, Jobs: jobs, PublicURL: "https://portico.test", PortalFeeBPS: 250,
		Webhooks: &webhook.Webhooks{DB: d, Keys: keys, Jobs: jobs, Now: now, Log: slog.New(slog.DiscardHandler)},
	}
	return w
}

// mails does what the workers do and gives the mails to an address, newest first.
func (w *world) mails(t *testing.T, to string) (found []mail.Kept) {
	t.Helper()
	for _, id := range ids(t, w.DB, `select id from password_reset_request order by id`) {
		require.NoError(t, w.SendReset(t.Context(), id))
	}
	for _, id := range ids(t, w.DB, `select id from mail order by id`) {
		require.NoError(t, w.outbox.Send(t.Context(), id))
	}
	kept, err := w.outbox.KeptMails(t.Context(), 100)
	require.NoError(t, err)
	for _, one := range kept {
		if strings.EqualFold(one.Recipient, to) {
			found = append(found, one)
		}
	}
	return found
}

// mailed is the token in the newest mail to an address, which must be of the kind.
func (w *world) mailed(t *testing.T, to string, kind mail.Kind) secret.Text {
	t.Helper()
	found := w.mails(t, to)
	require.NotEmpty(t, found)
	require.Equal(t, kind, found[0].Kind)
	token := regexp.MustCompile(`#token=(\w+)`).FindStringSubmatch(found[0].Text)
	require.Len(t, token, 2, found[0].Text)
	return secret.Text(token[1])
}

func ids(t *testing.T, d *db.DB, sql string) (found []int64) {
	t.Helper()
	require.NoError(t, d.System().Tx(t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), sql)
		require.NoError(t, err)
		found, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	}))
	return found
}

// signUp opens the merchant with this handle and gives its owner, <shop>@example.com, whose address is proven, as a caller.
func (w *world) signUp(t *testing.T, shop string) account.Caller {
	t.Helper()
	signedUp, err := w.SignUp(t.Context(), home, account.SignUp{
		Name: strings.ToUpper(shop), Shop: &shop, Email: shop + "@example.com", Password: passphrase, Verified: true,
	})
	require.NoError(t, err)
	return w.caller(t, signedUp.Session.Token, "")
}

func (w *world) caller(t *testing.T, credential secret.Text, shop string) account.Caller {
	t.Helper()
	caller, err := w.Authenticate(t.Context(), credential, shop)
	require.NoError(t, err)
	return caller
}

// sandbox opens a sandbox and gives the same member as a caller there.
func (w *world) sandbox(t *testing.T, caller account.Caller) account.Caller {
	t.Helper()
	sandbox, err := w.SandboxCreate(t.Context(), caller, "Playground")
	require.NoError(t, err)
	caller.MerchantID = sandbox.ID
	return caller
}

func (w *world) apiKey(t *testing.T, caller account.Caller, expires *time.Time) (account.APIKey, secret.Text) {
	t.Helper()
	key, text, err := w.APIKeyCreate(t.Context(), caller, account.APIKeyCreate{Name: "Server", ExpiresAt: expires})
	require.NoError(t, err)
	return key, text
}

// key is an API key as it is now.
func (w *world) key(t *testing.T, caller account.Caller, id int64) account.APIKey {
	t.Helper()
	found, err := w.APIKeysByID(t.Context(), caller, []int64{id})
	require.NoError(t, err)
	require.Contains(t, found, id)
	return found[id]
}

func (w *world) customer(t *testing.T, caller account.Caller, email string) account.Customer {
	t.Helper()
	customer, err := w.CustomerCreate(t.Context(), caller, account.CustomerCreate{Email: email, Name: "Ada"})
	require.NoError(t, err)
	return customer
}

func (w *world) company(t *testing.T, caller account.Caller, name string) account.Company {
	t.Helper()
	company, err := w.CompanyCreate(t.Context(), caller, account.CompanyCreate{Name: name})
	require.NoError(t, err)
	return company
}

// rows counts a table for the system.
func (w *world) rows(t *testing.T, table string) int {
	t.Helper()
	var count int
	require.NoError(t, w.DB.System().QueryRow(t.Context(), "select count(*) from "+table).Scan(&count))
	return count
}

func (w *world) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := w.DB.System().Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// scan reads one row of one column for the system.
func scan[T any](t *testing.T, d *db.DB, sql string, args ...any) T {
	t.Helper()
	var value T
	require.NoError(t, d.System().QueryRow(t.Context(), sql, args...).Scan(&value))
	return value
}

func to[T any](value T) *T { return &value }

// requireFault wants exactly one thing to mend.
func requireFault(t *testing.T, err error, code fault.Code, field string) {
	t.Helper()
	found := fault.List(err)
	require.Len(t, found, 1, "%v", err)
	require.Equal(t, code, found[0].Code, err)
	require.Equal(t, field, strings.Join(found[0].Field, "."), err)
}
