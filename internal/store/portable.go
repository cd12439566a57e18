package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
)

// List returns what stands in a FROM clause for the elements of a JSON array
// that is bound to the parameter, ?1 for instance: rows of place, counted from
// 0, and value, which is a text unless it is cast.
func (db *DB) List(parameter string) string {
	if db.Postgres() {
		return `(SELECT ordinality - 1 AS place, value FROM json_array_elements_text(CAST(` + parameter + ` AS json)) WITH ORDINALITY AS e (value, ordinality))`
	}
	return `(SELECT key AS place, value FROM json_each(` + parameter + `))`
}

// Array writes texts as a JSON array to bind to a parameter of [DB.List]. No
// database holds a text with a NUL, and PostgreSQL does not even look for one.
func Array[T ~string](values []T) (string, error) {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = strings.ReplaceAll(string(v), "\x00", "\uFFFD")
	}
	text, err := json.Marshal(texts)
	return string(text), err
}

// Members returns what stands in a FROM clause, behind the table of the column
// given, for the members of the JSON object in that column: rows of key.
func (db *DB) Members(column string) string {
	if db.Postgres() {
		return `LATERAL (SELECT key COLLATE "C" AS key FROM json_each_text(CAST(` + column + ` AS json)) AS e (key, value))`
	}
	return `json_each(` + column + `)`
}

// Member returns the expression of a text in the JSON object in a column.
func (db *DB) Member(column, name string) string {
	if db.Postgres() {
		return `(CAST(` + column + ` AS json) ->> ` + Quote(name) + `)`
	}
	return column + ` ->> ` + Quote(`$."`+name+`"`)
}

// Part returns the expression of the JSON text of a member of the JSON object
// in a column, which must be a list, or a truth value.
func (db *DB) Part(column, name string) string {
	if db.Postgres() {
		// It would refuse the whole object for a NUL anywhere in it.
		return `CAST(CAST(replace(` + column + `, '\u0000', '\ufffd') AS json) -> ` + Quote(name) + ` AS text)`
	}
	return `(` + column + ` -> ` + Quote(`$."`+name+`"`) + `)`
}

// Columns returns the names of the columns of a table, none where there is no
// such table.
func (db *DB) Columns(ctx context.Context, table string) ([]string, error) {
	query := `SELECT name FROM pragma_table_info(?)`
	if db.Postgres() {
		query = `SELECT CAST(attname AS text) FROM pg_attribute
			WHERE attrelid = to_regclass(quote_ident(?)) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`
	}
	return Collect(ctx, db.reader, func(rows *sql.Rows) (name string, err error) { return name, rows.Scan(&name) }, query, table)
}
