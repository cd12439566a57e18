package upsert

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"crossdock/internal/store"
	"crossdock/schemas"
)

// A table is a Table with the statements that do not depend on the batch.
type table struct {
	Table
	name    string
	columns []column // in the order of the entity's fields
	key     []int    // positions of the columns of the key
	hasID   bool     // the row id has a name

	where, hashSQL, readSQL, deleteSQL string

	// In SQLite, what sets of rows need: see rowsInSets.
	askSQL   string
	keyKinds []byte       // of the parts of the key and the hash
	lent     store.Tuples // room for a set, used by who holds the writing connection

	inBulk *bulkSQL // in PostgreSQL
	byID   bool     // a row is found by its id, which spares a way through the index

	// insertFirst is set while batches bring almost only new keys: then it
	// costs less to try an insert than to ask before. In PostgreSQL unasked is
	// set while all are new, and readFirst while most rows that are there change,
	// so that they are read at once. Only the function that holds the writing
	// connection touches them.
	insertFirst, unasked, readFirst bool
}

// A column is one column of a table.
type column struct {
	field    *schemas.Field
	name     string
	quoted   []byte // the name as a JSON string
	object   bool   // a JSON object whose members are columns of a batch
	fallback any    // the default, as stored; nil where there is none
}

func newTable(ctx context.Context, db *store.DB, decl Table) (*table, error) {
	t := &table{Table: decl, name: quoteName(decl.Entity.Name)}
	fields := decl.Entity.Fields
	for i := range fields {
		f := &fields[i]
		if f.Name == schemas.DeletedField {
			continue
		}
		if i != len(t.columns) {
			return nil, fmt.Errorf("%s stands before %s", schemas.DeletedField, f.Name)
		}
		fallback, err := storedDefault(f)
		if err != nil {
			return nil, fmt.Errorf("default of %s: %w", f.Name, err)
		}
		if f.Key {
			t.key = append(t.key, i)
		}
		t.columns = append(t.columns, column{
			field: f, name: quoteName(f.Name), quoted: appendString(nil, f.Name), object: f.Type == schemas.LocalisedText || f.Open, fallback: fallback,
		})
	}
	if err := t.compare(ctx, db); err != nil {
		return nil, err
	}
	t.compose()
	t.byID = t.hasID && !db.Postgres()
	if db.Postgres() {
		var err error
		if t.inBulk, err = newBulkSQL(ctx, db, t); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// compare holds the columns that the database has against those that the
// entity needs, so that a field without a column is found at the start and not
// by the first batch that sends it.
func (t *table) compare(ctx context.Context, db *store.DB) error {
	has, err := db.Columns(ctx, t.Entity.Name)
	if err != nil {
		return err
	}
	for _, c := range t.columns {
		if !slices.Contains(has, c.field.Name) {
			return fmt.Errorf("has no column for the field %s", c.field.Name)
		}
	}
	t.hasID = slices.Contains(has, "id")
	return nil
}

// compose writes the statements out.
func (t *table) compose() {
	var keys, names []string
	for _, k := range t.key {
		keys = append(keys, t.columns[k].name+" = ?")
	}
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	id := "0"
	if t.hasID {
		id = "id"
	}
	t.where = " WHERE " + strings.Join(keys, " AND ")
	t.hashSQL = "SELECT row_hash FROM " + t.name + t.where
	t.readSQL = "SELECT " + id + ", row_hash, " + strings.Join(names, ", ") + ", changed_seq FROM " + t.name + t.where
	t.deleteSQL = "DELETE FROM " + t.name + t.where
	t.composeSets()
}

// storedDefault returns the default of a field as its column stores it.
func storedDefault(f *schemas.Field) (any, error) {
	if f.Default == "" {
		return nil, nil
	}
	switch f.Type {
	case schemas.Integer:
		return parseInteger(f.Default)
	case schemas.DecimalType, schemas.Money, schemas.Quantity:
		d, err := schemas.ParseDecimal(f.Default)
		return int64(d), err
	case schemas.Timestamp:
		return parseTimestamp(f.Default)
	case schemas.Boolean:
		return boolInt(f.Default == "true"), nil
	case schemas.Text, schemas.Identifier, schemas.Enum, schemas.Reference, schemas.Date, schemas.List, schemas.JSON:
		return f.Default, nil
	case schemas.LocalisedText:
	}
	return nil, fmt.Errorf("a field of type %s has no default", f.Type)
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
