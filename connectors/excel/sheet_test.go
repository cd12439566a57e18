package excel

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/xuri/excelize/v2"

	"crossdock/connectors"
)

const dateStyles = `<styleSheet><numFmts count="1"><numFmt numFmtId="164" formatCode="dd.mm.yyyy\ hh:mm"/></numFmts>` +
	`<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>` +
	`<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"><alignment/></xf><xf numFmtId="2"/><xf numFmtId="46"/></cellXfs>` +
	`<cellStyles><xf numFmtId="14"/></cellStyles></styleSheet>`

// one reads a sheet of the columns a, b and c with the rows given behind.
func one(t *testing.T, book rawBook, rows string) (got, error) {
	t.Helper()
	book.sheets = []string{sheetXML(texts(1, "a", "b", "c") + rows)}
	return read(t, sourceOf(t, written(t, "book.xlsx", book.bytes(t)), "header", "1"), connectors.ReadRequest{})
}

func TestCellsByTheirType(t *testing.T) {
	book := rawBook{
		styles: dateStyles,
		shared: sst(`<t>0017</t>`, `<t xml:space="preserve"> two </t>`, `<r><rPr><b/></rPr><t>rich </t></r><r><t>text</t></r>`,
			`<t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh><phoneticPr fontId="1"/>`, `<t/>`, ``, `<t>A &amp; B_x000D_&#10;C</t>`, `<t> </t>`, `<t><![CDATA[<x>]]></t>`),
	}
	for _, tt := range []struct{ name, cell, want string }{
		{"shared text keeps its zeros", `<c r="A2" t="s"><v>0</v></c>`, "0017"},
		{"shared text keeps its blanks", `<c r="A2" t="s"><v>1</v></c>`, " two "},
		{"rich text is joined", `<c r="A2" t="s"><v>2</v></c>`, "rich text"},
		{"phonetic runs are left out", `<c r="A2" t="s"><v>3</v></c>`, "東京"},
		{"an empty shared text is empty", `<c r="A2" t="s"><v>4</v></c>`, "~"},
		{"so is one without a text", `<c r="A2" t="s"><v>5</v></c>`, "~"},
		{"escapes and references", `<c r="A2" t="s"><v>6</v></c>`, "A & B\r\nC"},
		{"blanks are text", `<c r="A2" t="s"><v>7</v></c>`, " "},
		{"a section", `<c r="A2" t="s"><v>8</v></c>`, "<x>"},
		{"inline text", `<c r="A2" t="inlineStr"><is><t>0018</t></is></c>`, "0018"},
		{"inline rich text", `<c r="A2" t="inlineStr"><is><r><t>a</t></r><r><t xml:space="preserve"> b</t></r><rPh sb="0" eb="1"><t>x</t></rPh></is></c>`, "a b"},
		{"inline text that is escaped", `<c r="A2" t="inlineStr"><is><t>a_x0009_&lt;b</t></is></c>`, "a\t<b"},
		{"inline text with blanks", `<c r="A2" t="inlineStr"><is><t xml:space="preserve">x </t></is></c>`, "x "},
		{"an empty inline text", `<c r="A2" t="inlineStr"><is><t></t></is></c>`, "~"},
		{"no inline text", `<c r="A2" t="inlineStr"><is/></c>`, "~"},
		{"a number", `<c r="A2"><v>12.50</v></c>`, "12.5#"},
		{"a number by type", `<c r="A2" t="n"><v>-3</v></c>`, "-3#"},
		{"a number with an exponent", `<c r="A2"><v>1.5E-3</v></c>`, "0.0015#"},
		{"noise", `<c r="A2"><v>0.30000000000000004</v></c>`, "0.3#"},
		{"blanks around a number", `<c r="A2"><v> 7 </v></c>`, "7#"},
		{"a number with a format", `<c r="A2" s="3"><v>7.5</v></c>`, "7.5#"},
		{"a number with an unknown style", `<c r="A2" s="99"><v>7</v></c>`, "7#"},
		{"true", `<c r="A2" t="b"><v>1</v></c>`, "true?"},
		{"false", `<c r="A2" t="b"><v>0</v></c>`, "false?"},
		{"a date", `<c r="A2" s="1"><v>46053</v></c>`, "2026-01-31@"},
		{"a date and time", `<c r="A2" s="2"><v>46053.572916666664</v></c>`, "2026-01-31T13:45:00@"},
		{"a time", `<c r="A2" s="4"><v>0.25</v></c>`, "06:00:00@"},
		{"a date before all dates stays a number", `<c r="A2" s="1"><v>-2</v></c>`, "-2#"},
		{"a date as text", `<c r="A2" t="d"><v>2026-01-31T00:00:00Z</v></c>`, "2026-01-31@"},
		{"a formula with a text", `<c r="A2" t="str"><f>B2&amp;"x"</f><v>a &lt; b</v></c>`, "a < b"},
		{"a formula with a text in the short form", `<c r="A2" t="str"><v>a &lt; b</v></c>`, "a < b"},
		{"a formula with an empty text", `<c r="A2" t="str"><f>""</f><v></v></c>`, "~"},
		{"a formula with a number", `<c r="A2"><f t="shared" ref="A2:A9" si="0">1+1</f><v>2</v></c>`, "2#"},
		{"a formula with a date", `<c r="A2" s="1"><f>TODAY()</f><v>46053</v></c>`, "2026-01-31@"},
		{"a formula with a truth", `<c r="A2" t="b"><f>TRUE()</f><v>1</v></c>`, "true?"},
		{"an empty cell", `<c r="A2"/>`, "~"},
		{"an empty cell with a style", `<c r="A2" s="1"></c>`, "~"},
		{"an empty value", `<c r="A2"><v></v></c>`, "~"},
		{"an empty value of a text", `<c r="A2" t="s"><v/></c>`, "~"},
		{"extensions", `<c r="A2"><v>5</v><extLst><ext uri="x"><v>6</v></ext></extLst></c>`, "5#"},
		{"comments", `<c r="A2"><!-- x --><v><!-- y -->5<!-- z --></v></c>`, "5#"},
		{"indented", "\n <c r=\"A2\">\n  <v>5</v>\n </c>\n", "5#"},
		{"single quotes", `<c r='A2' t='b'><v>1</v></c>`, "true?"},
		{"a small letter", `<c r="a2"><v>5</v></c>`, "5#"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, err := one(t, book, `<row r="2">`+tt.cell+`<c r="C2" t="inlineStr"><is><t>end</t></is></c></row>`)
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{"2: " + tt.want + "|~|end"}; !cmp.Equal(g.rows, want) {
				t.Errorf("got %q, rejects %q; want %q", g.rows, g.rejects, want)
			}
		})
	}
}

