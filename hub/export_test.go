package hub_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/schemas"
)

// exportRows are rows of a.csv, in the order of their parking.
func exportRows() []*journal.Row {
	row := func(number int64, names []string, values ...*string) *journal.Row {
		return &journal.Row{
			Pipeline: "acme", Entity: "product", Status: journal.OpenRow, Place: connectors.Place{Resource: "a.csv", Row: number},
			Cells: journal.Cells{Names: names, Values: values, Whole: true},
		}
	}
	columns := []string{"Nr", "Name", "Preis"}
	ragged := row(4, columns[:2], new("x"), new("y"))
	ragged.Cells.Whole = false
	ragged.Findings = []journal.Finding{{Rule: "ragged_row", Severity: schemas.Reject, Message: "has 2 cells instead of 3", Position: -1}}
	two := row(5, columns, new("0018"), nil, new("2,5"))
	two.Findings = []journal.Finding{
		{Rule: "required", Severity: schemas.Reject, Field: "name.en", Message: "is missing", Position: 1, Header: "Name"},
		{Rule: "expression", Severity: schemas.Warn, Field: "amount", Message: "is odd", Position: 2, Header: "Preis"},
	}
	formula := row(9, columns, new("0017"), new("=HYPERLINK(\"http://example.com\")"), new("-1,5"))
	formula.Findings = []journal.Finding{{Rule: "range", Severity: schemas.Reject, Field: "amount", Message: "is below 0", Position: 2, Header: "Preis"}}
	return []*journal.Row{ragged, two, formula}
}

var token = regexp.MustCompile(`,[0-9a-z]+-[0-9a-z]+-[0-9a-z.]*-[a-z2-7]{24}\n`)

// exportCSV parks the rows and exports them, without the byte order mark and
// the tokens, of which every row has one.
func exportCSV(t *testing.T, rows ...*journal.Row) string {
	t.Helper()
	b := newBench(t)
	b.park(t, "r1", rows...)
	var out bytes.Buffer
	n, err := b.ExportCSV(t.Context(), &out, journal.ErrorFilter{})
	if err != nil || n != int64(len(rows)) {
		t.Fatalf("ExportCSV = %d, %v; want %d rows", n, err, len(rows))
	}
	text, marked := strings.CutPrefix(out.String(), "\ufeff")
	if !marked {
		t.Errorf("export begins with %.10q, want a byte order mark", out.String())
	}
	if got := len(token.FindAllString(text, -1)); got != len(rows) {
		t.Errorf("%d tokens in %q, want one for each of %d rows", got, text, len(rows))
	}
	return token.ReplaceAllString(strings.Replace(text, ",_row_token\n", "\n", 1), "\n")
}

func TestExportCSVHasTheLayoutOfTheFileAndNoFormula(t *testing.T) {
	want := "Nr,Name,Preis,_errors,_row\n" +
		"x,y,,has 2 cells instead of 3,4\n" +
		"0018,,\"2,5\",Name: is missing; Preis: is odd,5\n" +
		"0017,\"'=HYPERLINK(\"\"http://example.com\"\")\",\"-1,5\",Preis: is below 0,9\n"
	if got := exportCSV(t, exportRows()...); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestExportCSVLosesNothingUnsaid(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, tt := range []struct {
		name string
		row  func(*journal.Row)
		want string
	}{
		{"a header that is a formula", func(r *journal.Row) {
			r.Cells.Names = []string{"Nr", "=1+1", "EAN"}
		}, "Nr,'=1+1,EAN,_errors,_row\nA-1,Mutter,,\"Name: is empty, but required\",2\n"},
		{"cells beyond the header", func(r *journal.Row) {
			r.Cells.Whole = false
			r.Cells.Names = append(r.Cells.Names[:3:3], "column 4", "column 5")
			r.Cells.Values = append(r.Cells.Values, new("4,5"), new("x"))
		}, "Nr,Name,EAN,_errors,_row\nA-1,Mutter,,\"Name: is empty, but required; cells beyond the last column: \"\"4,5\"\", \"\"x\"\"\",2\n"},
		{"cells that are cut", func(r *journal.Row) {
			r.Cells.Whole = false
			r.Cells.Values[1] = new(schemas.Shorten(long))
		}, "Nr,Name,EAN,_errors,_row\nA-1," + long[:200] + "…,,\"Name: is empty, but required; the row was too large to keep: its cells are cut\",2\n"},
		{"a row that its reader cut", func(r *journal.Row) {
			r.Cells.Whole = false
			r.Cells.Values[1] = new(strings.Repeat("x", connectors.MaxRejectBytes-4))
		}, "Nr,Name,EAN,_errors,_row\nA-1," + strings.Repeat("x", connectors.MaxRejectBytes-4) +
			",,\"Name: is empty, but required; the row was too large to keep: its cells are cut\",2\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := parkedRow(2, "A-1;Mutter;")
			tt.row(r)
			if got := exportCSV(t, r); got != tt.want {
				t.Errorf("got\n%.600s\nwant\n%.600s", got, tt.want)
			}
		})
	}
}

func TestExportCSVRefusesToMixLayouts(t *testing.T) {
	b := newBench(t)
	rows := exportRows()
	rows[2].Cells.Names = []string{"Nr", "Name", "Brutto"}
	b.park(t, "r1", rows...)
	_, err := b.ExportCSV(t.Context(), &bytes.Buffer{}, journal.ErrorFilter{})
	if err == nil || !strings.Contains(err.Error(), "--pipeline") {
		t.Errorf("ExportCSV error = %v, want advice to choose", err)
	}
}

