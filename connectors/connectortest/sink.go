package connectortest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/connectors"
	"crossdock/schemas"
)

// A SinkHarness describes a format, and the connector that reads what it writes.
type SinkHarness struct {
	Format   connectors.Format
	Type     connectors.Type
	Settings map[string]any // of the connector, beside path
}

// RunSink holds a format to the contract: what was written is read back, every
// character of it.
func RunSink(t *testing.T, h SinkHarness) {
	t.Run("what is written is read back", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "rows"+h.Format.Extension)
		rapid.Check(t, func(r *rapid.T) { checkReadBack(r, t, h, path) })
	})
	t.Run("a file without rows has its columns", func(t *testing.T) { checkNoRows(t, h) })
	t.Run("rows that are not selected are left out", func(t *testing.T) { checkSelected(t, h) })
	t.Run("writing ends with its context", func(t *testing.T) { checkSinkCancel(t, h) })
	t.Run("what cannot be written is an error", func(t *testing.T) { checkFull(t, h) })
}

// sinkColumns are columns of every type.
func sinkColumns(t testing.TB) (*schemas.Entity, []schemas.Column) {
	t.Helper()
	e := &schemas.Entity{Name: "thing", Plural: "things", Fields: []schemas.Field{
		{Name: "key", Type: schemas.Identifier, Key: true},
		{Name: "name", Type: schemas.LocalisedText},
		{Name: "count", Type: schemas.Integer},
		{Name: "weight", Type: schemas.Quantity},
		{Name: "amount", Type: schemas.Money},
		{Name: "day", Type: schemas.Date},
		{Name: "moment", Type: schemas.Timestamp},
		{Name: "images", Type: schemas.List},
		{Name: "attributes", Type: schemas.JSON, Open: true},
		{Name: schemas.DeletedField, Type: schemas.Boolean},
	}}
	var columns []schemas.Column
	for _, name := range []string{
		"name.de", "key", "count", "weight", "amount", "day", "moment", "name.fr-CA", "images", "attributes.colour", schemas.DeletedField,
	} {
		c, err := e.Column(name)
		if err != nil {
			t.Fatal(err)
		}
		columns = append(columns, c)
	}
	return e, columns
}

// drawBatch draws rows in which any cell but the key may be null.
func drawBatch(r *rapid.T, e *schemas.Entity, columns []schemas.Column, rows int) *schemas.Batch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(columns))
	defer b.Release()
	for row := range rows {
		for i, c := range columns {
			if !c.Field.Key && rapid.IntRange(0, 3).Draw(r, "null") == 0 {
				b.Field(i).AppendNull()
				continue
			}
			drawCell(r, b.Field(i), c, row)
		}
	}
	return &schemas.Batch{Entity: e, Columns: columns, Rows: b.NewRecordBatch(), Absent: make([][]bool, len(columns))}
}

