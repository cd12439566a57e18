package upsert

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"crossdock/commerce"
	"crossdock/internal/store"
	"crossdock/schemas"
)

// What a batch that is read may hold, so that memory stays bounded whatever
// the width of rows and the length of texts.
const (
	rowsPerRead  = 4096
	cellsPerRead = 400_000
	bytesPerRead = 8 << 20
)

// Rows calls fn with the rows of an entity as batches, in the order of their
// keys, and returns the sequence of the moment at which it has read them all.
// A localised or open field has a column for each language or member that
// occurs. Rows deleted since r.After follow in batches of their own, of the key
// and the deleted field. A batch is fn's until it returns.
//
// The error is [schemas.ErrHistoryGone] where r.After is too long ago.
func (e *Engine) Rows(ctx context.Context, r schemas.RowsRequest, fn func(*schemas.Batch) error) (next int64, err error) {
	t, err := e.table(r.Entity)
	if err != nil {
		return 0, err
	}
	err = e.db.Snapshot(ctx, func(q store.Querier) error {
		s := &rowsReader{table: t, db: e.db, q: q, request: r, fn: fn}
		if next, err = s.sequence(ctx); err != nil {
			return err
		}
		if err := s.live(ctx); err != nil {
			return err
		}
		if r.After == 0 {
			return nil
		}
		return s.deleted(ctx)
	})
	if err != nil {
		return 0, fmt.Errorf("read the rows of %s: %w", r.Entity, err)
	}
	return next, nil
}

// A rowsReader reads rows at one moment.
type rowsReader struct {
	*table
	db      *store.DB
	q       store.Querier
	request schemas.RowsRequest
	fn      func(*schemas.Batch) error
}

// sequence returns the number of the last change, if the request can be
// answered from it.
func (s *rowsReader) sequence(ctx context.Context) (int64, error) {
	type state struct{ value, keptAfter int64 }
	now, _, err := store.First(ctx, s.q, func(rows *sql.Rows) (n state, err error) { return n, rows.Scan(&n.value, &n.keptAfter) },
		`SELECT value, kept_after FROM change_sequence`)
	switch {
	case err != nil:
		return 0, err
	case s.request.After > now.value:
		return 0, commerce.Errorf(commerce.Invalid, "%d is later than the last change, %d: was the database put back to an older state?",
			s.request.After, now.value).At("after")
	case s.request.After > 0 && s.request.After < now.keptAfter:
		return 0, schemas.ErrHistoryGone
	}
	return now.value, nil
}

// A source is a column of the table with the columns of the batch that it feeds.
type source struct {
	*column
	at      int // the first of them
	members []string
}

// live reads the rows that there are.
func (s *rowsReader) live(ctx context.Context) error {
	where, args, err := s.conditions()
	if err != nil {
		return err
	}
	sources, columns, err := s.sources(ctx, where, args)
	if err != nil {
		return err
	}
	names := make([]string, len(sources))
	for i := range sources {
		names[i] = sources[i].name
	}
	b := newBatchBuilder(s.Entity, columns, s.fn)
	defer b.release()
	values := make([]any, len(sources))
	places := make([]any, len(sources))
	for i := range values {
		places[i] = &values[i]
	}
	query := `SELECT ` + strings.Join(names, ", ") + ` FROM ` + s.name + where + ` ORDER BY ` + s.keyNames()
	return s.each(ctx, query, args, func(rows *sql.Rows) error {
		if err := rows.Scan(places...); err != nil {
			return err
		}
		for i := range sources {
			if err := sources[i].appendTo(b, values[i]); err != nil {
				return fmt.Errorf("column %s: %w", sources[i].name, err)
			}
		}
		return b.endRow()
	}, b.flush)
}

