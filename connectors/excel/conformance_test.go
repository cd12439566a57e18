package excel

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossdock/connectors"
	"crossdock/connectors/connectortest"
)

// dataset writes two workbooks with everything that a reader meets: titles,
// merged headers, cells of every type, blank rows, rows that are refused.
func dataset(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, rows := range map[string]string{
		"a.xlsx": texts(1, "Price list") + texts(3, "sku", "price", "", "from", "active") + texts(4, "", "net", "gross") +
			`<row r="5"><c r="A5" t="s"><v>0</v></c><c r="B5"><v>1.50</v></c><c r="C5"><v>1.7849999999999999</v></c><c r="D5" s="1"><v>46053</v></c><c r="E5" t="b"><v>1</v></c></row>` +
			`<row r="6"/>` +
			`<row r="7"><c r="A7" t="s"><v>1</v></c><c r="B7" t="e"><v>#N/A</v></c></row>` +
			`<row><c t="inlineStr"><is><t>0019</t></is></c><c/><c><v>2E-2</v></c></row>` +
			texts(12, "0020", "", "", "", "no") +
			`<row r="13"><c r="B13"><f>B12</f></c></row>` +
			`<row r="14"><c r="A14" t="str"><f>A12&amp;"x"</f><v>0020x</v></c></row>` +
			`<row r="15"><c r="E15" s="1"/></row>`,
		"b.xlsx": texts(1, "sku", "price", "", "from", "active") + texts(2, "", "net", "gross") +
			numbers(4, "30", "31", "32") + numbers(5, "33") + numbers(6, "34", "", "", "", "35") + `<row r="900"/>`,
	} {
		top, areas := 1, ""
		if name == "a.xlsx" {
			top = 3
		}
		for _, column := range []string{"A", "D", "E"} {
			areas += fmt.Sprintf(" %s%d:%s%d", column, top, column, top+1)
		}
		areas += fmt.Sprintf(" B%d:C%d", top, top)
		book := rawBook{
			sheets: []string{sheetXML(texts(1, "codes", "x")), merged(rows, strings.Fields(areas)...)},
			names:  []string{"Codes", "Prices"}, states: []string{"hidden"},
			shared: sst("<t>0017</t>", "<r><t>00</t></r><r><t>18</t></r>"), styles: dateStyles,
		}
		if err := os.WriteFile(filepath.Join(dir, name), book.bytes(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "*.xlsx")
}

func TestConformance(t *testing.T) {
	large := catalogue(t, 60_000)
	h := conformance(dataset(t))
	h.Large = func(t testing.TB) connectors.Source {
		return anyStream{sourceOf(t, large)}
	}
	h.LargeRows = 60_000
	h.Malformed = malformed(t)
	connectortest.Run(t, h)
}

// Workbooks in an archive are files of their own.
func TestConformanceOfArchives(t *testing.T) {
	books := map[string]string{}
	for _, name := range []string{"a.xlsx", "b.xlsx"} {
		content, err := os.ReadFile(filepath.Join(filepath.Dir(dataset(t)), name))
		if err != nil {
			t.Fatal(err)
		}
		books[name] = string(content)
	}
	connectortest.Run(t, conformance(written(t, "acme.zip", []byte(connectortest.Zipped(t, books)))).Within("acme.zip"))
}

func conformance(path string) connectortest.Harness {
	const null = connectortest.Null
	return connectortest.Harness{
		Type:    Type(),
		New:     func(t testing.TB) connectors.Source { return sourceOf(t, path) },
		Stream:  "Prices",
		Columns: []string{"sku", "price net", "price gross", "from", "active"},
		Rows: []connectortest.Row{
			{Place: "a.xlsx:Prices:5", Cells: []string{"0017", "1.5", "1.785", "2026-01-31", "true"}},
			{Place: "a.xlsx:Prices:8", Cells: []string{"0019", null, "0.02", null, null}},
			{Place: "a.xlsx:Prices:12", Cells: []string{"0020", null, null, null, "no"}},
			{Place: "a.xlsx:Prices:14", Cells: []string{"0020x", null, null, null, null}},
			{Place: "b.xlsx:Prices:4", Cells: []string{"30", "31", "32", null, null}},
			{Place: "b.xlsx:Prices:5", Cells: []string{"33", null, null, null, null}},
			{Place: "b.xlsx:Prices:6", Cells: []string{"34", null, null, null, "35"}},
		},
		Rejects: []connectortest.Reject{
			{Place: "a.xlsx:Prices:7", Rule: "formula_error"},
			{Place: "a.xlsx:Prices:13", Rule: "formula_error"},
		},
		Skipped: 5,
	}
}

// anyStream opens the first sheet, whatever stream the suite asks for.
type anyStream struct{ connectors.Source }

func (s anyStream) Open(ctx context.Context, req connectors.ReadRequest) (connectors.Reader, error) {
	req.Stream = ""
	return s.Source.Open(ctx, req)
}

func malformed(t *testing.T) []connectortest.Malformed {
	t.Helper()
	whole := sampleBook(500).bytes(t)
	var broken []connectortest.Malformed
	for name, m := range map[string]struct {
		content []byte
		message string
	}{
		"cut off":       {whole[:len(whole)/2], "cut off"},
		"text":          {[]byte("sku;name\n1;bolt\n"), "use connector csv"},
		"an old one":    {[]byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), "old Office file"},
		"an open sheet": {rawBook{sheets: []string{"<worksheet><sheetData><row>"}}.bytes(t), "cut off"},
		"a header only": {rawBook{sheets: []string{sheetXML(texts(1, "a", "b"))}}.bytes(t), "has a header but no rows"},
	} {
		path := written(t, "book.xlsx", m.content)
		broken = append(broken, connectortest.Malformed{
			Name: name, Message: m.message, Stream: "Sheet1",
			New: func(t testing.TB) connectors.Source { return sourceOf(t, path) },
		})
	}
	return broken
}
