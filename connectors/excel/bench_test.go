package excel

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"crossdock/connectors"
)

// catalogue writes a workbook of products with 16 columns, whose texts are
// shared as Excel shares them: five in each row are its own.
func catalogue(t testing.TB, rows int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "catalogue.xlsx")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(file)
	part := func(name string, write func(w *bufio.Writer)) {
		p, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		b := bufio.NewWriter(p)
		write(b)
		if err := b.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	frame := rawBook{sheets: []string{""}, shared: "x", styles: `<styleSheet><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>`}
	for _, f := range frame.parts() {
		if f.name != "xl/worksheets/sheet1.xml" && f.name != "xl/sharedStrings.xml" {
			part(f.name, func(w *bufio.Writer) { _, _ = w.WriteString(f.content) })
		}
	}
	headers := []string{"sku", "gtin", "name_de", "name_en", "description", "category", "brand", "unit", "pack", "min_order", "net_price", "currency", "tax_class", "weight", "status", "updated_at"}
	fixed := []string{"Werkzeug > Handwerkzeug > Schraubendreher", "ACME &amp; Söhne", "PCE", "EUR", "standard", "active"}
	part("xl/sharedStrings.xml", func(w *bufio.Writer) {
		_, _ = w.WriteString(`<sst>`)
		for _, s := range append(headers, fixed...) {
			fmt.Fprintf(w, "<si><t>%s</t></si>", s)
		}
		for i := range rows {
			fmt.Fprintf(w, "<si><t>ACME-%08d</t></si><si><t>40%011d</t></si>", i, i*7919)
			fmt.Fprintf(w, "<si><t>Schraubendreher Größe %d</t></si><si><t>Screwdriver size %d</t></si>", i, i)
			fmt.Fprintf(w, "<si><t xml:space=\"preserve\">Präzisions-Schraubendreher %d, gehärtet und brüniert, mit ergonomischem Griff </t></si>", i)
		}
		_, _ = w.WriteString(`</sst>`)
	})
	part("xl/worksheets/sheet1.xml", func(w *bufio.Writer) {
		_, _ = w.WriteString(`<worksheet><sheetData><row r="1">`)
		for i := range headers {
			fmt.Fprintf(w, `<c r="%s" t="s"><v>%d</v></c>`, connectors.CellAddress(i, 1), i)
		}
		_, _ = w.WriteString(`</row>`)
		for i := range rows {
			writeProduct(w, i+2, len(headers), len(headers)+len(fixed)+5*i)
		}
		_, _ = w.WriteString(`</sheetData></worksheet>`)
	})
	if err := errors.Join(w.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func writeProduct(w io.Writer, row, fixed, own int) {
	shared := func(column string, i int) { fmt.Fprintf(w, `<c r="%s%d" t="s"><v>%d</v></c>`, column, row, i) }
	fmt.Fprintf(w, `<row r="%d" spans="1:16" x14ac:dyDescent="0.25">`, row)
	for i, column := range []string{"A", "B", "C", "D", "E"} {
		shared(column, own+i)
	}
	shared("F", fixed)
	shared("G", fixed+1)
	shared("H", fixed+2)
	fmt.Fprintf(w, `<c r="I%d"><v>%d</v></c><c r="J%d"><v>%d</v></c><c r="K%d"><v>%d.%02d</v></c>`, row, row%10+1, row, row%50+1, row, row%900+1, row%100)
	shared("L", fixed+3)
	shared("M", fixed+4)
	fmt.Fprintf(w, `<c r="N%d"><v>0.%d</v></c>`, row, row%1000+1)
	shared("O", fixed+5)
	fmt.Fprintf(w, `<c r="P%d" s="1"><v>%d</v></c></row>`, row, 44000+row%2000)
}

const benchRows = 200_000

// BenchmarkRead reads 200,000 rows of 16 columns as the hub does: it verifies
// the workbook, finds the header and makes batches.
func BenchmarkRead(b *testing.B) {
	path := catalogue(b, benchRows)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	b.ReportAllocs()
	var most uint64
	for b.Loop() {
		rows, peak := readAll(b, sourceOf(b, path))
		if rows != benchRows {
			b.Fatalf("read %d rows, want %d", rows, benchRows)
		}
		most = max(most, peak)
	}
	b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(most)/(1<<20), "MiB-heap")
}

func readAll(t testing.TB, src connectors.Source) (rows int, heap uint64) {
	t.Helper()
	r, err := src.Open(t.Context(), connectors.ReadRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		batch, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return rows, heap
		}
		if err != nil {
			t.Fatal(err)
		}
		rows += batch.Read()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heap = max(heap, m.HeapInuse)
	}
}

// BenchmarkScan takes the rows of the same sheet apart and makes nothing of them.
func BenchmarkScan(b *testing.B) {
	path := catalogue(b, benchRows)
	src := sourceOf(b, path).(*source)
	files, err := connectors.FindFiles(src.env, src.cfg.Path)
	if err != nil {
		b.Fatal(err)
	}
	book, closer, err := src.open(b.Context(), files[0])
	if err != nil {
		b.Fatal(err)
	}
	defer closer.Close()
	for b.Loop() {
		r, err := book.openRows(b.Context(), book.sheets[0])
		for ok := true; ok && err == nil; {
			ok, err = r.next()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkVerify unpacks the same sheet and looks for its end.
func BenchmarkVerify(b *testing.B) {
	path := catalogue(b, benchRows)
	src := sourceOf(b, path).(*source)
	files, err := connectors.FindFiles(src.env, src.cfg.Path)
	if err != nil {
		b.Fatal(err)
	}
	book, closer, err := src.open(b.Context(), files[0])
	if err != nil {
		b.Fatal(err)
	}
	defer closer.Close()
	for b.Loop() {
		if _, err := book.verify(b.Context(), book.sheets[0]); err != nil {
			b.Fatal(err)
		}
	}
}
