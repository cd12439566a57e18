package excel

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
	"pgregory.net/rapid"

	"crossdock/connectors"
)

func mustFind(t *testing.T, src *source) []connectors.File {
	t.Helper()
	files, err := connectors.FindFiles(src.env, src.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The same table as different programs write it, with what is theirs alone.
func TestDialectsOfOtherPrograms(t *testing.T) {
	want := []string{"2: 0017|Größe <M>|12.5#|2026-01-31@|true?", "3: 0018|~|-3#|~|~"}
	shared := sst("<t>sku</t>", "<t>name</t>", "<t>price</t>", "<t>from</t>", "<t>active</t>", "<t>0017</t>", "<t>Größe &lt;M&gt;</t>", "<t>0018</t>")
	head := `<c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c><c r="D1" t="s"><v>3</v></c><c r="E1" t="s"><v>4</v></c>`
	for _, tt := range []struct {
		name string
		book rawBook
	}{
		{"Excel", rawBook{shared: shared, styles: dateStyles, sheets: []string{
			xmlHead + `<worksheet ` + mainNS + ` xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" mc:Ignorable="x14ac xr" xmlns:x14ac="u" xr:uid="{0}">` +
				`<sheetPr codeName="T"><tabColor rgb="FFFF0000"/></sheetPr><dimension ref="A1:E3"/><sheetViews><sheetView tabSelected="1" workbookViewId="0"><pane ySplit="1" topLeftCell="A2" state="frozen"/></sheetView></sheetViews>` +
				`<sheetFormatPr baseColWidth="10" defaultRowHeight="15" x14ac:dyDescent="0.25"/><cols><col min="1" max="1" width="12" customWidth="1"/></cols><sheetData>` +
				`<row r="1" spans="1:5" x14ac:dyDescent="0.25">` + head + `</row>` +
				`<row r="2" spans="1:5" ht="30" customHeight="1"><c r="A2" t="s"><v>5</v></c><c r="B2" t="s"><v>6</v></c><c r="C2" s="3"><v>12.5</v></c><c r="D2" s="1"><v>46053</v></c><c r="E2" t="b"><v>1</v></c></row>` +
				`<row r="3"><c r="A3" t="s"><v>7</v></c><c r="B3" s="3"/><c r="C3"><v>-3</v></c></row></sheetData>` +
				`<autoFilter ref="A1:E3"/><conditionalFormatting sqref="C2:C3"><cfRule type="cellIs" priority="1"><formula>5&gt;2</formula></cfRule></conditionalFormatting>` +
				`<dataValidations count="1"><dataValidation type="list" sqref="E2"><formula1>"true,false"</formula1></dataValidation></dataValidations>` +
				`<pageMargins left="0.7" right="0.7" top="0.75" bottom="0.75"/><tableParts count="1"><tablePart r:id="rId1"/></tableParts><extLst><ext uri="{0}"/></extLst></worksheet>`,
		}}},
		{"a writer of inline texts without addresses", rawBook{styles: dateStyles, sheets: []string{
			`<worksheet><sheetData><row>` + strings.Repeat(`<c t="inlineStr"><is><t>%s</t></is></c>`, 5) + `</row>` +
				`<row><c t="inlineStr"><is><t>0017</t></is></c><c t="inlineStr"><is><t>Größe &lt;M&gt;</t></is></c><c><v>12.50</v></c><c s="1"><v>46053.0</v></c><c t="b"><v>true</v></c></row>` +
				`<row><c t="inlineStr"><is><t>0018</t></is></c><c/><c t="n"><v>-3.0</v></c></row></sheetData></worksheet>`,
		}}},
		{"strict, with dates as text", rawBook{shared: strings.ReplaceAll(shared, "schemas.openxmlformats.org", "purl.oclc.org/ooxml"), styles: dateStyles, sheets: []string{
			xmlHead + `<worksheet xmlns="http://purl.oclc.org/ooxml/spreadsheetml/main" conformance="strict"><sheetData><row r="1">` + head + `</row>` +
				`<row r="2"><c r="A2" t="s"><v>5</v></c><c r="B2" t="s"><v>6</v></c><c r="C2"><v>1.25E1</v></c><c r="D2" s="1" t="d"><v>2026-01-31</v></c><c r="E2" t="b"><v>1</v></c></row>` +
				`<row r="3"><c r="A3" t="s"><v>7</v></c><c r="C3"><v>-3</v></c></row></sheetData></worksheet>`,
		}}},
		{"indented, with comments", rawBook{shared: strings.ReplaceAll(shared, "<si>", "\r\n  <si>\r\n    "), styles: dateStyles, sheets: []string{
			xmlHead + "<!-- by hand -->\r\n<worksheet>\r\n  <sheetData>\r\n    <row r='1'>\r\n" + strings.ReplaceAll(head, "<c", "\r\n      <c") + "\r\n    </row>\r\n" +
				"    <row r='2'>\r\n <c r='A2' t='s'>\r\n <v>5</v>\r\n </c> <c r='B2' t='s'><v>6</v></c> <c r='C2'><v>12.5</v></c> <c r='D2' s='2'><v>46053</v></c> <c r='E2' t='b'><v>1</v></c></row>\r\n" +
				"    <!-- none --><row r='3'><c r='A3' t='s'><v>7</v></c><c r='C3'><v>-3</v></c></row>\r\n  </sheetData>\r\n</worksheet>\r\n",
		}}},
		{"all of it computed", rawBook{shared: shared, styles: dateStyles, sheets: []string{
			`<worksheet><sheetData><row r="1">` + head + `</row>` +
				`<row r="2"><c r="A2" t="str"><f>TEXT(17,"0000")</f><v>0017</v></c><c r="B2" t="str"><f>"Größe &lt;M&gt;"</f><v>Größe &lt;M&gt;</v></c><c r="C2"><f ca="1">25/2</f><v>12.5</v></c><c r="D2" s="1"><f>DATE(2026,1,31)</f><v>46053</v></c><c r="E2" t="b"><f>1=1</f><v>1</v></c></row>` +
				`<row r="3"><c r="A3" t="str"><f>TEXT(18,"0000")</f><v>0018</v></c><c r="B3" t="str"><f>""</f><v></v></c><c r="C3"><f>-3</f><v>-3</v></c></row></sheetData></worksheet>`,
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Contains(tt.book.sheets[0], "%s") {
				tt.book.sheets[0] = fmt.Sprintf(tt.book.sheets[0], "sku", "name", "price", "from", "active")
			}
			g := readFile(t, written(t, "book.xlsx", tt.book.bytes(t)))
			if diff := cmp.Diff(want, g.rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"sku", "name", "price", "from", "active"}, g.columns); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
		})
	}
}

// A model is what a workbook says, as [got] writes it.
type model struct {
	values [][]any
	cells  [][]string
}

func drawModel(t *rapid.T) model {
	var m model
	width := rapid.IntRange(2, 8).Draw(t, "width")
	for range rapid.IntRange(1, 30).Draw(t, "rows") {
		values, cells := make([]any, width), make([]string, width)
		for i := range values {
			values[i], cells[i] = drawCell(t)
		}
		m.values, m.cells = append(m.values, values), append(m.cells, cells)
	}
	return m
}

func drawCell(t *rapid.T) (any, string) {
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		return nil, "~"
	case 1:
		b := rapid.Bool().Draw(t, "truth")
		return b, strconv.FormatBool(b) + "?"
	case 2:
		n := rapid.Int64Range(-1e15, 1e15).Draw(t, "whole")
		return n, strconv.FormatInt(n, 10) + "#"
	case 3:
		cents := rapid.Int64Range(-1e10, 1e10).Draw(t, "cents")
		want := strconv.FormatFloat(float64(cents)/100, 'f', -1, 64)
		return float64(cents) / 100, want + "#"
	case 4:
		day := rapid.Int64Range(0, 40_000).Draw(t, "day")
		second := rapid.SampledFrom([]int64{0, 0, 1, 3_600, 49_500, 86_399}).Draw(t, "second")
		when := time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(day*86_400+second) * time.Second)
		if second == 0 {
			return when, when.Format(time.DateOnly) + "@"
		}
		return when, when.Format("2006-01-02T15:04:05") + "@"
	}
	text := rapid.StringMatching(`[ 0-9a-zäß€<>&"'_x]{0,20}[0-9a-z価]`).Draw(t, "text")
	if strings.Contains(text, "_x") {
		text = strings.ReplaceAll(text, "_x", "x_") // excelize does not escape it
	}
	return text, text
}

