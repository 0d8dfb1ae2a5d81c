package dbtest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"portico/db"
	"portico/internal/devpg"
)

// Variable names the environment variable that holds the administrator's address of a cluster made by devpg, which a run of
// several packages shares. The command in the folder cluster sets it. It is the one variable read outside internal/config: tests
// have no other way to be told.
const Variable = "PORTICO_TEST_POSTGRES"

// findCluster starts a cluster of this process's own where there is none to share. Nothing stops it: it ends with the process,
// and the next start removes its folder.
func findCluster() (string, error) {
	if shared := os.Getenv(Variable); shared != "" {
		return shared, nil
	}
	own, err := devpg.Start(context.Background(), devpg.Options{Ephemeral: true})
	if err != nil {
		return "", err
	}
	return own.AdminURL(), nil
}

// makeTemplate migrates a database, unless a process with the same migrations has, and returns its name.
func makeTemplate(ctx context.Context, admin string) (string, error) {
	name, err := templateName()
	if err != nil {
		return "", err
	}
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }() // and with it the lock
	if made, err := exists(ctx, conn, name); made || err != nil {
		return name, err
	}
	if _, err := conn.Exec(ctx, `select pg_advisory_lock(hashtext('portico test template'))`); err != nil {
		return "", err
	}
	if made, err := exists(ctx, conn, name); made || err != nil {
		return name, err
	}
	// A database with the template's name is whole: it is renamed when it is, and closed to connections, which would keep others
	// from copying it.
	scratch := name + "_unfinished"
	if err := execute(ctx, admin,
		"drop database if exists "+scratch+" with (force)",
		"create database "+scratch+" owner "+devpg.Role+" template template0",
	); err != nil {
		return "", err
	}
	if err := db.Migrate(ctx, plainURL(admin, scratch)); err != nil {
		return "", err
	}
	return name, execute(ctx, admin,
		"alter database "+scratch+" with allow_connections false",
		"alter database "+scratch+" rename to "+name,
	)
}

func exists(ctx context.Context, conn *pgx.Conn, database string) (found bool, err error) {
	err = conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, database).Scan(&found)
	return found, err
}

// templateName changes with every migration, River's and ours.
func templateName() (string, error) {
	hash := sha256.New()
	river, err := rivermigrate.New(riverpgxv5.New(nil), nil)
	if err != nil {
		return "", err
	}
	for _, step := range river.AllVersions() {
		fmt.Fprintln(hash, step.Version, step.SQLUp)
	}
	err = fs.WalkDir(db.Migrations, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		step, err := fs.ReadFile(db.Migrations, path)
		fmt.Fprintln(hash, path, string(step))
		return err
	})
	return fmt.Sprintf("template_%x", hash.Sum(nil)[:8]), err
}
