package quality

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"crossdock/schemas"
)

// A groupRule compares the rows of a run that have the same in certain
// columns, its group. In a group a null is a value like any other.
type groupRule struct {
	group    int      // the columns of the rule from here on make the group
	nulls    []uint64 // by column of the group: the hash that stands for a null
	against  bool     // the rows of the target are compared as well
	comparer comparer
}

// A comparer says what rows of one group may not be to each other.
type comparer interface {
	// read returns a function that gives what counts of a row, and false
	// where the row takes no part.
	read(v *view) func(row int32) ([3]int64, bool)
	// clash reports whether a row must not stand beside one before it.
	clash(row, before *member) bool
	// message says what is wrong, where before is named by place.
	message(row, before *member, place string) string
}

// maxGroupRows bounds a group: every row is compared with all others of it.
const maxGroupRows = 10_000

// groupColumns returns the columns that make the group of a rule: those that
// its parameter group names, or else those of the entity's key that the rule
// does not compare. It returns nil where there are none.
func (c *compiler) groupColumns(s *spec, compared []int) []int {
	if value, there := s.values["group"]; there {
		return c.namedGroup(s, value, compared)
	}
	var columns []int
	inKey := false
	for _, f := range c.rules.entity.Key() {
		if slices.ContainsFunc(compared, func(at int) bool { return c.rules.columns[at].Field == f }) {
			inKey = true
			continue
		}
		switch at := c.columnOf(f.Name); {
		case at >= 0:
			columns = append(columns, at)
		case f.Required:
			c.fault(s, "", "%s compares rows of the same %s, which is not mapped: map it, or say which by group", s.kind.Name, f.Name)
			return nil
		}
	}
	if !inKey || len(columns) == 0 {
		c.fault(s, "", "%s needs group: the fields in which rows are the same that it compares, as in %s", s.kind.Name, s.kind.Example)
		return nil
	}
	return columns
}

func (c *compiler) namedGroup(s *spec, value any, compared []int) []int {
	fields, ok := texts(value)
	if !ok || len(fields) == 0 {
		c.fault(s, "group", "must name a field or a list of fields, as in %s", s.kind.Example)
		return nil
	}
	var columns []int
	for _, name := range fields {
		at := c.named(s, "group", name)
		switch {
		case at < 0:
			return nil
		case slices.Contains(compared, at):
			c.fault(s, "group", "%s is what the rule compares: rows that are the same in it cannot differ in it", name)
			return nil
		case slices.Contains(columns, at):
			c.fault(s, "group", "%s is listed twice", name)
			return nil
		}
		columns = append(columns, at)
	}
	return columns
}

// named returns the column of one value that a parameter names, or -1.
func (c *compiler) named(s *spec, key, name string) int {
	if _, err := c.rules.entity.Column(name); err != nil {
		c.fault(s, key, "%s", err)
		return -1
	}
	at := c.columnOf(name)
	if at < 0 {
		c.fault(s, key, "%s is not mapped, so that the rule has nothing to look at", name)
	}
	return at
}

func (c *compiler) columnOf(name string) int {
	return slices.IndexFunc(c.rules.columns, func(column schemas.Column) bool { return column.Name == name })
}

// concernGroup notes the columns that a rule compares, the first of which is
// to blame, and those of its group.
func (c *compiler) concernGroup(r *rule, compared, group []int) *groupRule {
	c.concern(r, slices.Concat(compared, group))
	r.Field, r.deletions = r.Fields[0], false
	g := &groupRule{group: len(compared)}
	for _, at := range group {
		f := *c.rules.columns[at].Field
		f.Required = false // a row without it is rejected for that, or is of the group of those without
		g.nulls = append(g.nulls, defaultHash(&f))
	}
	return g
}

// hashes writes the hash of the group of each row of a view.
func (g *groupRule) hashes(into []uint64, v *view) {
	for i, null := range g.nulls {
		hashColumn(into, v.columns[g.group+i], v.rows, null, i == 0)
	}
}

// A groupCheck is one rule over groups in one run.
type groupCheck struct {
	rule *rule
	seen memberStore // of the rows of earlier batches that passed

	// groups are those that occur, gathered by a first pass to find their rows
	// in the target, which a second pass has in target.
	groups history
	target *memberStore

	// These are of the batch that is being checked.
	hashes  []uint64 // by row; 0: it takes no part
	members []member // by row
	earlier map[int32]member
	here    memberStore // the rows that passed so far
	clashes []clash
	err     error
}

