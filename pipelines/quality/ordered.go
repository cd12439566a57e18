package quality

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"crossdock/schemas"
)

// parseOrdered reads a value of an ordered type as the integer that Arrow
// holds for it: a count, millionths, days or microseconds since 1970.
func parseOrdered(t schemas.Type, text string) (int64, error) {
	switch {
	case t == schemas.Integer:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, errors.New("is not a whole number")
		}
		return n, nil
	case isDecimal(t):
		d, err := schemas.ParseDecimal(text)
		return int64(d), err
	case t == schemas.Date:
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return 0, errors.New("is not a date such as 2026-11-21")
		}
		return int64(arrow.Date32FromTime(at)), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UnixMicro(), nil
		}
	}
	return 0, errors.New("is not a time such as 2026-11-21T06:00:00Z or 2026-11-21")
}

// An orderedColumn reads the values of a column as parseOrdered does.
type orderedColumn struct {
	arrow.Array
	wide []int64
	days []arrow.Date32
}

// ordered gives access to the values of a column without a copy.
func ordered(a arrow.Array) orderedColumn {
	if a.NullN() == a.Len() {
		return orderedColumn{Array: a, wide: make([]int64, a.Len())} // it may have no buffer
	}
	switch a := a.(type) {
	case *array.Int64:
		return orderedColumn{Array: a, wide: a.Values()}
	case *array.Decimal64:
		return orderedColumn{Array: a, wide: arrow.Int64Traits.CastFromBytes(arrow.Decimal64Traits.CastToBytes(a.Values()))}
	case *array.Timestamp:
		return orderedColumn{Array: a, wide: arrow.Int64Traits.CastFromBytes(arrow.TimestampTraits.CastToBytes(a.Values()))}
	case *array.Date32:
		return orderedColumn{Array: a, days: a.Values()}
	}
	panic(fmt.Sprintf("quality: %s has no order", a.DataType())) // refused when the rule is compiled
}

func (c orderedColumn) value(row int32) int64 {
	if c.days != nil {
		return int64(c.days[row])
	}
	return c.wide[row]
}

// rangeJudge finds values outside of bounds, both of which are allowed.
type rangeJudge struct {
	least, most        int64
	tooSmall, tooGreat string // messages
}

func (j *rangeJudge) judge(v *view) {
	a := ordered(v.columns[0])
	for _, row := range v.rows {
		value := a.value(row)
		if value >= j.least && value <= j.most || a.IsNull(int(row)) {
			continue
		}
		if value < j.least {
			v.blame(row, j.tooSmall)
		} else {
			v.blame(row, j.tooGreat)
		}
	}
}

func buildRange(c *compiler, s *spec, r *rule) {
	t := c.rules.columns[r.columns[0]].Field.Type
	j := &rangeJudge{least: math.MinInt64, most: math.MaxInt64}
	words := map[string]string{"min": "is less than ", "above": "is not above ", "max": "is more than ", "below": "is not below "}
	if isMoment(t) {
		words = map[string]string{"min": "lies before ", "above": "does not lie after ", "max": "lies after ", "below": "does not lie before "}
	}
	given := make(map[string]bool)
	for _, key := range []string{"min", "above", "max", "below"} {
		value, there := s.values[key]
		if !there {
			continue
		}
		given[key] = true
		text, _ := scalar(value)
		bound, err := parseOrdered(t, text)
		if err != nil {
			c.fault(s, key, "%s %s, as %s needs", shown(value), err, r.Field)
			return
		}
		// Values are integers in Arrow, so that the next one begins right behind a bound.
		switch key {
		case "min":
			j.least, j.tooSmall = bound, words[key]+text
		case "above":
			j.least, j.tooSmall = bound+1, words[key]+text
		case "max":
			j.most, j.tooGreat = bound, words[key]+text
		case "below":
			j.most, j.tooGreat = bound-1, words[key]+text
		}
		if key == "above" && bound == math.MaxInt64 || key == "below" && bound == math.MinInt64 {
			c.fault(s, key, "%s leaves no value", text)
			return
		}
	}
	if c.rangeFits(s, j, given) {
		r.start = func() judge { return j }
	}
}

// rangeFits notes bounds that cannot stand together.
func (c *compiler) rangeFits(s *spec, j *rangeJudge, given map[string]bool) bool {
	shown := s.shownParameters()
	low, high := "min", "max"
	if given["above"] {
		low = "above"
	}
	if given["below"] {
		high = "below"
	}
	switch {
	case len(given) == 0:
		c.fault(s, "", "range needs at least one of min, max, above and below, as in %s", s.kind.Example)
	case given["min"] && given["above"]:
		c.fault(s, "above", "stands beside min: one lower bound is enough")
	case given["max"] && given["below"]:
		c.fault(s, "below", "stands beside max: one upper bound is enough")
	case j.least > j.most && low == "min" && high == "max":
		c.fault(s, low, "%s is more than max, %s", shown[low], shown[high])
	case j.least > j.most:
		c.fault(s, low, "%s and %s, %s, leave no value between them", shown[low], high, shown[high])
	default:
		return true
	}
	return false
}

// orderedOneOf finds values that are none of a few.
type orderedOneOf struct {
	values  []int64
	message string
}

func (c *compiler) buildOrderedOneOf(s *spec, r *rule, t schemas.Type, texts []string, message string) {
	j := &orderedOneOf{message: message}
	for i, text := range texts {
		value, err := parseOrdered(t, text)
		if err != nil {
			c.fault(s, fmt.Sprintf("values[%d]", i), "%s %s, as %s needs", schemas.QuoteShort(text), err, r.Field)
			return
		}
		j.values = append(j.values, value)
	}
	r.start = func() judge { return j }
}

func (j *orderedOneOf) judge(v *view) {
	a := ordered(v.columns[0])
	for _, row := range v.rows {
		if !a.IsNull(int(row)) && !slices.Contains(j.values, a.value(row)) {
			v.blame(row, j.message)
		}
	}
}

// orderJudge finds rows in which the first of two moments does not lie before
// the second, and blames the second.
type orderJudge struct {
	name  string // of the first
	scale [2]int64
}

func buildDateOrder(c *compiler, s *spec, r *rule) {
	if len(r.columns) != 2 {
		c.fault(s, s.kind.Name, "needs two fields, the earlier one first, as in %s", s.kind.Example)
		return
	}
	j := &orderJudge{name: r.Fields[0]}
	for i, at := range r.columns {
		j.scale[i] = 1
		if c.rules.columns[at].Field.Type == schemas.Date {
			j.scale[i] = (24 * time.Hour).Microseconds() // a day begins at midnight, UTC
		}
	}
	r.Field = r.Fields[1]
	r.start = func() judge { return j }
}

func (j *orderJudge) judge(v *view) {
	from, to := ordered(v.columns[0]), ordered(v.columns[1])
	for _, row := range v.rows {
		if from.value(row)*j.scale[0] < to.value(row)*j.scale[1] || from.IsNull(int(row)) || to.IsNull(int(row)) {
			continue
		}
		first, _ := schemas.CellText(from.Array, int(row))
		second, _ := schemas.CellText(to.Array, int(row))
		v.blameValue(row, second, fmt.Sprintf("does not lie after %s, %s", j.name, first))
	}
}