func TestCellsThatRejectTheirRow(t *testing.T) {
	for _, tt := range []struct{ name, cell, want, message string }{
		{"an error", `<c r="B§" t="e"><f>VLOOKUP(1,X,2)</f><v>#N/A</v></c>`, "B§ formula_error: #N/A", "holds the error #N/A"},
		{"an error without a formula", `<c r="B§" t="e"><v>#REF!</v></c>`, "B§ formula_error: #REF!", "holds the error #REF!"},
		{"a formula never computed", `<c r="B§"><f>1+1</f></c>`, "B§ formula_error: ", "open the workbook in Excel and save it"},
		{"one with an empty value", `<c r="B§"><f>1+1</f><v></v></c>`, "B§ formula_error: ", "open the workbook in Excel and save it"},
		{"one that would be text", `<c r="B§" t="str"><f>A1</f></c>`, "B§ formula_error: ", "open the workbook in Excel and save it"},
		{"no number", `<c r="B§"><v>12,5</v></c>`, "B§ cell: 12,5", "does not fit its type"},
		{"no truth", `<c r="B§" t="b"><v>2</v></c>`, "B§ cell: 2", "does not fit its type"},
		{"no date", `<c r="B§" t="d"><v>yesterday</v></c>`, "B§ cell: yesterday", "does not fit its type"},
		{"an unknown type", `<c r="B§" t="x"><v>1</v></c>`, "B§ cell: 1", "does not fit its type"},
		{"a cell beside the table", `<c r="B§"><v>1</v></c><c r="E§"><v>9</v></c>`, "E§ ragged_row: 9", "right of the last header"},
		{"the first fault counts", `<c r="B§" t="e"><v>#N/A</v></c><c r="C§" t="b"><v>x</v></c>`, "B§ formula_error: #N/A", "#N/A"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const last = "200"
			var rows strings.Builder
			for row := 2; row < 200; row++ { // more than are looked at to find the columns
				rows.WriteString(numbers(row, "1"))
			}
			rows.WriteString(`<row r="§"><c t="inlineStr"><is><t>key</t></is></c>` + tt.cell + "</row>")
			g, err := one(t, rawBook{}, strings.ReplaceAll(rows.String(), "§", last))
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{strings.ReplaceAll(tt.want, "§", last)}; !cmp.Equal(g.rejects, want) {
				t.Fatalf("rejects %q, want %q", g.rejects, want)
			}
			reject := g.batches[0].Rejects[0]
			if !strings.Contains(reject.Message, tt.message) || reject.Cells[0] != "key" || reject.Row != 200 {
				t.Errorf("the reject is %+v, want %q in its message", reject, tt.message)
			}
			if len(g.rows) != 198 {
				t.Errorf("%d rows were read beside it, want 198", len(g.rows))
			}
		})
	}
}

