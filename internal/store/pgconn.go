package store

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// transactPostgres does what transact does.
func (c *Conn) transactPostgres(fn func(*Conn) error) error {
	if err := c.Script("BEGIN; " + takeTurn(c.db.schema)); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	committed := false
	defer func() {
		if !committed && !c.pg.IsClosed() {
			c.ctx, c.queued = context.WithoutCancel(c.ctx), nil
			_ = c.Script("ROLLBACK") // where it fails, the connection is lost, and with it the transaction
		}
	}()
	if err := fn(c); err != nil {
		return err
	}
	if err := c.Script("COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	return nil
}

// maxQueued bounds what waits to be sent.
const maxQueued = 64

// queue takes a statement in, to be sent with others: a round trip costs as
// much as ten of their rows.
func (c *Conn) queue(query string, args []any) error {
	if c.queued == nil {
		c.queued = &pgx.Batch{}
	}
	c.queued.Queue(query, args...)
	if c.queued.Len() < maxQueued {
		return nil
	}
	return c.flush()
}

// flush sends what is queued. What becomes of it is not the affair of the
// statement that follows: nobody is to take its error for one of a row.
func (c *Conn) flush() error {
	if c.queued == nil {
		return nil
	}
	batch := c.queued
	c.queued = nil
	err := c.pg.SendBatch(c.ctx, batch).Close()
	if _, broken := BrokenConstraint(err); broken {
		return errors.New("a statement before: " + err.Error())
	}
	return err
}

// Script runs statements that have no arguments, in one round trip. It is
// there in PostgreSQL alone.
func (c *Conn) Script(statements string) error {
	if err := c.flush(); err != nil {
		return err
	}
	return c.pg.PgConn().Exec(c.ctx, statements).Close()
}

func (s *Stmt) execPostgres(args []driver.NamedValue) (changed, id int64, err error) {
	if err := s.conn.flush(); err != nil {
		return 0, 0, err
	}
	return s.conn.inSavepoint(s.query, namedArgs(args))
}

// executed reads what became of the second statement of a batch.
func executed(results pgx.BatchResults) (changed, id int64, err error) {
	if _, err := results.Exec(); err != nil {
		return 0, 0, err
	}
	rows, err := results.Query()
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&id); err != nil {
			return 0, 0, err
		}
	}
	rows.Close() // then the tag is there
	return rows.CommandTag().RowsAffected(), id, rows.Err()
}

