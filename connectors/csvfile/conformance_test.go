package csvfile

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
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

func gzipped(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "packed")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := gzip.NewWriter(file)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(packed)
}

// twoFiles are a plain and a packed file with everything that a reader meets:
// quoted line breaks, blank lines, rows that are ragged or not UTF-8.
func twoFiles(t testing.TB) map[string]string {
	return map[string]string{
		"a.csv": "sku;name;price\n" +
			"0017;\"bolt\nM8\";1,50\n" +
			"0018;nut;\n" +
			"\n" +
			"0019;;2\n" +
			"broken row\n" +
			"0020;M\xfcller;3\n" +
			"0021;\"the \"\"best\"\" nut\";4\n" +
			"0022;Größe;5\n",
		"b.csv": gzipped(t, "\xef\xbb\xbfsku;name;price\r\n"+
			"0030;washer;6\r\n"+
			"0031;\"washer\"x;7\r\n"+
			"0032;\"\r\n\";8\r\n"+
			"0033;\x00;9\r\n"+
			"\r\n;;\r\n"+
			"0034;rivet;10"),
	}
}

func conformance(t *testing.T) connectortest.Harness {
	dir := write(t, twoFiles(t))
	const null = connectortest.Null
	return connectortest.Harness{
		Type: Type(),
		New: func(t testing.TB) connectors.Source {
			return newSource(t, dir, map[string]any{"path": "*.csv", "encoding": "utf-8"})
		},
		Columns: []string{"sku", "name", "price"},
		Rows: []connectortest.Row{
			{Place: "a.csv:2", Cells: []string{"0017", "bolt\nM8", "1,50"}},
			{Place: "a.csv:4", Cells: []string{"0018", "nut", null}},
			{Place: "a.csv:6", Cells: []string{"0019", null, "2"}},
			{Place: "a.csv:9", Cells: []string{"0021", `the "best" nut`, "4"}},
			{Place: "a.csv:10", Cells: []string{"0022", "Größe", "5"}},
			{Place: "b.csv:2", Cells: []string{"0030", "washer", "6"}},
			{Place: "b.csv:4", Cells: []string{"0032", "\r\n", "8"}},
			{Place: "b.csv:9", Cells: []string{"0034", "rivet", "10"}},
		},
		Rejects: []connectortest.Reject{
			{Place: "a.csv:7", Rule: "ragged_row"},
			{Place: "a.csv:8", Rule: "encoding"},
			{Place: "b.csv:3", Rule: "stray_quote"},
			{Place: "b.csv:6", Rule: "control_character"},
		},
		Skipped: 3,
	}
}

func TestConformance(t *testing.T) {
	h := conformance(t)
	large := filepath.Join(t.TempDir(), "large.csv")
	h.LargeRows, h.HeapBound = 300_000, 16<<20
	writeProducts(t, large, int(h.LargeRows))
	h.Large = func(t testing.TB) connectors.Source {
		return newSource(t, ".", map[string]any{"path": large})
	}
	for _, fault := range faults(t) {
		dir := write(t, fault.files)
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
	files := twoFiles(t)
	files["b.csv"] = unpacked(t, files["b.csv"])
	files["readme.txt"] = "not for us"
	dir := write(t, map[string]string{"acme.zip": connectortest.Zipped(t, files)})
	h := conformance(t).Within("acme.zip")
	h.New = func(t testing.TB) connectors.Source {
		return newSource(t, dir, map[string]any{"path": "*.zip", "member": "*.csv", "encoding": "utf-8"})
	}
	connectortest.Run(t, h)
}

func unpacked(t testing.TB, packed string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Other encodings and ways to pack take other ways through the reader, which
// must end at the same rows.
func TestConformanceOfEncodings(t *testing.T) {
	text := "sku,name\n1,Ä\n2,\"Ö\n\"\n\n3,Ü\n4,é\n5,ñ\nx\n6,ß\n"
	for encoding, content := range map[string]string{
		"utf-16le": encode(t, "utf-16le", text), "utf-16be": encode(t, "utf-16be", text),
		"windows-1252": encode(t, "windows-1252", text), "utf-8": text,
	} {
		t.Run(encoding, func(t *testing.T) {
			dir := write(t, map[string]string{"x.csv": content, "x.csv.gz": gzipped(t, content), "x.csv.zst": connectortest.Zstd(t, content)})
			for _, file := range []string{"x.csv", "x.csv.gz", "x.csv.zst"} {
				h := connectortest.Harness{
					Type: Type(),
					New: func(t testing.TB) connectors.Source {
						return newSource(t, dir, map[string]any{"path": file})
					},
					Columns: []string{"sku", "name"},
					Rejects: []connectortest.Reject{{Place: file + ":9", Rule: "ragged_row"}},
					Skipped: 1,
				}
				for _, row := range []struct{ line, sku, name string }{
					{"2", "1", "Ä"}, {"3", "2", "Ö\n"}, {"6", "3", "Ü"}, {"7", "4", "é"}, {"8", "5", "ñ"}, {"10", "6", "ß"},
				} {
					h.Rows = append(h.Rows, connectortest.Row{Place: file + ":" + row.line, Cells: []string{row.sku, row.name}})
				}
				connectortest.Run(t, h)
			}
		})
	}
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
