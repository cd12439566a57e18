package upsert

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

// differences writes what rows would change as "row kind column old>new ...".
func differences(list []schemas.Difference) []string {
	text := func(s *string) string {
		if s == nil {
			return null
		}
		return *s
	}
	var lines []string
	for _, d := range list {
		parts := []string{fmt.Sprint(d.Row), d.Kind}
		for _, f := range d.Fields {
			parts = append(parts, f.Column+" "+text(f.Old)+">"+text(f.New))
		}
		lines = append(lines, strings.Join(parts, " "))
	}
	return lines
}

func TestADiffSaysWhatEveryRowWouldChange(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place, Table{Entity: entity(t, "price"), Judge: refuseKey("D")},
			Table{Entity: entity(t, "product")})
		apply(t, e, "prices", servicetest.Lines(t, "price", "sku|list|amount|currency|valid_from|valid_to",
			"A|eu|1.5|EUR|2026-01-01T00:00:00Z|2027-01-01T00:00:00Z", "B|eu|2|EUR|"+null+"|"+null))
		apply(t, e, "products", servicetest.Lines(t, "product", "sku|name.en|name.de|brand", "A|Anchor|Anker|Acme", "B|Bolt|Bolzen|"+null))
		for _, tt := range []struct {
			entity string
			lines  []string
			want   []string
		}{
			{"price", []string{
				"sku|list|amount|currency|valid_from|valid_to|deleted",
				"A|eu|1.75|EUR|2026-01-01T00:00:00Z|" + null + "|false", "B|eu|2|EUR|" + null + "|" + null + "|false",
				"C|eu|-1|EUR|" + null + "|" + null + "|false", // breaks a constraint
				"D|eu|1|EUR|" + null + "|" + null + "|false",  // refused by the judge
				"E|eu|3|EUR|" + null + "|" + null + "|false", "B|eu|" + absent + "|" + absent + "|" + null + "|" + absent + "|true",
			}, []string{
				"0 update valid_to 2027-01-01T00:00:00Z><null> amount 1.5>1.75",
				"4 create sku <null>>E list <null>>eu unit <null>>C62 min_quantity <null>>1 valid_from <null>>0001-01-01T00:00:00Z amount <null>>3 currency <null>>EUR price_unit <null>>1",
				"5 delete sku B><null> list eu><null> unit C62><null> min_quantity 1><null> valid_from 0001-01-01T00:00:00Z><null> amount 2><null> currency EUR><null> price_unit 1><null>",
			}},
			{
				"product",
				[]string{"sku|name.en|name.de|name.fr|brand", "A|Anchor|" + null + "|Ancre|Acme", "B|Nut|Bolzen|" + absent + "|" + absent},
				[]string{"0 update name.de Anker><null> name.fr <null>>Ancre", "1 update name.en Bolt>Nut"},
			},
		} {
			b := servicetest.Lines(t, tt.entity, tt.lines...)
			outcome, list, err := e.Diff(t.Context(), b)
			if diff := cmp.Diff(tt.want, differences(list)); diff != "" || err != nil {
				t.Errorf("%s: %v %s", tt.entity, err, diff)
			}
			applied, err := e.Apply(t.Context(), schemas.BatchID{Run: "after", Seq: 1}, b)
			if diff := cmp.Diff(applied, outcome); diff != "" || err != nil {
				t.Errorf("%s: %v %s", tt.entity, err, diff)
			}
			if applied.Created+applied.Updated+applied.Deleted != applied.Applied {
				t.Errorf("%s: the kinds of %+v do not add up", tt.entity, applied)
			}
		}
	})
}

// refuseKey returns a judge that refuses what concerns a key.
func refuseKey(key string) func(*store.Conn) (Judge, error) {
	return func(*store.Conn) (Judge, error) {
		return func(c *Change) (*Refusal, error) {
			if c.New != nil && c.New[0] == key {
				return &Refusal{Field: "sku", Rule: "refused", Message: "is not wanted"}, nil
			}
			return nil, nil
		}, nil
	}
}
