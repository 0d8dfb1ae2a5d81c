package db_test

import (
	"context"
	"database/sql"
	"io/fs"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
)

// migrateTo brings a database to one of our versions, as an older release has left it.
func migrateTo(t *testing.T, address string, version int64) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), address)
	require.NoError(t, err)
	defer pool.Close()
	river, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	require.NoError(t, err)
	_, err = river.Migrate(t.Context(), rivermigrate.DirectionUp, nil)
	require.NoError(t, err)
	conn := asSystem(t, address)
	steps, err := fs.Sub(db.Migrations, "migrations")
	require.NoError(t, err)
	provider, err := goose.NewProvider(goose.DialectPostgres, conn, steps)
	require.NoError(t, err)
	_, err = provider.UpTo(t.Context(), version)
	require.NoError(t, err)
}

func asSystem(t *testing.T, address string) *sql.DB {
	t.Helper()
	config, err := pgx.ParseConfig(address)
	require.NoError(t, err)
	conn := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `set portico.tenant = 'system'`)
		return err
	}))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// beforePartitions is a merchant's deliveries as they were kept before there were partitions: one that has arrived at the second attempt, one
// that has failed, one between two attempts, one that nobody has tried yet.
const beforePartitions = `
	with merchant as (
		insert into merchant (shop, name, email, portal_fee_bps, created_at) values ('acorn', 'Acorn', 'shop@example.com', 0, $1) returning id
	), product as (
		insert into product (merchant_id, identifier, name, launch_url, launch_secret_cipher, created_at)
		select id, 'first', 'Product', 'https://example.com', '', $1 from merchant returning merchant_id, id
	), company as (
		insert into company (merchant_id, name, created_at) select id, 'Company', $1 from merchant returning merchant_id, id
	), customer as (
		insert into customer (merchant_id, number, email, name, company_id, created_at)
		select merchant_id, 1, 'ada@example.com', 'Ada', id, $1 from company returning merchant_id, id, company_id
	), plan as (
		insert into plan (merchant_id, product_id, number, name, tier, created_at)
		select merchant_id, id, 1, 'Plan', 'pro', $1 from product returning merchant_id, id, product_id
	), price as (
		insert into price (merchant_id, plan_id, interval, currency, amount_minor)
		select merchant_id, id, 'MONTH', 'EUR', 900 from plan returning merchant_id, id, plan_id
	)
	insert into subscription (merchant_id, id, product_id, company_id, customer_id, plan_id, price_id, status, quantity, anchor_at, created_at, updated_at)
	select plan.merchant_id, 70, plan.product_id, customer.company_id, customer.id, plan.id, price.id, 'ACTIVE', 1, $1, $1, $1 from plan, price, customer`

