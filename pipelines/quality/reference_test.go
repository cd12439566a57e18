package quality

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// For all trees, forests and tangles of parents, cut into batches anyhow: a
// row passes if its parent is known to the target, passed in an earlier batch,
// or passes in this one; and of two rows with the same key one passes at most.
func TestEveryRowThatPassesRestsOnAnother(t *testing.T) {
	e := entity(t, "category")
	mapped := columns(t, e, "category", "parent", "status")
	spec := map[string]any{"reference": "parent"}
	rapid.Check(t, func(rt *rapid.T) {
		key := rapid.SampledFrom([]string{"A", "B", "C", "D", "E", "F", "G"})
		x := &target{keys: map[string][]string{"category": {"OLD"}}}
		check := compile(t, "category", mapped, spec).Start(x)
		passed := map[string]bool{"OLD": true}
		for range rapid.IntRange(1, 4).Draw(rt, "batches") {
			var rows []map[string]any
			for range rapid.IntRange(0, 10).Draw(rt, "rows") {
				row := map[string]any{"category": key.Draw(rt, "key"), "status": rapid.SampledFrom([]string{"active", "active", "wrong"}).Draw(rt, "status")}
				if parent := rapid.OneOf(key, rapid.SampledFrom([]string{"OLD", "NONE", ""})).Draw(rt, "parent"); parent != "" {
					row["parent"] = parent
				}
				rows = append(rows, row)
			}
			b := batch(t, e, mapped, rows)
			found, err := check.Batch(t.Context(), b, rowNumber)
			if err != nil {
				rt.Fatal(err)
			}
			Accept(b, found)
			before := len(passed)
			b.Each(func(row int) bool {
				name := rows[row]["category"].(string)
				if passed[name] && name != "OLD" {
					rt.Fatalf("%s passes twice in %v", name, rows)
				}
				passed[name] = true
				return true
			})
			if len(passed)-before != b.Count() {
				rt.Fatalf("%d rows pass, %d keys", b.Count(), len(passed)-before)
			}
			b.Each(func(row int) bool {
				if parent, ok := rows[row]["parent"].(string); ok && !passed[parent] {
					rt.Fatalf("row %d of %v passes without its parent", row, rows)
				}
				return true
			})
		}
	})
}

// A chain whose root falls takes all of it along, whatever its order.
func TestAChainFallsWithItsRoot(t *testing.T) {
	e := entity(t, "category")
	mapped := columns(t, e, "category", "parent")
	const links = 300
	for _, reversed := range []bool{false, true} {
		for _, root := range []any{nil, "NONE"} {
			rows := make([]map[string]any, links)
			for i := range rows {
				row := map[string]any{"category": fmt.Sprint(i), "parent": fmt.Sprint(i - 1)}
				if i == 0 {
					row["parent"] = root
				}
				at := i
				if reversed {
					at = links - 1 - i
				}
				rows[at] = row
			}
			check := compile(t, "category", mapped, map[string]any{"reference": "parent"}).Start(&target{})
			found, err := check.Batch(t.Context(), batch(t, e, mapped, rows), rowNumber)
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			if root != nil {
				want = links
			}
			if len(found) != want {
				t.Errorf("reversed %t, root %v: %d rows fall, want %d", reversed, root, len(found), want)
			}
		}
	}
}

// A reference that only warns does not take the row, or those that rest on it.
func TestAWarningKeepsTheChain(t *testing.T) {
	e := entity(t, "category")
	mapped := columns(t, e, "category", "parent")
	check := compile(t, "category", mapped, map[string]any{"reference": "parent", "severity": "warn"}).Start(&target{})
	b := batch(t, e, mapped, []map[string]any{
		{"category": "A", "parent": "B"}, {"category": "B", "parent": "NONE"}, {"category": "C", "parent": "C"},
	})
	found, err := check.Batch(t.Context(), b, rowNumber)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, one := range found {
		got = append(got, sentence(2, one))
	}
	want := []string{
		`row 3: parent "NONE" names no category that exists (reference, warn)`,
		`row 4: parent "C" is the row itself (reference, warn)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if Accept(b, found); b.Count() != 3 {
		t.Errorf("%d rows are left", b.Count())
	}
}
