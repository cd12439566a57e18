package xmlfile

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

// settings are those given as names and values.
func settings(values ...any) map[string]any {
	s := map[string]any{"path": "x.xml", "record": "/catalog/items/item"}
	for i := 0; i < len(values); i += 2 {
		s[values[i].(string)] = values[i+1]
	}
	return s
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

// twoDocuments hold everything that a reader meets: a namespace, attributes,
// CDATA, references, comments, mixed content, elements that repeat, are empty
// or are missing, and others beside the records.
func twoDocuments() map[string]string {
	return map[string]string{
		"a.xml": "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- a comment -->\n" +
			`<catalog xmlns="urn:x" version="2">` + "\n" +
			"  <header><lang>de</lang><items><item>not a record</item></items></header>\n" +
			"  <items note='first'>\n" +
			`    <item id="0017"><name>Mutter &amp; Bolzen</name>` + "\n" +
			`      <price type="net">1.50</price></item>` + "\n" +
			`    <item id="0018"><name><![CDATA[<Größe>]]> L</name><tag>a</tag><tag>b "x"</tag></item>` + "\n\n" +
			`    <item id="0019"><name/><price type="net"> 2 </price></item>` + "\n" +
			`    <note>none</note>` + "\n" +
			`    <item id="0020"><name>Ein <b>guter</b> Satz</name>` + "\n</item>\n" +
			"  </items>\n</catalog>\n<!-- the end -->\n",
		"b.xml": `<catalog><items><x/></items><items>` + "\n" +
			`<item id="0030"><name>&#220;ber&#x20;uns</name></item>` + "\n" +
			`<item id="0031" xmlns:y="urn:y"><y:name>Niet</y:name></item>` + "\n" +
			`</items></catalog>`,
	}
}

func conformance(t testing.TB) connectortest.Harness {
	dir := write(t, twoDocuments())
	const null, absent = connectortest.Null, connectortest.Absent
	return connectortest.Harness{
		Type:    Type(),
		New:     func(t testing.TB) connectors.Source { return newSource(t, dir, settings("path", "*.xml")) },
		Columns: []string{"@id", "name", "name/b", "price", "price/@type", "tag"},
		Rows: []connectortest.Row{
			{Place: "a.xml:6", Cells: []string{"0017", "Mutter & Bolzen", absent, "1.50", "net", absent}},
			{Place: "a.xml:8", Cells: []string{"0018", "<Größe> L", absent, absent, absent, `["a","b \"x\""]`}},
			{Place: "a.xml:10", Cells: []string{"0019", null, absent, " 2 ", "net", absent}},
			{Place: "a.xml:12", Cells: []string{"0020", "Ein guter Satz", "guter", absent, absent, absent}},
			{Place: "b.xml:2", Cells: []string{"0030", "Über uns", absent, absent, absent, absent}},
			{Place: "b.xml:3", Cells: []string{"0031", "Niet", absent, absent, absent, absent}},
		},
	}
}

func TestConformance(t *testing.T) {
	h := conformance(t)
	large := filepath.Join(t.TempDir(), "large.xml")
	h.LargeRows, h.HeapBound = 25_000, 12<<20
	writeProducts(t, large, int(h.LargeRows))
	h.Large = func(t testing.TB) connectors.Source { return newSource(t, ".", settings("path", large)) }
	for _, fault := range faults() {
		dir := write(t, map[string]string{"x.xml": fault.content})
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
	dir := write(t, map[string]string{"acme.zip": connectortest.Zipped(t, twoDocuments())})
	h := conformance(t).Within("acme.zip")
	h.New = func(t testing.TB) connectors.Source {
		return newSource(t, dir, settings("path", "acme.zip", "member", "*.xml"))
	}
	connectortest.Run(t, h)
}

// Records that are exploded end in the middle of a batch, at which reading
// goes on as anywhere else.
func TestConformanceOfExplodedRecords(t *testing.T) {
	const document = `<c><h><cur>EUR</cur></h>
<p no="1">
 <price q="1">5</price>
 <price q="10">4</price>
 <price q="100">3</price>
</p>
<p no="2"/>
<p no="3">
 <price q="1">7</price>
 <price q="5">6</price></p>
<p no="4"><price>9</price></p>
</c>`
	dir := write(t, map[string]string{"x.xml": document})
	const absent = connectortest.Absent
	h := connectortest.Harness{
		Type: Type(),
		New: func(t testing.TB) connectors.Source {
			return newSource(t, dir, settings("record", "/c/p", "explode", "price", "columns", map[string]any{
				"no": "@no", "from": "price/@q", "price": "price", "currency": "../h/cur",
			}))
		},
		Columns: []string{"currency", "from", "no", "price"},
		Rows: []connectortest.Row{
			{Place: "x.xml:3", Cells: []string{"EUR", "1", "1", "5"}},
			{Place: "x.xml:4", Cells: []string{"EUR", "10", "1", "4"}},
			{Place: "x.xml:5", Cells: []string{"EUR", "100", "1", "3"}},
			{Place: "x.xml:9", Cells: []string{"EUR", "1", "3", "7"}},
			{Place: "x.xml:10", Cells: []string{"EUR", "5", "3", "6"}},
			{Place: "x.xml:11", Cells: []string{"EUR", absent, "4", "9"}},
		},
		Skipped: 1,
	}
	connectortest.Run(t, h)
	// The same on one line: rows are counted.
	dir = write(t, map[string]string{"x.xml": strings.ReplaceAll(document, "\n", "")})
	for i := range h.Rows {
		h.Rows[i].Place = fmt.Sprintf("x.xml:/c/p/price:%d", i+1)
	}
	connectortest.Run(t, h)
}

func TestConformanceOfEncodings(t *testing.T) {
	const text = "<c>\n<p><a>Ä</a></p>\n<p><a>Ö\n</a></p>\n<p><a>ß</a></p>\n<p><a>é</a></p>\n<p><a>ñ</a></p>\n<p><a>ü</a></p>\n</c>"
	declared := func(name string) string { return `<?xml version="1.0" encoding="` + name + `"?>` + text }
	for name, content := range map[string]string{
		"utf-8": declared("UTF-8"), "nothing": text, "windows-1252": encode(t, "windows-1252", declared("Windows-1252")),
		"iso-8859-15": encode(t, "iso-8859-15", declared("ISO-8859-15")), "utf-16le": encode(t, "utf-16le", declared("UTF-16")),
		"utf-16be marked": encode(t, "utf-16be", "\uFEFF"+declared("utf-16")),
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string]string{"x.xml": content, "x.xml.zst": connectortest.Zstd(t, content)})
			for _, file := range []string{"x.xml", "x.xml.zst"} {
				h := connectortest.Harness{
					Type: Type(),
					New: func(t testing.TB) connectors.Source {
						return newSource(t, dir, settings("path", file, "record", "/c/p"))
					},
					Columns: []string{"a"},
				}
				for _, row := range []struct{ line, value string }{{"2", "Ä"}, {"3", "Ö\n"}, {"5", "ß"}, {"6", "é"}, {"7", "ñ"}, {"8", "ü"}} {
					h.Rows = append(h.Rows, connectortest.Row{Place: file + ":" + row.line, Cells: []string{row.value}})
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
	fmt.Fprintln(w, "<catalog><items>")
	for i := range n {
		fmt.Fprintf(w, "<item id=\"A-%07d\"><name>Sechskantschraube M8 × %d</name><price type=\"net\">%d.%02d</price><text>%s</text>\n</item>\n",
			i, i%200, i%1000, i%100, strings.Repeat("lang ", 150))
	}
	fmt.Fprintln(w, "</items></catalog>")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
