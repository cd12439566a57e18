package quality

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"

	"crossdock/schemas"
)

// A uniqueRule says that no two rows may have the same in certain columns.
type uniqueRule struct {
	// key tells that these are the key of the entity, in which a null stands
	// for the default. Elsewhere a row with a null has no like.
	key      bool
	defaults []uint64 // by column: the hash that stands for a null
	against  bool     // no other row of the target may have it either
	repeats  bool     // several rows may: what was seen serves references alone
}

func buildUnique(c *compiler, s *spec, r *rule) {
	u := &uniqueRule{defaults: make([]uint64, len(r.columns))}
	if value, there := s.values["against"]; there {
		if value != "target" {
			c.fault(s, "against", "is %s, but must be target", shown(value))
			return
		}
		if len(r.columns) > 1 {
			c.fault(s, "against", "is for one field, since the target looks up values of one")
			return
		}
		u.against = true
	}
	r.unique = u
}

// addKey adds that every key stands in one row. It says nothing where a part
// of the key that no default can stand for is not mapped.
func (c *compiler) addKey() {
	u := &uniqueRule{key: true}
	var columns []int
	for _, f := range c.rules.entity.Key() {
		at := -1
		for i, column := range c.rules.columns {
			if column.Field.Name == f.Name {
				at = i
			}
		}
		switch {
		case at >= 0:
			columns = append(columns, at)
			u.defaults = append(u.defaults, defaultHash(f))
		case f.Required:
			return
		}
	}
	if len(columns) == 0 {
		return
	}
	k := c.kinds[0]
	for _, k = range c.kinds {
		if k.Name == "unique" {
			break
		}
	}
	r := &rule{Description: Description{Name: k.Name, Severity: schemas.Reject, Doc: k.Doc, BuiltIn: true}, unique: u}
	c.concern(r, columns)
	c.rules.rules = append(c.rules.rules, r)
}

// AllowRepeats lets several rows have the same key: each of them is applied,
// in their order, so that later ones add to earlier ones.
func (r *Rules) AllowRepeats() {
	for _, one := range r.rules {
		if one.unique != nil && one.unique.key {
			one.unique.repeats = true
		}
	}
}

// defaultHash returns the hash that stands for a null of a key field: 0 where
// the field is required, so that a row without it has no key at all.
func defaultHash(f *schemas.Field) uint64 {
	if f.Required {
		return 0
	}
	if isOrdered(f.Type) {
		if value, err := parseOrdered(f.Type, f.Default); err == nil {
			return hashInt(value)
		}
	}
	return hashText(f.Default)
}

// hashText and hashInt return hashes that are not 0, which stands for none.
func hashText(text string) uint64 { return max(xxh3.HashString(text), 1) }

func hashInt(value int64) uint64 { return max(schemas.Mix(uint64(value)), 1) }

// A uniqueCheck is one uniqueness in one run.
type uniqueCheck struct {
	rule *rule
	seen history // of the rows of earlier batches that passed

	// These are of the batch that is being checked.
	hashes   []uint64 // by row; 0: nothing to compare
	earlier  []bool   // by row: an earlier batch has the like
	here     keySet   // the rows that passed so far
	repeated []repeat
}

// A repeat is a row that is like one before it: a row of the same batch, or
// one of an earlier batch where first is negative.
type repeat struct{ row, first int32 }

// look hashes the columns of a batch and finds the likes in earlier batches.
func (u *uniqueCheck) look(ctx context.Context, refs References, v *view) error {
	rows := int(v.batch.Rows.NumRows())
	u.hashes, u.earlier = emptied(u.hashes, rows), emptied(u.earlier, rows)
	for i, column := range v.columns {
		hashColumn(u.hashes, column, v.rows, u.rule.unique.defaults[i], i == 0)
	}
	for _, row := range v.rows {
		if hash := u.hashes[row]; hash != 0 {
			u.earlier[row] = u.hasSeen(hash)
		}
	}
	if u.rule.unique.against && refs != nil {
		return u.ask(ctx, refs, v)
	}
	return nil
}

