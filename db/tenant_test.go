package db_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
)

var newYear = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// twoMerchants gives a database of two merchants, each with a company of its name.
func twoMerchants(t *testing.T) *db.DB {
	t.Helper()
	d := dbtest.New(t)
	fill(t, d)
	return d
}

func fill(t *testing.T, d *db.DB) {
	t.Helper()
	_, err := d.System().Exec(t.Context(), `insert into merchant (id, shop, name, email, portal_fee_bps, created_at)
		values (1, 'one', 'One', 'one@example.com', 250, $1), (2, 'two', 'Two', 'two@example.com', 250, $1)`, newYear)
	require.NoError(t, err)
	_, err = d.System().Exec(t.Context(), `insert into company (merchant_id, name, created_at) values (1, 'One', $1), (2, 'Two', $1)`, newYear)
	require.NoError(t, err)
}

// oneConnection gives a database whose pool has a single connection, so that a connection that is not given back, or a setting
// that stays on it, is noticed by the next statement.
func oneConnection(t *testing.T) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), with(dbtest.URL(t), "pool_max_conns=1"))
	require.NoError(t, err)
	t.Cleanup(d.Close)
	fill(t, d)
	return d
}

// with adds a setting to the address of a database.
func with(url, setting string) string {
	if strings.Contains(url, "?") {
		return url + "&" + setting
	}
	return url + "?" + setting
}

const companyNames = `select name from company order by name`

func names(t *testing.T, tx db.DBTX) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	rows, err := tx.Query(ctx, companyNames)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return found
}

// queryError is what a query that gives rows ends in.
func queryError(ctx context.Context, tx db.DBTX, sql string) error {
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return err
	}
	rows.Close()
	return rows.Err()
}

// codeOf is the SQLSTATE of an error of Postgres.
func codeOf(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

func requireCode(t *testing.T, err error, code string) {
	t.Helper()
	var refused *pgconn.PgError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, code, refused.Code, refused.Message)
}

// The SQLSTATEs that the rules below end in.
const (
	undefinedSetting    = "42704"
	malformedSetting    = "22P02"
	policyViolation     = "42501"
	foreignKeyViolation = "23503"
	divisionByZero      = "22012"
	invalidText         = "22021"
	stopping            = "57P01"
)

func TestAScopeSeesTheRowsOfItsMerchantsOnly(t *testing.T) {
	t.Parallel()
	d := twoMerchants(t)
	for _, c := range []struct {
		name  string
		scope db.Scope
		want  []string
	}{
		{"one merchant", d.Tenant(1), []string{"One"}},
		{"the other merchant", d.Tenant(2), []string{"Two"}},
		{"both merchants", d.Tenant(1, 2), []string{"One", "Two"}},
		{"no merchant", d.Tenant(), []string{}},
		{"an unknown merchant", d.Tenant(3), []string{}},
		{"the system", d.System(), []string{"One", "Two"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, names(t, c.scope), "a single statement")
			err := c.scope.Tx(t.Context(), func(tx pgx.Tx) error {
				require.Equal(t, c.want, names(t, tx), "a transaction")
				return nil
			})
			require.NoError(t, err)

			var count int
			require.NoError(t, c.scope.QueryRow(t.Context(), `select count(*) from company`).Scan(&count))
			require.Len(t, c.want, count, "a single row")
			tag, err := c.scope.Exec(t.Context(), `update company set name = name`)
			require.NoError(t, err)
			require.EqualValues(t, len(c.want), tag.RowsAffected(), "an update")
		})
	}
}

func TestTheMerchantsTableIsGuardedByItsOwnID(t *testing.T) {
	t.Parallel()
	d := twoMerchants(t)
	_, err := d.Merchant(t.Context(), d.Tenant(1), 1)
	require.NoError(t, err)
	_, err = d.Merchant(t.Context(), d.Tenant(1), 2)
	require.True(t, db.IsNoRows(err))
}

