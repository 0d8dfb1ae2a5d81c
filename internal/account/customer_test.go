package account_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
)

func TestACustomerGetsAPersonalCompanyARoleAndANumber(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	customer, err := w.CustomerCreate(t.Context(), acme, account.CustomerCreate{Email: " Ada@Example.com ", Name: " Ada Lovelace "})
	require.NoError(t, err)
	require.Equal(t, account.Customer{
		ID: customer.ID, MerchantID: acme.MerchantID, Number: customer.ID, Email: "Ada@Example.com", Name: "Ada Lovelace", Role: "user", UserMeta: json.RawMessage(`{}`),
		CompanyID: customer.CompanyID, PersonalCompanyID: &customer.CompanyID, CreatedAt: customer.CreatedAt,
	}, customer)
	require.True(t, leapDay.Equal(customer.CreatedAt))

	companies, err := w.CompaniesByID(t.Context(), acme, []int64{customer.CompanyID})
	require.NoError(t, err)
	company := companies[customer.CompanyID]
	require.Equal(t, account.Company{ID: customer.CompanyID, Name: "Ada Lovelace", Personal: true, CreatedAt: company.CreatedAt}, company)
}

func TestACustomerKeepsWhatTheMerchantGives(t *testing.T) {
	t.Parallel()
	w := open(t)
	sandbox := w.sandbox(t, w.signUp(t, "acme"))
	company := w.company(t, sandbox, "Analytical Engines")
	clock := scan[int64](t, w.DB, `insert into test_clock (merchant_id, name, now_at, created_at) values ($1, 'Clock', $2, $2) returning id`,
		sandbox.MerchantID, leapDay)
	const meta = `{"plan": "pro", "10": [1.50, -0, 1e3], "😀": {"a": "\\u0000 <é>"}}`

	customer, err := w.CustomerCreate(t.Context(), sandbox, account.CustomerCreate{
		Email: "ada@example.com", Name: "Ada", Role: " admin ", Number: to(int64(account.MaxNumber)), UserMeta: json.RawMessage(meta),
		CompanyID: &company.ID, TestClockID: &clock,
	})
	require.NoError(t, err)
	require.Equal(t, account.Customer{
		ID: customer.ID, MerchantID: sandbox.MerchantID, Number: account.MaxNumber, Email: "ada@example.com", Name: "Ada", Role: "admin", UserMeta: customer.UserMeta,
		CompanyID: company.ID, TestClockID: &clock, CreatedAt: customer.CreatedAt,
	}, customer)
	require.JSONEq(t, meta, string(customer.UserMeta))

	found, err := w.Customer(t.Context(), sandbox, account.CustomerRef{ID: &customer.ID})
	require.NoError(t, err)
	require.Equal(t, customer, found)
}

func TestACustomerIsRefusedAndNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	sandbox := w.sandbox(t, acme)
	foreign := w.company(t, bobs, "Bob's")
	existing, err := w.CustomerCreate(t.Context(), acme, account.CustomerCreate{Email: "taken@example.com", Name: "Ada", Number: to(int64(42))})
	require.NoError(t, err)
	customers, companies := w.rows(t, "customer"), w.rows(t, "company")
	clock := scan[int64](t, w.DB, `insert into test_clock (merchant_id, name, now_at, created_at) values ($1, 'Clock', $2, $2) returning id`,
		sandbox.MerchantID, leapDay)

	good := account.CustomerCreate{Email: "new@example.com", Name: "Ada"}
	with := func(change func(*account.CustomerCreate)) account.CustomerCreate {
		in := good
		change(&in)
		return in
	}
	for _, c := range []struct {
		name   string
		caller account.Caller
		in     account.CustomerCreate
		code   fault.Code
		field  string
	}{
		{"no e-mail address", acme, with(func(in *account.CustomerCreate) { in.Email = "" }), fault.CodeRequired, "email"},
		{"a malformed e-mail address", acme, with(func(in *account.CustomerCreate) { in.Email = "ada" }), fault.CodeInvalid, "email"},
		{"a taken e-mail address in another case", acme, with(func(in *account.CustomerCreate) { in.Email = "TAKEN@example.com" }), fault.CodeTaken, "email"},
		{"no name", acme, with(func(in *account.CustomerCreate) { in.Name = " " }), fault.CodeRequired, "name"},
		{"a name with a NUL", acme, with(func(in *account.CustomerCreate) { in.Name = "a\x00" }), fault.CodeInvalid, "name"},
		{"a role that is too long", acme, with(func(in *account.CustomerCreate) { in.Role = strings.Repeat("a", 65) }), fault.CodeInvalid, "role"},
		{"a taken number", acme, with(func(in *account.CustomerCreate) { in.Number = to(int64(42)) }), fault.CodeTaken, "number"},
		{"number 0", acme, with(func(in *account.CustomerCreate) { in.Number = to(int64(0)) }), fault.CodeInvalid, "number"},
		{"a negative number", acme, with(func(in *account.CustomerCreate) { in.Number = to(int64(-1)) }), fault.CodeInvalid, "number"},
		{"a number that JavaScript cannot hold", acme, with(func(in *account.CustomerCreate) { in.Number = to(int64(1 << 53)) }), fault.CodeInvalid, "number"},
		{"metadata that is no object", acme, with(func(in *account.CustomerCreate) { in.UserMeta = json.RawMessage(`[]`) }), fault.CodeInvalid, "userMeta"},
		{"metadata with a NUL", acme, with(func(in *account.CustomerCreate) { in.UserMeta = json.RawMessage(`{"a":"\u0000"}`) }), fault.CodeInvalid, "userMeta"},
		{"an unknown company", acme, with(func(in *account.CustomerCreate) { in.CompanyID = to(int64(999)) }), fault.CodeNotFound, "company"},
		{"a company of another merchant", acme, with(func(in *account.CustomerCreate) { in.CompanyID = &foreign.ID }), fault.CodeNotFound, "company"},
		{"somebody's personal company", acme, with(func(in *account.CustomerCreate) { in.CompanyID = &existing.CompanyID }), fault.CodeInvalid, "company"},
		{"a test clock outside a sandbox", acme, with(func(in *account.CustomerCreate) { in.TestClockID = &clock }), fault.CodeInvalid, "testClock"},
		{"an unknown test clock", sandbox, with(func(in *account.CustomerCreate) { in.TestClockID = to(int64(999)) }), fault.CodeNotFound, "testClock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.CustomerCreate(t.Context(), c.caller, c.in)
			requireFault(t, err, c.code, c.field)
			require.Equal(t, customers, w.rows(t, "customer"))
			require.Equal(t, companies, w.rows(t, "company"))
		})
	}

	_, err = w.CustomerCreate(t.Context(), acme, account.CustomerCreate{Role: "a\nb", Number: to(int64(0)), UserMeta: json.RawMessage(`x`)})
	require.Len(t, fault.List(err), 5, "all faults of the input: %v", err)
	_, err = w.CustomerCreate(t.Context(), sandbox, account.CustomerCreate{
		Email: "new@example.com", Name: "Ada", CompanyID: to(int64(999)), TestClockID: to(int64(999)),
	})
	require.Len(t, fault.List(err), 2, "and of its references: %v", err)
	w.customer(t, bobs, "taken@example.com")
}

func TestADefaultNumberStepsAsideForTheMerchantsOwn(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	first := w.customer(t, acme, "first@example.com")
	number := func(email string, number int64) {
		_, err := w.CustomerCreate(t.Context(), acme, account.CustomerCreate{Email: email, Name: "Ada", Number: &number})
		require.NoError(t, err)
	}
	number("a@example.com", first.ID+2)
	second := w.customer(t, acme, "second@example.com")
	require.Equal(t, first.ID+3, second.Number, "the id that was next is another customer's number")
	require.Equal(t, second.ID, second.Number)

	for i := range int64(10) {
		number(string(rune('b'+i))+"@example.com", 1000+i)
	}
	w.exec(t, `select setval(pg_get_serial_sequence('customer', 'id'), 999)`)
	third := w.customer(t, acme, "third@example.com")
	require.Equal(t, int64(1010), third.Number, "above all numbers, as the next ids are all in use")

	w.exec(t, `delete from customer where id = $1`, third.ID)
	w.exec(t, `select setval(pg_get_serial_sequence('customer', 'id'), 999)`)
	number("last@example.com", account.MaxNumber)
	_, err := w.CustomerCreate(t.Context(), acme, account.CustomerCreate{Email: "none@example.com", Name: "Ada"})
	requireFault(t, err, fault.CodeTaken, "number")
}