// A clash is a row that cannot stand beside one before it, of the same batch
// or, where earlier is set, of one before it.
type clash struct {
	row     int32
	before  member
	earlier bool
}

// look reads what counts of a batch, and compares it with earlier batches.
func (g *groupCheck) look(v *view) error {
	rows := int(v.batch.Rows.NumRows())
	g.hashes = emptied(g.hashes, rows)
	g.members = slices.Grow(g.members[:0], rows)[:rows]
	g.rule.group.hashes(g.hashes, v)
	g.earlier, g.err = nil, nil
	read := g.rule.group.comparer.read(v)
	for _, row := range v.rows {
		values, ok := read(row)
		if !ok {
			g.hashes[row] = 0
			continue
		}
		g.members[row] = member{values: values, at: rowPlace{row: uint32(row)}}
		before, found, err := g.first(&g.seen, row)
		if !found && err == nil && g.target != nil {
			before, found, err = g.first(g.target, row)
		}
		if err != nil {
			return err
		}
		if found {
			if g.earlier == nil {
				g.earlier = make(map[int32]member)
			}
			g.earlier[row] = before
		}
	}
	return nil
}

// first returns the first row of a store that the row clashes with.
func (g *groupCheck) first(store *memberStore, row int32) (before member, found bool, err error) {
	n := 0
	err = store.each(g.hashes[row], func(m *member) {
		n++
		if g.rule.group.comparer.clash(&g.members[row], m) && (!found || m.at.before(before.at)) {
			before, found = *m, true
		}
	})
	if n >= maxGroupRows && err == nil {
		err = fmt.Errorf("the rule %s of %s compares the rows of the same %s, but more than %d have the same: name more fields in its group",
			g.rule.Name, g.rule.Field, listed(g.rule.Fields[g.rule.group.group:]), maxGroupRows)
	}
	return before, found, err
}

func (p rowPlace) before(q rowPlace) bool {
	return p.file < q.file || p.file == q.file && p.row < q.row
}

// begin forgets what the rows of the batch are.
func (g *groupCheck) begin() {
	g.here.reset()
	g.clashes = g.clashes[:0]
}

// taken notes a row that clashes, and reports whether it falls by that.
func (g *groupCheck) taken(row int32) bool {
	if g.hashes[row] == 0 {
		return false
	}
	before, earlier := g.earlier[row]
	if !earlier {
		var here bool
		var err error
		if before, here, err = g.first(&g.here, row); err != nil {
			g.err = err
		}
		if !here {
			return false
		}
	}
	g.clashes = append(g.clashes, clash{row, before, earlier})
	return g.rule.Severity == schemas.Reject
}

// take notes a row that passed.
func (g *groupCheck) take(row int32) {
	if hash := g.hashes[row]; hash != 0 {
		_ = g.here.add(hash, g.members[row]) // it stays in memory
	}
}

// report adds what the last decision found.
func (g *groupCheck) report(found *findings, v *view, o origin) {
	for i := range g.clashes {
		one := &g.clashes[i]
		place := one.before.at
		name := "a row of the target"
		switch {
		case !one.earlier:
			name = o.name(o.place(int32(place.row)))
		case place.row > 0:
			name = o.name(place)
		}
		value, _ := schemas.CellText(v.columns[0], int(one.row))
		found.add(g.rule, one.row, value, g.rule.group.comparer.message(&g.members[one.row], &one.before, name))
	}
}

// keep notes the rows that passed for later batches.
func (g *groupCheck) keep(rows []int32, rejected []bool, o origin) error {
	for _, row := range rows {
		if hash := g.hashes[row]; hash != 0 && !rejected[row] {
			m := g.members[row]
			m.at = o.place(row)
			if err := g.seen.add(hash, m); err != nil {
				return err
			}
			if g.rule.group.against && g.target == nil {
				g.groups.addOnce(hash)
			}
		}
	}
	return cmp.Or(g.err, g.groups.err)
}

// A hasRule says that in every group some row has a certain value.
type hasRule struct {
	groupRule
	value   uint64 // its hash
	null    uint64 // the hash that stands for a null of the field
	message string
}

func buildGroupHas(c *compiler, s *spec, r *rule) {
	text, ok := scalar(s.values["value"])
	if !ok {
		c.fault(s, "value", "must be the value that a row of every group has, as in %s", s.kind.Example)
		return
	}
	c.buildHas(s, r, text)
}

