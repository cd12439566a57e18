package pricing

import (
	"log/slog"
	"os"
	"testing"
	"time"

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

func TestApplyHoldsPricesToTheirLists(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		for i, tt := range []struct {
			name, entity string
			lines        []string
			want         string
		}{
			{"lists", "price_list", []string{"list|currency", "eu|EUR", "us|USD", "empty|EUR"}, "3/0"},
			{"prices", "price", []string{"sku|list|amount|currency", "A|eu|1|EUR", "A|us|1|EUR", "A|xx|1|EUR", "B|us|2|USD"}, "2/0 list_currency@1.currency reference@2.list"},
			{"an update in another currency", "price", []string{"sku|list|currency", "A|eu|USD"}, "0/0 list_currency@0.currency"},
			{"a list with prices changes its currency", "price_list", []string{"list|currency", "eu|USD", "empty|USD"}, "1/0 list_currency@0.currency"},
			{"a list with prices is deleted", "price_list", []string{"list|deleted", "eu|true", "empty|true"}, "1/0 referenced@0.list"},
			{"prices are deleted", "price", []string{"sku|list|deleted", "A|eu|true", "Z|eu|true"}, "1/1"},
			{"then the list goes", "price_list", []string{"list|deleted", "eu|true"}, "1/0"},
			{"a period that ends before it begins", "price", []string{"sku|list|amount|currency|valid_from|valid_to", "B|us|2|USD|2026-02-01T00:00:00Z|2026-01-01T00:00:00Z"}, "0/0 constraint@0."},
		} {
			if got := apply(t, s, string(rune('a'+i)), tt.entity, tt.lines...); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
		}
	})
}

func TestRefusalsAreClausesThatSayWhatToDo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		apply(t, s, "1", "price_list", "list|currency", "eu|EUR")
		o, err := s.Plan(t.Context(), servicetest.Lines(t, "price", "sku|list|amount|currency", "A|eu|1|USD", "A|xx|1|EUR"))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []schemas.Rejection{
			{Row: 0, Field: "currency", Rule: "list_currency", Severity: schemas.Reject, Value: "USD", Message: "is not EUR, the currency of the list eu"},
			{Row: 1, Field: "list", Rule: "reference", Severity: schemas.Reject, Value: "xx", Message: "is no price list: import that one first, or correct the code"},
		} {
			if o.Rejected[i] != want {
				t.Errorf("rejection %+v, want %+v", o.Rejected[i], want)
			}
		}
		if known, err := s.Known(t.Context(), "price_list", []string{"eu", "xx"}); err != nil || !known[0] || known[1] {
			t.Errorf("known = %v, %v", known, err)
		}
	})
}
