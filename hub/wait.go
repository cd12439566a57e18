package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"crossdock/hub/journal"
	"crossdock/schemas"
)

// awaits returns the rows that a row refers to in vain, where it has no other
// fault and the pipeline lets it wait for them; else nil.
func (x *execution) awaits(one *processed, findings []schemas.Rejection) []journal.Awaited {
	var list []journal.Awaited
	b := one.result.Batch
	for _, f := range findings {
		if f.Severity != schemas.Reject {
			continue
		}
		column := b.Index(f.Field)
		if f.Rule != "reference" || column < 0 || !x.pipeline.Wait.Of(b.Columns[column].Field.Entity) {
			return nil
		}
		key, ok := b.Text(column, f.Row)
		if !ok {
			return nil
		}
		list = append(list, journal.Awaited{Entity: b.Columns[column].Field.Entity, Key: key})
	}
	return list
}

// maxRounds bounds how often rows that were replayed may release others, as a
// parent does its children and these theirs.
const maxRounds = 100

// Rouse replays the rows that have waited for rows of the entities given, as
// far as these are there by now, and all that earlier looks have found to have
// arrived while its pipeline was busy.
func (h *Hub) Rouse(ctx context.Context, entities []string) ([]Summary, error) {
	var summaries []Summary
	var errs []error
	failed := map[string]bool{} // one pipeline that cannot be replayed does not keep the others waiting
	for range maxRounds {
		for _, entity := range entities {
			if err := h.arrive(ctx, entity); err != nil {
				return summaries, err
			}
		}
		names, err := h.journal.DuePipelines(ctx)
		if err != nil {
			return summaries, err
		}
		entities = nil
		for _, name := range names {
			if failed[name] {
				continue
			}
			s, err := h.replay(ctx, journal.ErrorFilter{Pipeline: name, Due: true, Status: journal.OpenRow}, "replay", nil)
			if errors.Is(err, ErrRunning) {
				continue // the look behind its run finds them
			}
			if err != nil {
				errs, failed[name] = append(errs, err), true
				continue
			}
			summaries = append(summaries, s)
			if s.Applied > 0 && !slices.Contains(entities, s.Entity) {
				entities = append(entities, s.Entity)
			}
		}
		if len(entities) == 0 {
			break
		}
	}
	return summaries, errors.Join(errs...)
}

// askedKeys is how many keys a service is asked for at once.
const askedKeys = 1_000

// arrive asks the owner of an entity which of the rows that others wait for
// are there.
func (h *Hub) arrive(ctx context.Context, entity string) error {
	refs := references{hub: h}
	for after := ""; ; {
		keys, err := h.journal.AwaitedKeys(ctx, entity, after, askedKeys)
		if err != nil || len(keys) == 0 {
			return err
		}
		after = keys[len(keys)-1]
		known, err := refs.Known(ctx, entity, keys)
		if err != nil {
			return fmt.Errorf("which %s exist: %w", entity, err)
		}
		there := make([]string, 0, len(keys))
		for i, key := range keys {
			if known[i] {
				there = append(there, key)
			}
		}
		if len(there) > 0 {
			if err := h.journal.Arrive(ctx, entity, there); err != nil {
				return err
			}
		}
	}
}

// rouseAfter replays what has waited for the rows that a run has delivered, and
// what the run has parked to wait for rows that came meanwhile. That it fails
// does not change what the run has done: it is noted, and tried again.
func (h *Hub) rouseAfter(ctx context.Context, s *Summary) {
	if s.DryRun || ctx.Err() != nil {
		return
	}
	var entities []string
	if s.Applied > 0 {
		entities = append(entities, s.Entity)
	}
	if s.Waiting > 0 {
		awaited, err := h.journal.AwaitedEntities(ctx, s.Pipeline)
		if err != nil {
			s.Notices = append(s.Notices, "rows that wait: "+err.Error())
			return
		}
		entities = append(entities, awaited...)
	}
	replays, err := h.Rouse(ctx, entities)
	for _, r := range replays {
		s.Notices = append(s.Notices, roused(&r))
	}
	if err != nil {
		s.Notices = append(s.Notices, "rows that have waited could not be replayed: "+err.Error())
	}
}

func roused(r *Summary) string {
	parts := []string{fmt.Sprintf("%d applied", r.Applied)}
	for _, part := range []struct {
		n    int64
		what string
	}{{r.Unchanged, "unchanged"}, {r.Rejected - r.Waiting, "rejected for another reason"}, {r.Waiting, "still waiting"}, {r.Skipped, "skipped"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return fmt.Sprintf("rows of %s that had waited were replayed by run %s: %s", r.Pipeline, r.Run, strings.Join(parts, ", "))
}

// lookAfterWaiting gives up what has waited for too long, and replays what has
// waited long enough, whoever has brought what it waited for.
func (h *Hub) lookAfterWaiting(ctx context.Context) error {
	if err := h.journal.Expire(ctx); err != nil {
		return err
	}
	entities, err := h.journal.AwaitedEntities(ctx, "")
	if err != nil {
		return err
	}
	replays, err := h.Rouse(ctx, entities)
	for i := range replays {
		h.Log.InfoContext(ctx, roused(&replays[i]))
	}
	return err
}
