package upsert

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"crossdock/internal/store"
	"crossdock/schemas"
)

// Known reports for each key of an entity with a key of one part whether there
// is a row that has it.
func (e *Engine) Known(ctx context.Context, entity string, keys []string) ([]bool, error) {
	t, err := e.table(entity)
	if err != nil {
		return nil, err
	}
	if len(t.key) != 1 {
		return nil, fmt.Errorf("%s has a key of %d parts, and cannot be referred to by one", entity, len(t.key))
	}
	// Those that are missing are asked for, which mostly are none: each row of
	// an answer costs more than the look into the index.
	name := t.columns[t.key[0]].name
	asked, err := store.Array(keys)
	if err != nil {
		return nil, err
	}
	missing, err := store.Collect(ctx, e.db.Read(), func(rows *sql.Rows) (place int, err error) { return place, rows.Scan(&place) },
		`SELECT j.place FROM `+e.db.List("?")+` j WHERE NOT EXISTS (SELECT 1 FROM `+t.name+` t WHERE t.`+name+` = j.value)`, asked)
	if err != nil {
		return nil, fmt.Errorf("look up %d keys of %s: %w", len(keys), entity, err)
	}
	known := slices.Repeat([]bool{true}, len(keys))
	for _, place := range missing {
		known[place] = false
	}
	return known, nil
}

// Holders returns for each value the key of a row of the entity that has it in
// the field, and "" where none has. It reads the whole table.
func (e *Engine) Holders(ctx context.Context, entity, field string, values []string) ([]string, error) {
	t, err := e.table(entity)
	if err != nil {
		return nil, err
	}
	position := Position(t.Entity, field)
	if position < 0 || position >= len(t.columns) || t.columns[position].object {
		return nil, fmt.Errorf("%s has no field %s of one value", entity, field)
	}
	if len(t.key) != 1 {
		return nil, fmt.Errorf("%s has a key of %d parts, and no one can name it", entity, len(t.key))
	}
	stored := make([]string, len(values))
	value := "value"
	for i, v := range values {
		one, err := storedText(t.columns[position].field, v)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", field, v, err)
		}
		if _, number := one.(int64); number {
			value = "CAST(value AS bigint)"
		}
		stored[i] = fmt.Sprint(one)
	}
	asked, err := store.Array(stored)
	if err != nil {
		return nil, err
	}
	type holder struct{ value, key string }
	name, key := t.columns[position].name, t.columns[t.key[0]].name
	found, err := store.Collect(ctx, e.db.Read(), func(rows *sql.Rows) (h holder, err error) {
		return h, rows.Scan(&h.value, &h.key)
	}, `SELECT `+name+`, min(`+key+`) FROM `+t.name+` WHERE `+name+` IN (SELECT `+value+` FROM `+e.db.List("?")+` l) GROUP BY 1`, asked)
	if err != nil {
		return nil, fmt.Errorf("look up %s of %s: %w", field, entity, err)
	}
	by := make(map[string]string, len(found))
	for _, h := range found {
		by[h.value] = h.key
	}
	holders := make([]string, len(values))
	for i := range values {
		holders[i] = by[stored[i]]
	}
	return holders, nil
}

// storedText returns a value that people write as a column stores it.
func storedText(f *schemas.Field, text string) (any, error) {
	like := *f
	like.Default = text
	v, err := storedDefault(&like)
	if v == nil && err == nil {
		v = ""
	}
	return v, err
}
