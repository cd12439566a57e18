package profile_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/connectors"
	"crossdock/pipelines/profile"
	"crossdock/schemas"
)

// read makes a batch as a source would; "" is an empty cell.
func read(names []string, rows [][]string) arrow.RecordBatch {
	builder := connectors.NewTextBuilder(names)
	for i, row := range rows {
		for c, text := range row {
			var value []byte
			if text != "" {
				value = []byte(text)
			}
			builder.Cell(c, value, connectors.TextCell)
		}
		builder.EndRow(int64(i + 2))
	}
	return builder.Build().Rows
}

// made makes a batch of products with their sku and weight.
func made(tb testing.TB, rows [][]string) *schemas.Batch {
	tb.Helper()
	e, err := schemas.Default().Entity("product")
	if err != nil {
		tb.Fatal(err)
	}
	b := &schemas.Batch{Entity: e, Columns: mapped(tb)}
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(b.Columns))
	for _, row := range rows {
		builder.Field(0).(*array.StringBuilder).Append(row[0])
		if row[1] == "" {
			builder.Field(1).AppendNull()
			continue
		}
		d, err := schemas.ParseDecimal(row[1])
		if err != nil {
			tb.Fatal(err)
		}
		builder.Field(1).(*array.Decimal64Builder).Append(decimal.Decimal64(d))
	}
	b.Rows = builder.NewRecordBatch()
	return b
}

func mapped(tb testing.TB) []schemas.Column {
	tb.Helper()
	e, err := schemas.Default().Entity("product")
	if err != nil {
		tb.Fatal(err)
	}
	var list []schemas.Column
	for _, name := range []string{"sku", "weight"} {
		column, err := e.Column(name)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, column)
	}
	return list
}

func TestProfileOfAFewRows(t *testing.T) {
	rows := [][]string{{"A-1", "1.5"}, {"B-22", ""}, {"A-1", "-10"}, {"Ä+49", "1.5"}}
	r := profile.NewRecorder([]string{"Nr", "kg"}, mapped(t), []int{0, -1}, nil)
	b := made(t, rows)
	b.Selected = []int32{0, 1, 2}
	r.Add(read([]string{"Nr", "kg"}, rows), b)
	want := &profile.Profile{
		Rows: 4, Passed: 3,
		Columns: []profile.Column{
			{
				Name: "Nr", Rows: 4, Looked: 4, Distinct: 3, Exact: true, Top: []profile.Value{{"A-1", 2}, {"B-22", 1}, {"Ä+49", 1}},
				Min: "A-1", Max: "Ä+49", Shortest: 3, Longest: 4, Shapes: []profile.Value{{"A-9", 2}, {"A+9+", 1}, {"A-9+", 1}},
			},
			{
				Name: "kg", Rows: 4, Nulls: 1, Looked: 3, Distinct: 2, Exact: true, Top: []profile.Value{{"1.5", 2}, {"-10", 1}},
				Min: "-10", Max: "1.5", Shortest: 3, Longest: 3, Shapes: []profile.Value{{"9.9", 2}, {"-9+", 1}},
			},
		},
		Fields: []profile.Column{
			{Name: "sku", From: "Nr", Rows: 3, Exact: false},
			{
				Name: "weight", Rows: 3, Nulls: 1, Looked: 2, Distinct: 2, Exact: true,
				Top: []profile.Value{{"-10", 1}, {"1.5", 1}}, Min: "-10", Max: "1.5", Sum: "-8.5",
			},
		},
	}
	got := r.Profile()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var back profile.Profile
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, &back); diff != "" {
		t.Errorf("read back: -want +got\n%s", diff)
	}
	cells, filled := profile.Filled(b)
	if cells != 6 || filled != 5 {
		t.Errorf("%d of %d cells are filled, want 5 of 6", filled, cells)
	}
}

