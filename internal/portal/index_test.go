package portal_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db"
)

// Many enough that every table is worth an index, and one merchant's share of it is too.
const manyCustomers = `
	with made as (
		insert into company (merchant_id, name, created_at) select $1, 'company', $5 from generate_series(1, 3000) returning id
	), users as (
		insert into customer (merchant_id, number, email, name, company_id, personal_company_id, created_at)
		select $1, id + 1000000, 'U' || id || '@Example.com', 'user', id, id, $5 from made returning id, company_id
	)
	insert into subscription (merchant_id, product_id, company_id, customer_id, plan_id, price_id, status, quantity, anchor_at,
	                          access_until, created_at, updated_at)
	select $1, $2, company_id, id, $3, $4, 'ACTIVE', 1, $5, $5, $5, $5 from users`

func TestWhatACustomerSeesIsFoundByIndexes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shops := []*shop{w.shop("acorn"), w.shop("birch"), w.shop("cedar")}
	for _, s := range shops {
		w.exec(manyCustomers, s.owner.MerchantID, s.product.ID, s.plan.ID, s.plan.Prices[0].ID, newYear)
	}
	w.exec(`analyze customer`)
	w.exec(`analyze company`)
	w.exec(`analyze subscription`)
	merchants, customers := []int64{shops[0].owner.MerchantID, shops[1].owner.MerchantID}, []int64{7, 3007}

	for name, ask := range map[string]func(db.DBTX) error{
		"subscriptions": func(tx db.DBTX) error {
			_, err := w.db.SubscriptionsInSight(t.Context(), tx, db.SubscriptionsInSightParams{
				MerchantIds: merchants, CustomerIds: customers, Before: 1 << 60, Lim: 21,
			})
			return err
		},
		"one subscription": func(tx db.DBTX) error {
			_, err := w.db.SubscriptionsInSight(t.Context(), tx, db.SubscriptionsInSightParams{
				MerchantIds: merchants, CustomerIds: customers, Before: 1 << 60, Ids: []int64{7}, Lim: 2,
			})
			return err
		},
		"companies": func(tx db.DBTX) error {
			_, err := w.db.CompaniesInSight(t.Context(), tx, db.CompaniesInSightParams{
				MerchantIds: merchants, CustomerIds: customers, Ids: []int64{7},
			})
			return err
		},
		"customers of a person": func(tx db.DBTX) error {
			_, err := w.db.CustomersOfPerson(t.Context(), tx, db.CustomersOfPersonParams{PersonKey: "u7@example.com"})
			return err
		},
	} {
		var asked statement
		require.ErrorIs(t, ask(&asked), errNotRun)
		scope := w.db.Tenant(merchants...)
		if name == "customers of a person" {
			scope = w.db.System()
		}
		rows, err := scope.Query(t.Context(), "explain "+asked.sql, asked.args...)
		require.NoError(t, err)
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		for _, table := range []string{"customer", "company", "subscription"} {
			require.NotContains(t, strings.Join(plan, "\n"), "Seq Scan on "+table, "%s", name)
		}
	}
}

// statement takes down a statement of sqlc's instead of running it.
type statement struct {
	db.DBTX
	sql  string
	args []any
}

var errNotRun = errors.New("not run")

func (s *statement) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	s.sql, s.args = sql, args
	return nil, errNotRun
}