func TestAStatementWithoutAScopeIsAnError(t *testing.T) {
	t.Parallel()
	d := oneConnection(t)
	fresh := func() error {
		d.Pool().Reset()
		var name string
		return d.Pool().QueryRow(t.Context(), companyNames).Scan(&name)
	}
	requireCode(t, fresh(), undefinedSetting)

	// A setting that has been made once is empty afterwards, and no longer undefined.
	require.Equal(t, []string{"One"}, names(t, d.Tenant(1)))
	_, err := d.Pool().Exec(t.Context(), companyNames)
	requireCode(t, err, malformedSetting)
	_, err = d.Pool().Exec(t.Context(), `update company set name = name`)
	requireCode(t, err, malformedSetting)
	_, err = d.Pool().Exec(t.Context(), `insert into company (merchant_id, name, created_at) values (1, 'More', now())`)
	requireCode(t, err, malformedSetting)
}

func TestTheSettingDoesNotReachTheNextStatementOfTheConnection(t *testing.T) {
	t.Parallel()
	d := oneConnection(t)
	setting := func() string {
		var value string
		err := d.Pool().QueryRow(t.Context(), `select coalesce(current_setting('portico.tenant', true), '')`).Scan(&value)
		require.NoError(t, err)
		return value
	}
	scope := d.System()
	for name, use := range map[string]func(){
		"Query":    func() { names(t, scope) },
		"QueryRow": func() { _ = scope.QueryRow(t.Context(), companyNames).Scan(new(string)) },
		"Exec":     func() { _, _ = scope.Exec(t.Context(), companyNames) },
		"a failed statement": func() {
			_, err := scope.Exec(t.Context(), `select 1/0`)
			requireCode(t, err, divisionByZero)
		},
		"a transaction": func() { require.NoError(t, scope.Tx(t.Context(), func(pgx.Tx) error { return nil })) },
		"a transaction that is rolled back": func() {
			require.Error(t, scope.Tx(t.Context(), func(pgx.Tx) error { return errors.New("no") }))
		},
	} {
		use()
		require.Empty(t, setting(), "after %s", name)
	}
	require.Equal(t, []string{"Two"}, names(t, d.Tenant(2)))
	require.Equal(t, []string{"One"}, names(t, d.Tenant(1)), "one tenant's statement behind another's")
}

func TestARowOfAnotherTenantCannotBeWritten(t *testing.T) {
	t.Parallel()
	d := twoMerchants(t)
	const insert = `insert into company (merchant_id, name, created_at) values ($1, 'Intruder', $2) returning id`
	scope := d.Tenant(1)

	_, err := scope.Exec(t.Context(), insert, 2, newYear)
	requireCode(t, err, policyViolation)
	requireCode(t, scope.QueryRow(t.Context(), insert, 2, newYear).Scan(new(int64)), policyViolation)
	err = scope.Tx(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), insert, 2, newYear)
		return err
	})
	requireCode(t, err, policyViolation)
	_, err = scope.Exec(t.Context(), `update company set merchant_id = 2`)
	requireCode(t, err, policyViolation)
	_, err = d.Tenant().Exec(t.Context(), insert, 1, newYear)
	requireCode(t, err, policyViolation)

	tag, err := scope.Exec(t.Context(), `delete from company where merchant_id = 2`)
	require.NoError(t, err)
	require.Zero(t, tag.RowsAffected())
	require.Equal(t, []string{"One", "Two"}, names(t, d.System()))

	_, err = scope.Exec(t.Context(), insert, 1, newYear)
	require.NoError(t, err)
	_, err = d.System().Exec(t.Context(), insert, 2, newYear)
	require.NoError(t, err)
}

func TestATransactionIsCommittedOrLeavesNothing(t *testing.T) {
	t.Parallel()
	d := oneConnection(t)
	insert := func(tx pgx.Tx, name string) {
		_, err := tx.Exec(t.Context(), `insert into company (merchant_id, name, created_at) values (1, $1, $2)`, name, newYear)
		require.NoError(t, err)
	}
	require.NoError(t, d.Tenant(1).Tx(t.Context(), func(tx pgx.Tx) error { insert(tx, "Kept"); return nil }))
	refused := errors.New("refused")
	require.ErrorIs(t, d.Tenant(1).Tx(t.Context(), func(tx pgx.Tx) error { insert(tx, "Lost"); return refused }), refused)
	require.Panics(t, func() { _ = d.Tenant(1).Tx(t.Context(), func(tx pgx.Tx) error { insert(tx, "Lost"); panic("no") }) })
	require.Equal(t, []string{"Kept", "One"}, names(t, d.Tenant(1)))
}