// A column of few values is counted exactly however its rows are cut, and one
// of many is estimated well enough.
func TestCountsOfManyRows(t *testing.T) {
	names := []string{"few", "many"}
	rapid.Check(t, func(rt *rapid.T) {
		values := rapid.IntRange(1, 200).Draw(rt, "values")
		batches := rapid.IntRange(1, 6).Draw(rt, "batches")
		r := profile.NewRecorder(names, nil, nil, nil)
		counts := map[string]int64{}
		n := 0
		for range batches {
			rows := make([][]string, rapid.IntRange(1, 4_000).Draw(rt, "rows"))
			for i := range rows {
				few := "v" + strconv.Itoa(n*n%values)
				counts[few]++
				rows[i] = []string{few, "AR-" + strconv.Itoa(n)}
				n++
			}
			r.Add(read(names, rows), &schemas.Batch{Rows: read(nil, nil)})
		}
		p := r.Profile()
		few, many := p.Columns[0], p.Columns[1]
		if !few.Exact || int(few.Distinct) != len(counts) || few.Looked != int64(n) {
			rt.Fatalf("%d values in %d rows: got %+v", len(counts), n, few)
		}
		for _, v := range few.Top {
			if counts[v.Text] != v.Count {
				rt.Fatalf("%s: %d times, want %d", v.Text, v.Count, counts[v.Text])
			}
		}
		if off := many.Distinct*100/many.Looked - 100; off < -8 || off > 8 {
			rt.Fatalf("%d values of %d that all differ", many.Distinct, many.Looked)
		}
	})
}

// What is far behind in a column of many values is looked at now and then, and
// a field that something depends on always.
func TestManyRowsAreSampledButForFieldsToWatch(t *testing.T) {
	const rows, batches = 8_000, 6
	for _, watch := range []string{"", "weight"} {
		r := profile.NewRecorder([]string{"Nr"}, mapped(t), []int{0, -1}, []string{watch})
		for i := range batches {
			list := make([][]string, rows)
			for j := range list {
				n := i*rows + j
				list[j] = []string{"AR-" + strconv.Itoa(n), strconv.Itoa(n)}
			}
			r.Add(read([]string{"Nr"}, firsts(list)), made(t, list))
		}
		p := r.Profile()
		looked := int64(3*rows + 3*rows/16)
		if got := p.Columns[0].Looked; got != looked {
			t.Errorf("looked at %d values, want %d", got, looked)
		}
		weight := p.Fields[1]
		sum := "1151976000" // of 0 to 47999
		if whole := watch != ""; whole != (weight.Looked == rows*batches) || whole != (weight.Sum == sum) {
			t.Errorf("watching %q: looked at %d values of sum %s", watch, weight.Looked, weight.Sum)
		}
		if weight.Rows != rows*batches || weight.Exact {
			t.Errorf("watching %q: %d rows, exact: %t", watch, weight.Rows, weight.Exact)
		}
	}
}

func firsts(rows [][]string) [][]string {
	list := make([][]string, len(rows))
	for i, row := range rows {
		list[i] = row[:1]
	}
	return list
}

func TestScores(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   profile.Tally
		want string
	}{
		{"all good", profile.Tally{Read: 10, Cells: 50, Filled: 50}, "100.0"},
		{"a tenth rejected", profile.Tally{Read: 10, Rejected: 1, Cells: 45, Filled: 45}, "92.0"},
		{"skipped rows do not count", profile.Tally{Read: 20, Skipped: 10, Rejected: 1, Cells: 45, Filled: 45}, "92.0"},
		{"a warning is a quarter of a row", profile.Tally{Read: 10, Warned: 4, Cells: 50, Filled: 50}, "92.0"},
		{"half of the cells", profile.Tally{Read: 10, Cells: 50, Filled: 25}, "90.0"},
		{"everything rejected", profile.Tally{Read: 10, Rejected: 10}, "0.0"},
		{"a third, rounded down", profile.Tally{Read: 3, Rejected: 1, Cells: 2, Filled: 2}, "73.3"},
		{"two thirds, rounded up", profile.Tally{Read: 3, Rejected: 2, Cells: 1, Filled: 1}, "46.7"},
		{"half a tenth is rounded up", profile.Tally{Read: 1600, Rejected: 1, Cells: 1, Filled: 1}, "100.0"},
		{"many", profile.Tally{Read: 1e15, Rejected: 1, Cells: 1e16, Filled: 1e16}, "100.0"},
		{"nothing read", profile.Tally{}, "none"},
		{"all skipped", profile.Tally{Read: 5, Skipped: 5}, "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := "none"
			if score, ok := tt.in.Score(); ok {
				got = score.String()
				var back profile.Score
				if text, err := json.Marshal(score); err != nil || json.Unmarshal(text, &back) != nil || back != score {
					t.Errorf("%s becomes %s and then %s, %v", score, text, back, err)
				}
			}
			if got != tt.want {
				t.Errorf("score %s, want %s", got, tt.want)
			}
		})
	}
}

func TestScoresAreNumbersFrom0To100(t *testing.T) {
	for _, text := range []string{"-1", "100.1", `"90"`, "null1"} {
		var s profile.Score
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s is read as %s", text, s)
		}
	}
}

