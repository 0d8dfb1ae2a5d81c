//go:build unix

package devpg

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const (
	fastPatience      = 5 * time.Second
	immediatePatience = 8 * time.Second // postgres kills its own children after 5
)

// process is a child that does not outlive us.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of cmd.Wait, once exited is closed
}

func spawn(cmd *exec.Cmd, runAs *account) (*process, error) {
	// Settings of PostgreSQL in our environment are meant for another server.
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC"}
	// In our process group it would get the terminal's Ctrl-C before we have said goodbye.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: runAs.credential()}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Linux tells the child when the thread that started it ends, not the process. So this thread waits with it; as it is
		// never unlocked, it ends with the goroutine.
		runtime.LockOSThread()
		untie, err := startTied(cmd)
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		untie()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// wait returns when the process has ended. When ctx ends it kills the process and its group.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.exited:
		return p.err
	case <-ctx.Done():
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.exited
		return ctx.Err()
	}
}

// stop asks postgres for a fast shutdown, then an immediate one (which costs the next start a recovery), then kills it.
func (p *process) stop(ctx context.Context, immediate bool) error {
	if !immediate {
		_ = p.cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-p.exited:
			return nil
		case <-ctx.Done():
		case <-time.After(fastPatience):
		}
	}
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-p.exited:
		return nil
	case <-time.After(immediatePatience):
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
	return errors.New("postgres had to be killed")
}
