package upsert

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"crossdock/internal/store"
	"crossdock/schemas"
)

// bulkSQL is what a table needs so that PostgreSQL takes a batch at once.
type bulkSQL struct {
	numbers []bool // by column: it is a BIGINT, else a TEXT

	// probe finds the rows of keys: place, ctid, id, row_hash. probeAll reads
	// them as well, columns and changed_seq, and so does read for rows at ctids.
	probe, probeAll, read, remove, reserve string

	// changed is what changed rows are sent as: rows of the table. fields tells
	// which column of the entity each of theirs is, or says hashField or noField.
	changed *store.RowType
	fields  []int
	from    string // the end of an update by them: $1 their places, $2 themselves
}

// What a column of a table is that is no field.
const (
	noField   = -1
	hashField = -2
)

func newBulkSQL(ctx context.Context, db *store.DB, t *table) (*bulkSQL, error) {
	changed, err := db.RowType(ctx, t.Entity.Name)
	if err != nil {
		return nil, err
	}
	b := &bulkSQL{changed: changed}
	var names, arrays, parts, match []string
	for i := range t.columns {
		c := &t.columns[i]
		kind := "text"
		number := isNumber(c.field)
		if number {
			kind = "bigint"
		}
		b.numbers = append(b.numbers, number)
		names = append(names, "t."+c.name)
		if c.field.Key {
			n := len(parts) + 1
			arrays = append(arrays, fmt.Sprintf("$%d::%s[]", n, kind))
			parts = append(parts, fmt.Sprintf("k%d", n))
			match = append(match, fmt.Sprintf("t.%s = k.k%d", c.name, n))
		}
	}
	id := "0::bigint"
	if t.hasID {
		id = "t.id"
		b.reserve = fmt.Sprintf("SELECT setval(s, nextval(s) + ?1 - 1) FROM (SELECT CAST(pg_get_serial_sequence(%s, 'id') AS regclass) AS s) q",
			store.Quote(t.name))
	}
	at := "SELECT k.place, t.ctid, " + id + ", t.row_hash"
	all := ", " + strings.Join(names, ", ") + ", t.changed_seq"
	keys := " FROM unnest(" + strings.Join(arrays, ", ") + ") WITH ORDINALITY AS k (" +
		strings.Join(parts, ", ") + ", place) JOIN " + t.name + " t ON " + strings.Join(match, " AND ")
	b.probe, b.probeAll = at+keys, at+all+keys
	b.read = at + all + " FROM unnest($1::tid[]) WITH ORDINALITY AS k (at, place) JOIN " + t.name + " t ON t.ctid = k.at"
	b.remove = "DELETE FROM " + t.name + " t USING unnest($1::tid[]) AS k (at) WHERE t.ctid = k.at RETURNING 1"
	at = "at"
	for _, name := range changed.Columns {
		at += ", " + quoteName(name)
		field := Position(t.Entity, name)
		switch {
		case name == "row_hash":
			field = hashField
		case field < 0:
			field = noField
		}
		b.fields = append(b.fields, field)
	}
	b.from = " FROM unnest($1::tid[], $2::" + changed.Name + ") AS s (" + at + ") WHERE t.ctid = s.at"
	return b, nil
}

// isNumber reports whether a field is stored as a number.
func isNumber(f *schemas.Field) bool {
	switch f.Type {
	case schemas.Integer, schemas.DecimalType, schemas.Money, schemas.Quantity, schemas.Boolean, schemas.Timestamp:
		return true
	default:
		return false
	}
}

// tidText returns a ctid as PostgreSQL reads it in an array.
func tidText(b []byte, at [6]byte) []byte {
	b = append(b, `"(`...)
	b = strconv.AppendUint(b, uint64(binary.BigEndian.Uint32(at[:4])), 10)
	b = append(b, ',')
	b = strconv.AppendUint(b, uint64(binary.BigEndian.Uint16(at[4:])), 10)
	return append(b, `)"`...)
}

func tidArray(rows []placed) string {
	b := []byte{'{'}
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = tidText(b, rows[i].at)
	}
	return string(append(b, '}'))
}
