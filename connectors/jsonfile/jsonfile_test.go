package jsonfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crossdock/connectors"
)

// readAll reads a source and writes its rows as "place column=value ...".
func readAll(ctx context.Context, src connectors.Source) ([]string, error) {
	reader, err := src.Open(ctx, connectors.ReadRequest{})
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var rows []string
	for {
		batch, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, written(batch)...)
	}
}

func written(b *connectors.Batch) []string {
	var rows []string
	for row, number := range b.Origin.Rows {
		line := b.Origin.Place(number, -1, "").String()
		for c := range int(b.Rows.NumCols()) {
			value := "null"
			if b.Rows.Column(c).IsValid(row) {
				value = fmt.Sprintf("%q", b.Rows.Column(c).ValueStr(row))
			}
			kind := b.KindOf(c, row)
			if kind == connectors.AbsentCell {
				continue
			}
			value = map[connectors.Kind]string{connectors.NumberCell: "number ", connectors.BooleanCell: "boolean "}[kind] + value
			line += " " + b.Rows.ColumnName(c) + "=" + value
		}
		rows = append(rows, line)
	}
	for _, r := range b.Rejects {
		rows = append(rows, fmt.Sprintf("%s %s column %d: %s (%s) %q",
			b.Origin.Place(r.Row, -1, ""), r.Rule, r.Column, r.Message, r.Value, r.Cells))
	}
	return rows
}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name, content string
		settings      map[string]any
		want          []string
	}{
		{
			"an array", `[{"a":"x","b":1.50,"c":true,"d":null,"e":""},{"b":2}]`, nil,
			[]string{
				`x.json:$:1 a="x" b=number "1.50" c=boolean "true" d=null e=""`,
				`x.json:$:2 b=number "2"`,
			},
		},
		{
			"lines", "{\"a\":1}\r\n{\"a\":2}", nil,
			[]string{`x.json:1 a=number "1"`, `x.json:2 a=number "2"`},
		},
		{"one line", `{"a":1}`, nil, []string{`x.json:1 a=number "1"`}},
		{"one object over several lines", "{\n \"a\": 1,\n \"b\": [ 1, 2 ]\n}\n", nil, []string{`x.json:1 a=number "1" b="[1,2]"`}},
		{
			"the document itself", `{"a":1,"lines":[{"b":2}]}`,
			map[string]any{"records": "$"},
			[]string{`x.json:1 a=number "1" lines="[{\"b\":2}]"`},
		},
		{
			"a path", `{"x":{"a.b":[{"c":1}]}}`,
			map[string]any{"records": "$.x['a.b'][*]"},
			[]string{`x.json:$.x["a.b"]:1 c=number "1"`},
		},
		{
			"nested objects", `[{"p":{"a":1,"c":{"x":2}},"q":{}},{"p":null},{"p":{"c":null}},{"p":"free"}]`, nil,
			[]string{
				`x.json:$:1 p.a=number "1" p.c.x=number "2" q="{}"`,
				`x.json:$:2 p=null p.a=null p.c.x=null`,
				`x.json:$:3 p.c.x=null`,
				`x.json:$:4 p="free"`,
			},
		},
		{
			"no flattening", `[{"p":{"a": 1, "b": {"c" : "d e"}}}]`,
			map[string]any{"flatten": 0},
			[]string{`x.json:$:1 p="{\"a\":1,\"b\":{\"c\":\"d e\"}}"`},
		},
		{
			"flattening of one level", `[{"p":{"a":1,"b":{"c":2}}}]`,
			map[string]any{"flatten": 1},
			[]string{`x.json:$:1 p.a=number "1" p.b="{\"c\":2}"`},
		},
		{
			"members in another order", `[{"a":1,"b":2,"c":3},{"c":6,"a":4,"b":5},{"b":7}]`, nil,
			[]string{
				`x.json:$:1 a=number "1" b=number "2" c=number "3"`,
				`x.json:$:2 a=number "4" b=number "5" c=number "6"`,
				`x.json:$:3 b=number "7"`,
			},
		},
		{
			"escapes", `[{"a":"\"\\\/\b\f\n\r\té😀","\u0062":1,"t":["\u00e9"]}]`, nil,
			[]string{`x.json:$:1 a="\"\\/\b\f\n\r\té😀" b=number "1" t="[\"\\u00e9\"]"`},
		},
		{
			"a path and a name that are one", `[{"a":{"b":1}},{"a.b":2},{"a":{"b":1},"a.b":2}]`, nil,
			[]string{
				`x.json:$:1 a.b=number "1"`,
				`x.json:$:2 a.b=number "2"`,
				`x.json:$:3 duplicate_member column 0: the member "a.b" stands twice in the record: by its path and by its name (2) ["2"]`,
			},
		},
		{
			"members of a refused record make no columns", "{\"a\":1}\n{\"b\":1,\"c\":}\n{\"d\":1,\"d\":1}\n", nil,
			[]string{
				`x.json:1 a=number "1"`,
				`x.json:2 malformed column -1: the line is not JSON: at character 12 found '}' where a value should be ({"b":1,"c":}) [""]`,
				`x.json:3 duplicate_member column -1: the member "d" stands twice in an object (d) [""]`,
			},
		},
		{
			"a first line that is broken", "{\"a\":1\n{\"a\":2}\n", nil,
			[]string{
				`x.json:2 a=number "2"`,
				`x.json:1 malformed column -1: the line is not JSON: at character 7 found the end where ',' or '}' should be ({"a":1) ["1"]`,
			},
		},
		{
			"lines joined", "{\"a\":1}{\"a\":2}\n{\"a\":3}\n", nil,
			[]string{
				`x.json:2 a=number "3"`,
				`x.json:1 malformed column -1: the line is not JSON: at character 8 found '{' where the end of the record should be ({"a":1}{"a":2}) ["1"]`,
			},
		},
		{
			"texts that cannot be decoded", "{\"a\":\"\xff\"}\n{\"a\":\"\\ud800x\"}\n{\"a\":\"\\u0000\"}\n{\"a\":\"x\x00y\"}\n{\"a\":\"ok\"}\n", nil,
			[]string{
				`x.json:5 a="ok"`,
				"x.json:1 encoding column 0: a text is not UTF-8: have the file written as UTF-8, as JSON must be (\uFFFD) [\"\uFFFD\"]",
				"x.json:2 encoding column 0: a text contains \\ud800, which is half a character: the program that wrote it cut a text in the middle ({\"a\":\"\\ud800x\"}) [\"\uFFFDx\"]",
				`x.json:3 encoding column 0: a text contains a NUL (\u0000): have it left out where the file is written ({"a":"\u0000"}) ["␀"]`,
				`x.json:4 encoding column 0: a text contains a NUL: the file is damaged here ({"a":"x␀y"}) ["x␀y"]`,
			},
		},
		{
			"duplicates within JSON text", `[{"a":[{"x":1,"x":2}]},{"a":[{"x":1},{"x":2}]}]`, nil,
			[]string{
				`x.json:$:2 a="[{\"x\":1},{\"x\":2}]"`,
				`x.json:$:1 duplicate_member column -1: the member "x" stands twice in an object (x) ["[{\"x\":1,\"x\":2}]"]`,
			},
		},
		{"half characters in UTF-16", "\xff\xfe{\x00\"\x00a\x00\"\x00:\x00\"\x00\x00\xd8\"\x00}\x00\n\x00{\x00\"\x00a\x00\"\x00:\x001\x00}\x00", nil, []string{
			`x.json:2 a=number "1"`,
			"x.json:1 encoding column 0: a text is not UTF-8: have the file written as UTF-8, as JSON must be (\uFFFD) [\"\uFFFD\"]",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, map[string]string{"x.json": tt.content})
			settings := map[string]any{"path": "x.json"}
			maps.Copy(settings, tt.settings)
			got, err := readAll(t.Context(), newSource(t, dir, settings))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	deep := func(n int) string {
		return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}"
	}
	long := func(n int) string { return `{"a":"` + strings.Repeat("x", n) + `"}` }
	for _, tt := range []struct {
		name, record, rule string
	}{
		{"as deep as can be", deep(maxDepth - 1), ""},
		{"too deep", deep(maxDepth), "too_deep"},
		{"far too deep", deep(1_000_000), "too_deep"},
		{"as long as can be", long(maxCellBytes), ""},
		{"too long a text", long(maxCellBytes + 1), "too_long"},
		{"too long a text with escapes", `{"a":"\n` + strings.Repeat("x", maxCellBytes) + `"}`, "too_long"},
		{"too long a JSON text", `{"a":["` + strings.Repeat("x", maxCellBytes) + `"]}`, "too_long"},
		{"too long a name", `{"` + strings.Repeat("x", maxNameBytes+1) + `":1}`, "too_long"},
		{"too long a record", `{"a":[` + strings.Repeat(" ", maxRecord) + `]}`, "too_long"},
	} {
		for _, form := range []string{"%s\n{\"b\":1}\n", "[%s,{\"b\":1}]"} {
			dir := write(t, map[string]string{"x.json": fmt.Sprintf(form, tt.record)})
			reader, err := newSource(t, dir, map[string]any{"path": "x.json", "records": "$"}).Open(t.Context(), connectors.ReadRequest{})
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			var rows int64
			rule, kept := "", 0
			for {
				batch, err := reader.Next(t.Context())
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v", tt.name, err)
				}
				rows += batch.Rows.NumRows()
				for _, r := range batch.Rejects {
					rule = r.Rule
					kept = len(r.Value) + len(strings.Join(r.Cells, ""))
				}
			}
			reader.Close()
			want := int64(2)
			if tt.rule != "" {
				want = 1
			}
			if rule != tt.rule || rows != want || kept > connectors.MaxRejectBytes {
				t.Errorf("%s: %d rows, rule %q, %d bytes kept; want %d rows, rule %q", tt.name, rows, rule, kept, want, tt.rule)
			}
		}
	}
}

