package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// Replay sends parked rows once more through their pipelines as they are
// today, mended mapping and rules included. A row that passes is replayed; one
// that does not stays open, with what is wrong with it now. A row that the
// filter now passes over, or whose key a later run has parked as well, is
// superseded, and counts as skipped. A row that waits is tried as well where it is
// chosen by the id of an error, and goes on waiting if it has to. There is one run, and one summary, for
// each pipeline concerned.
func (h *Hub) Replay(ctx context.Context, filter journal.ErrorFilter, options *ReplayOptions) ([]Summary, error) {
	if err := h.selectable(ctx, &filter); err != nil {
		return nil, err
	}
	if len(filter.IDs) > 0 {
		waiting, err := h.noneClosed(ctx, filter.IDs)
		if err != nil {
			return nil, err
		}
		if err := h.journal.EndWait(ctx, waiting); err != nil {
			return nil, err
		}
		filter.Status = journal.OpenRow
	}
	names, err := h.journal.PipelinesOf(ctx, filter)
	if err != nil {
		return nil, err
	}
	var summaries []Summary
	for _, name := range names {
		filter.Pipeline = name
		s, err := h.replay(ctx, filter, "replay", options)
		summaries = append(summaries, s)
		if err != nil {
			return summaries, err
		}
	}
	return summaries, nil
}

// noneClosed refuses ids that name nothing, and rows that were dealt with already.
// It returns the rows that wait.
func (h *Hub) noneClosed(ctx context.Context, ids []int64) (waiting []int64, err error) {
	for _, id := range ids {
		row, err := h.journal.RowOf(ctx, id)
		if err != nil {
			return nil, err
		}
		switch row.Status {
		case journal.OpenRow:
		case journal.WaitingRow:
			waiting = append(waiting, row.ID)
		default:
			return nil, fmt.Errorf("error %d %w: it is %s", id, journal.ErrNotOpen, row.Status)
		}
	}
	return waiting, nil
}

// ReplayOptions say how to replay; nil is the zero value.
type ReplayOptions struct {
	By       string // who asked for it; "" leaves no entry in the histories of rows
	Progress func(Progress)
}

func (h *Hub) replay(ctx context.Context, filter journal.ErrorFilter, cause string, options *ReplayOptions) (Summary, error) {
	if options == nil {
		options = &ReplayOptions{}
	}
	name := filter.Pipeline
	failed := Summary{Pipeline: name, Status: journal.Failed}
	p, err := h.Find(ctx, name)
	if err != nil {
		return failed, err
	}
	// Rows are read under the lock: a run that is under way may deliver or
	// supersede them.
	held, err := h.lock(ctx, name)
	if err != nil {
		return failed, err
	}
	defer held.release()
	claim := journal.Claim{Run: newRunID(h.Clock()), Turn: held.turn}
	if err := h.begin(ctx, p, claim, cause, journal.Running, Options{}); err != nil {
		return failed, err
	}
	started := h.Clock()
	ctx, end := h.traced(ctx, claim.Run, name)
	// What was due stays so, and is seen to later.
	x := &execution{
		hub: h, pipeline: p, options: Options{Progress: options.Progress, By: options.By, Requeue: filter.Due}, id: claim.Run, turn: claim.Turn,
	}
	if filter.Due {
		err = h.journal.OpenDue(ctx, name)
	}
	if err == nil {
		err = x.replay(ctx, filter)
	}
	if err == nil && filter.Due {
		err = h.journal.CloseDue(ctx, name)
	}
	if err != nil && ctx.Err() != nil && !errors.Is(err, ErrStopped) {
		err = interrupted(ctx) // whatever failed first failed for that
	}
	err = stopAway(err)
	s := x.summary(err, h.Clock().Sub(started))
	h.metrics.ended(&s)
	end(&s, err)
	if _, finishErr := h.journal.Finish(context.WithoutCancel(ctx), claim, s.Status, s.Error, nil); err == nil {
		err = finishErr
	}
	return s, err
}

// replay applies parked rows, in the order in which they were parked.
func (x *execution) replay(ctx context.Context, filter journal.ErrorFilter) error {
	var err error
	if x.target, err = x.hub.target(x.pipeline.Entity); err != nil {
		return err
	}
	x.target = x.patience(ctx)(x.target, x.pipeline.Entity.Service)
	tables, err := x.hub.tables(ctx, x.pipeline)
	if err != nil {
		return err
	}
	outdated, err := x.outdated(ctx, filter, tables)
	if err != nil {
		return err
	}
	processors := x.processors(tables, references{hub: x.hub, wait: x.patience(ctx)})
	err = x.eachParked(ctx, filter, func(rows []*journal.Row) error {
		if err := interrupted(ctx); err != nil {
			return err
		}
		return x.replayBatch(context.WithoutCancel(ctx), processors, outdated, rows)
	})
	if err != nil {
		return err
	}
	return x.complete()
}

