package quality

import (
	"context"
	"fmt"
	"slices"

	"crossdock/schemas"
)

// Survey is what a pass over all rows of a source has found, for rules that
// judge a row by rows behind it, or by rows that the target holds.
type Survey struct {
	has    []*history
	groups []*memberStore // of the target; nil: the rule does not ask it
}

// Survey returns what the batches checked so far tell about the whole. For
// rules against the target it reads the rows there of the groups that occur,
// but for those that the run is going to write anew.
func (c *Check) Survey(ctx context.Context) (*Survey, error) {
	s := &Survey{groups: make([]*memberStore, len(c.groups))}
	for i, g := range c.groups {
		if !g.rule.group.against || c.refs == nil {
			continue
		}
		s.groups[i] = &memberStore{scratch: g.seen.scratch, limit: g.seen.limit}
		err := c.eachInTarget(ctx, g.rule, g.rule.group, &g.groups, func(v *view, hashes []uint64) error {
			read := g.rule.group.comparer.read(v)
			for _, row := range v.rows {
				if values, ok := read(row); ok && hashes[row] != 0 {
					// Row 0, which no source has, stands for the target.
					if err := s.groups[i].add(hashes[row], member{values: values}); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, h := range c.has {
		s.has = append(s.has, &h.seen)
		if !h.rule.has.against || c.refs == nil {
			continue
		}
		err := c.eachInTarget(ctx, h.rule, &h.rule.has.groupRule, &h.groupsSeen, func(v *view, hashes []uint64) error {
			values := make([]uint64, len(hashes))
			hashColumn(values, v.columns[0], v.rows, h.rule.has.null, true)
			for _, row := range v.rows {
				if hash := hashes[row]; hash != 0 && values[row] == h.rule.has.value {
					h.seen.addOnce(hash)
				}
			}
			return h.seen.err
		})
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Know gives a run what a pass over the same rows with the same rules has
// found. Without it rules that look ahead say nothing.
func (c *Check) Know(s *Survey) {
	for i, h := range c.has {
		h.known = s.has[i]
	}
	for i, g := range c.groups {
		g.target = s.groups[i]
	}
}

// addOnce notes a hash that may be in the history already.
func (h *history) addOnce(hash uint64) {
	if _, there := h.find(hash); !there {
		h.add(hash, rowPlace{row: 1})
	}
}

// eachInTarget calls fn with the rows of the target, by batch, as a rule over
// groups sees them, and with the hash of the group of each: 0 where the group
// does not occur in the run, or where the run has a row of that key.
func (c *Check) eachInTarget(ctx context.Context, r *rule, g *groupRule, occurs *history, fn func(v *view, hashes []uint64) error) error {
	names := slices.Clone(r.Fields)
	for _, f := range c.rules.entity.Key() {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	request := schemas.RowsRequest{Entity: c.rules.entity.Name, Columns: slices.Compact(names)}
	_, err := c.refs.Rows(ctx, request, func(b *schemas.Batch) error {
		v := &view{batch: b, rule: r}
		for _, name := range r.Fields {
			at := b.Index(name)
			if at < 0 {
				return nil // no row of the batch has a value there
			}
			v.at, v.columns = append(v.at, at), append(v.columns, b.Rows.Column(at))
		}
		v.rows = c.otherKeys(b)
		hashes := make([]uint64, b.Rows.NumRows())
		g.hashes(hashes, v)
		for _, row := range v.rows {
			if _, ok := occurs.find(hashes[row]); !ok {
				hashes[row] = 0
			}
		}
		if occurs.err != nil {
			return occurs.err
		}
		return fn(v, hashes)
	})
	if err != nil {
		return fmt.Errorf("compare with the rows of %s that the target holds: %w", c.rules.entity.Name, err)
	}
	return nil
}

// otherKeys returns the rows of a batch of the target whose keys no row of the
// run has that passed. What the run does not send of a key has its default,
// so that rows that have something else there are of other groups.
func (c *Check) otherKeys(b *schemas.Batch) []int32 {
	all := make([]int32, b.Rows.NumRows())
	for i := range all {
		all[i] = int32(i)
	}
	keys := c.keys()
	hashes := make([]uint64, len(all))
	for i, name := range keys.rule.Fields {
		hashColumn(hashes, b.Rows.Column(b.Index(name)), all, keys.rule.unique.defaults[i], i == 0)
	}
	for _, f := range c.rules.entity.Key() {
		if slices.Contains(keys.rule.Fields, f.Name) {
			continue
		}
		usual := defaultHash(f)
		values := make([]uint64, len(all))
		hashColumn(values, b.Rows.Column(b.Index(f.Name)), all, usual, true)
		for i := range all {
			if values[i] != usual {
				hashes[i] = 0
			}
		}
	}
	return slices.DeleteFunc(all, func(row int32) bool { return hashes[row] == 0 || keys.hasSeen(hashes[row]) })
}

// against reads whether a rule over groups looks at the target as well.
func (c *compiler) against(s *spec) bool {
	value, there := s.values["against"]
	if !there {
		return false
	}
	if value != "target" {
		c.fault(s, "against", "is %s, but must be target", shown(value))
		return false
	}
	if !slices.ContainsFunc(c.rules.rules, func(r *rule) bool { return r.unique != nil && r.unique.key }) {
		c.fault(s, "against", "needs the whole key of %s, of which a part is not mapped: what a run writes anew could not be told from the rest", c.rules.entity.Name)
		return false
	}
	return true
}
