// Package dbtest owns the databases of tests: a fresh one for each, cloned from a migrated template on a private PostgreSQL.
package dbtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/devpg"
)

// New returns a pool on a fresh migrated database, as the plain role that row-level security holds. Both are gone after the test,
// which must have given back every connection by then.
func New(t testing.TB) *db.DB {
	t.Helper()
	pool, err := db.Open(t.Context(), URL(t))
	if err != nil {
		t.Fatalf("open the test database: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// URL returns the address of a fresh migrated database for the plain role, for tests that start processes.
func URL(t testing.TB) string {
	t.Helper()
	admin := adminURL(t)
	template, err := template()
	if err != nil {
		t.Fatalf("make the template of test databases: %v", err)
	}
	return newDatabase(t, admin, template)
}

// Empty is URL without the migrations.
func Empty(t testing.TB) string {
	t.Helper()
	return newDatabase(t, adminURL(t), "template0")
}

// As returns the address of a database for a new plain role, which owns nothing there and may do what everybody may.
func As(t testing.TB, address string) string {
	t.Helper()
	admin := adminURL(t)
	role := "role_" + strings.ToLower(rand.Text())
	create := fmt.Sprintf("create role %s login nosuperuser nobypassrls nocreaterole nocreatedb noreplication", role)
	if err := execute(t.Context(), admin, create); err != nil {
		t.Fatalf("create a role: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(context.Background(), admin, "drop role "+role); err != nil {
			t.Errorf("drop the role: %v", err)
		}
	})
	its, err := url.Parse(address)
	if err != nil {
		t.Fatalf("read the address of the database: %v", err)
	}
	its.User = url.User(role)
	return its.String()
}

func adminURL(t testing.TB) string {
	t.Helper()
	admin, err := cluster()
	if err != nil {
		t.Fatalf("find a PostgreSQL for tests: %v", err)
	}
	return admin
}

//nolint:gochecknoglobals // One cluster for all tests of a process, which have nothing else in common to keep it in.
var (
	cluster  = sync.OnceValues(findCluster)
	template = sync.OnceValues(func() (string, error) {
		admin, err := cluster()
		if err != nil {
			return "", err
		}
		return makeTemplate(context.Background(), admin)
	})
)

func newDatabase(t testing.TB, admin, template string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	// Copying files takes a third of the time of the default strategy, which logs every page.
	create := fmt.Sprintf("create database %s owner %s template %s strategy file_copy", name, devpg.Role, template)
	if err := execute(t.Context(), admin, create); err != nil {
		t.Fatalf("create a test database: %v", err)
	}
	t.Cleanup(func() {
		// The test may have left processes that are still connected.
		if err := execute(context.Background(), admin, fmt.Sprintf("drop database %s with (force)", name)); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	return plainURL(admin, name)
}

func execute(ctx context.Context, url string, statements ...string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// plainURL is the address of a database for the plain role, on the cluster that admin is an address of.
func plainURL(admin, database string) string {
	address, err := url.Parse(admin)
	if err != nil {
		panic(err) // pgx has understood it before
	}
	address.User = url.User(devpg.Role)
	address.Path = "/" + database
	return address.String()
}
