package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"crossdock/connectors"
	"crossdock/pipelines/expression"
	"crossdock/schemas"
)

// A filler fills one column of the entity.
type filler struct {
	*form
	name   string
	reader reader
	typer  typer
	first  int // the column of the source that it reads first, or -1
	reads  []int
}

// fill returns the column, and the rows in which the field is absent.
func (f *filler) fill(m *batchRun) (arrow.Array, []bool, error) {
	c, err := f.reader.read(m, f.name)
	if err != nil {
		return nil, nil, err
	}
	if c.read && f.typer.number == nil && f.isKey() {
		f.warnOfNumbers(m, &c)
	}
	var column arrow.Array
	switch {
	case f.typer.number != nil:
		column = f.fillNumbers(m, &c)
	case f.passes(&c):
		column = c.text
	default:
		t := f.fillTexts(m, &c)
		column, err = t.build(), t.err()
	}
	return column, f.absent(m, &c, column), err
}

// isKey reports whether the field holds the key of something, whose every
// character counts.
func (f *filler) isKey() bool {
	t := f.target.Field.Type
	return t == schemas.Identifier || t == schemas.Reference
}

// passes reports whether the text is the column already, so that it need not
// be copied.
func (f *filler) passes(c *cells) bool {
	if f.typer.text != nil || f.values != nil || f.fallback != nil {
		return false
	}
	key := f.isKey()
	for row := range c.text.Len() {
		s := c.text.Value(row)
		if s == "" {
			if c.text.IsNull(row) {
				continue
			}
			return false
		}
		if !f.raw && len(trimmed(s)) != len(s) {
			return false
		}
		if key && hasLostDigits(s) {
			return false
		}
	}
	return true
}

// hasLostDigits reports whether a key is one of those that spreadsheets have
// turned into numbers such as 4.00638E+12. Nearly all keys are let go after a
// look at two of their characters.
func hasLostDigits(s string) bool {
	return len(s) >= 5 && (s[len(s)-3] == '+' || s[len(s)-4] == '+') && expression.IsScientific(s)
}

// A resolved cell is a text ready to be typed.
type resolved struct {
	text   string // "": null
	kind   connectors.Kind
	asRead bool // as it stood in the source
}

// resolve applies trimming, value table and default to one cell. It returns
// false when the row is rejected.
func (f *filler) resolve(m *batchRun, c *cells, row int) (resolved, bool) {
	r := resolved{kind: c.kindOf(row), asRead: c.read}
	if !c.text.IsNull(row) {
		r.text = c.text.Value(row)
		if !f.raw {
			r.text = trimmed(r.text)
		}
	}
	if f.values != nil {
		to, known := f.values[r.text]
		switch {
		case known:
			r = resolved{text: to}
		case r.text == "" || f.otherwise == keepOther:
		case f.otherwise == nullOther:
			r = resolved{}
		case f.otherwise == replaceOther:
			r = resolved{text: f.instead}
		default:
			m.add(finding{row: row, field: f.name, rule: "value_table", value: r.text, message: f.notInTable(r.text)})
			return r, false
		}
	}
	if r.text == "" && f.fallback != nil {
		r = resolved{text: *f.fallback}
	}
	return r, true
}

func (f *filler) notInTable(text string) string {
	known := slices.Sorted(maps.Keys(f.values))
	known = slices.DeleteFunc(known, func(s string) bool { return s == "" })
	return "is not in the value table, which has " + listed(known) + schemas.DidYouMean(text, known)
}

// reject reports a cell that cannot be typed.
func (f *filler) reject(m *batchRun, row int, value string, err error) {
	m.add(finding{row: row, field: f.name, rule: "type", value: value, message: err.Error()})
}

func (f *filler) fillNumbers(m *batchRun, c *cells) arrow.Array {
	n := &numberBuilder{values: make([]int64, m.rows)}
	for row := range m.rows {
		r, ok := f.resolve(m, c, row)
		if !ok || r.text == "" {
			n.setNull(row)
			continue
		}
		v, err := f.typer.number(r.text, r.kind)
		if err != nil {
			f.reject(m, row, r.text, err)
			n.setNull(row)
			continue
		}
		n.values[row] = v
	}
	return n.build(f.target.Field)
}

