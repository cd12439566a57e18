package hub

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"crossdock/hub/journal"
	"crossdock/pipelines"
)

// The reasons why an upload is refused.
var (
	ErrTooLarge = errors.New("is too large")
	ErrEmpty    = errors.New("the file is empty")
)

// An Upload is a file that was received and waits to be queued.
type Upload struct {
	id, path string
	hash     string // of the content
	Name     string // what its sender calls it
	Bytes    int64
}

// Receive keeps a file on disk. More than limit bytes are refused with
// ErrTooLarge, and nothing of them is kept.
func (h *Hub) Receive(name string, content io.Reader, limit int64) (*Upload, error) {
	id := newRunID(h.Clock())
	u := &Upload{id: id, path: h.uploadPath(id), Name: plainName(name)} // on disk never a name that a client chose
	var err error
	sum := sha256.New()
	u.Bytes, err = keep(filepath.Dir(u.path), u.path, io.TeeReader(content, sum), limit)
	u.hash = hex.EncodeToString(sum.Sum(nil))
	return u, err
}

// maxNameBytes bounds the name of an upload, which stands in every error of it.
const maxNameBytes = 200

// plainName returns the last part of a file's name, fit to be printed.
func plainName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '_'
		}
		return r
	}, name)
	if len(name) > maxNameBytes {
		name = strings.ToValidUTF8(name[:maxNameBytes], "")
	}
	return cmp.Or(strings.TrimSpace(name), "upload")
}

// uploadPath returns where the file of an upload lies: in the data folder of
// today, which may have been restored elsewhere than where the file was received.
func (h *Hub) uploadPath(id string) string { return filepath.Join(h.Dir, "uploads", id) }

// Input returns the upload as a file to be read.
func (u *Upload) Input() Input { return Input{Path: u.path, Name: u.Name} }

// Drop removes an upload that is not queued.
func (u *Upload) Drop() error { return os.Remove(u.path) }

// Queue begins a run of the pipeline over an upload. When it returns, file and
// run are safe: they outlive the process. Where nothing was applied or queued
// since a run of the same contents, it returns that run and false, unless the
// file is to be applied again; the upload is not needed then.
func (h *Hub) Queue(ctx context.Context, p *pipelines.Pipeline, u *Upload, again bool) (run journal.Run, queued bool, err error) {
	options := Options{Input: &Input{Path: u.path, Name: u.Name}}
	x := &execution{hub: h, pipeline: p, options: options}
	definition, err := x.definition(ctx)
	if err != nil {
		return run, false, err
	}
	if !again && !p.Files.Again {
		last, err := h.journal.LastFiles(ctx, p.Name, true)
		if err != nil {
			return run, false, err
		}
		for _, f := range last {
			if f.Hash == u.hash && f.Definition == definition {
				run, err := h.journal.Run(ctx, f.Run)
				return run, false, err
			}
		}
	}
	if err := h.share(ctx, u); err != nil {
		return run, false, err
	}
	if err := h.begin(ctx, p, journal.Claim{Run: u.id}, "upload", journal.Queued, options); err != nil {
		return run, false, err
	}
	file := journal.File{Number: 1, Definition: definition, Path: u.path, Name: u.Name, Size: u.Bytes, Hash: u.hash, State: journal.ReadingFile}
	if err := h.journal.BeginFiles(ctx, u.id, p.Name, []journal.File{file}); err != nil {
		return run, false, err
	}
	run, err = h.journal.Run(ctx, u.id)
	h.wakeUp() // only now, so that the answer says what every client can rely on: queued
	return run, true, err
}

func (h *Hub) wakeUp() {
	select {
	case h.wake <- struct{}{}:
	default: // it is awake
	}
}

// keep writes content to a new file and has it on disk when it returns.
func keep(dir, path string, content io.Reader, limit int64) (n int64, err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return 0, fmt.Errorf("data folder cannot be written: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return 0, fmt.Errorf("data folder cannot be written: %w", err)
	}
	defer func() {
		err = errors.Join(err, file.Close())
		if err != nil {
			_ = os.Remove(path) // what was not accepted is not kept
		}
	}()
	n, err = io.Copy(file, io.LimitReader(content, limit+1))
	switch {
	case err != nil:
		return 0, err
	case n > limit:
		return 0, fmt.Errorf("the file %w: at most %d bytes are accepted", ErrTooLarge, limit)
	case n == 0:
		return 0, ErrEmpty
	}
	return n, errors.Join(file.Sync(), syncDir(dir))
}

