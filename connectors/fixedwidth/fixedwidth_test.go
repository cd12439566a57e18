package fixedwidth

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossdock/connectors"
)

// A fault is a file that is broken as a whole.
type fault struct {
	name, content string
	settings      map[string]any
	want          string
}

func faults() []fault {
	good := strings.Join(strings.SplitAfter(twoFiles()["a.txt"], "\n")[:4], "")
	one := func(settings ...any) map[string]any {
		s := map[string]any{"path": "x.txt", "columns": map[string]any{"sku": "1-3"}}
		for i := 0; i < len(settings); i += 2 {
			s[settings[i].(string)] = settings[i+1]
		}
		return s
	}
	return []fault{
		{"empty", "", one(), "the file is empty"},
		{"blank lines alone", "\n \n", one(), "x.txt: has no rows"},
		{"a header alone", "H\nH\n", one("header", int64(2)), "has no rows"},
		{"less than its header", "H\n", one("header", int64(2)), "has no rows"},
		{"a footer alone", "T\nT\n", one("footer", int64(2)), "has no rows"},
		{"lines to skip alone", "C\nC\n", one("skip", "C"), "has no rows"},
		{"no line ends", strings.Repeat("x", 200_000), one("max_line", int64(100_000)), "x.txt:1: the line is longer than 100000 bytes"},
		{"a workbook", "PK\x03\x04\x14\x00\x06\x00\x08\x00[Content_Types].xml", one(), "is not a text file of lines: it looks like an Excel workbook"},
		{"a tar archive", strings.Repeat("\x00", 257) + "ustar", one(), "it looks like a tar archive"},
		{"a web page", "<html><body>", one(), "it looks like an HTML page"},
		{"UTF-16 in bytes", "1\x002\x003\x00\n\x00", one("unit", "bytes"), "is utf-16le, in which places cannot be counted in bytes"},
		{"a foreign stream of gzip", "\x1f\x8b\x08", one(), "is not a whole gzip file"},
		{"no member", good, one("path", "y.txt"), "there is no such file, did you mean x.txt?"},
	}
}

func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		setting string
		value   any
		want    string
	}{
		{"columns", map[string]any{"sku": "0-3"}, "columns.sku: is \"0-3\", but must be places such as 1-18, 19+40 or 59-"},
		{"columns", map[string]any{"sku": "3-1"}, "columns.sku: is \"3-1\""},
		{"columns", map[string]any{"sku": "3+0"}, "columns.sku: is \"3+0\""},
		{"columns", map[string]any{"sku": "x"}, "columns.sku: is \"x\""},
		{"columns", map[string]any{"sku": "1-9999999"}, "columns.sku: is \"1-9999999\""},
		{"columns", map[string]any{"sku": "1+"}, "columns.sku: is \"1+\""},
		{"columns", map[string]any{"": "1-2"}, "columns: is \"1-2\""},
		{"columns", map[string]any{"sku": "1-5", "name": "5-9"}, "columns.name: begins at 5, where the column \"sku\" has not ended"},
		{"columns", map[string]any{"sku": "1-", "name": "5-9"}, "columns.name: begins at 5, where the column \"sku\" has not ended"},
		{"columns", map[string]any{}, "columns: names 0 columns"},
		{"columns", []any{"sku"}, "columns: must be a map of text"},
		{"encoding", "utf8x", "encoding: \"utf8x\" is not known"},
		{"unit", "pixels", "unit: is \"pixels\", but must be one of characters, bytes"},
		{"header", int64(-1), "header: must be 0 to 1000"},
		{"footer", int64(1001), "footer: must be 0 to 1000"},
		{"max_line", int64(0), "max_line: must be 1 to 67108864"},
		{"batch_rows", int64(0), "batch_rows: must be 1 to 1000000"},
		{"skip", []any{""}, "skip: has an empty text"},
		{"record", []any{"P", ""}, "record: has an empty text"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			_, err := Type().New(settings(tt.setting, tt.value), connectors.Env{Dir: t.TempDir()})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
		})
	}
	if _, err := Type().New(settings("unit", "bytes", "encoding", "utf-16le"), connectors.Env{}); err == nil || !strings.Contains(err.Error(), "unit: cannot be bytes") {
		t.Errorf("UTF-16 in bytes: %v", err)
	}
}

