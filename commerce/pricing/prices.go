package pricing

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"crossdock/commerce"
	"crossdock/internal/store"
	"crossdock/schemas"
)

// A Price is what one product costs in one list in one unit, for the quantity
// and at the moment asked for.
type Price struct {
	SKU  commerce.SKU `json:"sku" doc:"Article number." example:"AR-5381"`
	List string       `json:"list" doc:"Code of the price list." example:"dealer-eu"`
	Unit string       `json:"unit" doc:"Unit that is priced, a UN/ECE Rec 20 code." example:"C62"`
	Tier
	Currency string `json:"currency" doc:"Currency of the amounts, ISO 4217." example:"EUR"`
	Tiers    []Tier `json:"tiers" doc:"All prices that hold at that moment, by quantity."`
}

// A Tier is the price from a quantity on, within a period.
type Tier struct {
	MinQuantity schemas.Decimal `json:"min_quantity" doc:"Quantity from which the price holds." example:"100"`
	Amount      schemas.Decimal `json:"amount" doc:"Net price of price_unit units." example:"12.50"`
	PriceUnit   int64           `json:"price_unit" doc:"How many units the amount buys." example:"1"`
	ValidFrom   *time.Time      `json:"valid_from,omitempty" doc:"First moment at which it holds; absent: always has."`
	ValidTo     *time.Time      `json:"valid_to,omitempty" doc:"First moment at which it holds no more; absent: never ends."`
}

// A Missing says why there is no price for a product.
type Missing struct {
	SKU    commerce.SKU `json:"sku" doc:"Article number asked for."`
	Reason string       `json:"reason" doc:"Why it has no price: none at all, none in an active list, none in the unit, none at that moment, or none for so small a quantity." enum:"no_price,list_inactive,other_unit,not_valid,below_min_quantity"`
}

// A PriceQuery asks for prices.
type PriceQuery struct {
	SKUs     []commerce.SKU
	List     string          // "": every active list
	Unit     string          // "": every unit
	Quantity schemas.Decimal // 0: 1
	At       time.Time       // zero: now
}

// A PriceAnswer has the prices of the products asked for, and why others have none.
type PriceAnswer struct {
	At      time.Time `json:"at" doc:"The moment for which the prices hold."`
	Items   []Price   `json:"items" doc:"The prices, by product in the order asked for, list and unit."`
	Missing []Missing `json:"missing" doc:"The products without a price, and why."`
}

// always is the valid_from of a price that has always held.
func always() int64 { return time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() }

// maxRows bounds what an answer is made from.
const maxRows = 20_000

// A line is one stored price.
type line struct {
	sku, list, unit, currency, status string
	min, from, amount, priceUnit      int64
	to                                sql.NullInt64
}

func scanLine(rows *sql.Rows) (l line, err error) {
	return l, rows.Scan(&l.sku, &l.list, &l.unit, &l.min, &l.from, &l.to, &l.amount, &l.currency, &l.priceUnit, &l.status)
}

