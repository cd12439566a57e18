package inventory

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

// Handler serves the API of inventory alone.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	api := web.NewAPI(mux, web.Info{Title: "Crossdock inventory", Version: "1", Suggest: schemas.DidYouMean})
	s.Register(api)
	outbox.Merged{"inventory": s}.Register(api)
	return web.Wrap(mux, web.Options{Log: s.log, Clock: s.clock})
}

// Internal adds to mux the calls of the hub, which a [Client] makes, at
// /internal/inventory/. It trusts whoever reaches it.
func (s *Service) Internal(mux *http.ServeMux) { remote.Routes(mux, "inventory", s) }

// Register adds the operations of inventory to an API.
func (s *Service) Register(api huma.API) {
	web.Register(api, huma.Operation{
		OperationID: "get-availability", Method: http.MethodGet, Path: "/v1/availability", Tags: []string{"Inventory"},
		Summary:     "Read how much of products there is",
		Description: "By warehouse, and summed by unit. Only active warehouses count.",
		Errors:      []int{http.StatusBadRequest, http.StatusNotFound},
	}, s.getAvailability)
}

type availabilityInput struct {
	SKUs      []string `query:"sku,explode" required:"true" minItems:"1" maxItems:"100" doc:"Article numbers: repeat the parameter for several." example:"[\"AR-5381\"]"`
	Warehouse string   `query:"warehouse" maxLength:"100" doc:"Only this warehouse."`
}

type availabilityOutput struct{ Body AvailabilityAnswer }

func (s *Service) getAvailability(ctx context.Context, in *availabilityInput) (*availabilityOutput, error) {
	q := AvailabilityQuery{Warehouse: in.Warehouse}
	for _, sku := range in.SKUs {
		if sku == "" {
			return nil, commerce.Errorf(commerce.Invalid, "is empty: give an article number").At("query.sku")
		}
		q.SKUs = append(q.SKUs, commerce.SKU(sku))
	}
	answer, err := s.Availability(ctx, q)
	return &availabilityOutput{answer}, err
}
