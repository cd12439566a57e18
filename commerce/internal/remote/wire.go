package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"crossdock/schemas"
)

// streamType is the media type of a batch.
const streamType = "application/vnd.apache.arrow.stream"

// absentSuffix marks the column that tells where another one is absent. No
// field's name has a blank in it.
const absentSuffix = " absent"

// encode writes the selected rows of a batch.
func encode(b *schemas.Batch) ([]byte, error) {
	schema := schemas.ArrowSchema(b.Columns)
	fields := schema.Fields()
	columns := make([]arrow.Array, 0, len(b.Columns))
	for i := range b.Columns {
		column, err := compact(b.Rows.Column(i), b.Selected)
		if err != nil {
			return nil, err
		}
		columns = append(columns, column)
	}
	for i, c := range b.Columns {
		if i >= len(b.Absent) || b.Absent[i] == nil {
			continue
		}
		marks := array.NewBooleanBuilder(memory.DefaultAllocator)
		b.Each(func(row int) bool {
			marks.Append(b.Absent[i][row])
			return true
		})
		fields = append(fields, arrow.Field{Name: c.Name + absentSuffix, Type: arrow.FixedWidthTypes.Boolean})
		columns = append(columns, marks.NewArray())
	}
	schema = arrow.NewSchema(fields, nil)
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	err := w.Write(array.NewRecordBatch(schema, columns, int64(b.Count())))
	return out.Bytes(), errors.Join(err, w.Close())
}

// compact returns the rows of a column that are selected.
func compact(column arrow.Array, selected []int32) (arrow.Array, error) {
	if selected == nil {
		return column, nil
	}
	var runs []arrow.Array
	for start := 0; start < len(selected); {
		end := start + 1
		for end < len(selected) && selected[end] == selected[end-1]+1 {
			end++
		}
		runs = append(runs, array.NewSlice(column, int64(selected[start]), int64(selected[end-1])+1))
		start = end
	}
	if runs == nil {
		return array.NewSlice(column, 0, 0), nil
	}
	return array.Concatenate(runs, memory.DefaultAllocator)
}

// decode reads a batch of an entity.
func decode(entity *schemas.Entity, r io.Reader) (*schemas.Batch, error) {
	stream, err := ipc.NewReader(r)
	if err != nil {
		return nil, err
	}
	defer stream.Release()
	rows, err := stream.Read()
	if err != nil {
		return nil, fmt.Errorf("no rows: %w", err)
	}
	b := &schemas.Batch{Entity: entity}
	var columns []arrow.Array
	for i, f := range rows.Schema().Fields() {
		name, marks := strings.CutSuffix(f.Name, absentSuffix)
		if marks {
			if err := decodeAbsent(b, name, rows.Column(i)); err != nil {
				return nil, err
			}
			continue
		}
		c, err := entity.Column(f.Name)
		if err != nil {
			return nil, err
		}
		if !arrow.TypeEqual(f.Type, c.Field.ArrowType()) {
			return nil, fmt.Errorf("column %s is %s, not %s", f.Name, f.Type, c.Field.ArrowType())
		}
		b.Columns, b.Absent = append(b.Columns, c), append(b.Absent, nil)
		columns = append(columns, rows.Column(i))
	}
	b.Rows = array.NewRecordBatch(schemas.ArrowSchema(b.Columns), columns, rows.NumRows())
	return b, nil
}

// decodeAbsent sets where the column named is absent. It stands before the
// column of marks.
func decodeAbsent(b *schemas.Batch, name string, column arrow.Array) error {
	marks, ok := column.(*array.Boolean)
	i := b.Index(name)
	if !ok || i < 0 {
		return fmt.Errorf("column %s%s marks nothing", name, absentSuffix)
	}
	b.Absent[i] = make([]bool, marks.Len())
	for row := range b.Absent[i] {
		b.Absent[i][row] = marks.Value(row)
	}
	return nil
}
