// Package db owns the schema, the questions asked of it (sqlc's output) and the one place that tells Postgres which tenants a
// statement may see.
package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrPrivilegedRole is returned by Open for a role that row-level security does not hold.
var ErrPrivilegedRole = errors.New(
	"the database role is a superuser or has BYPASSRLS, so row-level security would not hold it: connect as a plain role")

// DB is a connection pool that is only usable through a Scope.
type DB struct {
	*Queries
	pool   *pgxpool.Pool
	rounds *rounds
}

// Open connects to the database at url and refuses a role that could see past row-level security. Options have the last word on the
// pool's settings.
func Open(ctx context.Context, url string, options ...func(*pgxpool.Config)) (*DB, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse DATABASE_URL: %w", err)
	}
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		registerTypes(conn.TypeMap())
		return nil
	}
	for _, set := range options {
		set(config)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	var privileged bool
	err = pool.QueryRow(ctx, `select rolsuper or rolbypassrls from pg_roles where rolname = current_user`).Scan(&privileged)
	if err == nil && privileged {
		err = ErrPrivilegedRole
	}
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return &DB{Queries: New(), pool: pool, rounds: newRounds(pool)}, nil
}

// registerTypes gives times in UTC, and JSON as it is stored.
func registerTypes(types *pgtype.Map) {
	types.RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	types.RegisterType(&pgtype.Type{Name: "jsonb", OID: pgtype.JSONBOID, Codec: rawJSON{&pgtype.JSONBCodec{
		Marshal: json.Marshal, Unmarshal: json.Unmarshal,
	}}})
}

// rawJSON copies a jsonb column that is read as json.RawMessage. pgx would parse it first, of which Postgres has no need.
type rawJSON struct{ *pgtype.JSONBCodec }

// PlanScan implements pgtype.Codec.
func (c rawJSON) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, raw := target.(*json.RawMessage); raw {
		return scanRawJSON{binary: format == pgtype.BinaryFormatCode}
	}
	return c.JSONBCodec.PlanScan(m, oid, format, target)
}

type scanRawJSON struct{ binary bool }

// Scan implements pgtype.ScanPlan. In the binary format the text follows a byte with the format's version.
func (s scanRawJSON) Scan(source []byte, target any) error {
	raw := target.(*json.RawMessage)
	if source == nil {
		*raw = nil
		return nil
	}
	if s.binary {
		if len(source) == 0 || source[0] != 1 {
			return errors.New("jsonb of an unknown version")
		}
		source = source[1:]
	}
	*raw = append(make(json.RawMessage, 0, len(source)), source...)
	return nil
}

// Pool is for what is not tenant data: River, the test gateway, health checks. A tenant table read through it is an error.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// Ready tells whether the database answers and has its tables.
func (d *DB) Ready(ctx context.Context) error {
	if _, err := d.System().Exec(ctx, `select from merchant limit 1`); err != nil {
		return fmt.Errorf("the database is not ready: %w", err)
	}
	return nil
}

// Close waits for connections in use to come back and closes them all.
func (d *DB) Close() { d.pool.Close() }

// IsNoRows tells whether a single-row question found nothing.
func IsNoRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
