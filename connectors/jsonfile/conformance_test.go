package jsonfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/gzip"

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

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.String()
}

func inUTF16(text string, order binary.AppendByteOrder) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

// linesFile has everything that a reader of lines meets: nested objects,
// members that lack, nulls, blank lines, and lines of every fault.
const linesFile = `{"sku":"0017","price":{"amount":12.50,"currency":"EUR"},"tags":["a","b"]}
{"sku":"0018","price":null,"tags":[]}

{"sku":"0019"}
{"sku":"0020",}
{"sku":"0021","sku":"0022"}
{"sku":"M` + "\xfc" + `ller"}
[1]
{"sku":"0023","price":{"amount":1e3},"active":true}
   ` + `
{"sku":"Gr\u00f6\u00dfe","price":{"currency":"\u20ac"},"tags":{"x": 1}}` + "\r\n"

const arrayFile = "\xEF\xBB\xBF{ \"count\": 3, \"data\": {\"skipped\": [1, {\"a\": \"]\"}], \"items\": [\n" +
	"  {\"sku\": \"0030\", \"price\": {\"amount\": 5}},\n" +
	"  {\"sku\": \"0031\", \"sku\": \"0031\"},\n" +
	"  \"none\", {\"sku\": \"0032\", \"tags\": null},{\"sku\":\"\\u0000\"}\n" +
	"  , {\"sku\": \"0033\", \"tags\": [ 1, {\"b\" : \"c d\"} ]}\n] }, \"more\": [] }\n"

func conformance(t *testing.T) connectortest.Harness {
	dir := write(t, map[string]string{"a.ndjson": linesFile + `{"sku":"last"}`})
	const null, absent = connectortest.Null, connectortest.Absent
	return connectortest.Harness{
		Type: Type(),
		New: func(t testing.TB) connectors.Source {
			return newSource(t, dir, map[string]any{"path": "*.ndjson"})
		},
		Columns: []string{"sku", "price.amount", "price.currency", "tags", "tags.x", "active"},
		Rows: []connectortest.Row{
			{Place: "a.ndjson:1", Cells: []string{"0017", "12.50", "EUR", `["a","b"]`, absent, absent}},
			{Place: "a.ndjson:2", Cells: []string{"0018", null, null, "[]", absent, absent}},
			{Place: "a.ndjson:4", Cells: []string{"0019", absent, absent, absent, absent, absent}},
			{Place: "a.ndjson:9", Cells: []string{"0023", "1000", absent, absent, absent, "true"}},
			{Place: "a.ndjson:11", Cells: []string{"Größe", absent, "€", absent, "1", absent}},
			{Place: "a.ndjson:12", Cells: []string{"last", absent, absent, absent, absent, absent}},
		},
		Rejects: []connectortest.Reject{
			{Place: "a.ndjson:5", Rule: "malformed"},
			{Place: "a.ndjson:6", Rule: "duplicate_member"},
			{Place: "a.ndjson:7", Rule: "encoding"},
			{Place: "a.ndjson:8", Rule: "not_an_object"},
		},
		Skipped: 2,
	}
}

func TestConformanceOfLines(t *testing.T) {
	h := conformance(t)
	large := filepath.Join(t.TempDir(), "large.ndjson")
	h.LargeRows = 400_000
	writeProducts(t, large, int(h.LargeRows), false)
	h.Large = func(t testing.TB) connectors.Source { return newSource(t, ".", map[string]any{"path": large}) }
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
	dir := write(t, map[string]string{
		"acme.zip": connectortest.Zipped(t, map[string]string{"a.ndjson": linesFile + `{"sku":"last"}`, "readme.md": "not for us"}),
	})
	h := conformance(t).Within("acme.zip")
	h.New = func(t testing.TB) connectors.Source {
		return newSource(t, dir, map[string]any{"path": "acme.zip", "member": "*json"})
	}
	connectortest.Run(t, h)
}

