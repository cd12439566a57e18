package catalog

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

func TestMain(m *testing.M) { os.Exit(storetest.With(m).Run()) }

// now is the time of every test.
func now() time.Time { return time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC) }

func open(tb testing.TB, place store.Place) *Service {
	tb.Helper()
	s, err := New(tb.Context(), Config{Store: place, Clock: now, Log: slog.New(slog.NewTextHandler(tb.Output(), nil))})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// apply applies lines as a batch of their own and returns the outcome in short.
func apply(tb testing.TB, s *Service, run, entity string, lines ...string) string {
	tb.Helper()
	o, err := s.Apply(tb.Context(), schemas.BatchID{Run: run, Seq: 1}, servicetest.Lines(tb, entity, lines...))
	if err != nil {
		tb.Fatal(err)
	}
	return servicetest.Summary(o)
}

func TestApplyKeepsCategoriesATree(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		for i, tt := range []struct {
			name, entity string
			lines        []string
			want         string
		}{
			{"children before parents", "category", []string{"category|name.en|parent", "c|C|b", "b|B|a", "a|A|" + servicetest.Null, "x|X|y"}, "3/0 reference@3.parent"},
			{"below itself", "category", []string{"category|name.en|parent", "d|D|d"}, "0/0 cycle@0.parent"},
			{"a circle", "category", []string{"category|parent", "a|c"}, "0/0 cycle@0.parent"},
			{"moved", "category", []string{"category|parent", "c|a"}, "1/0"},
			{"the root with others below", "category", []string{"category|deleted", "a|true"}, "0/0 referenced@0.category"},
			{"a wrong status", "category", []string{"category|status", "a|gone"}, "0/0 constraint@0."},
			{"the whole tree", "category", []string{"category|deleted", "a|true", "b|true", "c|true"}, "3/0"},
		} {
			if got := apply(t, s, string(rune('a'+i)), tt.entity, tt.lines...); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
		}
	})
}

func TestHoldersSeeTheBatchBefore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		apply(t, s, "1", "product", "sku|name.en|gtin|mpn", "A|a|4006381333931|m1", "B|b|4006381333948|m2")
		holders := func(field string, values ...string) []string {
			t.Helper()
			got, err := s.Holders(t.Context(), "product", field, values)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if diff := cmp.Diff([]string{"B", "", "A"}, holders("gtin", "4006381333948", "x", "4006381333931")); diff != "" {
			t.Error(diff)
		}
		apply(t, s, "2", "product", "sku|gtin|deleted", "A|"+servicetest.Absent+"|true", "B|4006381333931|false")
		if diff := cmp.Diff([]string{"", "B"}, holders("gtin", "4006381333948", "4006381333931")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"B"}, holders("mpn", "m2")); diff != "" {
			t.Error(diff)
		}
	})
}

// found returns the SKUs that a search for words finds.
func found(tb testing.TB, s *Service, words string) []string {
	tb.Helper()
	page, err := s.Products(tb.Context(), ProductQuery{Words: words, Status: "all", Limit: 5000})
	if err != nil {
		tb.Fatal(err)
	}
	var list []string
	for _, p := range page.Items {
		list = append(list, string(p.SKU))
	}
	slices.Sort(list)
	return list
}

func TestTheIndexesFollowTheProducts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		for i, tt := range []struct {
			lines []string
			words string
			want  []string
		}{
			{[]string{"sku|name.en|name.de|brand", "A|Hexagon bolt|Schraube|Acme", "B|Nut|Mutter|Acme"}, "schraub", []string{"A"}},
			{[]string{"sku|name.de", "B|Schraubenmutter"}, "schraub", []string{"A", "B"}},
			{[]string{"sku|deleted", "A|true"}, "schraub", []string{"B"}},
			{[]string{"sku|name.en|name.de", "A|Größe|x", "C|x|grosse"}, "grosse", []string{"C"}},
			{[]string{"sku|brand", "B|" + servicetest.Null}, "acme", nil},
		} {
			apply(t, s, fmt.Sprint(i), "product", tt.lines...)
			if err := s.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, found(t, s, tt.words)); diff != "" {
				t.Errorf("step %d: %s", i, diff)
			}
		}
	})
}

func TestIndexingIsBoundedAndResumes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		var rows [][]string
		for i := range 1250 {
			rows = append(rows, []string{fmt.Sprintf("K%04d", i), "Bolt"})
		}
		if _, err := s.Apply(t.Context(), schemas.BatchID{Run: "1", Seq: 1}, servicetest.Rows(t, "product", []string{"sku", "name.en"}, rows)); err != nil {
			t.Fatal(err)
		}
		part := s.searchIndex()
		part.rows = 500 // in place of thousands
		for _, want := range []int{500, 1000, 1250, 1250} {
			if _, err := s.step(t.Context(), part); err != nil {
				t.Fatal(err)
			}
			if got := len(found(t, s, "bolt")); got != want {
				t.Errorf("%d products are searchable, want %d", got, want)
			}
		}
		// Another process finds the facets still to do.
		other := open(t, place)
		for i, want := range []bool{true, false} {
			more, err := other.step(t.Context(), facets())
			if err != nil {
				t.Fatal(err)
			}
			if i == 1 && more != want {
				t.Errorf("more = %v, want %v", more, want)
			}
		}
		if n, _, err := store.First(t.Context(), s.db.Read(), scanInt, `SELECT count(*) FROM product_facet`); err != nil || n != 1250 {
			t.Errorf("%d facets, %v; want 1250", n, err)
		}
	})
}

func TestRunIndexesWhatAnyProcessApplies(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s, other := open(t, place), open(t, place)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		for i, applier := range []*Service{s, other} {
			apply(t, applier, fmt.Sprint(i), "product", "sku|name.en", fmt.Sprintf("P%d|Bolt", i))
			deadline := time.Now().Add(5 * time.Second)
			for len(found(t, s, "bolt")) != i+1 {
				if time.Now().After(deadline) {
					t.Fatalf("product %d is not found", i)
				}
				time.Sleep(5 * time.Millisecond)
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
