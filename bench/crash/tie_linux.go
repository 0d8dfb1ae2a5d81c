package main

import (
	"os/exec"
	"syscall"
)

// tie lets the kernel kill the process when we end, however we end.
func tie(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
