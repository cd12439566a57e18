package excel

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

// table writes rows of texts and numbers, one line each, cells between |; a
// blank line is a blank row.
func table(lines string) string {
	var b strings.Builder
	for i, line := range strings.Split(strings.Trim(lines, "\n"), "\n") {
		fmt.Fprintf(&b, `<row r="%d">`, i+1)
		for column, value := range strings.Split(line, "|") {
			value = strings.TrimSpace(value)
			switch {
			case value == "":
			case strings.Trim(value, "0123456789.") == "":
				fmt.Fprintf(&b, `<c r="%c%d"><v>%s</v></c>`, 'A'+column, i+1, value)
			default:
				fmt.Fprintf(&b, `<c r="%c%d" t="inlineStr"><is><t>%s</t></is></c>`, 'A'+column, i+1, value)
			}
		}
		b.WriteString(`</row>`)
	}
	return b.String()
}

// merged writes a sheet with merged cells.
func merged(rows string, areas ...string) string {
	var b strings.Builder
	for _, a := range areas {
		fmt.Fprintf(&b, `<mergeCell ref="%s"/>`, a)
	}
	return strings.Replace(sheetXML(rows), `</sheetData>`, `</sheetData><mergeCells>`+b.String()+`</mergeCells>`, 1)
}

func TestTheHeaderIsFound(t *testing.T) {
	for _, tt := range []struct {
		name, rows, merges, header string
		columns                    string
		first                      string // row of data
		skipped                    int
	}{
		{"in the first row", "sku|name\n1|bolt", "", "auto", "sku|name", "2: 1#|bolt", 0},
		{"beneath a title", "Price list 2026\n\nsku|name|price\n1|bolt|2\n2|nut|3", "", "auto", "sku|name|price", "4: 1#|bolt|2#", 0},
		{"beneath a merged title", "Price list\nsku|name|price\n1|bolt|2\n2|nut|3", "A1:C1", "auto", "sku|name|price", "3: 1#|bolt|2#", 0},
		{"beneath a letterhead", "Supplier|ACME\nDate|2026\nContact|Ms Mu\n\nsku|name|price|unit\n1|bolt|2|PCE\n2|nut|3|PCE\n3|nut|3|PCE\n4|nut|3|PCE\n5|nut|3|PCE", "", "auto", "sku|name|price|unit", "6: 1#|bolt|2#|PCE", 0},
		{"above a blank row", "sku|name\n\n1|bolt", "", "auto", "sku|name", "3: 1#|bolt", 1},
		{"not in column A", "|sku|name\n|1|bolt", "", "auto", "column A|sku|name", "2: ~|1#|bolt", 0},
		{"with a column that has no name", "sku||name\n1|x|bolt", "", "auto", "sku|column B|name", "2: 1#|x|bolt", 0},
		{"with data to the right of it", "sku|name\n1|bolt\n2|nut\n3|cap|note", "", "auto", "sku|name|column C", "2: 1#|bolt|~", 0},
		{"with a year among texts", "sku|name|2026\n1|bolt|2", "", "auto", "sku|name|2026", "2: 1#|bolt|2#", 0},
		{"with line breaks and blanks", "net \n price|name\n1|bolt", "", "2", "price|name", "3: 1#|bolt", 0},
		{"followed by rows that are not full", "sku|a|b|c\n1\n2|x\n3||y|z", "", "auto", "sku|a|b|c", "2: 1#|~|~|~", 0},
		{"by its number", "sku|name\nSKU|Name\n1|bolt", "", "2", "SKU|Name", "3: 1#|bolt", 0},
		{"by its number, numbers only", "1|2\n3|4", "", "1", "1|2", "2: 3#|4#", 0},
		{"by its number, one column", "sku\n1\n2", "", "1", "sku", "2: 1#", 0},
		{"none", "1|bolt\n2|nut", "", "none", "column A|column B", "1: 1#|bolt", 0},
		{"none, above it blank rows", " \n \n1|bolt", "", "none", "column A|column B", "3: 1#|bolt", 2},
		{"a merged cell over columns without names", "sku|name||unit\n1|bolt|M8|PCE", "B1:C1", "auto", "sku|name|name 2|unit", "2: 1#|bolt|M8|PCE", 0},
		{"two rows, set", "x\n\nsku|price||unit\n|net|gross\n1|2|3|PCE", "A3:A4 B3:C3 D3:D4", "3-4", "sku|price net|price gross|unit", "5: 1#|2#|3#|PCE", 0},
		{"two rows, found by their merged cells", "sku|price||unit\n|net|gross\n1|2|3|PCE", "A1:A2 B1:C1 D1:D2", "auto", "sku|price net|price gross|unit", "3: 1#|2#|3#|PCE", 0},
		{"two rows, the second not full: data", "sku|price||unit\n|net\n1|2|3|PCE", "B1:C1", "auto", "sku|price|price 2|unit", "2: ~|net|~|~", 0},
		{"two rows without merged cells", "|price|\nsku|net|gross\n1|2|3", "", "1-2", "sku|price net|gross", "3: 1#|2#|3#", 0},
		{"two rows with the same name", "sku|price\nsku|price\n1|2", "", "1-2", "sku|price", "3: 1#|2#", 0},
		{"three rows", "a|b\n||\nc|d\n1|2", "A1:B1", "1-3", "a c|a d", "4: 1#|2#", 0},
		{"merged data stays in its first cell", "sku|name\n1|bolt\n2|", "B2:B3", "auto", "sku|name", "2: 1#|bolt", 0},
		{"merged cells that make no sense", "sku|name\n1|bolt", "x A1 B1:A1 :A2 A0:B9 A1:ZZZZ9", "auto", "sku|name", "2: 1#|bolt", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sheet := merged(table(tt.rows), strings.Fields(tt.merges)...)
			path := written(t, "book.xlsx", rawBook{sheets: []string{sheet}}.bytes(t))
			g := readFile(t, path, "header", tt.header)
			if diff := cmp.Diff(strings.Split(tt.columns, "|"), g.columns); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
			if g.rows[0] != tt.first || g.skipped != tt.skipped {
				t.Errorf("the first row is %q and %d are skipped, want %q and %d", g.rows[0], g.skipped, tt.first, tt.skipped)
			}
		})
	}
}

