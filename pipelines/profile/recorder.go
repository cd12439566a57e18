package profile

import (
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/axiomhq/hyperloglog"
	"github.com/zeebo/xxh3"

	"crossdock/schemas"
)

const (
	slots       = 512 // of the table of values
	maxTracked  = 256 // values in it
	wholeShapes = 1_024
	shapeStride = 16
	maxKinds    = 16 // shapes that are counted
	maxShape    = 12 // characters of one
	edgeBytes   = 64 // kept of the least and the greatest text
)

// A recorder records one column.
type recorder struct {
	rows, nulls, looked int64
	numeric             bool
	whole               bool // every row is looked at, since something depends on it

	// tracked are the first maxTracked values to appear, counted exactly from
	// then on: a value that makes up much of a column is among them. sketch
	// counts how many differ once there are more.
	table   [slots]tracked
	texts   []string // by tracked.index
	numbers []int64
	counts  []int64
	sketch  *hyperloglog.Sketch

	some              bool
	minText, maxText  []byte // copies: a part of a batch would keep all of it in memory
	min, max          int64
	low, high         uint64 // the sum of all numbers, in 128 bits of two's complement
	shortest, longest int
	shapes            []Value
}

type tracked struct {
	hash  uint64 // 0 is a free slot
	index int
}

// add adds the selected rows of a column, nil being all of them, and looks at
// their values where it should.
func (c *recorder) add(a arrow.Array, selected []int32, look bool) {
	n, nulls := nullsIn(a, selected)
	before := c.rows
	c.rows, c.nulls = c.rows+n, c.nulls+nulls
	if nulls == n || !look {
		return
	}
	step := 1
	if c.sketch != nil && !c.whole && before >= wholeRows {
		step = stride
	}
	if text, ok := a.(*array.String); ok {
		for i := 0; i < int(n); i += step {
			if row := rowOf(selected, i); text.IsValid(row) {
				c.text(text.Value(row))
			}
		}
		return
	}
	value := integers(a)
	if value == nil {
		return
	}
	c.numeric = true
	for i := 0; i < int(n); i += step {
		if row := rowOf(selected, i); a.IsValid(row) {
			c.number(value(row))
		}
	}
}

// rowOf returns the row of the i-th selected one.
func rowOf(selected []int32, i int) int {
	if selected == nil {
		return i
	}
	return int(selected[i])
}

func (c *recorder) text(text string) {
	if c.looked < wholeShapes || c.looked%shapeStride == 0 {
		c.shape(text)
	}
	c.looked++
	hash := max(xxh3.HashString(text), 1)
	if i := c.find(hash); i >= 0 {
		c.counts[i]++
		return
	}
	c.extend(text)
	if c.count(hash) {
		c.texts = append(c.texts, strings.Clone(schemas.Shorten(text)))
	}
}

func (c *recorder) number(value int64) {
	c.looked++
	var carry uint64
	c.low, carry = bits.Add64(c.low, uint64(value), 0)
	c.high += uint64(value>>63) + carry
	hash := max(schemas.Mix(uint64(value)), 1)
	if i := c.find(hash); i >= 0 {
		c.counts[i]++
		return
	}
	if !c.some {
		c.some, c.min, c.max = true, value, value
	}
	c.min, c.max = min(c.min, value), max(c.max, value)
	if c.count(hash) {
		c.numbers = append(c.numbers, value)
	}
}

// find returns the index of a value that is tracked, or -1.
func (c *recorder) find(hash uint64) int {
	for i := hash % slots; ; i = (i + 1) % slots {
		switch c.table[i].hash {
		case hash:
			return c.table[i].index
		case 0:
			return -1
		}
	}
}

// count counts a value that is not tracked, and reports whether it is now.
func (c *recorder) count(hash uint64) bool {
	if len(c.counts) == maxTracked {
		if c.sketch == nil {
			c.sketch = newSketch()
			for _, one := range c.table {
				if one.hash != 0 {
					c.sketch.InsertHash(one.hash)
				}
			}
		}
		c.sketch.InsertHash(hash)
		return false
	}
	i := hash % slots
	for c.table[i].hash != 0 {
		i = (i + 1) % slots
	}
	c.table[i] = tracked{hash, len(c.counts)}
	c.counts = append(c.counts, 1)
	return true
}

// newSketch returns a sketch of 4 KiB, whose estimates are within 2% two times
// out of three.
func newSketch() *hyperloglog.Sketch {
	s, err := hyperloglog.NewSketch(12, false)
	if err != nil {
		panic(err) // the precision is one that there is
	}
	return s
}

