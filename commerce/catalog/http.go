package catalog

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"crossdock/commerce"
	"crossdock/commerce/internal/outbox"
	"crossdock/commerce/internal/remote"
	"crossdock/internal/web"
	"crossdock/schemas"
)

// Handler serves the API of the catalogue alone.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	api := web.NewAPI(mux, web.Info{Title: "Crossdock catalogue", Version: "1", Suggest: schemas.DidYouMean})
	s.Register(api)
	outbox.Merged{"catalog": s}.Register(api)
	return web.Wrap(mux, web.Options{Log: s.log, Clock: s.clock})
}

// Internal adds to mux the calls of the hub, which a [Client] makes, at
// /internal/catalog/. It trusts whoever reaches it.
func (s *Service) Internal(mux *http.ServeMux) { remote.Routes(mux, "catalog", s) }

// Register adds the operations of the catalogue to an API.
func (s *Service) Register(api huma.API) {
	tags := []string{"Catalogue"}
	web.Register(api, huma.Operation{
		OperationID: "list-products", Method: http.MethodGet, Path: "/v1/products", Tags: tags, Summary: "List or search products",
		Description: "Without `q`, products come by article number; with it, by relevance. " +
			"Filters and search lag behind an import by about a second. " + notModified,
		Errors: []int{http.StatusBadRequest},
	}, s.listProducts)
	web.Register(api, huma.Operation{
		OperationID: "get-product", Method: http.MethodGet, Path: "/v1/products/{sku}", Tags: tags, Summary: "Read one product",
		Description: notModified,
		Errors:      []int{http.StatusNotFound},
	}, s.getProduct)
	web.Register(api, huma.Operation{
		OperationID: "list-categories", Method: http.MethodGet, Path: "/v1/categories", Tags: tags, Summary: "Read the tree of categories",
		Description: "Each category is followed by those below it, siblings by position. " + notModified,
		Errors:      []int{http.StatusBadRequest},
	}, s.listCategories)
}

const notModified = "Answers 304 without a body where `If-None-Match` has the `ETag` of an earlier answer that still holds."

type productsInput struct {
	Conditional
	Limit    int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Products a page."`
	Cursor   string `query:"cursor" maxLength:"2000" doc:"Where to go on: next_cursor of the page before."`
	Words    string `query:"q" maxLength:"200" doc:"Words to search for in numbers, names, descriptions and brands. All must occur; the beginning of each is enough."`
	Category string `query:"category" maxLength:"100" doc:"Only products of this category and those below it."`
	Brand    string `query:"brand" maxLength:"200" doc:"Only products of this brand."`
	GTIN     string `query:"gtin" maxLength:"14" doc:"Only products with this GTIN."`
	Status   string `query:"status" enum:"draft,active,inactive,discontinued,all" default:"active" doc:"Only products of this status."`
	Lang     string `query:"lang" maxLength:"35" doc:"Language of the texts, such as fr-CA. A text that lacks it is shown in fr, then en, then in any." example:"fr-CA"`
}

type productsOutput struct {
	Versioned
	Body ProductPage
}

func (s *Service) listProducts(ctx context.Context, in *productsInput) (*productsOutput, error) {
	v, err := s.unlessHeld(ctx, in.Conditional)
	if err != nil {
		return nil, err
	}
	page, err := s.Products(ctx, ProductQuery{
		Limit: in.Limit, Cursor: in.Cursor, Words: in.Words, Category: in.Category, Brand: in.Brand, GTIN: in.GTIN,
		Status: in.Status, Lang: in.Lang,
	})
	return &productsOutput{v, page}, err
}

type productInput struct {
	Conditional
	SKU  string `path:"sku" maxLength:"100" doc:"Article number."`
	Lang string `query:"lang" maxLength:"35" doc:"Language of the texts, such as fr-CA." example:"fr-CA"`
}

type productOutput struct {
	Versioned
	Body Product
}

func (s *Service) getProduct(ctx context.Context, in *productInput) (*productOutput, error) {
	p, err := s.Product(ctx, commerce.SKU(in.SKU), in.Lang)
	if err != nil {
		return nil, err
	}
	v, err := in.unless(p.Version() + "-" + in.Lang)
	return &productOutput{v, p}, err
}

type categoriesInput struct {
	Conditional
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"500" doc:"Categories a page."`
	Cursor string `query:"cursor" maxLength:"2000" doc:"Where to go on: next_cursor of the page before."`
	Parent string `query:"parent" maxLength:"100" doc:"Only those directly below this category."`
	Status string `query:"status" enum:"active,inactive,all" default:"active" doc:"Only categories of this status; what lies below others is left out with them."`
	Lang   string `query:"lang" maxLength:"35" doc:"Language of the names, such as fr-CA." example:"fr-CA"`
}

type categoriesOutput struct {
	Versioned
	Body CategoryPage
}

func (s *Service) listCategories(ctx context.Context, in *categoriesInput) (*categoriesOutput, error) {
	v, err := s.unlessHeld(ctx, in.Conditional)
	if err != nil {
		return nil, err
	}
	page, err := s.Categories(ctx, CategoryQuery{Limit: in.Limit, Cursor: in.Cursor, Parent: in.Parent, Status: in.Status, Lang: in.Lang})
	return &categoriesOutput{v, page}, err
}
