package parquetfile

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"crossdock/connectors"
	"crossdock/schemas"
)

// Format describes the files that the sink writes: a column for each of the
// layout under its name, name.de being one, of the types decimal(18,6), int64,
// boolean, date, timestamp in microseconds of UTC, and text.
func Format() connectors.Format {
	return connectors.Format{
		Name: "parquet", Doc: "Apache Parquet.", Extension: ".parquet", Packed: true,
		MediaType: "application/vnd.apache.parquet", Create: create,
	}
}

// The bounds of a row group, which is in memory until it is whole.
const (
	groupRows  = 250_000
	groupBytes = 64 << 20 // packed
)

type sink struct {
	out   *file.Writer
	group file.BufferedRowGroupWriter // nil between two
	rows  int                         // of it
	limit int                         // rows of a group

	// What one column of one batch holds, used again for the next.
	definition []int16
	texts      []parquet.ByteArray
	numbers    []int64
	days       []int32
	truths     []bool
}

func create(w io.Writer, l connectors.Layout) (connectors.Sink, error) {
	fields := make(schema.FieldList, len(l.Columns))
	for i, c := range l.Columns {
		logical, physical := typeOf(c.Field)
		node, err := schema.NewPrimitiveNodeLogical(c.Name, parquet.Repetitions.Optional, logical, physical, 0, -1)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name, err)
		}
		fields[i] = node
	}
	root, err := schema.NewGroupNode(l.Entity.Name, parquet.Repetitions.Required, fields, -1)
	if err != nil {
		return nil, err
	}
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy), parquet.WithCreatedBy("crossdock"))
	out, err := file.NewParquetWriterWithError(w, root, file.WithWriterProps(props))
	return &sink{out: out, limit: groupRows}, err
}

func typeOf(f *schemas.Field) (schema.LogicalType, parquet.Type) {
	switch f.Type {
	case schemas.Integer:
		return schema.NewIntLogicalType(64, true), parquet.Types.Int64
	case schemas.DecimalType, schemas.Money, schemas.Quantity:
		return schema.NewDecimalLogicalType(18, schemas.DecimalScale), parquet.Types.Int64
	case schemas.Boolean:
		return schema.NoLogicalType{}, parquet.Types.Boolean
	case schemas.Date:
		return schema.DateLogicalType{}, parquet.Types.Int32
	case schemas.Timestamp:
		return schema.NewTimestampLogicalType(true, schema.TimeUnitMicros), parquet.Types.Int64
	default:
		return schema.StringLogicalType{}, parquet.Types.ByteArray
	}
}

// Write writes rows. None is refused.
func (s *sink) Write(ctx context.Context, b *schemas.Batch) ([]schemas.Rejection, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, s.write(b)
}

func (s *sink) write(b *schemas.Batch) (err error) {
	if s.group == nil {
		if s.group, err = s.out.AppendBufferedRowGroupChecked(); err != nil {
			return err
		}
	}
	for i := range b.Columns {
		column, err := s.group.Column(i)
		if err != nil {
			return err
		}
		if err := s.writeColumn(column, b, i); err != nil {
			return fmt.Errorf("column %s: %w", b.Columns[i].Name, err)
		}
	}
	s.rows += b.Count()
	if s.rows < s.limit && s.group.TotalCompressedBytes() < groupBytes {
		return nil
	}
	return s.endGroup()
}

// writeColumn writes the selected rows of one column.
func (s *sink) writeColumn(out file.ColumnChunkWriter, b *schemas.Batch, at int) (err error) {
	s.definition, s.texts, s.numbers, s.days, s.truths = s.definition[:0], s.texts[:0], s.numbers[:0], s.days[:0], s.truths[:0]
	rows := b.Rows.Column(at)
	b.Each(func(row int) bool {
		if rows.IsNull(row) {
			s.definition = append(s.definition, 0)
			return true
		}
		s.definition = append(s.definition, 1)
		switch a := rows.(type) {
		case *array.Int64:
			s.numbers = append(s.numbers, a.Value(row))
		case *array.Decimal64:
			s.numbers = append(s.numbers, int64(a.Value(row)))
		case *array.Timestamp:
			s.numbers = append(s.numbers, int64(a.Value(row)))
		case *array.Date32:
			s.days = append(s.days, int32(a.Value(row)))
		case *array.Boolean:
			s.truths = append(s.truths, a.Value(row))
		case *array.String:
			s.texts = append(s.texts, parquet.ByteArray(a.Value(row)))
		}
		return true
	})
	switch w := out.(type) {
	case *file.Int64ColumnChunkWriter:
		_, err = w.WriteBatch(s.numbers, s.definition, nil)
	case *file.Int32ColumnChunkWriter:
		_, err = w.WriteBatch(s.days, s.definition, nil)
	case *file.BooleanColumnChunkWriter:
		_, err = w.WriteBatch(s.truths, s.definition, nil)
	case *file.ByteArrayColumnChunkWriter:
		_, err = w.WriteBatch(s.texts, s.definition, nil)
	}
	return err
}

func (s *sink) endGroup() error {
	if s.group == nil {
		return nil
	}
	err := s.group.Close()
	s.group, s.rows = nil, 0
	return err
}

// Finish ends the last row group and writes the footer.
func (s *sink) Finish() error {
	if err := s.endGroup(); err != nil {
		return err
	}
	return s.out.Close()
}

// Close has nothing to release.
func (s *sink) Close() error { return nil }
