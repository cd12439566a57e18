package catalog

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crossdock/commerce"
	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/internal/web"
	"crossdock/schemas"
)

// A catalogue is what callers of the service use, near or far.
type catalogue interface {
	servicetest.Backend
	Product(ctx context.Context, sku commerce.SKU, lang string) (Product, error)
	Products(ctx context.Context, q ProductQuery) (ProductPage, error)
	Categories(ctx context.Context, q CategoryQuery) (CategoryPage, error)
}

// contract runs a test against the service and against its client, each with a
// service of its own.
func contract(t *testing.T, test func(t *testing.T, s catalogue)) {
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
	contract(t, func(t *testing.T, s catalogue) {
		servicetest.Deliver(t, s,
			servicetest.Case{
				Entity: "category", Want: "2/0 reference@3.parent", Selected: []int32{0, 2, 3},
				Lines: []string{"category|name.en|parent|position", "b|B|a|1", "skipped|S|" + null + "|1", "a|A|" + null + "|2", "c|C|x|3"},
			},
			servicetest.Case{
				Entity: "product", Want: "2/0",
				Lines: []string{"sku|name.en|gtin|category|weight|status", "A/1|Anchor|4006381333931|b|2.500001|active", "B|Bolt|" + null + "|a|" + absent + "|draft"},
			},
			servicetest.Case{Entity: "product", Want: "1/1", Lines: []string{"sku|weight|deleted", "A/1|" + absent + "|false", "B|" + null + "|true"}},
			servicetest.Case{Entity: "product", Want: "0/0", Selected: []int32{}, Lines: []string{"sku|weight", "A/1|1"}},
		)
		known, err := s.Known(t.Context(), "product", []string{"A/1", "B", ""})
		if diff := cmp.Diff([]bool{true, false, false}, known); diff != "" || err != nil {
			t.Error(diff, err)
		}
		holders, err := s.Holders(t.Context(), "product", "gtin", []string{"x", "4006381333931"})
		if diff := cmp.Diff([]string{"", "A/1"}, holders); diff != "" || err != nil {
			t.Error(diff, err)
		}
		if _, err := s.Known(t.Context(), "price", nil); err == nil {
			t.Error("the catalogue knows prices")
		}

		p, err := s.Product(t.Context(), "A/1", "fr")
		if err != nil || p.Name != "Anchor" || p.Weight.String() != "2.500001" || p.Version() != "2" {
			t.Errorf("product %+v of version %s, %v", p, p.Version(), err)
		}
		_, err = s.Product(t.Context(), "none", "")
		wantError(t, err, commerce.NotFound, "there is no product none")
		_, err = s.Product(t.Context(), "A/1", "!")
		wantError(t, err, commerce.Invalid, `query.lang: "!" is not a language tag such as de or fr-CA`)

		page, err := s.Products(t.Context(), ProductQuery{Category: "a", Limit: 1, Status: "all"})
		if diff := cmp.Diff(ProductPage{Items: []Product{p}}, page, cmpopts.IgnoreUnexported(Product{})); diff != "" || err != nil {
			t.Error(diff, err)
		}
		_, err = s.Products(t.Context(), ProductQuery{Cursor: "x"})
		if p, ok := errors.AsType[web.Problem](err); !ok || p.Status() != http.StatusBadRequest {
			t.Errorf("error %v", err)
		}
		categories, err := s.Categories(t.Context(), CategoryQuery{Parent: "a"})
		if err != nil || len(categories.Items) != 1 || categories.Items[0].Category != "b" || *categories.Items[0].Position != 1 {
			t.Errorf("categories %+v, %v", categories, err)
		}
		_, err = s.Categories(t.Context(), CategoryQuery{Parent: "x"})
		wantError(t, err, commerce.Invalid, "query.parent: there is no category x")
	})
}

