package jsonfile

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossdock/connectors"
)

// A brokenSource is broken as a whole: nothing of it may be delivered.
type brokenSource struct {
	name     string
	files    map[string]string
	settings map[string]any
	want     string // a part of the error, or of its hint
}

func faults(t testing.TB) []brokenSource {
	one := func(name, content, want string) brokenSource {
		return brokenSource{name, map[string]string{"x.json": content}, map[string]any{"path": "x.json"}, want}
	}
	at := func(name, records, content, want string) brokenSource {
		return brokenSource{name, map[string]string{"x.json": content}, map[string]any{"path": "x.json", "records": records}, want}
	}
	return []brokenSource{
		{"no file", nil, map[string]any{"path": "x.json"}, "there is no such file"},
		one("blanks alone", " \n\t\n", "x.json: the file holds nothing but blanks"),
		one("an empty array", "[ ]", "x.json: the array $ holds no records"),
		one("an array of texts", `["a","b"]`, "x.json: the array $ holds values, but no objects"),
		one("CSV", "sku;name\n1;2\n", `x.json: looks like CSV, not JSON: it begins with "sku;name"`),
		one("CSV in quotes", `"sku","name"`, "looks like CSV, not JSON"),
		one("CSV of numbers", "0017,bolt\n", "delimited text is read by connector csv"),
		one("XML", "<?xml version='1.0'?><a/>", "x.json: is XML or HTML, not JSON"),
		one("a workbook", "PK\x03\x04....", "is an Excel workbook or a damaged ZIP archive, not JSON"),
		one("PDF", "%PDF-1.7", "is a PDF document"),
		one("a text", `"hello"`, `is not JSON, or holds no objects: it begins with "\"hello\""`),
		one("garbage", "\x01\x02\x03", "is not JSON, or holds no objects"),
		one("UTF-32", "\xFF\xFE\x00\x00[\x00\x00\x00", "x.json: is UTF-32"),
		one("a UTF-16 file with half a character", "[\x00{\x00}\x00]", "ends in the middle of a character"),
		one("gzip cut off", gzipped(t, strings.Repeat(`{"a":1}`+"\n", 1000))[:40], "the gzip file is cut off or damaged"),
		one("an array cut off behind a record", `[{"a":1}`, "x.json:1:9: the file ends in the middle of the array $"),
		one("an array cut off behind a comma", "[{\"a\":1},\n", "x.json:2:1: the file ends in the middle of an array or object"),
		one("an array cut off in a record", `[{"a":1},{"a":`, "x.json:1:15: the file ends in the middle of an array or object"),
		one("an array cut off in a text", `[{"a":"xy`, "x.json:1:10: the file ends in the middle of a text"),
		one("an array whose last member was cut off", `[{"a":1},{"a`, "in the middle of a text"),
		one("lines cut off", "{\"a\":1}\n{\"a\":", "x.json:2:6: the file ends in the middle of a record"),
		one("a comma that is missing", "[{\"a\":1}\n {\"a\":2}]", `x.json:2:2: found '{' where ',' or ']' should be`),
		one("a comma too many", `[{"a":1},]`, `x.json:1:10: found ']' where a record should be`),
		one("two commas", `[{"a":1},,{"a":2}]`, `x.json:1:10: found ',' where a value should be`),
		one("brackets that do not match", "[{\"ä\":[1}, {\"a\":2}]", `x.json:1:9: found '}' where ',' or ']' should be`),
		one("a quote that is missing", "[{\"a\":\"x,\n\"b\":1}]", `x.json:1:10: found '\n' where a closing quote`),
		one("a leading zero", `[{"sku":0017}]`, `x.json:1:10: found '0' where no digit behind a leading zero (text such as 0017 stands in quotes)`),
		one("NaN", `[{"a":NaN}]`, `x.json:1:7: found 'N' where a value should be`),
		one("a document followed by garbage", `[{"a":1}] x`, `x.json:1:11: found 'x' where the end should be`),
		one("two documents", "[{\"a\":1}]\n[{\"a\":2}]", "x.json:2:1: another value follows the document"),
		one("objects over several lines each", "{\n\"a\":1\n}\n{\n\"a\":2\n}", "write each record on a line of its own"),
		one("a document with one array", `{"count":1,"data":{"items":[{"a":1}]}}`, "set records to $.data.items, or to $ for the document itself"),
		one("a document with two arrays", `{"a":[{"x":1}],"b c":[ {"y":1}],"d":[1,2]}`, `set records to $.a, or to $["b c"], or to $ for the document itself`),
		one("a document cut off", `{"a":{"b":1}`, "x.json:1:13: the file ends in the middle of an object"),
		at("a path that leads nowhere", "data.rows", `{"data":{"items":[{"a":1}]}}`, "x.json: records is $.data.rows, but $.data has no member rows"),
		at("a path that leads nowhere, with advice", "data.rows", `{"data":{"items":[{"a":1}]}}`, "set records to $.data.items"),
		at("a path in an array", "data", `[{"a":1}]`, "records is $.data, but $ is no object"),
		at("a path to an object", "data", `{"data":{"items":[{"a":1}]}}`, "records is $.data, but $.data is no array"),
		at("a path through a text", "data.items", `{"data":"x"}`, "there is no array of objects in the document"),
		at("an array that stands twice", "a.b", `{"a":{"b":[{"x":1}],"b":[{"x":2}]}}`, "x.json:1:25: $.a.b stands twice in the document"),
		at("an array within what stands twice", "a.b", `{"a":{"b":[{"x":1}]},"a":{}}`, "$.a stands twice in the document"),
		at("a document cut off behind its array", "a", `{"a":[{"x":1}],`, "the file ends in the middle of an object"),
		at("a document broken behind its array", "a", `{"a":[{"x":1}] "b":1}`, `x.json:1:16: found a quote where ',' or '}' should be`),
		at("a document broken before its array", "a", `{b:1,"a":[{"x":1}]}`, `x.json:1:2: found 'b' where the name of a member in quotes should be`),
		at("more members than columns can be", "$", manyMembers(), "the records have more than 4096 different members"),
		{
			"a second file that is broken",
			map[string]string{"a.json": `[{"a":1}]`, "b.json": `[{"a":1}`},
			map[string]any{"path": "*.json"},
			"b.json:1:9: the file ends in the middle of the array",
		},
	}
}

