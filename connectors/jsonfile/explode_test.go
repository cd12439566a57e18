package jsonfile

import (
	"strings"
	"testing"

	"crossdock/connectors"
	"crossdock/connectors/connectortest"
)

// Records that are exploded end in the middle of a batch, at which reading
// goes on as anywhere else.
func TestConformanceOfExplodedRecords(t *testing.T) {
	records := []string{
		`{"sku":"1","prices":[{"q":1,"a":"5"},{"q":10,"a":"4"},{"q":100,"a":"3"}],"unit":"C62"}`,
		`{"sku":"2","prices":[],"unit":"C62"}`,
		`{"sku":"3"}`,
		`{"prices":[{"q":1,"a":"7"},{"q":1,"q":2}],"sku":"4"}`,
		`{"prices":{"a":"8"},"sku":"5","unit":"KGM"}`,
		`{"prices":[{"q":null,"a":"9"},{"a":"10"}],"sku":"6"}`,
	}
	dir := write(t, map[string]string{
		"x.ndjson": strings.Join(records, "\n"),
		"x.json":   `{"products":[` + strings.Join(records, ",") + "]}",
	})
	const null, absent = connectortest.Null, connectortest.Absent
	for file, place := range map[string]string{"x.ndjson": "x.ndjson:", "x.json": "x.json:$.products:"} {
		t.Run(file, func(t *testing.T) {
			connectortest.Run(t, connectortest.Harness{
				Type: Type(),
				New: func(t testing.TB) connectors.Source {
					settings := map[string]any{"path": file, "explode": "prices[*]"}
					if file == "x.json" {
						settings["records"] = "products"
					}
					return newSource(t, dir, settings)
				},
				Columns: []string{"sku", "prices.q", "prices.a", "unit"},
				Rows: []connectortest.Row{
					{Place: place + "1", Cells: []string{"1", "1", "5", "C62"}},
					{Place: place + "1", Cells: []string{"1", "10", "4", "C62"}},
					{Place: place + "1", Cells: []string{"1", "100", "3", "C62"}},
					{Place: place + "5", Cells: []string{"5", absent, "8", "KGM"}},
					{Place: place + "6", Cells: []string{"6", null, "9", absent}},
					{Place: place + "6", Cells: []string{"6", absent, "10", absent}},
				},
				Rejects: []connectortest.Reject{{Place: place + "4", Rule: "duplicate_member"}},
				Skipped: 2,
			})
		})
	}
}

func TestExplode(t *testing.T) {
	const records = `{"id":1,"g":[{"n":"x","p":[{"a":1},{"a":2}]},{"n":"y","p":[{"a":3}]},{"n":"z"}],"end":true}` + "\n" + `{"id":2,"g":[]}` + "\n"
	for _, tt := range []struct {
		name, input, explode, empty string
		want                        string
	}{
		{"two levels", records, "g[*].p[*]", "skip", "1: 1 x 1 true; 1: 1 x 2 true; 1: 1 y 3 true; skipped 2"},
		{"two levels, empty ones too", records, "g[*].p", "row", "1: 1 x 1 true; 1: 1 x 2 true; 1: 1 y 3 true; 1: 1 z - true; 2: 2 - - -"},
		{"one of two levels", records, "g", "skip", `1: 1 x [{"a":1},{"a":2}] true; 1: 1 y [{"a":3}] true; 1: 1 z - true; skipped 1`},
		{"in an object", `{"a":{"b":[{"c":1},{"c":2}]},"d":3}` + "\n" + `{"d":4}`, "a.b[*]", "skip", "1: 1 3; 1: 2 3; skipped 1"},
		{"of values", `{"tags":["a",null,[1,2],{"x":3}]}`, "tags", "skip", `1: a -; 1: <null> <null>; 1: [1,2] -; 1: - 3`},
		{"a value that is no array", `{"id":1,"t":5}` + "\n" + `{"id":2,"t":null}`, "t[*]", "row", "1: 1 5; 2: 2 -"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := newSource(t, write(t, map[string]string{"x.json": tt.input}), map[string]any{"path": "x.json", "explode": tt.explode, "explode_empty": tt.empty})
			if got := exploded(t, src); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// exploded returns the rows of a source in one line.
func exploded(t *testing.T, src connectors.Source) string {
	t.Helper()
	reader, err := src.Open(t.Context(), connectors.ReadRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	batch, err := reader.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for i, number := range batch.Origin.Rows {
		row := connectors.Place{Row: number}.String()[1:] + ":"
		for c, column := range batch.Rows.Columns() {
			switch {
			case batch.KindOf(c, i) == connectors.AbsentCell:
				row += " -"
			case column.IsNull(i):
				row += " <null>"
			default:
				row += " " + column.ValueStr(i)
			}
		}
		rows = append(rows, row)
	}
	if batch.Skipped > 0 {
		rows = append(rows, "skipped "+string(rune('0'+batch.Skipped)))
	}
	return strings.Join(rows, "; ")
}

func TestExplodeIsRefused(t *testing.T) {
	for _, explode := range []string{"[*]", "a..b", "a[0]", "a[*]..b", "$", "a[*][*]"} {
		_, err := Type().New(map[string]any{"path": "x.json", "explode": explode}, connectors.Env{})
		if err == nil || !strings.Contains(err.Error(), "explode: is ") || !strings.Contains(err.Error(), "such as prices[*]") {
			t.Errorf("%s: error is %v", explode, err)
		}
	}
	src := newSource(t, write(t, map[string]string{"x.json": `{"a":1}` + "\n" + `{"b":[]}`}), map[string]any{"path": "x.json", "explode": "b"})
	_, err := src.Open(t.Context(), connectors.ReadRequest{})
	if err == nil || !strings.Contains(err.Error(), "has no record with an array to explode that holds anything") {
		t.Errorf("nothing to explode: %v", err)
	}
}
