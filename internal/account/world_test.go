package account_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/secret"
)

const passphrase = "correct horse battery"

// The leap day is the named instant at which these tests begin.
var leapDay = time.Date(2028, time.February, 29, 12, 0, 0, 0, time.UTC)

var firstPage = page.Request{Size: 20}

// world is a database with accounts at a time of its own.
type world struct {
	*account.Accounts
	now time.Time
}

func open(t *testing.T) *world {
	t.Helper()
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	w := &world{now: leapDay}
	w.Accounts = &account.Accounts{DB: dbtest.New(t), Keys: keys, Now: func() time.Time { return w.now }, PortalFeeBPS: 250}
	return w
}

// signUp opens the merchant with this handle and gives its owner, <shop>@example.com, as a caller.
func (w *world) signUp(t *testing.T, shop string) account.Caller {
	t.Helper()
	signedUp, err := w.SignUp(t.Context(), account.SignUp{
		Name: strings.ToUpper(shop), Shop: &shop, Email: shop + "@example.com", Password: passphrase,
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
