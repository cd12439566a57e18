package quality

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"crossdock/schemas"
)

// steps compares values, such as unit prices, that must not rise, or fall,
// while another, such as the quantity from which they hold, rises.
type steps struct {
	rising  bool
	by      string          // the name of what rises
	types   [2]schemas.Type // of the value and of what rises
	nullBy  int64
	knownBy bool // a null of by stands for nullBy
	per     bool // the value is for so many
	nullPer int64
}

func buildMonotonic(c *compiler, s *spec, r *rule) {
	order, _ := s.values["order"].(string)
	if orders := []string{"falling", "rising"}; !slices.Contains(orders, order) {
		c.fault(s, "order", "is %s, but must be falling or rising%s", shown(s.values["order"]), schemas.DidYouMean(order, orders))
		return
	}
	by, ok := s.values["by"].(string)
	if !ok {
		c.fault(s, "by", "must name the field that rises, as in %s", s.kind.Example)
		return
	}
	per, _ := s.values["per"].(string)
	if s.values["per"] != nil && per == "" {
		c.fault(s, "per", "must name the field by which the value is divided, not %s", shown(s.values["per"]))
		return
	}
	c.buildSteps(s, r, by, per, order == "rising")
}

// buildTiers is monotonic for prices by quantity.
func buildTiers(c *compiler, s *spec, r *rule) {
	by, per := "min_quantity", "price_unit"
	if c.rules.entity.Field(by) == nil {
		c.fault(s, "", "tiers is for prices by min_quantity, which %s has not: use monotonic and say by which field", c.rules.entity.Name)
		return
	}
	if c.columnOf(per) < 0 {
		per = "" // every price is for one then, or for as many as the target has it for
	}
	c.buildSteps(s, r, by, per, false)
}

func (c *compiler) buildSteps(s *spec, r *rule, by, per string, rising bool) {
	if len(r.columns) != 1 {
		c.fault(s, s.kind.Name, "must name one field, as in %s", s.kind.Example)
		return
	}
	compared := []int{r.columns[0], c.orderedColumn(s, "by", by)}
	if per != "" {
		compared = append(compared, c.orderedColumn(s, "per", per))
	}
	if slices.Contains(compared, -1) {
		return
	}
	group := c.groupColumns(s, compared)
	if group == nil {
		return
	}
	column := func(i int) *schemas.Field { return c.rules.columns[compared[i]].Field }
	j := &steps{rising: rising, by: by, types: [2]schemas.Type{column(0).Type, column(1).Type}, nullPer: 1, per: per != ""}
	if value, err := parseOrdered(column(1).Type, column(1).Default); err == nil {
		j.nullBy, j.knownBy = value, true
	}
	if j.per {
		if t := column(2).Type; t != schemas.Integer {
			c.fault(s, "per", "must be a whole number, but %s is %s", per, typeName(t))
			return
		}
		if value, err := parseOrdered(schemas.Integer, column(2).Default); err == nil {
			j.nullPer = value
		}
	}
	r.group = c.concernGroup(r, compared, group)
	r.group.comparer, r.group.against = j, c.against(s)
}

// orderedColumn returns the column of a parameter that has an order, or -1.
func (c *compiler) orderedColumn(s *spec, key, name string) int {
	at := c.named(s, key, name)
	if at >= 0 && !isOrdered(c.rules.columns[at].Field.Type) {
		c.fault(s, key, "must be a number, a date or a time, but %s is %s", name, typeName(c.rules.columns[at].Field.Type))
		return -1
	}
	return at
}

func (j *steps) read(v *view) func(int32) ([3]int64, bool) {
	value, by := ordered(v.columns[0]), ordered(v.columns[1])
	var per orderedColumn
	if j.per {
		per = ordered(v.columns[2])
	}
	return func(row int32) (m [3]int64, ok bool) {
		m = [3]int64{value.value(row), by.value(row), j.nullPer}
		if by.IsNull(int(row)) {
			m[1], ok = j.nullBy, j.knownBy
		} else {
			ok = true
		}
		if j.per && !per.IsNull(int(row)) {
			m[2] = per.value(row)
		}
		return m, ok && !value.IsNull(int(row)) && m[2] > 0
	}
}

func (j *steps) clash(row, before *member) bool {
	low, high := row, before
	switch {
	case row.values[1] == before.values[1]:
		return false
	case row.values[1] > before.values[1]:
		low, high = before, row
	}
	// low / its per and high / its per, both multiplied out.
	order := compareProducts(low.values[0], high.values[2], high.values[0], low.values[2])
	return j.rising && order > 0 || !j.rising && order < 0
}

