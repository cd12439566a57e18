package catalog

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

var _ = flag.Bool("update", false, "write the answers to testdata")

const (
	null   = servicetest.Null
	absent = servicetest.Absent
)

// shop returns a catalogue with a few products in a tree of categories.
func shop(t testing.TB, place store.Place) *Service {
	t.Helper()
	s := open(t, place)
	apply(t, s, "categories", "category",
		"category|name.en|name.de|parent|position|status",
		"tools|Tools|Werkzeug|"+null+"|2|active",
		"hand|Hand tools|"+null+"|tools|1|active",
		"saws|Saws|Sägen|hand|"+null+"|active",
		"power|Power tools|Elektrowerkzeug|tools|"+null+"|active",
		"old|Old tools|Altes|tools|0|inactive",
		"antique|Antiques|Antikes|old|1|active",
		"bolts|Bolts|Schrauben|"+null+"|1|active",
	)
	apply(t, s, "products", "product",
		"sku|name.en|name.fr|name.de|description.fr|description.de|brand|category|gtin|mpn|status|pack_size|weight|attributes.colour|images",
		`B-1|Hex bolt M8|Vis M8|Sechskantschraube M8|Vis à tête|Mit Schaft|Acme|bolts|4006381333931|HX-8-2RS|active|100|0.0125|silver|["https://example.com/b1.jpg"]`,
		"B-2|Hex bolt M10|"+null+"|Sechskantschraube M10|"+null+"|"+null+"|Zeta|bolts|4006381333948|HX-10|active|50|0.02|"+null+"|"+null,
		"S-1|"+null+"|"+null+"|Japansäge|"+null+"|Zugsäge mit Bolzen|Acme|saws|"+null+"|"+null+"|active|"+null+"|"+null+"|"+null+"|"+null,
		"S/2 ?|Saw|"+null+"|Säge|"+null+"|"+null+"|"+null+"|hand|"+null+"|"+null+"|draft|"+null+"|"+null+"|"+null+"|"+null,
		"T-0|Toolbox|"+null+"|"+null+"|"+null+"|"+null+"|Acme|tools|"+null+"|"+null+"|active|"+null+"|"+null+"|"+null+"|"+null,
	)
	if err := s.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAnswersAreThoseOnFile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		servicetest.Golden(t, shop(t, place).Handler(),
			"/v1/products?limit=2",
			"/v1/products/B-1?lang=fr-CA",
			"/v1/products/none",
			"/v1/products?categroy=saws",
			"/v1/products?category=none",
			"/v1/products?cursor=x",
			"/v1/products?limit=501",
			"/v1/products?q=--",
			"/v1/products?lang=not_a_tag",
			"/v1/categories",
			"/v1/categories?parent=tools&lang=de&status=all",
			"/v1/categories?parent=none",
		)
	})
}

// skus lists what a request finds, over all pages.
func skus(t testing.TB, h http.Handler, query string) []string {
	t.Helper()
	var list []string
	cursor := ""
	for range 1000 {
		var page struct {
			Items      []struct{ SKU string }
			NextCursor string `json:"next_cursor"`
			Detail     string
		}
		if status, _ := servicetest.Get(t, h, "/v1/products?"+query+"&cursor="+cursor, &page); status != http.StatusOK {
			t.Fatalf("%s: %d %s", query, status, page.Detail)
		}
		for _, p := range page.Items {
			list = append(list, p.SKU)
		}
		if cursor = page.NextCursor; cursor == "" {
			return list
		}
	}
	t.Fatalf("%s: the list does not end", query)
	return nil
}

