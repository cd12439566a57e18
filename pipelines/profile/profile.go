// Package profile tells what the columns of a source hold, and what the fields
// hold that a pipeline makes of them: how many values are missing, how many
// differ, which are the most frequent, between which bounds they lie and what
// they look like. It is pure, and its memory is bounded whatever the rows.
//
//	batches ──Recorder.Add──> Profile ──Compare(earlier ones)──> []Drift
//	                             └────Check.Judge(earlier ones)──> verdict
//
// Rows and missing values are counted exactly, and so is everything of a column
// of few values. Of one with many, a later part is looked at in every sixteenth
// row only: it must not slow the run. For the same rows a profile is always the
// same.
package profile

import (
	"cmp"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"crossdock/schemas"
)

// A Profile is what the rows of one run hold.
type Profile struct {
	Rows    int64    `json:"rows"`    // of the source
	Passed  int64    `json:"passed"`  // that no rule rejected: the fields are of these
	Columns []Column `json:"columns"` // of the source, in its order
	Fields  []Column `json:"fields"`  // of the entity, as mapped
}

// A Column is what one column of the source, or one field, holds.
type Column struct {
	Name     string  `json:"name"`
	From     string  `json:"column,omitempty"` // of a field of text: the column that it is read from, which tells the rest
	Rows     int64   `json:"rows"`
	Nulls    int64   `json:"nulls"`          // rows without a value
	Looked   int64   `json:"looked_at"`      // values that all below is of
	Distinct int64   `json:"distinct"`       // values that differ; an estimate, within 2%, unless Exact
	Exact    bool    `json:"distinct_exact"` // and Top then lists all that fit in it
	Top      []Value `json:"top,omitempty"`  // the most frequent, those first
	Min      string  `json:"min,omitempty"`  // of numbers, dates and times by size, else in the order of the bytes
	Max      string  `json:"max,omitempty"`
	Sum      string  `json:"sum,omitempty"` // of numbers
	Shortest int     `json:"shortest"`      // in characters, of text
	Longest  int     `json:"longest"`
	Shapes   []Value `json:"shapes,omitempty"` // what values look like: A+-9+ is letters, a hyphen, digits
}

// A Value is one that occurs, and how often.
type Value struct {
	Text  string `json:"value"`
	Count int64  `json:"count"`
}

// NullShare returns the share of rows without a value, from 0 to 1.
func (c *Column) NullShare() float64 { return float64(c.Nulls) / float64(max(c.Rows, 1)) }

// All reports whether Top lists every value that the column holds.
func (c *Column) All() bool { return c.Exact && int(c.Distinct) == len(c.Top) }

// Of returns the column of that name, or nil.
func Of(columns []Column, name string) *Column {
	at := slices.IndexFunc(columns, func(c Column) bool { return c.Name == name })
	if at < 0 {
		return nil
	}
	return &columns[at]
}

const (
	wholeRows = 16_384 // looked at one and all
	stride    = 16     // of the others, in a column of many values

	// MaxTop bounds the frequent values that a profile lists of a column.
	MaxTop    = 40
	maxShapes = 5
)

// A Recorder makes the profile of one run. It is used by one goroutine.
type Recorder struct {
	rows, passed int64
	names        []string
	columns      []recorder
	mapped       []schemas.Column
	from         []int // by field: the one column that it is read from, or -1
	fields       []recorder
}

// NewRecorder begins a profile of a source with the columns given, mapped to
// the fields given. What a field of text holds is told by the column that it
// is read from, where from has one, except for those to watch, which are looked
// at in every row.
func NewRecorder(columns []string, mapped []schemas.Column, from []int, watch []string) *Recorder {
	r := &Recorder{names: columns, columns: make([]recorder, len(columns)), mapped: mapped, from: slices.Clone(from), fields: make([]recorder, len(mapped))}
	for i, column := range mapped {
		if slices.Contains(watch, column.Name) {
			r.fields[i].whole, r.from[i] = true, -1
		}
	}
	return r
}

// Add adds a batch as it was read, and what was made of it.
func (r *Recorder) Add(read arrow.RecordBatch, made *schemas.Batch) {
	for i := range r.columns {
		if i < int(read.NumCols()) {
			r.columns[i].add(read.Column(i), nil, true)
		}
	}
	for i := range r.mapped {
		a := made.Rows.Column(i)
		r.fields[i].add(a, made.Selected, r.from[i] < 0 || integers(a) != nil)
	}
	r.rows += read.NumRows()
	r.passed += int64(made.Count())
}

// Profile returns the profile of all batches added so far.
func (r *Recorder) Profile() *Profile {
	p := &Profile{Rows: r.rows, Passed: r.passed, Columns: make([]Column, len(r.columns)), Fields: make([]Column, len(r.fields))}
	for i := range r.columns {
		p.Columns[i] = r.columns[i].column(r.names[i], schemas.Text)
	}
	for i := range r.fields {
		p.Fields[i] = r.fields[i].column(r.mapped[i].Name, r.mapped[i].Field.Type)
		if at := r.from[i]; at >= 0 && at < len(r.names) && p.Fields[i].Looked == 0 {
			p.Fields[i].From = r.names[at]
		}
	}
	return p
}

// Filled counts the cells of the rows that passed, and those of them that have
// a value.
func Filled(b *schemas.Batch) (cells, filled int64) {
	for i, column := range b.Columns {
		if column.Name != schemas.DeletedField {
			rows, nulls := nullsIn(b.Rows.Column(i), b.Selected)
			cells, filled = cells+rows, filled+rows-nulls
		}
	}
	return cells, filled
}

// nullsIn counts the rows without a value, of those selected where selected
// is not nil. What Arrow knows costs nothing.
func nullsIn(a arrow.Array, selected []int32) (rows, nulls int64) {
	if selected == nil {
		return int64(a.Len()), int64(a.NullN())
	}
	if a.NullN() > 0 {
		for _, row := range selected {
			if a.IsNull(int(row)) {
				nulls++
			}
		}
	}
	return int64(len(selected)), nulls
}

// sortedValues returns the most frequent values first, at most limit of them;
// of equally frequent ones the first in the order of the bytes.
func sortedValues(list []Value, limit int) []Value {
	slices.SortFunc(list, func(a, b Value) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text))
	})
	return list[:min(len(list), limit)]
}

// integers gives access to the values of an ordered column as Arrow holds them.
func integers(a arrow.Array) func(row int) int64 {
	switch a := a.(type) {
	case *array.Int64:
		return a.Value
	case *array.Decimal64:
		return func(row int) int64 { return int64(a.Value(row)) }
	case *array.Timestamp:
		return func(row int) int64 { return int64(a.Value(row)) }
	case *array.Date32:
		return func(row int) int64 { return int64(a.Value(row)) }
	case *array.Boolean:
		return func(row int) int64 {
			if a.Value(row) {
				return 1
			}
			return 0
		}
	}
	return nil
}
