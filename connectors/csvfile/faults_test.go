package csvfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossdock/connectors"
)

// A fault is input that is broken as a whole, and what is said of it.
type fault struct {
	name     string
	files    map[string]string
	settings map[string]any
	want     string
}

func faults(t testing.TB) []fault {
	one := func(content string) map[string]string { return map[string]string{"x.csv": content} }
	path := map[string]any{"path": "x.csv"}
	with := func(kv ...any) map[string]any {
		settings := map[string]any{"path": "x.csv"}
		for i := 0; i < len(kv); i += 2 {
			settings[kv[i].(string)] = kv[i+1]
		}
		return settings
	}
	long := strings.Repeat("sku,name\n1,bolt with a name of its own\n", 10_000)
	packed := gzipped(t, long)
	return []fault{
		{"no file", nil, path, "there is no such file"},
		{"a file whose name is nearly that", map[string]string{"xx.csv": "a\n1\n"}, path, "did you mean xx.csv?"},
		{"empty file", one(""), path, "the file is empty"},
		{"only a byte order mark", one("\xef\xbb\xbf"), path, "only blank lines"},
		{"only blank lines", one("\n\n \n"), path, "only blank lines"},
		{"empty file, packed", one(gzipped(t, "")), path, "the file is empty"},
		{"header only", one("a,b\n"), path, "x.csv: has a header but no rows"},
		{"header and blank lines", one("a,b\n\n,\n\n"), path, "has a header but no rows"},
		{"header and very many blank lines", one("a,b\n" + strings.Repeat("\n", 300_000)), path, "has a header but no rows"},
		{"no rows and no header", one("\n"), with("header", "none", "columns", []any{"a"}), "has no rows"},

		{"workbook", one("PK\x03\x04\x14\x00\x06\x00\x08\x00[Content_Types].xml"), path, "is not a text file: it looks like an Excel workbook (.xlsx)\nuse connector excel"},
		{"old workbook", one("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), path, "an old Excel workbook (.xls)"},
		{"archive", one("PK\x03\x04\x14\x00\x06\x00\x08\x00prices.csv"), path, "a ZIP archive that is damaged"},
		{"PDF", one("%PDF-1.7\n"), path, "a PDF document"},
		{"image", one("\x89PNG\r\n\x1a\n"), path, "a PNG image"},
		{"UTF-32", one("\xff\xfe\x00\x00a\x00\x00\x00"), path, "save it as UTF-8"},
		{"page", one("\n<!DOCTYPE html><html>"), path, "it looks like an HTML page"},
		{"JSON", one(`[{"sku": "1", "name": "x"}]`), path, "use connector json"},
		{"random bytes", one(strings.Repeat("\x01\x02\x03ab\n", 40)), path, "is not a text file: 120 of its first 240 characters are control characters"},

		{"wrong delimiter", one("a;b;c\n1;2;3\n"), with("delimiter", ","), `x.csv:1: the header is one single column with the delimiter "," that is set, but ";" cuts it into 3` + "\n" + `set delimiter to ";"`},
		{"wrong delimiter without header", one("1\t2\n3\t4\n"), with("delimiter", ";", "columns", []any{"a", "b"}), `the first row is one single column with the delimiter ";" that is set, but tab cuts it into 2`},
		{"title above the header", one("Price list 2026\n\na;b;c\n1;2;3\n4;5;6\n"), path, "x.csv:1: is a header of one column, but the rows from line 3 on have 3 cells cut by \";\"\nset header to the line where the header is, as in header: \"3\""},
		{"header behind the end", one("a,b\n1,2\n"), with("header", "7"), "the header is to be in line 7, but the file has 2 lines"},
		{"duplicate header", one("a,b,a\n1,2,3\n"), path, `x.csv:a: columns 1 and 3 have the same header "a"`},
		{"a header like the name of another column", one("column 2,\n1,2\n"), path, `columns 1 and 2 have the same header "column 2"`},
		{"header that is not UTF-8", one("a,M\xfcller\n1,2\n"), with("encoding", "utf-8"), "x.csv:1:2: the header is not utf-8\nset encoding, most often to windows-1252"},
		{"NUL in the header", one("a,b\x00\n1,2\n"), path, "the header contains a NUL character"},
		{"too few columns named", one("1,2,3\n4,5,6\n"), with("header", "none", "columns", []any{"a", "b"}), "columns names 2 columns, but the rows have 3"},
		{"too many columns named", one("1,2,3\n4,5,6\n"), with("columns", []any{"a", "b", "c", "d"}), "columns names 4 columns, but the rows have 3"},

		{"unclosed quote", one("a,b\n1,2\n3,\"4\n5,6\n"), path, "x.csv:3:b: the quote that opens this cell is never closed"},
		{"unclosed quote behind a line break", one("a,b\n\"1\n\",\"4\n5,6\n"), path, "x.csv:3:b: the quote that opens this cell is never closed"},
		{"unclosed quote in the header", one("a,\"b\n1,2\n"), path, "x.csv:1:2: the quote that opens this cell is never closed"},
		{"cell too long", one("a,b\n1,2\n3,\"" + strings.Repeat("x\n", 300_000) + "\"\n"), with("max_cell", 100_000), "x.csv:3:b: the cell has more than 100000 bytes: a closing quote is probably missing"},
		{"short cell too long", one("a,b\n1,2\n3,12345678901\n"), with("max_cell", 10), "x.csv:3:b: the cell has more than 10 bytes"},
		{"row too long", one("a,b\n1,2\n" + strings.Repeat(strings.Repeat("x", 300)+",", 3_000)), with("max_cell", 1_000), "x.csv:3: the row has more than 4000 bytes"},
		{"too many columns", one("a,b\n1,2\n1,2,3,4\n"), with("max_columns", 3), "x.csv:3: the row has more than 3 cells"},

		{"packed file cut off", one(packed[:len(packed)/2]), path, "the gzip file is cut off or damaged"},
		{"packed file damaged", one(packed[:len(packed)-6] + "xxxxxx"), path, "the gzip file is cut off or damaged"},
		{"packed file without content", one("\x1f\x8b\x08"), path, "is not a whole gzip file"},

		{"another header in the second file", map[string]string{"a.csv": "x,y\n1,2\n", "b.csv": "x,z\n1,2\n"}, map[string]any{"path": "*.csv"}, `b.csv: its header differs from that of a.csv: column 2 is "z" here and "y" there`},
		{"more columns in the second file", map[string]string{"a.csv": "x,y\n1,2\n", "b.csv": "x,y,z\n1,2,3\n"}, map[string]any{"path": "*.csv"}, "b.csv: its header differs from that of a.csv: 3 columns here and 2 there"},
		{"nothing in the second file", map[string]string{"a.csv": "x,y\n1,2\n", "b.csv": "x,y\n"}, map[string]any{"path": "*.csv"}, "b.csv: has a header but no rows"},
		{"pattern that nothing matches", nil, map[string]any{"path": "*.csv"}, "no file matches"},
	}
}

func TestOpenRefusesAnUnknownStream(t *testing.T) {
	dir := write(t, map[string]string{"x.csv": "a\n1\n"})
	_, err := newSource(t, dir, map[string]any{"path": "x.csv"}).Open(t.Context(), connectors.ReadRequest{Stream: "y"})
	if err == nil || !strings.Contains(err.Error(), `there is no stream "y"`) {
		t.Errorf("error is %v", err)
	}
}

func TestFileThatChanges(t *testing.T) {
	large := "a,b\n" + strings.Repeat("1,2\n", 200_000)
	dir := write(t, map[string]string{"x.csv": large})
	path := filepath.Join(dir, "x.csv")
	src := newSource(t, dir, map[string]any{"path": "x.csv"})
	open := func(cursor connectors.Cursor) (connectors.Reader, error) {
		return src.Open(t.Context(), connectors.ReadRequest{Cursor: cursor})
	}

	reader, err := open("")
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, reader)
	batch, err := reader.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(large+"3,4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = reader.Next(t.Context())
	}
	if got, want := err.Error(), "x.csv: changed while it was read"; got != want {
		t.Errorf("while reading: error is %q, want %q", got, want)
	}
	if _, again := reader.Next(t.Context()); again != err { //nolint:errorlint // the very same error is wanted
		t.Errorf("the error does not stay: %v", again)
	}

	_, err = open(batch.Cursor)
	if err == nil || !strings.Contains(err.Error(), "x.csv:8002: has changed since it was read up to here") {
		t.Errorf("going on in a changed file: error is %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "y.csv"), []byte(large), 0o600); err != nil {
		t.Fatal(err)
	}
	src = newSource(t, dir, map[string]any{"path": "*.csv"})
	_, err = open(batch.Cursor)
	if err == nil || !strings.Contains(err.Error(), "x.csv:8002: was read up to here and is no longer among the files") {
		t.Errorf("going on in a file that is gone: error is %v", err)
	}
}

func TestFileThatChangesBetweenOpenAndFirstRow(t *testing.T) {
	dir := write(t, map[string]string{"x.csv": "a\n1\n"})
	reader, err := newSource(t, dir, map[string]any{"path": "x.csv"}).Open(t.Context(), connectors.ReadRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, reader)
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "x.csv"), later, later); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "changed while it was read") {
		t.Errorf("error is %v", err)
	}
}

func TestCursorOfAnotherFormIsRefused(t *testing.T) {
	dir := write(t, map[string]string{"x.csv": "a\n1\n2\n"})
	src := newSource(t, dir, map[string]any{"path": "x.csv"})
	for _, cursor := range []connectors.Cursor{
		"x", "{}", `{"page":3}`, `{"file":"x.csv","version":"v","offset":-1,"line":1}`, `{"file":"x.csv","version":"v","offset":1,"line":0}`,
	} {
		_, err := src.Open(t.Context(), connectors.ReadRequest{Cursor: cursor})
		if err == nil || !strings.Contains(err.Error(), "is none of connector csv") {
			t.Errorf("cursor %s: error is %v", cursor, err)
		}
	}
}
