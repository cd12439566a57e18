package fixedwidth

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/encoding/htmlindex"

	"crossdock/connectors"
	"crossdock/connectors/connectortest"
)

// write puts files into a new folder, which it returns.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func newSource(t testing.TB, dir string, settings map[string]any) connectors.Source {
	t.Helper()
	src, err := Type().New(settings, connectors.Env{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func encode(t testing.TB, name, text string) string {
	t.Helper()
	encoding, err := htmlindex.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := encoding.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// settings are those of the files below, with others beside or in their place.
func settings(others ...any) map[string]any {
	s := map[string]any{
		"path":    "*.txt",
		"columns": map[string]any{"sku": "3-8", "name": "9+10", "price": "19-25", "rest": "27-"},
		"record":  []any{"P "}, "skip": []any{"C "}, "header": int64(2), "footer": int64(1),
	}
	for i := 0; i < len(others); i += 2 {
		s[others[i].(string)] = others[i+1]
	}
	return s
}

// twoFiles hold everything that a reader meets: a header, other records, blank
// lines, lines that are short, of no known kind, or not text.
func twoFiles() map[string]string {
	return map[string]string{
		"a.txt": "H 2026-01-31 ACME\nH 2\n" +
			"P 0017  Mutter M8    1,50 new\n" +
			"P 0018  Größe L     12,00\n" +
			"C a comment\n" +
			"\n" +
			"P 0019                  2  two words \n" +
			"P 0020  Bolzen\n" +
			"X 0021  Keil         3,00\n" +
			"P 0022  \xd6se          3,00\n" +
			"P 0023  漢字        1,00\n" +
			"\n\n" +
			"T 000006\n\n",
		"b.txt": "H\r\n\r\n" +
			"P 0030  Scheibe      6,00\r\n" +
			"P 0031  \x00            7,00\r\n" +
			"P 0032  Niet         8,00 x\r\n" +
			"T 3\r\n\x1a",
		"c.txt": "\xef\xbb\xbfH\nH\n" +
			"P 0040  Ring         9,00\n" +
			"\nT 1",
	}
}

func conformance(t testing.TB) connectortest.Harness {
	dir := write(t, twoFiles())
	const null = connectortest.Null
	return connectortest.Harness{
		Type:    Type(),
		New:     func(t testing.TB) connectors.Source { return newSource(t, dir, settings("encoding", "utf-8")) },
		Columns: []string{"sku", "name", "price", "rest"},
		Rows: []connectortest.Row{
			{Place: "a.txt:3", Cells: []string{"0017", "Mutter M8", "1,50", "new"}},
			{Place: "a.txt:4", Cells: []string{"0018", "Größe L", "12,00", null}},
			{Place: "a.txt:7", Cells: []string{"0019", null, "2", "two words"}},
			{Place: "b.txt:3", Cells: []string{"0030", "Scheibe", "6,00", null}},
			{Place: "b.txt:5", Cells: []string{"0032", "Niet", "8,00", "x"}},
			{Place: "c.txt:3", Cells: []string{"0040", "Ring", "9,00", null}},
		},
		Rejects: []connectortest.Reject{
			{Place: "a.txt:8", Rule: "short_line"},
			{Place: "a.txt:9", Rule: "record_type"},
			{Place: "a.txt:10", Rule: "encoding"},
			{Place: "a.txt:11", Rule: "short_line"},
			{Place: "b.txt:4", Rule: "control_character"},
		},
		Skipped: 2,
	}
}

func TestConformance(t *testing.T) {
	h := conformance(t)
	large := filepath.Join(t.TempDir(), "large.txt")
	h.LargeRows, h.HeapBound = 300_000, 16<<20
	writeProducts(t, large, int(h.LargeRows))
	h.Large = func(t testing.TB) connectors.Source { return newSource(t, ".", settings("path", large)) }
	for _, fault := range faults() {
		dir := write(t, map[string]string{"x.txt": fault.content})
		h.Malformed = append(h.Malformed, connectortest.Malformed{
			Name:    fault.name,
			New:     func(t testing.TB) connectors.Source { return newSource(t, dir, fault.settings) },
			Message: fault.want,
		})
	}
	connectortest.Run(t, h)
}

// The members of an archive are files of their own.
func TestConformanceOfArchives(t *testing.T) {
	dir := write(t, map[string]string{"acme.zip": connectortest.Zipped(t, twoFiles())})
	h := conformance(t).Within("acme.zip")
	h.New = func(t testing.TB) connectors.Source {
		return newSource(t, dir, settings("path", "acme.zip", "member", "*.txt", "encoding", "utf-8"))
	}
	connectortest.Run(t, h)
}

// Other encodings and units take other ways through the reader, which must end
// at the same rows.
func TestConformanceOfEncodings(t *testing.T) {
	text := "1 Ä  x\n2 Öl x\n\n3 Ü  \n4 é  x\n5 ñ  x\n6 ß  x\n7 ö  x\n"
	for _, tt := range []struct {
		name, encoding, unit string
	}{
		{"utf-8", "utf-8", "characters"},
		{"utf-16le", "utf-16le", "characters"},
		{"utf-16be", "utf-16be", "characters"},
		{"windows-1252", "windows-1252", "characters"},
		{"windows-1252 in bytes", "windows-1252", "bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			content := encode(t, tt.encoding, text)
			dir := write(t, map[string]string{"x.txt": content, "x.txt.zst": connectortest.Zstd(t, content)})
			for _, file := range []string{"x.txt", "x.txt.zst"} {
				h := connectortest.Harness{
					Type: Type(),
					New: func(t testing.TB) connectors.Source {
						return newSource(t, dir, map[string]any{"path": file, "unit": tt.unit, "columns": map[string]any{"sku": int64(1), "name": "3+2", "kind": "6-6"}})
					},
					Columns: []string{"sku", "name", "kind"},
					Rejects: []connectortest.Reject{{Place: file + ":4", Rule: "short_line"}},
					Skipped: 1,
				}
				for _, row := range []struct{ line, sku, name string }{
					{"1", "1", "Ä"}, {"2", "2", "Öl"}, {"5", "4", "é"}, {"6", "5", "ñ"}, {"7", "6", "ß"}, {"8", "7", "ö"},
				} {
					h.Rows = append(h.Rows, connectortest.Row{Place: file + ":" + row.line, Cells: []string{row.sku, row.name, "x"}})
				}
				connectortest.Run(t, h)
			}
		})
	}
}

func writeProducts(t testing.TB, path string, n int) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(file, 1<<20)
	fmt.Fprint(w, "H 2026\nH more\n")
	for i := range n {
		fmt.Fprintf(w, "P %06dScrew M%-3d %4d.%02d %s\n", i%1_000_000, i%200, i%1000, i%100, strings.Repeat("x", 150))
	}
	fmt.Fprint(w, "T\n")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
