package db

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// Migrations are the schema's steps in order.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Migrate brings the database at url up to date: River's migrations first, as ours refer to its tables, then ours. Processes
// that migrate at the same time wait for one another.
func Migrate(ctx context.Context, url string) error {
	if err := migrateRiver(ctx, url); err != nil {
		return fmt.Errorf("migrate River's tables: %w", err)
	}
	if err := migrateOurs(ctx, url); err != nil {
		return fmt.Errorf("migrate Portico's tables: %w", err)
	}
	return nil
}

func migrateRiver(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	// River's migrator has no lock of its own: two processes that start at once would create the same tables.
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	const key = int64(0x706f727469636f) // "portico"
	if _, err := conn.Exec(ctx, `select pg_advisory_lock($1)`, key); err != nil {
		return err
	}
	defer func() { _, _ = conn.Exec(ctx, `select pg_advisory_unlock($1)`, key) }()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func migrateOurs(ctx context.Context, url string) error {
	steps, err := fs.Sub(Migrations, "migrations")
	if err != nil {
		return err
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	// A new foreign key reads the rows that there are, and so may a step of ours: everybody's.
	conn := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `set portico.tenant = 'system'`)
		return err
	}))
	defer func() { _ = conn.Close() }()
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, conn, steps, goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}
