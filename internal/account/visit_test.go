package account_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/webhook"
)

func TestAVisitFindsOrCreatesTheCustomer(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	created, err := w.CustomerVisit(t.Context(), acme, account.Visit{Email: " Ada@Example.com ", UserMeta: json.RawMessage(`{"a": 1}`)})
	require.NoError(t, err)
	require.Equal(t, "Ada@Example.com", created.Email)
	require.Equal(t, "Ada", created.Name)
	require.JSONEq(t, `{"a": 1}`, string(created.UserMeta))
	require.NotZero(t, created.PersonalCompanyID)

	for name, c := range map[string]struct{ given, want string }{
		"nothing leaves the metadata":     {``, `{"a": 1}`},
		"null leaves the metadata":        {`null`, `{"a": 1}`},
		"an object takes its place":       {`{"b": [2]}`, `{"b": [2]}`},
		"an empty object takes its place": {`{}`, `{}`},
	} {
		_, err := w.CustomerVisit(t.Context(), acme, account.Visit{Email: "ada@example.com", UserMeta: json.RawMessage(`{"a": 1}`)})
		require.NoError(t, err)
		found, err := w.CustomerVisit(t.Context(), acme, account.Visit{Email: "ada@example.com", UserMeta: json.RawMessage(c.given)})
		require.NoError(t, err, name)
		require.Equal(t, created.ID, found.ID, name)
		require.JSONEq(t, c.want, string(found.UserMeta), name)
	}
	elsewhere, err := w.CustomerVisit(t.Context(), bobs, account.Visit{Email: "ada@example.com"})
	require.NoError(t, err)
	require.NotEqual(t, created.ID, elsewhere.ID)

	long, err := w.CustomerVisit(t.Context(), acme, account.Visit{Email: strings.Repeat("a", 64) + "@example.com"})
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("a", 64), long.Name)
	for field, in := range map[string]account.Visit{
		"email":    {Email: "ada"},
		"userMeta": {Email: "ada@example.com", UserMeta: json.RawMessage(`"\ud800"`)},
	} {
		_, err := w.CustomerVisit(t.Context(), acme, in)
		requireFault(t, err, fault.CodeInvalid, field)
		requireFault(t, in.Check(), fault.CodeInvalid, field)
	}
	requireFault(t, account.Visit{}.Check(), fault.CodeRequired, "email")
}

func TestVisitsAtTheSameTimeMakeOneCustomer(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	const many = 20
	ids := make([]int64, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			customer, err := w.CustomerVisit(t.Context(), acme, account.Visit{Email: "ada@example.com"})
			if err == nil {
				ids[i] = customer.ID
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	require.NotZero(t, ids[0])
	customers, err := w.Customers(t.Context(), acme, nil, page.Request{Size: 10})
	require.NoError(t, err)
	require.Len(t, customers, 1)
}

func TestANewCustomerIsToldOfOnceHoweverItCameAbout(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	made, err := w.CustomerCreate(t.Context(), acme, account.CustomerCreate{
		Email: "ada@example.com", Name: "Ada", Role: "baker", Number: to(int64(12345)), UserMeta: json.RawMessage(`{"a": "<1>"}`),
	})
	require.NoError(t, err)
	_, err = w.CustomerCreate(t.Context(), acme, account.CustomerCreate{Email: "ADA@example.com", Name: "Ada"})
	requireFault(t, err, fault.CodeTaken, "email")
	for range 2 {
		_, err = w.CustomerVisit(t.Context(), acme, account.Visit{Email: "bob@example.com"})
		require.NoError(t, err)
	}
	var events []webhook.StoredEvent
	require.Eventually(t, func() bool { // they are listed when no older transaction is open, of another test
		events, err = w.Webhooks.Events(t.Context(), acme.MerchantID, 0, 0, 10)
		return err == nil && len(events) == 2
	}, time.Minute, 10*time.Millisecond)
	require.Equal(t, []int64{1, 2}, []int64{events[0].Sequence, events[1].Sequence})
	require.JSONEq(t, fmt.Sprintf(`{"event": "customer.created", "id": "evt_%d", "sequence": 1, "createdAt": "2028-02-29T12:00:00.000Z", "data": {
		"customerId": 12345, "companyId": %d, "email": "ada@example.com", "name": "Ada", "role": "baker", "userMeta": {"a": "<1>"}}}`,
		events[0].ID, made.CompanyID), string(events[0].Body))
}

func TestAnAddressThatPassesForAnotherVisitsNobody(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	w.customer(t, acme, "kim@example.com")
	for _, email := range []string{"\u212aim@example.com", "k\u0130m@example.com"} { // the Kelvin sign and the dotted I: k and i in lower case
		_, err := w.CustomerVisit(t.Context(), acme, account.Visit{Email: email})
		requireFault(t, err, fault.CodeInvalid, "email")
	}
	require.Equal(t, 1, w.rows(t, "customer"))
}