func TestWhereRowsAndCellsStand(t *testing.T) {
	cell := func(ref, v string) string {
		if ref != "" {
			ref = ` r="` + ref + `"`
		}
		return "<c" + ref + "><v>" + v + "</v></c>"
	}
	for _, tt := range []struct {
		name, rows string
		want       []string
		skipped    int
	}{
		{"no addresses at all", `<row>` + cell("", "1") + cell("", "2") + `</row><row>` + cell("", "3") + `</row>`, []string{"2: 1#|2#|~", "3: 3#|~|~"}, 0},
		{"rows without numbers", `<row>` + cell("B2", "1") + `</row><row>` + cell("C5", "2") + `</row>`, []string{"2: ~|1#|~", "5: ~|~|2#"}, 2},
		{"cells without addresses between others", `<row r="2">` + cell("B2", "1") + cell("", "2") + `</row>`, []string{"2: ~|1#|2#"}, 0},
		{"gaps between columns", `<row r="2">` + cell("A2", "1") + cell("C2", "3") + `</row>`, []string{"2: 1#|~|3#"}, 0},
		{"rows left out", numbers(4, "1") + numbers(7, "2"), []string{"4: 1#|~|~", "7: 2#|~|~"}, 4},
		{"blank rows written", `<row r="2"/>` + numbers(3, "1") + `<row r="4"><c r="A4" s="1"/></row><row r="5"></row>` + numbers(6, "2"), []string{"3: 1#|~|~", "6: 2#|~|~"}, 3},
		{"rows of blanks are blank", numbers(2, "1") + texts(3, " ", " ") + texts(4, " ", "	") + numbers(5, "2"), []string{"2: 1#|~|~", "3:  | |~", "5: 2#|~|~"}, 1},
		{"blank rows at the end", numbers(2, "1") + `<row r="3"/><row r="4"><c r="A4" s="3"/></row><row r="1048576"/>`, []string{"2: 1#|~|~"}, 0},
		{"formatted cells beside the table", `<row r="2">` + cell("A2", "1") + `<c r="XFD2" s="3"/></row>`, []string{"2: 1#|~|~"}, 0},
		{"hidden rows are read", `<row r="2" hidden="1">` + cell("A2", "1") + `</row>` + numbers(3, "2"), []string{"2: 1#|~|~", "3: 2#|~|~"}, 0},
		{"other elements", `<x/>text` + numbers(2, "1") + `<row r="3"><y><c r="Z9"/></y>` + cell("B3", "2") + `</row>`, []string{"2: 1#|~|~", "3: ~|2#|~"}, 0},
		{"a last row of the sheet", numbers(1_048_576, "1"), []string{"1048576: 1#|~|~"}, 1_048_574},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, err := one(t, rawBook{styles: dateStyles}, tt.rows)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, g.rows, cmpopts.EquateEmpty()); diff != "" || len(g.rejects) > 0 {
				t.Errorf("rows (-want +got):\n%s rejects %q", diff, g.rejects)
			}
			if g.skipped != tt.skipped {
				t.Errorf("%d rows skipped, want %d", g.skipped, tt.skipped)
			}
		})
	}
}

