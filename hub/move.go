package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"crossdock/connectors"
)

// moveFiles moves the files of a pipeline whose runs have ended. The journal
// says first which are to go, so that what a crash has left is moved with the
// next run. It returns what could not be moved, for people: those files stay
// where they are, and are passed over.
func (h *Hub) moveFiles(ctx context.Context, pipeline string) (notices []string, err error) {
	files, err := h.journal.ToMove(ctx, pipeline)
	if err != nil {
		return nil, err
	}
	for i := range files {
		f := &files[i]
		now := connectors.File{Path: f.Path, Name: f.Name, Version: f.Version}
		if _, err := os.Stat(f.Path); errors.Is(err, fs.ErrNotExist) || err == nil && now.CheckUnchanged() != nil {
			err = h.journal.Moved(ctx, f) // it has gone already, or another file has come in its place
			if err != nil {
				return notices, err
			}
			continue
		}
		if err := moveInto(f.Path, f.MoveTo); err != nil {
			notices = append(notices, fmt.Sprintf("%s could not be moved to %s: %s", f.Name, f.MoveTo, err))
			continue
		}
		if err := h.journal.Moved(ctx, f); err != nil {
			return notices, err
		}
	}
	return notices, nil
}

// moveInto moves a file into a folder, under its name or that name with a
// number where the folder has one of it. Nothing there is overwritten.
func moveInto(path, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	base := filepath.Base(path)
	ext := filepath.Ext(base)
	for n := 1; n < 10_000; n++ {
		name := base
		if n > 1 {
			name = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(base, ext), n, ext)
		}
		target := filepath.Join(dir, name)
		// A link, unlike a new name, never replaces what is there.
		err := os.Link(path, target)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			err = copyTo(path, target) // another device, or one without links
		}
		switch {
		case errors.Is(err, fs.ErrExist):
			continue
		case err != nil:
			return err
		}
		return errors.Join(syncDir(dir), os.Remove(path))
	}
	return fmt.Errorf("there are too many files named %s in it", base)
}

// copyTo copies a file to a name that is not there yet, and has it on disk when
// it returns. What a crash leaves of it is a part; the file is then moved
// under another name.
func copyTo(path, target string) (err error) {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	part, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(part, from)
	if err = errors.Join(err, part.Sync(), part.Close()); err != nil {
		return errors.Join(err, os.Remove(target))
	}
	return nil
}
