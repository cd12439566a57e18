package mapping

import (
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"crossdock/connectors"
	"crossdock/pipelines/expression"
	"crossdock/schemas"
)

// cells are the texts of one column, one for each row of a batch, before they
// are typed.
type cells struct {
	text  *array.String
	kinds []connectors.Kind // nil: all are of kind
	kind  connectors.Kind
	read  bool // they are those of the source, and not computed
}

func (c *cells) kindOf(row int) connectors.Kind {
	if c.kinds == nil {
		return c.kind
	}
	return c.kinds[row]
}

// get returns the text of a row without blanks around it; "" where it is null.
func (c *cells) get(row int) string {
	if c.text.IsNull(row) {
		return ""
	}
	return trimmed(c.text.Value(row))
}

// trimmed is strings.TrimSpace with a shorter way for what needs no trimming.
func trimmed(s string) string {
	if s == "" || isInk(s[0]) && isInk(s[len(s)-1]) {
		return s
	}
	return strings.TrimSpace(s)
}

// isInk reports whether a byte at the edge of a text is surely no blank.
func isInk(b byte) bool { return b > ' ' && b < 0x80 }

// A reader yields the cells of a reference. What it cannot compute it reports
// as findings about the field.
type reader interface {
	read(m *batchRun, field string) (cells, error)
}

// A columnReader reads a column of the source by its place.
type columnReader int

func (r columnReader) read(m *batchRun, _ string) (cells, error) {
	c := cells{text: m.source[r], read: true}
	if int(r) < len(m.batch.Kinds) {
		c.kinds = m.batch.Kinds[r]
	}
	return c, nil
}

// An anyReader reads several columns by their places: in each row the first of
// them that holds something.
type anyReader []int

func (r anyReader) read(m *batchRun, field string) (cells, error) {
	columns := make([]cells, len(r))
	for i, at := range r {
		columns[i], _ = columnReader(at).read(m, field)
	}
	t := newTextBuilder(m.rows, len(columns[0].text.ValueBytes()))
	c := cells{read: true, kinds: make([]connectors.Kind, m.rows)}
	for row := range m.rows {
		// Absent is what all of them are: one that is there and empty clears.
		c.kinds[row] = connectors.AbsentCell
		text := ""
		for i := range columns {
			kind := columns[i].kindOf(row)
			if text = columns[i].get(row); text != "" || kind != connectors.AbsentCell {
				c.kinds[row] = kind
			}
			if text != "" {
				break
			}
		}
		if text == "" {
			t.appendNull()
			continue
		}
		t.append(text)
	}
	c.text = t.build()
	return c, t.err()
}

// A constantReader yields the same text in every row.
type constantReader string

func (r constantReader) read(m *batchRun, _ string) (cells, error) {
	t := newTextBuilder(m.rows, len(r)*m.rows)
	for range m.rows {
		t.append(string(r))
	}
	return cells{text: t.build()}, t.err()
}

// An expressionReader computes a text in every row.
type expressionReader struct {
	program *expression.Program
	first   int // the column to show where it fails, or -1
}

func (r *expressionReader) read(m *batchRun, field string) (cells, error) {
	e := r.program.Over(m.columns, true)
	t := newTextBuilder(m.rows, 0)
	for row := range m.rows {
		if m.isSkipped(row) {
			t.appendNull()
			continue
		}
		text, known, err := e.Text(row)
		switch {
		case err != nil:
			value := ""
			if r.first >= 0 {
				value = (&cells{text: m.source[r.first]}).get(row)
			}
			m.add(finding{row: row, field: field, rule: "expression", value: value, message: "cannot be computed: " + err.Error()})
			t.appendNull()
		case known:
			t.append(text)
		default:
			t.appendNull()
		}
	}
	c := cells{text: t.build(), kind: resultKind(r.program.Result())}
	return c, t.err()
}

// resultKind returns how a computed text is to be read: as programs write it,
// however the cells of the source are written.
func resultKind(result schemas.Type) connectors.Kind {
	return map[schemas.Type]connectors.Kind{ // others are read as text
		schemas.Integer: connectors.NumberCell, schemas.DecimalType: connectors.NumberCell,
		schemas.Boolean: connectors.BooleanCell, schemas.Timestamp: connectors.DateCell,
	}[result]
}

// A lookupReader finds the cell of a lookup table.
type lookupReader struct {
	table    *Table
	column   int
	keys     []reader
	required bool
}

func (r *lookupReader) read(m *batchRun, field string) (cells, error) {
	columns := make([]cells, len(r.keys))
	for i, key := range r.keys {
		var err error
		if columns[i], err = key.read(m, field); err != nil {
			return cells{}, err
		}
	}
	keys := make([]string, len(columns))
	t := newTextBuilder(m.rows, 0)
	for row := range m.rows {
		empty := false
		for i := range columns {
			keys[i] = columns[i].get(row)
			empty = empty || keys[i] == ""
		}
		text, found := r.table.Get(r.column, keys)
		if !found && r.required && !empty {
			m.add(finding{
				row: row, field: field, rule: "lookup", value: strings.Join(keys, " / "),
				message: "has no row in the lookup table " + r.table.name,
			})
		}
		if !found {
			t.appendNull()
			continue
		}
		t.append(text)
	}
	return cells{text: t.build()}, t.err()
}