func (m model) rows() (rows []string, skipped int) {
	blank := 0
	for i, cells := range m.cells {
		if strings.Trim(strings.Join(cells, ""), "~") == "" {
			blank++
			continue
		}
		skipped, blank = skipped+blank, 0
		rows = append(rows, fmt.Sprintf("%d: %s", i+2, strings.Join(cells, "|")))
	}
	return rows, skipped
}

func (m model) save(t *testing.T) string {
	t.Helper()
	return saved(t, func(f *excelize.File) error {
		header := make([]any, len(m.values[0]))
		for i := range header {
			header[i] = "name " + string(rune('a'+i))
		}
		for i, row := range append([][]any{header}, m.values...) {
			if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row); err != nil {
				return err
			}
		}
		return nil
	})
}

// Whatever a workbook holds comes out as it is, in batches of any size, and
// reading that stopped anywhere goes on with the next row.
func TestAnyWorkbookComesOutAsItIs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := drawModel(rt)
		want, skipped := m.rows()
		if len(want) == 0 {
			return
		}
		path := m.save(t)
		batch := rapid.IntRange(1, 10).Draw(rt, "batch")
		src := sourceOf(t, path, "header", "1", "batch_rows", batch)
		whole, err := read(t, src, connectors.ReadRequest{})
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(want, whole.rows); diff != "" || whole.skipped != skipped || len(whole.rejects) > 0 {
			rt.Fatalf("%d skipped, want %d; rejects %q; rows (-want +got):\n%s", whole.skipped, skipped, whole.rejects, diff)
		}
		stop := rapid.IntRange(0, len(whole.batches)-1).Draw(rt, "stop")
		var before got
		for _, b := range whole.batches[:stop+1] {
			before.add(b)
		}
		after, err := read(t, src, connectors.ReadRequest{Cursor: whole.batches[stop].Cursor, BatchRows: rapid.IntRange(0, 9).Draw(rt, "other")})
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(want, append(before.rows, after.rows...)); diff != "" || before.skipped+after.skipped != skipped {
			rt.Fatalf("stopped behind batch %d: rows (-want +got):\n%s", stop, diff)
		}
	})
}

