package excel

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/xuri/excelize/v2"

	"crossdock/connectors"
	"crossdock/connectors/connectortest"
	"crossdock/schemas"
)

func TestSink(t *testing.T) {
	connectortest.RunSink(t, connectortest.SinkHarness{Format: Format(), Type: Type()})
}

// keys returns a batch of one column of text, and its layout.
func keys(values ...string) (connectors.Layout, *schemas.Batch) {
	e := &schemas.Entity{Name: "thing", Plural: "things", Fields: []schemas.Field{{Name: "key", Type: schemas.Identifier, Key: true}}}
	columns := []schemas.Column{{Name: "key", Field: &e.Fields[0]}}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(columns))
	defer b.Release()
	b.Field(0).(*array.StringBuilder).AppendValues(values, nil)
	return connectors.Layout{Entity: e, Columns: columns}, &schemas.Batch{Entity: e, Columns: columns, Rows: b.NewRecordBatch()}
}

func TestASheetThatIsFullIsFollowedByAnother(t *testing.T) {
	layout, batch := keys("0017", "=1+1", "3", "4", "5")
	var out bytes.Buffer
	created, err := create(&out, layout)
	if err != nil {
		t.Fatal(err)
	}
	created.(*sink).limit = 2
	if _, err := created.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := created.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := created.Close(); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	if want := []string{"things", "things 2", "things 3"}; !slices.Equal(book.GetSheetList(), want) {
		t.Errorf("sheets are %v, want %v", book.GetSheetList(), want)
	}
	for sheet, want := range map[string]string{"things": "[[key] [0017] [=1+1]]", "things 3": "[[key] [5]]"} {
		if rows, err := book.GetRows(sheet); err != nil || fmt.Sprint(rows) != want {
			t.Errorf("%s holds %v, %v; want %s", sheet, rows, err, want)
		}
	}
	if formula, err := book.GetCellFormula("things", "A3"); err != nil || formula != "" {
		t.Errorf("text has become the formula %q, %v", formula, err)
	}
	id, err := book.GetCellStyle("things", "A2")
	if err != nil {
		t.Fatal(err)
	}
	if style, err := book.GetStyle(id); err != nil || style.NumFmt != textFormat {
		t.Errorf("text has the number format %+v, %v", style, err)
	}
}

func TestATextThatNoCellTakesIsRefused(t *testing.T) {
	longest := strings.Repeat("€", excelize.TotalCellChars)
	layout, batch := keys("before", longest+"x", longest)
	path := filepath.Join(t.TempDir(), "x.xlsx")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s, err := create(file, layout)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	refused, err := s.Write(t.Context(), batch)
	if err != nil || len(refused) != 1 || refused[0].Row != 1 || refused[0].Message != "has 32768 characters, and a cell of a workbook takes 32767" {
		t.Errorf("refused %+v, %v; want the second row", refused, err)
	}
	if err := s.Finish(); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	if rows, err := book.GetRows("things"); err != nil || len(rows) != 3 || rows[2][0] != longest {
		t.Errorf("%d rows, %v; want header and the two rows that fit", len(rows), err)
	}
}
