package pricing

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

// A pricer is what callers of the service use, near or far.
type pricer interface {
	servicetest.Backend
	Prices(ctx context.Context, q PriceQuery) (PriceAnswer, error)
}

// contract runs a test against the service and against its client, each with a
// service of its own.
func contract(t *testing.T, test func(t *testing.T, s pricer)) {
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
	contract(t, func(t *testing.T, s pricer) {
		servicetest.Deliver(t, s,
			servicetest.Case{Entity: "price_list", Want: "1/0", Lines: []string{"list|currency", "eu|EUR"}},
			servicetest.Case{
				Entity: "price", Want: "2/0 list_currency@2.currency", Selected: []int32{0, 1, 2},
				Lines: []string{
					"sku|list|amount|currency|min_quantity|valid_from|price_unit",
					"A|eu|1.234567|EUR|1|2026-01-01T00:00:00Z|100", "A|eu|1|EUR|0.5|" + servicetest.Null + "|" + servicetest.Absent,
					"B|eu|1|USD|1|" + servicetest.Null + "|1", "C|eu|1|EUR|1|" + servicetest.Null + "|1",
				},
			},
		)
		known, err := s.Known(t.Context(), "price_list", []string{"eu", "us"})
		if diff := cmp.Diff([]bool{true, false}, known); diff != "" || err != nil {
			t.Error(diff, err)
		}
		answer, err := s.Prices(t.Context(), PriceQuery{SKUs: []commerce.SKU{"A", "C"}, List: "eu", Quantity: 2_000_000})
		from := now().AddDate(0, -10, -20).Add(-6 * 60 * 60 * 1e9)
		want := PriceAnswer{
			At: now(),
			Items: []Price{{
				SKU: "A", List: "eu", Unit: "C62", Currency: "EUR",
				Tier: Tier{MinQuantity: 1_000_000, Amount: 1_234_567, PriceUnit: 100, ValidFrom: &from},
				Tiers: []Tier{
					{MinQuantity: 500_000, Amount: 1_000_000, PriceUnit: 1},
					{MinQuantity: 1_000_000, Amount: 1_234_567, PriceUnit: 100, ValidFrom: &from},
				},
			}},
			Missing: []Missing{{"C", "no_price"}},
		}
		if diff := cmp.Diff(want, answer); diff != "" || err != nil {
			t.Error(diff, err)
		}
		answer, err = s.Prices(t.Context(), PriceQuery{SKUs: []commerce.SKU{"A"}, Unit: "C62", At: from.Add(-1), Quantity: schemas.Decimal(600_000)})
		if err != nil || len(answer.Items) != 1 || answer.Items[0].Amount != 1_000_000 {
			t.Errorf("prices %+v, %v", answer, err)
		}
		_, err = s.Prices(t.Context(), PriceQuery{SKUs: []commerce.SKU{"A"}, List: "us"})
		wantError(t, err, commerce.NotFound, "query.list: there is no price list us")
	})
}

func TestRowsAreReadAsTheyAre(t *testing.T) {
	contract(t, func(t *testing.T, s pricer) {
		const header = "sku|list|unit|min_quantity|valid_from|valid_to|amount|currency|price_unit"
		servicetest.Deliver(t, s,
			servicetest.Case{Entity: "price_list", Want: "1/0", Lines: []string{"list|currency", "eu|EUR"}},
			servicetest.Case{Entity: "price", Want: "2/0", Lines: []string{
				"sku|list|min_quantity|valid_from|amount|currency", "A|eu|0.5|" + servicetest.Null + "|1|EUR", "A|eu|1|2026-01-01T00:00:00.5Z|1.234567|EUR",
			}},
			servicetest.Case{Entity: "price", Want: "2/0", Lines: []string{
				"sku|list|min_quantity|valid_from|amount|deleted", "A|eu|1|2026-01-01T00:00:00.5Z|" + servicetest.Absent + "|true",
				"A|eu|0.5|" + servicetest.Null + "|2|false",
			}},
		)
		got, next := servicetest.Read(t, s, schemas.RowsRequest{Entity: "price", After: 2, Where: map[string]string{"list": "eu"}})
		want := []string{
			header, "A|eu|C62|0.5|0001-01-01T00:00:00Z|" + servicetest.Null + "|2|EUR|1",
			"sku|list|unit|min_quantity|valid_from|deleted", "A|eu|C62|1|2026-01-01T00:00:00.5Z|true",
		}
		if diff := cmp.Diff(want, got); diff != "" || next != 3 {
			t.Errorf("sequence %d, %s", next, diff)
		}
	})
}

func TestAppliedRowsArePutBack(t *testing.T) {
	contract(t, func(t *testing.T, s pricer) {
		servicetest.PutBack(t, s, "price_list", "currency", "list|name.en|currency", "sale|Sale|SEK")
	})
}