// processors returns what makes the processor of a header, or has it already.
func (x *execution) processors(tables map[string]*pipelines.Table, refs pipelines.References) func([]string) (*pipelines.Processor, error) {
	made := map[string]*pipelines.Processor{}
	return func(names []string) (*pipelines.Processor, error) {
		header := strings.Join(names, "\x00")
		if made[header] == nil {
			processor, err := x.pipeline.Start(names, tables, refs)
			if err != nil {
				return nil, err
			}
			made[header] = processor
		}
		return made[header], nil
	}
}

// eachParked calls fn with parked rows, oldest first. Rows that were read
// under the same header make a batch, in the bounds of a batch as read.
func (x *execution) eachParked(ctx context.Context, filter journal.ErrorFilter, fn func([]*journal.Row) error) error {
	var batch []*journal.Row
	size := 0
	flush := func() error {
		rows := batch
		batch, size = nil, 0
		return fn(rows)
	}
	err := x.hub.journal.EachRow(ctx, filter, func(r *journal.Row) error {
		full := len(batch) == connectors.DefaultBatchRows || size >= connectors.MaxBatchBytes
		if len(batch) > 0 && (full || !sameShape(batch[0], r)) {
			if err := flush(); err != nil {
				return err
			}
		}
		batch = append(batch, r)
		for _, value := range r.Cells.Values {
			if value != nil {
				size += len(*value)
			}
		}
		return nil
	})
	if err != nil || len(batch) == 0 {
		return err
	}
	return flush()
}

// sameShape tells whether two rows can share a batch.
func sameShape(a, b *journal.Row) bool {
	return a.Cells.Whole == b.Cells.Whole && a.Cells.Sheet == b.Cells.Sheet &&
		a.Place.Resource == b.Place.Resource && a.Place.Part == b.Place.Part && slices.Equal(a.Cells.Names, b.Cells.Names)
}

// outdated finds the rows whose key a row of a later run has as well. They
// must not overwrite that one, nor make a duplicate of it. The keys are those
// of today's mapping, so that all rows are mapped once to know them.
func (x *execution) outdated(ctx context.Context, filter journal.ErrorFilter, tables map[string]*pipelines.Table) (map[int64]bool, error) {
	runs, err := x.hub.journal.RunsOf(ctx, filter)
	if err != nil || len(runs) < 2 {
		return nil, err
	}
	type holders struct {
		run  string
		rows []int64
	}
	seed := maphash.MakeSeed()
	newest := map[uint64]holders{} // by the hash of the key, which is shorter
	outdated := map[int64]bool{}
	processors := x.processors(tables, nil)
	err = x.eachParked(ctx, filter, func(rows []*journal.Row) error {
		keys, err := keysOf(ctx, processors, rows)
		if err != nil {
			return err
		}
		for i, row := range rows {
			if keys[i] == "" {
				continue
			}
			hash := maphash.String(seed, keys[i])
			have := newest[hash]
			if have.run != row.Run {
				for _, id := range have.rows {
					outdated[id] = true
				}
				have = holders{run: row.Run}
			}
			have.rows = append(have.rows, row.ID)
			newest[hash] = have
		}
		return nil
	})
	return outdated, err
}

// keysOf returns the key of each row of a batch, "" where it has none.
func keysOf(ctx context.Context, processors func([]string) (*pipelines.Processor, error), rows []*journal.Row) ([]string, error) {
	keys := make([]string, len(rows))
	if !rows[0].Cells.Whole {
		for i, row := range rows {
			keys[i] = row.Key // of its time: it cannot be mapped again
		}
		return keys, nil
	}
	processor, err := processors(rows[0].Cells.Names)
	if err != nil {
		return nil, err
	}
	result, err := processor.Process(ctx, batchOf(rows))
	if err != nil {
		return nil, err
	}
	for i := range rows {
		keys[i] = result.Batch.KeyText(i)
	}
	return keys, nil
}

