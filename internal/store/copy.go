package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"

	"github.com/mattn/go-sqlite3"
)

// A Copy says which database file to copy, and to which new file.
type Copy struct{ From, To string }

// copyPages is how much is copied before ctx is looked at: 16 MiB.
const copyPages = 1024

// CopyAt copies database files, which other processes may be writing to, as all
// of them are at one moment. While that moment lasts nobody writes to any of
// them, and still is called, for what lies beside them and belongs to it. It
// lasts as long as the transactions that are under way, and still; the copying
// comes after it and keeps nobody waiting.
func CopyAt(ctx context.Context, copies []Copy, still func() error) (err error) {
	var sources []*original
	defer func() {
		for _, s := range sources {
			err = errors.Join(err, s.close())
		}
	}()
	for _, c := range copies {
		s, err := openOriginal(c)
		if err != nil {
			return fmt.Errorf("database %s: %w", c.From, err)
		}
		sources = append(sources, s)
	}
	if err := freeze(sources, still); err != nil {
		return err
	}
	for _, s := range sources {
		if err := s.copy(ctx); err != nil {
			return fmt.Errorf("copy of database %s: %w", s.From, err)
		}
	}
	return nil
}

// freeze gives every source the moment that it is to be copied at.
func freeze(sources []*original, still func() error) (err error) {
	defer func() {
		for _, s := range sources {
			if s.holds {
				err = errors.Join(err, run(s.writer, `ROLLBACK`))
			}
		}
	}()
	// Nobody else has the turn to write to two databases at once, so that nobody
	// waits for one of these while it has another.
	for _, s := range sources {
		if err := run(s.writer, `BEGIN IMMEDIATE`); err != nil {
			return fmt.Errorf("database %s: those who write to it have not let it rest for a moment: %w", s.From, err)
		}
		s.holds = true
	}
	for _, s := range sources {
		// A transaction sees what it has seen first.
		if err := run(s.reader, `BEGIN; SELECT count(*) FROM sqlite_schema`); err != nil {
			return fmt.Errorf("database %s: %w", s.From, err)
		}
	}
	return still()
}

type original struct {
	Copy
	writer, reader *sqlite3.SQLiteConn
	holds          bool // nobody else can write
}

func openOriginal(c Copy) (*original, error) {
	s := &original{Copy: c}
	var err error
	if s.writer, err = openRaw(c.From, "rw"); err != nil {
		return nil, err
	}
	if s.reader, err = openRaw(c.From, "rw"); err != nil { // a reader of a log has to write to its index
		return nil, errors.Join(err, s.writer.Close())
	}
	return s, nil
}

// copy copies the source as its reader sees it.
func (s *original) copy(ctx context.Context) (err error) {
	to, err := openRaw(s.To, "rwc")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if err := run(to, `PRAGMA synchronous = FULL`); err != nil {
		return err
	}
	backup, err := to.Backup("main", s.reader, "main")
	if err != nil {
		return err
	}
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return errors.Join(err, backup.Close())
		}
		if done, err = backup.Step(copyPages); err != nil {
			return errors.Join(err, backup.Close())
		}
	}
	return backup.Close()
}

func (s *original) close() error { return errors.Join(s.reader.Close(), s.writer.Close()) }

// Examine reports what is wrong with a database file that nobody has open, and
// returns the version of its schema.
func Examine(path string) (version int64, err error) {
	// Immutable, so that looking at a copy leaves no other file beside it.
	c, err := openRaw(path, "ro&immutable=1")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	verdict, err := single(c, `PRAGMA integrity_check(1)`)
	if err != nil {
		return 0, err
	}
	if verdict != "ok" {
		return 0, fmt.Errorf("is damaged: %v", verdict)
	}
	n, err := single(c, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied = 1`)
	if err != nil {
		return 0, err
	}
	version, _ = n.(int64)
	return version, nil
}

func openRaw(path, mode string) (*sqlite3.SQLiteConn, error) {
	dsn := fmt.Sprintf("file:%s?mode=%s&_busy_timeout=%d", (&url.URL{Path: path}).EscapedPath(), mode, busyMilliseconds)
	c, err := (&sqlite3.SQLiteDriver{}).Open(dsn)
	if err != nil {
		return nil, err
	}
	return c.(*sqlite3.SQLiteConn), nil
}

func run(c *sqlite3.SQLiteConn, statement string) error {
	_, err := c.Exec(statement, nil)
	return err
}

// single returns the only value of the first row of a query.
func single(c *sqlite3.SQLiteConn, query string) (any, error) {
	rows, err := c.Query(query, nil)
	if err != nil {
		return nil, err
	}
	values := make([]driver.Value, len(rows.Columns()))
	err = rows.Next(values)
	if err := errors.Join(err, rows.Close()); err != nil {
		return nil, err
	}
	if text, ok := values[0].([]byte); ok {
		return string(text), nil
	}
	return values[0], nil
}
