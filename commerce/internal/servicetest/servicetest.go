// Package servicetest is what the tests of the services share: batches out of a
// few lines of text, and answers compared with files.
package servicetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"crossdock/schemas"
)

// What a cell may hold beside the text of a value.
const (
	Null   = "<null>"   // clears the field
	Absent = "<absent>" // was not sent
)

// A TB is a test: one of package testing, or one of rapid.
type TB interface {
	Helper()
	Fatal(args ...any)
}

// Lines makes a batch of an entity from lines of cells parted by "|", the
// first of which names the columns.
func Lines(tb TB, entity string, lines ...string) *schemas.Batch {
	tb.Helper()
	var rows [][]string
	for _, line := range lines {
		rows = append(rows, strings.Split(line, "|"))
	}
	return Rows(tb, entity, rows[0], rows[1:])
}

// Rows makes a batch of an entity from rows of cells.
func Rows(tb TB, entity string, header []string, rows [][]string) *schemas.Batch {
	tb.Helper()
	e, err := schemas.Default().Entity(entity)
	if err != nil {
		tb.Fatal(err)
	}
	b := &schemas.Batch{Entity: e}
	for _, name := range header {
		c, err := e.Column(name)
		if err != nil {
			tb.Fatal(err)
		}
		b.Columns = append(b.Columns, c)
		b.Absent = append(b.Absent, nil)
	}
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(b.Columns))
	for r, row := range rows {
		for c, cell := range row {
			if cell == Absent {
				if b.Absent[c] == nil {
					b.Absent[c] = make([]bool, len(rows))
				}
				b.Absent[c][r] = true
			}
			if err := appendCell(builder.Field(c), cell); err != nil {
				tb.Fatal(fmt.Errorf("%s %q: %w", header[c], cell, err))
			}
		}
	}
	b.Rows = builder.NewRecordBatch()
	return b
}

func appendCell(f array.Builder, cell string) error {
	if cell == Null || cell == Absent {
		f.AppendNull()
		return nil
	}
	switch f := f.(type) {
	case *array.Decimal64Builder:
		d, err := schemas.ParseDecimal(cell)
		f.Append(decimal.Decimal64(d))
		return err
	case *array.TimestampBuilder:
		t, err := time.Parse(time.RFC3339, cell)
		f.Append(arrow.Timestamp(t.UnixMicro()))
		return err
	default:
		return f.AppendValueFromString(cell)
	}
}

// Summary writes an outcome as "applied/unchanged rule@row.field ...".
func Summary(o schemas.Outcome) string {
	words := []string{fmt.Sprintf("%d/%d", o.Applied, o.Unchanged)}
	for _, r := range o.Rejected {
		words = append(words, fmt.Sprintf("%s@%d.%s", r.Rule, r.Row, r.Field))
	}
	return strings.Join(words, " ")
}