// replayBatch deals with rows of one shape, but for those that someone has
// closed since they were read.
func (x *execution) replayBatch(ctx context.Context, processors func([]string) (*pipelines.Processor, error), outdated map[int64]bool, rows []*journal.Row) error {
	rows, err := x.hub.journal.StillOpen(ctx, rows)
	if err != nil {
		return err
	}
	var superseded []int64
	rows = slices.DeleteFunc(rows, func(r *journal.Row) bool {
		if outdated[r.ID] {
			superseded = append(superseded, r.ID)
		}
		return outdated[r.ID]
	})
	if n := int64(len(superseded)); n > 0 {
		if err := x.commitReplay(ctx, journal.Commit{Counts: journal.Counts{Read: n, Skipped: n}, Superseded: superseded}); err != nil {
			return err
		}
	}
	n := int64(len(rows))
	switch {
	case n == 0:
		return nil
	case !rows[0].Cells.Whole: // only their source can be mended
		return x.commitReplay(ctx, journal.Commit{Counts: journal.Counts{Read: n, Rejected: n}, Remained: rows})
	}
	processor, err := processors(rows[0].Cells.Names)
	if err != nil {
		return err
	}
	rows, lacking := withheld(rows, processor)
	if n := int64(len(lacking)); n > 0 {
		if err := x.commitReplay(ctx, journal.Commit{Counts: journal.Counts{Read: n, Rejected: n}, Remained: lacking}); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return x.applyParked(ctx, processor, rows)
}

func (x *execution) applyParked(ctx context.Context, processor *pipelines.Processor, rows []*journal.Row) error {
	b := batchOf(rows)
	result, err := processor.Process(ctx, b)
	if err != nil {
		return err
	}
	keepDuplicates(result, rows)
	x.seq++
	outcome, err := x.apply(ctx, result.Batch)
	if err != nil {
		return fmt.Errorf("deliver rows %s: %w", rowRange(b), err)
	}
	return x.commitReplay(ctx, x.settle(&processed{batch: b, result: result, processor: processor}, outcome, rows))
}

func (x *execution) commitReplay(ctx context.Context, commit journal.Commit) error {
	commit.By = x.options.By
	if err := x.hub.commit(ctx, x.pipeline.Name, x.claim(), commit); err != nil {
		return fmt.Errorf("write the journal of run %s: %w", x.id, err)
	}
	x.counts.Add(commit.Counts)
	x.report("writing", x.counts, &connectors.Batch{})
	return nil
}

// settle says what became of each row of a batch. What was found is matched by
// index: rows of several runs may have the same number.
func (x *execution) settle(one *processed, outcome schemas.Outcome, rows []*journal.Row) journal.Commit {
	found := map[int][]schemas.Rejection{}
	for _, f := range slices.Concat(one.result.Findings, outcome.Rejected) {
		found[f.Row] = append(found[f.Row], f)
	}
	c := journal.Commit{Counts: journal.Counts{Read: int64(len(rows)), Applied: int64(outcome.Applied), Unchanged: int64(outcome.Unchanged)}}
	inScope := judged(one.result)
	for i, row := range rows {
		open := false
		if len(found[i]) > 0 {
			again := x.parkedRow(one, found[i])
			c.Counts.Warned += warnings(again)
			if open = again.Status != journal.NotedRow; open {
				row.Key, row.Findings = cmp.Or(again.Key, row.Key), again.Findings
				row.Awaited, row.WaitsUntil = again.Awaited, again.WaitsUntil
			}
			if again.Status == journal.WaitingRow {
				c.Counts.Waiting++
			}
		}
		switch {
		case open:
			c.Remained = append(c.Remained, row)
		case inScope[i]:
			c.Settled = append(c.Settled, row.ID)
		default:
			c.Superseded = append(c.Superseded, row.ID)
		}
	}
	c.Counts.Rejected, c.Counts.Skipped = int64(len(c.Remained)), int64(len(c.Superseded))
	return c
}

// judged tells which rows the filter did not pass over.
func judged(result *pipelines.Result) []bool {
	rows := make([]bool, result.Batch.Rows.NumRows())
	result.Batch.Each(func(row int) bool {
		rows[row] = true
		return true
	})
	for _, f := range result.Findings {
		if f.Severity == schemas.Reject {
			rows[f.Row] = true
		}
	}
	return rows
}

// keepDuplicates rejects again the rows that were parked because an earlier
// row had the same key, and still have that key. The earlier row is not part
// of the replay, and they must not overwrite it unseen.
func keepDuplicates(result *pipelines.Result, rows []*journal.Row) {
	var again []schemas.Rejection
	inScope := judged(result)
	for i, row := range rows {
		f, duplicate := duplicateKey(result.Batch, row)
		// A row whose key cannot be made out today is rejected for that, and
		// must be known for a duplicate when it can be.
		if key := result.Batch.KeyText(i); !duplicate || !inScope[i] || key != "" && key != row.Key {
			continue
		}
		again = append(again, schemas.Rejection{Row: i, Field: f.Field, Rule: f.Rule, Severity: f.Severity, Value: f.Value, Message: f.Message})
	}
	result.Reject(again...)
}

// duplicateKey returns the finding by which a row was parked for having the
// key of another. Rules of the pipeline may hold other fields to be unique;
// where several make up the key, it is the value that tells them apart.
func duplicateKey(b *schemas.Batch, row *journal.Row) (journal.Finding, bool) {
	var fields []string
	for _, f := range b.Entity.Key() {
		if b.Index(f.Name) >= 0 {
			fields = append(fields, f.Name)
		}
	}
	for _, f := range row.Findings {
		if f.Rule != "unique" || f.Severity != schemas.Reject || row.Key == "" {
			continue
		}
		if len(fields) == 1 && f.Field == fields[0] || len(fields) > 1 && f.Field == "" && f.Value == schemas.Shorten(row.Key) {
			return f, true
		}
	}
	return journal.Finding{}, false
}

// batchOf makes a batch of parked rows of one shape, with the edits made to them.
func batchOf(rows []*journal.Row) *connectors.Batch {
	builder := connectors.NewTextBuilder(rows[0].Cells.Names)
	for _, row := range rows {
		cells := row.Mended()
		for c := range cells.Names {
			kind := connectors.TextCell
			if c < len(cells.Kinds) {
				kind = cells.Kinds[c]
			}
			var value []byte
			if cells.Values[c] != nil {
				value = append([]byte{}, *cells.Values[c]...)
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
