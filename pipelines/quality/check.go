package quality

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"crossdock/schemas"
)

// References answers what only the target knows.
type References interface {
	// Known reports for each key whether the target holds a row of the entity under it.
	Known(ctx context.Context, entity string, keys []string) ([]bool, error)
	// Holders returns for each value the key of the row of the entity that has
	// it in the field, in the form of [schemas.Batch.KeyText], or "".
	Holders(ctx context.Context, entity, field string, values []string) ([]string, error)
	// Rows calls fn with the rows that the target holds, as batches that are
	// fn's until it returns.
	Rows(ctx context.Context, r schemas.RowsRequest, fn func(*schemas.Batch) error) (next int64, err error)
}

// A Check is the state of one run. It is used by one goroutine.
type Check struct {
	rules      *Rules
	refs       References
	judges     []judge // by rule, nil for those below
	uniques    []*uniqueCheck
	references []*referenceCheck
	groups     []*groupCheck
	has        []*hasCheck
	files      []string

	// rows is reused from batch to batch.
	rows, kept []int32
}

// From names the file that the following batches are of. It is needed only
// where a run has several: row 17 of another file is then named with it.
func (c *Check) From(file string) {
	if len(c.files) == 0 || c.files[len(c.files)-1] != file {
		c.files = append(c.files, file)
	}
}

// A judge is one rule in one run.
type judge interface {
	judge(v *view)
}

// Start begins a run. Without refs, as in a preview where no service is at
// hand, rules that ask the target are left out.
func (r *Rules) Start(refs References) *Check {
	c := &Check{rules: r, refs: refs, judges: make([]judge, len(r.rules))}
	for i, one := range r.rules {
		switch {
		case one.unique != nil:
			c.uniques = append(c.uniques, &uniqueCheck{rule: one})
		case one.reference != nil:
			c.references = append(c.references, &referenceCheck{rule: one})
		case one.group != nil:
			c.groups = append(c.groups, &groupCheck{rule: one})
		case one.has != nil:
			c.has = append(c.has, &hasCheck{rule: one})
		default:
			c.judges[i] = one.start()
		}
	}
	return c
}

// Spill lets the run keep the keys it has seen in scratch files, one for each
// uniqueness, once there are millions of them. Without it all stay in memory.
// It is called before the first batch.
func (c *Check) Spill(scratch func() (Scratch, error)) {
	for _, u := range c.uniques {
		u.seen.scratch = scratch
	}
	for _, g := range c.groups {
		g.seen.scratch, g.groups.scratch = scratch, scratch
	}
	for _, h := range c.has {
		h.seen.scratch, h.groupsSeen.scratch = scratch, scratch
	}
}

// A view is what one rule sees of a batch.
type view struct {
	batch   *schemas.Batch
	columns []arrow.Array // of the rule
	at      []int         // where they stand in the batch
	rows    []int32       // to look at, ascending

	rule  *rule
	found *findings
}

// blame notes that a row breaks the rule, with the value in its first column.
func (v *view) blame(row int32, message string) {
	value, _ := schemas.CellText(v.columns[0], int(row))
	v.blameValue(row, value, message)
}

func (v *view) blameValue(row int32, value, message string) {
	v.found.add(v.rule, row, value, message)
}

// texts returns a column whose values are text.
func (v *view) texts(column int) *array.String { return v.columns[column].(*array.String) }

// Batch checks the selected rows of a batch, which must hold the columns that
// the rules were compiled for, and returns what it found, sorted by row.
// Batches come in the order of the run. Where an error is returned, which
// only References gives, the batch has left no trace and can be given again.
func (c *Check) Batch(ctx context.Context, b *schemas.Batch, rowNumber func(row int) int64) ([]schemas.Rejection, error) {
	at, err := c.locate(b)
	if err != nil {
		return nil, err
	}
	c.selectRows(b, at)
	found := &findings{rejected: make([]bool, b.Rows.NumRows())}
	see := func(r *rule) *view { return c.view(b, at, r, found) }
	for i, r := range c.rules.rules {
		if c.judges[i] != nil {
			c.judges[i].judge(see(r))
		}
	}
	for _, ref := range c.references {
		if c.refs != nil {
			if err := ref.resolve(ctx, c.refs, c.keys(), see(ref.rule)); err != nil {
				return nil, err
			}
		}
	}
	if err := c.lookAcross(ctx, see); err != nil {
		return nil, err
	}
	c.settle(found)
	if err := c.keepAcross(found, see, origin{rowNumber, c.files}); err != nil {
		return nil, err
	}
	return found.sorted(), nil
}

// locate returns where the columns of the rules stand in the batch.
func (c *Check) locate(b *schemas.Batch) ([]int, error) {
	at := make([]int, len(c.rules.columns))
	for i, column := range c.rules.columns {
		at[i] = i
		if i >= len(b.Columns) || b.Columns[i].Name != column.Name {
			if at[i] = b.Index(column.Name); at[i] < 0 {
				return nil, fmt.Errorf("the batch lacks the column %s that its rules look at", column.Name)
			}
		}
	}
	return at, nil
}

