//go:build unix

package devpg

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

const helperArg = "serve-until-killed"

// TestMain lets the test binary be a process that starts a server, so that tests can kill it.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == helperArg {
		serveUntilKilled(os.Args[2])
	}
	os.Exit(m.Run())
}

func serveUntilKilled(dir string) {
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	s, err := Start(context.Background(), Options{Dir: dir, Ephemeral: dir == ""})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.URL())
	select {}
}

// helper is another process that serves dir, or an ephemeral server if dir is empty.
type helper struct {
	*exec.Cmd
	url string
}

func startHelper(t *testing.T, dir string, as *account) helper {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	if as != nil {
		program = "/proc/self/exe" // in a folder that only root may pass through
	}
	h := helper{Cmd: exec.Command(program, helperArg, dir)}
	h.Dir = "/"
	h.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as.credential()}
	out, err := h.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, h.Start())
	t.Cleanup(h.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	h.url = strings.TrimSpace(line)
	require.Contains(t, h.url, "postgres://", "the helper reports an address")
	return h
}

func (h helper) kill() {
	_ = h.Process.Kill()
	_ = h.Wait()
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	return s
}

func query[T any](t *testing.T, url, sql string) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(t.Context(), sql)
	require.NoError(t, err)
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return value
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

// postmaster is the process id in a data folder's postmaster.pid.
func postmaster(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, clusterName, "postmaster.pid"))
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	require.NoError(t, err)
	return pid
}

// family is a postmaster and its children.
func family(t *testing.T, pid int) []int {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	require.NoError(t, err)
	pids := []int{pid}
	for line := range strings.Lines(string(out)) {
		var child, parent int
		_, err := fmt.Sscan(line, &child, &parent)
		require.NoError(t, err)
		if parent == pid {
			pids = append(pids, child)
		}
	}
	require.Greater(t, len(pids), 3, "a running postgres has children")
	return pids
}

// requireGone waits until none of the processes runs. One that only waits for its parent to ask how it ended is gone.
func requireGone(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		require.Eventually(t, func() bool {
			state, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
			return err != nil || strings.HasPrefix(string(state), "Z")
		}, 10*time.Second, 20*time.Millisecond, "process %d still runs", pid)
	}
}
