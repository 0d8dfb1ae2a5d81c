package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	patience = time.Minute           // for a process to say something
	lookAt   = 2 * time.Millisecond  // how often its output is looked at
	poll     = 20 * time.Millisecond // how often anything else is
)

// process is a child that takes part in a case.
type process struct {
	label string
	cmd   *exec.Cmd
	done  chan struct{}

	mu     sync.Mutex
	output bytes.Buffer
}

// freely is a setting with which Portico counts what is asked for as always, and lets every key have it.
const freely = "PORTICO_RATE_LIMIT=1000000000:1000000"

// portico starts the binary under test on a database; the label is its subcommand.
func (l *lab) portico(ctx context.Context, d *database, args ...string) (*process, error) {
	return l.porticoWith(ctx, d, nil, args...)
}

// porticoWith adds settings of the case's own.
func (l *lab) porticoWith(ctx context.Context, d *database, settings []string, args ...string) (*process, error) {
	env := append(os.Environ(), "PORTICO_KEYS="+string(benchKeys()), "PORTICO_PEPPER="+string(benchPepper()), "PORTICO_LIVE_GATEWAY=test",
		"PORTICO_WEBHOOK_ALLOW_LOOPBACK=true", "PORTICO_WEBHOOK_ALLOW_HTTP=true", "DATABASE_URL=")
	if d != nil {
		env = append(env, "DATABASE_URL="+d.url)
	}
	return spawn(ctx, args[0], append(env, settings...), l.binary, args...)
}

// helper starts this program in another role.
func (l *lab) helper(ctx context.Context, role string, args ...string) (*process, error) {
	return spawn(ctx, role, os.Environ(), l.self, append([]string{role}, args...)...)
}

func spawn(ctx context.Context, label string, env []string, path string, args ...string) (*process, error) {
	p := &process{label: label, cmd: exec.CommandContext(ctx, path, args...), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = env, p, p, tied()
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = patience
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(path), err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Write takes the child's output.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// line waits for a line of output that holds the text.
func (p *process) line(ctx context.Context, holding string) (string, error) {
	var found string
	err := p.until(ctx, lookAt, func() (bool, error) {
		for line := range strings.Lines(p.text()) {
			if strings.Contains(line, holding) && strings.HasSuffix(line, "\n") {
				found = strings.TrimSpace(line)
				return true, nil
			}
		}
		return false, nil
	})
	return found, err
}

// until waits for a condition, as long as the process lives and patience lasts.
func (p *process) until(ctx context.Context, every time.Duration, condition func() (bool, error)) error {
	err := waitFor(ctx, patience, every, func() (bool, error) {
		met, err := condition()
		if met || err != nil {
			return met, err
		}
		select {
		case <-p.done:
			return false, errors.New("it has ended")
		default:
			return false, nil
		}
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w; its output ends:\n%s", p.label, err, p.tail())
	}
	return nil
}

func (p *process) tail() string {
	const most = 4096
	text := p.text()
	return text[max(0, len(text)-most):]
}

// address is where a server says that it listens: the last word of a line such as "listening on 127.0.0.1:80", or the member addr of
// a log entry.
func (p *process) address(ctx context.Context) (string, error) {
	line, err := p.line(ctx, "127.0.0.1:")
	if err != nil {
		return "", err
	}
	rest := line[strings.Index(line, "127.0.0.1:"):]
	return strings.TrimRight(strings.FieldsFunc(rest, func(r rune) bool { return r == '"' || r == ' ' })[0], `"`), nil
}

func (p *process) stop() { stopAll([]*process{p}) }

// wait gives the process time to end by itself.
func (p *process) wait() {
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func stopAll(processes []*process) {
	for _, p := range processes {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range processes {
		p.wait()
	}
}

// waitFor asks again and again until the condition holds.
func waitFor(ctx context.Context, atMost, every time.Duration, condition func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, atMost, fmt.Errorf("nothing after %s", atMost))
	defer cancel()
	for {
		met, err := condition()
		if met || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(every):
		}
	}
}
