package all

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/xuri/excelize/v2"

	"crossdock/connectors"
	"crossdock/connectors/connectortest"
)

// items are the same rows in every format: identifiers with leading zeros,
// letters beyond ASCII, delimiters, markup, and a cell that is empty.
func items() [][]string {
	return [][]string{
		{"0017", "Mutter M8; verzinkt", "1.50"},
		{"0018", "Größe <L> & \"XL\"", "12.00"},
		{"0019", "", "0.05"},
		{"00020", "漢字, Ω", "1000"},
	}
}

// A format is a way to write the items, and the settings to read them by.
type format struct {
	connector string
	content   string
	settings  map[string]any
}

func formats(t *testing.T) map[string]format {
	t.Helper()
	var csv, lines, xml, fixed strings.Builder
	csv.WriteString("sku;name;price\n")
	xml.WriteString("<items>")
	var objects []string
	for _, item := range items() {
		name, object := "<name/>", fmt.Sprintf(`{"sku":%q,"name":null,"price":%q}`, item[0], item[2])
		if item[1] != "" {
			name = "<name>" + strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(item[1]) + "</name>"
			object = fmt.Sprintf(`{"sku":%q,"name":%q,"price":%q}`, item[0], item[1], item[2])
		}
		fmt.Fprintf(&csv, "%s;\"%s\";%s\n", item[0], strings.ReplaceAll(item[1], `"`, `""`), item[2])
		fmt.Fprintf(&xml, "\n<item sku=\"%s\">%s<price>%s</price></item>", item[0], name, item[2])
		fmt.Fprintf(&fixed, "%-6s%-20s%8s\n", item[0], item[1], item[2])
		lines.WriteString(object + "\n")
		objects = append(objects, object)
	}
	xml.WriteString("\n</items>")
	return map[string]format{
		"csv":      {"csv", csv.String(), nil},
		"lines":    {"json", lines.String(), nil},
		"array":    {"json", `{"items":[` + strings.Join(objects, ",") + "]}", map[string]any{"records": "items"}},
		"exploded": {"json", `[{"of":"acme","items":[` + strings.Join(objects, ",") + "]}]", map[string]any{"explode": "items[*]"}},
		"xml":      {"xml", xml.String(), map[string]any{"record": "/items/item", "columns": map[string]any{"sku": "@sku", "name": "name", "price": "price"}}},
		"xml exploded": {"xml", xml.String(), map[string]any{
			"record": "/items", "explode": "item", "columns": map[string]any{"sku": "item/@sku", "name": "item/name", "price": "item/price"},
		}},
		"fixed":    {"fixed", fixed.String(), map[string]any{"columns": map[string]any{"sku": "1-6", "name": "7+20", "price": "27-34"}}},
		"workbook": {"excel", workbook(t), nil},
	}
}

func workbook(t *testing.T) string {
	t.Helper()
	book := excelize.NewFile()
	defer book.Close()
	for i, item := range append([][]string{{"sku", "name", "price"}}, items()...) {
		if err := book.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &item); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := book.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestTheSameRowsInEveryFormat reads the items in every format, as they are and
// packed in every way, and wants the same cells.
func TestTheSameRowsInEveryFormat(t *testing.T) {
	for name, f := range formats(t) {
		for packing, pack := range map[string]func(string) string{
			"plain": func(content string) string { return content },
			"gzip":  func(content string) string { return gzipped(t, content) },
			"zstd":  func(content string) string { return connectortest.Zstd(t, content) },
			"zip": func(content string) string {
				return connectortest.Zipped(t, map[string]string{"in/items": content, "readme": "not for us"})
			},
		} {
			t.Run(name+" "+packing, func(t *testing.T) {
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, "file"), []byte(pack(f.content)), 0o600); err != nil {
					t.Fatal(err)
				}
				settings := map[string]any{"path": "file", "member": "in/*"}
				maps.Copy(settings, f.settings)
				if diff := cmp.Diff(items(), read(t, f.connector, dir, settings)); diff != "" {
					t.Errorf("items (-written +read):\n%s", diff)
				}
			})
		}
	}
}

func gzipped(t *testing.T, content string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// read returns the cells of sku, name and price. An empty cell must be null.
func read(t *testing.T, connector, dir string, settings map[string]any) [][]string {
	t.Helper()
	types := Types()
	kind := types[slices.IndexFunc(types, func(t connectors.Type) bool { return t.Name == connector })]
	src, err := kind.New(settings, connectors.Env{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := src.Open(t.Context(), connectors.ReadRequest{BatchRows: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var rows [][]string
	for {
		batch, err := reader.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(batch.Rows.NumRows()) {
			var row []string
			for _, name := range []string{"sku", "name", "price"} {
				at := batch.Rows.Schema().FieldIndices(name)
				if len(at) == 0 { // of what is exploded
					at = batch.Rows.Schema().FieldIndices("items." + name)
				}
				cell := ""
				if column := batch.Rows.Column(at[0]); !column.IsNull(i) {
					if cell = column.ValueStr(i); cell == "" {
						cell = "empty, but not null"
					}
				}
				row = append(row, cell)
			}
			rows = append(rows, row)
		}
		if len(batch.Rejects) > 0 {
			t.Errorf("rejects: %+v", batch.Rejects)
		}
	}
}
