package inventory

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/commerce"
	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

// A stock is what callers of the service use, near or far.
type stock interface {
	servicetest.Backend
	Availability(ctx context.Context, q AvailabilityQuery) (AvailabilityAnswer, error)
}

// contract runs a test against the service and against its client, each with a
// service of its own.
func contract(t *testing.T, test func(t *testing.T, s stock)) {
	t.Helper()
	t.Run("service", func(t *testing.T) {
		storetest.Each(t, func(t *testing.T, place store.Place) { test(t, open(t, place)) })
	})
	t.Run("client", func(t *testing.T) {
		storetest.Each(t, func(t *testing.T, place store.Place) {
			s := open(t, place)
			test(t, Dial(servicetest.Serve(t, s)))
		})
	})
}

func wantError(t *testing.T, err error, code commerce.Code, text string) {
	t.Helper()
	e, ok := errors.AsType[*commerce.Error](err)
	if !ok || e.Code != code || e.Error() != text {
		t.Errorf("error %v (%s), want %s (%s)", err, commerce.CodeOf(err), text, code)
	}
}

func TestServiceAndClientDoTheSame(t *testing.T) {
	contract(t, func(t *testing.T, s stock) {
		servicetest.Deliver(t, s,
			servicetest.Case{Entity: "warehouse", Want: "1/0", Lines: []string{"warehouse|name", "DE|Hamburg"}},
			servicetest.Case{
				Entity: "stock_level", Want: "1/0 out_of_date@1.as_of reference@2.warehouse",
				Lines: []string{
					"sku|warehouse|on_hand|as_of", "A|DE|1.5|2026-11-21T05:00:00.000001Z", "A|DE|2|2026-11-20T05:00:00Z",
					"A|XX|2|" + servicetest.Null,
				},
			},
		)
		known, err := s.Known(t.Context(), "warehouse", []string{"DE", "XX"})
		if diff := cmp.Diff([]bool{true, false}, known); diff != "" || err != nil {
			t.Error(diff, err)
		}
		asOf := now().Add(-60 * 60 * 1e9).Add(1000)
		answer, err := s.Availability(t.Context(), AvailabilityQuery{SKUs: []commerce.SKU{"A", "B"}})
		total := Total{Unit: "C62", OnHand: 1_500_000}
		want := AvailabilityAnswer{
			Items: []Availability{{
				SKU: "A", Totals: []Total{total}, Warehouses: []Level{{Warehouse: "DE", Name: "Hamburg", Total: total, AsOf: &asOf}},
			}},
			Missing: []commerce.SKU{"B"},
		}
		if diff := cmp.Diff(want, answer); diff != "" || err != nil {
			t.Error(diff, err)
		}
		_, err = s.Availability(t.Context(), AvailabilityQuery{SKUs: []commerce.SKU{"A"}, Warehouse: "XX"})
		wantError(t, err, commerce.NotFound, "query.warehouse: there is no warehouse XX")
	})
}

func TestRowsAreReadAsTheyAre(t *testing.T) {
	contract(t, func(t *testing.T, s stock) {
		servicetest.Deliver(t, s,
			servicetest.Case{Entity: "warehouse", Want: "1/0", Lines: []string{"warehouse|name", "DE|Hamburg"}},
			servicetest.Case{Entity: "stock_level", Want: "1/0", Lines: []string{"sku|warehouse|on_hand|as_of", "A|DE|1.5|2026-11-21T05:00:00.000001Z"}},
		)
		got, next := servicetest.Read(t, s, schemas.RowsRequest{Entity: "stock_level"})
		want := []string{"sku|warehouse|on_hand|unit|as_of", "A|DE|1.5|C62|2026-11-21T05:00:00.000001Z"}
		if diff := cmp.Diff(want, got); diff != "" || next != 2 {
			t.Errorf("sequence %d, %s", next, diff)
		}
	})
}

func TestAnOlderFigureMayBePutBack(t *testing.T) {
	contract(t, func(t *testing.T, s stock) {
		deliver := func(run, entity string, lines ...string) {
			t.Helper()
			o, err := s.Apply(t.Context(), schemas.BatchID{Run: run, Seq: 1}, servicetest.Lines(t, entity, lines...))
			if err != nil || o.Applied != len(lines)-1 {
				t.Fatalf("%+v, %v", o, err)
			}
		}
		deliver("0", "warehouse", "warehouse|name", "DE|Hamburg")
		deliver("1", "stock_level", "sku|warehouse|on_hand|as_of", "A|DE|1.5|2026-11-21T05:00:00Z")
		deliver("2", "stock_level", "sku|warehouse|on_hand|as_of", "A|DE|0|2026-11-22T05:00:00Z", "B|DE|0|2026-11-22T05:00:00Z")
		request := schemas.RevertRequest{Entity: "stock_level", Run: "2"}
		applied := 0
		for seq := int64(1); ; seq++ {
			some, err := s.Revert(t.Context(), schemas.BatchID{Run: "back", Seq: seq}, request)
			if err != nil {
				t.Fatal(err)
			}
			applied += some.Applied
			if request.From = some.Next; request.From == "" {
				break
			}
		}
		got, _ := servicetest.Read(t, s, schemas.RowsRequest{Entity: "stock_level"})
		want := []string{"sku|warehouse|on_hand|unit|as_of", "A|DE|1.5|C62|2026-11-21T05:00:00Z"}
		if diff := cmp.Diff(want, got); diff != "" || applied != 2 {
			t.Errorf("%d rows, %s", applied, diff)
		}
	})
}

func TestAppliedRowsArePutBack(t *testing.T) {
	contract(t, func(t *testing.T, s stock) {
		servicetest.PutBack(t, s, "warehouse", "name", "warehouse|name", "BE|Berlin")
	})
}