func TestRowsAreReadAsTheyAre(t *testing.T) {
	contract(t, func(t *testing.T, s catalogue) {
		servicetest.Deliver(t, s,
			servicetest.Case{
				Entity: "product", Want: "3/0", Lines: []string{
					"sku|name.en|name.de|attributes.colour|attributes.supplier|weight|images",
					"B|Bolt|Bolzen|" + absent + "|acme|0.000001|[\"a.png\"]", "A/1|Anchor|" + null + "|" + null + "|" + null + "|" + null + "|" + null,
					"C|Clamp|" + null + "|red|acme|12|" + null,
				},
			},
			servicetest.Case{Entity: "product", Want: "2/0", Lines: []string{"sku|brand|deleted", "B|" + absent + "|true", "C|Acme|false"}},
			servicetest.Case{Entity: "product", Want: "1/0", Lines: []string{"sku|name.en", "B|Bolt"}},
			servicetest.Case{Entity: "product", Want: "1/0", Lines: []string{"sku|deleted", "A/1|true"}},
		)
		for _, tt := range []struct {
			name    string
			request schemas.RowsRequest
			want    []string
		}{
			{"all of some fields", schemas.RowsRequest{Columns: []string{"name", "attributes.colour", "status", "weight"}}, []string{
				"sku|name.en|weight|attributes.colour|status", "B|Bolt|" + null + "|" + null + "|active", "C|Clamp|12|red|active",
			}},
			{"in a scope", schemas.RowsRequest{Columns: []string{}, Where: map[string]string{"attributes.supplier": "acme", "status": "active", "weight": "12.0"}}, []string{"sku", "C"}},
			{"in an empty scope", schemas.RowsRequest{Where: map[string]string{"brand": "Zeta"}}, nil},
			{"after the creation", schemas.RowsRequest{Columns: []string{"brand"}, After: 1}, []string{
				"sku|brand", "B|" + null, "C|Acme", "sku|deleted", "A/1|true",
			}},
			{"after all but the deletion", schemas.RowsRequest{After: 3}, []string{"sku|deleted", "A/1|true"}},
			{"after all", schemas.RowsRequest{After: 4}, nil},
		} {
			tt.request.Entity = "product"
			got, next := servicetest.Read(t, s, tt.request)
			if diff := cmp.Diff(tt.want, got); diff != "" || next != 4 {
				t.Errorf("%s: sequence %d, %s", tt.name, next, diff)
			}
		}
		all, _ := servicetest.Read(t, s, schemas.RowsRequest{Entity: "product"})
		if want := "C|" + null + "|" + null + "|" + null + "|Clamp|Acme|"; len(all) != 3 || !strings.HasPrefix(all[2], want) {
			t.Errorf("all fields: %q, want %s", all, want)
		}
	})
}

func TestRowsThatCannotBeRead(t *testing.T) {
	contract(t, func(t *testing.T, s catalogue) {
		servicetest.Deliver(t, s, servicetest.Case{Entity: "product", Want: "1/0", Lines: []string{"sku|name.en", "A|Anchor"}})
		read := func(r schemas.RowsRequest) error {
			_, err := s.Rows(t.Context(), r, func(*schemas.Batch) error { return errors.New("enough") })
			return err
		}
		for text, r := range map[string]schemas.RowsRequest{
			"columns: product has no field colour": {Columns: []string{"colour"}}, "where.size: product has no field size": {Where: map[string]string{"size": "1"}},
			`where.weight: "x" is not a decimal number`:                                               {Where: map[string]string{"weight": "x"}},
			"after: 7 is later than the last change, 1: was the database put back to an older state?": {After: 7},
		} {
			r.Entity = "product"
			if err := read(r); err == nil || !strings.Contains(err.Error(), text) || commerce.CodeOf(err) != commerce.Invalid {
				t.Errorf("%+v: %v, want %s", r, err, text)
			}
		}
		if err := read(schemas.RowsRequest{Entity: "product"}); err == nil || err.Error() != "enough" && !strings.HasSuffix(err.Error(), ": enough") {
			t.Errorf("the error of the function: %v", err)
		}
		if err := read(schemas.RowsRequest{Entity: "price"}); err == nil {
			t.Error("the catalogue has prices")
		}
	})
}

func TestAppliedRowsArePutBack(t *testing.T) {
	contract(t, func(t *testing.T, s catalogue) {
		servicetest.PutBack(t, s, "product", "brand", "sku|name.en|brand", "P|Plug|Zeta", "Q|Quay|Zeta")
	})
}
