package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	stopWithin = 25 * time.Second
	// A process that ends by itself is started again after this time, one that was killed at once.
	breath = 200 * time.Millisecond
)

// program is a process that is started again whenever it ends.
type program struct {
	name string
	log  *os.File
	done chan struct{} // closed when it has been stopped

	mu      sync.Mutex
	process *os.Process // nil while there is none
	killed  bool
	strays  []string // ends that nobody asked for
}

// keep runs portico with the arguments until ctx ends.
func keep(ctx context.Context, h *house, name string, args ...string) (*program, error) {
	log, err := os.Create(filepath.Join(h.folder, strings.ReplaceAll(name, " ", "")+".log"))
	if err != nil {
		return nil, err
	}
	p := &program{name: name, log: log, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		defer func() { _ = log.Close() }()
		// The kernel ends the process with the thread that started it, so this thread must last: as it is never unlocked, it ends
		// with the goroutine.
		runtime.LockOSThread()
		for ctx.Err() == nil {
			cmd := h.command(ctx, log, args...)
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
			cmd.WaitDelay = stopWithin
			tie(cmd)
			p.live(ctx, cmd)
		}
	}()
	return p, nil
}

// live is one life of the process.
func (p *program) live(ctx context.Context, cmd *exec.Cmd) {
	err := cmd.Start()
	if err == nil {
		p.mu.Lock()
		p.process, p.killed = cmd.Process, false
		p.mu.Unlock()
		err = cmd.Wait()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.process = nil
	switch {
	case p.killed:
	case ctx.Err() != nil:
		if cmd.ProcessState == nil || !cmd.ProcessState.Success() {
			p.strays = append(p.strays, fmt.Sprintf("%s did not stop well when asked to: %v", p.name, cmd.ProcessState))
		}
	default:
		p.strays = append(p.strays, fmt.Sprintf("%s ended by itself: %v", p.name, err))
		p.mu.Unlock()
		select {
		case <-time.After(breath):
		case <-ctx.Done():
		}
		p.mu.Lock()
	}
}

// kill ends the process without warning. It waits for one that is just being started.
func (p *program) kill(ctx context.Context) error {
	for {
		p.mu.Lock()
		process := p.process
		if process != nil && !p.killed {
			p.killed = true
			err := process.Kill()
			p.mu.Unlock()
			if err != nil && !errors.Is(err, os.ErrProcessDone) {
				return fmt.Errorf("kill %s: %w", p.name, err)
			}
			return nil
		}
		p.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// said are the lines of the log that a question picks.
func (p *program) said(picks func(line string) bool) ([]string, error) {
	file, err := os.Open(p.log.Name())
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var found []string
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if picks(lines.Text()) {
			found = append(found, p.name+": "+lines.Text())
		}
	}
	return found, lines.Err()
}
