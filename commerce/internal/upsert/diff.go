package upsert

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"crossdock/internal/store"
	"crossdock/schemas"
)

// Plan returns the outcome that Apply would have, and writes nothing. It does
// what Apply does and takes it back, so that the two cannot differ.
func (e *Engine) Plan(ctx context.Context, b *schemas.Batch) (schemas.Outcome, error) {
	return e.plan(ctx, b, nil)
}

// Diff returns what Plan returns, and what every row would change, in the order
// of the rows.
func (e *Engine) Diff(ctx context.Context, b *schemas.Batch) (schemas.Outcome, []schemas.Difference, error) {
	changes := map[int]schemas.Difference{}
	outcome, err := e.plan(ctx, b, changes)
	if err != nil {
		return schemas.Outcome{}, nil, err
	}
	list := make([]schemas.Difference, 0, len(changes))
	for _, row := range slices.Sorted(maps.Keys(changes)) {
		list = append(list, changes[row])
	}
	return outcome, list, nil
}

func (e *Engine) plan(ctx context.Context, b *schemas.Batch, changes map[int]schemas.Difference) (schemas.Outcome, error) {
	var outcome schemas.Outcome
	err := e.db.Attempt(ctx, func(c *store.Conn) (err error) {
		outcome, err = e.pass(ctx, c, schemas.BatchID{}, b, manner{changes: changes})
		return err
	})
	if err != nil {
		return schemas.Outcome{}, fmt.Errorf("plan a batch of %s: %w", b.Entity.Name, err)
	}
	return outcome, nil
}

// differ notes what a change that the judge lets pass does to each column. Of
// a row that is tried again, or whose key comes twice, what it does last counts.
func (p *pass) differ(row int, kind Kind, before, after []driver.Value) error {
	if p.changes == nil {
		return nil
	}
	d := schemas.Difference{Row: row, Kind: string(kind)}
	for i := range p.t.columns {
		var was, is driver.Value
		if before != nil {
			was = before[i]
		}
		if after != nil {
			is = after[i]
		}
		if was == is {
			continue
		}
		fields, err := p.t.columns[i].differences(was, is)
		if err != nil {
			return err
		}
		d.Fields = append(d.Fields, fields...)
	}
	p.changes[row] = d
	return nil
}

// differences returns what changes where a column holds another value: itself,
// or some of its members.
func (c *column) differences(was, is driver.Value) ([]schemas.FieldDifference, error) {
	if !c.object {
		return []schemas.FieldDifference{{Column: c.field.Name, Old: c.text(was), New: c.text(is)}}, nil
	}
	old, err := members(was)
	if err != nil {
		return nil, err
	}
	now, err := members(is)
	if err != nil {
		return nil, err
	}
	var list []schemas.FieldDifference
	names := slices.AppendSeq(slices.Collect(maps.Keys(old)), maps.Keys(now))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		before, had := old[name]
		after, has := now[name]
		if had == has && before == after {
			continue
		}
		d := schemas.FieldDifference{Column: c.field.Name + "." + name}
		if had {
			d.Old = &before
		}
		if has {
			d.New = &after
		}
		list = append(list, d)
	}
	return list, nil
}

// members returns the members of a stored object.
func members(v driver.Value) (map[string]string, error) {
	text, there := v.(string)
	if !there {
		return nil, nil
	}
	object := map[string]string{}
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return nil, fmt.Errorf("stored object %s: %w", text, err)
	}
	return object, nil
}

// text returns a stored value as people write it, nil for none.
func (c *column) text(v driver.Value) *string {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case int64:
		text = string(appendNumber(nil, c.field, v))
	default:
		return nil
	}
	return &text
}
