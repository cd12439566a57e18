package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"crossdock/hub/journal"
)

// share puts an upload where all hubs of a shared journal can read it. One that
// is alone reads it where it is.
func (h *Hub) share(ctx context.Context, u *Upload) error {
	if !h.journal.Shared() {
		return nil
	}
	file, err := os.Open(u.path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := h.journal.KeepUpload(ctx, u.id, file); err != nil {
		return fmt.Errorf("keep the upload %s: %w", u.Name, err)
	}
	return os.Remove(u.path)
}

// fetch brings the upload of a run into the data folder of this hub, if it is
// shared. One that was accepted before the journal was shared lies there.
func (h *Hub) fetch(ctx context.Context, run *journal.Run) error {
	if run.Cause != "upload" || !h.journal.Shared() {
		return nil
	}
	path := h.uploadPath(run.ID)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("data folder cannot be written: %w", err)
	}
	file, err := os.Create(path + ".part")
	if err != nil {
		return fmt.Errorf("data folder cannot be written: %w", err)
	}
	err = errors.Join(h.journal.WriteUpload(ctx, run.ID, file), file.Close())
	if errors.Is(err, journal.ErrNotFound) {
		return os.Remove(file.Name())
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("fetch the upload %s: %w", run.InputName, err), os.Remove(file.Name()))
	}
	return nil
}

// dropUpload removes the file of an upload. Files that are not ours stay.
func (h *Hub) dropUpload(ctx context.Context, run *journal.Run) error {
	if run.Cause != "upload" {
		return nil
	}
	err := os.Remove(h.uploadPath(run.ID))
	if !h.journal.Shared() {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, h.journal.DropUpload(context.WithoutCancel(ctx), run.ID))
}
