package csvfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"crossdock/connectors"
)

// writeProducts writes rows as an ERP exports its products: 15 columns, some
// of them quoted, some empty, letters beyond ASCII, 216 bytes a row.
func writeProducts(tb testing.TB, path string, rows int) {
	tb.Helper()
	file, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	var block bytes.Buffer
	fmt.Fprintln(&block, "sku,gtin,name_en,name_de,description,category,brand,unit,pack,min_order,net_price,currency,tax,weight,updated")
	for i := range rows {
		fmt.Fprintf(&block, `A-%07d,40%011d,Hexagon bolt M%d,Sechskantschraube M%d,"Hexagon bolt, zinc plated, für Außenbereiche, length %d mm",Fasteners > Bolts > Hexagon,Würth,PCE,%d,,%d.%02d,EUR,standard,0.%03d,2026-01-%02dT10:00:00Z`+"\n",
			i, i, i%30, i%30, i%200, 1+i%50, i%1000, i%100, i%1000, 1+i%28)
		if block.Len() > 1<<20 || i == rows-1 {
			if _, err := block.WriteTo(file); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := file.Close(); err != nil {
		tb.Fatal(err)
	}
}

func newSource(tb testing.TB, dir string, settings map[string]any) connectors.Source {
	tb.Helper()
	src, err := Type().New(settings, connectors.Env{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	return src
}

// BenchmarkRead measures everything from the file in the page cache to Arrow
// columns of text.
func BenchmarkRead(b *testing.B) {
	const rows = 400_000
	path := filepath.Join(b.TempDir(), "products.csv")
	writeProducts(b, path, rows)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	src := newSource(b, b.TempDir(), map[string]any{"path": path})
	b.SetBytes(info.Size())
	b.ReportAllocs()
	for b.Loop() {
		if got := drain(b, src); got != rows {
			b.Fatalf("read %d rows, want %d", got, rows)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func closed(tb testing.TB, reader connectors.Reader) {
	tb.Helper()
	if err := reader.Close(); err != nil {
		tb.Errorf("close: %v", err)
	}
}

func drain(tb testing.TB, src connectors.Source) (rows int64) {
	tb.Helper()
	reader, err := src.Open(context.Background(), connectors.ReadRequest{})
	if err != nil {
		tb.Fatal(err)
	}
	defer closed(tb, reader)
	for {
		batch, err := reader.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			tb.Fatal(err)
		}
		rows += batch.Rows.NumRows()
	}
}

// BenchmarkCut measures the scanner alone.
func BenchmarkCut(b *testing.B) {
	const rows = 100_000
	path := filepath.Join(b.TempDir(), "products.csv")
	writeProducts(b, path, rows)
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	f := format{delimiter: ",", quote: '"', quoting: true}
	for b.Loop() {
		got := 0
		scan := newScanner(newLoopless(text), f, 0, 1, blockBytes)
		for {
			if _, err := scan.row(context.Background()); err != nil {
				break
			}
			got++
		}
		if got != rows+1 {
			b.Fatalf("cut %d rows, want %d", got, rows+1)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// newLoopless returns a reader that is no bytes.Reader, so that nothing takes
// a shorter way than with a file.
func newLoopless(text []byte) io.Reader {
	return io.LimitReader(&sliceReader{text}, int64(len(text)))
}

type sliceReader struct{ rest []byte }

func (r *sliceReader) Read(p []byte) (int, error) {
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
