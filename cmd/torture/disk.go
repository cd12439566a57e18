package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"
)

// fillDisks loads onto disks that are too small by a random amount, gives them
// room, and lets the load end.
func (t *torture) fillDisks(ctx context.Context) (string, error) {
	needed, err := usedBytes(filepath.Join(t.dir, "undisturbed"))
	if err != nil {
		return "", err
	}
	for i := range t.disks {
		size := needed/20 + int64(t.random.Float64()*float64(needed)*0.6)
		if err := t.fillDisk(ctx, i, size); err != nil {
			return "", fmt.Errorf("disk of %d bytes: %w", size, err)
		}
	}
	return fmt.Sprintf("%d disks that were full in the middle", t.disks), nil
}

func (t *torture) fillDisk(ctx context.Context, i int, size int64) (err error) {
	at := filepath.Join(t.dir, fmt.Sprintf("full-%d", i))
	if err := mount(at, "tmpfs", "tmpfs", fmt.Sprintf("size=%d", size)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, syscall.Unmount(at, 0)) }()
	data := filepath.Join(at, "data")
	failed := t.complete(ctx, data)
	if failed == nil {
		return errors.New("the load ended well on a disk that is too small for it")
	}
	if !strings.Contains(failed.Error(), "full") && !strings.Contains(failed.Error(), "no space") {
		return fmt.Errorf("the message does not say that the disk is full: %w", failed)
	}
	if err := syscall.Mount("tmpfs", at, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", 16*size+64<<20)); err != nil {
		return err
	}
	if err := t.complete(ctx, data); err != nil {
		return err
	}
	return t.verify(ctx, data)
}

func usedBytes(dir string) (int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return 0, err
		}
		n += info.Size()
	}
	return n, nil
}

// mount makes a folder and mounts something there.
func mount(at, device, kind, options string) error {
	if err := os.MkdirAll(at, 0o750); err != nil {
		return err
	}
	if err := syscall.Mount(device, at, kind, 0, options); err != nil {
		return fmt.Errorf("%w: mounting %s needs root: %w", errUnable, kind, err)
	}
	return nil
}

