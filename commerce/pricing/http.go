package pricing

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"crossdock/commerce"
	"crossdock/commerce/internal/outbox"
	"crossdock/commerce/internal/remote"
	"crossdock/internal/web"
	"crossdock/schemas"
)

// Handler serves the API of pricing alone.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	api := web.NewAPI(mux, web.Info{Title: "Crossdock pricing", Version: "1", Suggest: schemas.DidYouMean})
	s.Register(api)
	outbox.Merged{"pricing": s}.Register(api)
	return web.Wrap(mux, web.Options{Log: s.log, Clock: s.clock})
}

// Internal adds to mux the calls of the hub, which a [Client] makes, at
// /internal/pricing/. It trusts whoever reaches it.
func (s *Service) Internal(mux *http.ServeMux) { remote.Routes(mux, "pricing", s) }

// Register adds the operations of pricing to an API.
func (s *Service) Register(api huma.API) {
	web.Register(api, huma.Operation{
		OperationID: "get-prices", Method: http.MethodGet, Path: "/v1/prices", Tags: []string{"Pricing"}, Summary: "Read what products cost",
		Description: "For each list and unit, of the prices that hold at the moment: the one with the largest quantity that is " +
			"reached, and of several of that quantity the one that began last. A product without a price is listed in " +
			"`missing` with the reason.",
		Errors: []int{http.StatusBadRequest, http.StatusNotFound},
	}, s.getPrices)
}

type pricesInput struct {
	SKUs     []string `query:"sku,explode" required:"true" minItems:"1" maxItems:"100" doc:"Article numbers: repeat the parameter for several." example:"[\"AR-5381\"]"`
	List     string   `query:"list" maxLength:"100" doc:"Code of the price list; without it, every active list is read."`
	Unit     string   `query:"unit" maxLength:"100" doc:"Only prices in this unit."`
	Quantity string   `query:"quantity" maxLength:"20" default:"1" doc:"Quantity to buy, a decimal." example:"100"`
	At       string   `query:"at" maxLength:"40" doc:"Moment at which the prices shall hold: RFC 3339, or a date, which means its first moment in UTC. Now, where absent." example:"2026-11-21T06:00:00Z"`
}

type pricesOutput struct{ Body PriceAnswer }

func (s *Service) getPrices(ctx context.Context, in *pricesInput) (*pricesOutput, error) {
	q := PriceQuery{List: in.List, Unit: in.Unit}
	for _, sku := range in.SKUs {
		if sku == "" {
			return nil, commerce.Errorf(commerce.Invalid, "is empty: give an article number").At("query.sku")
		}
		q.SKUs = append(q.SKUs, commerce.SKU(sku))
	}
	var err error
	if q.Quantity, err = schemas.ParseDecimal(in.Quantity); err != nil {
		return nil, commerce.Errorf(commerce.Invalid, "%q %s", in.Quantity, err).At("query.quantity")
	}
	if q.Quantity <= 0 {
		return nil, commerce.Errorf(commerce.Invalid, "%q is not above zero", in.Quantity).At("query.quantity")
	}
	if q.At, err = parseMoment(in.At); err != nil {
		return nil, err
	}
	answer, err := s.Prices(ctx, q)
	return &pricesOutput{answer}, err
}

func parseMoment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, commerce.Errorf(commerce.Invalid, "%q is neither a moment as 2026-11-21T06:00:00Z nor a date as 2026-11-21", text).At("query.at")
}
