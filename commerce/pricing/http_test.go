package pricing

import (
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crossdock/commerce"
	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

var _ = flag.Bool("update", false, "write the answers to testdata")

// shop returns a service with a few lists and prices.
func shop(t testing.TB, place store.Place) *Service {
	t.Helper()
	s := open(t, place)
	const null = servicetest.Null
	apply(t, s, "lists", "price_list", "list|name.en|currency|status", "eu|Europe|EUR|active", "us|America|USD|active", "old|Old|EUR|inactive")
	outcome := apply(t, s, "prices", "price",
		"sku|list|unit|min_quantity|valid_from|valid_to|amount|currency|price_unit",
		"A|eu|"+null+"|1|"+null+"|"+null+"|12.5|EUR|"+null,
		"A|eu|"+null+"|10|"+null+"|"+null+"|11|EUR|1",
		"A|eu|"+null+"|10|2026-11-01T00:00:00Z|2026-12-01T00:00:00Z|9.99|EUR|1",
		"A|eu|"+null+"|100|2027-01-01T00:00:00Z|"+null+"|8|EUR|1",
		"A|eu|KGM|0.5|"+null+"|"+null+"|3.123456|EUR|100",
		"A|us|"+null+"|1|"+null+"|"+null+"|14|USD|1",
		"B|old|"+null+"|1|"+null+"|"+null+"|1|EUR|1",
		"C|eu|"+null+"|50|"+null+"|"+null+"|2|EUR|1",
		"D|eu|"+null+"|1|2027-01-01T00:00:00Z|"+null+"|2|EUR|1",
	)
	if outcome != "9/0" {
		t.Fatal(outcome)
	}
	return s
}

func TestAnswersAreThoseOnFile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		servicetest.Golden(t, shop(t, place).Handler(),
			"/v1/prices?sku=A&list=eu&quantity=10",
			"/v1/prices?sku=B&sku=C&sku=D&sku=E&sku=B",
			"/v1/prices?sku=A&list=none",
			"/v1/prices",
			"/v1/prices?sku=A&quantity=0",
			"/v1/prices?sku=A&quantity=1,5",
			"/v1/prices?sku=A&at=yesterday",
			"/v1/prices?sku=A&lst=eu",
			"/v1/prices?sku=",
		)
	})
}

// amounts asks for prices and writes list, unit, quantity and amount of each,
// or why there is none.
func amounts(t testing.TB, h http.Handler, query string) string {
	t.Helper()
	var answer PriceAnswer
	if status, _ := servicetest.Get(t, h, "/v1/prices?"+query, &answer); status != http.StatusOK {
		t.Fatalf("%s: status %d", query, status)
	}
	var list []string
	for _, p := range answer.Items {
		list = append(list, fmt.Sprintf("%s %s/%s/%s=%s", p.SKU, p.List, p.Unit, p.MinQuantity, p.Amount))
	}
	for _, m := range answer.Missing {
		list = append(list, fmt.Sprintf("%s:%s", m.SKU, m.Reason))
	}
	return strings.Join(list, ", ")
}

func TestTheRightPriceIsChosen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		h := shop(t, place).Handler()
		for _, tt := range []struct{ query, want string }{
			{"sku=A&list=eu&unit=C62", "A eu/C62/1=12.5"},
			{"sku=A&list=eu&unit=C62&quantity=9.999999", "A eu/C62/1=12.5"},
			{"sku=A&list=eu&unit=C62&quantity=10", "A eu/C62/10=9.99"},
			{"sku=A&list=eu&unit=C62&quantity=10&at=2026-10-31T23:59:59Z", "A eu/C62/10=11"},
			{"sku=A&list=eu&unit=C62&quantity=10&at=2026-11-01", "A eu/C62/10=9.99"},
			{"sku=A&list=eu&unit=C62&quantity=10&at=2026-11-30T23:59:59.999999Z", "A eu/C62/10=9.99"},
			{"sku=A&list=eu&unit=C62&quantity=10&at=2026-12-01", "A eu/C62/10=11"},
			{"sku=A&list=eu&unit=C62&quantity=10&at=2026-12-01T00:30:00%2B01:00", "A eu/C62/10=9.99"},
			{"sku=A&list=eu&unit=C62&quantity=1000", "A eu/C62/10=9.99"},
			{"sku=A&list=eu&unit=C62&quantity=1000&at=2027-01-01", "A eu/C62/100=8"},
			{"sku=A&list=eu", "A eu/C62/1=12.5, A eu/KGM/0.5=3.123456"},
			{"sku=A&unit=C62", "A eu/C62/1=12.5, A us/C62/1=14"},
			{"sku=A&list=us&sku=C", "A us/C62/1=14, C:no_price"},
			{"sku=A&list=eu&unit=MTR", "A:other_unit"},
			{"sku=A&list=eu&unit=KGM&quantity=0.4", "A:below_min_quantity"},
			{"sku=B", "B:list_inactive"},
			{"sku=C&quantity=49", "C:below_min_quantity"},
			{"sku=D", "D:not_valid"},
			{"sku=E", "E:no_price"},
		} {
			if got := amounts(t, h, tt.query); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.query, got, tt.want)
			}
		}
	})
}

// TestRandomPricesAreChosenAsTheRuleSays holds the choice against the rule
// written out naively.
func TestRandomPricesAreChosenAsTheRuleSays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		apply(t, s, "lists", "price_list", "list|currency", "x|EUR")
		run := 0
		rapid.Check(t, func(r *rapid.T) {
			run++
			sku := fmt.Sprintf("P%d", run)
			type row struct{ min, from, to, amount int }
			day := func(d int) string {
				return time.Date(2026, 1, 1+d, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
			}
			var rows []row
			var cells [][]string
			for i := range rapid.IntRange(0, 8).Draw(r, "rows") {
				w := row{
					min: rapid.IntRange(1, 3).Draw(r, "min"), from: rapid.IntRange(0, 4).Draw(r, "from"), amount: i + 1,
				}
				w.to = w.from + rapid.IntRange(1, 4).Draw(r, "days")
				rows = slices.DeleteFunc(rows, func(o row) bool { return o.min == w.min && o.from == w.from }) // replaced: the same key
				rows = append(rows, w)
				cells = append(cells, []string{sku, "x", fmt.Sprint(w.min), day(w.from), day(w.to), fmt.Sprint(w.amount), "EUR"})
			}
			header := []string{"sku", "list", "min_quantity", "valid_from", "valid_to", "amount", "currency"}
			if _, err := s.Apply(t.Context(), schemas.BatchID{Run: sku, Seq: 1}, servicetest.Rows(r, "price", header, cells)); err != nil {
				r.Fatal(err)
			}
			quantity, at := rapid.IntRange(1, 4).Draw(r, "quantity"), rapid.IntRange(0, 8).Draw(r, "at")
			best := row{}
			for _, w := range rows {
				if w.min <= quantity && w.from <= at && at < w.to && (w.min > best.min || w.min == best.min && w.from > best.from) {
					best = w
				}
			}
			moment, _ := time.Parse(time.RFC3339, day(at))
			answer, err := s.Prices(t.Context(), PriceQuery{
				SKUs: []commerce.SKU{commerce.SKU(sku)}, List: "x", Quantity: schemas.Decimal(quantity * 1_000_000), At: moment,
			})
			if err != nil {
				r.Fatal(err)
			}
			got := 0
			if len(answer.Items) > 0 {
				got = int(answer.Items[0].Amount / 1_000_000)
			}
			if got != best.amount {
				r.Fatalf("of %v, for %d on day %d: %d, want %d", rows, quantity, at, got, best.amount)
			}
		})
	})
}
