//go:build !linux

package child

import (
	"os/exec"
	"syscall"
)

func prepare(cmd *exec.Cmd, _ *Account, _ syscall.Signal) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
