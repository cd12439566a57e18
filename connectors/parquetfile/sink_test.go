package parquetfile

import (
	"bytes"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"

	"crossdock/connectors"
	"crossdock/connectors/connectortest"
	"crossdock/schemas"
)

func TestSink(t *testing.T) {
	connectortest.RunSink(t, connectortest.SinkHarness{Format: Format(), Type: Type()})
}

func TestRowGroupsAreBounded(t *testing.T) {
	e := &schemas.Entity{Name: "thing", Plural: "things", Fields: []schemas.Field{
		{Name: "key", Type: schemas.Identifier, Key: true}, {Name: "amount", Type: schemas.Money}, {Name: "moment", Type: schemas.Timestamp}, {Name: "day", Type: schemas.Date},
	}}
	columns := make([]schemas.Column, len(e.Fields))
	for i := range e.Fields {
		columns[i] = schemas.Column{Name: e.Fields[i].Name, Field: &e.Fields[i]}
	}
	var out bytes.Buffer
	created, err := create(&out, connectors.Layout{Entity: e, Columns: columns})
	if err != nil {
		t.Fatal(err)
	}
	created.(*sink).limit = 4
	for range 3 {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(columns))
		b.Field(0).(*array.StringBuilder).AppendValues([]string{"a", "b", "c"}, nil)
		for _, f := range b.Fields()[1:] {
			f.AppendNulls(3)
		}
		if _, err := created.Write(t.Context(), &schemas.Batch{Entity: e, Columns: columns, Rows: b.NewRecordBatch()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := created.Finish(); err != nil {
		t.Fatal(err)
	}
	r, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if r.NumRowGroups() != 2 || r.NumRows() != 9 {
		t.Errorf("%d row groups of %d rows, want 2 of 9", r.NumRowGroups(), r.NumRows())
	}
	// Other programs go by the types, not by the text.
	for i, want := range []string{"String", "Decimal(precision=18, scale=6)", "Timestamp(isAdjustedToUTC=true, timeUnit=microseconds", "Date"} {
		if got := r.MetaData().Schema.Column(i).LogicalType().String(); !strings.HasPrefix(got, want) {
			t.Errorf("column %s is %s, want %s", columns[i].Name, got, want)
		}
	}
}
