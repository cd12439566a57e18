package upsert

import (
	"cmp"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"crossdock/internal/store"
	"crossdock/schemas"
)

// An input is one column of a batch that feeds a column of a table.
type input struct {
	index  int    // in the batch
	name   string // as a pipeline writes it
	sub    string // the member of the object that it is, or ""
	quoted []byte // the member as a JSON string
	absent []bool // rows in which the source did not send it; nil: none

	// One of these is set, by the type of the Arrow column.
	text    *array.String
	integer *array.Int64
	decimal *array.Decimal64
	boolean *array.Boolean
	date    *array.Date32
	moment  *array.Timestamp
	rows    arrow.Array
}

func newInput(b *schemas.Batch, index int) (input, error) {
	c := b.Columns[index]
	in := input{index: index, name: c.Name, sub: c.Sub, quoted: appendString(nil, c.Sub), rows: b.Rows.Column(index)}
	if index < len(b.Absent) {
		in.absent = b.Absent[index]
	}
	var fits bool
	switch c.Field.ArrowType().ID() {
	case arrow.STRING:
		in.text, fits = in.rows.(*array.String)
	case arrow.INT64:
		in.integer, fits = in.rows.(*array.Int64)
	case arrow.DECIMAL64:
		in.decimal, fits = in.rows.(*array.Decimal64)
	case arrow.BOOL:
		in.boolean, fits = in.rows.(*array.Boolean)
	case arrow.DATE32:
		in.date, fits = in.rows.(*array.Date32)
	case arrow.TIMESTAMP:
		in.moment, fits = in.rows.(*array.Timestamp)
	default:
	}
	if !fits {
		return in, fmt.Errorf("column %s of the batch is %s, not %s", c.Name, in.rows.DataType(), c.Field.ArrowType())
	}
	return in, nil
}

// isAbsent reports whether the source did not send the field in that row.
func (in *input) isAbsent(row int) bool { return in.absent != nil && in.absent[row] }

// value returns what the column of the table stores, nil for a null.
func (in *input) value(row int) driver.Value {
	if in.rows.IsNull(row) {
		return nil
	}
	switch {
	case in.text != nil:
		return in.text.Value(row)
	case in.decimal != nil:
		return int64(in.decimal.Value(row))
	case in.integer != nil:
		return in.integer.Value(row)
	case in.moment != nil:
		return int64(in.moment.Value(row))
	case in.boolean != nil:
		return boolInt(in.boolean.Value(row))
	default:
		return in.date.Value(row).ToTime().Format(time.DateOnly)
	}
}

// appendTo appends what the column of the table stores: the fallback for a null.
func (in *input) appendTo(t *store.Tuples, row int, fallback any) {
	switch {
	case in.rows.IsNull(row):
		t.Add(fallback)
	case in.text != nil:
		t.AddText(in.text.Value(row))
	case in.decimal != nil:
		t.AddNumber(int64(in.decimal.Value(row)))
	case in.integer != nil:
		t.AddNumber(in.integer.Value(row))
	case in.moment != nil:
		t.AddNumber(int64(in.moment.Value(row)))
	default:
		t.Add(in.value(row))
	}
}

// constant reports whether every row holds the same, so that the statement can
// hold it instead, and not each row of it.
func (in *input) constant() bool {
	n := in.rows.Len()
	if n == 0 {
		return false
	}
	if in.rows.NullN() == n {
		return true
	}
	if in.rows.NullN() > 0 {
		return false
	}
	switch {
	case in.text != nil:
		first := in.text.Value(0)
		for row := 1; row < n; row++ {
			if in.text.Value(row) != first {
				return false
			}
		}
		// A literal ends at a NUL, and a long one is parsed for longer than it is bound.
		return len(first) <= 256 && strings.IndexByte(first, 0) < 0
	case in.decimal != nil:
		return allSame(in.decimal.Values())
	case in.integer != nil:
		return allSame(in.integer.Int64Values())
	case in.moment != nil:
		return allSame(in.moment.TimestampValues())
	}
	return false
}

func allSame[T comparable](values []T) bool {
	for _, v := range values {
		if v != values[0] {
			return false
		}
	}
	return true
}

// A shape is how the columns of one batch meet those of its table.
type shape struct {
	t      *table
	inputs [][]input // by column of the table: none, one, or the members of an object in order of name
	delete *input

	// values holds the row at hand as the table stores it, by column. Those
	// that no row changes are filled in once.
	values  []driver.Value
	varying []int               // the columns to fill for each row
	insert  string              // with %d for changed_seq
	args    []driver.NamedValue // of insert: the varying columns, row_hash
	set     insertSet           // the same for a set of rows, in SQLite

	needed []int // columns that a new row needs and some rows lack

	// An update sets the columns that the batch has, no others.
	sent   []int
	update string
	sets   []driver.NamedValue // of update: row_hash, changed_seq, the columns sent, the key or id

	objects objects
}

