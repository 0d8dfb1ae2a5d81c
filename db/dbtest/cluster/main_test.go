//go:build unix

package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be the command.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "--" {
		main()
	}
	os.Exit(m.Run())
}

func cluster(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return exec.Command(self, "--", "sh", "-c", script)
}

func TestItEndsWithTheCommandsExitCode(t *testing.T) {
	t.Parallel()
	for script, code := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -9 $$": 137} {
		cmd := cluster(t, script)
		_ = cmd.Run()
		require.Equal(t, code, cmd.ProcessState.ExitCode(), script)
	}
}

func TestTheCommandGetsAClusterThatIsGoneOnceASignalHasEndedIt(t *testing.T) {
	t.Parallel()
	cmd := cluster(t, `trap 'exit 7' TERM; echo "$PORTICO_TEST_POSTGRES"; while :; do sleep 0.05; done`)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	url, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	config, err := pgx.ParseConfig(strings.TrimSpace(url))
	require.NoError(t, err)
	conn, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	_ = cmd.Wait()

	require.Equal(t, 7, cmd.ProcessState.ExitCode())
	require.NoDirExists(t, config.Host)
	require.Eventually(t, func() bool { return conn.Ping(t.Context()) != nil }, time.Second, 10*time.Millisecond)
}
