package pgserver

import (
	"os/exec"
	"syscall"
)

// runAs sets whom a command runs as, nil for this process's account, and that
// it ends with this process, however that ends. A Ctrl-C on the terminal is for
// this process alone, which then stops it.
func runAs(cmd *exec.Cmd, a *account) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
}
