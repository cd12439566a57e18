package quality

import (
	"context"
	"fmt"

	"crossdock/schemas"
)

// A referenceRule says that a column points at rows that exist.
type referenceRule struct {
	entity string // pointed at
	self   bool   // at rows of the same entity, which the run itself may bring
}

func buildReference(c *compiler, _ *spec, r *rule) {
	e, field := c.rules.entity, c.rules.columns[r.columns[0]].Field
	r.reference = &referenceRule{entity: field.Entity}
	// What a row that is deleted points at may be gone already.
	r.deletions = false
	// A key of several fields is no value that a reference could hold.
	if field.Entity != e.Name || len(e.Key()) != 1 {
		return
	}
	for i, column := range c.rules.columns {
		if column.Field.Key {
			r.reference.self = true
			r.columns = append(r.columns, i)
		}
	}
}

// A referenceCheck is one reference in one run.
type referenceCheck struct {
	rule  *rule
	known recent

	// These are of the batch that is being checked.
	pending []pending
	view    *view
}

// A pending reference is unknown to the target, and holds if a row of the run
// is what it points at.
type pending struct {
	row    int32
	key    string
	blamed bool
}

// resolve blames the references that point nowhere, and leaves pending those
// that a row of the batch may save.
func (c *referenceCheck) resolve(ctx context.Context, refs References, keys *uniqueCheck, v *view) error {
	c.view, c.pending = v, c.pending[:0]
	unknown, err := c.unknown(ctx, refs, keys, v)
	if err != nil {
		return err
	}
	for _, one := range unknown {
		if c.rule.reference.self {
			c.pending = append(c.pending, one)
		} else {
			c.blame(one.row)
		}
	}
	return nil
}

// unknown returns the references of the batch that neither the target nor an
// earlier batch of the run has the rows of, asking the target once.
func (c *referenceCheck) unknown(ctx context.Context, refs References, keys *uniqueCheck, v *view) ([]pending, error) {
	column := v.texts(0)
	position := make(map[string]int)
	var ask []string
	var unsure []pending
	last := "" // that was known: files name the same row many times in a row
	for _, row := range v.rows {
		if isEmpty(column, int(row)) {
			continue
		}
		key := column.Value(int(row))
		if key == last && !c.rule.reference.self {
			continue
		}
		if c.rule.reference.self {
			if own, _ := schemas.CellText(v.columns[1], int(row)); own == key {
				v.blame(row, "is the row itself")
				continue
			}
		}
		hash := hashText(key)
		if c.known.has(hash) || c.rule.reference.self && keys.hasSeen(hash) {
			last = key
			continue
		}
		if _, asked := position[key]; !asked {
			position[key] = len(ask)
			ask = append(ask, key)
		}
		unsure = append(unsure, pending{row: row, key: key})
	}
	if len(ask) == 0 {
		return nil, nil
	}
	known, err := c.ask(ctx, refs, ask)
	if err != nil {
		return nil, err
	}
	unknown := unsure[:0]
	for _, one := range unsure {
		if !known[position[one.key]] {
			unknown = append(unknown, one)
		}
	}
	return unknown, nil
}

// ask asks the target, and remembers what it knows. What it does not know is
// asked again with the next batch, for it may have come with this one.
func (c *referenceCheck) ask(ctx context.Context, refs References, keys []string) ([]bool, error) {
	known, err := refs.Known(ctx, c.rule.reference.entity, keys)
	if err != nil {
		return nil, fmt.Errorf("which %s exist: %w", c.rule.reference.entity, err)
	}
	if len(known) != len(keys) {
		return nil, fmt.Errorf("which %s exist: %d answers to %d keys", c.rule.reference.entity, len(known), len(keys))
	}
	for i, key := range keys {
		if known[i] {
			c.known.add(hashText(key))
		}
	}
	return known, nil
}

func (c *referenceCheck) blame(row int32) {
	c.view.blame(row, "names no "+c.rule.reference.entity+" that exists")
}

// settle blames the pending references that no row which passed so far saves.
// It reports whether a row fell by that which others may rest on.
func (c *referenceCheck) settle(keys *uniqueCheck, found *findings) bool {
	fallen := false
	for i := range c.pending {
		one := &c.pending[i]
		if one.blamed || keys.holds(hashText(one.key)) {
			continue
		}
		before := found.rejected[one.row]
		c.blame(one.row)
		one.blamed = true
		fallen = fallen || found.rejected[one.row] != before
	}
	return fallen
}

// recent remembers hashes of what was found lately, at most maxRecent of them.
// When the young half is full it becomes the old one, which is forgotten.
type recent struct {
	young, old map[uint64]struct{}
}

const maxRecent = 100_000

func (r *recent) has(hash uint64) bool {
	if _, ok := r.young[hash]; ok {
		return true
	}
	if _, ok := r.old[hash]; ok {
		r.add(hash)
		return true
	}
	return false
}

func (r *recent) add(hash uint64) {
	if r.young == nil || len(r.young) >= maxRecent/2 {
		r.old, r.young = r.young, make(map[uint64]struct{})
	}
	r.young[hash] = struct{}{}
}
