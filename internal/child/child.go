// Package child starts programs that end with this process, as an account that
// may do less than root.
package child

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// An Account is whom a program runs as; nil stands for whom this process runs as.
type Account struct{ uid, gid uint32 }

// OwnerOf gives the folder and what is in it to the account to run as, the
// first of the names that the machine knows, and returns that. Only root can,
// and has to: who is not keeps the folder.
func OwnerOf(dir string, names ...string) (*Account, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	var u *user.User
	var err error
	for _, name := range names {
		if u, err = user.Lookup(name); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &Account{uint32(uid), uint32(gid)}, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(uid), int(gid))
	})
}

// Executable reports whether a program of that path can be started.
func Executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Prepare sets that the command runs as the account, in a group of processes
// of its own: a Ctrl-C on the terminal is for this process alone, which then
// ends it. Linux sends it the signal when the thread ends that has started it,
// which has to be there to the end.
func Prepare(cmd *exec.Cmd, a *Account, signal syscall.Signal) { prepare(cmd, a, signal) }
