package remote

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"crossdock/schemas"
)

// A wireBatch is a batch as it travels: the selected rows alone, by column,
// values as people write them, so that none loses a digit on the way.
type wireBatch struct {
	Rows    int          `json:"rows"`
	Columns []wireColumn `json:"columns"`
}

type wireColumn struct {
	Name   string    `json:"name"`
	Values []*string `json:"values"`           // null clears
	Absent []int     `json:"absent,omitempty"` // rows in which it was not sent
}

// encode returns the selected rows of a batch, to travel.
func encode(b *schemas.Batch) wireBatch {
	wire := wireBatch{Rows: b.Count(), Columns: make([]wireColumn, len(b.Columns))}
	for i, c := range b.Columns {
		column := wireColumn{Name: c.Name, Values: make([]*string, 0, wire.Rows)}
		b.Each(func(row int) bool {
			if b.IsAbsent(i, row) {
				column.Absent = append(column.Absent, len(column.Values))
			}
			var value *string
			if text, ok := b.Text(i, row); ok {
				value = &text
			}
			column.Values = append(column.Values, value)
			return true
		})
		wire.Columns[i] = column
	}
	return wire
}

// decode reads a batch of an entity.
func decode(entity *schemas.Entity, r io.Reader) (*schemas.Batch, error) {
	var wire wireBatch
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wire); err != nil {
		return nil, err
	}
	return wire.batch(entity)
}

// batch returns the batch that has travelled.
func (wire *wireBatch) batch(entity *schemas.Entity) (*schemas.Batch, error) {
	b := &schemas.Batch{Entity: entity}
	for _, w := range wire.Columns {
		c, err := entity.Column(w.Name)
		if err != nil {
			return nil, err
		}
		if b.Index(w.Name) >= 0 || len(w.Values) != wire.Rows {
			return nil, fmt.Errorf("column %s has %d values of %d, or comes twice", w.Name, len(w.Values), wire.Rows)
		}
		var absent []bool
		if len(w.Absent) > 0 {
			absent = make([]bool, wire.Rows)
		}
		for _, row := range w.Absent {
			if row < 0 || row >= wire.Rows {
				return nil, fmt.Errorf("column %s is absent in row %d of %d", w.Name, row, wire.Rows)
			}
			absent[row] = true
		}
		b.Columns, b.Absent = append(b.Columns, c), append(b.Absent, absent)
	}
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(b.Columns))
	defer builder.Release()
	for i, w := range wire.Columns {
		builder.Field(i).Reserve(wire.Rows)
		for row, value := range w.Values {
			if err := appendValue(builder.Field(i), value); err != nil {
				return nil, fmt.Errorf("column %s, row %d: %w", w.Name, row, err)
			}
		}
	}
	b.Rows = builder.NewRecordBatch()
	return b, nil
}

// appendValue appends what Batch.Text has written.
func appendValue(f array.Builder, value *string) error {
	if value == nil {
		f.AppendNull()
		return nil
	}
	switch f := f.(type) {
	case *array.StringBuilder:
		f.Append(*value)
		return nil
	case *array.Decimal64Builder:
		d, err := schemas.ParseDecimal(*value)
		if err != nil {
			return fmt.Errorf("%s %w", schemas.QuoteShort(*value), err)
		}
		f.Append(decimal.Decimal64(d))
		return nil
	case *array.TimestampBuilder:
		t, err := time.Parse(time.RFC3339Nano, *value)
		if err != nil {
			return fmt.Errorf("%s is no moment", schemas.QuoteShort(*value))
		}
		f.Append(arrow.Timestamp(t.UnixMicro()))
		return nil
	default:
		return f.AppendValueFromString(*value)
	}
}
