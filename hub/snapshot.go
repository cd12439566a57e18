package hub

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/zeebo/xxh3"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/schemas"
)

// lossGuard is the guard that keeps a snapshot from taking too much away. The
// number of rows behind it, as in max_loss=120, is what it is lifted up to.
const lossGuard = "max_loss"

// A present is the keys that a source holds, as hashes: 8 bytes a row. Two keys
// of one hash, which among a hundred million are not to be expected, would keep
// a row that has gone.
type present struct {
	keys    []uint64
	sorted  bool
	unclear string // why rows that it seems to lack may be there all the same
}

// notePresent notes which rows of the target the source holds: those that pass, and
// those that are rejected, if their key can be made out. Rows that the filter
// passes over it does not hold.
func (x *execution) notePresent(one *processed) {
	if x.pipeline.Snapshot == nil || x.present.unclear != "" {
		return
	}
	if len(one.batch.Rejects) > 0 {
		r := one.batch.Rejects[0]
		x.present.unclear = fmt.Sprintf("%s could not be read", one.batch.Origin.Place(r.Row, -1, ""))
		return
	}
	b := one.result.Batch
	wrong := wrongKeys(one)
	for row, is := range judged(one.result) {
		if !is {
			continue
		}
		hash, ok := keyHash(b, row)
		if !ok || wrong[row] {
			x.present.unclear = fmt.Sprintf("the key of %s could not be made out", one.batch.Origin.Place(one.batch.Origin.Rows[row], -1, ""))
			return
		}
		x.present.keys = append(x.present.keys, hash)
	}
}

// wrongKeys returns the rows that are rejected for a part of the key that has
// no value for that.
func wrongKeys(one *processed) map[int]bool {
	wrong := map[int]bool{}
	b := one.result.Batch
	for _, f := range one.result.Findings {
		i := b.Index(f.Field)
		if f.Severity == schemas.Reject && i >= 0 && b.Columns[i].Field.Key && b.Rows.Column(i).IsNull(f.Row) {
			wrong[f.Row] = true
		}
	}
	return wrong
}

// keyHash returns a hash of the key of a row, and false where it lacks a part.
func keyHash(b *schemas.Batch, row int) (uint64, bool) {
	var key []byte
	for _, f := range b.Entity.Key() {
		text := ""
		if i := b.Index(f.Name); i >= 0 {
			text, _ = b.Text(i, row)
		}
		if text == "" {
			text = f.Default
		}
		if text == "" && f.Required {
			return 0, false
		}
		key = append(strconv.AppendInt(key, int64(len(text)), 10), ' ')
		key = append(key, text...)
	}
	return xxh3.Hash(key), true
}

func (p *present) has(hash uint64) bool {
	if !p.sorted {
		slices.Sort(p.keys)
		p.sorted = true
	}
	_, there := slices.BinarySearch(p.keys, hash)
	return there
}

// deactivate takes out of use what the target has in the scope of a snapshot
// and the source does not hold. It comes when all rows of the source are
// delivered, and counts before it touches anything.
func (x *execution) deactivate(ctx context.Context) error {
	if x.pipeline.Snapshot == nil || x.nothingRead() {
		return nil
	}
	if why := x.incomplete(); why != "" {
		x.notices = append(x.notices, "nothing is deactivated: "+why)
		return nil
	}
	inUse, absent := int64(0), int64(0)
	err := x.eachAbsent(ctx, func(_ *schemas.Batch, rows []int32, used int64) error {
		inUse += used
		absent += int64(len(rows))
		return nil
	})
	if err != nil || absent == 0 {
		return err
	}
	if err := x.guardLoss(absent, inUse); err != nil {
		return err
	}
	done := int64(0)
	err = x.eachAbsent(ctx, func(b *schemas.Batch, rows []int32, _ int64) error {
		if done += int64(len(rows)); done > absent {
			return fmt.Errorf("%w: while %d rows were deactivated, others came into their scope: run the pipeline again", ErrStopped, absent)
		}
		if len(rows) == 0 {
			return nil
		}
		return x.deactivateBatch(ctx, b, rows)
	})
	return err
}

// nothingRead reports whether all files were applied before, which is said already.
func (x *execution) nothingRead() bool {
	return len(x.inputs) > 0 && !slices.ContainsFunc(x.inputs, isRead)
}

// incomplete says why the source may hold more than was seen of it, or "".
func (x *execution) incomplete() string {
	if x.present.unclear != "" {
		return x.present.unclear + ", so that what is absent is not known"
	}
	for _, f := range x.inputs {
		if !isRead(f) || f.Begun != "" {
			return f.Name + " was not read, or not from its beginning, as it was applied before"
		}
	}
	if len(x.present.keys) == 0 {
		return "the source holds no rows"
	}
	return ""
}

// scope writes the scope of a snapshot for people.
func (x *execution) scope() string {
	scope := x.pipeline.Snapshot.Scope
	if len(scope) == 0 {
		return "all " + strings.ReplaceAll(x.pipeline.Entity.Plural, "_", " ")
	}
	parts := make([]string, 0, len(scope))
	for _, name := range slices.Sorted(maps.Keys(scope)) {
		parts = append(parts, name+": "+scope[name])
	}
	return strings.ReplaceAll(x.pipeline.Entity.Plural, "_", " ") + " of " + strings.Join(parts, ", ")
}