func TestFiltersAndSearch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		h := shop(t, place).Handler()
		for _, tt := range []struct{ query, want string }{
			{"", "B-1 B-2 S-1 T-0"},
			{"limit=1", "B-1 B-2 S-1 T-0"},
			{"status=all", "B-1 B-2 S-1 S/2 ? T-0"},
			{"status=draft", "S/2 ?"},
			{"category=tools", "S-1 T-0"},
			{"category=tools&limit=1", "S-1 T-0"},
			{"category=tools&status=all", "S-1 S/2 ? T-0"},
			{"category=tools&brand=Acme", "S-1 T-0"},
			{"category=saws", "S-1"},
			{"category=power", ""},
			{"brand=Acme", "B-1 S-1 T-0"},
			{"brand=Acme&limit=2", "B-1 S-1 T-0"},
			{"brand=acme", ""},
			{"gtin=4006381333931", "B-1"},
			{"gtin=4006381333931&category=tools", ""},
			{"gtin=4006381333931&brand=Zeta", ""},
			{"q=hex", "B-2 B-1"},
			{"q=hex&limit=1", "B-2 B-1"},
			{"q=sechskant+m8", "B-1"},
			{"q=HX-8", "B-1"},
			{"q=hx-8-2rs", "B-1"},
			{"q=40063813339", "B-2 B-1"},
			{"q=japansage", "S-1"},
			{"q=bolt&brand=Zeta", "B-2"},
			{"q=bolz&category=tools", "S-1"},
			{"q=saw", ""},
			{"q=saw&status=all", "S/2 ?"},
			{"q=hex+nothing", ""},
			{"q=tete", "B-1"},
		} {
			if got := strings.Join(skus(t, h, tt.query), " "); got != tt.want {
				t.Errorf("%s: %q, want %q", tt.query, got, tt.want)
			}
		}
	})
}

func TestTheBestFindComesFirst(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		apply(t, s, "1", "product", "sku|name.en|description.en|brand",
			"A|Wrench|For every bolt and for bolts again|Acme", "B|Bolt|Steel|Acme", "bolt|Thing|Other|Acme")
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"bolt", "B", "A"}, skus(t, s.Handler(), "q=bolt")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNoSearchIsASyntaxError(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		h := shop(t, place).Handler()
		rapid.Check(t, func(r *rapid.T) {
			words := rapid.StringOfN(rapid.RuneFrom([]rune(`ab"'*()^:-+{}[]\ANDORNOTEAR ,.;%_äß`+"\x00\n\t")), 0, 30, 120).Draw(r, "words")
			var page struct {
				Detail string
				Errors []struct{ Location string }
			}
			status, _ := servicetest.Get(t, h, "/v1/products?q="+url.QueryEscape(words), &page)
			if status != http.StatusOK && (status != http.StatusBadRequest || page.Errors[0].Location != "query.q") {
				r.Fatalf("%q: %d %+v", words, status, page)
			}
		})
	})
}

func TestACursorBelongsToItsList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		h := shop(t, place).Handler()
		var page ProductPage
		servicetest.Get(t, h, "/v1/products?limit=1&brand=Acme", &page)
		var p struct{ Detail string }
		status, _ := servicetest.Get(t, h, "/v1/products?limit=1&brand=Zeta&cursor="+page.NextCursor, &p)
		if want := "query.cursor: belongs to another list: begin without one"; status != 400 || p.Detail != want {
			t.Errorf("%d %s", status, p.Detail)
		}
	})
}

func TestLanguagesFallBackFieldByField(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		h := shop(t, place).Handler()
		for _, tt := range []struct{ sku, lang, name, description, used string }{
			{"B-1", "", "Hex bolt M8", "Mit Schaft", "map[description:de name:en]"},
			{"B-1", "fr-CA", "Vis M8", "Vis à tête", "map[description:fr name:fr]"},
			{"B-1", "FR", "Vis M8", "Vis à tête", "map[description:fr name:fr]"},
			{"B-2", "fr", "Hex bolt M10", "", "map[name:en]"},
			{"S-1", "fr", "Japansäge", "Zugsäge mit Bolzen", "map[description:de name:de]"},
			{"B-1", "zh-Hant-TW", "Hex bolt M8", "Mit Schaft", "map[description:de name:en]"},
		} {
			var p Product
			servicetest.Get(t, h, "/v1/products/"+tt.sku+"?lang="+tt.lang, &p)
			if used := fmt.Sprint(p.LangUsed); p.Name != tt.name || p.Description != tt.description || used != tt.used {
				t.Errorf("%s in %q: %q %q %s", tt.sku, tt.lang, p.Name, p.Description, used)
			}
		}
	})
}

func TestAVersionThatHoldsIsNotSentAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := shop(t, place)
		h := s.Handler()
		_, header := servicetest.Get(t, h, "/v1/products/B-1", nil)
		etag := header.Get("ETag")
		if etag == "" {
			t.Fatal("no ETag")
		}
		if status, header := servicetest.Get(t, h, "/v1/products/B-1", nil, "If-None-Match", etag); status != http.StatusNotModified || header.Get("ETag") != etag {
			t.Errorf("%d %v, want 304", status, header)
		}
		if status, _ := servicetest.Get(t, h, "/v1/products/B-1?lang=fr", nil, "If-None-Match", etag); status != http.StatusOK {
			t.Errorf("in another language: %d, want 200", status)
		}
		apply(t, s, "again", "product", "sku|brand", "B-1|Acme")
		if status, _ := servicetest.Get(t, h, "/v1/products/B-1", nil, "If-None-Match", etag); status != http.StatusNotModified {
			t.Errorf("after a batch that changed nothing: %d, want 304", status)
		}
		apply(t, s, "change", "product", "sku|brand", "B-1|Omega")
		if status, _ := servicetest.Get(t, h, "/v1/products/B-1", nil, "If-None-Match", etag); status != http.StatusOK {
			t.Errorf("after a change: %d, want 200", status)
		}
	})
}

func TestArticleNumbersOfAnyLettersHaveAnAddress(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		h := shop(t, place).Handler()
		var p Product
		if status, _ := servicetest.Get(t, h, "/v1/products/"+url.PathEscape("S/2 ?"), &p); status != http.StatusOK || p.SKU != "S/2 ?" {
			t.Errorf("%d %+v", status, p)
		}
	})
}

func TestCategoriesComeInPagesOfTheTree(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		h := shop(t, place).Handler()
		for _, tt := range []struct{ query, want string }{
			{"", "bolts:0 tools:0 hand:1 saws:2 power:1"},
			{"status=all", "bolts:0 tools:0 old:1 antique:2 hand:1 saws:2 power:1"},
			{"status=inactive", ""},
			{"parent=hand", "saws:2"},
			{"parent=tools", "hand:1 power:1"},
			{"parent=saws", ""},
		} {
			var list []string
			cursor := ""
			for {
				var page CategoryPage
				servicetest.Get(t, h, "/v1/categories?limit=2&"+tt.query+"&cursor="+cursor, &page)
				for _, c := range page.Items {
					list = append(list, fmt.Sprintf("%s:%d", c.Category, c.Depth))
				}
				if cursor = page.NextCursor; cursor == "" {
					break
				}
			}
			if got := strings.Join(list, " "); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.query, got, tt.want)
			}
		}
	})
}

func TestPagesShowEveryProductOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		var rows [][]string
		var want []string
		for i := range 237 {
			rows = append(rows, []string{fmt.Sprintf("P%03d", i*7%237), "Same name", fmt.Sprintf("c%d", i%5), "Acme"})
			want = append(want, fmt.Sprintf("P%03d", i))
		}
		apply(t, s, "categories", "category", "category|name.en|parent", "root|Root|"+null, "c0|0|root", "c1|1|root", "c2|2|c1", "c3|3|c2", "c4|4|root")
		b := servicetest.Rows(t, "product", []string{"sku", "name.en", "category", "brand"}, rows)
		if _, err := s.Apply(t.Context(), schemas.BatchID{Run: "p", Seq: 1}, b); err != nil {
			t.Fatal(err)
		}
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{"limit=10", "limit=10&category=root", "limit=10&brand=Acme", "limit=10&q=same", "limit=500"} {
			got := skus(t, s.Handler(), query)
			slices.Sort(got) // a search orders equals by arrival
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", query, diff)
			}
		}
	})
}

func TestTheProductsOpenAfterARestart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		apply(t, s, "1", "product", "sku|name.en", "A|Anchor")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again := open(t, place)
		if got := skus(t, again.Handler(), ""); len(got) != 1 {
			t.Errorf("products %v", got)
		}
		if err := again.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := skus(t, again.Handler(), "q=anchor"); len(got) != 1 {
			t.Errorf("search finds %v", got)
		}
		if p, err := again.Product(t.Context(), "A", ""); err != nil || p.Name != "Anchor" {
			t.Errorf("product %+v, %v", p, err)
		}
	})
}
