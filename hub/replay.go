package hub

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// Replay sends parked rows once more through their pipelines as they are
// today, mended mapping and rules included. A row that passes is replayed; one
// that does not stays open, with what is wrong with it now. There is one run,
// and one summary, for each pipeline concerned.
func (h *Hub) Replay(ctx context.Context, filter journal.ErrorFilter, progress func(Progress)) ([]Summary, error) {
	rows, err := h.journal.Rows(ctx, filter)
	if err != nil {
		return nil, err
	}
	if err := allFound(filter.IDs, rows); err != nil {
		return nil, err
	}
	var summaries []Summary
	for _, name := range pipelinesOf(rows) {
		own := slices.DeleteFunc(slices.Clone(rows), func(r *journal.Row) bool { return r.Pipeline != name })
		s, err := h.replay(ctx, name, own, progress)
		summaries = append(summaries, s)
		if err != nil {
			return summaries, err
		}
	}
	return summaries, nil
}

// allFound refuses ids that name nothing, and rows that are not open.
func allFound(ids []int64, rows []*journal.Row) error {
	for _, id := range ids {
		found := slices.ContainsFunc(rows, func(r *journal.Row) bool {
			return slices.ContainsFunc(r.Findings, func(f journal.Finding) bool { return f.ID == id })
		})
		if !found {
			return fmt.Errorf("error %d: %w (crossdock errors list)", id, journal.ErrNotFound)
		}
	}
	for _, r := range rows {
		if r.Status != journal.OpenRow {
			return fmt.Errorf("error %d %w: it is %s", r.Findings[0].ID, journal.ErrNotOpen, r.Status)
		}
	}
	return nil
}

func pipelinesOf(rows []*journal.Row) []string {
	var names []string
	for _, r := range rows {
		if !slices.Contains(names, r.Pipeline) {
			names = append(names, r.Pipeline)
		}
	}
	return names
}

func (h *Hub) replay(ctx context.Context, name string, rows []*journal.Row, progress func(Progress)) (Summary, error) {
	failed := Summary{Pipeline: name, Status: journal.Failed}
	p, err := h.Find(ctx, name)
	if err != nil {
		return failed, err
	}
	release, err := h.lock(name)
	if err != nil {
		return failed, err
	}
	defer release()
	id := newRunID(h.Clock())
	if err := h.begin(ctx, p, id, "replay", journal.Running, nil); err != nil {
		return failed, err
	}
	started := h.Clock()
	x := &execution{hub: h, pipeline: p, options: Options{Progress: progress}, id: id, byRule: map[string]int64{}}
	err = x.replay(ctx, rows)
	s := x.summary(err, h.Clock().Sub(started))
	if _, finishErr := h.journal.Finish(context.WithoutCancel(ctx), id, s.Status, s.Error, nil); err == nil {
		err = finishErr
	}
	return s, err
}

// replay applies parked rows. Rows that were read under the same header make
// one batch, in the order in which they were parked.
func (x *execution) replay(ctx context.Context, rows []*journal.Row) error {
	var err error
	if x.target, err = x.hub.target(x.pipeline.Entity); err != nil {
		return err
	}
	tables, err := x.hub.tables(ctx, x.pipeline)
	if err != nil {
		return err
	}
	processors := map[string]*pipelines.Processor{}
	for len(rows) > 0 {
		n := sameShape(rows)
		batch := rows[:n]
		rows = rows[n:]
		if !batch[0].Cells.Whole {
			if err := x.remainUncut(ctx, batch); err != nil {
				return err
			}
			continue
		}
		header := strings.Join(batch[0].Cells.Names, "\x00")
		if processors[header] == nil {
			if processors[header], err = x.pipeline.Start(batch[0].Cells.Names, tables, references{hub: x.hub}); err != nil {
				return err
			}
		}
		if err := x.replayBatch(ctx, processors[header], batch); err != nil {
			return err
		}
	}
	return x.complete()
}

// sameShape counts the rows at the beginning that can share a batch.
func sameShape(rows []*journal.Row) int {
	first := rows[0]
	for i, r := range rows {
		if i == connectors.DefaultBatchRows || r.Cells.Whole != first.Cells.Whole ||
			r.Place.Resource != first.Place.Resource || r.Place.Part != first.Place.Part ||
			!slices.Equal(r.Cells.Names, first.Cells.Names) {
			return i
		}
	}
	return len(rows)
}

func (x *execution) replayBatch(ctx context.Context, processor *pipelines.Processor, rows []*journal.Row) error {
	if err := interrupted(ctx); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	b := batchOf(rows)
	result, err := processor.Process(ctx, b)
	if err != nil {
		return err
	}
	keepDuplicates(result, rows)
	one := &processed{batch: b, result: result, processor: processor}
	x.seq++
	outcome, err := x.apply(ctx, result.Batch)
	if err != nil {
		return fmt.Errorf("deliver rows %s: %w", rowRange(b), err)
	}
	counts, parked := x.account(one, outcome)
	commit := journal.Commit{Counts: counts}
	for i, row := range rows {
		again := slices.IndexFunc(parked, func(p *journal.Row) bool { return p.Place.Row == row.Place.Row && p.Status == journal.OpenRow })
		if again < 0 {
			commit.Settled = append(commit.Settled, rows[i].ID)
			continue
		}
		row.Key, row.Findings = parked[again].Key, parked[again].Findings
		commit.Remained = append(commit.Remained, row)
	}
	if err := x.hub.journal.Commit(ctx, x.id, commit); err != nil {
		return fmt.Errorf("write the journal of run %s: %w", x.id, err)
	}
	x.counts.Add(counts)
	x.report("writing", x.counts, b)
	return nil
}

// keepDuplicates rejects again the rows that were parked because an earlier
// row had the same key, and still have that key. The earlier row is not part
// of the replay, and they must not overwrite it unseen.
func keepDuplicates(result *pipelines.Result, rows []*journal.Row) {
	for i, row := range rows {
		at := slices.IndexFunc(row.Findings, func(f journal.Finding) bool { return f.Rule == "unique" })
		if at < 0 || row.Key == "" || result.Batch.KeyText(i) != row.Key {
			continue
		}
		f := row.Findings[at]
		result.Reject(schemas.Rejection{Row: i, Field: f.Field, Rule: f.Rule, Severity: schemas.Reject, Value: f.Value, Message: f.Message})
	}
}

// remainUncut keeps rows that never were cut into cells: only their source
// can be mended.
func (x *execution) remainUncut(ctx context.Context, rows []*journal.Row) error {
	x.seq++
	n := int64(len(rows))
	counts := journal.Counts{Read: n, Rejected: n}
	x.counts.Add(counts)
	return x.hub.journal.Commit(ctx, x.id, journal.Commit{Counts: counts, Remained: rows})
}

// batchOf makes a batch of parked rows of one shape.
func batchOf(rows []*journal.Row) *connectors.Batch {
	builder := connectors.NewTextBuilder(rows[0].Cells.Names)
	for _, row := range rows {
		for c := range row.Cells.Names {
			kind := connectors.TextCell
			if c < len(row.Cells.Kinds) {
				kind = row.Cells.Kinds[c]
			}
			var value []byte
			if row.Cells.Values[c] != nil {
				value = append([]byte{}, *row.Cells.Values[c]...)
			}
			builder.Cell(c, value, kind)
		}
		builder.EndRow(row.Place.Row)
	}
	b := builder.Build()
	first := rows[0]
	b.Origin.Resource, b.Origin.Version, b.Origin.Part = first.Place.Resource, first.Version, first.Place.Part
	b.Origin.Cells = first.Cells.Sheet
	return b
}