func manyMembers() string {
	var b strings.Builder
	for i := range maxColumns + 1 {
		b.WriteString(`{"m` + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i/26) + `":1}` + "\n")
	}
	return b.String()
}

// A file is whole or it is refused: cut anywhere, it never comes out short.
func TestNoCutIsTakenForTheWhole(t *testing.T) {
	for _, tt := range []struct{ name, content string }{
		{"array", "[{\"a\":\"x\\u00e4\",\"b\":{\"c\":[1,-2.5e3,true,null]}},\n{\"a\":\"ö\"}]"},
		{"path", "{\"n\":1,\"d\":{\"i\":[{\"a\":1},{\"a\":2}],\"m\":\"}\"},\"o\":[]}"},
		{"one", "{\"a\":1,\n\"b\":{\"c\":[2]}}"},
	} {
		dir := t.TempDir()
		settings := map[string]any{"path": "x.json"}
		if tt.name == "path" {
			settings["records"] = "d.i"
		}
		for n := 1; n < len(tt.content); n++ {
			if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte(tt.content[:n]), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readAll(t.Context(), newSource(t, dir, settings)); err == nil {
				t.Errorf("%s: cut behind %q it is read without an error", tt.name, tt.content[:n])
			} else if _, ok := errors.AsType[*connectors.Error](err); !ok {
				t.Errorf("%s: cut behind %q: %v is no *connectors.Error", tt.name, tt.content[:n], err)
			}
		}
	}
}