func (f *filler) fillTexts(m *batchRun, c *cells) *textBuilder {
	t := newTextBuilder(m.rows, len(c.text.ValueBytes()))
	key := f.isKey()
	for row := range m.rows {
		r, ok := f.resolve(m, c, row)
		if ok && r.asRead && key && hasLostDigits(r.text) {
			ok = false
			m.add(finding{
				row: row, field: f.name, rule: "scientific_notation", value: r.text,
				message: "has lost digits to the scientific notation of a spreadsheet: format the column as text there, and export it again",
			})
		}
		if ok && r.text != "" && f.typer.text != nil {
			text, err := f.typer.text(r.text, r.kind)
			if err != nil {
				f.reject(m, row, r.text, err)
				ok = false
			}
			r.text = text
		}
		if !ok || r.text == "" {
			t.appendNull()
			continue
		}
		t.append(r.text)
	}
	return t
}

// warnOfNumbers reports once for a batch that an identifier comes from cells
// that hold numbers. One report says it all, where one for each row would
// hide other reports.
func (f *filler) warnOfNumbers(m *batchRun, c *cells) {
	first, count := -1, 0
	for row, kind := range c.kinds {
		if kind != connectors.NumberCell || m.isSkipped(row) {
			continue
		}
		if count++; first < 0 {
			first = row
		}
	}
	if count == 0 {
		return
	}
	others := ""
	if count > 1 {
		others = fmt.Sprintf(", as are %d more cells of this column", count-1)
	}
	m.add(finding{
		row: first, field: f.name, rule: "numeric_identifier", value: c.get(first), severity: schemas.Warn,
		message: "is a number in the source" + others + ": leading zeros may be lost; format the column as text there",
	})
}

// absent lists the rows in which the field keeps what the target has: the
// source did not send it, or sent nothing and the form says so.
func (f *filler) absent(m *batchRun, c *cells, column arrow.Array) []bool {
	if column.NullN() == 0 || !f.keep && (!c.read || !slices.Contains(c.kinds, connectors.AbsentCell)) {
		return nil
	}
	var absent []bool
	for row := range m.rows {
		if column.IsNull(row) && (f.keep || c.kindOf(row) == connectors.AbsentCell) {
			if absent == nil {
				absent = make([]bool, m.rows)
			}
			absent[row] = true
		}
	}
	return absent
}

// tryLiterals types the values that stand in the pipeline itself, so that a
// bad one is a mistake there and not one in each row.
func (f *form) tryLiterals(faults *faults) {
	try := func(path, text string) {
		if message := f.try(text); message != "" {
			faults.add(path, "%s %s", schemas.QuoteShort(text), message)
		}
	}
	if f.from.how == fromConstant && f.values == nil {
		try(f.from.path, f.from.text)
	}
	if f.fallback != nil {
		try(f.path+".default", *f.fallback)
	}
	for _, from := range slices.Sorted(maps.Keys(f.values)) {
		try(f.path+".values."+from, f.values[from])
	}
	if f.otherwise == replaceOther {
		try(f.path+".otherwise.value", f.instead)
	}
}

// try types one text and returns what is wrong with it.
func (f *form) try(text string) string {
	plain := *f
	plain.values, plain.fallback = nil, nil
	t := newTextBuilder(1, len(text))
	t.append(text)
	m, c := &batchRun{rows: 1}, cells{text: t.build()}
	fill := &filler{form: &plain, typer: plain.typer()}
	if fill.typer.number != nil {
		fill.fillNumbers(m, &c)
	} else {
		fill.fillTexts(m, &c)
	}
	if len(m.findings) > 0 {
		return m.findings[0].Message
	}
	if values := f.target.Field.Values; len(values) > 0 && text != "" && !slices.Contains(values, text) {
		return "is none of " + strings.Join(values, ", ") + schemas.DidYouMean(text, values)
	}
	return ""
}
