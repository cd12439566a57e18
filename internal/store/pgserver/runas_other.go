//go:build !linux

package pgserver

import "os/exec"

// runAs leaves the command to run as this process does.
func runAs(*exec.Cmd, *account) {}
