package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"portico/internal/devpg"
)

// recoveryWithin is how long Postgres may take to serve again after it was killed.
const recoveryWithin = time.Minute

// postgres is a private server whose commits wait for the disk, so that it can be killed.
type postgres struct {
	folder string
	url    string
	server *devpg.Server
}

func startPostgres(ctx context.Context, folder string) (*postgres, error) {
	server, err := devpg.Start(ctx, devpg.Options{Dir: folder})
	if err != nil {
		return nil, err
	}
	return &postgres{folder: folder, url: server.URL(), server: server}, nil
}

func (p *postgres) stop(ctx context.Context) error { return p.server.Stop(ctx) }

// kill ends the postmaster and every backend at once, as a power cut would, and starts Postgres again on the same folder.
func (p *postgres) kill(ctx context.Context) error {
	pids, err := p.processes(ctx)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill postgres: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, recoveryWithin)
	defer cancel()
	select {
	case <-p.server.Done():
	case <-ctx.Done():
		return fmt.Errorf("postgres outlives being killed: %w", ctx.Err())
	}
	if err := p.server.Stop(ctx); err != nil {
		return err
	}
	if p.server, err = devpg.Start(ctx, devpg.Options{Dir: p.folder}); err != nil {
		return err
	}
	if p.server.URL() != p.url {
		return fmt.Errorf("postgres has another address than before: %s is too long for a socket", p.folder)
	}
	return nil
}

// processes are the postmaster and its children. The postmaster is stopped first, so that it makes no more of them.
func (p *postgres) processes(ctx context.Context) ([]int, error) {
	text, err := os.ReadFile(filepath.Join(p.folder, "data", "postmaster.pid"))
	if err != nil {
		return nil, fmt.Errorf("find the postmaster: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	postmaster, err := strconv.Atoi(first)
	if err != nil {
		return nil, fmt.Errorf("find the postmaster: %w", err)
	}
	if err := syscall.Kill(postmaster, syscall.SIGSTOP); err != nil {
		return nil, fmt.Errorf("stop the postmaster: %w", err)
	}
	table, err := exec.CommandContext(ctx, "ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("list processes: %w", err), syscall.Kill(postmaster, syscall.SIGCONT))
	}
	all := []int{postmaster}
	for line := range bytes.Lines(table) {
		var pid, parent int
		if _, err := fmt.Sscan(string(line), &pid, &parent); err == nil && parent == postmaster {
			all = append(all, pid)
		}
	}
	return all, nil
}
