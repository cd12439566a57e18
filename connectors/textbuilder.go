package connectors

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Bounds of a batch of text, which is held twice: as read and as mapped.
const (
	DefaultBatchRows = 8_000
	MaxBatchBytes    = 4 << 20
)

// A TextBuilder collects rows of text into the columns of a [Batch]. It writes
// Arrow's buffers itself, since readers spend most of their time here.
type TextBuilder struct {
	schema  *arrow.Schema
	columns []textColumn
	rows    []int64
	bytes   int
}

type textColumn struct {
	data    []byte
	offsets []int32
	valid   []byte // bitmap
	nulls   int
	kinds   []Kind // nil while all cells are text
}

// NewTextBuilder returns a builder for columns with the names given.
func NewTextBuilder(names []string) *TextBuilder {
	fields := make([]arrow.Field, len(names))
	for i, name := range names {
		fields[i] = arrow.Field{Name: name, Type: arrow.BinaryTypes.String, Nullable: true}
	}
	b := &TextBuilder{schema: arrow.NewSchema(fields, nil)}
	b.reset(0, 0)
	return b
}

func (b *TextBuilder) reset(rows, bytes int) {
	old := b.columns
	b.columns = make([]textColumn, b.schema.NumFields())
	for i := range b.columns {
		capacity := 0
		if old != nil {
			capacity = len(old[i].data) + len(old[i].data)/8
		}
		b.columns[i].data = make([]byte, 0, capacity)
		b.columns[i].offsets = append(make([]int32, 0, rows+1), 0)
		b.columns[i].valid = make([]byte, 0, bitutil.BytesForBits(int64(rows)))
	}
	b.rows = make([]int64, 0, rows)
	b.bytes = bytes
}

// Cell sets the next cell of a column; nil is null, an empty slice is not.
// Every column gets one cell in each row, before EndRow.
func (b *TextBuilder) Cell(column int, value []byte, kind Kind) {
	c := &b.columns[column]
	row := len(b.rows)
	if row%8 == 0 {
		c.valid = append(c.valid, 0)
	}
	if value != nil {
		c.valid[row/8] |= 1 << (row % 8)
		c.data = append(c.data, value...)
		b.bytes += len(value)
	} else {
		c.nulls++
	}
	c.offsets = append(c.offsets, int32(len(c.data)))
	if kind != TextCell && c.kinds == nil {
		c.kinds = make([]Kind, row, cap(b.rows))
	}
	if c.kinds != nil {
		c.kinds = append(c.kinds, kind)
	}
}

// EndRow closes the row; number is its number as the user sees it.
func (b *TextBuilder) EndRow(number int64) { b.rows = append(b.rows, number) }

// A Span is where a cell stands in a block of text; an empty one is null.
type Span struct{ Start, End uint32 }

// Rows appends whole rows, which is several times faster than cell by cell.
// The cells stand row by row, as many in each as there are columns.
func (b *TextBuilder) Rows(text []byte, cells []Span, numbers []int64) {
	first, width := len(b.rows), len(b.columns)
	b.rows = append(b.rows, numbers...)
	for i := range b.columns {
		c := &b.columns[i]
		before := len(c.data)
		c.appendSpans(text, cells, i, width, first)
		c.pad(first, len(b.rows))
		b.bytes += len(c.data) - before
	}
}

// appendSpans appends every width-th cell from the one at on.
func (c *textColumn) appendSpans(text []byte, cells []Span, at, width, row int) {
	for (row+len(cells)/width+7)/8 > len(c.valid) {
		c.valid = append(c.valid, 0)
	}
	data, offsets, valid := c.data, c.offsets, c.valid
	for ; at < len(cells); at += width {
		cell := cells[at]
		if cell.Start == cell.End {
			c.nulls++
		} else {
			valid[row/8] |= 1 << (row % 8)
			data = append(data, text[cell.Start:cell.End]...)
		}
		offsets = append(offsets, int32(len(data)))
		row++
	}
	c.data, c.offsets = data, offsets
}

// pad keeps the kinds of a column, where it has some, as long as its cells.
func (c *textColumn) pad(from, to int) {
	for ; c.kinds != nil && from < to; from++ {
		c.kinds = append(c.kinds, TextCell)
	}
}

// Len returns the number of rows collected.
func (b *TextBuilder) Len() int { return len(b.rows) }

// Full reports whether the batch has reached its bounds.
func (b *TextBuilder) Full(batchRows int) bool {
	return len(b.rows) >= batchRows || b.bytes >= MaxBatchBytes
}

// Build moves what was collected into a batch, and begins anew. The caller
// fills in the rest of Origin, Cursor and progress.
func (b *TextBuilder) Build() *Batch {
	batch := &Batch{Kinds: make([][]Kind, len(b.columns)), Origin: Origin{Rows: b.rows}}
	arrays := make([]arrow.Array, len(b.columns))
	for i := range b.columns {
		c := &b.columns[i]
		batch.Kinds[i] = c.kinds
		var valid *memory.Buffer
		if c.nulls > 0 {
			valid = memory.NewBufferBytes(c.valid)
		}
		arrays[i] = array.NewStringData(array.NewData(arrow.BinaryTypes.String, len(b.rows),
			[]*memory.Buffer{
				valid,
				memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.offsets)),
				memory.NewBufferBytes(c.data),
			}, nil, c.nulls, 0))
	}
	batch.Rows = array.NewRecordBatch(b.schema, arrays, int64(len(b.rows)))
	b.reset(len(b.rows), 0)
	return batch
}
