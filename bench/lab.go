package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/internal/devpg"
)

// lab is what the cases share: a private Postgres that waits for the disk as a real one does, prepared data, and the program under
// test.
type lab struct {
	postgres   *devpg.Server
	postmaster int // its process
	binary     string
	self       string // this program, for its other roles
	scratch    string
	quick      bool
	// How many subscriptions a small, a middling and a large database has.
	small, medium, large int
}

// newLab starts everything. Callers close it.
func newLab(ctx context.Context, o *options) (l *lab, err error) {
	l = &lab{quick: o.quick, small: 10_000, medium: 100_000, large: 1_000_000}
	if l.quick {
		l.small, l.medium, l.large = 1000, 2000, 4000
	}
	if l.self, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if l.scratch, err = os.MkdirTemp("", "portico-bench-"); err != nil {
		return nil, err
	}
	if err := l.open(ctx, o.data); err != nil {
		return nil, errors.Join(err, l.close(context.WithoutCancel(ctx)))
	}
	return l, nil
}

func (l *lab) open(ctx context.Context, folder string) error {
	if err := l.build(ctx); err != nil {
		return err
	}
	where, err := l.postgresOptions(folder)
	if err != nil {
		return err
	}
	if l.postgres, err = devpg.Start(ctx, where); err != nil {
		return err
	}
	return l.administer(ctx, func(conn *pgx.Conn) error {
		if l.postmaster, err = parentOf(int(conn.PgConn().PID())); err != nil {
			return fmt.Errorf("find the postmaster: %w", err)
		}
		return dropDatabases(ctx, conn, runPrefix+"%") // those of a run that was killed
	})
}

// build makes the binary as `make build` does.
func (l *lab) build(ctx context.Context) error {
	l.binary = filepath.Join(l.scratch, "portico")
	if output, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", l.binary, "portico/cmd/portico").CombinedOutput(); err != nil {
		return fmt.Errorf("build portico: %w: %s", err, output)
	}
	return nil
}

// postgresOptions keep the data of full runs between them. A quick one takes less time to prepare than to look for.
func (l *lab) postgresOptions(folder string) (devpg.Options, error) {
	if l.quick {
		fsync := true
		return devpg.Options{Ephemeral: true, Fsync: &fsync}, nil
	}
	if folder == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return devpg.Options{}, fmt.Errorf("find the cache folder (name a folder with -data): %w", err)
		}
		folder = filepath.Join(cache, "portico-bench")
	}
	return devpg.Options{Dir: folder, Settings: recommended()}, nil
}

// recommended is what docs/configuration.md says a server of its own should be given.
func recommended() []string {
	const quarter = 4
	_, memory := hardware()
	return []string{
		fmt.Sprintf("shared_buffers=%dMB", memory/quarter>>20), "max_wal_size=8GB", "checkpoint_timeout=15min", "random_page_cost=1.1",
	}
}

func (l *lab) close(ctx context.Context) error {
	var err error
	if l.postgres != nil {
		err = l.postgres.Stop(ctx)
	}
	return errors.Join(err, os.RemoveAll(l.scratch))
}

func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}

// pick is a number for full runs and one for quick ones.
func pick[T any](l *lab, full, quick T) T {
	if l.quick {
		return quick
	}
	return full
}

// administer runs something as the superuser, who makes databases.
func (l *lab) administer(ctx context.Context, do func(*pgx.Conn) error) error {
	return connected(ctx, l.postgres.AdminURL(), do)
}

func connected(ctx context.Context, address string, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return do(conn)
}

const superuser = "postgres" // of devpg's clusters

// runPrefix begins the name of every database that lives for a case.
const runPrefix = "run_"

// database is a copy of prepared data for one case.
type database struct {
	lab           *lab
	name          string
	url           string // for the plain role that everything runs as
	subscriptions int
}

// clone copies the data of that many subscriptions. Callers drop it.
func (l *lab) clone(ctx context.Context, subscriptions int) (*database, error) {
	template, err := l.template(ctx, subscriptions)
	if err != nil {
		return nil, err
	}
	d := &database{lab: l, name: fmt.Sprintf("%s%d_%d", runPrefix, subscriptions, time.Now().UnixNano()), subscriptions: subscriptions}
	d.url = l.address(devpg.Role, d.name)
	err = l.administer(ctx, func(conn *pgx.Conn) error {
		// Copying files writes less than the default strategy, which logs every page.
		_, err := conn.Exec(ctx, fmt.Sprintf("create database %s owner %s template %s strategy file_copy", d.name, devpg.Role, template))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("copy the data: %w", err)
	}
	return d, nil
}

// drop ends what is still connected.
func (d *database) drop(ctx context.Context) {
	err := d.lab.administer(context.WithoutCancel(ctx), func(conn *pgx.Conn) error {
		_, err := conn.Exec(context.WithoutCancel(ctx), "drop database if exists "+d.name+" with (force)")
		return err
	})
	if err != nil {
		d.lab.say("drop %s: %s", d.name, err)
	}
}

// address of a database on the cluster.
func (l *lab) address(user, name string) string {
	address, err := url.Parse(l.postgres.AdminURL())
	if err != nil {
		panic(err) // pgx has understood it before
	}
	address.User, address.Path = url.User(user), "/"+name
	return address.String()
}

// dropDatabases drops those whose names are like the pattern, except the given ones.
func dropDatabases(ctx context.Context, conn *pgx.Conn, pattern string, except ...string) error {
	rows, err := conn.Query(ctx, `select datname::text from pg_database where datname like $1 and datname <> all($2)`,
		strings.ReplaceAll(pattern, "_", `\_`), append([]string{}, except...))
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := conn.Exec(ctx, "drop database "+name+" with (force)"); err != nil {
			return err
		}
	}
	return nil
}
