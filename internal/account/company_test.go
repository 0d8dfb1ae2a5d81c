package account_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
)

func TestACompanyHasAName(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	company := w.company(t, acme, " Analytical Engines ")
	require.Equal(t, account.Company{ID: company.ID, Name: "Analytical Engines", CreatedAt: company.CreatedAt}, company)
	require.True(t, leapDay.Equal(company.CreatedAt))

	_, err := w.CompanyCreate(t.Context(), acme, account.CompanyCreate{Name: "\t"})
	requireFault(t, err, fault.CodeRequired, "name")
	_, err = w.CompanyCreate(t.Context(), acme, account.CompanyCreate{Name: strings.Repeat("a", 201)})
	requireFault(t, err, fault.CodeInvalid, "name")
}

func TestPersonalCompaniesAreListedOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	w.company(t, bobs, "Bob's")
	one := w.company(t, acme, "One")
	ada := w.customer(t, acme, "ada@example.com")
	two := w.company(t, acme, "Two")
	three := w.company(t, acme, "Three")
	list := func(personal bool, request page.Request) []int64 {
		companies, err := w.Companies(t.Context(), acme, personal, request)
		require.NoError(t, err)
		var ids []int64
		for _, company := range companies {
			require.Equal(t, company.ID == ada.CompanyID, company.Personal)
			ids = append(ids, company.ID)
		}
		return ids
	}
	require.Equal(t, []int64{three.ID, two.ID, one.ID}, list(false, firstPage))
	require.Equal(t, []int64{three.ID, two.ID, ada.CompanyID, one.ID}, list(true, firstPage))
	require.Equal(t, []int64{three.ID, two.ID}, list(false, page.Request{Size: 1}))
	require.Equal(t, []int64{one.ID}, list(false, page.Request{Size: 1, After: two.ID}))
}

func TestManyCompaniesAreFoundAtOnce(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	one, two, foreign := w.company(t, acme, "One"), w.company(t, acme, "Two"), w.company(t, bobs, "Bob's")
	found, err := w.CompaniesByID(t.Context(), acme, []int64{two.ID, one.ID, two.ID, foreign.ID, 999})
	require.NoError(t, err)
	require.Equal(t, map[int64]account.Company{one.ID: one, two.ID: two}, found)
}

// holder asks in a transaction of its own.
func (w *world) holder(t *testing.T, caller account.Caller, customerID int64, personal *bool) (int64, error) {
	t.Helper()
	var company int64
	err := w.DB.Tenant(caller.MerchantID).Tx(t.Context(), func(tx pgx.Tx) error {
		var err error
		company, err = w.Holder(t.Context(), tx, caller.MerchantID, customerID, personal)
		return err
	})
	return company, err
}

func TestTheCompanyHoldsUnlessTheCustomerBuysPersonally(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	engines := w.company(t, acme, "Analytical Engines")
	employee, err := w.CustomerCreate(t.Context(), acme, account.CustomerCreate{Email: "ada@example.com", Name: "Ada", CompanyID: &engines.ID})
	require.NoError(t, err)
	person := w.customer(t, acme, "bob@example.com")

	for name, c := range map[string]struct {
		customer account.Customer
		personal *bool
		want     int64
	}{
		"an employee":             {employee, nil, engines.ID},
		"an employee, company":    {employee, to(false), engines.ID},
		"a person":                {person, nil, person.CompanyID},
		"a person, personally":    {person, to(true), person.CompanyID},
		"a person, for a company": {person, to(false), person.CompanyID},
	} {
		got, err := w.holder(t, acme, c.customer.ID, c.personal)
		require.NoError(t, err)
		require.Equal(t, c.want, got, name)
	}
	require.Equal(t, 2, w.rows(t, "company"), "nothing was made")

	_, err = w.holder(t, bobs, employee.ID, to(true))
	requireFault(t, err, fault.CodeNotFound, "customer")
	_, err = w.holder(t, acme, 999, nil)
	requireFault(t, err, fault.CodeNotFound, "customer")
}

func TestAPersonalCompanyIsMadeOnceWhenItIsFirstNeeded(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	engines := w.company(t, acme, "Analytical Engines")
	ada, err := w.CustomerCreate(t.Context(), acme, account.CustomerCreate{Email: "ada@example.com", Name: "Ada", CompanyID: &engines.ID})
	require.NoError(t, err)
	require.Nil(t, ada.PersonalCompanyID)

	var first, second int64
	var secondErr error
	var done sync.WaitGroup
	err = w.DB.Tenant(acme.MerchantID).Tx(t.Context(), func(tx pgx.Tx) error {
		var err error
		first, err = w.Holder(t.Context(), tx, acme.MerchantID, ada.ID, to(true))
		done.Go(func() { second, secondErr = w.holder(t, acme, ada.ID, to(true)) })
		require.Eventually(t, func() bool {
			return scan[bool](t, w.DB, `select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')`)
		}, 10*time.Second, 5*time.Millisecond, "the second waits for the first")
		return err
	})
	require.NoError(t, err)
	done.Wait()
	require.NoError(t, secondErr)
	require.Equal(t, first, second)
	require.Equal(t, 2, w.rows(t, "company"))
	after, err := w.Customer(t.Context(), acme, account.CustomerRef{ID: &ada.ID})
	require.NoError(t, err)
	require.Equal(t, first, *after.PersonalCompanyID)
	require.Equal(t, engines.ID, after.CompanyID)
	found, err := w.CompaniesByID(t.Context(), acme, []int64{first})
	require.NoError(t, err)
	require.True(t, found[first].Personal)
	require.Equal(t, "Ada", found[first].Name)
}