// drawText draws what files get wrong: quotes, line breaks, formulas, escapes,
// what looks like numbers. It has no blanks around it, which mapping cuts off.
func drawText(r *rapid.T) string {
	parts := rapid.SliceOfN(rapid.SampledFrom([]string{
		"a", "Größe", ",", ";", `"`, "'", "\n", "\t", "=1+1", "+", "-", "@", "_x0041_", "0017", "1e5", "<b>&", "𝄞", `\`, "2026-01-01", "null", "{", "true",
	}), 1, 4).Draw(r, "text")
	if text := strings.TrimSpace(strings.Join(parts, "")); text != "" {
		return text
	}
	return "x"
}

func drawCell(r *rapid.T, to array.Builder, c schemas.Column, row int) {
	switch to := to.(type) {
	case *array.StringBuilder:
		switch {
		case c.Field.Key:
			to.Append(fmt.Sprintf("%04d%s", row, drawText(r)))
		case c.Field.Type == schemas.List:
			to.Append(rapid.SampledFrom([]string{`["a"]`, `["a|b","\"",""]`, `[]`}).Draw(r, "list"))
		default:
			to.Append(drawText(r))
		}
	case *array.Int64Builder:
		to.Append(rapid.Int64().Draw(r, "integer"))
	case *array.Decimal64Builder:
		most := int64(999_999_999_999_999_999)
		to.Append(decimal.Decimal64(rapid.OneOf(rapid.Int64Range(-most, most), rapid.Int64Range(-3_000_000, 3_000_000)).Draw(r, "decimal")))
	case *array.Date32Builder:
		to.Append(arrow.Date32(rapid.Int32Range(-700_000, 2_000_000).Draw(r, "day")))
	case *array.TimestampBuilder:
		to.Append(arrow.Timestamp(rapid.Int64Range(-62_135_596_800_000_000, 200_000_000_000_000_000).Draw(r, "moment")))
	case *array.BooleanBuilder:
		to.Append(rapid.Bool().Draw(r, "truth"))
	}
}

// sinkTable is a file as it should be read: rows of cells by the name of the column.
type sinkTable []map[string]string

// written writes batches and returns the file, and what it should be read as.
func written(t testing.TB, h SinkHarness, e *schemas.Entity, columns []schemas.Column, batches ...*schemas.Batch) ([]byte, sinkTable) {
	t.Helper()
	var out bytes.Buffer
	sink, err := h.Format.Create(&out, connectors.Layout{Entity: e, Columns: columns, Raw: true})
	if err != nil {
		t.Fatal(err)
	}
	var want sinkTable
	for _, b := range batches {
		refused, err := sink.Write(t.Context(), b)
		if err != nil || len(refused) > 0 {
			t.Fatalf("write: refused %+v, error %v", refused, err)
		}
		b.Each(func(row int) bool {
			cells := map[string]string{}
			for i, c := range b.Columns {
				cells[c.Name] = Null
				if text, ok := b.Text(i, row); ok {
					cells[c.Name] = text
				}
			}
			want = append(want, cells)
			return true
		})
	}
	if err := sink.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), want
}

// readBack reads a file with the connector of the harness.
func readBack(t testing.TB, h SinkHarness, path string, content []byte) (sinkTable, error) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	settings := map[string]any{"path": path}
	maps.Copy(settings, h.Settings)
	src, err := h.Type.New(settings, connectors.Env{})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := src.Open(t.Context(), connectors.ReadRequest{})
	if err != nil {
		return nil, err
	}
	defer closed(t, reader)
	var got sinkTable
	for {
		b, err := reader.Next(t.Context())
		if err != nil {
			return got, err
		}
		if len(b.Rejects) > 0 {
			return got, fmt.Errorf("the row is rejected: %+v", b.Rejects[0])
		}
		for row := range int(b.Rows.NumRows()) {
			cells := map[string]string{}
			for c := range int(b.Rows.NumCols()) {
				name := b.Rows.ColumnName(c)
				cells[name] = cellOf(b.Rows.Schema(), b, name, row)
				// A decimal may be written with all of its places.
				if d, err := schemas.ParseDecimal(cells[name]); err == nil && (name == "weight" || name == "amount") {
					cells[name] = d.String()
				}
			}
			got = append(got, cells)
		}
	}
}

func checkReadBack(r *rapid.T, t *testing.T, h SinkHarness, path string) {
	e, columns := sinkColumns(t)
	var batches []*schemas.Batch
	for range rapid.IntRange(1, 3).Draw(r, "batches") {
		batches = append(batches, drawBatch(r, e, columns, rapid.IntRange(1, 5).Draw(r, "rows")))
	}
	content, want := written(t, h, e, columns, batches...)
	got, err := readBack(t, h, path, content)
	if err != nil && got == nil {
		r.Fatalf("the file cannot be read: %v", err)
	}
	for i := range want {
		// A column in which nothing stands may be one that is not there.
		for name, cell := range want[i] {
			if cell == Null && i < len(got) && got[i][name] == "" {
				delete(want[i], name)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.Fatalf("rows (-written +read), %v:\n%s", err, diff)
	}
}

func checkNoRows(t *testing.T, h SinkHarness) {
	e, columns := sinkColumns(t)
	content, _ := written(t, h, e, columns)
	rows, err := readBack(t, h, filepath.Join(t.TempDir(), "none"+h.Format.Extension), content)
	if _, ok := errors.AsType[*connectors.Error](err); !ok || len(rows) > 0 {
		t.Errorf("read back: rows %v, error %v; want the error of a file that holds none", rows, err)
	}
}

func checkSelected(t *testing.T, h SinkHarness) {
	e, columns := sinkColumns(t)
	b := rapid.Custom(func(r *rapid.T) *schemas.Batch { return drawBatch(r, e, columns, 4) }).Example(1)
	b.Selected = []int32{1, 3}
	content, want := written(t, h, e, columns, b)
	got, _ := readBack(t, h, filepath.Join(t.TempDir(), "some"+h.Format.Extension), content)
	keys := func(table sinkTable) (keys []string) {
		for _, row := range table {
			keys = append(keys, row["key"])
		}
		return keys
	}
	if len(want) != 2 || !slices.Equal(keys(got), keys(want)) {
		t.Errorf("keys %v, want %v", keys(got), keys(want))
	}
}

func checkSinkCancel(t *testing.T, h SinkHarness) {
	e, columns := sinkColumns(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sink, err := h.Format.Create(&bytes.Buffer{}, connectors.Layout{Entity: e, Columns: columns})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	b := rapid.Custom(func(r *rapid.T) *schemas.Batch { return drawBatch(r, e, columns, 4) }).Example(1)
	if _, err := sink.Write(ctx, b); !errors.Is(err, context.Canceled) {
		t.Errorf("write returned %v, want %v", err, context.Canceled)
	}
}

var errFull = errors.New("the disk is full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func checkFull(t *testing.T, h SinkHarness) {
	e, columns := sinkColumns(t)
	sink, err := h.Format.Create(fullDisk{}, connectors.Layout{Entity: e, Columns: columns, Mark: true})
	if err == nil {
		b := rapid.Custom(func(r *rapid.T) *schemas.Batch { return drawBatch(r, e, columns, 4) }).Example(1)
		_, err = sink.Write(t.Context(), b)
		err = errors.Join(err, sink.Finish(), sink.Close())
	}
	if !errors.Is(err, errFull) {
		t.Errorf("writing ended with %v, want %v", err, errFull)
	}
}