// freezeDisks turns file systems read-only in the middle of a load, as the
// kernel does when a disk fails, mends them, and lets the load end.
func (t *torture) freezeDisks(ctx context.Context) (string, error) {
	for i := range t.disks {
		err := t.onDisk(ctx, fmt.Sprintf("readonly-%d", i), func(d *disk) error {
			cmd, output := t.load(ctx, d.data())
			if err := cmd.Start(); err != nil {
				return err
			}
			if _, err := inItsMiddle(ctx, cmd, d.data(), func() error { return d.fail(ctx) }); err != nil {
				return errors.Join(err, cmd.Process.Kill())
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 1 || !saysReadOnly(output.String()) {
				return fmt.Errorf("run exits %d, want 1 and that the disk cannot be written: %s", code, output.String())
			}
			return nil
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d file systems that turned read-only in the middle", t.disks), nil
}

func saysReadOnly(output string) bool {
	output = strings.ToLower(output)
	return strings.Contains(output, "readonly") || strings.Contains(output, "read-only") || strings.Contains(output, "disk i/o error")
}

// cutPower drops, in the middle of a load, all that the kernel has not been
// told to keep. What the journal had counted before must be there afterwards.
func (t *torture) cutPower(ctx context.Context) (string, error) {
	for i := range t.disks {
		var counted int64
		err := t.onDisk(ctx, fmt.Sprintf("power-%d", i), func(d *disk) error {
			cmd, _ := t.load(ctx, d.data())
			if err := cmd.Start(); err != nil {
				return err
			}
			var err error
			counted, err = inItsMiddle(ctx, cmd, d.data(), d.cutPower)
			err = errors.Join(err, cmd.Process.Kill())
			_ = cmd.Wait()
			if err != nil {
				return err
			}
			if err := d.again(ctx); err != nil {
				return err
			}
			return t.kept(ctx, d.data(), counted)
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d power cuts in the middle of a load", t.disks), nil
}

// kept holds the journal and the target to what had been counted before a cut.
func (t *torture) kept(ctx context.Context, data string, counted int64) error {
	s, err := t.readState(ctx, data)
	if err != nil {
		return err
	}
	if n := int64(len(s.Rows["product"])); n < counted {
		return fmt.Errorf("%d products are left of %d that had been counted", n, counted)
	}
	out, err := exec.CommandContext(ctx, t.binary, "--data", data, "--json", "runs", "list", "--pipeline", "products").Output()
	if err != nil {
		return err
	}
	if !strings.Contains(string(out), `"applied"`) {
		return errors.New("the journal has lost the run")
	}
	return nil
}

func (t *torture) load(ctx context.Context, data string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.CommandContext(ctx, t.binary, "--data", data, "run", t.pipes)
	output := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = output, output
	return cmd, output
}

// A disk is a file system of its own in a file.
type disk struct {
	image, at string
}

// diskBytes is the size of a disk, of which little is ever written.
const diskBytes = 1 << 30

// onDisk makes a disk, has something happen to a load there, mends the disk,
// lets the load end and holds it to what it should be.
func (t *torture) onDisk(ctx context.Context, name string, happen func(*disk) error) (err error) {
	d := &disk{image: filepath.Join(t.dir, name+".ext4"), at: filepath.Join(t.dir, name)}
	if err := os.MkdirAll(d.at, 0o750); err != nil {
		return err
	}
	file, err := os.Create(d.image)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Truncate(diskBytes), file.Close()); err != nil {
		return err
	}
	if err := command(ctx, "mkfs.ext4", "-q", "-F", d.image); err != nil {
		return err
	}
	if err := d.mount(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.unmount(ctx), os.Remove(d.image)) }()
	if err := happen(d); err != nil {
		return err
	}
	if err := d.again(ctx); err != nil {
		return err
	}
	if err := t.complete(ctx, d.data()); err != nil {
		return err
	}
	return t.verify(ctx, d.data())
}

func (d *disk) data() string { return filepath.Join(d.at, "data") }

func (d *disk) mount(ctx context.Context) error {
	return command(ctx, "mount", "-o", "loop,errors=remount-ro", d.image, d.at)
}

func (d *disk) unmount(ctx context.Context) error { return command(ctx, "umount", d.at) }

// again mends the file system and mounts it anew.
func (d *disk) again(ctx context.Context) error {
	if err := d.unmount(ctx); err != nil {
		return err
	}
	// It exits 1 when it has mended something.
	if err := command(ctx, "e2fsck", "-fy", d.image); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() > 1 {
			return err
		}
	}
	return d.mount(ctx)
}

// fail has the kernel find an error in the file system, which turns it read-only.
func (d *disk) fail(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "findmnt", "-no", "SOURCE", d.at).Output()
	if err != nil {
		return err
	}
	trigger := filepath.Join("/sys/fs/ext4", filepath.Base(strings.TrimSpace(string(out))), "trigger_fs_error")
	return os.WriteFile(trigger, []byte("1"), 0)
}

// cutPower stops the file system as a power cut would: nothing that is not on
// the disk by now will be, not even of its own journal.
func (d *disk) cutPower() error {
	dir, err := os.Open(d.at)
	if err != nil {
		return err
	}
	defer dir.Close()
	const shutdown, dropLog = 0x8004587d, uint32(2) // EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
	flag := dropLog
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), shutdown, uintptr(unsafe.Pointer(&flag))); errno != 0 {
		return errno
	}
	return nil
}

// command runs a program of the system, whose absence makes a scenario impossible.
func command(ctx context.Context, name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnable, err)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: %s needs root", errUnable, name)
	}
	if out, err := exec.CommandContext(ctx, path, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
