package mapping

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"crossdock/connectors"
	"crossdock/pipelines/expression"
	"crossdock/schemas"
)

// A Program maps the batches of one source. It serves one goroutine.
type Program struct {
	entity  *schemas.Entity
	columns []schemas.Column
	source  []string
	filter  *expression.Program // nil: every row
	fillers []*filler           // one for each column
}

// SourceColumn returns the place in the source of the column that the i-th
// mapped column reads first, and -1 where it reads none.
func (p *Program) SourceColumn(i int) int { return p.fillers[i].first }

// CopyOf returns the source column that mapped column i is, but for blanks
// around it, and -1 where it is more than that.
func (p *Program) CopyOf(i int) int {
	f := p.fillers[i]
	if at, ok := f.reader.(columnReader); ok && f.typer.text == nil && f.typer.number == nil && f.values == nil && f.fallback == nil {
		return int(at)
	}
	return -1
}

// SourceOf is SourceColumn by the name of the mapped column.
func (p *Program) SourceOf(name string) int {
	for i, c := range p.columns {
		if c.Name == name {
			return p.fillers[i].first
		}
	}
	return -1
}

// Reads returns the columns of the source that the i-th mapped column is made of.
func (p *Program) Reads(i int) []int { return p.fillers[i].reads }

// Map maps one batch. Row i of the result is row i of the batch; rows that the
// filter excludes are in skipped, ascending, and neither they nor rows that
// have a finding with severity Reject are selected. Findings are ordered by
// row. Its error is about the batch as a whole.
func (p *Program) Map(b *connectors.Batch) (rows *schemas.Batch, findings []schemas.Rejection, skipped []int32, err error) {
	m, err := p.start(b)
	if err != nil {
		return nil, nil, nil, err
	}
	m.applyFilter(p.filter)
	mapped := &schemas.Batch{Entity: p.entity, Columns: p.columns, Absent: make([][]bool, len(p.columns))}
	arrays := make([]arrow.Array, len(p.columns))
	for i, f := range p.fillers {
		if arrays[i], mapped.Absent[i], err = f.fill(m); err != nil {
			return nil, nil, nil, fmt.Errorf("map %s: %w", f.name, err)
		}
	}
	mapped.Rows = array.NewRecordBatch(schemas.ArrowSchema(p.columns), arrays, int64(m.rows))
	mapped.Selected = m.selected()
	slices.SortStableFunc(m.findings, func(a, b schemas.Rejection) int { return a.Row - b.Row })
	return mapped, m.findings, m.skipped, nil
}

// A batchRun is the state of mapping one batch.
type batchRun struct {
	batch    *connectors.Batch
	rows     int
	source   []*array.String // the columns as text
	columns  []arrow.Array   // the same, as expressions take them
	findings []schemas.Rejection
	skipped  []int32
	out      []bool // rows that are skipped or rejected; nil: none
}

// start compares a batch with the header that the program was bound to, since
// a column that moved would fill a wrong field.
func (p *Program) start(b *connectors.Batch) (*batchRun, error) {
	fields := b.Rows.Schema().Fields()
	if len(fields) != len(p.source) {
		return nil, fmt.Errorf("the source has changed while it was read: it had %d columns and now has %d", len(p.source), len(fields))
	}
	m := &batchRun{batch: b, rows: int(b.Rows.NumRows())}
	for i, field := range fields {
		if field.Name != p.source[i] {
			return nil, fmt.Errorf("the source has changed while it was read: column %d was %s and now is %s",
				i+1, p.source[i], field.Name)
		}
		column := textColumn(b.Rows.Column(i))
		m.source = append(m.source, column)
		m.columns = append(m.columns, column)
	}
	return m, nil
}

// textColumn returns a column as text; sources of other types are rare.
func textColumn(a arrow.Array) *array.String {
	if s, ok := a.(*array.String); ok {
		return s
	}
	t := newTextBuilder(a.Len(), 0)
	for row := range a.Len() {
		if s, ok := schemas.CellText(a, row); ok {
			t.append(s)
		} else {
			t.appendNull()
		}
	}
	return t.build()
}

func (m *batchRun) applyFilter(filter *expression.Program) {
	if filter == nil {
		return
	}
	e := filter.Over(m.columns, true)
	for row := range m.rows {
		truth, known, err := e.Test(row)
		switch {
		case err != nil:
			m.add(finding{row: row, rule: "expression", message: "the filter cannot be computed: " + err.Error()})
		case !truth || !known:
			m.exclude(row)
			m.skipped = append(m.skipped, int32(row))
		}
	}
}

// A finding is what is wrong with one cell.
type finding struct {
	row                         int
	field, rule, value, message string
	severity                    schemas.Severity // "": Reject
}

// add keeps a finding, unless the filter has excluded its row.
func (m *batchRun) add(f finding) {
	if m.isSkipped(f.row) {
		return
	}
	if f.severity == "" {
		f.severity = schemas.Reject
		m.exclude(f.row)
	}
	m.findings = append(m.findings, schemas.Rejection{
		Row: f.row, Field: f.field, Rule: f.rule, Severity: f.severity,
		Value: schemas.Shorten(strings.Clone(f.value)), Message: f.message,
	})
}

func (m *batchRun) isSkipped(row int) bool {
	if m.out == nil || !m.out[row] {
		return false
	}
	_, skipped := slices.BinarySearch(m.skipped, int32(row))
	return skipped
}

func (m *batchRun) exclude(row int) {
	if m.out == nil {
		m.out = make([]bool, m.rows)
	}
	m.out[row] = true
}

// selected lists the rows that go on, or returns nil where all do.
func (m *batchRun) selected() []int32 {
	if m.out == nil {
		return nil
	}
	rows := make([]int32, 0, m.rows)
	for row, out := range m.out {
		if !out {
			rows = append(rows, int32(row))
		}
	}
	return rows
}