func newShape(t *table, b *schemas.Batch) (*shape, error) {
	s := &shape{t: t, inputs: make([][]input, len(t.columns)), values: make([]driver.Value, len(t.columns))}
	for i, c := range b.Columns {
		in, err := newInput(b, i)
		if err != nil {
			return nil, err
		}
		if c.Field.Name == schemas.DeletedField {
			s.delete = &in
			continue
		}
		position := Position(t.Entity, c.Field.Name)
		if position < 0 {
			return nil, fmt.Errorf("%s has no field %s", t.Entity.Name, c.Field.Name)
		}
		s.inputs[position] = append(s.inputs[position], in)
	}
	for _, members := range s.inputs {
		slices.SortFunc(members, func(a, b input) int { return cmp.Compare(a.sub, b.sub) })
	}
	s.compose()
	return s, nil
}

// Position returns the place of a field among the columns of its table, and
// among the values of a [Change], or -1.
func Position(e *schemas.Entity, field string) int {
	return slices.IndexFunc(e.Fields, func(f schemas.Field) bool { return f.Name == field })
}

// compose writes the statement that inserts rows of this shape.
func (s *shape) compose() {
	var names, places []string
	for i, c := range s.t.columns {
		in := s.inputs[i]
		if c.field.Required && c.fallback == nil && !slices.ContainsFunc(in, func(in input) bool { return in.rows.NullN() == 0 }) {
			s.needed = append(s.needed, i)
		}
		switch {
		case len(in) == 0 && c.fallback == nil:
			continue
		case len(in) == 0:
			s.values[i] = c.fallback
			places = append(places, literal(c.fallback))
		case len(in) == 1 && !c.object && in[0].constant():
			s.values[i] = orDefault(in[0].value(0), c.fallback)
			places = append(places, literal(s.values[i]))
		default:
			s.varying = append(s.varying, i)
			places = append(places, "?")
		}
		names = append(names, c.name)
	}
	s.args = store.Args(len(s.varying) + 1)
	if s.t.inBulk == nil {
		s.set = s.composeSet(names, places)
	}
	s.composeUpdate()
	s.insert = strings.ReplaceAll("INSERT INTO "+s.t.name+" ("+strings.Join(names, ", ")+", row_hash, changed_seq) VALUES ("+
		strings.Join(places, ", "), "%", "%%") + ", ?, %d) ON CONFLICT DO NOTHING"
	if s.t.inBulk != nil && s.t.hasID {
		s.insert += " RETURNING id"
	}
}

func (s *shape) composeUpdate() {
	sets := []string{"row_hash = ?", "changed_seq = ?"}
	for i, c := range s.t.columns {
		if len(s.inputs[i]) > 0 && !c.field.Key {
			s.sent = append(s.sent, i)
			sets = append(sets, c.name+" = ?")
		}
	}
	where, n := s.t.where, len(s.t.key)
	if s.t.byID {
		where, n = " WHERE id = ?", 1
	}
	s.update = "UPDATE " + s.t.name + " SET " + strings.Join(sets, ", ") + where
	s.sets = store.Args(2 + len(s.sent) + n)
}

func literal(v driver.Value) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case string:
		return store.Quote(v)
	}
	return "NULL"
}

func orDefault(v driver.Value, fallback any) driver.Value {
	if v == nil {
		return fallback
	}
	return v
}

// fill sets the values that vary to those that an insert of the row stores:
// where the batch has nothing, the default.
func (s *shape) fill(values []driver.Value, o *objects, row int) {
	for _, i := range s.varying {
		c := &s.t.columns[i]
		if c.object {
			values[i] = o.add(s.inputs[i], row)
			continue
		}
		v := s.inputs[i][0].value(row)
		if v == nil {
			v = c.fallback
		}
		values[i] = v
	}
}

// lacks returns the first column that a new row needs and this one has not, or -1.
func (s *shape) lacks(row int) int {
	for _, i := range s.needed {
		if !slices.ContainsFunc(s.inputs[i], func(in input) bool { return !in.rows.IsNull(row) }) {
			return i
		}
	}
	return -1
}

// isDelete reports whether the row deletes.
func (s *shape) isDelete(row int) bool {
	return s.delete != nil && !s.delete.rows.IsNull(row) && s.delete.boolean.Value(row)
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func parseInteger(s string) (any, error) { return strconv.ParseInt(s, 10, 64) }

func parseTimestamp(s string) (any, error) {
	t, err := time.Parse(time.RFC3339, s)
	return t.UnixMicro(), err
}