// emptied returns n zeros, in the memory of s where that is enough.
func emptied[T uint64 | bool](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// hashColumn combines the values of a column with the hashes of those before
// it. A row in which one of them has no hash has none. The hash of a single
// text is that of hashText, so that references find the key that they hold.
func hashColumn(hashes []uint64, column arrow.Array, rows []int32, null uint64, first bool) {
	value := hashesOf(column)
	for _, row := range rows {
		hash := null
		if !isEmpty(column, int(row)) {
			hash = value(row)
		}
		switch {
		case first || hash == 0:
			hashes[row] = hash
		case hashes[row] != 0:
			hashes[row] = max(schemas.Mix(schemas.Mix(hashes[row])+hash), 1) // the first mix makes the order count
		}
	}
}

func hashesOf(column arrow.Array) func(row int32) uint64 {
	switch a := column.(type) {
	case *array.String:
		return func(row int32) uint64 { return hashText(a.Value(int(row))) }
	case *array.Boolean:
		return func(row int32) uint64 {
			if a.Value(int(row)) {
				return hashInt(1)
			}
			return hashInt(0)
		}
	}
	a := ordered(column)
	return func(row int32) uint64 { return hashInt(a.value(row)) }
}

// ask finds the rows whose value another row of the target has.
func (u *uniqueCheck) ask(ctx context.Context, refs References, v *view) error {
	var values []string
	var rows []int32
	for _, row := range v.rows {
		if text, _ := schemas.CellText(v.columns[0], int(row)); text != "" {
			values, rows = append(values, text), append(rows, row)
		}
	}
	if len(values) == 0 {
		return nil
	}
	entity, field := v.batch.Entity.Name, u.rule.Fields[0]
	holders, err := refs.Holders(ctx, entity, field, values)
	if err != nil {
		return fmt.Errorf("which %s has which %s: %w", entity, field, err)
	}
	if len(holders) != len(values) {
		return fmt.Errorf("which %s has which %s: %d answers to %d values", entity, field, len(holders), len(values))
	}
	for i, holder := range holders {
		if holder != "" && holder != v.batch.KeyText(int(rows[i])) {
			v.blame(rows[i], fmt.Sprintf("is already that of the %s %s", entity, clip(holder)))
		}
	}
	return nil
}

// begin forgets what the rows of the batch took.
func (u *uniqueCheck) begin() {
	u.here.reset()
	u.repeated = u.repeated[:0]
}

// taken notes a row that has a like, and reports whether it falls by that.
func (u *uniqueCheck) taken(row int32) bool {
	hash := u.hashes[row]
	if hash == 0 || u.rule.unique.repeats {
		return false
	}
	like := repeat{row: row, first: -1}
	if !u.earlier[row] {
		first, ok := u.here.find(hash)
		if !ok {
			return false
		}
		like.first = int32(first.row)
	}
	u.repeated = append(u.repeated, like)
	return u.rule.Severity == schemas.Reject
}

// take notes what a row that passed has.
func (u *uniqueCheck) take(row int32) {
	hash := u.hashes[row]
	if hash == 0 || u.earlier[row] {
		return
	}
	if u.rule.Severity == schemas.Warn || u.rule.unique.repeats {
		if _, ok := u.here.find(hash); ok {
			return
		}
	}
	u.here.add(hash, rowPlace{row: uint32(row)})
}

// holds reports whether a row of the run that passed so far has the hash.
func (u *uniqueCheck) holds(hash uint64) bool {
	_, here := u.here.find(hash)
	return here || u.hasSeen(hash)
}

// hasSeen reports whether a row of an earlier batch that passed has the hash.
func (u *uniqueCheck) hasSeen(hash uint64) bool {
	_, ok := u.seen.find(hash)
	return ok
}

// report adds what the last decision found.
func (u *uniqueCheck) report(found *findings, b *schemas.Batch, o origin) {
	for _, one := range u.repeated {
		like := o.place(one.first)
		if one.first < 0 {
			like, _ = u.seen.find(u.hashes[one.row])
		}
		message := "is the same as in " + o.name(like)
		if fields := u.rule.Fields; len(fields) > 1 {
			message = "has the same " + listed(fields) + " as " + o.name(like)
		}
		found.add(u.rule, one.row, u.text(b, one.row), message)
	}
}

// text returns what a row has in the columns of the rule.
func (u *uniqueCheck) text(b *schemas.Batch, row int32) string {
	var parts []string
	for _, name := range u.rule.Fields {
		if text, ok := b.Text(b.Index(name), int(row)); ok {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, " / ")
}

// keep notes for later batches what the rows that passed have.
func (u *uniqueCheck) keep(rows []int32, rejected []bool, o origin) {
	for _, row := range rows {
		hash := u.hashes[row]
		if hash == 0 || rejected[row] || u.earlier[row] {
			continue
		}
		if (u.rule.Severity == schemas.Warn || u.rule.unique.repeats) && u.hasSeen(hash) {
			continue
		}
		u.seen.add(hash, o.place(row))
	}
}

// An origin says where the rows of a batch came from.
type origin struct {
	number func(row int) int64
	files  []string // of the run up to now; the last is that of the batch
}

// place fits the number of a row in four bytes, and its file in one. The
// greatest of each stands for all that do not fit.
func (o origin) place(row int32) rowPlace {
	if row < 0 {
		return rowPlace{}
	}
	return rowPlace{
		row:  uint32(min(max(o.number(int(row)), 1), math.MaxUint32)),
		file: uint8(min(max(len(o.files)-1, 0), math.MaxUint8)),
	}
}

// name names a row for a message about a row of the batch.
func (o origin) name(at rowPlace) string {
	name := fmt.Sprintf("row %d", at.row)
	if at.row == math.MaxUint32 {
		name = "an earlier row"
	}
	switch last := len(o.files) - 1; {
	case int(at.file) == last || last < 0:
		return name
	case at.file == math.MaxUint8:
		return name + " of this file or one before"
	default:
		return name + " of " + o.files[at.file]
	}
}
