package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// An owner is a process that has messages in hand. It holds the lock of a file
// of its name, which the system lets go of when the process ends in any way:
// others see that it is gone, at once and without a clock.
type owner struct {
	dir, name string
	file      *os.File
}

func newOwner(dir, name string) (*owner, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("data folder %s cannot be written: %w", filepath.Dir(dir), err)
	}
	file, err := os.OpenFile(lockOf(dir, name), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("data folder %s cannot be written: %w", filepath.Dir(dir), err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", file.Name(), err), file.Close())
	}
	return &owner{dir: dir, name: name, file: file}, nil
}

func lockOf(dir, name string) string { return filepath.Join(dir, name+".lock") }

func (o *owner) close() error { return errors.Join(os.Remove(o.file.Name()), o.file.Close()) }

// isGone reports whether the owner of that name has ended, and removes its
// file. Names are never used again.
func (o *owner) isGone(name string) (bool, error) {
	path := lockOf(o.dir, name)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, nil
}
