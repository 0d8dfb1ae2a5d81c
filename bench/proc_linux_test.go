package main

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const burn = `i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done`

func TestCPUTimeOfAProcessIsItsOwnAndThatOfItsChildrenDeadAndAlive(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ sentence, script string }{
		{"its own", burn + `; echo; read line`},
		{"that of a child which has ended", `sh -c '` + burn + `'; echo; read line`},
		{"that of a child which lives", `sh -c '` + burn + `; echo; read line'; true`},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("sh", "-c", test.script)
			input, err := cmd.StdinPipe()
			require.NoError(t, err)
			output, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			_, err = output.Read(make([]byte, 1))
			require.NoError(t, err)
			spent, err := treeCPU(cmd.Process.Pid)
			require.NoError(t, err)
			require.NoError(t, input.Close())
			_ = cmd.Wait() // read fails at the end of its input
			total := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			require.InDelta(t, total.Seconds(), spent.Seconds(), (50 * time.Millisecond).Seconds())
			require.Greater(t, spent, 50*time.Millisecond)
		})
	}
}

func TestPeakMemoryOfAProcessIsRead(t *testing.T) {
	t.Parallel()
	peak, err := peakMemory(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, peak, int64(1<<20))
	_, err = peakMemory(-1)
	require.Error(t, err)
}

func TestTheParentOfAChildIsThisProcess(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "60")
	require.NoError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	parent, err := parentOf(cmd.Process.Pid)
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), parent)
}
