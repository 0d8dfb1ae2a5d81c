package db_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
)

// planOf is how the scope would go about a statement.
func planOf(t *testing.T, s db.Scope, sql string, args ...any) string {
	t.Helper()
	rows, err := s.Query(t.Context(), "explain "+sql, args...)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}

const twoCompanies = `select a.name from company a join company b on b.merchant_id = a.merchant_id and b.id = a.id where a.merchant_id = 1 and a.id = any($1)`

// A plan that is made of a table while it is small is kept when it has grown.
func TestAScopeByIndexReachesTheRowsOfASmallTableOneByOne(t *testing.T) {
	t.Parallel()
	d := oneConnection(t)
	_, err := d.Pool().Exec(t.Context(), `analyze company`)
	require.NoError(t, err)
	ids := []int64{1, 2, 3}
	require.Contains(t, planOf(t, d.Tenant(1), twoCompanies, ids), "Seq Scan on company")
	plan := planOf(t, d.Tenant(1).ByIndex(), twoCompanies, ids)
	require.Equal(t, 2, strings.Count(plan, "using company_pkey on company"), plan)
	for _, other := range []string{"Seq Scan", "Bitmap", "Hash Join", "Merge Join"} {
		require.NotContains(t, plan, other)
	}
	require.Contains(t, planOf(t, d.Tenant(1), twoCompanies, ids), "Seq Scan on company", "the settings end with their statement")
}

func TestAScopeByIndexIsOfTheSameMerchants(t *testing.T) {
	t.Parallel()
	d := oneConnection(t)
	require.Equal(t, []string{"One"}, names(t, d.Tenant(1).ByIndex()))
	require.Equal(t, []string{"One", "Two"}, names(t, d.Tenant(1, 2).ByIndex()))
	var name string
	require.ErrorIs(t, d.Tenant(1).ByIndex().QueryRow(t.Context(), `select name from company where merchant_id = 2`).Scan(&name), pgx.ErrNoRows)
	tag, err := d.Tenant(1).ByIndex().Exec(t.Context(), `update company set name = name`)
	require.NoError(t, err)
	require.Equal(t, int64(1), tag.RowsAffected())
	plain := d.Tenant(1)
	require.NotEqual(t, plain, plain.ByIndex(), "a scope is not changed by asking it for one by index")
}

// The table is empty, which says nothing about the next moment.
func TestDueDeliveriesAreFoundInTheOrderOfTheirIndex(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	ask := func(call func(q *question) error) string {
		var q question
		require.ErrorIs(t, call(&q), errCaught)
		return planOf(t, d.Tenant(1).ByIndex(), q.sql, q.args...)
	}
	due := ask(func(q *question) error {
		_, err := d.DueDeliveries(t.Context(), q, db.DueDeliveriesParams{
			MerchantIds: []int64{1}, EndpointIds: []int64{1}, Owners: []int64{1}, Slots: []int32{10}, Sending: []string{"{}"},
			Views: []int32{100, 50, 25}, HoldSeconds: 600, Now: time.Now(),
		})
		return err
	})
	requireIndexScan(t, due, "webhook_delivery_due", "(next_attempt_at > '-infinity'")
	_, due, _ = strings.Cut(due, "CTE served")
	requireIndexScan(t, due, "webhook_delivery_due", "(priority = (p.p - 1)) AND (next_attempt_at <=")
	requireIndexScan(t, due, "webhook_delivery_lane", "(replayed = d.replayed) AND (id < d.id)")
	limited, _, _ := strings.Cut(due, "Index Scan using webhook_delivery_due")
	_, limited, _ = strings.Cut(limited[strings.LastIndex(limited, "Limit"):], "\n")
	require.NotContains(t, limited, "Sort", "as many as are judged are read, however many are due")

	wake := ask(func(q *question) error {
		_, err := d.EndpointsToWake(t.Context(), q, db.EndpointsToWakeParams{Now: time.Now(), Most: 1000})
		return err
	})
	oldest := wake[strings.LastIndex(wake, "Limit"):]
	requireIndexScan(t, oldest, "webhook_delivery_due", "(priority = p.p) AND (next_attempt_at <=")
	require.NotContains(t, oldest, "Sort")
}