func TestOfCreationsAtTheSameTimeOneGetsTheEmailAddress(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	const tries = 8
	errs := make([]error, tries)
	var done sync.WaitGroup
	for i := range tries {
		done.Go(func() {
			_, errs[i] = w.CustomerCreate(t.Context(), acme, account.CustomerCreate{Email: "ada@example.com", Name: "Ada"})
		})
	}
	done.Wait()
	succeeded := 0
	for _, err := range errs {
		if err == nil {
			succeeded++
			continue
		}
		requireFault(t, err, fault.CodeTaken, "email")
	}
	require.Equal(t, 1, succeeded)
	require.Equal(t, 1, w.rows(t, "company"))
}

func TestACustomerIsFoundByIDNumberOrEmailAddress(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	ada, err := w.CustomerCreate(t.Context(), acme, account.CustomerCreate{Email: "Ada@Example.com", Name: "Ada", Number: to(int64(7001))})
	require.NoError(t, err)

	for name, ref := range map[string]account.CustomerRef{
		"id": {ID: &ada.ID}, "number": {Number: to(int64(7001))}, "e-mail address": {Email: to(" aDA@example.COM ")},
	} {
		found, err := w.Customer(t.Context(), acme, ref)
		require.NoError(t, err, name)
		require.Equal(t, ada, found, name)
		_, err = w.Customer(t.Context(), bobs, ref)
		requireFault(t, err, fault.CodeNotFound, "customer")
	}
	w.customer(t, acme, "kim@example.com")
	for name, ref := range map[string]account.CustomerRef{
		"the Kelvin sign for a k": {Email: to("\u212aim@example.com")}, "a dotted I for an i": {Email: to("k\u0130m@example.com")},
		"id": {ID: to(int64(0))}, "number": {Number: to(int64(-1))}, "the id as number": {Number: &ada.ID}, "e-mail address": {Email: to("bob@example.com")},
		"no e-mail address": {Email: to("")}, "a NUL": {Email: to("ada\x00@example.com")}, "not UTF-8": {Email: to("\xff")},
		"a pattern": {Email: to("%@example.com")},
	} {
		_, err := w.Customer(t.Context(), acme, ref)
		require.True(t, fault.Is(err, fault.CodeNotFound), name)
	}
	for name, ref := range map[string]account.CustomerRef{
		"nothing": {}, "two": {ID: &ada.ID, Email: &ada.Email}, "all": {ID: &ada.ID, Number: &ada.Number, Email: &ada.Email},
	} {
		_, err := w.Customer(t.Context(), acme, ref)
		require.True(t, fault.Is(err, fault.CodeInvalid), name)
	}
}

func TestCustomersAreListedNewestFirstForTheirMerchant(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	var want []account.Customer
	for _, name := range []string{"a", "b", "c", "d"} {
		want = append(want, w.customer(t, acme, name+"@example.com"))
		w.customer(t, bobs, name+"@example.com")
	}
	slices.Reverse(want)

	got, err := w.Customers(t.Context(), acme, nil, page.Request{Size: 2})
	require.NoError(t, err)
	require.Equal(t, want[:3], got, "a row more than the page tells that there is another")
	got, err = w.Customers(t.Context(), acme, nil, page.Request{Size: 2, After: want[1].ID})
	require.NoError(t, err)
	require.Equal(t, want[2:], got)
	got, err = w.Customers(t.Context(), account.Caller{}, nil, firstPage)
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestManyCustomersAreFoundAtOnce(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	ada, bob, foreign := w.customer(t, acme, "ada@example.com"), w.customer(t, acme, "bob@example.com"), w.customer(t, bobs, "eve@example.com")
	found, err := w.CustomersByID(t.Context(), acme, []int64{bob.ID, ada.ID, bob.ID, foreign.ID, 999})
	require.NoError(t, err)
	require.Equal(t, map[int64]account.Customer{ada.ID: ada, bob.ID: bob}, found)
}