// each calls fn for every row of a query, and then end.
func (s *rowsReader) each(ctx context.Context, query string, args []any, fn func(*sql.Rows) error, end func() error) error {
	// A context that can be cancelled costs the driver a goroutine a row.
	rows, err := s.q.QueryContext(context.WithoutCancel(ctx), query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for n := 0; rows.Next(); n++ {
		if n%rowsPerLook == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := fn(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return end()
}

// conditions returns what the request asks of rows, as SQL.
func (s *rowsReader) conditions() (string, []any, error) {
	var conditions []string
	var args []any
	if s.request.After > 0 {
		conditions, args = append(conditions, "changed_seq > ?"), append(args, s.request.After)
	}
	for _, name := range slices.Sorted(maps.Keys(s.request.Where)) {
		c, err := s.Entity.Column(name)
		if err != nil {
			return "", nil, commerce.Errorf(commerce.Invalid, "%s", err).At("where." + name)
		}
		position := Position(s.Entity, c.Field.Name)
		value, err := storedText(c.Field, s.request.Where[name])
		if c.Sub != "" {
			value, err = s.request.Where[name], nil
		}
		if err != nil {
			return "", nil, commerce.Errorf(commerce.Invalid, "%s %s", schemas.QuoteShort(s.request.Where[name]), err).At("where." + name)
		}
		condition := s.columns[position].name + " = ?"
		if c.Sub != "" {
			condition = s.db.Member(s.columns[position].name, c.Sub) + " = ?"
		}
		conditions, args = append(conditions, condition), append(args, value)
	}
	if len(conditions) == 0 {
		return "", nil, nil
	}
	return " WHERE " + strings.Join(conditions, " AND "), args, nil
}

func (t *table) keyNames() string {
	names := make([]string, len(t.key))
	for i, k := range t.key {
		names[i] = t.columns[k].name
	}
	return strings.Join(names, ", ")
}

// sources returns which columns of the table feed which columns of batches.
func (s *rowsReader) sources(ctx context.Context, where string, args []any) ([]source, []schemas.Column, error) {
	wanted, err := s.wanted()
	if err != nil {
		return nil, nil, err
	}
	var sources []source
	var columns []schemas.Column
	for i := range s.columns {
		c := &s.columns[i]
		all, members := wanted(c.field)
		if !all && len(members) == 0 {
			continue
		}
		from := source{column: c, at: len(columns)}
		switch {
		case !c.object:
			columns = append(columns, schemas.Column{Name: c.field.Name, Field: c.field})
		default:
			from.members = members
			if all {
				if from.members, err = s.members(ctx, c, where, args); err != nil {
					return nil, nil, err
				}
			}
			for _, member := range from.members {
				columns = append(columns, schemas.Column{Name: c.field.Name + "." + member, Field: c.field, Sub: member})
			}
		}
		sources = append(sources, from)
	}
	return sources, columns, nil
}

// wanted returns what tells whether the request wants a field, or which
// members of it alone.
func (s *rowsReader) wanted() (func(*schemas.Field) (all bool, members []string), error) {
	fields, parts := map[string]bool{}, map[string][]string{}
	for _, name := range s.request.Columns {
		if f := s.Entity.Field(name); f != nil && name != schemas.DeletedField {
			fields[name] = true
			continue
		}
		c, err := s.Entity.Column(name)
		if err != nil {
			return nil, commerce.Errorf(commerce.Invalid, "%s", err).At("columns")
		}
		parts[c.Field.Name] = append(parts[c.Field.Name], c.Sub)
	}
	return func(f *schemas.Field) (bool, []string) {
		members := parts[f.Name]
		slices.Sort(members)
		return f.Key || s.request.Columns == nil || fields[f.Name], slices.Compact(members)
	}, nil
}

// members returns the languages or members of a field that occur, in order.
func (s *rowsReader) members(ctx context.Context, c *column, where string, args []any) ([]string, error) {
	return store.Collect(ctx, s.q, func(rows *sql.Rows) (name string, err error) { return name, rows.Scan(&name) },
		`SELECT DISTINCT j.key FROM (SELECT `+c.name+` AS object FROM `+s.name+where+`) t, `+s.db.Members("t.object")+` j ORDER BY 1`, args...)
}

// appendTo adds the value of a row to the columns that it feeds.
func (s *source) appendTo(b *batchBuilder, value any) error {
	if !s.object {
		return b.add(s.at, value)
	}
	text, there := value.(string)
	object := map[string]string{}
	if there {
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			return fmt.Errorf("stored object %s: %w", text, err)
		}
	}
	for i, member := range s.members {
		var of any
		if text, there := object[member]; there {
			of = text
		}
		if err := b.add(s.at+i, of); err != nil {
			return err
		}
	}
	return nil
}

// deleted reads the keys that were deleted since, and not created again.
func (s *rowsReader) deleted(ctx context.Context) error {
	var columns []schemas.Column
	for _, k := range s.key {
		columns = append(columns, schemas.Column{Name: s.columns[k].field.Name, Field: s.columns[k].field})
	}
	columns = append(columns, schemas.Column{Name: schemas.DeletedField, Field: s.Entity.Field(schemas.DeletedField)})
	b := newBatchBuilder(s.Entity, columns, s.fn)
	defer b.release()
	last := ""
	for {
		buried, err := store.Collect(ctx, s.q, func(rows *sql.Rows) (key string, err error) { return key, rows.Scan(&key) },
			`SELECT key FROM tombstone WHERE entity = ? AND seq > ? AND key > ? ORDER BY key LIMIT ?`,
			s.Entity.Name, s.request.After, last, rowsPerRead)
		if err != nil {
			return err
		}
		for _, text := range buried {
			if err := s.addDeleted(ctx, b, text); err != nil {
				return err
			}
		}
		if len(buried) < rowsPerRead {
			return b.flush()
		}
		last = buried[len(buried)-1]
	}
}

// addDeleted adds a key that was deleted, unless it is there again.
func (s *rowsReader) addDeleted(ctx context.Context, b *batchBuilder, text string) error {
	key, err := s.parseKey(text)
	if err != nil {
		return err
	}
	again, _, err := store.First(ctx, s.q, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) },
		`SELECT count(*) FROM `+s.name+s.where, key...)
	if again > 0 || err != nil {
		return err
	}
	for i, part := range key {
		if err := b.add(i, part); err != nil {
			return err
		}
	}
	if err := b.add(len(key), int64(1)); err != nil {
		return err
	}
	return b.endRow()
}