// column makes a column of the rows given, each value that often.
func column(name string, nulls int, values ...string) profile.Column {
	c := profile.Column{Name: name, Rows: 100, Nulls: int64(nulls), Looked: int64(100 - nulls), Distinct: int64(len(values)), Exact: true}
	for _, v := range values {
		c.Top = append(c.Top, profile.Value{Text: v, Count: 1})
	}
	return c
}

func of(columns ...profile.Column) *profile.Profile {
	return &profile.Profile{Rows: 100, Columns: columns}
}

func TestDrift(t *testing.T) {
	few := of(column("Kz", 0, "A", "X"))
	many := make([]string, 30)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	small := of(column("Kz", 0, "A", "X"))
	small.Rows = 19
	for _, tt := range []struct {
		name    string
		now     *profile.Profile
		earlier []*profile.Profile
		limits  profile.Limits
		want    []string
	}{
		{"the first run", few, nil, profile.DefaultLimits(), nil},
		{"nothing moved", few, []*profile.Profile{few}, profile.DefaultLimits(), nil},
		{"more are empty", of(column("EAN", 30)), []*profile.Profile{of(column("EAN", 10)), of(column("EAN", 90)), of(column("EAN", 12))}, profile.DefaultLimits(), []string{
			"column EAN: 30% of its cells are empty, 12% in the 3 runs before",
		}},
		{"fewer are empty", of(column("EAN", 10)), []*profile.Profile{of(column("EAN", 30))}, profile.DefaultLimits(), []string{
			"column EAN: 10% of its cells are empty, 30% in the run before",
		}},
		{"by as much as is allowed", of(column("EAN", 20)), []*profile.Profile{of(column("EAN", 30))}, profile.DefaultLimits(), nil},
		{"by as much as a pipeline allows", of(column("EAN", 20)), []*profile.Profile{of(column("EAN", 30))}, profile.Limits{Nulls: 0.05, Runs: 1}, []string{
			"column EAN: 20% of its cells are empty, 30% in the run before",
		}},
		{"new and vanished values", of(column("Kz", 0, "A", "Z", "Y")), []*profile.Profile{few, few}, profile.DefaultLimits(), []string{
			`column Kz: holds "Z", "Y", which none of the 2 runs before had`,
			`column Kz: no longer holds "X", which each of the 2 runs before had`,
		}},
		{"one run is too few for a value to vanish", of(column("Kz", 0, "A")), []*profile.Profile{few}, profile.DefaultLimits(), nil},
		{"a value comes and goes", of(column("Kz", 0, "A")), []*profile.Profile{few, of(column("Kz", 0, "A"))}, profile.DefaultLimits(), nil},
		{"many values come and go", of(column("Nr", 0, "new")), []*profile.Profile{of(column("Nr", 0, many...))}, profile.DefaultLimits(), nil},
		{"very many are new", of(column("Kz", 0, many...)), []*profile.Profile{few}, profile.DefaultLimits(), []string{
			`column Kz: holds "0", "1", "2", "3", "4" and 25 more, which the run before had not`,
		}},
		{"runs further back do not count", of(column("Kz", 0, "A")), []*profile.Profile{few, few, of(column("Kz", 0, "B"))}, profile.Limits{Nulls: 1, Values: 20, Runs: 2}, []string{
			`column Kz: no longer holds "X", which each of the 2 runs before had`,
		}},
		{"a column is gone or new", of(column("Kz", 0, "A")), []*profile.Profile{of(column("EAN", 0))}, profile.DefaultLimits(), nil},
		{"too few rows", small, []*profile.Profile{of(column("Kz", 50))}, profile.DefaultLimits(), nil},
		{"too few rows before", few, []*profile.Profile{small}, profile.DefaultLimits(), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, d := range profile.Compare(tt.now, tt.earlier, tt.limits) {
				got = append(got, d.Message)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// Whatever a cell holds, its shape and its bounds are text of bounded length.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "AR-0001", "+49 (0) 7731", "\xff\xfe", "Steuersätze", strings.Repeat("a1", 500), "١٢٣"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := profile.NewRecorder([]string{"x"}, nil, nil, nil)
		r.Add(read([]string{"x"}, [][]string{{text}, {text + "b"}}), &schemas.Batch{Rows: read(nil, nil)})
		c := r.Profile().Columns[0]
		all := []string{c.Min, c.Max}
		for _, v := range slices.Concat(c.Top, c.Shapes) {
			all = append(all, v.Text)
		}
		for _, s := range all {
			if len(s) > 1_000 || strings.ToValidUTF8(s, "") != s {
				t.Errorf("%q becomes %q", text, s)
			}
		}
	})
}
