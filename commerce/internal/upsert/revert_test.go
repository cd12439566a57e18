package upsert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

// putBack takes all steps of putting back a run, each twice as after a crash.
func putBack(tb servicetest.TB, e *Engine, by, run, entity string) schemas.Reverted {
	tb.Helper()
	var all schemas.Reverted
	request := schemas.RevertRequest{Entity: entity, Run: run}
	for seq := int64(1); ; seq++ {
		id := schemas.BatchID{Run: by, Seq: seq}
		some, err := e.Revert(context.Background(), id, request)
		if err != nil {
			tb.Fatal(err)
		}
		again, err := e.Revert(context.Background(), id, request)
		if diff := cmp.Diff(some, again); err != nil || diff != "" {
			tb.Fatal(err, diff)
		}
		all.Add(some)
		if request.From = some.Next; request.From == "" {
			return all
		}
	}
}

func tryBack(tb servicetest.TB, e *Engine, run, entity string) schemas.Reverted {
	tb.Helper()
	answer, err := e.Revert(context.Background(), schemas.BatchID{}, schemas.RevertRequest{Entity: entity, Run: run, DryRun: true})
	if err != nil {
		tb.Fatal(err)
	}
	return answer
}

// touched returns the keys that the last change was about.
func touched(t *testing.T, e *Engine) map[string]bool {
	keys := map[string]bool{}
	for _, key := range query(t, e, `SELECT sku FROM product, change_sequence WHERE changed_seq = value`) {
		keys[key] = true
	}
	for _, text := range query(t, e, `SELECT key FROM tombstone, change_sequence WHERE seq = value`) {
		var key string
		if err := json.Unmarshal([]byte(text), &key); err != nil {
			t.Fatal(err)
		}
		keys[key] = true
	}
	return keys
}

// Whatever two runs have done to the same rows one after another: the first is
// put back where the second has not been, and that is put back in turn.
func TestARunIsPutBackWhereNothingNewerHasChangedIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		header := []string{"sku", "name.de", "name.en", "brand", "attributes.a", "attributes.b", "deleted"}
		iteration := 0
		rapid.Check(t, func(r *rapid.T) {
			iteration++
			empty(r, e, "product", "change", "pre_image", "tombstone", "applied_batch")
			deliver := func(run string) map[string]bool {
				all := map[string]bool{}
				for n := range rapid.IntRange(1, 3).Draw(r, run+" batches") {
					rows := make([][]string, rapid.IntRange(1, 5).Draw(r, "rows"))
					for i := range rows {
						rows[i] = []string{rapid.SampledFrom([]string{"A", "B", "C", `"D`}).Draw(r, "sku")}
						for _, name := range header[1:6] {
							rows[i] = append(rows[i], rapid.SampledFrom([]string{"x", "y", null, absent}).Draw(r, name))
						}
						rows[i] = append(rows[i], rapid.SampledFrom([]string{"true", "false", "false"}).Draw(r, "deleted"))
					}
					id := schemas.BatchID{Run: fmt.Sprint(run, iteration), Seq: int64(n + 1)}
					outcome, err := e.Apply(t.Context(), id, servicetest.Rows(r, "product", header, rows))
					if err != nil {
						r.Fatal(err)
					}
					if outcome.Applied > 0 {
						maps.Copy(all, touched(t, e))
					}
				}
				return all
			}
			deliver("base")
			before := stored(t, e)
			first := deliver("first")
			after := stored(t, e)
			second := map[string]bool{}
			if rapid.Bool().Draw(r, "another run") {
				second = deliver("second")
			}
			now := stored(t, e)
			want, kept := maps.Clone(now), 0
			for key := range first {
				if second[key] {
					kept++
					continue
				}
				delete(want, key)
				if row, there := before[key]; there {
					want[key] = row
				}
			}
			run := fmt.Sprint("first", iteration)
			if len(first) == 0 {
				_, err := e.Revert(t.Context(), schemas.BatchID{}, schemas.RevertRequest{Entity: "product", Run: run})
				if !errors.Is(err, schemas.ErrHistoryGone) {
					r.Fatal("a run that has changed nothing: ", err)
				}
				return
			}
			planned := tryBack(r, e, run, "product")
			if diff := cmp.Diff(now, stored(t, e)); diff != "" {
				r.Fatal("a dry run has written: ", diff)
			}
			got := putBack(r, e, run+"-back", run, "product")
			if diff := cmp.Diff(want, stored(t, e)); diff != "" {
				r.Fatalf("put back: %s\nbefore %v\nafter %v\nnow %v", diff, before, after, now)
			}
			if diff := cmp.Diff(planned, got); diff != "" {
				r.Fatal("planned and done: ", diff)
			}
			// What the run has both created and deleted leaves nothing to put back.
			if got.KeptRows > kept || got.Applied+got.Unchanged+got.KeptRows > len(first) {
				r.Fatalf("%d rows were changed and %d again: %+v", len(first), kept, got)
			}
			if len(second) == 0 && got.KeptRows > 0 {
				r.Fatalf("kept %+v", got.Kept)
			}
			if again := putBack(r, e, run+"-again", run, "product"); again.Applied > 0 || again.KeptRows != got.KeptRows {
				r.Fatalf("the second time: %+v, the first: %+v", again, got)
			}
			if got.Applied == 0 {
				return
			}
			if third := putBack(r, e, run+"-forth", run+"-back", "product"); third.Applied != got.Applied || third.KeptRows > 0 {
				r.Fatalf("back and forth: %+v and %+v", got, third)
			}
			if diff := cmp.Diff(now, stored(t, e)); diff != "" {
				r.Fatal("back and forth: ", diff)
			}
		})
	})
}

