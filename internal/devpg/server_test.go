//go:build unix

package devpg

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestAServerServesAPlainRoleInAFolderThatNobodyElseReaches(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "missing", "data")
	s := start(t, Options{Dir: dir})

	require.Equal(t, "portico", query[string](t, s.URL(), `select current_user::text`))
	require.Equal(t, "portico", query[string](t, s.URL(), `select current_database()::text`))
	require.Equal(t, "portico", query[string](t, s.URL(),
		`select pg_get_userbyid(datdba)::text from pg_database where datname = current_database()`))
	require.False(t, query[bool](t, s.URL(), `select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication
		from pg_roles where rolname = current_user`))
	execute(t, s.URL(), `create table owned (id int)`)
	require.True(t, query[bool](t, s.AdminURL(), `select rolsuper from pg_roles where rolname = current_user`))

	require.Empty(t, query[string](t, s.URL(), `select current_setting('listen_addresses')`))
	require.Equal(t, "on", query[string](t, s.URL(), `select current_setting('fsync')`))
	require.Equal(t, "é", query[string](t, s.URL(), `select lower('É')`))
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	require.NotZero(t, ownerOf(info), "the folder belongs to the user that postgres runs as, which is not root")
}

func TestASecondInstanceIsToldWhoServesTheFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := startHelper(t, dir, nil)

	_, err := Start(t.Context(), Options{Dir: dir})

	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, fmt.Sprintf("%s is served by process %d", dir, h.Process.Pid))
	require.Equal(t, 1, query[int](t, h.url, `select 1`), "the first is not disturbed")
}

func TestStopLeavesNoProcessAndKeepsTheData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, Options{Dir: dir})
	execute(t, s.URL(), `create table kept as select 42 as answer`)
	pids := family(t, postmaster(t, dir))

	require.NoError(t, s.Stop(t.Context()))
	require.NoError(t, s.Stop(t.Context()), "stopping twice is harmless")

	requireGone(t, pids)
	select {
	case <-s.Done():
		t.Fatal("a server that was stopped has not been lost")
	default:
	}
	again := start(t, Options{Dir: dir})
	require.Equal(t, 42, query[int](t, again.URL(), `select answer from kept`))
}

func TestAnEphemeralServerHurriesAndLeavesNoFolder(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Ephemeral: true})
	dir := s.folder.path
	require.Equal(t, "off", query[string](t, s.URL(), `select current_setting('fsync')`))
	pids := family(t, postmaster(t, dir))

	require.NoError(t, s.Stop(t.Context()))

	requireGone(t, pids)
	require.NoDirExists(t, dir)
}

func TestFsyncIsTheCallersToChoose(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Ephemeral: true, Fsync: new(true)})
	require.Equal(t, "on", query[string](t, s.URL(), `select current_setting('fsync')`))
}

func TestASettingOfTheCallerStandsInPlaceOfOurs(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Ephemeral: true, Settings: []string{"shared_buffers=16MB", "max_wal_size=2GB"}})
	require.Equal(t, "16MB", query[string](t, s.URL(), `select current_setting('shared_buffers')`))
	require.Equal(t, "2GB", query[string](t, s.URL(), `select current_setting('max_wal_size')`))
}

func TestAKilledParentLeavesNoPostgresAndTheNextStartHasTheData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := startHelper(t, dir, nil)
	execute(t, h.url, `create table kept as select 42 as answer`)
	pids := family(t, postmaster(t, dir))

	h.kill()
	s := start(t, Options{Dir: dir})

	require.Equal(t, 42, query[int](t, s.URL(), `select answer from kept`))
	requireGone(t, pids)
}

func TestAStartWaitsForWhatStillRunsInTheFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, start(t, Options{Dir: dir}).Stop(t.Context()))
	dying, err := os.Open(filepath.Join(dir, logName)) // stands for a postgres without a parent
	require.NoError(t, err)
	require.NoError(t, tryLock(dying))
	impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()

	_, err = Start(impatient, Options{Dir: dir})
	require.ErrorContains(t, err, "a postgres of an earlier process is still running")

	time.AfterFunc(100*time.Millisecond, func() { _ = dying.Close() })
	start(t, Options{Dir: dir})
}

func TestAFolderLeftByAKilledProcessIsRemovedByTheNext(t *testing.T) {
	t.Parallel()
	h := startHelper(t, "", nil)
	address, err := url.Parse(h.url)
	require.NoError(t, err)
	dir := address.Query().Get("host")
	pids := family(t, postmaster(t, dir))
	alive := start(t, Options{Ephemeral: true})

	h.kill()
	requireGone(t, pids)
	start(t, Options{Ephemeral: true})

	require.NoDirExists(t, dir)
	require.Equal(t, 1, query[int](t, alive.URL(), `select 1`), "a folder in use stays")
}

