package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrRunning tells that a pipeline is running already.
var ErrRunning = errors.New("is running already")

// lock takes the lock of a pipeline, across processes. The system lets go of
// it when the process ends in any way, so that a lock never outlives its run.
func (h *Hub) lock(ctx context.Context, pipeline string) (release func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	// Two locks of one process on one file would both succeed on some systems.
	if h.running[pipeline] {
		return nil, fmt.Errorf("pipeline %s %w: wait for it to finish (crossdock runs list)", pipeline, ErrRunning)
	}
	dir := filepath.Join(h.Dir, "locks")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("data folder %s cannot be written: %w", h.Dir, err)
	}
	file, err := os.OpenFile(filepath.Join(dir, pipeline+".lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("data folder %s cannot be written: %w", h.Dir, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("pipeline %s %w in another process: wait for it to finish (crossdock runs list)", pipeline, ErrRunning)
		}
		return nil, fmt.Errorf("lock of pipeline %s: %w", pipeline, err)
	}
	// Hubs on other machines share the journal alone.
	unlock, taken, err := h.journal.Lock(ctx, pipeline)
	if err == nil && !taken {
		err = fmt.Errorf("pipeline %s %w on another machine: wait for it to finish (crossdock runs list)", pipeline, ErrRunning)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	h.running[pipeline] = true
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.running, pipeline)
		unlock()
		_ = file.Close() // which unlocks it
	}, nil
}
