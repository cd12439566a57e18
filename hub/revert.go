package hub

import (
	"context"
	"errors"
	"fmt"

	"crossdock/hub/journal"
	"crossdock/schemas"
)

// ErrNotRevertible tells that a run has left nothing that could be put back.
var ErrNotRevertible = errors.New("cannot be put back")

// RevertOptions say how to put a run back.
type RevertOptions struct {
	By       string // who asks for it
	DryRun   bool   // find out what would happen, and write nothing
	Progress func(Progress)
}

// A RevertSummary is the result of putting a run back. Its Rejected are the rows
// that are kept as they are.
type RevertSummary struct {
	Summary
	Reverts string         `json:"reverts"`        // the run that is put back
	Kept    []schemas.Kept `json:"kept,omitempty"` // the first rows that are kept, and why
}

// Revert puts back what a run has changed, where nothing newer has changed it
// since. It is itself a run, which may be put back in turn. One that was
// interrupted goes on where it was.
func (h *Hub) Revert(ctx context.Context, id string, options RevertOptions) (RevertSummary, error) {
	run, err := h.revertible(ctx, id)
	if err != nil {
		return RevertSummary{Reverts: id}, err
	}
	if options.DryRun {
		return h.tryRevert(ctx, &run)
	}
	// Not beside a run that may change the same rows.
	held, err := h.lock(ctx, run.Pipeline)
	if err != nil {
		return RevertSummary{Reverts: id}, err
	}
	defer held.release()
	revert, err := h.beginRevert(ctx, &run, journal.Running, options.By, held.turn)
	if err != nil {
		return RevertSummary{Reverts: id}, err
	}
	return h.putBack(ctx, &revert, options)
}

// QueueRevert does what Revert does, but for putting back: the worker will.
func (h *Hub) QueueRevert(ctx context.Context, id, by string) (journal.Run, error) {
	run, err := h.revertible(ctx, id)
	if err != nil {
		return journal.Run{}, err
	}
	revert, err := h.beginRevert(ctx, &run, journal.Queued, by, 0)
	if err != nil {
		return journal.Run{}, err
	}
	h.wakeUp()
	return h.journal.Run(ctx, revert.ID)
}

// revertible returns a run that has ended and has changed something.
func (h *Hub) revertible(ctx context.Context, id string) (journal.Run, error) {
	run, err := h.journal.Run(ctx, id)
	switch {
	case err != nil:
		return run, err
	case run.Status == journal.Running || run.Status == journal.Queued:
		return run, fmt.Errorf("run %s %w: it is %s; wait for its end", id, ErrNotRevertible, run.Status)
	case run.Applied == 0 && run.Deactivated == 0:
		return run, fmt.Errorf("run %s %w: it has changed nothing", id, ErrNotRevertible)
	}
	return run, nil
}

// beginRevert begins to put a run back, or goes on with what was interrupted.
func (h *Hub) beginRevert(ctx context.Context, run *journal.Run, status journal.Status, by string, turn int64) (journal.Revert, error) {
	last, there, err := h.journal.LastRevert(ctx, run.ID)
	if err != nil {
		return last, err
	}
	if there {
		switch last.Status {
		case journal.Stopped, journal.Failed, journal.Queued:
			if status == journal.Queued {
				return last, h.journal.WaitAgain(ctx, last.ID)
			}
			last.Turn = turn
			_, err := h.journal.Resume(ctx, last.Claim())
			return last, err
		default:
		}
	}
	revert := journal.Revert{Reverts: run.ID, By: by, Run: journal.Run{
		ID: newRunID(h.Clock()), Turn: turn, Pipeline: run.Pipeline, Entity: run.Entity, Cause: "revert", Status: status,
		PipelineFile: run.PipelineFile, PipelineHash: run.PipelineHash,
	}}
	return revert, h.journal.BeginRevert(ctx, revert)
}

func (h *Hub) tryRevert(ctx context.Context, run *journal.Run) (RevertSummary, error) {
	started := h.Clock()
	s := RevertSummary{Reverts: run.ID, Summary: Summary{Run: run.ID, Pipeline: run.Pipeline, Entity: run.Entity, DryRun: true}}
	target, err := h.targetOf(run.Entity)
	if err != nil {
		return s, err
	}
	answer, err := target.Revert(ctx, schemas.BatchID{}, schemas.RevertRequest{Entity: run.Entity, Run: run.ID, DryRun: true})
	s.add(answer)
	s.end(revertFailure(run.ID, err), h.Clock().Sub(started).Seconds())
	return s, revertFailure(run.ID, err)
}