func TestAnUncutRowStandsInTheLayoutOfItsFile(t *testing.T) {
	b := newBench(t)
	first, second, ragged := parkedRow(2, "A-1;Mutter;"), parkedRow(2, "5;8,50;"), parkedRow(3, "6;9,50;x")
	second.Place.Resource, second.Cells.Names = "b.csv", []string{"Id", "Preis", "Einheit"}
	ragged.Place.Resource, ragged.Cells.Names, ragged.Cells.Whole = "b.csv", []string{"Id", "Preis"}, false
	ragged.Cells.Values = ragged.Cells.Values[:2]
	b.park(t, "r1", first, second, ragged)
	book := b.exportXLSX(t)
	for cell, want := range map[string]string{"A1": "Id", "A2": "5", "A3": "6", "B3": "9,50", "E3": "3"} {
		if got, err := book.GetCellValue("2 acme", cell); got != want || err != nil {
			t.Errorf("%s = %q, %v; want %q", cell, got, err, want)
		}
	}
}

func (b *bench) exportXLSX(t *testing.T) *excelize.File {
	t.Helper()
	var out bytes.Buffer
	if _, err := b.ExportXLSX(t.Context(), &out, journal.ErrorFilter{}); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() })
	return book
}

func TestExportXLSXMarksTheWrongCells(t *testing.T) {
	b := newBench(t)
	rows := exportRows()
	rows[2].Pipeline = "other"
	b.park(t, "r1", rows[2])
	b.park(t, "r2", rows[:2]...)
	book := b.exportXLSX(t)
	if got := strings.Join(book.GetSheetList(), "|"); got != "other|2 acme" {
		t.Errorf("sheets %q, want one for each pipeline", got)
	}
	for _, tt := range []struct{ sheet, cell, value, fill string }{
		{"other", "A2", "0017", ""},
		{"other", "B2", `=HYPERLINK("http://example.com")`, ""}, // text, not a formula
		{"other", "C2", "-1,5", "FFC7CE"},
		{"other", "D2", "Preis: is below 0", ""},
		{"2 acme", "B3", "", "FFC7CE"},
		{"2 acme", "C3", "2,5", "FFEB9C"},
		{"2 acme", "E3", "5", ""},
	} {
		value, err := book.GetCellValue(tt.sheet, tt.cell)
		if err != nil || value != tt.value {
			t.Errorf("%s!%s = %q, %v; want %q", tt.sheet, tt.cell, value, err, tt.value)
		}
		if formula, _ := book.GetCellFormula(tt.sheet, tt.cell); formula != "" {
			t.Errorf("%s!%s is the formula %q", tt.sheet, tt.cell, formula)
		}
		id, err := book.GetCellStyle(tt.sheet, tt.cell)
		if err != nil {
			t.Fatal(err)
		}
		style, err := book.GetStyle(id)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(style.Fill.Color, ""); got != tt.fill {
			t.Errorf("%s!%s fill %q, want %q", tt.sheet, tt.cell, got, tt.fill)
		}
	}
}

func TestExportXLSXSaysWhichCellAWorkbookCannotHold(t *testing.T) {
	b := newBench(t)
	b.park(t, "r1", parkedRow(2, "A-1;"+strings.Repeat("😀", 20_000)+";"))
	book := b.exportXLSX(t)
	if got, _ := book.GetCellValue("acme", "D2"); !strings.Contains(got, "Name: is cut here") {
		t.Errorf("_errors = %q, want that the name is cut", got)
	}
	if got, _ := book.GetCellValue("acme", "B2"); !strings.HasSuffix(got, "…") {
		t.Errorf("name ends with %q, want it to show the cut", got[max(0, len(got)-10):])
	}
}

func TestAnExportWithoutRowsIsAWorkbook(t *testing.T) {
	if got, err := newBench(t).exportXLSX(t).GetCellValue("errors", "A1"); got != "_errors" || err != nil {
		t.Errorf("A1 = %q, %v; want a header", got, err)
	}
}

// A gauge takes what is written, and the most that is in memory meanwhile.
type gauge struct{ start, most int64 }

func (g *gauge) Write(b []byte) (int, error) {
	g.most = max(g.most, heap()-g.start)
	return len(b), nil
}

func TestAnExportHoldsNoMoreThanAFewPages(t *testing.T) {
	b := newBench(t)
	b.park(t, "r1", largeRows(queueBytes/20_000)...)
	g := &gauge{start: heap()}
	// excelize fills a buffer of up to 32 MiB before it writes to a file.
	if _, err := b.ExportXLSX(t.Context(), g, journal.ErrorFilter{}); err != nil || g.most > queueBytes {
		t.Errorf("xlsx: %v, %d MiB in use, of %d MiB parked", err, g.most>>20, queueBytes>>20)
	}
	g = &gauge{start: heap()}
	if _, err := b.ExportCSV(t.Context(), &sometimes{to: g}, journal.ErrorFilter{}); err != nil || g.most > queueBytes/2 {
		t.Errorf("csv: %v, %d MiB in use, of %d MiB parked", err, g.most>>20, queueBytes>>20)
	}
}

// sometimes hands on one write of a hundred: measuring takes time.
type sometimes struct {
	to     *gauge
	writes int
}

func (s *sometimes) Write(b []byte) (int, error) {
	if s.writes++; s.writes%100 != 0 {
		return len(b), nil
	}
	return s.to.Write(b)
}
