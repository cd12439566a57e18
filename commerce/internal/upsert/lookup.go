package upsert

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

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
	missing, found, err := store.First(ctx, e.db.Read(), func(rows *sql.Rows) (s sql.NullString, err error) { return s, rows.Scan(&s) },
		`SELECT group_concat(j.key) FROM json_each(?) j WHERE NOT EXISTS (SELECT 1 FROM `+t.name+` t WHERE t.`+name+` = j.value)`, list(keys))
	if err != nil || !found {
		return nil, fmt.Errorf("look up %d keys of %s: %w", len(keys), entity, err)
	}
	known := slices.Repeat([]bool{true}, len(keys))
	if !missing.Valid {
		return known, nil
	}
	for place := range strings.SplitSeq(missing.String, ",") {
		i, err := strconv.Atoi(place)
		if err != nil || i >= len(keys) {
			return nil, fmt.Errorf("look up %d keys of %s: answer %q", len(keys), entity, place)
		}
		known[i] = false
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
	stored := make([]any, len(values))
	for i, v := range values {
		if stored[i], err = storedText(t.columns[position].field, v); err != nil {
			return nil, fmt.Errorf("%s %q: %w", field, v, err)
		}
	}
	type holder struct{ value, key string }
	name, key := t.columns[position].name, t.columns[t.key[0]].name
	found, err := store.Collect(ctx, e.db.Read(), func(rows *sql.Rows) (h holder, err error) {
		return h, rows.Scan(&h.value, &h.key)
	}, `SELECT `+name+`, min(`+key+`) FROM `+t.name+` WHERE `+name+` IN (SELECT value FROM json_each(?)) GROUP BY 1`, list(stored))
	if err != nil {
		return nil, fmt.Errorf("look up %s of %s: %w", field, entity, err)
	}
	by := make(map[string]string, len(found))
	for _, h := range found {
		by[h.value] = h.key
	}
	holders := make([]string, len(values))
	for i := range values {
		holders[i] = by[fmt.Sprint(stored[i])]
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

// list writes texts and numbers as a JSON array.
func list[T any](values []T) string {
	b := []byte{'['}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		if s, ok := any(v).(string); ok {
			b = appendString(b, s)
		} else {
			b = fmt.Append(b, v)
		}
	}
	return string(append(b, ']'))
}
