package hub

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// maxRowBytes bounds what the error queue keeps of one row.
const maxRowBytes = 1 << 20

// maxNotedRows bounds how many rows of a run are kept for their warnings
// alone; all of them are counted.
const maxNotedRows = 10_000

// account counts a batch, and makes the rows to park of what the reader, the
// rules and the service found.
func (x *execution) account(one *processed, outcome schemas.Outcome) (journal.Counts, []*journal.Row) {
	counts := journal.Counts{
		Read:      int64(one.batch.Read()),
		Applied:   int64(outcome.Applied),
		Unchanged: int64(outcome.Unchanged),
		Skipped:   int64(one.batch.Skipped + one.result.Skipped),
	}
	findings := one.result.Findings
	if len(outcome.Rejected) > 0 {
		findings = slices.Concat(findings, outcome.Rejected)
		slices.SortStableFunc(findings, func(a, b schemas.Rejection) int { return cmp.Compare(a.Row, b.Row) })
	}
	var parked []*journal.Row
	for start := 0; start < len(findings); {
		end := start + 1
		for end < len(findings) && findings[end].Row == findings[start].Row {
			end++
		}
		row := x.parkedRow(one, findings[start:end])
		counts.Warned += warnings(row)
		switch {
		case row.Status != journal.NotedRow:
			counts.Rejected++
			if row.Status == journal.WaitingRow {
				counts.Waiting++
			}
			parked = append(parked, row)
		case x.counts.Warned+counts.Warned <= maxNotedRows:
			parked = append(parked, row)
		}
		start = end
	}
	for i := range one.batch.Rejects {
		counts.Rejected++
		parked = append(parked, x.undecodedRow(one, &one.batch.Rejects[i]))
	}
	slices.SortStableFunc(parked, func(a, b *journal.Row) int { return cmp.Compare(a.Place.Row, b.Place.Row) })
	x.tally(one, counts, findings)
	return counts, parked
}

func warnings(row *journal.Row) (n int64) {
	for _, f := range row.Findings {
		if f.Severity == schemas.Warn {
			n++
		}
	}
	return n
}

func firstReject(row *journal.Row) journal.Finding {
	for _, f := range row.Findings {
		if f.Severity == schemas.Reject {
			return f
		}
	}
	return journal.Finding{}
}

// parkedRow makes the entry of the error queue for one row and its findings.
func (x *execution) parkedRow(one *processed, findings []schemas.Rejection) *journal.Row {
	index := findings[0].Row
	row := x.newRow(one.batch, one.batch.Origin.Rows[index])
	row.Key = one.result.Batch.KeyText(index)
	row.Status = journal.NotedRow
	row.Cells = cellsAsRead(one.batch, index)
	for _, f := range findings {
		if f.Severity == schemas.Reject {
			row.Status = journal.OpenRow
		}
		row.Findings = append(row.Findings, finding(one.batch, one.processor, f))
	}
	mask(row, one.processor, int(one.batch.Rows.NumCols()))
	if row.Status == journal.OpenRow && len(row.Cells.Masked) == 0 { // one that lacks a cell cannot be replayed by itself
		if row.Awaited = x.awaits(one, findings); row.Awaited != nil {
			row.Status, row.WaitsUntil = journal.WaitingRow, x.hub.Clock().Add(x.pipeline.Wait.Until)
		}
	}
	return row
}

// finding adds to a rejection where the cell at fault stands.
func finding(b *connectors.Batch, processor *pipelines.Processor, f schemas.Rejection) journal.Finding {
	position, header := processor.SourceColumn(f.Field)
	value := f.Value
	if position >= 0 {
		if text, ok := schemas.CellText(b.Rows.Column(position), f.Row); ok {
			value = text // as read: what a person will look for in the file
		}
	}
	place := b.Origin.Place(b.Origin.Rows[f.Row], position, header)
	return journal.Finding{
		Rule: f.Rule, Severity: f.Severity, Field: f.Field, Value: schemas.Shorten(value), Message: f.Message,
		Position: position, Header: place.Column, Cell: place.Cell,
	}
}

// undecodedRow makes the entry for a row that the reader could not cut.
func (x *execution) undecodedRow(one *processed, r *connectors.Reject) *journal.Row {
	b := one.batch
	row := x.newRow(b, r.Row)
	row.Status = journal.OpenRow
	row.Cells.Sheet = b.Origin.Cells
	header := ""
	if r.Column >= 0 && r.Column < int(b.Rows.NumCols()) {
		header = b.Rows.ColumnName(r.Column)
	}
	place := b.Origin.Place(r.Row, r.Column, header)
	for i, cell := range r.Cells {
		name := cmp.Or(columnName(b.Rows, i), fmt.Sprintf("column %d", i+1))
		row.Cells.Names = append(row.Cells.Names, name)
		row.Cells.Values = append(row.Cells.Values, &cell)
	}
	row.Findings = []journal.Finding{{
		Rule: r.Rule, Severity: schemas.Reject, Field: one.processor.FieldOf(r.Column), Value: schemas.Shorten(r.Value), Message: r.Message,
		Position: r.Column, Header: place.Column, Cell: place.Cell,
	}}
	mask(row, one.processor, int(b.Rows.NumCols()))
	return row
}

func (x *execution) newRow(b *connectors.Batch, number int64) *journal.Row {
	return &journal.Row{
		Run: x.id, Pipeline: x.pipeline.Name, Entity: x.pipeline.Entity.Name,
		Place: b.Origin.Place(number, -1, ""), Version: b.Origin.Version, Attempts: 1,
	}
}

func columnName(rows arrow.RecordBatch, i int) string {
	if i < int(rows.NumCols()) {
		return rows.ColumnName(i)
	}
	return ""
}

// cellsAsRead copies a row as the source sent it.
func cellsAsRead(b *connectors.Batch, row int) journal.Cells {
	columns := int(b.Rows.NumCols())
	cells := journal.Cells{Names: make([]string, columns), Values: make([]*string, columns), Sheet: b.Origin.Cells, Whole: true}
	size := 0
	for i := range columns {
		cells.Names[i] = b.Rows.ColumnName(i)
		text, ok := schemas.CellText(b.Rows.Column(i), row)
		if !ok {
			continue
		}
		if size += len(text); size > maxRowBytes {
			cells.Whole = false
			text = schemas.Shorten(text)
		}
		cells.Values[i] = &text
	}
	for i := range columns {
		if kind := b.KindOf(i, row); kind != connectors.TextCell {
			if cells.Kinds == nil {
				cells.Kinds = make([]connectors.Kind, columns)
			}
			cells.Kinds[i] = kind
		}
	}
	return cells
}
