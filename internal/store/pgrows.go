package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// A RowType is what the rows of a table of PostgreSQL are to it, so that a
// statement takes thousands of them as one argument: an array. That costs the
// server less than COPY into a table of their own does, and needs none.
type RowType struct {
	Name    string   // of an array of rows, as a statement has it
	Columns []string // of the table, in its order

	types          []uint32 // of the columns: these are OIDs
	element, array uint32   // of the row, and of an array of rows
}

// RowType returns the type of the rows of a table. It is there in PostgreSQL alone.
func (db *DB) RowType(ctx context.Context, table string) (*RowType, error) {
	t := &RowType{}
	rows, err := db.reader.QueryContext(ctx, `SELECT CAST(a.attname AS text), CAST(a.atttypid AS bigint), CAST(t.oid AS bigint), CAST(t.typarray AS bigint),
			CAST(CAST(t.typarray AS regtype) AS text)
		FROM pg_attribute a JOIN pg_type t ON t.typrelid = a.attrelid
		WHERE a.attrelid = to_regclass(quote_ident(?)) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var of uint32
		if err := rows.Scan(&name, &of, &t.element, &t.array, &t.Name); err != nil {
			return nil, err
		}
		t.Columns, t.types = append(t.Columns, name), append(t.types, of)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(t.Columns) == 0 {
		return nil, fmt.Errorf("there is no table %s", table)
	}
	return t, nil
}

// Records are rows of a table in the binary form of PostgreSQL, to be one
// argument of [Conn.Change]. Each begins with Begin, has every column of its
// type in order, each announced by Column and then added, and ends with End.
type Records struct {
	Tuples
	of    *RowType
	began int
}

// NewRecords returns no rows, with room for so many bytes of them.
func (t *RowType) NewRecords(bytes int) *Records {
	return &Records{of: t, Tuples: Tuples{b: make([]byte, 0, bytes)}}
}

// Begin begins a row.
func (r *Records) Begin() {
	r.began = len(r.b)
	r.b = binary.BigEndian.AppendUint32(r.b, 0) // its length, which End knows
	r.b = binary.BigEndian.AppendUint32(r.b, uint32(len(r.of.types)))
}

// Column announces the value of a column, and returns where [Records.Value] finds it.
func (r *Records) Column(i int) (at int) {
	r.b = binary.BigEndian.AppendUint32(r.b, r.of.types[i])
	return len(r.b)
}

// End ends the row.
func (r *Records) End() { binary.BigEndian.PutUint32(r.b[r.began:], uint32(len(r.b)-r.began-4)) }

// Undo takes back the row that was begun last.
func (r *Records) Undo() { r.b = r.b[:r.began] }

// Value returns a value in its binary form, nil for a null, until the next is added.
func (r *Records) Value(at int) []byte {
	n := binary.BigEndian.Uint32(r.b[at:])
	if n == null {
		return nil
	}
	return r.b[at+4 : at+4+int(n)]
}

// Array returns the argument that holds the n rows between two lengths.
func (r *Records) Array(from, to, n int) any {
	const header = 20
	b := make([]byte, 0, header+to-from)
	b = binary.BigEndian.AppendUint32(b, 1) // dimension
	b = binary.BigEndian.AppendUint32(b, 0) // nulls
	b = binary.BigEndian.AppendUint32(b, r.of.element)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	b = binary.BigEndian.AppendUint32(b, 1) // the first index
	return recordArray{of: r.of, b: append(b, r.b[from:to]...)}
}

// A recordArray is an array of rows as PostgreSQL takes it.
type recordArray struct {
	of *RowType
	b  []byte
}

// Change runs a statement of PostgreSQL whose arguments may be slices and
// arrays of [Records], and returns how many rows it changed. An error undoes it
// alone, as one of [Stmt.Exec] does.
func (c *Conn) Change(query string, args ...any) (changed int64, err error) {
	if err := c.flush(); err != nil {
		return 0, err
	}
	for i, a := range args {
		if rows, ok := a.(recordArray); ok {
			c.know(rows.of)
			args[i] = rows.b
		}
	}
	changed, _, err = c.inSavepoint(query, args)
	return changed, err
}

// know tells the connection to send arrays of such rows as they are.
func (c *Conn) know(t *RowType) {
	types := c.pg.TypeMap()
	if _, known := types.TypeForOID(t.array); !known {
		types.RegisterType(&pgtype.Type{Name: fmt.Sprint("rows of ", t.element), OID: t.array, Codec: pgtype.ByteaCodec{}})
	}
}

// inSavepoint executes a statement in a savepoint of its own, in one round trip:
// an error would end the transaction otherwise.
func (c *Conn) inSavepoint(query string, args []any) (changed, id int64, err error) {
	var batch pgx.Batch
	batch.Queue("SAVEPOINT statement")
	batch.Queue(query, args...)
	batch.Queue("RELEASE SAVEPOINT statement")
	results := c.pg.SendBatch(c.ctx, &batch)
	changed, id, err = executed(results)
	if closed := results.Close(); err == nil {
		err = closed
	}
	if err != nil {
		if undone := c.Script("ROLLBACK TO SAVEPOINT statement"); undone != nil {
			return 0, 0, errors.Join(fmt.Errorf("%w, and cannot be undone", err), undone)
		}
	}
	return changed, id, err
}
