package excel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crossdock/connectors"
)

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings map[string]any
		want     string
	}{
		{"no path", map[string]any{}, "path: is required"},
		{"an unknown setting", map[string]any{"path": "x", "shet": "a"}, "shet: unknown setting, did you mean sheet?"},
		{"a header that is none", map[string]any{"path": "x", "header": "first"}, `header: is "first", but must be auto, none, a row up to 1000`},
		{"a range that is none", map[string]any{"path": "x", "header": "4-3"}, `header: is "4-3"`},
		{"columns beside a header", map[string]any{"path": "x", "columns": []any{"a"}}, "columns: can only be named where header is none"},
		{"a column twice", map[string]any{"path": "x", "header": "none", "columns": []any{"a", "b", "a"}}, `columns: name 3, "a", is empty or there twice`},
		{"a column without a name", map[string]any{"path": "x", "header": "none", "columns": []any{""}}, `columns: name 1, "", is empty`},
		{"no rows in a batch", map[string]any{"path": "x", "batch_rows": 0}, "batch_rows: must be at least 1"},
		{"nothing to unpack", map[string]any{"path": "x", "max_unpacked": 0}, "max_unpacked: must be between 1 and 65536"},
		{"too much to unpack", map[string]any{"path": "x", "max_unpacked": 1 << 20}, "max_unpacked: must be between 1 and 65536"},
		{"several at once", map[string]any{"path": "x", "max_unpacked": 0, "batch_rows": -1}, "batch_rows: must be at least 1\nmax_unpacked: must be"},
	} {
		_, err := Type().New(tt.settings, connectors.Env{Dir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q in it", tt.name, err, tt.want)
		}
	}
}

// threeSheets has a hidden sheet in front, a cover, and sheets of months.
func threeSheets() rawBook {
	month := func(price string) string {
		return sheetXML(texts(1, "sku", "price") + texts(2, "0017", price) + texts(3, "0018", price))
	}
	return rawBook{
		sheets: []string{month("0"), sheetXML(texts(3, "Our prices")), month("1"), month("2"), month("9")},
		names:  []string{"Codes", "Cover", "2026-01", "2026-02", "Secret"},
		states: []string{"hidden", "", "", "visible", "veryHidden"},
	}
}

