package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	arrowtypes "github.com/apache/arrow-go/v18/arrow" // arrow is the one of a preview
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"crossdock/connectors"
	"crossdock/connectors/all"
	"crossdock/hub"
	"crossdock/schemas"
)

// What is exported comes back: an export that is imported again, under a
// mapping of the same names, finds every row unchanged.
func TestWhatIsExportedComesBackUnchanged(t *testing.T) {
	drawn := rapid.Custom(func(r *rapid.T) []*schemas.Batch {
		var batches []*schemas.Batch
		keys := map[string][]string{}
		for _, e := range schemas.Default().Entities() {
			batches = append(batches, drawRows(r, e, keys))
		}
		return batches
	})
	const times = 2 // of dozens of rows; each opens many databases
	for seed := range times {
		dir := t.TempDir()
		batches := drawn.Example(seed)
		fillTargets(t, dir, batches)
		for _, format := range all.Formats() {
			for _, b := range batches {
				roundTrip(t, dir, b, format)
			}
		}
	}
}

// fillTargets applies rows to the services that own them.
func fillTargets(t *testing.T, dir string, batches []*schemas.Batch) {
	t.Helper()
	s, err := testApp(t, dir).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, b := range batches {
		outcome, err := s.hub.Targets[b.Entity.Service].Apply(t.Context(), schemas.BatchID{Run: "drawn-" + b.Entity.Name, Seq: 1}, b)
		if err != nil || outcome.Applied != b.Count() {
			t.Fatalf("%s: %+v, %v", b.Entity.Name, outcome, err)
		}
	}
}

func testApp(t *testing.T, dir string) *app {
	t.Helper()
	return &app{stdout: t.Output(), stderr: t.Output(), clock: time.Now, log: slog.New(slog.DiscardHandler), settings: settings{Data: dir}}
}

// drawRows draws rows of an entity that keep its rules; keys are those of the
// entities before it, to which references point.
func drawRows(r *rapid.T, e *schemas.Entity, keys map[string][]string) *schemas.Batch {
	columns, err := e.TemplateColumns([]string{"de", "fr-CA"})
	if err != nil {
		r.Fatal(err)
	}
	columns = slices.DeleteFunc(columns, func(c schemas.Column) bool { return c.Name == schemas.DeletedField })
	b := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(columns))
	defer b.Release()
	rows := rapid.IntRange(30, 60).Draw(r, "rows")
	if first := e.Key()[0]; first.Type == schemas.Reference { // a key of references: each once
		rows = min(rows, len(keys[first.Entity]))
	}
	for row := range rows {
		for i, c := range columns {
			f := c.Field
			if !f.Key && !f.Required && rapid.Bool().Draw(r, "null") || f.Name == "parent" || f.Name == "parent_sku" {
				b.Field(i).AppendNull()
				continue
			}
			appendDrawn(r, b.Field(i), f, row, keys)
		}
	}
	batch := &schemas.Batch{Entity: e, Columns: columns, Rows: b.NewRecordBatch(), Absent: make([][]bool, len(columns))}
	for row := range rows {
		text, _ := batch.Text(batch.Index(e.Key()[0].Name), row)
		keys[e.Name] = append(keys[e.Name], text)
	}
	return batch
}

func appendDrawn(r *rapid.T, to array.Builder, f *schemas.Field, row int, keys map[string][]string) {
	switch to := to.(type) {
	case *array.StringBuilder:
		to.Append(drawnText(r, f, row, keys))
	case *array.Int64Builder:
		to.Append(rapid.SampledFrom([]int64{1, 100, 1000}).Draw(r, "integer"))
	case *array.Decimal64Builder:
		most := int64(999_999_999_999_999_999)
		if f.Name == "rating" {
			most = 5_000_000 // five stars
		}
		to.Append(decimal.Decimal64(rapid.Int64Range(1, most).Draw(r, "decimal")))
	case *array.TimestampBuilder:
		year := int64(2000)
		if f.Name == "valid_to" {
			year = 2100
		}
		const yearMicros = 365 * 24 * 3600 * 1_000_000
		to.Append(arrowtypes.Timestamp((year-1970)*yearMicros + rapid.Int64Range(0, yearMicros).Draw(r, "moment")))
	case *array.BooleanBuilder:
		to.Append(rapid.Bool().Draw(r, "truth"))
	}
}