// syncDir makes a new name in the folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// uploadRetry is how long a queued upload waits for its pipeline to be free.
const uploadRetry = 2 * time.Second

// waitingLook is how often is looked after rows that wait, beside the looks
// behind every run: whatever brought what they wait for may be no run of ours.
const waitingLook = time.Minute

// Work runs accepted uploads, one after another, until ctx ends. What an
// earlier process left queued or unfinished is done first.
func (h *Hub) Work(ctx context.Context) error {
	if err := h.CloseDeadRuns(ctx); err != nil {
		return err
	}
	if err := h.sweep(ctx); err != nil {
		return err
	}
	timer := time.NewTicker(uploadRetry)
	defer timer.Stop()
	var looked, retained time.Time
	ended := h.Clock()
	for {
		if now := h.Clock(); h.journal.Shared() && now.Sub(ended) >= h.TurnSpan/2 {
			ended = now
			if err := h.CloseDeadRuns(ctx); err != nil && ctx.Err() == nil {
				h.Log.ErrorContext(ctx, "runs of other hubs", "error", err)
			}
		}
		var err error
		if retained, err = h.retainAll(ctx, retained); err != nil && ctx.Err() == nil {
			h.Log.ErrorContext(ctx, "retention", "error", err)
		}
		if err := h.drain(ctx); err != nil && ctx.Err() == nil {
			h.Log.ErrorContext(ctx, "uploads", "error", err)
		}
		if now := h.Clock(); now.Sub(looked) >= waitingLook {
			looked = now
			// A run whose database went away could not be ended.
			if err := h.CloseDeadRuns(ctx); err != nil && ctx.Err() == nil {
				h.Log.ErrorContext(ctx, "runs that nobody works on", "error", err)
			}
			if err := h.lookAfterWaiting(ctx); err != nil && ctx.Err() == nil {
				h.Log.ErrorContext(ctx, "rows that wait", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
		case <-timer.C:
		}
	}
}

// sweepAge spares files that another process may be receiving.
const sweepAge = 24 * time.Hour

// sweep removes uploaded files that no run will read: those that broke off, and
// those of runs that have ended.
func (h *Hub) sweep(ctx context.Context) error {
	if h.journal.Shared() {
		if err := h.journal.DropLostUploads(ctx, runIDAt(h.Clock().Add(-sweepAge))); err != nil {
			return err
		}
	}
	dir := filepath.Join(h.Dir, "uploads")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || h.Clock().Sub(info.ModTime()) < sweepAge {
			continue
		}
		run, err := h.journal.Run(ctx, entry.Name())
		if err != nil && !errors.Is(err, journal.ErrNotFound) {
			return err
		}
		if err == nil && (run.Finished.IsZero() || run.Status == journal.Held) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// drain runs the uploads that are queued, in the order of their acceptance.
func (h *Hub) drain(ctx context.Context) error {
	runs, err := h.journal.Queued(ctx)
	if err != nil {
		return err
	}
	busy := map[string]bool{} // what was accepted later must not overtake
	for _, run := range runs {
		if ctx.Err() == nil && !busy[run.Pipeline] {
			busy[run.Pipeline] = h.try(ctx, &run)
		}
	}
	return nil
}

// try runs one upload, and reports whether its pipeline is busy, so that its
// turn comes later.
func (h *Hub) try(ctx context.Context, run *journal.Run) (busy bool) {
	if h.away(ctx, run) {
		return true
	}
	err := h.work(ctx, run)
	if errors.Is(err, errPutOff) {
		h.Log.WarnContext(ctx, "upload is put off", "run", run.ID, "pipeline", run.Pipeline, "reason", err)
		return true
	}
	if errors.Is(err, ErrRunning) {
		return true
	}
	if err != nil {
		h.Log.WarnContext(ctx, "upload", "run", run.ID, "pipeline", run.Pipeline, "error", err)
	}
	return false
}

// work runs one upload, or one run that was held and is approved.
func (h *Hub) work(ctx context.Context, run *journal.Run) error {
	if run.Cause == "revert" {
		return h.workRevert(ctx, run)
	}
	s, err := h.takeLocked(ctx, run, Options{Requeue: true}, func() error { return nil })
	if s.Run == "" || s.Status == journal.Queued {
		return err
	}
	h.rouseAfter(ctx, &s)
	for _, notice := range s.Notices {
		h.Log.InfoContext(ctx, notice, "run", s.Run)
	}
	h.Log.InfoContext(ctx, "run finished", "run", s.Run, "pipeline", s.Pipeline, "status", s.Status, "read", s.Read,
		"applied", s.Applied, "unchanged", s.Unchanged, "rejected", s.Rejected, "skipped", s.Skipped, "seconds", s.Seconds)
	return err
}

// takeLocked takes a run under the lock of its pipeline, once before has
// returned nil.
func (h *Hub) takeLocked(ctx context.Context, run *journal.Run, options Options, before func() error) (Summary, error) {
	held, err := h.lock(ctx, run.Pipeline)
	if err != nil {
		return Summary{}, err
	}
	defer held.release()
	if err := before(); err != nil {
		return Summary{}, err
	}
	return h.take(ctx, journal.Claim{Run: run.ID, Turn: held.turn}, options)
}

// take runs a run that waits in the queue, unless someone else has taken it,
// of which an empty summary tells. The caller has the lock of its pipeline.
// When ctx ends the run is queued again, to begin anew under the same id:
// services remember its batches, so that it counts as it would have.
func (h *Hub) take(ctx context.Context, claim journal.Claim, options Options) (Summary, error) {
	taken, err := h.journal.Restart(ctx, claim)
	if err != nil || !taken {
		return Summary{}, err
	}
	run, err := h.journal.Run(ctx, claim.Run)
	if err == nil {
		err = h.fetch(ctx, &run)
	}
	if err != nil {
		return Summary{}, err
	}
	ctx = withTrace(ctx, run.TraceParent)
	options.Input = h.inputOf(&run)
	options.Again = run.Cause == "upload" // that it is no repetition was seen when it was queued
	if run.Lifted != "" {
		options.Lifted, options.Approved = strings.Split(run.Lifted, ","), true
	}
	p, err := h.Load(run.PipelineFile)
	if err == nil && options.Approved {
		err = samePipeline(p, &run)
	}
	if err != nil {
		_, finishErr := h.journal.Finish(ctx, claim, journal.Failed, err.Error(), nil)
		return Summary{}, errors.Join(err, finishErr, h.dropUpload(ctx, &run))
	}
	s, err := h.execute(ctx, p, options, claim)
	if s.Status == journal.Queued || s.Status == journal.Held {
		return s, err // its file is needed again
	}
	// Its rows are applied, or parked as they were read: the file has done its work.
	return s, errors.Join(err, h.dropUpload(ctx, &run))
}

// CloseDeadRuns ends the runs whose process is gone: uploads are queued again,
// others are stopped. A run whose pipeline is locked is alive.
func (h *Hub) CloseDeadRuns(ctx context.Context) error {
	runs, err := h.journal.Runs(ctx, journal.RunFilter{Status: journal.Running, Limit: 1000})
	if err != nil {
		return err
	}
	for _, run := range runs {
		held, err := h.lock(ctx, run.Pipeline)
		if errors.Is(err, ErrRunning) {
			continue
		}
		if err != nil {
			return err
		}
		claim := journal.Claim{Run: run.ID, Turn: held.turn}
		if run.Cause == "upload" || run.Lifted != "" && !run.ApprovedAt.IsZero() {
			err = h.journal.Requeue(ctx, claim)
		} else {
			reason := "its process ended; what was written stays, and the next run begins anew without doubling it"
			if run.Cause == "revert" {
				reason = "its process ended; what was put back stays, and it goes on where it was when it is asked for again"
			}
			_, err = h.journal.Finish(ctx, claim, journal.Stopped, reason, nil)
		}
		held.release()
		if err != nil {
			return err
		}
	}
	return nil
}
