package hub_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"crossdock/connectors"
	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/schemas"
)

func exportRows() []*journal.Row {
	cells := func(values ...*string) journal.Cells {
		return journal.Cells{Names: []string{"Nr", "Name", "Preis"}, Values: values, Whole: true}
	}
	return []*journal.Row{
		{
			Pipeline: "acme", Place: connectors.Place{Resource: "a.csv", Row: 9}, Cells: cells(new("0017"), new("=HYPERLINK(\"http://example.com\")"), new("-1,5")),
			Findings: []journal.Finding{{Rule: "range", Severity: schemas.Reject, Field: "amount", Message: "is below 0", Position: 2, Header: "Preis"}},
		},
		{
			Pipeline: "acme", Place: connectors.Place{Resource: "a.csv", Row: 4},
			Cells:    journal.Cells{Names: []string{"Nr", "Name"}, Values: []*string{new("x"), new("y")}},
			Findings: []journal.Finding{{Rule: "ragged_row", Severity: schemas.Reject, Message: "has 2 cells instead of 3", Position: -1}},
		},
		{
			Pipeline: "acme", Place: connectors.Place{Resource: "a.csv", Row: 5}, Cells: cells(new("0018"), nil, new("2,5")),
			Findings: []journal.Finding{
				{Rule: "required", Severity: schemas.Reject, Field: "name.en", Message: "is missing", Position: 1, Header: "Name"},
				{Rule: "expression", Severity: schemas.Warn, Field: "amount", Message: "is odd", Position: 2, Header: "Preis"},
			},
		},
	}
}

func TestExportCSVHasTheLayoutOfTheFileAndNoFormula(t *testing.T) {
	var b bytes.Buffer
	if err := hub.ExportCSV(&b, exportRows()); err != nil {
		t.Fatal(err)
	}
	want := "\ufeffNr,Name,Preis,_errors,_row\n" +
		"x,y,,has 2 cells instead of 3,4\n" +
		"0018,,\"2,5\",Name: is missing; Preis: is odd,5\n" +
		"0017,\"'=HYPERLINK(\"\"http://example.com\"\")\",\"-1,5\",Preis: is below 0,9\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestExportCSVRefusesToMixLayouts(t *testing.T) {
	rows := exportRows()
	rows[0].Pipeline = "other"
	err := hub.ExportCSV(&bytes.Buffer{}, rows)
	if err == nil || !strings.Contains(err.Error(), "--pipeline") {
		t.Errorf("ExportCSV error = %v, want advice to choose", err)
	}
}

func TestExportXLSXMarksTheWrongCells(t *testing.T) {
	rows := exportRows()
	rows[0].Pipeline = "other"
	var b bytes.Buffer
	if err := hub.ExportXLSX(&b, rows); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
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
