package mapping

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/connectors"
	"crossdock/schemas"
)

// anyMapping has a form of every kind, with cells that fail in some of them.
func anyMapping(t testing.TB) (*Program, []string) {
	header := []string{"a", "b"}
	table := NewTable("t", []string{"k"}, "first")
	if err := table.Add(parseTable("k | v\n0017 | 1,5\n12 | x\nJ | 7")); err != nil {
		t.Fatal(err)
	}
	m, errs := Compile(entityOf(t, "everything"), `a != "skip" and b != "skip"`, []Assignment{
		{"identifier", "a"},
		{"text", map[string]any{"column": "b", "empty": "keep"}},
		{"integer", "b"},
		{"decimal", map[string]any{"lookup": "t", "by": []any{"a"}, "column": "v", "decimal": "1.234,56", "required": true}},
		{"money", map[string]any{"expr": "decimal(b) / decimal(a)", "default": "0"}},
		{"boolean", map[string]any{"column": "a", "true": []any{"J"}, "false": []any{"12"}}},
		{"date", map[string]any{"column": "b", "date": []any{"DD.MM.YYYY", "YYYYMMDD"}}},
		{"reference", map[string]any{"column": "a", "values": map[string]any{"J": "x", "": "none"}, "otherwise": map[string]any{"value": "y"}}},
		{"list", map[string]any{"column": "b", "split": "."}},
		{"localised.de", map[string]any{"constant": "c"}},
	}, []string{"t"})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	p, errs := m.Bind(header, map[string]*Table{"t": table})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return p, header
}

// cell is what stands in one cell of a generated source.
type cell struct {
	text string
	kind connectors.Kind
}

func anyCells() *rapid.Generator[cell] {
	return rapid.Custom(func(t *rapid.T) cell {
		return cell{
			rapid.SampledFrom([]string{"", " ", "0017", "12", " 12 ", "J", "skip", "0", "21.11.2026", "20261121", "4.00638E+12", "1,5", "ä", "[\"x\"]"}).Draw(t, "text"),
			rapid.SampledFrom([]connectors.Kind{connectors.TextCell, connectors.TextCell, connectors.TextCell, connectors.NumberCell, connectors.AbsentCell}).Draw(t, "kind"),
		}
	})
}

func batchOf(header []string, rows [][]cell) *connectors.Batch {
	b := connectors.NewTextBuilder(header)
	for i, row := range rows {
		for column, c := range row {
			value := []byte(c.text)
			if c.kind == connectors.AbsentCell || c.text == "" {
				value = nil
			}
			b.Cell(column, value, c.kind)
		}
		b.EndRow(int64(i + 2))
	}
	return b.Build()
}

// outcome renders what became of one row, to compare it.
func outcome(rows *schemas.Batch, findings []schemas.Rejection, skipped []int32, row int) []string {
	var out []string
	for i, c := range rows.Columns {
		text, ok := rows.Text(i, row)
		out = append(out, fmt.Sprint(c.Name, " ", text, ok, rows.IsAbsent(i, row)))
	}
	for _, f := range findings {
		// Reported once for a batch, so that it stands in one of its rows.
		if f.Row == row && f.Rule != "numeric_identifier" {
			f.Row = 0
			out = append(out, fmt.Sprint(f))
		}
	}
	for _, s := range skipped {
		out = append(out, fmt.Sprint("skipped ", int(s) == row))
	}
	rows.Each(func(selected int) bool {
		if selected == row {
			out = append(out, "selected")
		}
		return true
	})
	return out
}

// TestRowsDoNotDependOnEachOther holds that a row becomes the same alone, in a
// batch, and in a part of a batch that Arrow has sliced.
func TestRowsDoNotDependOnEachOther(t *testing.T) {
	p, header := anyMapping(t)
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.SliceOfN(anyCells(), 2, 2), 1, 20).Draw(t, "rows")
		whole := batchOf(header, rows)
		mapped, findings, skipped, err := p.Map(whole)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			want := withoutOtherSkips(outcome(mapped, findings, skipped, i))
			alone, f, s, err := p.Map(batchOf(header, [][]cell{row}))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, withoutOtherSkips(outcome(alone, f, s, 0))); diff != "" {
				t.Fatalf("row %v differs alone:\n%s", row, diff)
			}
			slice := &connectors.Batch{Rows: whole.Rows.NewSlice(int64(i), int64(i+1))}
			for _, kinds := range whole.Kinds {
				if kinds != nil {
					kinds = kinds[i : i+1]
				}
				slice.Kinds = append(slice.Kinds, kinds)
			}
			sliced, f, s, err := p.Map(slice)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, withoutOtherSkips(outcome(sliced, f, s, 0))); diff != "" {
				t.Fatalf("row %v differs in a slice:\n%s", row, diff)
			}
		}
	})
}

// withoutOtherSkips drops what is said of other rows.
func withoutOtherSkips(lines []string) []string {
	var kept []string
	for _, line := range lines {
		if line != "skipped false" {
			kept = append(kept, line)
		}
	}
	return kept
}

// TestAccounting holds what a run counts by: every row is selected, skipped or
// rejected, and nothing is found in a row that was skipped.
func TestAccounting(t *testing.T) {
	p, header := anyMapping(t)
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOfN(rapid.SliceOfN(anyCells(), 2, 2), 0, 40).Draw(rt, "rows")
		mapped, findings, skipped, err := p.Map(batchOf(header, rows))
		if err != nil {
			rt.Fatal(err)
		}
		holdInvariants(t, mapped, findings, skipped)
		isSkipped := map[int]bool{}
		for _, row := range skipped {
			isSkipped[int(row)] = true
		}
		for _, f := range findings {
			if isSkipped[f.Row] {
				rt.Fatalf("row %d was skipped and has %v", f.Row, f)
			}
		}
		for i, row := range rows {
			skip := row[0].text == "skip" && row[0].kind != connectors.AbsentCell || row[1].text == "skip" && row[1].kind != connectors.AbsentCell
			if skip != isSkipped[i] {
				rt.Fatalf("row %d, %v, is skipped: %v", i, row, isSkipped[i])
			}
		}
	})
}

// TestInputIsNotChanged holds that mapping leaves the batch as it was read,
// since rejected rows are kept in that form.
func TestInputIsNotChanged(t *testing.T) {
	p, header := anyMapping(t)
	rows := [][]cell{{{" 12 ", 0}, {"x", 0}}, {{"4.00638E+12", 0}, {"", connectors.AbsentCell}}, {{"skip", 0}, {"1,5", connectors.NumberCell}}}
	b, untouched := batchOf(header, rows), batchOf(header, rows)
	if _, _, _, err := p.Map(b); err != nil {
		t.Fatal(err)
	}
	for i := range header {
		if got, want := fmt.Sprint(b.Rows.Column(i)), fmt.Sprint(untouched.Rows.Column(i)); got != want {
			t.Errorf("column %s was %s and now is %s", header[i], want, got)
		}
	}
	if diff := cmp.Diff(untouched.Kinds, b.Kinds); diff != "" {
		t.Error(diff)
	}
}