func (j *steps) message(row, before *member, place string) string {
	relation := "more than"
	if row.values[1] > before.values[1] == j.rising {
		relation = "less than"
	}
	return fmt.Sprintf("makes %s at %s %s, %s the %s at %s in %s", j.each(row), j.by, showOrdered(j.types[1], row.values[1]),
		relation, j.each(before), showOrdered(j.types[1], before.values[1]), place)
}

// each writes a value by what it is for.
func (j *steps) each(m *member) string {
	if m.values[2] == 1 {
		return showOrdered(j.types[0], m.values[0])
	}
	value, ok := new(big.Rat).SetString(showOrdered(j.types[0], m.values[0]))
	if !ok {
		return showOrdered(j.types[0], m.values[0]) // a moment, which nothing divides
	}
	text := value.Quo(value, big.NewRat(m.values[2], 1)).FloatString(9)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// compareProducts compares a·b with c·d, where b and d are positive.
func compareProducts(a, b, c, d int64) int {
	if b == d {
		return cmp.Compare(a, c)
	}
	if a < 0 != (c < 0) {
		return cmp.Compare(a, c)
	}
	sign := 1
	if a < 0 {
		a, c, sign = -a, -c, -1
	}
	high, low := bits.Mul64(uint64(a), uint64(b))
	otherHigh, otherLow := bits.Mul64(uint64(c), uint64(d))
	return sign * cmp.Or(cmp.Compare(high, otherHigh), cmp.Compare(low, otherLow))
}

// periods finds stretches, of time or of numbers, that overlap. The end is the
// first moment that does not belong to it.
type periods struct {
	scale [2]int64
	types schemas.Type // of a moment as it is kept
	null  int64        // a begin that is null
}

func buildNoOverlap(c *compiler, s *spec, r *rule) {
	compared := r.columns
	if len(compared) != 2 {
		c.fault(s, s.kind.Name, "needs two fields, where the stretch begins and where it ends, as in %s", s.kind.Example)
		return
	}
	from, to := c.rules.columns[compared[0]].Field, c.rules.columns[compared[1]].Field
	if from.Type != to.Type && (!isMoment(from.Type) || !isMoment(to.Type)) {
		c.fault(s, s.kind.Name, "%s is %s and %s %s, which have no order", r.Fields[0], typeName(from.Type), r.Fields[1], typeName(to.Type))
		return
	}
	group := c.groupColumns(s, compared)
	if group == nil {
		return
	}
	j := &periods{scale: [2]int64{1, 1}, types: from.Type, null: math.MinInt64}
	if isMoment(from.Type) {
		j.types = schemas.Timestamp
		for i, f := range []*schemas.Field{from, to} {
			if f.Type == schemas.Date {
				j.scale[i] = (24 * time.Hour).Microseconds()
			}
		}
	}
	r.group = c.concernGroup(r, compared, group)
	r.group.comparer, r.group.against = j, c.against(s)
}

func (j *periods) read(v *view) func(int32) ([3]int64, bool) {
	from, to := ordered(v.columns[0]), ordered(v.columns[1])
	return func(row int32) ([3]int64, bool) {
		m := [3]int64{j.null, math.MaxInt64}
		if !from.IsNull(int(row)) {
			m[0] = from.value(row) * j.scale[0]
		}
		if !to.IsNull(int(row)) {
			m[1] = to.value(row) * j.scale[1]
		}
		return m, m[0] < m[1]
	}
}

func (*periods) clash(row, before *member) bool {
	return row.values[0] < before.values[1] && before.values[0] < row.values[1]
}

func (j *periods) message(_, before *member, place string) string {
	from, to := before.values[0], before.values[1]
	begun := from == j.null || j.types == schemas.Timestamp && from <= beginning()
	switch {
	case begun && to == math.MaxInt64:
		return "overlaps " + place + ", which has neither beginning nor end"
	case begun:
		return "overlaps " + place + ", which ends at " + showOrdered(j.types, to)
	case to == math.MaxInt64:
		return "overlaps " + place + ", which begins at " + showOrdered(j.types, from) + " and has no end"
	}
	return fmt.Sprintf("overlaps %s, which goes from %s to %s", place, showOrdered(j.types, from), showOrdered(j.types, to))
}

// beginning is the moment that stands for no beginning: the first of year 1.
func beginning() int64 { return time.Time{}.UnixMicro() }

// showOrdered writes a value that parseOrdered has read.
func showOrdered(t schemas.Type, value int64) string {
	switch {
	case isDecimal(t):
		return schemas.Decimal(value).String()
	case t == schemas.Date:
		return arrow.Date32(value).ToTime().Format(time.DateOnly)
	case t == schemas.Timestamp:
		at := time.UnixMicro(value).UTC()
		if at.Equal(at.Truncate(24 * time.Hour)) {
			return at.Format(time.DateOnly)
		}
		return at.Format(time.RFC3339Nano)
	}
	return strconv.FormatInt(value, 10)
}
