package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"crossdock/hub/journal"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// The guards that can hold a run, as they are named in a pipeline.
const (
	headerGuard  = "header"
	minRowsGuard = "min_rows"
)

// A HeldError tells that a guard holds a run until a person approves it.
type HeldError struct {
	Guard string // as a pipeline names it
	Fact  string // what is unlike the runs before
	Run   string
}

// Error returns what is unlike the runs before, and what to do if it is right.
func (e *HeldError) Error() string {
	guard, flags := e.Guard, ""
	if rows, ok := strings.CutPrefix(e.Guard, lossGuard+"="); ok {
		guard, flags = lossGuard, " --max-loss "+rows
	}
	return fmt.Sprintf("held: %s (guard %s); if that is right: crossdock runs approve %s%s", e.Fact, guard, e.Run, flags)
}

// comparedRuns is how many runs before this one guards compare it with.
const comparedRuns = 5

// hold returns what holds the run for a guard: nothing where the guard was
// lifted, and for a dry run, which says what would happen.
func (x *execution) hold(guard, format string, args ...any) error {
	fact := fmt.Sprintf(format, args...)
	switch {
	case x.options.DryRun:
		x.notices = append(x.notices, "guard "+guard+" would hold the run: "+fact)
	case slices.Contains(x.options.Lifted, guard):
		x.notices = append(x.notices, "guard "+guard+" was lifted: "+fact)
	default:
		return &HeldError{guard, fact, x.id}
	}
	return nil
}

// pasts returns the runs that guards compare this one with, newest first.
func (x *execution) pasts(ctx context.Context) ([]journal.Past, error) {
	if x.known == nil {
		known, err := x.hub.journal.Pasts(ctx, x.pipeline.Name, comparedRuns)
		if err != nil {
			return nil, err
		}
		x.known = known
	}
	return x.known, nil
}

// guardHeader compares the columns of the source with those of the last run.
func (x *execution) guardHeader(ctx context.Context) error {
	mode := x.pipeline.Guard.Header
	if mode == pipelines.GuardIgnore || mode == "" && x.stream.Sparse {
		return nil
	}
	pasts, err := x.pasts(ctx)
	if err != nil {
		return err
	}
	last := slices.IndexFunc(pasts, func(p journal.Past) bool { return p.Header != nil })
	if last < 0 {
		return nil
	}
	change := headerChange(pasts[last].Header, x.stream.Columns)
	if change == "" {
		return nil
	}
	if _, err := x.process(); err != nil {
		return err // a column that is mapped and went needs more than an approval
	}
	change = fmt.Sprintf("the source has other columns than in run %s: %s", pasts[last].Run, change)
	// Whoever has changed the pipeline since has looked at its source.
	if mode == pipelines.GuardWarn || pasts[last].PipelineHash != x.pipeline.Hash {
		x.notices = append(x.notices, change)
		return nil
	}
	return x.hold(headerGuard, "%s", change)
}

// shownColumns bounds how many columns a message names.
const shownColumns = 8

// headerChange says which columns came, went or moved, or "".
func headerChange(before, now []string) string {
	lacks := func(list []string) func(string) bool {
		return func(name string) bool { return !slices.Contains(list, name) }
	}
	var parts []string
	for _, part := range []struct {
		names []string
		verb  string
	}{
		{those(now, lacks(before)), "came"},
		{those(before, lacks(now)), "went"},
		{movedColumns(before, now), "moved"},
	} {
		if n := len(part.names); n > 0 {
			text := strings.Join(part.names[:min(n, shownColumns)], ", ")
			if n > shownColumns {
				text += fmt.Sprintf(" and %d more", n-shownColumns)
			}
			parts = append(parts, text+" "+part.verb)
		}
	}
	return strings.Join(parts, "; ")
}

func those(names []string, wanted func(string) bool) []string {
	var kept []string
	for _, name := range names {
		if wanted(name) {
			kept = append(kept, schemas.QuoteShort(name))
		}
	}
	return kept
}

// movedColumns returns the columns that stand in another order among those
// that were there before and still are.
func movedColumns(before, now []string) []string {
	was := slices.DeleteFunc(slices.Clone(before), func(name string) bool { return !slices.Contains(now, name) })
	is := slices.DeleteFunc(slices.Clone(now), func(name string) bool { return !slices.Contains(before, name) })
	var moved []string
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			moved = append(moved, schemas.QuoteShort(is[i]))
		}
	}
	return moved
}

// mustSurvey reports whether a guard needs to see the whole of a source before
// its first row is written.
func (x *execution) mustSurvey() bool {
	return x.pipeline.StopAbove < 1 || x.pipeline.Guard.MinRows > 0 || x.pipeline.Guard.Newest != "" || x.pipeline.StopsByCheck()
}

// guardRows compares how many rows the source has with what runs had before.
func (x *execution) guardRows(ctx context.Context, rows int64) error {
	share := x.pipeline.Guard.MinRows
	if share == 0 || x.continues() {
		return nil
	}
	pasts, err := x.pasts(ctx)
	if err != nil || len(pasts) == 0 {
		return err
	}
	usual := median(pasts)
	if float64(rows) >= share*float64(usual) {
		return nil
	}
	before := fmt.Sprintf("the median of the last %d runs", len(pasts))
	if len(pasts) == 1 {
		before = "the run before"
	}
	return x.hold(minRowsGuard, "the source has %d rows, fewer than %s of the %d that %s had", rows, percent(share), usual, before)
}

// noteRows tells of a source that could not be counted before it was written.
func (x *execution) noteRows(ctx context.Context) error {
	if x.stream.Rereadable {
		return nil
	}
	err := x.guardRows(ctx, x.counts.Read)
	if held, ok := errors.AsType[*HeldError](err); ok {
		x.notices = append(x.notices, held.Fact)
		return nil
	}
	return err
}

func median(pasts []journal.Past) int64 {
	rows := make([]int64, len(pasts))
	for i, p := range pasts {
		rows[i] = p.Read
	}
	slices.Sort(rows)
	return rows[len(rows)/2]
}