// Prices answers what products cost. For each list and unit it takes, of the
// prices that hold at the moment, the one with the largest quantity that is
// reached, and of several of that quantity the one that began last. A list
// that does not exist is a NotFound error.
func (s *Service) Prices(ctx context.Context, q PriceQuery) (PriceAnswer, error) {
	if q.Quantity == 0 {
		q.Quantity = 1_000_000
	}
	if q.At.IsZero() {
		q.At = s.clock()
	}
	answer := PriceAnswer{At: q.At.UTC(), Items: []Price{}, Missing: []Missing{}}
	if q.List != "" {
		known, err := s.engine.Known(ctx, "price_list", []string{q.List})
		if err != nil {
			return answer, err
		}
		if !known[0] {
			return answer, commerce.Errorf(commerce.NotFound, "there is no price list %s", q.List).At("query.list")
		}
	}
	wanted, err := store.Array(q.SKUs)
	if err != nil {
		return answer, err
	}
	lines, err := store.Collect(ctx, s.db.Read(), scanLine, `
		SELECT p.sku, p.list, p.unit, p.min_quantity, p.valid_from, p.valid_to, p.amount, p.currency, p.price_unit, l.status
		FROM `+s.db.List("?1")+` j CROSS JOIN price p JOIN price_list l ON l.list = p.list
		WHERE p.sku = j.value AND (?2 = '' OR p.list = ?2)
		ORDER BY j.place, p.list, p.unit, p.min_quantity, p.valid_from LIMIT ?3`, wanted, q.List, maxRows+1)
	if err != nil {
		return answer, fmt.Errorf("read prices: %w", err)
	}
	if len(lines) > maxRows {
		return answer, commerce.Errorf(commerce.Invalid, "has more than %d prices in all lists: name a list, or ask for fewer", maxRows).At("query.sku")
	}
	bySKU := map[string][]line{}
	for _, l := range lines {
		bySKU[l.sku] = append(bySKU[l.sku], l)
	}
	asked := map[commerce.SKU]bool{}
	for _, sku := range q.SKUs {
		if asked[sku] {
			continue
		}
		asked[sku] = true
		prices, reason := choose(bySKU[string(sku)], q)
		answer.Items = append(answer.Items, prices...)
		if len(prices) == 0 {
			answer.Missing = append(answer.Missing, Missing{sku, reason})
		}
	}
	return answer, nil
}

// choose returns the prices of one product, or why there is none: the reason
// that the line which came nearest was left out.
func choose(lines []line, q PriceQuery) (prices []Price, reason string) {
	reasons := []string{"no_price", "list_inactive", "other_unit", "not_valid", "below_min_quantity"}
	nearest := 0
	at := q.At.UnixMicro()
	for start := 0; start < len(lines); {
		end := start + 1
		for end < len(lines) && lines[end].list == lines[start].list && lines[end].unit == lines[start].unit {
			end++
		}
		group := lines[start:end]
		start = end
		far := 4
		var tiers []Tier
		switch {
		case group[0].status != "active":
			far = 1
		case q.Unit != "" && group[0].unit != q.Unit:
			far = 2
		default:
			if tiers = tiersAt(group, at); len(tiers) == 0 {
				far = 3
			}
		}
		nearest = max(nearest, far)
		if i := reached(tiers, q.Quantity); i >= 0 {
			l := group[0]
			prices = append(prices, Price{
				SKU: commerce.SKU(l.sku), List: l.list, Unit: l.unit, Currency: l.currency, Tier: tiers[i], Tiers: tiers,
			})
		}
	}
	return prices, reasons[nearest]
}

// tiersAt returns the tiers that hold at a moment, of lines by quantity and
// beginning: of one quantity the last that began.
func tiersAt(lines []line, at int64) []Tier {
	var tiers []Tier
	for _, l := range lines {
		if l.from > at || l.to.Valid && l.to.Int64 <= at {
			continue
		}
		t := Tier{MinQuantity: schemas.Decimal(l.min), Amount: schemas.Decimal(l.amount), PriceUnit: l.priceUnit}
		if l.from != always() {
			t.ValidFrom = moment(l.from)
		}
		if l.to.Valid {
			t.ValidTo = moment(l.to.Int64)
		}
		if n := len(tiers); n > 0 && tiers[n-1].MinQuantity == t.MinQuantity {
			tiers[n-1] = t
		} else {
			tiers = append(tiers, t)
		}
	}
	return tiers
}

// reached returns the place of the tier with the largest quantity that is not
// above the one given, or -1.
func reached(tiers []Tier, quantity schemas.Decimal) int {
	i, exact := slices.BinarySearchFunc(tiers, quantity, func(t Tier, q schemas.Decimal) int { return cmp.Compare(t.MinQuantity, q) })
	if exact {
		return i
	}
	return i - 1
}

func moment(micros int64) *time.Time {
	t := time.UnixMicro(micros).UTC()
	return &t
}
