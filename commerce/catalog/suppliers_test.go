package catalog

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

// TestSuppliersAndAttributesOfCategories takes in what stands beside the
// products, and reads it back.
func TestSuppliersAndAttributesOfCategories(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		for _, tt := range []struct {
			run, entity string
			lines       []string
			want        string
		}{
			{"1", "supplier", []string{
				"supplier|name|rating|accounts|attributes.incoterm|status", `S1|Rhône|4.5|["K1"]|DAP|active`, "S2|Sud|" + null + "|" + null + "|" + null + "|inactive",
				"S3|Nord|5.000001|" + null + "|" + null + "|active",
			}, "2/0 constraint@2."},
			{"2", "supplier", []string{"supplier|status", "S2|active", "S1|active"}, "1/1"},
			{"3", "category_attribute", []string{"category|attribute|mandatory", "screws|thread|true", "screws|colour|" + null}, "2/0"},
			{"4", "category_attribute", []string{"category|attribute|faceted", "screws|colour|true"}, "1/0"},
		} {
			if got := apply(t, s, tt.run, tt.entity, tt.lines...); got != tt.want {
				t.Errorf("batch %s: %s, want %s", tt.run, got, tt.want)
			}
		}
		got, _ := servicetest.Read(t, s, schemas.RowsRequest{Entity: "category_attribute"})
		want := []string{
			"category|attribute|enabled|mandatory|of_variants|indexable|faceted|searchable|sortable",
			"screws|colour|true|false|false|false|true|false|false", "screws|thread|true|true|false|false|false|false|false",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
