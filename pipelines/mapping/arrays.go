package mapping

import (
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"crossdock/schemas"
)

// maxColumnBytes bounds the text that one column of a batch may grow to, where
// it is computed or looked up: batches are bounded as they are read.
const maxColumnBytes = 64 << 20

// A textBuilder builds a column of text. It writes Arrow's buffers itself, as
// mapping spends much of its time here.
type textBuilder struct {
	data    []byte
	offsets []int32
	valid   []byte // bitmap; nil while there are no nulls
	nulls   int
	rows    int // in the end
	tooLong bool
}

func newTextBuilder(rows, bytes int) *textBuilder {
	return &textBuilder{rows: rows, data: make([]byte, 0, min(bytes, maxColumnBytes)), offsets: append(make([]int32, 0, rows+1), 0)}
}

func (t *textBuilder) append(s string) {
	if len(t.data)+len(s) > maxColumnBytes {
		t.tooLong, s = true, ""
	}
	t.data = append(t.data, s...)
	t.offsets = append(t.offsets, int32(len(t.data)))
}

func (t *textBuilder) appendNull() {
	if t.valid == nil {
		t.valid = allValid(t.rows)
	}
	bitutil.ClearBit(t.valid, len(t.offsets)-1)
	t.nulls++
	t.offsets = append(t.offsets, int32(len(t.data)))
}

func (t *textBuilder) err() error {
	if t.tooLong {
		return errors.New("the texts of one batch grow beyond 64 MiB; read fewer rows in a batch, or make the texts shorter")
	}
	return nil
}

func (t *textBuilder) build() *array.String {
	var valid *memory.Buffer
	if t.nulls > 0 {
		valid = memory.NewBufferBytes(t.valid)
	}
	return array.NewStringData(array.NewData(arrow.BinaryTypes.String, len(t.offsets)-1, []*memory.Buffer{
		valid,
		memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(t.offsets)),
		memory.NewBufferBytes(t.data),
	}, nil, t.nulls, 0))
}

// allValid returns a bitmap of ones.
func allValid(rows int) []byte {
	bits := make([]byte, bitutil.BytesForBits(int64(rows)))
	for i := range bits {
		bits[i] = 0xff
	}
	return bits
}

// A numberBuilder builds a column of any type that a whole number carries.
type numberBuilder struct {
	values []int64
	valid  []byte // nil while there are no nulls
	nulls  int
}

func (n *numberBuilder) setNull(row int) {
	if n.valid == nil {
		n.valid = allValid(len(n.values))
	}
	bitutil.ClearBit(n.valid, row)
	n.nulls++
}

// build returns the column in the type that the field has in Arrow.
func (n *numberBuilder) build(f *schemas.Field) arrow.Array {
	t := f.ArrowType()
	var data []byte
	switch t.ID() {
	case arrow.DATE32:
		days := make([]int32, len(n.values))
		for i, v := range n.values {
			days[i] = int32(v)
		}
		data = arrow.Int32Traits.CastToBytes(days)
	case arrow.BOOL:
		data = make([]byte, bitutil.BytesForBits(int64(len(n.values))))
		for i, v := range n.values {
			if v != 0 {
				bitutil.SetBit(data, i)
			}
		}
	default:
		data = arrow.Int64Traits.CastToBytes(n.values)
	}
	var valid *memory.Buffer
	if n.nulls > 0 {
		valid = memory.NewBufferBytes(n.valid)
	}
	buffers := []*memory.Buffer{valid, memory.NewBufferBytes(data)}
	return array.MakeFromData(array.NewData(t, len(n.values), buffers, nil, n.nulls, 0))
}
