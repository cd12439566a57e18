package quality

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/schemas"
)

// drawPrices makes rows of a few groups, so that many of them clash.
func drawPrices(t *rapid.T) []map[string]any {
	days := []string{"2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) map[string]any {
		from := rapid.IntRange(0, 2).Draw(t, "from")
		return map[string]any{
			"sku": rapid.SampledFrom([]string{"A", "B"}).Draw(t, "sku"), "list": "L",
			"min_quantity": rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "quantity"),
			"amount":       strconv.Itoa(rapid.IntRange(1, 4).Draw(t, "amount") * 100),
			"price_unit":   rapid.SampledFrom([]string{"1", "100"}).Draw(t, "per"),
			"valid_from":   days[from], "valid_to": days[rapid.IntRange(from+1, 3).Draw(t, "to")],
		}
	}), 0, 40).Draw(t, "rows")
}

// wrongPrices is the model: every row against all rows before it that passed.
func wrongPrices(rows []map[string]any) map[int]bool {
	number := func(row map[string]any, name string) int { n, _ := strconv.Atoi(row[name].(string)); return n }
	each := func(row map[string]any) int { return number(row, "amount") * 100 / number(row, "price_unit") }
	text := func(row map[string]any, name string) string { return row[name].(string) }
	has := map[string]bool{}
	for _, row := range rows {
		if text(row, "min_quantity") == "1" {
			has[text(row, "sku")] = true
		}
	}
	wrong := map[int]bool{}
	for i, row := range rows {
		wrong[i] = !has[text(row, "sku")]
		for j, before := range rows[:i] {
			if wrong[j] || text(row, "sku") != text(before, "sku") {
				continue
			}
			sameQuantity := number(row, "min_quantity") == number(before, "min_quantity")
			overlaps := text(row, "valid_from") < text(before, "valid_to") && text(before, "valid_from") < text(row, "valid_to")
			sameBegin := text(row, "valid_from") == text(before, "valid_from")
			rises := (number(row, "min_quantity")-number(before, "min_quantity"))*(each(row)-each(before)) > 0
			wrong[i] = wrong[i] || sameQuantity && overlaps || sameBegin && rises
		}
	}
	return wrong
}

// Whatever the batches are, and however little is kept in memory, the rows
// that fall are those of the model.
func TestGroupsOfAnyBatches(t *testing.T) {
	e := entity(t, "price")
	mapped := columns(t, e, "sku", "list", "min_quantity", "amount", "price_unit", "valid_from", "valid_to")
	rules := compile(t, "price", mapped, map[string]any{"tiers": "amount"}, map[string]any{"no_overlap": []any{"valid_from", "valid_to"}},
		map[string]any{"group_has": "min_quantity", "value": "1", "group": "sku"})
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		rows := drawPrices(rt)
		// A tier for 1 that falls is none, which the model leaves out.
		for sku, first := range map[string]int{"A": 0, "B": 1} {
			if len(rows) > 1 {
				rows[first]["sku"], rows[first]["min_quantity"] = sku, "1"
			}
		}
		var cuts []int
		for left := len(rows); left > 0; {
			n := rapid.IntRange(1, left).Draw(rt, "batch")
			cuts, left = append(cuts, n), left-n
		}
		limit := rapid.IntRange(1, 10).Draw(rt, "limit")
		var survey *Survey
		var got map[int]bool
		for range 2 {
			check := rules.Start(nil)
			check.Spill(func() (Scratch, error) { return os.CreateTemp(dir, "scratch") })
			for _, g := range check.groups {
				g.seen.limit = limit
			}
			if survey != nil {
				check.Know(survey)
			}
			got = map[int]bool{}
			first := 0
			for _, n := range cuts {
				found, err := check.Batch(t.Context(), batch(t, e, mapped, rows[first:first+n]), rowNumber)
				if err != nil {
					rt.Fatal(err)
				}
				for _, one := range found {
					got[first+one.Row] = true
				}
				first += n
			}
			var err error
			if survey, err = check.Survey(t.Context()); err != nil {
				rt.Fatal(err)
			}
		}
		want := wrongPrices(rows)
		for i := range rows {
			if want[i] != got[i] {
				rt.Fatalf("row %d of %v: falls: %t, want %t", i, rows, got[i], want[i])
			}
		}
	})
}

