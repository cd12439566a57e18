package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrRunning tells that a pipeline is running already.
var ErrRunning = errors.New("is running already")

// A hold is the right to run a pipeline, until it is released.
type hold struct {
	turn    int64 // of the pipeline; 0 where the operating system keeps the lock
	release func()
}

// lock takes the lock of a pipeline, across processes and, where hubs share a
// journal, machines.
func (h *Hub) lock(ctx context.Context, pipeline string) (*hold, error) {
	// Two locks of one process on one file would both succeed on some systems.
	if !h.occupy(pipeline) {
		return nil, fmt.Errorf("pipeline %s %w: wait for it to finish (crossdock runs list)", pipeline, ErrRunning)
	}
	take := h.lockFile
	if h.journal.Shared() {
		take = h.takeTurn
	}
	held, err := take(ctx, pipeline)
	if err != nil {
		h.vacate(pipeline)
		return nil, err
	}
	let := held.release
	held.release = func() {
		let()
		h.vacate(pipeline)
	}
	return held, nil
}

// occupy notes that a pipeline runs in this process, unless it does.
func (h *Hub) occupy(pipeline string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running[pipeline] {
		return false
	}
	h.running[pipeline] = true
	return true
}

func (h *Hub) vacate(pipeline string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.running, pipeline)
}

// lockFile locks a file of the data folder. The system lets go of it when the
// process ends in any way, so that a lock never outlives its run.
func (h *Hub) lockFile(_ context.Context, pipeline string) (*hold, error) {
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
	return &hold{release: func() { _ = file.Close() }}, nil // which unlocks it
}

// takeTurn takes a turn of the pipeline, and prolongs it until it is released.
// Beside it goes a lock that ends with the connection: whoever gets that knows
// that the hub is gone whose turn it is, and need not wait for its end. That a
// turn passes to another hub, while this one stands still, is not noticed here:
// what is written in it is refused then.
func (h *Hub) takeTurn(ctx context.Context, pipeline string) (*hold, error) {
	span := h.TurnSpan
	unlock, locked, err := h.journal.Lock(ctx, pipeline)
	if err != nil {
		return nil, err
	}
	if !locked {
		unlock = func() {}
	}
	turn, other, err := h.journal.TakeTurn(ctx, pipeline, h.name, span, locked)
	if err != nil {
		unlock()
		return nil, err
	}
	if turn == 0 {
		unlock()
		return nil, fmt.Errorf("pipeline %s %w in %s: wait for it to finish (crossdock runs list)", pipeline, ErrRunning, other)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() { // ends when the hold is released
		defer close(ended)
		tick := time.NewTicker(span / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if kept, err := h.journal.KeepTurn(ctx, pipeline, turn, span); ctx.Err() == nil && (err != nil || !kept) {
				h.Log.WarnContext(ctx, "turn of a pipeline could not be prolonged", "pipeline", pipeline, "turn", turn, "passed_on", err == nil, "error", err)
			}
		}
	}()
	return &hold{turn: turn, release: func() {
		stop()
		<-ended
		if err := h.journal.EndTurn(context.WithoutCancel(ctx), pipeline, turn); err != nil {
			h.Log.WarnContext(ctx, "turn of a pipeline could not be given back", "pipeline", pipeline, "error", err)
		}
		unlock()
	}}, nil
}

// nameOfProcess returns what other hubs call this one in their messages.
func nameOfProcess() string {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
}
