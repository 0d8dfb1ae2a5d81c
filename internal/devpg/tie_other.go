//go:build unix && !linux

package devpg

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// startTied starts cmd and a shell that watches us through a pipe: its end without a line means that we are gone, and the shell
// asks cmd for an immediate shutdown.
func startTied(cmd *exec.Cmd) (untie func(), err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = read.Close() }()
	if err := cmd.Start(); err != nil {
		_ = write.Close()
		return nil, err
	}
	watcher := exec.Command("/bin/sh", "-c", `read -r _ || kill -QUIT "$1"`, "sh", strconv.Itoa(cmd.Process.Pid))
	watcher.Stdin = read
	watcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := watcher.Start(); err != nil {
		_ = write.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	return func() {
		_, _ = io.WriteString(write, "\n")
		_ = write.Close()
		_ = watcher.Wait()
	}, nil
}