func TestAnErrorThatOnlyTheCommitShowsIsTheStatements(t *testing.T) {
	t.Parallel()
	d := oneConnection(t)
	_, err := d.Pool().Exec(t.Context(), `create table child (parent bigint references merchant deferrable initially deferred)`)
	require.NoError(t, err)
	const insert = `insert into child values (99) returning parent`
	scope := d.Tenant(1)

	_, err = scope.Exec(t.Context(), insert)
	requireCode(t, err, foreignKeyViolation)
	requireCode(t, scope.QueryRow(t.Context(), insert).Scan(new(int64)), foreignKeyViolation)
	rows, err := scope.Query(t.Context(), insert)
	require.NoError(t, err)
	_, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	requireCode(t, err, foreignKeyViolation)
	requireCode(t, scope.Tx(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), insert)
		return err
	}), foreignKeyViolation)

	var count int
	require.NoError(t, scope.QueryRow(t.Context(), `select count(*) from child`).Scan(&count))
	require.Zero(t, count)
}

func TestTheConnectionComesBackHoweverAStatementEnds(t *testing.T) {
	t.Parallel()
	d := oneConnection(t)
	scope := d.System()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		use  func()
	}{
		{"rows closed before they are read", func() {
			rows, err := scope.Query(t.Context(), companyNames)
			require.NoError(t, err)
			rows.Close()
			require.False(t, rows.Next(), "closed rows have no next")
			require.NoError(t, rows.Err())
		}},
		{"rows closed after the first", func() {
			rows, err := scope.Query(t.Context(), companyNames)
			require.NoError(t, err)
			require.True(t, rows.Next())
			rows.Close()
			rows.Close()
			require.NoError(t, rows.Err())
		}},
		{"rows read to their end and not closed", func() {
			rows, err := scope.Query(t.Context(), companyNames)
			require.NoError(t, err)
			for rows.Next() {
			}
			require.NoError(t, rows.Err())
		}},
		{"an error while the rows are read", func() {
			rows, err := scope.Query(t.Context(), `select 1 / (2 - i) from generate_series(1, 3) i`)
			require.NoError(t, err)
			for rows.Next() {
			}
			requireCode(t, rows.Err(), divisionByZero)
		}},
		{"a query that is no SQL", func() {
			require.Error(t, queryError(t.Context(), scope, `selec`))
		}},
		{"a row that cannot be scanned", func() {
			require.Error(t, scope.QueryRow(t.Context(), companyNames).Scan(new(int)))
		}},
		{"no row", func() {
			err := scope.QueryRow(t.Context(), `select name from company where false`).Scan(new(string))
			require.True(t, db.IsNoRows(err))
		}},
		{"a statement that fails", func() {
			_, err := scope.Exec(t.Context(), `select 1/0`)
			requireCode(t, err, divisionByZero)
		}},
		{"arguments that do not fit", func() {
			_, err := scope.Exec(t.Context(), companyNames, 1)
			require.Error(t, err)
		}},
		{"a context that is over", func() {
			require.ErrorIs(t, queryError(canceled, scope, companyNames), context.Canceled)
			require.ErrorIs(t, scope.QueryRow(canceled, companyNames).Scan(new(string)), context.Canceled)
			_, err := scope.Exec(canceled, companyNames)
			require.ErrorIs(t, err, context.Canceled)
		}},
		{"a context that ends while the statement runs", func() {
			short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := scope.Exec(short, `select pg_sleep(30)`)
			require.Error(t, err)
		}},
	} {
		c.use()
		require.Equal(t, []string{"One", "Two"}, names(t, scope), "after %s", c.name)
		require.Zero(t, d.Pool().Stat().AcquiredConns(), "after %s", c.name)
	}
}