func TestWhatIsPutBackIsSaidByName(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place, Table{Entity: entity(t, "price")}, Table{Entity: entity(t, "category"), Judge: tree, Ordered: true})
		const header = "sku|list|amount|currency|deleted"
		for run, lines := range [][]string{
			{header, "A|eu|1|EUR|false", "B|eu|1|EUR|false", "C|eu|1|EUR|false", "D|eu|1|EUR|false"},
			{header, "A|eu|2|EUR|false", "B|eu|2|EUR|false", "C|eu|2|EUR|true", "D|eu|2|EUR|true", "E|eu|2|EUR|false", "F|eu|2|EUR|false"},
			{header, "B|eu|3|EUR|false", "D|eu|3|EUR|false", "F|eu|3|EUR|false"},
		} {
			apply(t, e, fmt.Sprint(run), servicetest.Lines(t, "price", lines...))
		}
		got := putBack(t, e, "back", "1", "price")
		since := func(sku string) schemas.Kept {
			return schemas.Kept{Key: sku + " / eu / C62 / 1 / 0001-01-01T00:00:00Z", Reason: schemas.ChangedSince, By: "2", Message: "was changed since by run 2"}
		}
		want := schemas.Reverted{
			Outcome:  schemas.Outcome{Applied: 3, Created: 1, Updated: 1, Deleted: 1},
			KeptRows: 3, Kept: []schemas.Kept{since("B"), since("D"), since("F")},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		rows := query(t, e, `SELECT sku, amount FROM price ORDER BY sku`)
		if diff := cmp.Diff([]string{"A|1000000", "B|3000000", "C|1000000", "D|3000000", "F|3000000"}, rows); diff != "" {
			t.Error(diff)
		}
		events := query(t, e, `SELECT type, data FROM outbox WHERE data LIKE '%"batch":"back/%' ORDER BY position`)
		if len(events) != 2 {
			t.Errorf("events %q", events)
		}
		// The source sends the same as before the run: nothing has to be read.
		b := servicetest.Lines(t, "price", header, "A|eu|1|EUR|false", "C|eu|1|EUR|false")
		if again := apply(t, e, "0 again", b); again.Unchanged != 2 {
			t.Errorf("the same once more: %+v", again)
		}
		hash := query(t, e, `SELECT count(*) FROM price WHERE row_hash = `+fmt.Sprint(int64(b.Hashes()[0])))
		if hash[0] != "1" {
			t.Error("the hash of the row is not the one that it had")
		}
	})
}

func TestWhatTheServiceRefusesToPutBackIsSaid(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place, Table{Entity: entity(t, "category"), Judge: tree, Ordered: true})
		apply(t, e, "one", servicetest.Lines(t, "category", "category|name.en|parent", "a|A|"+null, "b|B|a", "c|C|"+null))
		apply(t, e, "two", servicetest.Lines(t, "category", "category|name.en|parent", "d|D|c"))
		got := putBack(t, e, "back", "one", "category")
		want := []schemas.Kept{{Key: "c", Reason: schemas.Refused, Message: "category has others below it"}}
		if diff := cmp.Diff(want, got.Kept); diff != "" || got.Applied != 2 || got.Deleted != 2 {
			t.Errorf("%+v %s", got, diff)
		}
	})
}

// A run that has changed a row to and fro has left it as it was: put back, the
// row stays, and is not taken for one that the run has created.
func TestARowThatARunHasChangedToAndFroStays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		header := []string{"sku", "name.en", "brand"}
		apply(t, e, "before", servicetest.Rows(t, "product", header, [][]string{{"A", "first", "x"}}))
		before := stored(t, e)
		apply(t, e, "fro", servicetest.Rows(t, "product", header, [][]string{{"A", "second", "x"}, {"A", "first", "x"}}))
		got := putBack(t, e, "back", "fro", "product")
		if diff := cmp.Diff(before, stored(t, e)); diff != "" || got.KeptRows > 0 {
			t.Errorf("%+v %s", got, diff)
		}
	})
}
