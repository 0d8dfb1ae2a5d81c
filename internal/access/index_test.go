package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db"
)

// The sizes are such that every table is worth an index, and one merchant's share of it is too.
const manyCustomers = `
	with made as (
		insert into company (merchant_id, name, created_at) select $1, 'company', $5 from generate_series(1, 3000) returning id
	), users as (
		insert into customer (merchant_id, number, email, name, company_id, personal_company_id, created_at)
		select $1, id, 'U' || id || '@Example.com', 'user', id, id, $5 from made returning id, company_id
	)
	insert into subscription (merchant_id, product_id, company_id, customer_id, plan_id, price_id, status, quantity, anchor_at,
	                          access_until, created_at, updated_at)
	select $1, $2, company_id, id, $3, $4, 'ACTIVE', 1, $5, $5, $5, $5 from users`

func TestAccessIsDecidedByIndexesBehindRowLevelSecurity(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	var s *shop
	for _, handle := range []string{"acme", "globex", "initech"} {
		s = newShop(t, a, handle)
		s.exec(manyCustomers, s.caller.MerchantID, s.product, s.plan, s.price, piDay)
	}
	var id, number int64
	require.NoError(t, a.DB.System().QueryRow(t.Context(),
		`select max(id), max(number) from customer where merchant_id = $1`, s.caller.MerchantID).Scan(&id, &number))
	email := fmt.Sprintf("u%d@example.com", number)
	for _, table := range []string{"merchant", "company", "customer", "product", "plan", "subscription", "test_clock"} {
		s.exec("analyze " + table)
	}

	for _, test := range []struct {
		sentence string
		params   db.AccessOfParams
		index    string
	}{
		{"by id", db.AccessOfParams{CustomerID: &id}, "customer_pkey"},
		{"by number", db.AccessOfParams{CustomerNumber: &number}, "customer_number_key"},
		{"by address", db.AccessOfParams{CustomerEmail: &email}, "customer_email_key"},
	} {
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			t.Run(test.sentence+" with "+mode, func(t *testing.T) {
				test.params.MerchantID, test.params.Now, test.params.ProductIdentifier = s.caller.MerchantID, piDay, payroll.Identifier
				row, err := a.DB.AccessOf(t.Context(), a.DB.Tenant(s.caller.MerchantID), test.params)
				require.NoError(t, err)
				require.Equal(t, number, *row.CustomerNumber)
				require.NotNil(t, row.SubscriptionID)

				test.params.WithUsage = true
				one := s.scans(t, mode, func(statement db.DBTX) error {
					_, err := a.DB.AccessOf(t.Context(), statement, test.params)
					return err
				})
				every := s.scans(t, mode, func(statement db.DBTX) error {
					_, err := a.DB.AccessAll(t.Context(), statement, db.AccessAllParams{
						MerchantID: test.params.MerchantID, CustomerID: test.params.CustomerID, CustomerNumber: test.params.CustomerNumber,
						CustomerEmail: test.params.CustomerEmail, Now: piDay, WithUsage: true, Before: 1 << 62, Lim: 21,
					})
					return err
				})
				for _, scans := range [][]string{one, every} {
					require.Contains(t, scans, test.index)
					require.Contains(t, scans, "subscription_company")
					for _, table := range []string{"customer", "subscription", "company"} {
						require.NotContains(t, scans, "Seq Scan on "+table)
					}
					require.NotRegexp(t, "usage|seat", strings.Join(scans, " "), "what most questions do not need is not in their plan")
				}
			})
		}
	}
}

// scans is the indexes that the plan of a statement uses, and the tables that it reads from end to end.
func (s *shop) scans(t *testing.T, mode string, ask func(db.DBTX) error) []string {
	t.Helper()
	var statement statementOf
	require.ErrorIs(t, ask(&statement), errNotRun)

	var plans []struct{ Plan planNode }
	require.NoError(t, s.a.DB.Tenant(s.caller.MerchantID).Tx(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "set local plan_cache_mode = "+mode)
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "prepare access_of as "+statement.sql)
		require.NoError(t, err)
		literals := make([]string, len(statement.args))
		for i, arg := range statement.args {
			literals[i] = literal(t, arg)
		}
		var text []byte
		err = tx.QueryRow(t.Context(), "explain (format json) execute access_of("+strings.Join(literals, ", ")+")",
			pgx.QueryExecModeSimpleProtocol).Scan(&text)
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "deallocate access_of")
		require.NoError(t, err)
		return json.Unmarshal(text, &plans)
	}))
	var scans []string
	plans[0].Plan.collect(&scans)
	slices.Sort(scans)
	return scans
}

type planNode struct {
	NodeType     string `json:"Node Type"`
	RelationName string `json:"Relation Name"`
	IndexName    string `json:"Index Name"`
	Plans        []planNode
}

func (n planNode) collect(scans *[]string) {
	if n.IndexName != "" {
		*scans = append(*scans, n.IndexName)
	}
	if n.NodeType == "Seq Scan" {
		*scans = append(*scans, "Seq Scan on "+n.RelationName)
	}
	for _, child := range n.Plans {
		child.collect(scans)
	}
}

func literal(t *testing.T, arg any) string {
	t.Helper()
	text, err := json.Marshal(arg)
	require.NoError(t, err)
	if text[0] == '"' {
		unquoted, err := strconv.Unquote(string(text))
		require.NoError(t, err)
		return "'" + unquoted + "'"
	}
	return string(text)
}

// statementOf takes down a statement of sqlc's instead of running it.
type statementOf struct {
	db.DBTX
	sql  string
	args []any
}

var errNotRun = errors.New("not run")

func (s *statementOf) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	s.sql, s.args = sql, args
	return notRun{}
}

func (s *statementOf) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	s.sql, s.args = sql, args
	return nil, errNotRun
}

type notRun struct{}

func (notRun) Scan(...any) error { return errNotRun }
