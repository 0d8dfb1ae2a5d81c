// Package proctest owns the real processes of tests: portico as it is shipped, programs beside it, and callers of its API.
package proctest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/port"
)

// Patience bounds every wait for a process; nothing here measures speed.
const Patience = 60 * time.Second

//nolint:gochecknoglobals // One build for all tests of a process, which have nothing else in common to keep it in.
var (
	folder string
	built  = sync.OnceValues(func() (path string, err error) {
		if folder, err = os.MkdirTemp("", "portico-binary-"); err != nil {
			return "", err
		}
		path = filepath.Join(folder, "portico")
		output, err := exec.Command("go", "build", "-o", path, "portico/cmd/portico").CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("build portico: %w: %s", err, output)
		}
		return path, nil
	})
)

// Main runs the tests of a package and takes away what was built for them: TestMain calls it.
func Main(m *testing.M) int {
	code := m.Run()
	if folder != "" {
		_ = os.RemoveAll(folder)
	}
	return code
}

// Binary builds portico once for all tests of a package and gives its path.
func Binary() (string, error) { return built() }

// Process is a running program whose output is kept. It ends with its test.
type Process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{}
	err  error

	mu     sync.Mutex
	output bytes.Buffer
}

// Start starts a program with this environment beside the test's own. Whatever it starts in its turn ends with it.
func Start(t *testing.T, env []string, name string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(name, args...), done: make(chan struct{})} //nolint:noctx // the cleanup below ends it
	// Colors would stand in the middle of what is looked for.
	p.cmd.Env = append(append(os.Environ(), "NO_COLOR=1"), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	// make and npm do not hand on that they are to end.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
		if t.Failed() {
			t.Logf("output of %s %s:\n%s", filepath.Base(name), strings.Join(args, " "), p.Text())
		}
	})
	return p
}

// Portico starts portico.
func Portico(t *testing.T, env []string, args ...string) *Process {
	t.Helper()
	path, err := Binary()
	require.NoError(t, err)
	return Start(t, env, path, args...)
}

// Write takes what the program writes.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

// Text is everything that the program has written.
func (p *Process) Text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// Args are the program's arguments.
func (p *Process) Args() []string { return p.cmd.Args[1:] }

// ID is the process's number.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Line waits for a line of output that holds the text. A process that ends without it fails the test at once.
func (p *Process) Line(holding string) string {
	p.t.Helper()
	deadline := time.After(Patience)
	for ended := false; ; {
		lines := bufio.NewScanner(strings.NewReader(p.Text()))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if strings.Contains(lines.Text(), holding) {
				return lines.Text()
			}
		}
		if ended {
			require.Failf(p.t, "the process has ended", "without a line with %q: %v", holding, p.err)
		}
		select {
		case <-p.done:
			ended = true // one more look at what it wrote last
		case <-deadline:
			require.Failf(p.t, "too long", "waited for a line with %q", holding)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Signal sends the process a signal.
func (p *Process) Signal(signal os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(signal))
}

// Stop asks the process to end well and waits for it.
func (p *Process) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	p.Wait()
}

// Kill ends the process without warning.
func (p *Process) Kill() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Kill())
	_ = p.Ended()
}

// Wait waits for the process to end well.
func (p *Process) Wait() {
	p.t.Helper()
	require.NoError(p.t, p.Ended())
}

// Ended waits for the process to end and tells how.
func (p *Process) Ended() error {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		require.Fail(p.t, "the process does not end")
	}
	return p.err
}

// FreePort is a port that nothing else gets until the test ends.
func FreePort(t *testing.T) int {
	t.Helper()
	claim, err := port.Take()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, claim.Release()) })
	return claim.Number
}

// Browser is the path of this machine's Chromium.
func Browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	require.Fail(t, "there is no Chromium: install it (on Debian: apt-get install --no-install-recommends chromium)")
	return ""
}