func TestSheetsThatAreDamagedDeliverNothing(t *testing.T) {
	good := texts(1, "a", "b") + numbers(2, "1", "2")
	for _, tt := range []struct{ name, sheet, want string }{
		{"nothing", "", "cut off"},
		{"another document", "<html/>", "cut off: it has no end of sheetData"},
		{"no sheetData", `<worksheet></worksheet>`, "no end of sheetData"},
		{"another root", `<chartsheet><sheetData>` + good + `</sheetData></chartsheet>`, "malformed at </chartsheet>"},
		{"rows not closed", `<worksheet><sheetData>` + good, "no end of sheetData"},
		{"sheet not closed", `<worksheet><sheetData>` + good + `</sheetData>`, "XML is cut off"},
		{"sheet closed twice", `<worksheet><sheetData>` + good + `</sheetData></worksheet></worksheet>`, "malformed at </worksheet>"},
		{"something behind it", sheetXML(good) + "x", "outside of its root"},
		{"rows out of order", sheetXML(good + numbers(5, "1") + numbers(4, "1")), "row 4 comes after row 5"},
		{"a row twice", sheetXML(good + numbers(2, "1")), "row 2 comes after row 2"},
		{"row 0", sheetXML(good + numbers(0, "1")), "numbered 0"},
		{"no row number", sheetXML(good + `<row r="x"/>`), "numbered x"},
		{"a row too many", sheetXML(good + `<row r="1048577"/>`), "more than the 1048576"},
		{"cells out of order", sheetXML(good + `<row r="3"><c r="B3"><v>1</v></c><c r="A3"><v>1</v></c></row>`), "cell A3 comes after"},
		{"a cell twice", sheetXML(good + `<row r="3"><c r="A3"><v>1</v></c><c r="A3"><v>1</v></c></row>`), "cell A3 comes after"},
		{"a cell of another row", sheetXML(good + `<row r="3"><c r="A4"><v>1</v></c></row>`), "cell A4 stands in row 3"},
		{"no address", sheetXML(good + `<row r="3"><c r="17"><v>1</v></c></row>`), "has the address 17"},
		{"no row in an address", sheetXML(good + `<row r="3"><c r="C"><v>1</v></c></row>`), "has the address C"},
		{"a column too far", sheetXML(good + `<row r="3"><c r="XFE3"><v>1</v></c></row>`), "row, 3, with more than 16384 columns"},
		{"a column much too far", sheetXML(good + `<row r="3"><c r="AAAAAA3"><v>1</v></c></row>`), "has the address AAAAAA3"},
		{"a shared text that is not there", sheetXML(good + `<row r="3"><c r="A3" t="s"><v>7</v></c></row>`), "refers to the shared text 7, there are 0"},
		{"a shared text without a number", sheetXML(good + `<row r="3"><c r="A3" t="s"><v>-1</v></c></row>`), "refers to the shared text -1"},
		{"a long cell", sheetXML(good + texts(3, strings.Repeat("x", maxText+9))), "text of more than 1024 KiB"},
		{"a cell of many sections", sheetXML(good + `<row r="3"><c r="A3" t="str"><v>` + strings.Repeat("<![CDATA["+strings.Repeat("x", 1<<19)+"]]>", 3) + `</v></c></row>`), "cell of more than 1024 KiB"},
		{"a long row", sheetXML(good + texts(3, slices.Repeat([]string{strings.Repeat("x", 1<<19)}, 40)...)), "row, 3, of more than 16 MiB"},
		{"not UTF-8", sheetXML(good + texts(3, "M\xfcller")), "not UTF-8"},
		{"not UTF-8 in a formula", sheetXML(good + "<row r=\"3\"><c r=\"A3\" t=\"str\"><v>M\xfcller</v></c></row>"), "not UTF-8"},
		{"entities", `<!DOCTYPE x [<!ENTITY a "b">]>` + strings.TrimPrefix(sheetXML(good), xmlHead), "document type or entities"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := written(t, "book.xlsx", rawBook{sheets: []string{tt.sheet}}.stored(t))
			text, rows := errorOf(t, path)
			if !strings.Contains(text, tt.want) {
				t.Errorf("error %q, want %q in it", text, tt.want)
			}
			if rows > 0 {
				t.Errorf("%d rows were delivered", rows)
			}
		})
	}
}

