package devpg

import (
	"os/exec"
	"syscall"
)

// startTied starts cmd so that the kernel stops it when we end. SIGQUIT is postgres' immediate shutdown: nobody would be left to
// insist if a fast one hung.
func startTied(cmd *exec.Cmd) (untie func(), err error) {
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	return func() {}, cmd.Start()
}