// What excelize reads of a larger workbook is what we read, cell by cell.
func TestALargeWorkbookAgreesWithExcelize(t *testing.T) {
	path := saved(t, func(f *excelize.File) error {
		for row := 1; row <= 3_000; row++ {
			cells := []any{fmt.Sprintf("%06d", row), row * 7919, float64(row) / 8, "Größe " + strconv.Itoa(row%7), row%3 == 0, nil, "end"}
			if row == 1 {
				cells = []any{"sku", "stock", "price", "name", "active", "empty", "last"}
			}
			if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", row), &cells); err != nil {
				return err
			}
		}
		return nil
	})
	f, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := f.GetRows("Sheet1", excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	g := readFile(t, path)
	if len(g.rows) != len(want)-1 {
		t.Fatalf("read %d rows, excelize %d", len(g.rows), len(want)-1)
	}
	for i, row := range g.rows {
		stored := want[i+1]
		stored[1], stored[2], stored[4] = stored[1]+"#", stored[2]+"#", map[string]string{"1": "true?", "0": "false?"}[stored[4]]
		stored[5] = "~"
		if text := fmt.Sprintf("%d: %s", i+2, strings.Join(stored, "|")); row != text {
			t.Fatalf("got %q, excelize %q", row, text)
		}
	}
}
