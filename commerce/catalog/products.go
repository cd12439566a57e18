package catalog

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"

	"crossdock/commerce"
	"crossdock/internal/store"
	"crossdock/internal/web"
	"crossdock/schemas"
)

// A Product is one product in one reader's language.
type Product struct {
	SKU              commerce.SKU      `json:"sku" doc:"Article number." example:"AR-5381"`
	ParentSKU        string            `json:"parent_sku,omitempty" doc:"Article number of the product this is a variant of."`
	GTIN             string            `json:"gtin,omitempty" doc:"GTIN with its check digit." example:"4006381333931"`
	MPN              string            `json:"mpn,omitempty" doc:"The manufacturer's part number."`
	Name             string            `json:"name" doc:"Name, in the language that lang_used.name tells." example:"Adjustable race"`
	Description      string            `json:"description,omitempty" doc:"Description, in the language that lang_used.description tells."`
	Brand            string            `json:"brand,omitempty" doc:"Brand on the product."`
	Manufacturer     string            `json:"manufacturer,omitempty" doc:"Company that makes it."`
	Category         string            `json:"category,omitempty" doc:"Code of its category."`
	BaseUnit         string            `json:"base_unit" doc:"Unit in which it is counted, a UN/ECE Rec 20 code." example:"C62"`
	PackSize         *schemas.Decimal  `json:"pack_size,omitempty" doc:"Base units in one pack." example:"10"`
	MinOrderQuantity *schemas.Decimal  `json:"min_order_quantity,omitempty" doc:"Smallest quantity that can be ordered." example:"10"`
	OrderMultiple    *schemas.Decimal  `json:"order_multiple,omitempty" doc:"Ordered quantities are multiples of this." example:"10"`
	Weight           *schemas.Decimal  `json:"weight,omitempty" doc:"Gross weight of one base unit, in kilograms." example:"0.25"`
	CountryOfOrigin  string            `json:"country_of_origin,omitempty" doc:"Country of origin, ISO 3166-1 alpha-2." example:"DE"`
	CustomsTariff    string            `json:"customs_tariff,omitempty" doc:"Commodity code for customs."`
	Attributes       map[string]string `json:"attributes,omitempty" doc:"Further properties."`
	Images           []string          `json:"images,omitempty" doc:"Addresses of pictures, the main one first."`
	Status           string            `json:"status" doc:"Whether it can be ordered." enum:"draft,active,inactive,discontinued"`
	TaxClass         string            `json:"tax_class" doc:"How it is taxed."`
	LangUsed         map[string]string `json:"lang_used" doc:"The language of each text shown."`

	version int64 // the batch that changed it last
}

// A ProductQuery says which products to list. Zero fields filter nothing, but
// for Status, which is active; all means any.
type ProductQuery struct {
	Limit    int // 0: 50
	Cursor   string
	Words    string // all of them must occur, the beginning of each is enough
	Category string // with all below it
	Brand    string
	GTIN     string
	Status   string
	Lang     string
}

// A ProductPage is one page of a list of products.
type ProductPage struct {
	Items      []Product `json:"items" doc:"The products, by article number; those of a search by relevance."`
	NextCursor string    `json:"next_cursor,omitempty" doc:"Where the list goes on; absent on the last page."`
}

const productColumns = `sku, changed_seq, status, parent_sku, gtin, mpn, name, description, brand, manufacturer, category, base_unit,
	pack_size, min_order_quantity, order_multiple, weight, country_of_origin, customs_tariff, attributes, images, tax_class`

// scanProduct returns a function that reads a product in the language of the chain.
func scanProduct(chain []string) func(*sql.Rows) (Product, error) {
	return func(rows *sql.Rows) (Product, error) {
		p := Product{LangUsed: map[string]string{}}
		var name, description, attributes texts
		var images sql.NullString
		optional := []*string{
			&p.ParentSKU, &p.GTIN, &p.MPN, &p.Brand, &p.Manufacturer, &p.Category, &p.CountryOfOrigin, &p.CustomsTariff,
		}
		null := make([]sql.NullString, len(optional))
		if err := rows.Scan(&p.SKU, &p.version, &p.Status, &null[0], &null[1], &null[2], &name, &description,
			&null[3], &null[4], &null[5], &p.BaseUnit, &p.PackSize, &p.MinOrderQuantity, &p.OrderMultiple, &p.Weight,
			&null[6], &null[7], &attributes, &images, &p.TaxClass); err != nil {
			return p, err
		}
		for i, field := range optional {
			*field = null[i].String
		}
		var lang string
		if p.Name, lang = name.in(chain); lang != "" {
			p.LangUsed["name"] = lang
		}
		if p.Description, lang = description.in(chain); lang != "" {
			p.LangUsed["description"] = lang
		}
		p.Attributes = attributes
		if images.Valid {
			if err := json.Unmarshal([]byte(images.String), &p.Images); err != nil {
				return p, fmt.Errorf("images of %s: %w", p.SKU, err)
			}
		}
		return p, nil
	}
}

// Product returns one product of any status, or a NotFound error.
func (s *Service) Product(ctx context.Context, sku commerce.SKU, lang string) (Product, error) {
	languages, err := chain(lang)
	if err != nil {
		return Product{}, err
	}
	p, found, err := store.First(ctx, s.db.Read(), scanProduct(languages), `SELECT `+productColumns+` FROM product WHERE sku = ?`, string(sku))
	if err == nil && !found {
		err = commerce.Errorf(commerce.NotFound, "there is no product %s", sku)
	}
	return p, err
}

// Version returns a text that changes with every change of the product.
func (p *Product) Version() string { return fmt.Sprint(p.version) }

