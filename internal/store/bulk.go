package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"
)

// maxStatements bounds the statements that stay prepared from one transaction
// to the next.
const maxStatements = 64

// A Conn is the connection that writes, without database/sql in between, which
// would cost a tenth of the time of a bulk load. Statements stay prepared from
// one transaction to the next.
type Conn struct {
	raw        *sqlite3.SQLiteConn
	statements map[string]*Stmt

	// In PostgreSQL these are set instead.
	pg  *pgx.Conn
	ctx context.Context // of the transaction
	db  *DB

	queued *pgx.Batch // what Run is yet to send
}

// Bulk runs fn in a writing transaction, which it commits when fn returns nil.
// The connection must not be used after fn returns. Statements run to their
// end; fn looks at ctx between them.
func (db *DB) Bulk(ctx context.Context, fn func(*Conn) error) error {
	return db.withConn(ctx, func(c *Conn) error { return c.transact(fn) })
}

// errAttempted takes back what an attempt did.
var errAttempted = errors.New("only attempted")

// Attempt runs fn in a writing transaction and takes it back. It leaves no
// trace in any file.
func (db *DB) Attempt(ctx context.Context, fn func(*Conn) error) error {
	attempt := func(c *Conn) error {
		err := c.transact(func(c *Conn) error {
			if err := fn(c); err != nil {
				return err
			}
			return errAttempted
		})
		if errors.Is(err, errAttempted) {
			return nil
		}
		return err
	}
	return db.withConn(ctx, func(c *Conn) error {
		if c.pg != nil {
			return attempt(c)
		}
		// Else pages that do not fit the cache go to the log before they are given
		// up. The setting does not change within a transaction.
		if err := c.Run(`PRAGMA cache_spill = OFF`); err != nil {
			return err
		}
		return errors.Join(attempt(c), c.Run(`PRAGMA cache_spill = ON`))
	})
}

// withConn runs fn with the connection that writes.
func (db *DB) withConn(ctx context.Context, fn func(*Conn) error) error {
	conn, err := db.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(raw any) error {
		if db.Postgres() {
			return fn(&Conn{pg: raw.(*pgDriverConn).Conn.Conn(), ctx: ctx, db: db})
		}
		return fn(db.connOf(raw.(*sqlite3.SQLiteConn)))
	})
}

func (c *Conn) transact(fn func(*Conn) error) error {
	if c.pg != nil {
		return c.transactPostgres(fn)
	}
	// A panic in fn leaves by way of the rollback, too.
	committed := false
	if err := c.Run(`BEGIN IMMEDIATE`); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if !committed && !c.raw.AutoCommit() {
			_ = c.Run(`ROLLBACK`) // where it fails, the database has rolled back by itself
		}
	}()
	if err := fn(c); err != nil {
		return err
	}
	if err := c.Run(`COMMIT`); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	return nil
}

// connOf returns the Conn of the driver's connection. The pool replaces a
// connection that broke, and its statements break with it.
func (db *DB) connOf(raw *sqlite3.SQLiteConn) *Conn {
	if db.conn == nil || db.conn.raw != raw {
		if db.conn != nil {
			db.conn.closeStatements()
		}
		db.conn = &Conn{raw: raw, statements: map[string]*Stmt{}}
	}
	if len(db.conn.statements) > maxStatements {
		db.conn.closeStatements() // cheaper than keeping track of their use, and seldom reached
	}
	return db.conn
}

// Run executes a statement that is not worth keeping. PostgreSQL gets it
// together with others, before the next that is not one of Run's; until then
// the arguments must not change, and its error may come late.
func (c *Conn) Run(query string, args ...driver.Value) error {
	if c.pg != nil {
		return c.queue(rebind(query), plainArgs(args))
	}
	_, err := c.raw.Exec(query, args)
	return err
}

// Prepare returns the statement of the query, prepared now or before. It is
// the connection's own, holds for the transaction and needs no closing.
func (c *Conn) Prepare(query string) (*Stmt, error) {
	if s := c.statements[query]; s != nil {
		return s, nil
	}
	if c.pg != nil {
		return &Stmt{conn: c, query: rebind(query)}, nil // pgx prepares it when it runs
	}
	prepared, err := c.raw.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", query, err)
	}
	s := &Stmt{raw: prepared.(*sqlite3.SQLiteStmt)}
	c.statements[query] = s
	return s, nil
}

func (c *Conn) closeStatements() {
	for query, s := range c.statements {
		_ = s.raw.Close() // what a statement reports here, its last execution has reported
		delete(c.statements, query)
	}
}

// A Stmt is a prepared statement of a Conn.
type Stmt struct {
	raw *sqlite3.SQLiteStmt

	// In PostgreSQL these are set instead.
	conn  *Conn
	query string
}

// Args returns n arguments to fill in and to use again for every execution.
func Args(n int) []driver.NamedValue {
	args := make([]driver.NamedValue, n)
	for i := range args {
		args[i].Ordinal = i + 1
	}
	return args
}

// Exec executes the statement once. It returns how many rows that changed and
// the row id inserted last, which PostgreSQL tells where the statement ends
// with RETURNING and the id. Arguments are int64, float64, bool, string, []byte or nil.
func (s *Stmt) Exec(args []driver.NamedValue) (changed, id int64, err error) {
	if s.conn != nil {
		return s.execPostgres(args)
	}
	// A context that can be cancelled costs a goroutine an execution here.
	result, err := s.raw.ExecContext(context.Background(), args)
	if err != nil {
		return 0, 0, err
	}
	r := result.(*sqlite3.SQLiteResult)
	changed, _ = r.RowsAffected()
	id, _ = r.LastInsertId()
	return changed, id, nil
}

// Query executes the statement and calls fn with each row, which fn must not
// keep beyond the call. It stops at the first error.
func (s *Stmt) Query(args []driver.NamedValue, fn func(row []driver.Value) error) (err error) {
	if s.conn != nil {
		return s.queryPostgres(args, fn)
	}
	rows, err := s.raw.QueryContext(context.Background(), args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(row); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := fn(row); err != nil {
			return err
		}
	}
}

// Row executes the statement and copies its first row to row, which has as
// many places as the statement has columns. It returns false where there is none.
func (s *Stmt) Row(args []driver.NamedValue, row []driver.Value) (found bool, err error) {
	if s.conn != nil {
		return s.rowPostgres(args, row)
	}
	rows, err := s.raw.QueryContext(context.Background(), args)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if err := rows.Next(row); err != nil {
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		return false, err
	}
	return true, nil
}

// Text runs a query of one text and returns it, or "" where there is none.
func (c *Conn) Text(query string, args ...driver.Value) (string, error) {
	v, err := c.Value(query, args...)
	if err != nil {
		return "", err
	}
	s, _ := v.(string)
	return s, nil
}

// Value runs a query of one value and returns it, or nil where there is none.
func (c *Conn) Value(query string, args ...driver.Value) (driver.Value, error) {
	s, err := c.Prepare(query)
	if err != nil {
		return nil, err
	}
	named := Args(len(args))
	for i, a := range args {
		named[i].Value = a
	}
	var row [1]driver.Value
	if _, err := s.Row(named, row[:]); err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	return row[0], nil
}

// BrokenConstraint returns what the database says about a row that breaks one
// of its constraints, and false for any other error. Such an error undoes the
// statement alone; the transaction goes on.
func BrokenConstraint(err error) (message string, ok bool) {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return brokenInPostgres(e)
	}
	e, ok := errors.AsType[sqlite3.Error](err)
	if !ok || e.Code != sqlite3.ErrConstraint {
		return "", false
	}
	return e.Error(), true
}