func TestAnOldProcessIDThatBelongsToSomebodyElseByNowIsNoObstacle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, Options{Dir: dir})
	pid := postmaster(t, dir)
	file := filepath.Join(dir, clusterName, "postmaster.pid")
	stale, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, s.Stop(t.Context()))
	bystander := exec.Command("sleep", "60")
	bystander.SysProcAttr = &syscall.SysProcAttr{Credential: s.folder.runAs.credential()}
	require.NoError(t, bystander.Start())
	t.Cleanup(func() { _ = bystander.Process.Kill(); _ = bystander.Wait() })
	text := strings.Replace(string(stale), fmt.Sprint(pid), fmt.Sprint(bystander.Process.Pid), 1)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))

	again := start(t, Options{Dir: dir})

	require.Equal(t, 1, query[int](t, again.URL(), `select 1`))
}

func TestCtrlCInTheTerminalLeavesPostgresToItsParent(t *testing.T) {
	t.Parallel()
	h := startHelper(t, t.TempDir(), nil)

	require.NoError(t, syscall.Kill(-h.Process.Pid, syscall.SIGINT))

	require.Never(t, func() bool { return h.Process.Signal(syscall.Signal(0)) != nil }, 300*time.Millisecond, 50*time.Millisecond)
	require.Equal(t, 1, query[int](t, h.url, `select 1`))
}

func TestDoneTellsThatPostgresIsLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, Options{Dir: dir})

	require.NoError(t, syscall.Kill(postmaster(t, dir), syscall.SIGKILL))

	select {
	case <-s.Done():
	case <-time.After(time.Minute):
		t.Fatal("nobody noticed")
	}
	require.NoError(t, s.Stop(t.Context()))
}

func TestAnOrdinaryUserNeedsNoRoot(t *testing.T) {
	t.Parallel()
	var as *account
	uid := uint32(os.Geteuid())
	if uid == 0 {
		as = &account{uid: 65534, gid: 65534}
		uid = as.uid
	}
	h := startHelper(t, "", as)
	address, err := url.Parse(h.url)
	require.NoError(t, err)
	dir := address.Query().Get("host")
	pids := family(t, postmaster(t, dir))
	t.Cleanup(func() {
		h.kill()
		requireGone(t, pids)
		_ = os.RemoveAll(dir) // only a later start of the same user would
	})

	info, err := os.Stat(filepath.Join(dir, socketName))
	require.NoError(t, err)
	require.Equal(t, uid, ownerOf(info))
	require.Equal(t, "portico", query[string](t, h.url, `select current_user::text`))
}

func TestAPathTooLongForASocketIsServedThroughAShortOne(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long,", 20), "data")
	s := start(t, Options{Dir: dir})

	require.Equal(t, 1, query[int](t, s.URL(), `select 1`))

	sockets := s.sockets.path
	require.NotEqual(t, dir, sockets)
	require.NoError(t, s.Stop(t.Context()))
	require.NoDirExists(t, sockets)
}

func TestAClusterHalfMadeIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, scratchName, "base"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, lockName), nil, 0o600))

	s := start(t, Options{Dir: dir})

	require.Equal(t, 1, query[int](t, s.URL(), `select 1`))
	require.NoDirExists(t, filepath.Join(dir, scratchName))
}

func TestAFolderThatIsNotOursStaysAsItIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600))

	_, err := Start(t.Context(), Options{Dir: dir})

	require.ErrorContains(t, err, "neither empty nor a data folder")
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
	require.Equal(t, uint32(os.Geteuid()), ownerOf(info))
}

func TestDataOfAnotherVersionIsNotTouched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, clusterName), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, clusterName, "PG_VERSION"), []byte("9\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, lockName), nil, 0o600))

	_, err := Start(t.Context(), Options{Dir: dir})

	require.ErrorContains(t, err, "the data was made by PostgreSQL 9, this machine has [")
}

func TestAStartThatIsCalledOffLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(dir, scratchName)); err == nil {
				cancel()
			}
			time.Sleep(time.Millisecond)
		}
	}()

	_, err := Start(ctx, Options{Dir: dir})

	require.ErrorIs(t, err, context.Canceled)
	require.NoDirExists(t, filepath.Join(dir, clusterName))
	start(t, Options{Dir: dir})
}

func TestEitherAFolderOrAnEphemeralServerIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {Dir: t.TempDir(), Ephemeral: true}} {
		_, err := Start(t.Context(), o)
		require.ErrorContains(t, err, "either Dir or Ephemeral")
	}
}

func TestTheLogHoldsNoValues(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := start(t, Options{Dir: dir})
	conn, err := pgx.Connect(t.Context(), s.AdminURL())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	for _, statement := range []string{`create table person (email text unique)`, `set log_min_duration_statement = 0`, `set log_statement = 'all'`} {
		_, err := conn.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	const insert = `insert into person values ($1)`
	_, err = conn.Exec(t.Context(), insert, "marker-of-a-value")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), insert, "marker-of-a-value")
	require.ErrorContains(t, err, "unique constraint")
	_, err = conn.Exec(t.Context(), `select $1::text::bigint`, "marker-of-a-value")
	require.ErrorContains(t, err, "marker-of-a-value")
	text, err := os.ReadFile(filepath.Join(dir, logName))
	require.NoError(t, err)
	require.Contains(t, string(text), insert, "statements are logged where somebody asks for them")
	require.NotContains(t, string(text), "marker-of-a-value")
}