// Lines can be cut between two of them, which nobody can see; anywhere else it
// is an error.
func TestNoCutLineIsTakenForAWhole(t *testing.T) {
	const content = "{\"a\":\"x\\u00e4\",\"b\":[1,2]}\n{\"a\":\"ö\"}\n"
	dir := t.TempDir()
	for n := len("{\"a\":\"x\\u00e4\",\"b\":[1,2]}\n") + 1; n < len(content)-2; n++ {
		if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte(content[:n]), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readAll(t.Context(), newSource(t, dir, map[string]any{"path": "x.json"}))
		if err == nil || !strings.Contains(err.Error(), "in the middle of a record") {
			t.Errorf("cut behind %q: %v", content[:n], err)
		}
	}
}

func TestAFileThatChangesIsNoticed(t *testing.T) {
	dir := write(t, map[string]string{"x.json": "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n"})
	src := newSource(t, dir, map[string]any{"path": "x.json", "batch_rows": 1})
	reader, err := src.Open(t.Context(), connectors.ReadRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	first, err := reader.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte("{\"a\":1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = reader.Next(t.Context())
	}
	if errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "changed while it was read") {
		t.Errorf("the file changed, but Next returned %v", err)
	}
	if _, err := src.Open(t.Context(), connectors.ReadRequest{Cursor: first.Cursor}); err == nil || !strings.Contains(err.Error(), "x.json:2: has changed since it was read up to here") {
		t.Errorf("a cursor of the old file: %v", err)
	}
	if err := os.Rename(filepath.Join(dir, "x.json"), filepath.Join(dir, "y.json")); err != nil {
		t.Fatal(err)
	}
	src = newSource(t, dir, map[string]any{"path": "*.json"})
	if _, err := src.Open(t.Context(), connectors.ReadRequest{Cursor: first.Cursor}); err == nil || !strings.Contains(err.Error(), "is no longer among the files") {
		t.Errorf("a cursor of a file that is gone: %v", err)
	}
}

func TestSettingsThatCannotWork(t *testing.T) {
	for _, tt := range []struct {
		settings map[string]any
		want     string
	}{
		{map[string]any{}, "path: is required: File, or pattern that names several files built alike. Files packed with gzip or zstd are unpacked, and ZIP archives opened."},
		{map[string]any{"path": "x", "records": "a..b"}, `records: is "a..b", but must be a path of member names such as $.data.items`},
		{map[string]any{"path": "x", "records": "$['a"}, `records: is "$['a", in which a bracket is not closed`},
		{map[string]any{"path": "x", "records": "a[0]"}, `records: is "a[0]", but must be a path of member names such as $.data.items`},
		{map[string]any{"path": "x", "flatten": 101, "batch_rows": 0}, "flatten: must be 0 to 100\nbatch_rows: must be 1 or more"},
		{map[string]any{"path": "x", "encoding": "utf8"}, `encoding: is "utf8", but must be one of auto, utf-8, utf-16le, utf-16be, did you mean utf-8?`},
		{map[string]any{"path": "x", "record": "a"}, "record: unknown setting, did you mean records?"},
	} {
		_, err := Type().New(tt.settings, connectors.Env{})
		if err == nil || err.Error() != tt.want {
			t.Errorf("%v: %v\nwant %s", tt.settings, err, tt.want)
		}
	}
}

func TestOpenRefusesAnotherStream(t *testing.T) {
	src := newSource(t, write(t, map[string]string{"x.json": `[{"a":1}]`}), map[string]any{"path": "x.json"})
	if _, err := src.Open(t.Context(), connectors.ReadRequest{Stream: "y"}); err == nil || !strings.Contains(err.Error(), `no stream "y"`) {
		t.Errorf("Open: %v", err)
	}
}

func TestInspectionEndsWithItsContext(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large.json")
	writeProducts(t, large, 20_000, true)
	for _, path := range []string{large} {
		src := newSource(t, ".", map[string]any{"path": path})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := src.Discover(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Discover: %v", err)
		}
		if _, err := src.Open(ctx, connectors.ReadRequest{}); !errors.Is(err, context.Canceled) {
			t.Errorf("Open: %v", err)
		}
	}
}