func drawnText(r *rapid.T, f *schemas.Field, row int, keys map[string][]string) string {
	switch {
	case f.Type == schemas.Reference && f.Key && len(keys[f.Entity]) > row:
		return keys[f.Entity][row]
	case f.Type == schemas.Reference:
		return rapid.SampledFrom(keys[f.Entity]).Draw(r, f.Name)
	case f.Type == schemas.Enum:
		return rapid.SampledFrom(f.Values).Draw(r, f.Name)
	case f.Type == schemas.Text && (f.Name == "logo" || f.Name == "banner" || f.Name == "website"):
		return "https://example.com/?a=1"
	case f.Type == schemas.List:
		return `["https://example.com/a%7Cb.png","https://example.com/b.png"]`
	}
	switch f.Name { // those of which the rules know what is right
	case "gtin":
		return "4006381333931"
	case "currency":
		return "EUR"
	case "unit", "base_unit":
		return "C62"
	case "country", "country_of_origin":
		return "DE"
	}
	text := strings.TrimSpace(strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{
		"a", "Größe", ",", `"`, "\n", "=1+1", "-", "@", "0017", "_x0041_", "<b>&", "𝄞", "|", "2026-01-01", "true",
	}), 1, 3).Draw(r, f.Name), ""))
	if f.Key {
		return fmt.Sprintf("%03d%s", row, text)
	}
	if f.MaxChars > 0 {
		runes := []rune(text)
		text = strings.TrimSpace(string(runes[:min(len(runes), f.MaxChars)]))
	}
	if text == "" {
		return "x"
	}
	return text
}

// roundTrip exports an entity and imports the file.
func roundTrip(t *testing.T, dir string, b *schemas.Batch, f connectors.Format) {
	t.Helper()
	e, rows, format := b.Entity, b.Count(), f.Name
	file := filepath.Join(dir, e.Name+f.Extension)
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"--data", dir, "export", e.Name, "--format", format, "--raw", "-o", file, "--json"}, &out, &errs); code != exitDone {
		t.Fatalf("export %s as %s: exit code %d\n%s", e.Name, format, code, errs.String())
	}
	var done hub.Exported
	if err := json.Unmarshal(out.Bytes(), &done); err != nil || done.Rows != int64(rows) {
		t.Fatalf("export %s as %s: %+v, %v; want %d rows", e.Name, format, done, err, rows)
	}
	pipeline := filepath.Join(dir, e.Name+"-"+format+".yaml")
	if err := os.WriteFile(pipeline, []byte(sameNames(t, e, format, file)), 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if code := run(t.Context(), []string{"--data", dir, "run", pipeline}, &out, &errs); code != exitDone ||
		!strings.Contains(out.String(), fmt.Sprintf("%d rows read = 0 applied + %d unchanged", rows, rows)) {
		t.Fatalf("import of %s as %s: exit code %d\n%s%s", e.Name, format, code, out.String(), errs.String())
	}
}

// sameNames returns a pipeline that maps every column of a file to the field
// of its name.
func sameNames(t *testing.T, e *schemas.Entity, format, file string) string {
	t.Helper()
	connector := map[string]string{"csv": "csv", "xlsx": "excel", "json": "json", "ndjson": "json", "parquet": "parquet"}[format]
	var b strings.Builder
	fmt.Fprintf(&b, "pipeline: %s-%s\nsource: { connector: %s, path: %q }\nentity: %s\nmap:\n", e.Name, format, connector, file, e.Name)
	columns := columnsOf(t, connector, file)
	for _, name := range columns {
		fmt.Fprintf(&b, "  %s: %q\n", name, name)
	}
	if len(columns) < len(e.Key()) {
		t.Fatalf("%s has the columns %v", file, columns)
	}
	return b.String()
}

