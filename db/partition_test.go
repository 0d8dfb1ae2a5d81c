package db_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
)

// march is a day long past, which has no partition of its own until a test makes it.
var march = time.Date(2026, time.March, 2, 9, 30, 0, 0, time.UTC)

// makePartition has the partition of the day made, and tells whether it was.
func makePartition(ctx context.Context, scope db.Scope, parent string, day time.Time) (made bool, err error) {
	err = scope.QueryRow(ctx, `select make_partition($1, $2::timestamptz::date)`, parent, day).Scan(&made)
	return made, err
}

func addEvent(t *testing.T, d *db.DB, at time.Time) {
	t.Helper()
	_, err := d.System().Exec(t.Context(), `insert into event (merchant_id, type, sequence, body, occurred_at, created_at)
		values (1, 'product.approved', 1, '', $1, $1)`, at)
	require.NoError(t, err)
}

// where tells in which tables the events are.
func where(t *testing.T, d *db.DB) string {
	t.Helper()
	var tables string
	require.NoError(t, d.System().QueryRow(t.Context(),
		`select coalesce(string_agg(tableoid::regclass::text, ' ' order by created_at), '') from event`).Scan(&tables))
	return tables
}

func TestAnEventLiesInThePartitionOfItsDayOrInTheDefaultOne(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	made, err := makePartition(t.Context(), d.System(), "event", march)
	require.NoError(t, err)
	require.True(t, made)
	midnight := time.Date(2026, time.March, 3, 0, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{march, midnight.Add(-time.Microsecond), midnight} {
		addEvent(t, d, at)
	}
	require.Equal(t, "event_p20260302 event_p20260302 event_default", where(t, d))

	made, err = makePartition(t.Context(), d.System(), "event", march)
	require.NoError(t, err)
	require.False(t, made, "it is there")
	made, err = makePartition(t.Context(), d.System(), "event", midnight)
	require.NoError(t, err)
	require.False(t, made, "the day has begun without a partition, and ends without")
	made, err = makePartition(t.Context(), d.System(), "event", midnight.AddDate(0, 0, 1))
	require.NoError(t, err)
	require.True(t, made, "the next day has one again")
	addEvent(t, d, midnight.AddDate(0, 0, 1))
	require.Equal(t, "event_p20260302 event_p20260302 event_default event_p20260304", where(t, d))
	found, _ := faults(t, d)
	require.Empty(t, found, "partitions are guarded like their table")
}

func TestANewDatabaseHasPartitionsForAWeek(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	for _, parent := range []string{"event", "webhook_attempt"} {
		var days int
		require.NoError(t, d.Pool().QueryRow(t.Context(), `select count(*) from generate_series(-1, 7) ahead
			where to_regclass($1 || '_p' || to_char((now() at time zone 'UTC')::date + ahead::int, 'YYYYMMDD')) is not null`, parent).Scan(&days))
		require.GreaterOrEqual(t, days, 8, "the template may have been made yesterday")
	}
}

// A role that owns nothing and may do what a worker does.
func TestAPlainRoleMakesPartitionsOfTheTwoTablesAndNothingElse(t *testing.T) {
	t.Parallel()
	address := dbtest.URL(t)
	owner, err := db.Open(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(owner.Close)
	_, err = owner.Pool().Exec(t.Context(), `grant execute on function make_partition, retire_partition, drop_retired, retire_rows to public`)
	require.NoError(t, err)
	_, err = owner.Pool().Exec(t.Context(), `grant insert, select, update, delete on all tables in schema public to public`)
	require.NoError(t, err)

	worker, err := db.Open(t.Context(), dbtest.As(t, address))
	require.NoError(t, err)
	t.Cleanup(worker.Close)
	made, err := makePartition(t.Context(), worker.System(), "webhook_attempt", march)
	require.NoError(t, err)
	require.True(t, made)
	for statement, code := range map[string]string{
		`select make_partition('merchant', '2026-03-02')`:                                              "42501",
		`select retire_partition('webhook_attempt', (now() at time zone 'UTC')::date - 1)`:             "42501",
		`select retire_rows('merchant', '2026-03-02', 1)`:                                              "42501",
		`select retire_rows('event', now(), 1)`:                                                        "",
		`select note_dropped('event', 'merchant', '2026-03-02')`:                                       "42501",
		`select make_partition(null, '2026-03-02')`:                                                    "42501",
		`select make_partition('event_default', '2026-03-02')`:                                         "42501",
		`drop table webhook_attempt_p20260302`:                                                         "42501",
		`create table event_p20260305 partition of event for values from (minvalue) to ('2026-03-05')`: "42501",
		`alter table event no force row level security`:                                                "42501",
	} {
		_, err := worker.System().Exec(t.Context(), statement)
		if code == "" {
			require.NoError(t, err, "there is nothing to delete")
			continue
		}
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused, statement)
		require.Equal(t, code, refused.Code, "%s: %s", statement, refused.Message)
	}
	var retired bool
	require.NoError(t, worker.System().QueryRow(t.Context(), `select retire_partition('webhook_attempt', '2026-03-02')`).Scan(&retired))
	require.True(t, retired)
	_, err = worker.System().Exec(t.Context(), `select drop_retired()`)
	require.NoError(t, err)
	var there bool
	require.NoError(t, worker.Pool().QueryRow(t.Context(), `select to_regclass('webhook_attempt_p20260302') is not null`).Scan(&there))
	require.False(t, there)
	_, err = makePartition(t.Context(), worker.Tenant(1), "event", march)
	require.ErrorContains(t, err, "everybody's", "a tenant's statement does not")
}

// Thirty days of events, of which a look at the bodies of one day reads one.
func TestBodiesAreLookedForInThePartitionsOfTheirDays(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	for day := range 30 {
		_, err := makePartition(t.Context(), d.System(), "event", march.AddDate(0, 0, day))
		require.NoError(t, err)
	}
	addEvent(t, d, march)
	var q question
	_, err := d.EventBodies(t.Context(), &q, db.EventBodiesParams{
		MerchantIds: []int64{1}, Ids: []int64{1}, CreatedAts: []time.Time{march}, Oldest: march, Newest: march.Add(time.Hour),
	})
	require.ErrorIs(t, err, errCaught)
	rows, err := d.Tenant(1).ByIndex().Query(t.Context(), "explain "+q.sql, q.args...)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	plan := strings.Join(lines, "\n")
	require.Equal(t, 1, strings.Count(plan, "Scan using event_p"), plan)
	requireIndexScan(t, plan, "event_p20260302_pkey", "id =")
}