// guardLoss holds a run that would deactivate more rows than it may.
func (x *execution) guardLoss(absent, inUse int64) error {
	limit := x.pipeline.Snapshot.MaxLoss
	if float64(absent) <= limit*float64(inUse) {
		return nil
	}
	fact := fmt.Sprintf("the source lacks %d of the %d %s that are in use (%s), and guard.max_loss allows %s: nothing is deactivated",
		absent, inUse, x.scope(), percent(float64(absent)/float64(inUse)), percent(limit))
	for _, lifted := range x.options.Lifted {
		ceiling, ok := strings.CutPrefix(lifted, lossGuard+"=")
		if !ok {
			continue
		}
		if n, err := strconv.ParseInt(ceiling, 10, 64); err == nil && absent <= n {
			x.notices = append(x.notices, fmt.Sprintf("guard max_loss was lifted for up to %d rows: %d are deactivated", n, absent))
			return nil
		}
	}
	return x.hold(lossGuard+"="+strconv.FormatInt(absent, 10), "%s", fact)
}

// AllowLoss says how many rows a run may deactivate that guard max_loss holds.
// It does not approve the run.
func (h *Hub) AllowLoss(ctx context.Context, id string, rows int64) error {
	run, err := h.journal.Run(ctx, id)
	if err != nil {
		return err
	}
	count, ok := strings.CutPrefix(run.Guard, lossGuard+"=")
	if run.Status != journal.Held || !ok {
		return fmt.Errorf("run %s %w by guard %s, so that there is no loss to allow", id, ErrNotHeld, lossGuard)
	}
	if absent, err := strconv.ParseInt(count, 10, 64); err != nil || rows < absent {
		return fmt.Errorf("run %s would deactivate %s rows, more than the %d of --max-loss", id, count, rows)
	}
	return h.journal.SetGuard(ctx, id, lossGuard+"="+strconv.FormatInt(rows, 10))
}

// eachAbsent calls fn with the rows of the target that are in scope, as
// batches, which of them the source lacks though they are in use, and how many
// are in use.
func (x *execution) eachAbsent(ctx context.Context, fn func(b *schemas.Batch, absent []int32, inUse int64) error) error {
	e := x.pipeline.Entity
	request := schemas.RowsRequest{Entity: e.Name, Columns: []string{}, Where: x.pipeline.Snapshot.Scope}
	if e.Deactivation != nil {
		request.Columns = append(request.Columns, e.Deactivation.Field)
	}
	_, err := x.target.Rows(ctx, request, func(b *schemas.Batch) error {
		if err := interrupted(ctx); err != nil {
			return err
		}
		var absent []int32
		inUse, column := int64(0), -1
		if e.Deactivation != nil {
			column = b.Index(e.Deactivation.Field)
		}
		b.Each(func(row int) bool {
			if column >= 0 {
				if value, _ := b.Text(column, row); !e.Deactivation.InUse(value) {
					return true
				}
			}
			inUse++
			if hash, _ := keyHash(b, row); !x.present.has(hash) {
				absent = append(absent, int32(row))
			}
			return true
		})
		return fn(b, absent, inUse)
	})
	return err
}

// deactivateBatch delivers rows that the source lacks as any other batch. It is
// not interrupted: a batch is done or not begun.
func (x *execution) deactivateBatch(ctx context.Context, rows *schemas.Batch, absent []int32) error {
	ctx = context.WithoutCancel(ctx)
	b, err := deactivation(rows, absent)
	if err != nil {
		return err
	}
	defer b.Rows.Release()
	x.seq++
	outcome, err := x.deliverAbsent(ctx, b)
	if err != nil {
		return fmt.Errorf("deactivate %d rows: %w", len(absent), err)
	}
	if n := len(outcome.Rejected); n > 0 {
		r := outcome.Rejected[0]
		x.notices = append(x.notices, fmt.Sprintf("%d rows could not be deactivated, such as %s: %s %s", n, b.KeyText(r.Row), r.Field, r.Message))
	}
	x.deactivated += int64(outcome.Applied)
	if !x.options.DryRun {
		if err := x.hub.journal.Deactivate(ctx, x.id, int64(outcome.Applied)); err != nil {
			return fmt.Errorf("write the journal of run %s: %w", x.id, err)
		}
	}
	x.report("writing", x.counts, &connectors.Batch{})
	return nil
}

func (x *execution) deliverAbsent(ctx context.Context, b *schemas.Batch) (schemas.Outcome, error) {
	if x.options.Diff == nil {
		return x.apply(ctx, b)
	}
	outcome, differences, err := x.target.Diff(ctx, b)
	for _, d := range differences {
		if err == nil {
			d.Kind = "deactivate"
			err = x.changes(b, d, "")
		}
	}
	return outcome, err
}

// deactivation makes a batch of the keys of some rows, and of what takes them
// out of use.
func deactivation(rows *schemas.Batch, selected []int32) (*schemas.Batch, error) {
	e := rows.Entity
	name, value := schemas.DeletedField, "true"
	if e.Deactivation != nil {
		name, value = e.Deactivation.Field, e.Deactivation.Value
	}
	b := &schemas.Batch{Entity: e, Selected: selected}
	var arrays []arrow.Array
	for i, c := range rows.Columns {
		if c.Field.Key {
			b.Columns, arrays = append(b.Columns, c), append(arrays, rows.Rows.Column(i))
		}
	}
	c := schemas.Column{Name: name, Field: e.Field(name)}
	builder := array.NewBuilder(memory.DefaultAllocator, c.Field.ArrowType())
	defer builder.Release()
	for range rows.Rows.NumRows() {
		if err := builder.AppendValueFromString(value); err != nil {
			return nil, fmt.Errorf("%s of %s: %w", name, e.Name, err)
		}
	}
	last := builder.NewArray()
	defer last.Release()
	b.Columns, arrays = append(b.Columns, c), append(arrays, last)
	b.Absent = make([][]bool, len(b.Columns))
	b.Rows = array.NewRecordBatch(schemas.ArrowSchema(b.Columns), arrays, rows.Rows.NumRows())
	return b, nil
}