// extend widens the bounds of the values to hold another one.
func (c *recorder) extend(text string) {
	n := utf8.RuneCountInString(text)
	if !c.some {
		c.some, c.shortest, c.longest, c.minText, c.maxText = true, n, n, []byte(edge(text)), []byte(edge(text))
		return
	}
	c.shortest, c.longest = min(c.shortest, n), max(c.longest, n)
	if text < string(c.minText) {
		c.minText = append(c.minText[:0], edge(text)...)
	}
	if text > string(c.maxText) {
		c.maxText = append(c.maxText[:0], edge(text)...)
	}
}

// edge returns the beginning of a text.
func edge(text string) string { return text[:min(len(text), edgeBytes)] }

// shape counts what a value looks like.
func (c *recorder) shape(text string) {
	var buffer [8 * maxShape]byte
	shape := appendShape(buffer[:0], text)
	for i := range c.shapes {
		if c.shapes[i].Text == string(shape) {
			c.shapes[i].Count++
			return
		}
	}
	if len(c.shapes) < maxKinds {
		c.shapes = append(c.shapes, Value{string(shape), 1})
	}
}

// appendShape writes 9 for a digit, A for a letter, and everything else as it
// is; + stands behind what is repeated.
func appendShape(shape []byte, text string) []byte {
	last, written, repeated := rune(-1), 0, false
	for _, r := range text {
		switch {
		case unicode.IsDigit(r):
			r = '9'
		case unicode.IsLetter(r) || unicode.IsMark(r):
			r = 'A'
		case unicode.IsControl(r) || r == utf8.RuneError:
			r = '?'
		}
		if r == last {
			if !repeated {
				shape = append(shape, '+')
			}
			repeated = true
			continue
		}
		if written++; written > maxShape {
			return append(shape, "…"...)
		}
		shape, last, repeated = utf8.AppendRune(shape, r), r, false
	}
	return shape
}

// column returns what was recorded; t is the type of the values.
func (c *recorder) column(name string, t schemas.Type) Column {
	out := Column{
		Name: name, Rows: c.rows, Nulls: c.nulls, Looked: c.looked, Distinct: int64(len(c.counts)),
		Exact: c.sketch == nil && c.looked == c.rows-c.nulls, Shortest: c.shortest, Longest: c.longest,
		Shapes: sortedValues(slices.Clone(c.shapes), maxShapes),
	}
	if c.sketch != nil {
		out.Distinct = min(max(int64(c.sketch.Estimate()), maxTracked+1), c.looked)
	}
	var values []Value
	for i, count := range c.counts {
		text := ""
		if c.numeric {
			text = showNumber(t, c.numbers[i])
		} else {
			text = c.texts[i]
		}
		values = append(values, Value{text, count})
	}
	out.Top = sortedValues(values, MaxTop)
	if c.sketch != nil && len(out.Top) > 0 && out.Top[0].Count == 1 {
		out.Top = nil // none is more frequent than another
	}
	switch {
	case c.numeric && c.some:
		out.Min, out.Max = showNumber(t, c.min), showNumber(t, c.max)
		if summable(t) {
			out.Sum = c.sum(t)
		}
	case c.some:
		out.Min, out.Max = strings.ToValidUTF8(string(c.minText), ""), strings.ToValidUTF8(string(c.maxText), "")
	}
	return out
}

func summable(t schemas.Type) bool { return t == schemas.Integer || isDecimal(t) }

func isDecimal(t schemas.Type) bool {
	return t == schemas.DecimalType || t == schemas.Money || t == schemas.Quantity
}

func (c *recorder) sum(t schemas.Type) string {
	n := new(big.Int).Lsh(big.NewInt(int64(c.high)), 64)
	n.Add(n, new(big.Int).SetUint64(c.low))
	if !isDecimal(t) {
		return n.String()
	}
	text := new(big.Rat).SetFrac(n, big.NewInt(1_000_000)).FloatString(6)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// showNumber writes a value that Arrow holds as an integer.
func showNumber(t schemas.Type, value int64) string {
	switch {
	case isDecimal(t):
		return schemas.Decimal(value).String()
	case t == schemas.Date:
		return arrow.Date32(value).ToTime().Format(time.DateOnly)
	case t == schemas.Timestamp:
		return time.UnixMicro(value).UTC().Format(time.RFC3339Nano)
	case t == schemas.Boolean:
		return strconv.FormatBool(value != 0)
	}
	return strconv.FormatInt(value, 10)
}
