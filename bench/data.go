package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"portico/db"
	"portico/internal/catalog"
	"portico/internal/devpg"
	"portico/internal/secret"
)

// source is the code that makes the data: its text is part of the name under which the data is kept.
//
//go:embed data.sql data.go
var source embed.FS

// How the data relates to the clock: renewals fall due evenly over 28 days from firstDue.
const (
	dueOver       = 28 * 24 * time.Hour
	launchSecret  = "the launch secret of every product of the benchmarks" //nolint:gosec // it protects nothing
	perMerchant   = 1000                                                   // subscriptions
	leastMerchant = 50
)

func firstDue() time.Time { return time.Date(2100, time.February, 1, 0, 0, 0, 0, time.UTC) }

// dueAt is the instant at which exactly n of the subscriptions are due.
func dueAt(subscriptions, n int) time.Time {
	return firstDue().Add(dueOver / time.Duration(subscriptions) * time.Duration(n-1))
}

// merchants is how many merchants share that many subscriptions: more subscriptions are above all more merchants.
func merchants(subscriptions int) int { return max(leastMerchant, subscriptions/perMerchant) }

// The keys of every bench database, fixed so that kept data stays readable. They protect nothing.
func benchKeys() secret.Text   { return "1:" + benchPepper() }
func benchPepper() secret.Text { return secret.Text(strings.Repeat("A", 43) + "=") }

func benchKeyring() (*secret.Keyring, error) { return secret.NewKeyring(benchKeys(), benchPepper()) }

// template makes the database with that many subscriptions unless there is one, and returns its name. A database with that name is whole:
// it is renamed when it is, and closed to connections.
func (l *lab) template(ctx context.Context, subscriptions int) (string, error) {
	version, err := dataVersion()
	if err != nil {
		return "", err
	}
	prefix := fmt.Sprintf("bench_%d_", subscriptions)
	name := prefix + version
	err = l.administer(ctx, func(conn *pgx.Conn) error {
		var made bool
		err := conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, name).Scan(&made)
		if made || err != nil {
			return err
		}
		l.say("prepare %d subscriptions of %d merchants", subscriptions, merchants(subscriptions))
		if err := dropDatabases(ctx, conn, prefix+"%"); err != nil { // of an older version, or unfinished
			return err
		}
		scratch := name + "_unfinished"
		if _, err := conn.Exec(ctx, "create database "+scratch+" owner "+devpg.Role+" template template0"); err != nil {
			return err
		}
		if err := db.Migrate(ctx, l.address(devpg.Role, scratch)); err != nil {
			return err
		}
		if err := l.fill(ctx, scratch, subscriptions); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "alter database "+scratch+" with allow_connections false"); err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "alter database "+scratch+" rename to "+name)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("prepare data: %w", err)
	}
	return name, nil
}

// fill writes the data as the superuser and with the triggers off: a million subscriptions would ask twenty million times whether a row
// is there that the statement before has written. A test asks portico verify.
func (l *lab) fill(ctx context.Context, name string, subscriptions int) error {
	keys, err := benchKeyring()
	if err != nil {
		return err
	}
	script, err := source.ReadFile("data.sql")
	if err != nil {
		return err
	}
	ids := make([]int64, merchants(subscriptions))
	ciphers := make([][]byte, len(ids))
	for i := range ids {
		ids[i] = int64(i + 1)
		ciphers[i] = keys.Seal(catalog.LaunchSecretIdentity(ids[i]), launchSecret)
	}
	return connected(ctx, l.address(superuser, name), func(conn *pgx.Conn) error {
		settings := `select set_config('bench.subscriptions', $1, false), set_config('bench.merchants', $2, false),
			set_config('session_replication_role', 'replica', false), set_config('work_mem', '256MB', false)`
		if _, err := conn.Exec(ctx, settings, fmt.Sprint(subscriptions), fmt.Sprint(len(ids))); err != nil {
			return err
		}
		sealed := `create temporary table sealed as select id, cipher from unnest($1::bigint[], $2::bytea[]) s (id, cipher)`
		if _, err := conn.Exec(ctx, sealed, pgx.QueryExecModeExec, ids, ciphers); err != nil {
			return err
		}
		if err := conn.PgConn().Exec(ctx, string(script)).Close(); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "vacuum analyze")
		return err
	})
}

// dataVersion changes with the code of the data and with every migration, River's and ours.
func dataVersion() (string, error) {
	hash := sha256.New()
	river, err := rivermigrate.New(riverpgxv5.New(nil), nil)
	if err != nil {
		return "", err
	}
	for _, step := range river.AllVersions() {
		fmt.Fprintln(hash, step.Version, step.SQLUp)
	}
	for _, files := range []fs.FS{source, db.Migrations} {
		err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(files, path)
			fmt.Fprintln(hash, path, string(text))
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", hash.Sum(nil)[:8]), nil
}