func TestDeliveriesFromBeforeThereWerePartitionsAreCarriedOver(t *testing.T) {
	t.Parallel()
	address := dbtest.Empty(t)
	migrateTo(t, address, 12)
	old := asSystem(t, address)
	_, err := old.ExecContext(t.Context(), beforePartitions, march)
	require.NoError(t, err)
	for _, statement := range []string{
		`insert into event (merchant_id, id, xid, type, subscription_id, sequence, body, occurred_at, created_at)
		select (select id from merchant), n, (900 + n)::text::xid8, 'subscription.updated', 70, n, convert_to('body ' || n, 'UTF8'), $1, $1::timestamptz + n * interval '1 day'
		from generate_series(1, 4) n`,
		`insert into webhook_endpoint (merchant_id, id, url, secret_cipher, event_types, created_at)
		select id, 5, 'https://example.com', '', '{*}', $1 from merchant`,
		`insert into webhook_delivery (merchant_id, id, endpoint_id, event_id, subscription_id, status, attempt_count, next_attempt_at, created_at, finished_at)
		select (select id from merchant), 10 + event, 5, event, 70, status, attempts,
			case when status = 'PENDING' then $1::timestamptz + interval '9 days' end, $1::timestamptz + event * interval '1 day',
			case when status <> 'PENDING' then $1::timestamptz + interval '8 days' end
		from (values (1, 'DELIVERED', 2), (2, 'FAILED', 1), (3, 'PENDING', 1), (4, 'PENDING', 0)) d(event, status, attempts)`,
		`insert into webhook_attempt (merchant_id, delivery_id, number, status_code, error, response_body, duration_ms, created_at)
		select (select id from merchant), delivery, number, code, error, 'answer', 7, $1::timestamptz + (delivery - 10) * interval '1 day' + number * interval '1 hour'
		from (values (11, 1, 500, 'answered 500'), (11, 2, 200, null), (12, 1, null, 'refused'), (13, 1, 503, 'answered 503')) a(delivery, number, code, error)`,
		`select setval(pg_get_serial_sequence('event', 'id'), 4), setval(pg_get_serial_sequence('webhook_delivery', 'id'), 14) where $1 > '2026-01-01'::timestamptz`,
	} {
		_, err := old.ExecContext(t.Context(), statement, march)
		require.NoError(t, err)
	}
	require.NoError(t, old.Close())
	require.NoError(t, db.Migrate(t.Context(), address))

	d, err := db.Open(t.Context(), address)
	require.NoError(t, err)
	defer d.Close()
	texts := func(query string) []string {
		t.Helper()
		rows, err := d.System().Query(t.Context(), query)
		require.NoError(t, err)
		all, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		return all
	}
	at := func(n, hours int) string {
		return march.Add(time.Duration(n*24+hours) * time.Hour).Format("2006-01-02 15")
	}
	const hour = `'YYYY-MM-DD HH24'`
	require.Equal(t, []string{
		"1 901 1 body 1 " + at(1, 0), "2 902 2 body 2 " + at(2, 0), "3 903 3 body 3 " + at(3, 0), "4 904 4 body 4 " + at(4, 0),
	}, texts(`select format('%s %s %s %s %s', id, xid, sequence, convert_from(body, 'UTF8'), to_char(created_at at time zone 'UTC', `+hour+`)) from event order by id`))
	require.Equal(t, []string{
		"13 event 3 of " + at(3, 0) + " after 1 since " + at(3, 1) + " next " + at(9, 0),
		"14 event 4 of " + at(4, 0) + " after 0 since  next " + at(9, 0),
	}, texts(`select format('%s event %s of %s after %s since %s next %s', id, event_id, to_char(event_created_at at time zone 'UTC', `+hour+`), attempt_count,
		to_char(first_attempt_at at time zone 'UTC', `+hour+`), to_char(next_attempt_at at time zone 'UTC', `+hour+`))
		from webhook_delivery where endpoint_id = 5 and subscription_id = 70 order by id`))
	require.Equal(t, []string{
		"11 1 event 1 of " + at(1, 0) + ": 500 answered 500 answer 7 at " + at(1, 1) + "  ",
		"11 2 event 1 of " + at(1, 0) + ": 200  answer 7 at " + at(1, 2) + " DELIVERED " + at(8, 0),
		"12 1 event 2 of " + at(2, 0) + ":  refused answer 7 at " + at(2, 1) + " FAILED " + at(8, 0),
		"13 1 event 3 of " + at(3, 0) + ": 503 answered 503 answer 7 at " + at(3, 1) + "  ",
	}, texts(`select format('%s %s event %s of %s: %s %s %s %s at %s %s %s', delivery_id, number, event_id, to_char(event_created_at at time zone 'UTC', `+hour+`),
		status_code, error, response_body, duration_ms, to_char(created_at at time zone 'UTC', `+hour+`), outcome, to_char(finished_at at time zone 'UTC', `+hour+`))
		from webhook_attempt where endpoint_id = 5 and subscription_id = 70 order by delivery_id, number`))
	require.Equal(t, []string{"no id is given out twice"}, texts(`select 'no id is given out twice' where
		nextval(pg_get_serial_sequence('event', 'id')) > 4 and nextval(pg_get_serial_sequence('webhook_delivery', 'id')) > 14`))
}
