package inventory

import (
	"flag"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"crossdock/commerce"
	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

var _ = flag.Bool("update", false, "write the answers to testdata")

// shop returns a service with a few warehouses and levels.
func shop(t testing.TB, place store.Place) *Service {
	t.Helper()
	s := open(t, place)
	apply(t, s, "warehouses", "warehouse", "warehouse|name|status", "DE|Hamburg|active", "FR|Lyon|active", "XX|Closed|inactive")
	outcome := apply(t, s, "levels", "stock_level", "sku|warehouse|on_hand|unit|as_of",
		"A|DE|120|C62|2026-11-21T05:00:00Z", "A|FR|0.5|C62|"+servicetest.Null, "A|XX|7|C62|"+servicetest.Null,
		"B|DE|1|C62|"+servicetest.Null, "B|FR|2.25|KGM|"+servicetest.Null,
		"C|DE|0|C62|"+servicetest.Null, "D|XX|5|C62|"+servicetest.Null)
	if outcome != "7/0" {
		t.Fatal(outcome)
	}
	return s
}

func TestAnswersAreThoseOnFile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		servicetest.Golden(t, shop(t, place).Handler(),
			"/v1/availability?sku=B&sku=A&sku=Z",
			"/v1/availability?sku=A&warehouse=none",
			"/v1/availability",
			"/v1/availability?sku=",
			"/v1/availability?sku=A&warehose=DE",
		)
	})
}

func TestQuantitiesAreSummedByUnit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		h := shop(t, place).Handler()
		for _, tt := range []struct{ query, want string }{
			{"sku=A", "A=[120.5 C62] in DE FR"},
			{"sku=A&warehouse=FR", "A=[0.5 C62] in FR"},
			{"sku=A&sku=A", "A=[120.5 C62] in DE FR"},
			{"sku=B", "B=[1 C62 2.25 KGM] in DE FR"},
			{"sku=C", "C=[0 C62] in DE"},
			{"sku=D", "no D"},
			{"sku=Z&sku=C", "C=[0 C62] in DE, no Z"},
		} {
			var answer AvailabilityAnswer
			if status, _ := servicetest.Get(t, h, "/v1/availability?"+tt.query, &answer); status != http.StatusOK {
				t.Errorf("%s: status %d", tt.query, status)
			}
			var list []string
			for _, a := range answer.Items {
				var totals, places []string
				for _, total := range a.Totals {
					totals = append(totals, total.OnHand.String()+" "+total.Unit)
				}
				for _, l := range a.Warehouses {
					places = append(places, l.Warehouse)
				}
				list = append(list, fmt.Sprintf("%s=%v in %s", a.SKU, totals, strings.Join(places, " ")))
			}
			for _, sku := range answer.Missing {
				list = append(list, "no "+string(sku))
			}
			if got := strings.Join(list, ", "); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.query, got, tt.want)
			}
		}
	})
}

func TestASumThatIsTooLargeIsAnErrorAndNoWrongNumber(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		apply(t, s, "1", "warehouse", "warehouse|name", "DE|Hamburg", "FR|Lyon")
		apply(t, s, "2", "stock_level", "sku|warehouse|on_hand", "A|DE|999999999999", "A|FR|1")
		_, err := s.Availability(t.Context(), AvailabilityQuery{SKUs: []commerce.SKU{"A"}})
		if err == nil || !strings.Contains(err.Error(), schemas.ErrTooLarge.Error()) {
			t.Errorf("error %v", err)
		}
	})
}