// queryPostgres does what Query promises. A comparison with a text that cannot
// be stored finds nothing.
func (s *Stmt) queryPostgres(args []driver.NamedValue, fn func(row []driver.Value) error) error {
	for _, a := range args {
		if text, ok := a.Value.(string); ok && !storable(text) {
			return nil
		}
	}
	if err := s.conn.flush(); err != nil {
		return err
	}
	rows, err := s.conn.pg.Query(s.conn.ctx, s.query, namedArgs(args)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var row []driver.Value
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		row = row[:0]
		for _, v := range values {
			row = append(row, plainValue(v))
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *Stmt) rowPostgres(args []driver.NamedValue, row []driver.Value) (found bool, err error) {
	err = s.queryPostgres(args, func(values []driver.Value) error {
		if !found {
			copy(row, values)
		}
		found = true
		return nil
	})
	return found && err == nil, err
}

// plainValue returns a value as SQLite would have it.
func plainValue(v any) driver.Value {
	switch v := v.(type) {
	case int32:
		return int64(v)
	case int16:
		return int64(v)
	case float32:
		return float64(v)
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	}
	return v
}

func namedArgs(args []driver.NamedValue) []any {
	plain := make([]any, len(args))
	for i := range args {
		plain[i] = args[i].Value
	}
	return plain
}

func plainArgs(args []driver.Value) []any {
	plain := make([]any, len(args))
	for i := range args {
		plain[i] = args[i]
	}
	return plain
}

// brokenInPostgres does what BrokenConstraint promises, in the words of SQLite,
// so that the same fault reads the same.
func brokenInPostgres(e *pgconn.PgError) (message string, ok bool) {
	switch e.Code {
	case "23514":
		return "CHECK constraint failed: " + e.ConstraintName, true
	case "23505":
		return "UNIQUE constraint failed: " + e.ConstraintName, true
	case "23502":
		return "NOT NULL constraint failed: " + e.TableName + "." + e.ColumnName, true
	case "23503":
		return "FOREIGN KEY constraint failed: " + e.ConstraintName, true
	case "54000": // a limit, such as that of an indexed text
		return e.Message, true
	}
	// 22 is the class of values that no column can hold, such as a text with a NUL.
	return e.Message, strings.HasPrefix(e.Code, "22")
}

// Beside runs fn with a connection that reads, while this one may go on with
// its transaction. What that has written is not seen there; nobody else writes.
func (c *Conn) Beside(ctx context.Context, fn func(*Conn) error) error {
	conn, err := c.db.reader.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(raw any) error { return fn(&Conn{pg: raw.(*pgDriverConn).Conn.Conn(), ctx: ctx, db: c.db}) })
}

// Ask runs a query of PostgreSQL whose arguments may be slices, and calls fn
// with the columns of each row in their binary form, which fn must not keep.
func (c *Conn) Ask(query string, fn func(row [][]byte) error, args ...any) error {
	if err := c.flush(); err != nil {
		return err
	}
	rows, err := c.pg.Query(c.ctx, query, append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows.RawValues()); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Copy takes rows into columns of a table of PostgreSQL by COPY. next appends
// one or more of them, and returns false after the last. It is called while
// the server takes in what it appended before. An error undoes all rows, and
// ends the transaction unless it is in a savepoint.
func (c *Conn) Copy(table string, columns []string, next func(*Tuples) bool) error {
	if err := c.flush(); err != nil {
		return err
	}
	var names []string
	for _, name := range columns {
		names = append(names, pgx.Identifier{name}.Sanitize())
	}
	source := &copySource{next: next}
	source.tuples.b = append(source.tuples.b, "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	_, err := c.pg.PgConn().CopyFrom(c.ctx, source,
		"COPY "+pgx.Identifier{table}.Sanitize()+" ("+strings.Join(names, ", ")+") FROM STDIN (FORMAT binary)")
	return err
}

// Tuples are rows in the binary form of PostgreSQL.
type Tuples struct{ b []byte }

// Begin begins a row of so many columns, each of which is then added.
func (t *Tuples) Begin(columns int) { t.b = binary.BigEndian.AppendUint16(t.b, uint16(columns)) }

// Add adds a text, an int64, or nil for a null.
func (t *Tuples) Add(v driver.Value) {
	switch v := v.(type) {
	case int64:
		t.AddNumber(v)
	case string:
		t.AddText(v)
	default:
		t.AddRaw(nil)
	}
}

// AddNumber adds an integer.
func (t *Tuples) AddNumber(n int64) {
	t.b = binary.BigEndian.AppendUint32(t.b, 8)
	t.b = binary.BigEndian.AppendUint64(t.b, uint64(n))
}

// AddText adds a text.
func (t *Tuples) AddText(s string) {
	t.b = binary.BigEndian.AppendUint32(t.b, uint32(len(s)))
	t.b = append(t.b, s...)
}

// null stands where the length of a value would.
const null = ^uint32(0)

// AddRaw adds a value that is in its binary form, nil for a null.
func (t *Tuples) AddRaw(v []byte) {
	if v == nil {
		t.b = binary.BigEndian.AppendUint32(t.b, null)
		return
	}
	t.b = binary.BigEndian.AppendUint32(t.b, uint32(len(v)))
	t.b = append(t.b, v...)
}

// Len returns the bytes so far.
func (t *Tuples) Len() int { return len(t.b) }

// Reset removes all rows.
func (t *Tuples) Reset() { t.b = t.b[:0] }

// copySource makes the stream of COPY while it is sent.
type copySource struct {
	next   func(*Tuples) bool
	tuples Tuples
	sent   int
	ended  bool
}

// Read implements io.Reader.
func (s *copySource) Read(p []byte) (int, error) {
	if s.sent == len(s.tuples.b) {
		if s.ended {
			return 0, io.EOF
		}
		s.tuples.b, s.sent = s.tuples.b[:0], 0
	}
	for !s.ended && len(s.tuples.b)-s.sent < len(p) {
		if !s.next(&s.tuples) {
			s.ended = true
			s.tuples.b = append(s.tuples.b, 0xff, 0xff) // the mark of the end
		}
	}
	n := copy(p, s.tuples.b[s.sent:])
	s.sent += n
	return n, nil
}
