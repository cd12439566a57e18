// Package store opens databases, brings them to the newest schema and runs
// transactions. It knows no tables: SQL stands beside the functions that run it.
//
// A database is a file of SQLite or a schema of PostgreSQL. It has one
// connection that writes, so that writers of a process queue in order instead
// of failing, and a few that read beside it:
//
//	DB ─┬─ Tx    one writing transaction over database/sql
//	    ├─ Bulk  the same over the driver's own connection, for thousands of rows
//	    └─ Read  a pool of connections that cannot write
//
// Writers of several processes take turns too. Arguments of statements are
// written ? or ?1, as SQLite has them, whatever the engine.
//
// What a transaction has committed survives a power cut. Begin with [Open], or
// with [Place.Open] where the engine is a setting.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
)

// A DB is one open database.
type DB struct {
	path   string // of the file, "" in PostgreSQL
	schema string // in PostgreSQL, "" in SQLite
	config *pgx.ConnConfig
	writer *sql.DB
	reader *sql.DB
	aside  *sql.DB // in PostgreSQL, see Aside
	locks  *sql.DB // in PostgreSQL: connections that hold locks

	// conn lives as long as the writer's connection does, and is used by the
	// function that holds that connection alone.
	conn  *Conn
	close sync.Once
}

// Open opens or creates the database file at path and applies the migrations
// that it lacks: files named like 0007_price_breaks.sql, in goose's form, in a
// folder named migrations. A file of a newer schema than the migrations know
// is refused, with both versions in the message.
func Open(ctx context.Context, path string, migrations fs.FS) (*DB, error) {
	if err := Writable(filepath.Dir(path)); err != nil {
		return nil, err
	}
	db := &DB{path: path, writer: openWriter(path), reader: openReader(path)}
	if err := db.migrate(ctx, goose.DialectSQLite3, migrations, "migrations"); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), db.Close())
	}
	return db, nil
}

// A Place is where the databases of an installation lie.
type Place struct {
	Dir string // the data folder, where each is a file of SQLite

	// URL, where set, is that of a PostgreSQL database, where each is a schema.
	URL string

	// Prefix stands before the names of the schemas, where several
	// installations share one database.
	Prefix string
}

// Open opens or creates the database of that name, as [Open] does. The
// migrations of PostgreSQL are those in the folder migrations/postgres.
func (p Place) Open(ctx context.Context, name string, migrations fs.FS) (*DB, error) {
	if p.URL != "" {
		return openPostgres(ctx, p.URL, p.Prefix+name, migrations)
	}
	return Open(ctx, p.path(name), migrations)
}

// Attach opens the database of that name as it is: nothing is made or migrated.
// Whether there is one at all shows when it is used.
func (p Place) Attach(name string) (*DB, error) {
	if p.URL != "" {
		config, err := parseAddress(p.URL)
		if err != nil {
			return nil, err
		}
		return poolsOf(config, p.Prefix+name), nil
	}
	path := p.path(name)
	return &DB{path: path, writer: openWriter(path), reader: openReader(path)}, nil
}

func (p Place) path(name string) string { return filepath.Join(p.Dir, name+".db") }

// Postgres reports whether the database is one of PostgreSQL.
func (db *DB) Postgres() bool { return db.schema != "" }

// Writable makes the folder, and reports in one sentence why nothing can be
// written there: SQLite itself would only say that it cannot open a file.
func Writable(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("data folder %s cannot be made: %w", dir, cause(err))
	}
	probe, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("data folder %s cannot be written: %w", dir, cause(err))
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return fmt.Errorf("data folder %s cannot be written: %w", dir, cause(err))
	}
	return nil
}

// cause takes the path off an error of the file system, which the message
// around it names already.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// Path returns the path of the database file, and "" in PostgreSQL.
func (db *DB) Path() string { return db.path }

// Read returns the pool of connections that read. Each statement sees what was
// committed when it began; a read-only transaction sees one moment throughout.
func (db *DB) Read() *sql.DB { return db.reader }

// Tx runs fn in a writing transaction, which it commits when fn returns nil.
// Writers of all processes take turns; fn must not begin another.
func (db *DB) Tx(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after a commit
	if db.Postgres() {
		if _, err := tx.ExecContext(ctx, takeTurn(db.schema)); err != nil {
			return err
		}
	}
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// A Copier takes rows in by COPY, as [Conn.Copy] does.
type Copier func(table string, columns []string, next func(*Tuples) bool) error

// CopyTx is Tx with a copier for the same transaction, nil in SQLite, where
// statements cost no way to a server.
func (db *DB) CopyTx(ctx context.Context, fn func(*sql.Tx, Copier) error) error {
	if !db.Postgres() {
		return db.Tx(ctx, func(tx *sql.Tx) error { return fn(tx, nil) })
	}
	conn, err := db.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after a commit
	if _, err := tx.ExecContext(ctx, takeTurn(db.schema)); err != nil {
		return err
	}
	err = fn(tx, func(table string, columns []string, next func(*Tuples) bool) error {
		return conn.Raw(func(raw any) error {
			c := &Conn{pg: raw.(*pgDriverConn).Conn.Conn(), ctx: ctx, db: db}
			return c.Copy(table, columns, next)
		})
	})
	if err != nil {
		return err
	}
	return tx.Commit()
}

// Snapshot runs fn on one moment of the database, which nobody who writes
// changes under it. It holds a connection, and keeps the log from being merged,
// until fn returns.
func (db *DB) Snapshot(ctx context.Context, fn func(Querier) error) error {
	conn, err := db.reader.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// Spelt out, since the driver would begin by taking the writer's lock.
	begin := `BEGIN DEFERRED`
	if db.Postgres() {
		begin = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
	}
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		return err
	}
	err = fn(conn)
	_, ended := conn.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`)
	return errors.Join(err, ended)
}

// Close waits for the transaction that runs, and closes the database.
func (db *DB) Close() error {
	var err error
	db.close.Do(func() {
		// Statements left open would keep the file open too, and its log unmerged.
		// Whoever holds the writer's connection is using them.
		if db.writer.Stats().OpenConnections == 0 {
			// Nobody has written.
		} else if writer, failed := db.writer.Conn(context.Background()); failed == nil {
			if db.conn != nil {
				db.conn.closeStatements()
			}
			err = writer.Close()
		}
		// The writer closes last, because the last connection to close merges the log.
		err = errors.Join(err, db.reader.Close(), db.writer.Close())
		for _, pool := range []*sql.DB{db.aside, db.locks} {
			if pool != nil {
				err = errors.Join(err, pool.Close())
			}
		}
	})
	return err
}

// A Querier is what statements that read run on: the pool that Read returns,
// or a transaction.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Collect runs a query and returns what scan makes of each of its rows.
func Collect[T any](ctx context.Context, q Querier, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, rows.Err()
}

// First runs a query and returns what scan makes of its first row, and false
// where it has none.
func First[T any](ctx context.Context, q Querier, scan func(*sql.Rows) (T, error), query string, args ...any) (T, bool, error) {
	var one T
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return one, false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return one, false, rows.Err()
	}
	one, err = scan(rows)
	return one, err == nil, err
}
