package catalog

import (
	"net/http"
	"testing"

	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

func TestListsHaveAVersion(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		seq := int64(0)
		apply := func(lines ...string) {
			t.Helper()
			seq++
			if _, err := s.Apply(t.Context(), schemas.BatchID{Run: "r", Seq: seq}, servicetest.Lines(t, "product", lines...)); err != nil {
				t.Fatal(err)
			}
		}
		handler := s.Handler()
		held := map[string]string{"/v1/products": "", "/v1/products?q=bolt": "", "/v1/categories": ""}
		// all asks for every list, and wants the status for those that are held.
		all := func(when string, want int) {
			t.Helper()
			for target, etag := range held {
				status, header := servicetest.Get(t, handler, target, nil, "If-None-Match", etag)
				if status != want || header.Get("ETag") == "" || want == http.StatusOK && header.Get("Cache-Control") != "no-cache" {
					t.Errorf("%s: %s = %d %v, want %d", when, target, status, header, want)
				}
				held[target] = header.Get("ETag")
			}
		}
		all("at first", http.StatusOK)
		all("unchanged", http.StatusNotModified)
		apply("sku|name.en", "A|Bolt", "B|Nut")
		all("changed", http.StatusOK)
		all("not yet indexed", http.StatusNotModified)
		if _, err := s.step(t.Context(), s.searchIndex()); err != nil {
			t.Fatal(err)
		}
		all("indexed by words", http.StatusOK)
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		all("indexed", http.StatusOK)
		all("as it was", http.StatusNotModified)
		apply("sku|name.en", "A|Bolt")
		all("applied and unchanged", http.StatusNotModified)
		apply("sku|deleted", "A|true")
		all("deleted", http.StatusOK)
	})
}
