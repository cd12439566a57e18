package hub

import (
	"context"
	"errors"
	"fmt"

	"crossdock/hub/journal"
	"crossdock/pipelines"
)

// ErrNotHeld tells that a run does not wait for anyone's approval.
var ErrNotHeld = errors.New("is not held")

// ErrNotTheSame tells that a held run can no longer be run as it was held.
var ErrNotTheSame = errors.New("cannot be approved any more")

// Approve runs exactly the run that a guard holds, with that guard lifted:
// under its id, by the same text of its pipeline, over the same files. It
// refuses with ErrNotTheSame where one of them has changed. By says who
// approves it.
func (h *Hub) Approve(ctx context.Context, id, by string, progress func(Progress)) (Summary, error) {
	run, err := h.approvable(ctx, id)
	if err != nil {
		return Summary{}, err
	}
	s, err := h.takeLocked(ctx, &run, Options{Progress: progress}, func() error {
		if run.Status != journal.Held {
			return nil
		}
		return h.lift(ctx, id, by)
	})
	h.rouseAfter(ctx, &s)
	return s, err
}

// QueueApproved does what Approve does, but for running: the worker will.
func (h *Hub) QueueApproved(ctx context.Context, id, by string) (journal.Run, error) {
	run, err := h.approvable(ctx, id)
	if err == nil && run.Status == journal.Held {
		err = h.lift(ctx, id, by)
	}
	if err != nil {
		return run, err
	}
	h.wakeUp()
	return h.journal.Run(ctx, id)
}

func (h *Hub) lift(ctx context.Context, id, by string) error {
	lifted, err := h.journal.Lift(ctx, id, by)
	if err == nil && !lifted {
		err = fmt.Errorf("run %s %w: someone else was first", id, ErrNotHeld)
	}
	return err
}

// approvable returns a run that is held, or was approved and waits to be run,
// if its pipeline and its files are still those that it was held with.
func (h *Hub) approvable(ctx context.Context, id string) (journal.Run, error) {
	run, err := h.journal.Run(ctx, id)
	if err != nil {
		return run, err
	}
	if run.Status != journal.Held && (run.Status != journal.Queued || run.Lifted == "") {
		return run, fmt.Errorf("run %s %w: it is %s", id, ErrNotHeld, run.Status)
	}
	p, err := h.Load(run.PipelineFile)
	if err != nil {
		return run, fmt.Errorf("run %s %w: %w", id, ErrNotTheSame, err)
	}
	x := &execution{hub: h, pipeline: p, options: Options{Input: h.inputOf(&run)}, id: id}
	if err := samePipeline(p, &run); err != nil {
		return run, err
	}
	if x.source, err = h.sourceOf(p, x.options.Input, nil); err == nil {
		err = x.findFiles()
	}
	if err == nil {
		err = x.sameFiles(ctx)
	}
	if err != nil {
		return run, fmt.Errorf("run %s %w: %w", id, ErrNotTheSame, err)
	}
	return run, nil
}

// samePipeline refuses a pipeline whose text has changed since the run began.
func samePipeline(p *pipelines.Pipeline, run *journal.Run) error {
	if p.Hash == run.PipelineHash {
		return nil
	}
	return fmt.Errorf("run %s %w: the pipeline %s has changed since it was held: run it again (crossdock run %s)",
		run.ID, ErrNotTheSame, run.Pipeline, run.PipelineFile)
}

func (h *Hub) inputOf(run *journal.Run) *Input {
	switch {
	case run.InputPath == "":
		return nil
	case run.Cause == "upload":
		return &Input{Path: h.uploadPath(run.ID), Name: run.InputName}
	}
	return &Input{Path: run.InputPath, Name: run.InputName}
}