func TestHeadersThatCannotBeUsed(t *testing.T) {
	for _, tt := range []struct{ name, rows, merges, header, want string }{
		{"an empty sheet", "", "", "auto", "book.xlsx:Sheet1: the sheet is empty"},
		{"an empty sheet without header", "", "", "none", "the sheet is empty"},
		{"no rows", "sku|name", "", "auto", "book.xlsx:Sheet1: the sheet has a header but no rows"},
		{"no rows beneath a title", "Prices\nsku|name", "", "auto", "has a header but no rows"},
		{"no rows beneath a header that is set", "sku|name", "", "1", "has a header but no rows"},
		{"no text", "1|2\n3|4", "", "auto", `no row looks like a header: mostly text, and as wide as the rows that follow; name it, as in header: "3"`},
		{"one column", "sku\n1\n2", "", "auto", "no row looks like a header"},
		{"only wider rows", "sku|name\n1|2|3\n1|2|3", "", "auto", "no row looks like a header"},
		{"a blank row", "x\n\nsku|name\n1|bolt", "", "2", "the header 2 is blank; the first row that is not stands at 3"},
		{"a row behind all", "sku|name\n1|bolt", "", "9", `no rows from row 9 on; is header: 9 right?`},
		{"the same name twice", "sku|price|name|price\n1|2|3|4", "", "auto", `two columns are called "price", in B1 and D1; give each column a name of its own`},
		{"the same name but for blanks", "sku|net price|net  price\n1|2|3", "", "auto", `two columns are called "net price", in B1 and C1`},
		{"the same name in two rows", "a||b|\nx|y|x|y\n1|2|3|4", "", "1-2", `two columns are called "y", in B2 and D2`},
		{"the name of a column without one", "column B||x\n1|2|3", "", "auto", `two columns are called "column B", in A1 and B1`},
		{"the name of a merged column", "a||a 2\n1|2|3", "A1:B1", "auto", `two columns are called "a 2", in B1 and C1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows := ""
			if tt.rows != "" {
				rows = table(tt.rows)
			}
			path := written(t, "book.xlsx", rawBook{sheets: []string{merged(rows, strings.Fields(tt.merges)...)}}.bytes(t))
			text, read := errorOf(t, path, "header", tt.header)
			if !strings.Contains(text, tt.want) || read > 0 {
				t.Errorf("error %q after %d rows, want %q in it", text, read, tt.want)
			}
		})
	}
}

func TestColumnsCanBeNamedWhereThereIsNoHeader(t *testing.T) {
	path := written(t, "book.xlsx", rawBook{sheets: []string{sheetXML(table("1|bolt\n2|nut\n3|cap|note"))}}.bytes(t))
	g := readFile(t, path, "header", "none", "columns", []any{"sku", "name"})
	if diff := cmp.Diff([]string{"sku", "name"}, g.columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if want := []string{"C3 ragged_row: note"}; !cmp.Equal(g.rejects, want) || len(g.rows) != 2 {
		t.Errorf("got %q, rejects %q, want %q", g.rows, g.rejects, want)
	}
}

// Merged cells as excelize writes them are found behind the rows of a sheet.
func TestMergedCellsWrittenByExcelize(t *testing.T) {
	path := saved(t, func(f *excelize.File) error {
		for ref, v := range map[string]any{
			"A1": "Preisliste", "A3": "Artikel", "B3": "Preis", "D3": "Einheit", "B4": "netto", "C4": "brutto",
			"A5": "0017", "B5": 1.5, "C5": 1.79, "D5": "Stk", "A6": "0018", "B6": 2, "C6": 2.38, "D6": "Stk",
		} {
			if err := f.SetCellValue("Sheet1", ref, v); err != nil {
				return err
			}
		}
		for _, a := range [][2]string{{"A1", "D1"}, {"A3", "A4"}, {"B3", "C3"}, {"D3", "D4"}} {
			if err := f.MergeCell("Sheet1", a[0], a[1]); err != nil {
				return err
			}
		}
		return nil
	})
	for _, header := range []string{"auto", "3-4"} {
		g := readFile(t, path, "header", header)
		if diff := cmp.Diff([]string{"Artikel", "Preis netto", "Preis brutto", "Einheit"}, g.columns); diff != "" {
			t.Errorf("header %s: columns (-want +got):\n%s", header, diff)
		}
		if diff := cmp.Diff([]string{"5: 0017|1.5#|1.79#|Stk", "6: 0018|2#|2.38#|Stk"}, g.rows); diff != "" {
			t.Errorf("header %s: rows (-want +got):\n%s", header, diff)
		}
	}
}

func TestParseHeader(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want headerRows
		ok   bool
	}{
		{"", headerRows{auto: true}, true},
		{"auto", headerRows{auto: true}, true},
		{"none", headerRows{none: true}, true},
		{"1", headerRows{first: 1, last: 1}, true},
		{"3-4", headerRows{first: 3, last: 4}, true},
		{" 3 - 4 ", headerRows{first: 3, last: 4}, true},
		{"0", headerRows{}, false},
		{"4-3", headerRows{}, false},
		{"1-11", headerRows{}, false},
		{"3-", headerRows{}, false},
		{"-3", headerRows{}, false},
		{"first", headerRows{}, false},
		{"1001", headerRows{}, false},
	} {
		got, ok := parseHeader(tt.in)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("parseHeader(%q) = %+v, %v; want %+v, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}