func TestWhichSheetIsRead(t *testing.T) {
	path := written(t, "prices.xlsx", threeSheets().bytes(t))
	for _, tt := range []struct {
		name, sheet, stream string
		hidden              bool
		want                string // parts and prices, or an error
	}{
		{"the first visible one", "", "", false, "prices.xlsx:Cover: no row looks like a header"},
		{"the first one", "", "", true, "Codes 0 Codes 0"},
		{"by name", "2026-02", "", false, "2026-02 2 2026-02 2"},
		{"by the stream", "", "2026-01", false, "2026-01 1 2026-01 1"},
		{"by the stream, not the setting", "2026-02", "2026-01", false, "2026-01 1 2026-01 1"},
		{"by a pattern", "2026-*", "", false, "2026-01 1 2026-01 1 2026-02 2 2026-02 2"},
		{"by a pattern that ends in itself", "*02", "", false, "2026-02 2 2026-02 2"},
		{"a hidden one by name", "codes", "", true, "Codes 0 Codes 0"},
		{"without regard to case", "SECRET", "", true, "Secret 9 Secret 9"},
		{"a hidden one", "Codes", "", false, `prices.xlsx: the sheet "Codes" is hidden; set hidden: true to read it, or unhide it`},
		{"one that is not there", "2026-03", "", false, `prices.xlsx: there is no sheet "2026-03", did you mean 2026-01?; its sheets are Cover, 2026-01, 2026-02`},
		{"nothing near", "Orders", "", false, `there is no sheet "Orders"; its sheets are Cover`},
		{"a pattern that nothing matches", "2025-*", "", false, `there is no sheet "2025-*"`},
		{"no pattern", "[", "", false, "is not a pattern of sheet names"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := sourceOf(t, path, "sheet", tt.sheet, "hidden", tt.hidden)
			g, err := read(t, src, connectors.ReadRequest{Stream: tt.stream})
			got := message(t, err)
			for _, b := range g.batches {
				for i := range b.Origin.Rows {
					got += " " + b.Origin.Part + " " + b.Rows.Column(1).ValueStr(i)
				}
			}
			if got = strings.TrimSpace(got); got != tt.want && (err == nil || !strings.Contains(got, tt.want)) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAWorkbookWithoutSheetsToRead(t *testing.T) {
	hidden := rawBook{sheets: []string{sheetXML("")}, states: []string{"hidden"}}
	charts := rawBook{sheets: []string{sheetXML("")}}
	charts.extra = []bookFile{{"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="rId1" Type="` + relTypes + `chartsheet" Target="worksheets/sheet1.xml"/></Relationships>`}}
	outside := rawBook{sheets: []string{sheetXML("")}}
	outside.extra = []bookFile{{"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="rId1" Type="` + relTypes + `worksheet" Target="file:///etc/passwd" TargetMode="External"/></Relationships>`}}
	for want, book := range map[string]rawBook{
		"has no visible sheet; set hidden: true":             hidden,
		"has no sheet with cells; save the table as .xlsx":   charts,
		"prices.xlsx: has no sheet with cells; save the tab": outside,
	} {
		if text, _ := errorOf(t, written(t, "prices.xlsx", book.bytes(t))); !strings.Contains(text, want) {
			t.Errorf("error %q, want %q in it", text, want)
		}
	}
}

func TestDiscoverListsTheVisibleSheets(t *testing.T) {
	path := written(t, "prices.xlsx", threeSheets().bytes(t))
	for _, tt := range []struct {
		sheet  string
		hidden bool
		want   string
	}{
		{"2026-01", false, "Cover[] 2026-01[sku price] 2026-02[sku price]"},
		{"", true, "Codes[sku price] Cover[] 2026-01[sku price] 2026-02[sku price] Secret[sku price]"},
		{"", false, "prices.xlsx:Cover: no row looks like a header"},
		{"Orders", false, "prices.xlsx: there is no sheet"},
	} {
		streams, err := sourceOf(t, path, "sheet", tt.sheet, "hidden", tt.hidden).Discover(t.Context())
		got := make([]string, 0, len(streams))
		for _, s := range streams {
			got = append(got, fmt.Sprint(s.Name, s.Columns))
			if !s.Rereadable {
				t.Errorf("%s is not said to be rereadable", s.Name)
			}
		}
		if err != nil {
			got = []string{message(t, err)}
		}
		if text := strings.Join(got, " "); !strings.HasPrefix(text, tt.want) {
			t.Errorf("sheet %q, hidden %v: got %q, want %q", tt.sheet, tt.hidden, text, tt.want)
		}
	}
	if _, err := sourceOf(t, filepath.Join(t.TempDir(), "no.xlsx")).Discover(t.Context()); err == nil {
		t.Error("a file that is not there has sheets")
	}
}

func TestCheckReportsEachStep(t *testing.T) {
	path := written(t, "prices.xlsx", threeSheets().bytes(t))
	head := written(t, "head.xlsx", rawBook{sheets: []string{sheetXML(texts(1, "sku", "price"))}}.bytes(t))
	for _, tt := range []struct{ name, path, sheet, want string }{
		{"all is well", path, "2026-01", "files 1 of prices.xlsx; workbook prices.xlsx; sheet 2026-01; sample header in row 1, columns sku, price; "},
		{"no file", path + ".bak", "", "files 0 of prices.xlsx.bak! there is no such file"},
		{"no sheet", path, "x", "files 1 of prices.xlsx; workbook prices.xlsx; sheet ! there is no sheet"},
		{"no header", path, "Cover", "files 1 of prices.xlsx; workbook prices.xlsx; sheet Cover; sample header in row 0, columns ! no row looks like a header"},
		{"no rows", head, "", "files 1 of head.xlsx; workbook head.xlsx; sheet Sheet1; sample header in row 1, columns sku, price! the sheet has a header but no rows"},
	} {
		var b strings.Builder
		for _, p := range sourceOf(t, tt.path, "sheet", tt.sheet).Check(t.Context()) {
			fmt.Fprintf(&b, "%s %s", p.Name, p.Detail)
			if e, ok := errors.AsType[*connectors.Error](p.Err); ok {
				b.WriteString("! " + e.Message)
			}
			if p.Err == nil {
				b.WriteString("; ")
			}
		}
		if !strings.HasPrefix(b.String(), tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, b.String(), tt.want)
		}
	}
}

// folder writes workbooks whose rows are given for a.xlsx, b.xlsx and so on.
func folder(t *testing.T, sheets ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, rows := range sheets {
		content := rawBook{sheets: []string{sheetXML(rows)}, names: []string{"Prices"}}.bytes(t)
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".xlsx"), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "*.xlsx")
}

func TestFilesOfAPattern(t *testing.T) {
	good := texts(1, "sku", "price") + numbers(2, "1", "2")
	for _, tt := range []struct {
		name   string
		second string
		rows   int // read before the error, if there is one
		want   string
	}{
		{"the same header", good, 2, ""},
		{"the same header further down", texts(3, "sku", "price") + numbers(4, "1", "2"), 2, ""},
		{"another name", texts(1, "sku", "Preis") + numbers(2, "1", "2"), 1, `b.xlsx:Prices!B1: the header differs from that of a.xlsx:Prices: this column is "Preis", there it is "price"; read files with different columns in pipelines of their own`},
		{"another order", texts(1, "price", "sku") + numbers(2, "1", "2"), 1, `b.xlsx:Prices!A1: the header differs`},
		{"one more", texts(1, "sku", "price", "unit") + numbers(2, "1", "2", "3"), 1, `b.xlsx:Prices!C1: the header differs from that of a.xlsx:Prices: this column is "unit", there it is not there`},
		{"one less", texts(1, "sku") + numbers(2, "1"), 1, "no row looks like a header"},
		{"no rows", texts(1, "sku", "price"), 1, "b.xlsx:Prices: the sheet has a header but no rows"},
		{"damaged", "<row", 1, "b.xlsx:Prices: the workbook is damaged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := folder(t, good, tt.second)
			g, err := read(t, sourceOf(t, path), connectors.ReadRequest{})
			if text := message(t, err); !strings.Contains(text, tt.want) || tt.want == "" && err != nil {
				t.Errorf("error %q, want %q in it", text, tt.want)
			}
			if len(g.rows) != tt.rows {
				t.Errorf("read %d rows, want %d", len(g.rows), tt.rows)
			}
		})
	}
}

func TestWhereRowsComeFrom(t *testing.T) {
	path := written(t, "prices.xlsx", threeSheets().bytes(t))
	g := readFile(t, path, "sheet", "2026-*", "batch_rows", 1)
	if len(g.batches) != 4 {
		t.Fatalf("read %d batches, want 4", len(g.batches))
	}
	last := g.batches[3]
	if got := last.Origin.Place(last.Origin.Rows[0], 1, "price").String(); got != "prices.xlsx:2026-02!B3" {
		t.Errorf("the last cell stands in %s", got)
	}
	if last.Origin.Version == "" || last.Size == 0 || last.Done > last.Size {
		t.Errorf("version %q, %d of %d read", last.Origin.Version, last.Done, last.Size)
	}
	if want := connectors.Cursor(`{"file":"prices.xlsx","version":"` + last.Origin.Version + `","sheet":"2026-02","row":3}`); last.Cursor != want {
		t.Errorf("the cursor is %s, want %s", last.Cursor, want)
	}
}

func TestCursorsAreASCII(t *testing.T) {
	p := position{File: "prix\u00a0été.xlsx", Version: "1", Sheet: "価格😀\u200b", Row: 7}
	c := p.cursor()
	for _, b := range []byte(c) {
		if b < ' ' || b > '~' {
			t.Fatalf("the cursor %s is not printable", c)
		}
	}
	r := &reader{source: &source{}, files: []connectors.File{{Name: p.File, Version: "1"}}}
	if err := r.resume(c); err != nil || *r.from != p {
		t.Errorf("the cursor %s leads to %+v, %v; want %+v", c, r.from, err, p)
	}
}

func TestCursorsThatLeadNowhere(t *testing.T) {
	path := written(t, "prices.xlsx", threeSheets().bytes(t))
	g := readFile(t, path, "sheet", "2026-01", "batch_rows", 1)
	first := string(g.batches[0].Cursor)
	other := strings.Replace(first, "prices", "others", 1)
	for _, tt := range []struct{ name, sheet, cursor, want string }{
		{"nonsense", "2026-01", "17", `the cursor "17" is none of a workbook`},
		{"of a database", "2026-01", `{"after":17}`, "is none of a workbook"},
		{"a row below none", "2026-01", strings.Replace(first, `"row":2`, `"row":-1`, 1), "is none of a workbook"},
		{"another file", "2026-01", other, "others.xlsx: is no longer there, but was not read to its end"},
		{"another version", "2026-01", strings.Replace(first, `"version":"`, `"version":"1`, 1), "prices.xlsx: has changed since it was read up to row 2"},
		{"another sheet", "2026-02", first, `the cursor stands in the sheet "2026-01", which is not the one to read; its sheets are 2026-02`},
	} {
		_, err := read(t, sourceOf(t, path, "sheet", tt.sheet), connectors.ReadRequest{Cursor: connectors.Cursor(tt.cursor)})
		if text := message(t, err); !strings.Contains(text, tt.want) {
			t.Errorf("%s: error %q, want %q in it", tt.name, text, tt.want)
		}
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	_, err := read(t, sourceOf(t, path, "sheet", "2026-01"), connectors.ReadRequest{Cursor: connectors.Cursor(first)})
	if text := message(t, err); !strings.Contains(text, "has changed since") {
		t.Errorf("after the file was written again: error %q", text)
	}
}

func TestRejectsAndBlankRowsAreCountedOnceOverResumes(t *testing.T) {
	rows := texts(1, "sku", "price") + numbers(2, "1", "2") + `<row r="3"><c r="B3" t="e"><v>#N/A</v></c></row>` +
		`<row r="4"/>` + numbers(7, "5", "6") + `<row r="8"><c r="A8"><f>1</f></c></row>` + numbers(9, "7", "8") + `<row r="10"/>`
	path := written(t, "prices.xlsx", rawBook{sheets: []string{sheetXML(rows)}}.bytes(t))
	whole := readFile(t, path, "batch_rows", 1)
	if len(whole.rows) != 3 || len(whole.rejects) != 2 || whole.skipped != 3 {
		t.Fatalf("read %q, rejected %q, skipped %d", whole.rows, whole.rejects, whole.skipped)
	}
	var again got
	for cursor := connectors.Cursor(""); ; {
		r, err := sourceOf(t, path, "batch_rows", 1).Open(t.Context(), connectors.ReadRequest{Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		again.add(b)
		cursor = b.Cursor
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(whole.rows, again.rows); diff != "" || again.skipped != whole.skipped || !cmp.Equal(whole.rejects, again.rejects) {
		t.Errorf("rows (-whole +resumed):\n%s rejects %q, skipped %d", diff, again.rejects, again.skipped)
	}
}

func TestARejectKeepsABoundedPartOfItsRow(t *testing.T) {
	long := strings.Repeat("ä", 30_000)
	rows := texts(1, "a", "b", "c") + `<row r="2"><c r="A2" t="inlineStr"><is><t>` + long + `</t></is></c><c r="B2" t="inlineStr"><is><t>` + long + `</t></is></c><c r="C2" t="e"><v>#N/A</v></c></row>`
	g := readFile(t, written(t, "prices.xlsx", rawBook{sheets: []string{sheetXML(rows)}}.stored(t)))
	reject := g.batches[0].Rejects[0]
	size := len(reject.Value)
	for _, c := range reject.Cells {
		size += len(c)
	}
	if size > connectors.MaxRejectBytes || len(reject.Cells) != 3 || reject.Cells[0] != long {
		t.Errorf("the reject keeps %d bytes in %d cells", size, len(reject.Cells))
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	path := written(t, "prices.xlsx", sampleBook(5_000).bytes(t))
	src := sourceOf(t, path, "batch_rows", 10)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := src.Open(ctx, connectors.ReadRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Next(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context ended Next returned %v", err)
	}
	if _, err := src.Open(ctx, connectors.ReadRequest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context ended Open returned %v", err)
	}
	if _, err := src.Discover(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context ended Discover returned %v", err)
	}
	// Another context goes on where the first one stopped between batches.
	if b, err := r.Next(t.Context()); err != nil || b.Origin.Rows[0] != 12 {
		t.Errorf("with another context Next returned %v, %v", b, err)
	}
}

func TestAReaderThatFailedGoesOnFailing(t *testing.T) {
	rows := texts(1, "sku", "price") + numbers(2, "1", "2") + strings.Repeat(" ", 10) + numbers(1, "1", "2")
	src := sourceOf(t, written(t, "prices.xlsx", rawBook{sheets: []string{sheetXML(texts(1, "sku", "price") + manyRows(300) + rows)}}.bytes(t)), "batch_rows", 100)
	r, err := src.Open(t.Context(), connectors.ReadRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for err == nil {
		_, err = r.Next(t.Context())
	}
	_, again := r.Next(t.Context())
	if !strings.Contains(message(t, err), "row 1 comes after row 301") || !errors.Is(again, err) {
		t.Errorf("Next returned %v and then %v", err, again)
	}
}

func manyRows(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(numbers(i+2, "1", "2"))
	}
	return b.String()
}

func TestAFileThatCannotBeOpened(t *testing.T) {
	path := written(t, "prices.xlsx", sampleBook(3).bytes(t))
	src := sourceOf(t, path).(*source)
	files, err := connectors.FindFiles(src.env, src.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	files[0].Version = "before"
	_, _, err = src.open(t.Context(), files[0])
	if e, ok := errors.AsType[*connectors.Error](err); !ok || !strings.Contains(e.Message, "changed while it was read") {
		t.Errorf("a file that grew: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, _, err = src.open(t.Context(), files[0]); !strings.Contains(message(t, err), "prices.xlsx: cannot be read") {
		t.Errorf("a file that went away: %v", err)
	}
}

// Two readers of one source do not disturb each other.
func TestReadersOfOneSourceAreIndependent(t *testing.T) {
	src := sourceOf(t, written(t, "prices.xlsx", sampleBook(2_000).bytes(t)), "batch_rows", 100)
	want := readFile(t, written(t, "prices.xlsx", sampleBook(2_000).bytes(t))).rows
	results := make(chan []string)
	for range 4 {
		go func() { // ends when its rows are taken, below
			g, err := read(t, src, connectors.ReadRequest{})
			if err != nil {
				t.Error(err)
			}
			results <- g.rows
		}()
	}
	for range 4 {
		if diff := cmp.Diff(want, <-results); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	}
}

// A batch is bounded by its bytes as well as by its rows.
func TestBatchesOfLongRowsAreShort(t *testing.T) {
	var rows strings.Builder
	rows.WriteString(texts(1, "sku", "text"))
	for i := range 40 {
		rows.WriteString(texts(i+2, fmt.Sprint(i), strings.Repeat("long text ", 50_000)))
	}
	g := readFile(t, written(t, "prices.xlsx", rawBook{sheets: []string{sheetXML(rows.String())}}.stored(t)))
	if len(g.rows) != 40 || len(g.batches) < 4 {
		t.Errorf("%d rows came in %d batches", len(g.rows), len(g.batches))
	}
}

// Rows that are all refused come in batches too, and are all accounted for.
func TestABatchOfRejectsAlone(t *testing.T) {
	var rows strings.Builder
	rows.WriteString(texts(1, "sku", "price"))
	for i := range 25 {
		fmt.Fprintf(&rows, `<row r="%d"><c t="inlineStr"><is><t>x</t></is></c><c t="e"><v>#DIV/0!</v></c></row>`, 2*i+2)
	}
	g := readFile(t, written(t, "prices.xlsx", rawBook{sheets: []string{sheetXML(rows.String())}}.bytes(t)), "batch_rows", 10)
	total := 0
	for _, b := range g.batches {
		total += b.Read()
		if len(b.Rejects) > 10 || b.Rows.NumRows() > 0 || b.Rows.NumCols() != 2 {
			t.Errorf("a batch has %d rejects and %d rows of %d columns", len(b.Rejects), b.Rows.NumRows(), b.Rows.NumCols())
		}
	}
	if len(g.batches) != 3 || total != 49 || g.skipped != 24 {
		t.Errorf("%d batches account for %d rows, %d skipped; want 3, 49 and 24", len(g.batches), total, g.skipped)
	}
}
