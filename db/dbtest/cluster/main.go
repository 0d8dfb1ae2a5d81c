//go:build unix

// Command cluster runs a command, such as go test ./..., with one private PostgreSQL for all the test processes it starts:
//
//	go run ./db/dbtest/cluster -- go test ./...
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"portico/db/dbtest"
	"portico/internal/devpg"
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: cluster -- command [argument ...]")
		os.Exit(2)
	}
	code, err := run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run returns the command's exit code, as a shell would tell it.
func run(args []string) (int, error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ctx := context.Background()
	server, err := devpg.Start(ctx, devpg.Options{Ephemeral: true, Log: slog.Default()})
	if err != nil {
		return 1, err
	}
	code, err := runWith(ctx, server.AdminURL(), args, signals)
	return code, errors.Join(err, server.Stop(ctx))
}

func runWith(ctx context.Context, adminURL string, args []string, signals <-chan os.Signal) (int, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), dbtest.Variable+"="+adminURL)
	// In a group of its own, all of which gets each signal exactly once, whether it came from the terminal or from kill.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return 127, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case received := <-signals:
			_ = syscall.Kill(-cmd.Process.Pid, received.(syscall.Signal))
		case err := <-ended:
			var failed *exec.ExitError
			if err != nil && !errors.As(err, &failed) {
				return 1, err
			}
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
				return 128 + int(status.Signal()), nil
			}
			return cmd.ProcessState.ExitCode(), nil
		}
	}
}
