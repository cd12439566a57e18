package inventory

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"crossdock/commerce"
	"crossdock/internal/store"
	"crossdock/schemas"
)

// An Availability is how much of one product there is, and where.
type Availability struct {
	SKU        commerce.SKU `json:"sku" doc:"Article number." example:"AR-5381"`
	Totals     []Total      `json:"totals" doc:"The sum over the warehouses, by unit."`
	Warehouses []Level      `json:"warehouses" doc:"What lies in each warehouse, by code and unit."`
}

// A Total is the sum of one unit over warehouses.
type Total struct {
	Unit   string          `json:"unit" doc:"Unit of the quantity, a UN/ECE Rec 20 code." example:"C62"`
	OnHand schemas.Decimal `json:"on_hand" doc:"Quantity that is physically there." example:"120"`
}

// A Level is what lies in one warehouse.
type Level struct {
	Warehouse string `json:"warehouse" doc:"Code of the warehouse." example:"DE-01"`
	Name      string `json:"name" doc:"Name of the warehouse." example:"Central warehouse"`
	Total
	AsOf *time.Time `json:"as_of,omitempty" doc:"When the quantity was true in the source."`
}

// An AvailabilityQuery asks how much there is.
type AvailabilityQuery struct {
	SKUs      []commerce.SKU
	Warehouse string // "": every active warehouse
}

// An AvailabilityAnswer has the products asked for, in that order.
type AvailabilityAnswer struct {
	Items   []Availability `json:"items" doc:"The products, in the order asked for."`
	Missing []commerce.SKU `json:"missing" doc:"The products of which no active warehouse has a figure; that is not the same as none on hand."`
}

type stored struct {
	sku   string
	level Level
}

func scanStored(rows *sql.Rows) (s stored, err error) {
	var asOf sql.NullInt64
	err = rows.Scan(&s.sku, &s.level.Warehouse, &s.level.Name, &s.level.Unit, &s.level.OnHand, &asOf)
	if asOf.Valid {
		t := time.UnixMicro(asOf.Int64).UTC()
		s.level.AsOf = &t
	}
	return s, err
}

// Availability answers how much of each product lies in the active warehouses.
// A warehouse that does not exist is a NotFound error.
func (s *Service) Availability(ctx context.Context, q AvailabilityQuery) (AvailabilityAnswer, error) {
	answer := AvailabilityAnswer{Items: []Availability{}, Missing: []commerce.SKU{}}
	if q.Warehouse != "" {
		known, err := s.engine.Known(ctx, "warehouse", []string{q.Warehouse})
		if err != nil {
			return answer, err
		}
		if !known[0] {
			return answer, commerce.Errorf(commerce.NotFound, "there is no warehouse %s", q.Warehouse).At("query.warehouse")
		}
	}
	wanted, err := store.Array(q.SKUs)
	if err != nil {
		return answer, err
	}
	list, err := store.Collect(ctx, s.db.Read(), scanStored, `
		SELECT l.sku, l.warehouse, w.name, l.unit, l.on_hand, l.as_of
		FROM (SELECT DISTINCT value AS sku FROM `+s.db.List("?1")+` v) j CROSS JOIN stock_level l
		JOIN warehouse w ON w.warehouse = l.warehouse
		WHERE l.sku = j.sku AND w.status = 'active' AND (?2 = '' OR l.warehouse = ?2)
		ORDER BY l.sku, l.warehouse, l.unit`, wanted, q.Warehouse)
	if err != nil {
		return answer, fmt.Errorf("read stock levels: %w", err)
	}
	bySKU := map[commerce.SKU][]Level{}
	for _, one := range list {
		bySKU[commerce.SKU(one.sku)] = append(bySKU[commerce.SKU(one.sku)], one.level)
	}
	asked := map[commerce.SKU]bool{}
	for _, sku := range q.SKUs {
		if asked[sku] {
			continue
		}
		asked[sku] = true
		levels := bySKU[sku]
		if len(levels) == 0 {
			answer.Missing = append(answer.Missing, sku)
			continue
		}
		totals, err := sum(levels)
		if err != nil {
			return answer, fmt.Errorf("stock of %s: %w", sku, err)
		}
		answer.Items = append(answer.Items, Availability{SKU: sku, Totals: totals, Warehouses: levels})
	}
	return answer, nil
}

// sum adds up each unit apart: pieces and kilograms make no total. Units come
// in the order in which they first occur.
func sum(levels []Level) ([]Total, error) {
	var totals []Total
	place := map[string]int{}
	for _, l := range levels {
		i, seen := place[l.Unit]
		if !seen {
			place[l.Unit] = len(totals)
			totals = append(totals, l.Total)
			continue
		}
		var err error
		if totals[i].OnHand, err = totals[i].OnHand.Add(l.OnHand); err != nil {
			return nil, err
		}
	}
	return totals, nil
}
