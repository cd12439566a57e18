package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"
)

// How long a writer waits for one in another process before it gives up.
const busyMilliseconds = 30_000

// pragmas of every connection. Large pages load faster: fewer of them are split
// and logged. Their size has to be set before the first one is written, and the
// journal mode before anything else is.
const commonPragmas = `
PRAGMA page_size = 16384;
PRAGMA journal_mode = WAL;
PRAGMA foreign_keys = ON;
PRAGMA temp_store = MEMORY;
`

// The log is merged into the file every 64 MiB, so that a bulk load writes the
// inner pages of an index a few times and not at every commit, and shrinks to
// that size when it has been merged.
const writerPragmas = commonPragmas + `
PRAGMA cache_size = -49152;
PRAGMA wal_autocheckpoint = 4096;
PRAGMA journal_size_limit = 67108864;
`

// Nothing is mapped into memory: it was no faster where a load asks for a
// million references, and what is mapped of a large file counts as memory of
// the process.
const readerPragmas = commonPragmas + `
PRAGMA cache_size = -8192;
PRAGMA query_only = ON;
`

// connector opens connections of one kind to one file.
type connector struct {
	dsn    string
	driver *sqlite3.SQLiteDriver
}

// busyPause is how long passes between two attempts to open a file.
const busyPause = 20 * time.Millisecond

// Connect implements driver.Connector. While another process makes the file,
// SQLite says that it is locked and does not wait, whatever it is told: to have
// it use a log, one has to be alone with it.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := registerRowset(); err != nil {
		return nil, err
	}
	for left := busyMilliseconds * time.Millisecond; ; left -= busyPause {
		conn, err := c.driver.Open(c.dsn)
		if e, ok := errors.AsType[sqlite3.Error](err); !ok || e.Code != sqlite3.ErrBusy || left <= 0 {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(busyPause):
		}
	}
}

// Driver implements driver.Connector.
func (c *connector) Driver() driver.Driver { return c.driver }

// open returns a pool of connections that begin with the pragmas given.
// Transactions take the writer's lock when they begin: one that took it later
// could find that another has written meanwhile, and would fail.
func open(path, pragmas string, connections int) *sql.DB {
	// FULL, because with the driver's own NORMAL a power cut loses what was
	// committed, though the caller was told that it is safe.
	// No mutex, because database/sql hands a connection to one user at a time.
	dsn := fmt.Sprintf("file:%s?_txlock=immediate&_synchronous=FULL&_mutex=no&_busy_timeout=%d", (&url.URL{Path: path}).EscapedPath(), busyMilliseconds)
	db := sql.OpenDB(&connector{dsn: dsn, driver: &sqlite3.SQLiteDriver{
		ConnectHook: func(conn *sqlite3.SQLiteConn) error {
			_, err := conn.Exec(pragmas, nil)
			return err
		},
	}})
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

func openWriter(path string) *sql.DB { return open(path, writerPragmas, 1) }

func openReader(path string) *sql.DB {
	// Reads that all processors are busy with gain nothing from more connections.
	return open(path, readerPragmas, max(4, 2*runtime.GOMAXPROCS(0)))
}

// CheckFTS5 reports how to build a binary with full-text search, where this
// one has none.
func CheckFTS5(ctx context.Context) error {
	db := sql.OpenDB(&connector{dsn: ":memory:", driver: &sqlite3.SQLiteDriver{}})
	defer db.Close()
	var has bool
	if err := db.QueryRowContext(ctx, `SELECT sqlite_compileoption_used('ENABLE_FTS5')`).Scan(&has); err != nil {
		return err
	}
	if !has {
		return errNoFTS5
	}
	return nil
}

// Quote returns s as a literal of SQL.
func Quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
