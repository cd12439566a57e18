package upsert

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

// TestKeysOfSeveralPartsAreFoundWhateverTheyHold applies random batches of
// prices, whose keys have texts, quantities and defaults, and holds outcome and
// table to a map. What keys hold is what could confuse the question or its answer.
func TestKeysOfSeveralPartsAreFoundWhateverTheyHold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		text := rapid.SampledFrom([]string{"A", "B", "A B", `A"`, "A'", "A\nB", "A\x1e", "\b", "ä", "\\"})
		quantity := rapid.SampledFrom([]string{"1", "1.000001", "10", null})
		amount := rapid.SampledFrom([]string{"5", "6", "6.000001"})
		e := openEngineAt(t, place)
		rapid.Check(t, func(r *rapid.T) {
			empty(r, e, "price", "applied_batch", "change", "pre_image")
			want := map[string]string{}
			for i := range rapid.IntRange(1, 5).Draw(r, "batches") {
				// A list that all rows share stands in the question and not in the answer.
				lists := rapid.SliceOfN(text, 1, 3).Draw(r, "lists")
				var rows [][]string
				counts := [2]int{}
				for range rapid.IntRange(0, 30).Draw(r, "rows") {
					row := []string{
						text.Draw(r, "sku"), rapid.SampledFrom(lists).Draw(r, "list"), quantity.Draw(r, "from"), amount.Draw(r, "amount"), "EUR",
					}
					rows = append(rows, row)
					from := row[2]
					if from == null {
						from = "1"
					}
					key := fmt.Sprintf("%q %q %s", row[0], row[1], from)
					if want[key] == row[3] {
						counts[1]++
					} else {
						counts[0]++
					}
					want[key] = row[3]
				}
				e.tables["price"].insertFirst = rapid.Bool().Draw(r, "insert first")
				b := servicetest.Rows(r, "price", []string{"sku", "list", "min_quantity", "amount", "currency"}, rows)
				got, err := e.Apply(t.Context(), schemas.BatchID{Run: "r", Seq: int64(i + 1)}, b)
				if err != nil {
					r.Fatal(err)
				}
				if len(got.Rejected) > 0 || got.Applied != counts[0] || got.Unchanged != counts[1] {
					r.Fatalf("batch %d: %+v, want %d applied and %d unchanged", i, got, counts[0], counts[1])
				}
			}
			stored := map[string]string{}
			for row := range tablePrices(t, e) {
				stored[row[0]] = row[1]
			}
			if diff := cmp.Diff(want, stored); diff != "" {
				r.Fatal(diff)
			}
		})
	})
}

// tablePrices yields the key and the amount of each stored price.
func tablePrices(t *testing.T, e *Engine) func(func([2]string) bool) {
	t.Helper()
	return func(yield func([2]string) bool) {
		rows, err := e.db.Read().QueryContext(t.Context(), `SELECT sku, list, min_quantity, amount FROM price`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var sku, list string
			var from, amount int64
			if err := rows.Scan(&sku, &list, &from, &amount); err != nil {
				t.Fatal(err)
			}
			key := fmt.Sprintf("%q %q %s", sku, list, schemas.Decimal(from))
			if !yield([2]string{key, schemas.Decimal(amount).String()}) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
}