// putBack takes the steps of a revert that is under way, each of which is
// committed, and ends it.
func (h *Hub) putBack(ctx context.Context, r *journal.Revert, options RevertOptions) (RevertSummary, error) {
	started := h.Clock()
	s := RevertSummary{Reverts: r.Reverts, Summary: Summary{Run: r.ID, Pipeline: r.Pipeline, Entity: r.Entity, Counts: r.Counts}}
	err := h.putBackAll(ctx, r, &s, options)
	s.end(err, h.Clock().Sub(started).Seconds())
	h.metrics.ended(&s.Summary)
	if errors.Is(err, schemas.ErrOvertaken) {
		return s, err // the run belongs to another hub
	}
	_, finishErr := h.journal.Finish(context.WithoutCancel(ctx), r.Claim(), s.Status, s.Error, nil)
	return s, errors.Join(err, finishErr)
}

func (h *Hub) putBackAll(ctx context.Context, r *journal.Revert, s *RevertSummary, options RevertOptions) error {
	target, err := h.targetOf(r.Entity)
	if err != nil {
		return err
	}
	request := schemas.RevertRequest{Entity: r.Entity, Run: r.Reverts, From: r.Cursor}
	if request.From == "" && r.Batches > 0 {
		return nil // it ended before that was written down
	}
	for seq := r.Batches + 1; ; seq++ {
		if ctx.Err() != nil {
			return fmt.Errorf("%w: interrupted; crossdock runs revert %s goes on where it was", ErrStopped, r.Reverts)
		}
		// A step is done or not begun.
		step := context.WithoutCancel(ctx)
		id := schemas.BatchID{Run: r.ID, Seq: seq, Turn: schemas.Turn{Of: r.Pipeline, Number: r.Turn}}
		some, err := target.Revert(step, id, request)
		if errors.Is(err, schemas.ErrAway) {
			return fmt.Errorf("%w: %w; crossdock runs revert %s goes on where it was", ErrStopped, err, r.Reverts)
		}
		if err != nil {
			return revertFailure(r.Reverts, err)
		}
		counts := s.add(some)
		if err := h.commit(step, r.Pipeline, r.Claim(), journal.Commit{Counts: counts, Cursor: some.Next}); err != nil {
			return fmt.Errorf("write the journal of run %s: %w", r.ID, err)
		}
		if options.Progress != nil {
			options.Progress(Progress{Pipeline: r.Pipeline, Phase: "writing", Counts: s.Counts})
		}
		if request.From = some.Next; request.From == "" {
			return nil
		}
	}
}

// add counts what became of further rows.
func (s *RevertSummary) add(some schemas.Reverted) journal.Counts {
	counts := journal.Counts{Applied: int64(some.Applied), Unchanged: int64(some.Unchanged), Rejected: int64(some.KeptRows)}
	counts.Read = counts.Applied + counts.Unchanged + counts.Rejected
	s.Add(counts)
	s.Kinds.add(some.Outcome)
	s.Kept = append(s.Kept, some.Kept[:min(len(some.Kept), schemas.MaxKept-len(s.Kept))]...)
	return counts
}

// end sets what the summary says of the end.
func (s *RevertSummary) end(err error, seconds float64) {
	s.Seconds = seconds
	if seconds > 0 {
		s.RowsPerSecond = float64(s.Read) / seconds
	}
	switch {
	case errors.Is(err, ErrStopped):
		s.Status, s.Error = journal.Stopped, err.Error()
	case err != nil:
		s.Status, s.Error = journal.Failed, err.Error()
	case s.Rejected > 0:
		s.Status = journal.Partial
	default:
		s.Status = journal.Succeeded
	}
}

// revertFailure says what it means that a service knows nothing of a run.
func revertFailure(run string, err error) error {
	if errors.Is(err, schemas.ErrHistoryGone) {
		return fmt.Errorf("run %s %w: it is too old, rows as they were before are kept for 30 days", run, ErrNotRevertible)
	}
	return err
}

func (h *Hub) targetOf(entity string) (Target, error) {
	e, err := h.Registry.Entity(entity)
	if err != nil {
		return nil, err
	}
	return h.target(e)
}

// workRevert puts back a run that waits for it. When ctx ends it waits again.
func (h *Hub) workRevert(ctx context.Context, run *journal.Run) error {
	held, err := h.lock(ctx, run.Pipeline)
	if err != nil {
		return err
	}
	defer held.release()
	// Another process may have done it since it was listed.
	taken, err := h.journal.Resume(ctx, journal.Claim{Run: run.ID, Turn: held.turn})
	if err != nil || !taken {
		return err
	}
	revert, there, err := h.journal.Revert(ctx, run.ID)
	if err != nil || !there {
		return err
	}
	revert.Turn = held.turn
	s, err := h.putBack(ctx, &revert, RevertOptions{})
	if away := errors.Is(err, schemas.ErrAway); s.Status == journal.Stopped && (away || ctx.Err() != nil) {
		err = h.journal.WaitAgain(context.WithoutCancel(ctx), run.ID)
		if away && err == nil {
			err = errPutOff
		}
		return err
	}
	h.Log.InfoContext(ctx, "run put back", "run", s.Run, "reverts", s.Reverts, "status", s.Status, "read", s.Read,
		"applied", s.Applied, "unchanged", s.Unchanged, "kept", s.Rejected)
	return err
}