func buildFirstTier(c *compiler, s *spec, r *rule) { c.buildHas(s, r, "1") }

func (c *compiler) buildHas(s *spec, r *rule, text string) {
	compared := r.columns
	if len(compared) != 1 {
		c.fault(s, s.kind.Name, "must name one field, as in %s", s.kind.Example)
		return
	}
	group := c.groupColumns(s, compared)
	if group == nil {
		return
	}
	f := c.rules.columns[compared[0]].Field
	h := &hasRule{value: hashText(text), null: defaultHash(f)}
	if isOrdered(f.Type) {
		value, err := parseOrdered(f.Type, text)
		if err != nil {
			c.fault(s, "value", "%s %s, as %s needs", schemas.QuoteShort(text), err, f.Name)
			return
		}
		h.value = hashInt(value)
	}
	h.groupRule = *c.concernGroup(r, compared, group)
	h.against = c.against(s)
	h.message = fmt.Sprintf("stands without a row for %s: none has the same %s", schemas.Shorten(text), listed(r.Fields[1:]))
	r.has = h
}

// A hasCheck is one rule of what groups must have in one run. It judges once a
// pass over all the rows has told which groups have it.
type hasCheck struct {
	rule  *rule
	seen  history  // groups that have it, of the rows of this pass that passed
	known *history // what a whole pass has seen; nil: this is that pass, or there was none

	groupsSeen history // that occur, to find their rows in the target

	groups, values []uint64 // of the batch, by row
}

// judge finds the rows of groups that lack the value.
func (h *hasCheck) judge(v *view) error {
	rows := int(v.batch.Rows.NumRows())
	h.groups, h.values = emptied(h.groups, rows), emptied(h.values, rows)
	h.rule.has.hashes(h.groups, v)
	hashColumn(h.values, v.columns[0], v.rows, h.rule.has.null, true)
	if h.known == nil {
		return nil
	}
	for _, row := range v.rows {
		if h.groups[row] == 0 || h.values[row] == h.rule.has.value {
			continue // it has the value itself, and is rejected for something else where it does not count
		}
		if _, has := h.known.find(h.groups[row]); !has {
			v.blame(row, h.rule.has.message)
		}
	}
	return h.known.err
}

// keep notes the groups that have the value by a row that passed.
func (h *hasCheck) keep(rows []int32, rejected []bool) error {
	if h.known != nil {
		return nil
	}
	for _, row := range rows {
		if h.groups[row] == 0 || rejected[row] {
			continue
		}
		if h.rule.has.against {
			h.groupsSeen.addOnce(h.groups[row])
		}
		if h.values[row] == h.rule.has.value {
			h.seen.addOnce(h.groups[row])
		}
	}
	return cmp.Or(h.seen.err, h.groupsSeen.err)
}

// LooksAhead tells that some rules judge a row by rows that may come behind
// it, or by those of the target that the run does not write anew: a run has to read its source once before the pass that counts.
func (r *Rules) LooksAhead() bool {
	return slices.ContainsFunc(r.rules, func(one *rule) bool { return one.has != nil || one.group != nil && one.group.against })
}

// lookAcross has the rules over several rows look at a batch.
func (c *Check) lookAcross(ctx context.Context, see func(*rule) *view) error {
	for _, h := range c.has {
		if err := h.judge(see(h.rule)); err != nil {
			return err
		}
	}
	for _, u := range c.uniques {
		if err := u.look(ctx, c.refs, see(u.rule)); err != nil {
			return err
		}
	}
	for _, g := range c.groups {
		if err := g.look(see(g.rule)); err != nil {
			return err
		}
	}
	return nil
}

// keepAcross reports what the rules over several rows have decided, and notes
// the rows that passed for later batches.
func (c *Check) keepAcross(found *findings, see func(*rule) *view, o origin) error {
	for _, u := range c.uniques {
		u.report(found, see(u.rule).batch, o)
	}
	for _, g := range c.groups {
		g.report(found, see(g.rule), o)
	}
	for _, u := range c.uniques {
		if u.keep(c.rows, found.rejected, o); u.seen.err != nil {
			return u.seen.err
		}
	}
	for _, g := range c.groups {
		if err := g.keep(c.rows, found.rejected, o); err != nil {
			return err
		}
	}
	for _, h := range c.has {
		if err := h.keep(c.kept, found.rejected); err != nil {
			return err
		}
	}
	return nil
}