// parseKey returns the parts of a key as the table stores them.
func (t *table) parseKey(text string) ([]any, error) {
	parts := []string{""}
	var into any = &parts[0]
	if len(t.key) > 1 {
		into = &parts
	}
	if err := json.Unmarshal([]byte(text), into); err != nil || len(parts) != len(t.key) {
		return nil, fmt.Errorf("stored key %s has not %d parts", text, len(t.key))
	}
	key := make([]any, len(parts))
	for i, part := range parts {
		var err error
		if key[i], err = storedText(t.columns[t.key[i]].field, part); err != nil {
			return nil, fmt.Errorf("stored key %s: %w", text, err)
		}
	}
	return key, nil
}

// A batchBuilder gathers rows and hands them on by the batch.
type batchBuilder struct {
	entity  *schemas.Entity
	columns []schemas.Column
	fn      func(*schemas.Batch) error
	builder *array.RecordBuilder

	limit, rows, bytes int
}

func newBatchBuilder(entity *schemas.Entity, columns []schemas.Column, fn func(*schemas.Batch) error) *batchBuilder {
	return &batchBuilder{
		entity: entity, columns: columns, fn: fn, limit: min(rowsPerRead, max(64, cellsPerRead/len(columns))),
		builder: array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(columns)),
	}
}

func (b *batchBuilder) release() { b.builder.Release() }

// add appends a value as the table stores it to a column.
func (b *batchBuilder) add(column int, value any) error {
	switch f := b.builder.Field(column).(type) {
	case *array.StringBuilder:
		if text, ok := value.(string); ok {
			b.bytes += len(text)
			f.Append(text)
			return nil
		}
	case *array.Int64Builder:
		if n, ok := value.(int64); ok {
			f.Append(n)
			return nil
		}
	case *array.Decimal64Builder:
		if n, ok := value.(int64); ok {
			f.Append(decimal.Decimal64(n))
			return nil
		}
	case *array.BooleanBuilder:
		if n, ok := value.(int64); ok {
			f.Append(n != 0)
			return nil
		}
	case *array.TimestampBuilder:
		if n, ok := value.(int64); ok {
			f.Append(arrow.Timestamp(n))
			return nil
		}
	case *array.Date32Builder:
		if text, ok := value.(string); ok {
			day, err := time.Parse(time.DateOnly, text)
			f.Append(arrow.Date32FromTime(day))
			return err
		}
	}
	if value != nil {
		return fmt.Errorf("%v (%T) is no %s", value, value, b.columns[column].Field.Type)
	}
	b.builder.Field(column).AppendNull()
	return nil
}

// endRow ends a row, and hands the batch on where it is large enough.
func (b *batchBuilder) endRow() error {
	if b.rows++; b.rows < b.limit && b.bytes < bytesPerRead {
		return nil
	}
	return b.flush()
}

// flush hands on what there is.
func (b *batchBuilder) flush() error {
	if b.rows == 0 {
		return nil
	}
	batch := b.batch()
	defer batch.Rows.Release()
	return b.fn(batch)
}

// batch returns the rows that have gathered.
func (b *batchBuilder) batch() *schemas.Batch {
	b.rows, b.bytes = 0, 0
	return &schemas.Batch{
		Entity: b.entity, Columns: b.columns, Absent: make([][]bool, len(b.columns)), Rows: b.builder.NewRecordBatch(),
	}
}