// What a cell refers to can be longer than the cell: a row is bounded by what
// it stands for.
func TestARowOfReferencesToALongTextIsRefused(t *testing.T) {
	var row strings.Builder
	row.WriteString(`<row r="3">`)
	for range 1_000 {
		row.WriteString(`<c t="s"><v>0</v></c>`)
	}
	row.WriteString(`</row>`)
	book := rawBook{shared: sst("<t>" + strings.Repeat("long ", 30_000) + "</t>"), sheets: []string{sheetXML(texts(1, "a", "b") + numbers(2, "1", "2") + row.String())}}
	text, _ := errorOf(t, written(t, "book.xlsx", book.bytes(t)))
	if want := "row, 3, of more than 16 MiB"; !strings.Contains(text, want) {
		t.Errorf("error %q, want %q in it", text, want)
	}
}

func TestPrefixesOfTheNamespaceDoNotMatter(t *testing.T) {
	sheet := `<x:worksheet xmlns:x="http://purl.oclc.org/ooxml/spreadsheetml/main"><x:sheetData><x:row r="1"><x:c r="A1" t="inlineStr"><x:is><x:t>a</x:t></x:is></x:c><x:c r="B1" t="s"><x:v>0</x:v></x:c></x:row>` +
		`<x:row r="2"><x:c r="A2"><x:v>1</x:v></x:c></x:row></x:sheetData></x:worksheet>`
	shared := `<x:sst xmlns:x="u"><x:si><x:t>b</x:t></x:si></x:sst>`
	g := readFile(t, written(t, "book.xlsx", rawBook{sheets: []string{sheet}, shared: shared}.bytes(t)))
	if want := []string{"2: 1#|~"}; !cmp.Equal(g.rows, want) || !cmp.Equal(g.columns, []string{"a", "b"}) {
		t.Errorf("got %q beneath %q", g.rows, g.columns)
	}
}

// A workbook as excelize writes it comes back with what was put in.
func TestAWorkbookWrittenByExcelize(t *testing.T) {
	path := saved(t, func(f *excelize.File) error {
		when := time.Date(2026, 1, 31, 13, 45, 0, 0, time.UTC)
		for i, row := range [][]any{
			{"sku", "net price", "stock", "active", "valid from", "text"},
			{"0017", 12.5, 3, true, when, "a & b < c"},
			{"0018", 0.1 + 0.2, -7, false, when.Truncate(24 * time.Hour), "línea\nnueva"},
			{"0019", 1e-3, 12345678901234, nil, nil, nil},
		} {
			if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row); err != nil {
				return err
			}
		}
		return f.SetCellRichText("Sheet1", "F4", []excelize.RichTextRun{{Text: "rich "}, {Text: "text", Font: &excelize.Font{Bold: true}}})
	})
	g := readFile(t, path)
	want := []string{
		"2: 0017|12.5#|3#|true?|2026-01-31T13:45:00@|a & b < c",
		"3: 0018|0.3#|-7#|false?|2026-01-31@|línea\nnueva",
		"4: 0019|0.001#|12345678901234#|~|~|rich text",
	}
	if diff := cmp.Diff(want, g.rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"sku", "net price", "stock", "active", "valid from", "text"}, g.columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}

func TestThe1904SystemOfDates(t *testing.T) {
	g, err := one(t, rawBook{styles: dateStyles, date1904: true}, `<row r="2"><c r="A2" s="1"><v>44591</v></c></row>`)
	if want := []string{"2: 2026-01-31@|~|~"}; err != nil || !cmp.Equal(g.rows, want) {
		t.Errorf("got %q, %v; want %q", g.rows, err, want)
	}
}
