package dbtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
)

func TestDatabasesOfTwoTestsKnowNothingOfEachOther(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"one", "other"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t).Pool()
			_, err := pool.Exec(t.Context(), `create table mine as select $1::text as name`, name)
			require.NoError(t, err)
			var found string
			require.NoError(t, pool.QueryRow(t.Context(), `select name from mine`).Scan(&found))
			require.Equal(t, name, found)
		})
	}
}

func TestATestIsMigratedAndConnectsAsAPlainRoleThatOwnsItsDatabase(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t).Pool()
	var privileged, owner, migrated bool
	require.NoError(t, pool.QueryRow(t.Context(), `select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb, datdba = pg_roles.oid,
			to_regclass('river_job') is not null and to_regclass('merchant') is not null
		from pg_roles, pg_database where rolname = current_user and datname = current_database()`).
		Scan(&privileged, &owner, &migrated))
	require.False(t, privileged)
	require.True(t, owner)
	require.True(t, migrated)
}

func TestADatabaseIsGoneAfterItsTestEvenIfSomebodyStaysConnected(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("test", func(t *testing.T) {
		url = dbtest.URL(t)
		_, err := pgx.Connect(t.Context(), url)
		require.NoError(t, err)
	})
	_, err := pgx.Connect(t.Context(), url)
	require.ErrorContains(t, err, "does not exist")
}

func TestAnEmptyDatabaseHasNoTables(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), dbtest.Empty(t))
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	var tables int
	require.NoError(t, conn.QueryRow(t.Context(), `select count(*) from pg_tables where schemaname = 'public'`).Scan(&tables))
	require.Zero(t, tables)
}