// Two documents, one of them packed, whose members differ: the columns are
// those of both.
func TestConformanceOfArrays(t *testing.T) {
	dir := write(t, map[string]string{
		"a.json":    arrayFile,
		"b.json.gz": gzipped(t, `{"data":{"items":[{"sku":"0040","stock":7},{"sku":"0041"}]}}`),
	})
	const null, absent = connectortest.Null, connectortest.Absent
	h := connectortest.Harness{
		Type: Type(),
		New: func(t testing.TB) connectors.Source {
			return newSource(t, dir, map[string]any{"path": "*.json*", "records": "data.items"})
		},
		Columns: []string{"sku", "price.amount", "tags", "stock"},
		Rows: []connectortest.Row{
			{Place: "a.json:$.data.items:1", Cells: []string{"0030", "5", absent, absent}},
			{Place: "a.json:$.data.items:4", Cells: []string{"0032", absent, null, absent}},
			{Place: "a.json:$.data.items:6", Cells: []string{"0033", absent, `[1,{"b":"c d"}]`, absent}},
			{Place: "b.json.gz:$.data.items:1", Cells: []string{"0040", absent, absent, "7"}},
			{Place: "b.json.gz:$.data.items:2", Cells: []string{"0041", absent, absent, absent}},
		},
		Rejects: []connectortest.Reject{
			{Place: "a.json:$.data.items:2", Rule: "duplicate_member"},
			{Place: "a.json:$.data.items:3", Rule: "not_an_object"},
			{Place: "a.json:$.data.items:5", Rule: "encoding"},
		},
	}
	h.Rows = append(h.Rows, connectortest.Row{Place: "c.json:$.data.items:1", Cells: []string{"0050", absent, absent, absent}})
	if err := os.WriteFile(filepath.Join(dir, "c.json"), []byte(`{"data":{"items":[{"sku":"0050"}]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(t.TempDir(), "large.json")
	h.LargeRows = 400_000
	writeProducts(t, large, int(h.LargeRows), true)
	h.Large = func(t testing.TB) connectors.Source {
		return newSource(t, ".", map[string]any{"path": large, "records": "data.items"})
	}
	connectortest.Run(t, h)
}

// Other encodings and ways to pack take other ways through the reader, which
// must end at the same rows.
func TestConformanceOfEncodings(t *testing.T) {
	const text = `{"a":"Ä"}` + "\n" + `{"a":"𝄞"}` + "\n\n" + `{"a":"é","a":1}` + "\n" +
		`{"a":"3"}` + "\n" + `{"a":"4"}` + "\n" + `{"a":"5"}` + "\n" + `{"a":"6"}` + "\n"
	for name, content := range map[string]string{
		"utf-8": text, "utf-8 marked": "\uFEFF" + text,
		"utf-16le": inUTF16(text, binary.LittleEndian), "utf-16be": inUTF16(text, binary.BigEndian),
		"utf-16le marked": inUTF16("\uFEFF"+text, binary.LittleEndian), "utf-16be marked": inUTF16("\uFEFF"+text, binary.BigEndian),
	} {
		dir := write(t, map[string]string{"x.json": content, "x.json.gz": gzipped(t, content), "x.json.zst": connectortest.Zstd(t, content)})
		for _, file := range []string{"x.json", "x.json.gz", "x.json.zst"} {
			t.Run(name+" "+file, func(t *testing.T) {
				h := connectortest.Harness{
					Type:    Type(),
					New:     func(t testing.TB) connectors.Source { return newSource(t, dir, map[string]any{"path": file}) },
					Columns: []string{"a"},
					Rejects: []connectortest.Reject{{Place: file + ":4", Rule: "duplicate_member"}},
					Skipped: 1,
				}
				for _, row := range []struct{ line, value string }{{"1", "Ä"}, {"2", "𝄞"}, {"5", "3"}, {"6", "4"}, {"7", "5"}, {"8", "6"}} {
					h.Rows = append(h.Rows, connectortest.Row{Place: file + ":" + row.line, Cells: []string{row.value}})
				}
				connectortest.Run(t, h)
			})
		}
	}
}

// writeProducts writes n products of about 200 bytes, on lines or in an array.
func writeProducts(t testing.TB, path string, n int, inArray bool) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(file, 1<<20)
	opening, between, closing := "", "\n", "\n"
	if inArray {
		opening, between, closing = `{"data":{"items":[`, ",", "]}}"
	}
	fmt.Fprint(w, opening)
	for i := range n {
		if i > 0 {
			fmt.Fprint(w, between)
		}
		fmt.Fprintf(w, `{"sku":"A-%07d","name":{"de":"Sechskantschraube M8 × %d","en":"Hexagon screw M8 x %d"},"price":{"amount":%d.%02d,"currency":"EUR"},"stock":%d,"active":true,"tags":["din933","a2"],"weight":null}`,
			i, i%200, i%200, i%1000, i%100, i%5000)
	}
	fmt.Fprint(w, closing)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
