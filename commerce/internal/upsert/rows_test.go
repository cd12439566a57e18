package upsert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

// Whatever batches have done to a table, it is read as the model has it; and
// who follows the changes from any moment on holds the same in the end.
func TestRowsAreWhatTheModelHolds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		header := []string{"sku", "name.de", "name.en", "brand", "deleted"}
		e := openEngineAt(t, place)
		run := 0
		rapid.Check(t, func(r *rapid.T) {
			run++
			empty(r, e, "product", "change", "pre_image", "tombstone")
			held, follower := model{}, map[string]string{}
			after := int64(0)
			for n := range rapid.IntRange(1, 5).Draw(r, "batches") {
				rows := make([][]string, rapid.IntRange(1, 6).Draw(r, "rows"))
				for i := range rows {
					rows[i] = []string{
						rapid.SampledFrom([]string{"A", "B", "C", `"D`}).Draw(r, "sku"),
						rapid.SampledFrom([]string{"eins", null, absent}).Draw(r, "name.de"),
						rapid.SampledFrom([]string{"one", null, absent}).Draw(r, "name.en"),
						rapid.SampledFrom([]string{"x", "y", null, absent}).Draw(r, "brand"),
						rapid.SampledFrom([]string{"true", "false", "false"}).Draw(r, "deleted"),
					}
				}
				held.apply(header, rows)
				if _, err := e.Apply(t.Context(), schemas.BatchID{Run: fmt.Sprint(run), Seq: int64(n + 1)}, servicetest.Rows(r, "product", header, rows)); err != nil {
					r.Fatal(err)
				}
				if rapid.Bool().Draw(r, "follow") {
					after = follow(r, e, after, follower)
				}
			}
			follow(r, e, after, follower)
			want := map[string]string{}
			for sku, row := range held {
				want[sku] = row["name.de"] + "|" + row["name.en"] + "|" + row["brand"]
			}
			if diff := cmp.Diff(want, follower); diff != "" {
				r.Fatal(diff)
			}
		})
	})
}

// follow brings a copy of the products after what has changed.
func follow(r *rapid.T, e *Engine, after int64, products map[string]string) int64 {
	request := schemas.RowsRequest{Entity: "product", Columns: []string{"name.de", "name.en", "brand"}, After: after}
	var keys []string
	next, err := e.Rows(r.Context(), request, func(b *schemas.Batch) error {
		deleted := b.Index(schemas.DeletedField)
		b.Each(func(row int) bool {
			key := b.KeyText(row)
			if deleted >= 0 {
				delete(products, key)
				return true
			}
			keys = append(keys, key)
			products[key] = strings.ReplaceAll(strings.Join(strings.Split(servicetest.Text(b)[row+1], "|")[1:], "|"), null, "")
			return true
		})
		return nil
	})
	if err != nil || !slices.IsSorted(keys) {
		r.Fatal(err, keys)
	}
	return next
}

func TestRowsAreOneMomentInBoundedBatches(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		lines := []string{"sku|name.en"}
		for i := range rowsPerRead + 10 {
			lines = append(lines, "A"+strings.Repeat("0", i%3)+string(rune('a'+i%26))+time.Duration(i).String()+"|Anchor")
		}
		apply(t, e, "one", servicetest.Lines(t, "product", lines...))
		var sizes []int
		next, err := e.Rows(t.Context(), schemas.RowsRequest{Entity: "product", Columns: []string{"name"}}, func(b *schemas.Batch) error {
			sizes = append(sizes, b.Count())
			apply(t, e, "two", servicetest.Lines(t, "product", "sku|name.fr", "Z|Zange")) // must not be seen
			return nil
		})
		if diff := cmp.Diff([]int{rowsPerRead, 10}, sizes); diff != "" || next != 1 || err != nil {
			t.Errorf("sequence %d, %v, sizes %s", next, err, diff)
		}
		long := strings.Repeat("x", bytesPerRead/2)
		apply(t, e, "three", servicetest.Lines(t, "product", "sku|name.en", "Z1|"+long, "Z2|"+long, "Z3|"+long))
		sizes = nil
		if _, err := e.Rows(t.Context(), schemas.RowsRequest{Entity: "product", Where: map[string]string{"name.en": long}}, func(b *schemas.Batch) error {
			sizes = append(sizes, b.Count())
			return nil
		}); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]int{2, 1}, sizes); diff != "" {
			t.Errorf("sizes of long texts: %s", diff)
		}
	})
}

func TestHistoryIsKeptForAMonth(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		now := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
		e := openEngineAt(t, place)
		e.clock = func() time.Time { return now }
		apply(t, e, "one", servicetest.Lines(t, "product", "sku|name.en", "A|Anchor", "B|Bolt"))
		apply(t, e, "two", servicetest.Lines(t, "product", "sku|deleted", "A|true"))
		now = now.Add(20 * 24 * time.Hour)
		apply(t, e, "three", servicetest.Lines(t, "product", "sku|deleted", "B|true"))
		now = now.Add(20 * 24 * time.Hour)
		apply(t, e, "four", servicetest.Lines(t, "product", "sku|name.en", "C|Clamp"))
		if _, err := e.Rows(t.Context(), schemas.RowsRequest{Entity: "product", After: 1}, nil); !errors.Is(err, schemas.ErrHistoryGone) {
			t.Errorf("after a change that is forgotten: %v", err)
		}
		lines, _ := servicetest.Read(t, e, schemas.RowsRequest{Entity: "product", Columns: []string{}, After: 2})
		if diff := cmp.Diff([]string{"sku", "C", "sku|deleted", "B|true"}, lines); diff != "" {
			t.Errorf("after the last that is forgotten: %s", diff)
		}
		got := query(t, e, "SELECT seq, run FROM change UNION ALL SELECT seq, key FROM tombstone ORDER BY 1, 2")
		if diff := cmp.Diff([]string{`3|"B"`, "3|three", "4|four"}, got); diff != "" {
			t.Error(diff)
		}
	})
}