func columnsOf(t *testing.T, connector, file string) []string {
	t.Helper()
	for _, kind := range all.Types() {
		if kind.Name != connector {
			continue
		}
		src, err := kind.New(map[string]any{"path": file}, connectors.Env{})
		if err != nil {
			t.Fatal(err)
		}
		streams, err := src.Discover(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return streams[0].Columns
	}
	t.Fatalf("no connector %s", connector)
	return nil
}

func TestRowsAreExportedOverREST(t *testing.T) {
	s := serveForTest(t)
	warehouses := rapid.Custom(func(r *rapid.T) *schemas.Batch {
		e, err := schemas.Default().Entity("warehouse")
		if err != nil {
			r.Fatal(err)
		}
		return drawRows(r, e, map[string][]string{})
	}).Example(1)
	if _, err := s.system.hub.Targets["inventory"].Apply(t.Context(), schemas.BatchID{Run: "r", Seq: 1}, warehouses); err != nil {
		t.Fatal(err)
	}
	rows := fmt.Sprint(warehouses.Count())
	for _, f := range all.Formats() {
		status, head, body := s.do(t, http.MethodGet, "/v1/exports/warehouse?format="+f.Name, "", nil)
		if status != http.StatusOK || head.Get("X-Crossdock-Rows") != rows || head.Get("X-Crossdock-Cursor") != "warehouse-1" ||
			head.Get("Content-Type") != f.MediaType || head.Get("Content-Length") != fmt.Sprint(len(body)) ||
			head.Get("Content-Disposition") != `attachment; filename="warehouse`+f.Extension+`"` {
			t.Errorf("%s: answer %d, %v", f.Name, status, head)
		}
	}
	var list []struct{ Warehouse, City *string }
	s.get(t, "/v1/exports/warehouse?format=json&fields=city", &list)
	if len(list) != warehouses.Count() || list[0].Warehouse == nil {
		t.Errorf("%d objects, the first %+v; want %s", len(list), list[0], rows)
	}
	_, head, body := s.do(t, http.MethodGet, "/v1/exports/warehouse?since=warehouse-1&fields=name&bom=true", "", nil)
	if string(body) != "\uFEFFwarehouse,name,deleted\n" || head.Get("X-Crossdock-Rows") != "0" || head.Get("X-Crossdock-Deleted") != "0" {
		t.Errorf("behind the cursor: %q, %v", body, head)
	}
	for _, tt := range []struct {
		path   string
		status int
		want   string
	}{
		{"warehose", http.StatusNotFound, "did you mean warehouse?"},
		{"warehouse?format=xml", http.StatusBadRequest, `query.format: \"xml\" is none of csv, xlsx, parquet, json, ndjson`},
		{"warehouse?fields=nam", http.StatusBadRequest, "query.fields: warehouse has no field nam, did you mean name?"},
		{"warehouse?since=price-1", http.StatusBadRequest, "query.since: "},
		{"warehouse?since=warehouse-9", http.StatusBadRequest, "query.since: 9 is later than the last change"},
		{"warehouse?raw=perhaps", http.StatusBadRequest, "query.raw: must be true or false"},
		{"warehouse?formt=csv", http.StatusBadRequest, "did you mean format?"},
	} {
		status, head, body := s.do(t, http.MethodGet, "/v1/exports/"+tt.path, "", nil)
		if status != tt.status || !strings.Contains(string(body), tt.want) || head.Get("Content-Type") != "application/problem+json" {
			t.Errorf("GET %s = %d %s, want %d with %q", tt.path, status, body, tt.status, tt.want)
		}
	}
	left, err := filepath.Glob(filepath.Join(s.app.settings.Data, ".export-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
