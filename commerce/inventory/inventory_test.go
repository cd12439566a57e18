package inventory

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

func TestApplyKeepsStockTrue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		const older, newer, newest = "2026-11-20T06:00:00Z", "2026-11-21T06:00:00Z", "2026-11-22T06:00:00Z"
		for i, tt := range []struct {
			name, entity string
			lines        []string
			want         string
		}{
			{"warehouses", "warehouse", []string{"warehouse|name", "DE|Hamburg", "FR|Lyon"}, "2/0"},
			{"levels", "stock_level", []string{"sku|warehouse|on_hand|as_of", "A|DE|5|" + newer, "A|XX|5|" + newer, "A|FR|-1|" + newer, "B|DE|0|" + servicetest.Null}, "2/0 reference@1.warehouse constraint@2."},
			{"an older figure", "stock_level", []string{"sku|warehouse|on_hand|as_of", "A|DE|7|" + older, "B|DE|1|" + older}, "1/0 out_of_date@0.as_of"},
			{"the same moment", "stock_level", []string{"sku|warehouse|on_hand|as_of", "A|DE|6|" + newer}, "1/0"},
			{"a newer figure", "stock_level", []string{"sku|warehouse|on_hand|as_of", "A|DE|4|" + newest}, "1/0"},
			{"a figure without a date", "stock_level", []string{"sku|warehouse|on_hand", "A|DE|3"}, "1/0"},
			{"the same again", "stock_level", []string{"sku|warehouse|on_hand", "A|DE|3"}, "0/1"},
			{"a warehouse with stock is deleted", "warehouse", []string{"warehouse|deleted", "DE|true", "FR|true"}, "1/0 referenced@0.warehouse"},
			{"stock is deleted", "stock_level", []string{"sku|warehouse|deleted", "A|DE|true", "B|DE|true"}, "2/0"},
			{"then the warehouse goes", "warehouse", []string{"warehouse|deleted", "DE|true"}, "1/0"},
		} {
			if got := apply(t, s, string(rune('a'+i)), tt.entity, tt.lines...); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
		}
	})
}

func TestAnOldFigureSaysWhichIsKnown(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		apply(t, s, "1", "warehouse", "warehouse|name", "DE|Hamburg")
		apply(t, s, "2", "stock_level", "sku|warehouse|on_hand|as_of", "A|DE|5|2026-11-21T06:00:00Z")
		o, err := s.Plan(t.Context(), servicetest.Lines(t, "stock_level", "sku|warehouse|on_hand|as_of", "A|DE|6|2026-11-20T06:00:00Z"))
		if err != nil {
			t.Fatal(err)
		}
		want := schemas.Rejection{
			Field: "as_of", Rule: "out_of_date", Severity: schemas.Reject, Value: "2026-11-20T06:00:00Z",
			Message: "is older than 2026-11-21T06:00:00Z, for which the quantity is known already",
		}
		if len(o.Rejected) != 1 || o.Rejected[0] != want {
			t.Errorf("rejected %+v, want %+v", o.Rejected, want)
		}
	})
}
