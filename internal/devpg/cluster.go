//go:build unix

package devpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	clusterName = "data"
	scratchName = "data.new"
	superuser   = "postgres"
)

// clusterVersion is the major version of the cluster in the folder, 0 if there is none.
func (f *folder) clusterVersion() (int, error) {
	text, err := f.root.ReadFile(clusterName + "/PG_VERSION")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// initCluster makes the cluster in a scratch folder and renames it, so that whatever is called data is whole.
func (f *folder) initCluster(ctx context.Context, bin binaries, fsync bool) error {
	base := []string{"--username=" + superuser, "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C"}
	if !fsync {
		base = append(base, "--no-sync")
	}
	// Upper and lower case beyond ASCII as in production, where the machine knows the locale.
	for _, args := range [][]string{append(base, "--lc-ctype=C.UTF-8"), base} {
		if err := f.root.RemoveAll(scratchName); err != nil {
			return err
		}
		cmd := exec.Command(bin.path("initdb"), args...)
		cmd.Args = append(cmd.Args, "-D", f.handOver(cmd)+"/"+scratchName)
		initdb, err := f.spawn(cmd)
		if err != nil {
			return err
		}
		if err = initdb.wait(ctx); err == nil {
			return f.root.Rename(scratchName, clusterName)
		}
		if !strings.Contains(f.said(), "invalid locale") {
			return fmt.Errorf("initdb: %w: %s", err, f.said())
		}
	}
	return errors.New("initdb: the machine has no locale C")
}

// settings are passed at every start, so that they never depend on when a cluster was made.
func settings(fsync bool) []string {
	set := []string{
		"listen_addresses=",
		"port=" + socketPort,
		"unix_socket_permissions=0700",
		"max_connections=200",
		"shared_buffers=128MB",
		"log_destination=stderr",
		"logging_collector=off", // it would take the log, and with it our lock, away from postgres' children
		"log_checkpoints=off",
		"log_min_messages=log", // errors reach the client that caused them; here they would hold its data
		// Whoever looks at statements sees no values either.
		"log_parameter_max_length=0",
		"log_parameter_max_length_on_error=0",
	}
	if !fsync {
		set = append(set, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	return set
}

// socketSetting is a list in which quotes protect what the path may hold.
func socketSetting(path string) string {
	return `unix_socket_directories="` + strings.ReplaceAll(path, `"`, `""`) + `"`
}

// connect waits until postgres serves. Recovery after a crash may take a while, so only ctx limits it.
func (s *Server) connect(ctx context.Context) (*pgx.Conn, error) {
	for {
		conn, err := pgx.Connect(ctx, s.AdminURL())
		if err == nil || !stillStarting(err) {
			return conn, err
		}
		select {
		case <-s.postgres.exited:
			return nil, fmt.Errorf("postgres exited: %s", s.folder.said())
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func stillStarting(err error) bool {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code == "57P03" // cannot_connect_now
	}
	return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED)
}

func makeDatabase(ctx context.Context, conn *pgx.Conn) error {
	for _, step := range []struct{ exists, make string }{
		{
			`select exists (select from pg_roles where rolname = $1)`,
			`create role ` + Role + ` login nosuperuser nobypassrls nocreaterole nocreatedb noreplication`,
		},
		{
			`select exists (select from pg_database where datname = $1)`,
			`create database ` + Database + ` owner ` + Role,
		},
	} {
		var exists bool
		if err := conn.QueryRow(ctx, step.exists, Database).Scan(&exists); err != nil {
			return err
		}
		if exists {
			continue
		}
		if _, err := conn.Exec(ctx, step.make); err != nil {
			return fmt.Errorf("%s: %w", step.make, err)
		}
	}
	return nil
}