// A group that is no group is told, and not compared for ever.
func TestGroupsAreBounded(t *testing.T) {
	e := entity(t, "price")
	mapped := columns(t, e, "sku", "list", "min_quantity", "amount")
	check := compile(t, "price", mapped, map[string]any{"tiers": "amount", "group": "list"}).Start(nil)
	rows := make([]map[string]any, 4_000)
	for i := range rows {
		rows[i] = map[string]any{"sku": fmt.Sprint(i), "list": "L", "min_quantity": "1", "amount": "1"}
	}
	var err error
	batches := 0
	for err == nil && batches < 5 {
		for i := range rows {
			rows[i]["sku"] = fmt.Sprint(batches, "-", i)
		}
		batches++
		_, err = check.Batch(t.Context(), batch(t, e, mapped, rows), rowNumber)
	}
	want := "the rule tiers of amount compares the rows of the same list, but more than 10000 have the same: name more fields in its group"
	if err == nil || err.Error() != want {
		t.Errorf("after %d batches: error %v, want %s", batches, err, want)
	}
}

func TestProductsAreComparedExactly(t *testing.T) {
	for _, tt := range []struct {
		a, b, c, d int64
		want       int
	}{
		{1, 1, 2, 1, -1},
		{3, 1000, 3000, 1, 0},
		{999_999_999_999_999_999, 1000, 999_999_999_999_999_998, 1001, -1},
		{-999_999_999_999_999_999, 1000, -999_999_999_999_999_998, 1001, 1},
		{-1, 100, 1, 1, -1},
		{1, 100, -1, 1, 1},
		{0, 100, 0, 1, 0},
	} {
		if got := compareProducts(tt.a, tt.b, tt.c, tt.d); got != tt.want {
			t.Errorf("%d·%d with %d·%d: %d, want %d", tt.a, tt.b, tt.c, tt.d, got, tt.want)
		}
	}
}

// What cannot be kept or read is an error of the run, and says so.
func TestScratchOfGroupsThatFails(t *testing.T) {
	e := entity(t, "price")
	mapped := columns(t, e, "sku", "list", "min_quantity", "amount")
	check := compile(t, "price", mapped, map[string]any{"tiers": "amount"}).Start(nil)
	check.Spill(func() (Scratch, error) { return nil, os.ErrPermission })
	check.groups[0].seen.limit = 1
	rows := []map[string]any{{"sku": "A", "list": "L", "min_quantity": "1", "amount": "1"}, {"sku": "B", "list": "L", "min_quantity": "1", "amount": "1"}}
	_, err := check.Batch(t.Context(), batch(t, e, mapped, rows), rowNumber)
	if err == nil || !strings.Contains(err.Error(), "keep the rows of the run on disk: permission denied") {
		t.Errorf("error %v", err)
	}
}

func TestRulesOverGroupsAreDescribed(t *testing.T) {
	e := entity(t, "price")
	rules := compile(t, "price", columns(t, e, "sku", "list", "min_quantity", "amount"), map[string]any{"tiers": "amount"})
	all := rules.Describe()
	got := all[len(all)-1]
	want := Description{
		Name: "tiers", Field: "amount", Fields: []string{"amount", "min_quantity", "sku", "list"}, Severity: schemas.Reject,
		Doc: "the unit price does not rise with min_quantity",
	}
	if diff := cmp.Diff(want, got); diff != "" || rules.LooksAhead() {
		t.Errorf("looks ahead: %t, -want +got\n%s", rules.LooksAhead(), diff)
	}
}