// selectRows lists the rows to look at, and apart those that do not delete.
func (c *Check) selectRows(b *schemas.Batch, at []int) {
	c.rows = c.rows[:0]
	b.Each(func(row int) bool {
		c.rows = append(c.rows, int32(row))
		return true
	})
	c.kept = c.rows
	deleted := slices.IndexFunc(c.rules.columns, func(column schemas.Column) bool { return column.Name == schemas.DeletedField })
	if deleted < 0 {
		return
	}
	flags := b.Rows.Column(at[deleted]).(*array.Boolean)
	c.kept = make([]int32, 0, len(c.rows))
	for _, row := range c.rows {
		if flags.IsNull(int(row)) || !flags.Value(int(row)) {
			c.kept = append(c.kept, row)
		}
	}
}

func (c *Check) view(b *schemas.Batch, at []int, r *rule, found *findings) *view {
	v := &view{batch: b, rule: r, found: found, rows: c.kept}
	if r.deletions {
		v.rows = c.rows
	}
	for _, column := range r.columns {
		v.at = append(v.at, at[column])
		v.columns = append(v.columns, b.Rows.Column(at[column]))
	}
	return v
}

// settle decides which rows of the batch are duplicates, and which references
// to rows of the same run hold. Each depends on the other: the second of two
// duplicates is good when the first has no parent, and a child is not when its
// parent is a duplicate. So both are decided again until no row falls.
func (c *Check) settle(found *findings) {
	for {
		for _, u := range c.uniques {
			u.begin()
		}
		for _, g := range c.groups {
			g.begin()
		}
		for _, row := range c.rows {
			if !found.rejected[row] {
				c.decide(row)
			}
		}
		fallen := false
		for _, ref := range c.references {
			fallen = ref.settle(c.keys(), found) || fallen
		}
		if !fallen {
			return
		}
	}
}

// decide lets a row take its keys and its place in its groups, unless one of
// them is taken already.
func (c *Check) decide(row int32) {
	blocked := false
	for _, u := range c.uniques {
		blocked = u.taken(row) || blocked
	}
	if blocked {
		return // a duplicate is no tier and no period besides
	}
	for _, g := range c.groups {
		blocked = g.taken(row) || blocked
	}
	if blocked {
		return
	}
	for _, u := range c.uniques {
		u.take(row)
	}
	for _, g := range c.groups {
		g.take(row)
	}
}

// keys returns the uniqueness of the entity's key, in which a row that another
// one refers to can be found, or nil.
func (c *Check) keys() *uniqueCheck {
	for _, u := range c.uniques {
		if u.rule.unique.key {
			return u
		}
	}
	return nil
}

// findings collects what is wrong with the rows of one batch.
type findings struct {
	list     []schemas.Rejection
	rejected []bool // by row of the batch
}

// add notes a finding.
func (f *findings) add(r *rule, row int32, value, message string) {
	if r.Message != "" {
		message = r.Message
	}
	if r.Severity == schemas.Reject {
		f.rejected[row] = true
	}
	f.list = append(f.list, schemas.Rejection{
		Row: int(row), Field: r.Field, Rule: r.Name, Severity: r.Severity,
		Value: clip(value), Message: message,
	})
}

// clip copies as much of a value as a finding keeps. A part of a batch would
// keep the memory of the whole batch alive.
func clip(value string) string { return strings.Clone(schemas.Shorten(value)) }

// sorted returns the findings by row, and within a row in the order of the
// rules. Of several that one rule makes of one field, such as a length that
// the entity and the pipeline bound, the severest stays. Each expression is a
// rule of its own, and so is each list of fields.
func (f *findings) sorted() []schemas.Rejection {
	slices.SortStableFunc(f.list, func(a, b schemas.Rejection) int { return cmp.Compare(a.Row, b.Row) })
	kept := f.list[:0]
	for _, one := range f.list {
		i := len(kept) - 1
		for i >= 0 && kept[i].Row == one.Row && !same(kept[i], one) {
			i--
		}
		switch {
		case i < 0 || kept[i].Row != one.Row:
			kept = append(kept, one)
		case kept[i].Severity == schemas.Warn && one.Severity == schemas.Reject:
			kept[i] = one
		}
	}
	return kept
}

func same(a, b schemas.Rejection) bool {
	distinct := a.Rule == "expression" || a.Field == ""
	return a.Rule == b.Rule && a.Field == b.Field && (!distinct || a.Message == b.Message)
}

// Accept removes from the selected rows of b those that were found to be
// rejected.
func Accept(b *schemas.Batch, found []schemas.Rejection) {
	rejected := make([]bool, b.Rows.NumRows())
	left := b.Count()
	for _, one := range found {
		if one.Severity == schemas.Reject {
			rejected[one.Row] = true
		}
	}
	selected := make([]int32, 0, left)
	b.Each(func(row int) bool {
		if !rejected[row] {
			selected = append(selected, int32(row))
		}
		return true
	})
	if len(selected) < left {
		b.Selected = selected
	}
}