// What is not asked for may be of any size.
func TestMembersBesideTheArrayAreSkipped(t *testing.T) {
	content := `{"junk":"` + strings.Repeat("x", 3*readBytes) + `","deep":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) +
		`,"items":[{"a":1}],"rest":{"x":"` + strings.Repeat(`\"`, readBytes) + `"}}`
	dir := write(t, map[string]string{"x.json": content})
	got, err := readAll(t.Context(), newSource(t, dir, map[string]any{"path": "x.json", "records": "items"}))
	if diff := cmp.Diff([]string{`x.json:$.items:1 a=number "1"`}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// The first line may be longer than what is looked at to tell the build.
func TestLinesWithALongFirst(t *testing.T) {
	long := strings.Repeat("x", recogniseBytes)
	dir := write(t, map[string]string{"x.json": `{"a":"` + long + `","l":[{"b":1}]}` + "\n{\"a\":\"y\"}\n"})
	got, err := readAll(t.Context(), newSource(t, dir, map[string]any{"path": "x.json"}))
	if err != nil || len(got) != 2 || got[1] != `x.json:2 a="y"` {
		t.Errorf("%d rows, %v", len(got), err)
	}
}

func TestCheckAndDiscover(t *testing.T) {
	dir := write(t, map[string]string{"x.json": linesFile, "y.json": "{\"z\":1}\n{\"z\":2}\n"})
	src := newSource(t, dir, map[string]any{"path": "*.json"})
	probes := src.Check(t.Context())
	if len(probes) != 2 || probes[0].Detail != "2 found, the first is x.json" ||
		probes[1].Detail != "the file of one object per line, utf-8, 7 columns in the first 9 records" {
		t.Errorf("Check: %+v", probes)
	}
	streams, err := src.Discover(t.Context())
	if err != nil || len(streams) != 1 || !streams[0].Rereadable {
		t.Fatalf("Discover: %+v, %v", streams, err)
	}
	want := []string{"sku", "price.amount", "price.currency", "tags", "tags.x", "active", "z"}
	if diff := cmp.Diff(want, streams[0].Columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	missing := newSource(t, dir, map[string]any{"path": "z.json"})
	if probes := missing.Check(t.Context()); len(probes) != 1 || probes[0].Err == nil {
		t.Errorf("Check of no file: %+v", probes)
	}
}

// Data used as names must neither fill the memory nor take ages.
func TestManyMembers(t *testing.T) {
	var names, lines strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&names, `,"n%d":1`, i)
		fmt.Fprintf(&lines, `{"n%d":1}`+"\n", i)
	}
	object := `{"a":[{` + names.String()[1:] + "}"
	dir := write(t, map[string]string{
		"few.json": "{\"a\":1}\n" + object + "]}\n", "twice.json": "{\"a\":1}\n" + object + `,{"n7":1,"n8":1,"n7":2}]}`,
		"late.json": "{\"a\":1}\n" + strings.TrimSuffix(object, "}") + `,"n7":1}]}`, "many.json": lines.String(),
	})
	for file, want := range map[string]string{"few.json": "", "twice.json": "duplicate_member", "late.json": "duplicate_member"} {
		got, err := readAll(t.Context(), newSource(t, dir, map[string]any{"path": file}))
		if err != nil || len(got) != 2 || want != "" && !strings.Contains(got[1], want) {
			t.Errorf("%s: %d rows, %v", file, len(got), err)
		}
	}
	_, err := readAll(t.Context(), newSource(t, dir, map[string]any{"path": "many.json"}))
	if err == nil || !strings.Contains(err.Error(), "more than 4096 different members") {
		t.Errorf("many.json: %v", err)
	}
}

// Two readers of one source do not disturb each other.
func TestReadersAreIndependent(t *testing.T) {
	dir := write(t, map[string]string{"x.json": "{\"a\":{\"b\":1}}\n{\"a\":{\"b\":2}}\n{\"a\":{\"b\":3}}\n"})
	src := newSource(t, dir, map[string]any{"path": "x.json", "batch_rows": 1})
	var readers [2]connectors.Reader
	for i := range readers {
		var err error
		if readers[i], err = src.Open(t.Context(), connectors.ReadRequest{}); err != nil {
			t.Fatal(err)
		}
		defer readers[i].Close()
	}
	for row := 1; row <= 3; row++ {
		for i, r := range readers {
			batch, err := r.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := written(batch)[0]; got != fmt.Sprintf(`x.json:%d a.b=number "%d"`, row, row) {
				t.Errorf("reader %d: %s", i, got)
			}
		}
	}
	if err := readers[0].Close(); err != nil {
		t.Error(err)
	}
	if _, err := readers[0].Next(t.Context()); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("Next of a closed reader: %v", err)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, inArray := range []bool{false, true} {
		b.Run(fmt.Sprintf("array=%t", inArray), func(b *testing.B) {
			const rows = 50_000
			path := b.TempDir() + "/large.json"
			writeProducts(b, path, rows, inArray)
			src := newSource(b, ".", map[string]any{"path": path, "records": map[bool]string{true: "data.items", false: "$"}[inArray]})
			began := time.Now()
			if _, err := src.Discover(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(rows/time.Since(began).Seconds(), "learned-rows/s")
			for b.Loop() {
				reader, err := src.Open(b.Context(), connectors.ReadRequest{})
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = reader.Next(b.Context())
				}
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
				reader.Close()
			}
			b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