// read reads all rows and returns them as text, and the rejects.
func read(t testing.TB, content string, settings map[string]any) (rows []string, rejects []connectors.Reject) {
	t.Helper()
	src := newSource(t, write(t, map[string]string{"x.txt": content}), settings)
	reader, err := src.Open(t.Context(), connectors.ReadRequest{BatchRows: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for {
		b, err := reader.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return rows, rejects
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(b.Rows.NumRows()) {
			var cells []string
			for _, column := range b.Rows.Columns() {
				cells = append(cells, column.ValueStr(i))
			}
			rows = append(rows, strings.Join(cells, "|"))
		}
		rejects = append(rejects, b.Rejects...)
	}
}

func TestTrimAndShortLines(t *testing.T) {
	const content = " 1  a b \n 2 \n"
	for _, tt := range []struct{ trim, short, want string }{
		{"both", "pad", "1|a b,2|(null)"},
		{"left", "pad", "1 |a b ,2 |(null)"},
		{"right", "pad", " 1| a b, 2|(null)"},
		{"none", "pad", " 1 | a b , 2 |(null)"},
		{"both", "reject", "1|a b"},
	} {
		t.Run(tt.trim+" "+tt.short, func(t *testing.T) {
			rows, rejects := read(t, content, map[string]any{
				"path": "x.txt", "columns": map[string]any{"no": "1-3", "name": "4-8"}, "trim": tt.trim, "short_lines": tt.short,
			})
			if got := strings.Join(rows, ","); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.short == "reject" {
				if len(rejects) != 1 || rejects[0].Row != 2 || rejects[0].Column != 1 || !strings.Contains(rejects[0].Message, "has 3 characters where its columns need 8") {
					t.Errorf("rejects are %+v", rejects)
				}
			}
		})
	}
}

// Places in bytes and places in characters differ where a letter has two bytes.
func TestUnits(t *testing.T) {
	const content = "Größe 12\nGroß  34\n"
	for unit, want := range map[string]string{"characters": "Größe|12,Groß|34", "bytes": ""} {
		rows, rejects := read(t, content, map[string]any{"path": "x.txt", "unit": unit, "columns": map[string]any{"name": "1-5", "n": "7-8"}})
		if got := strings.Join(rows, ","); unit == "characters" && got != want {
			t.Errorf("in %s got %q, want %q", unit, got, want)
		}
		if unit == "bytes" && (len(rejects) != 1 || rejects[0].Rule != "encoding" || rejects[0].Column != 0) {
			t.Errorf("a letter cut in two is no reject: %q, %+v", rows, rejects)
		}
	}
	rows, rejects := read(t, encode(t, "shift_jis", "漢字  12\nABCDEF34\n"), map[string]any{
		"path": "x.txt", "unit": "bytes", "encoding": "shift_jis", "columns": map[string]any{"name": "1-6", "n": "7-8"},
	})
	if got := strings.Join(rows, ","); got != "漢字|12,ABCDEF|34" || len(rejects) > 0 {
		t.Errorf("in Shift JIS got %q, %+v", got, rejects)
	}
}

func TestCheckShowsTheFirstLine(t *testing.T) {
	dir := write(t, twoFiles())
	probes := newSource(t, dir, settings("path", "a.txt", "encoding", "utf-8")).Check(t.Context())
	last := probes[len(probes)-1]
	if want := `the first: sku "0017", name "Mutter M8", price "1,50", rest "new"`; last.Err != nil || !strings.Contains(last.Detail, want) {
		t.Errorf("the last probe is %+v, want %q in it", last, want)
	}
	probes = newSource(t, dir, settings("path", "a.txt", "columns", map[string]any{"sku": "100-200"}, "encoding", "utf-8")).Check(t.Context())
	if last := probes[len(probes)-1]; last.Err == nil || !strings.Contains(last.Err.Error(), "a.txt:3: the line has 29 characters where its columns need 200") {
		t.Errorf("of a wrong layout the last probe is %+v", last)
	}
}

func FuzzFixedWidth(f *testing.F) {
	for _, content := range twoFiles() {
		f.Add([]byte(content), "3-8", "9+10", true, 1)
	}
	f.Add([]byte("\xff\xfe1\x002\x00"), "1", "2-", false, 0)
	f.Fuzz(func(t *testing.T, content []byte, first, second string, inBytes bool, footer int) {
		unit := "characters"
		if inBytes {
			unit = "bytes"
		}
		src, err := Type().New(map[string]any{
			"path": "x.txt", "columns": map[string]any{"a": first, "b": second}, "unit": unit, "footer": int64(footer), "max_line": int64(10_000),
		}, connectors.Env{Dir: t.TempDir()})
		if err != nil {
			return
		}
		if err := os.WriteFile(filepath.Join(src.(*source).env.Dir, "x.txt"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		reader, err := src.Open(t.Context(), connectors.ReadRequest{BatchRows: 10})
		if err != nil {
			return
		}
		defer reader.Close()
		for lines := strings.Count(string(content), "\n") + 1; ; {
			b, err := reader.Next(t.Context())
			if err != nil {
				return
			}
			if lines -= b.Read(); lines < 0 {
				t.Fatal("there are more rows than lines")
			}
		}
	})
}