// place is where a list of products goes on.
type place struct {
	Filter uint64  `json:"f"` // what the list was of
	SKU    string  `json:"s,omitempty"`
	Rank   float64 `json:"r,omitempty"`
	ID     int64   `json:"i,omitempty"`
}

// Products lists products a page at a time. A filter by category, brand, GTIN
// or words lags behind an import by about a second.
func (s *Service) Products(ctx context.Context, q ProductQuery) (ProductPage, error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	if q.Status == "" {
		q.Status = "active"
	}
	languages, err := chain(q.Lang)
	if err != nil {
		return ProductPage{}, err
	}
	after := place{Filter: q.filter()}
	if err := web.DecodeCursor(q.Cursor, &after); err != nil {
		return ProductPage{}, err
	}
	if after.Filter != q.filter() {
		return ProductPage{}, commerce.Errorf(commerce.Invalid, "belongs to another list: begin without one").At("query.cursor")
	}
	categories, err := s.below(ctx, q.Category)
	if err != nil {
		return ProductPage{}, err
	}
	var places []place
	switch {
	case q.Words != "":
		places, err = s.search(ctx, q, categories, after)
	case q.GTIN != "":
		places, err = s.filtered(ctx, q, "gtin", []string{q.GTIN}, categories, after)
	case q.Category != "":
		places, err = s.filtered(ctx, q, "category", categories, categories, after)
	case q.Brand != "":
		places, err = s.filtered(ctx, q, "brand", []string{q.Brand}, categories, after)
	default:
		places, err = store.Collect(ctx, s.db.Read(), scanPlace, `
			SELECT id, sku, 0 FROM product WHERE sku > ?1 AND (?2 = 'all' OR status = ?2) ORDER BY sku LIMIT ?3`,
			after.SKU, q.Status, q.Limit+1)
	}
	if err != nil {
		return ProductPage{}, fmt.Errorf("list products: %w", err)
	}
	return s.page(ctx, q, places, languages)
}

// filter tells lists of different products apart.
func (q *ProductQuery) filter() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %q %q %q", q.Words, q.Category, q.Brand, q.GTIN, q.Status)
	return h.Sum64() >> 11 // as many bits as every reader of JSON keeps
}

func scanPlace(rows *sql.Rows) (p place, err error) { return p, rows.Scan(&p.ID, &p.SKU, &p.Rank) }

// page reads the products at the places given, of which there is one more than
// fits where the list goes on.
func (s *Service) page(ctx context.Context, q ProductQuery, places []place, languages []string) (ProductPage, error) {
	page := ProductPage{Items: []Product{}}
	if len(places) > q.Limit {
		places = places[:q.Limit]
		last := places[q.Limit-1]
		last.Filter = q.filter()
		if q.Words == "" {
			last.ID = 0
		} else {
			last.SKU = ""
		}
		page.NextCursor = web.EncodeCursor(last)
	}
	skus, order := make([]string, len(places)), make(map[string]int, len(places))
	for i, p := range places {
		skus[i], order[p.SKU] = p.SKU, i
	}
	wanted, err := store.Array(skus)
	if err != nil {
		return page, err
	}
	list, err := store.Collect(ctx, s.db.Read(), scanProduct(languages),
		`SELECT `+productColumns+` FROM product WHERE sku IN (SELECT value FROM `+s.db.List("?")+` l)`, wanted)
	if err != nil {
		return page, fmt.Errorf("read products: %w", err)
	}
	slices.SortFunc(list, func(a, b Product) int { return cmp.Compare(order[string(a.SKU)], order[string(b.SKU)]) })
	page.Items = append(page.Items, list...)
	return page, nil
}

// filtered lists the products that have one of the values in an indexed field.
// Each value has its products in order, so that no more than a page of each is read.
func (s *Service) filtered(ctx context.Context, q ProductQuery, field string, values, categories []string, after place) ([]place, error) {
	wanted, err := store.Array(values)
	if err != nil {
		return nil, err
	}
	within, err := store.Array(categories)
	if err != nil {
		return nil, err
	}
	// A join with a subquery for each value is written differently.
	join, end := `CROSS JOIN product_facet f ON f.id IN (SELECT g.id`, `)`
	if s.db.Postgres() {
		join, end = `CROSS JOIN LATERAL (SELECT g.id, g.sku`, `) f`
	}
	return store.Collect(ctx, s.db.Read(), scanPlace, `
		SELECT f.id, f.sku, 0 FROM `+s.db.List("?1")+` j `+join+` FROM product_facet g
			WHERE g.`+field+` = j.value AND g.sku > ?2 AND (?3 = 'all' OR g.status = ?3) AND (?4 = '' OR g.brand = ?4)
			  AND (?5 = '' OR g.category IN (SELECT value FROM `+s.db.List("?6")+` l))
			ORDER BY g.sku LIMIT ?7`+end+`
		ORDER BY f.sku LIMIT ?7`,
		wanted, after.SKU, q.Status, q.Brand, q.Category, within, q.Limit+1)
}

// below returns the category and all below it, or nil where it is "".
func (s *Service) below(ctx context.Context, category string) ([]string, error) {
	if category == "" {
		return nil, nil
	}
	list, err := store.Collect(ctx, s.db.Read(), scanText, `
		WITH RECURSIVE tree (category) AS (
			SELECT category FROM category WHERE category = ?
			UNION SELECT c.category FROM category c JOIN tree t ON c.parent = t.category)
		SELECT category FROM tree`, category)
	if err == nil && len(list) == 0 {
		err = commerce.Errorf(commerce.Invalid, "there is no category %s", category).At("query.category")
	}
	slices.Sort(list)
	return list, err
}
