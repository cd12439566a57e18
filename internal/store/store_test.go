package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const first = `-- +goose Up
CREATE TABLE box (id INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE, weight INTEGER) STRICT;
`

const second = `-- +goose Up
ALTER TABLE box ADD COLUMN colour TEXT;
`

func files(sqls ...string) fs.FS {
	m := fstest.MapFS{}
	for i, s := range sqls {
		m[fmt.Sprintf("migrations/%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(s)}
	}
	return m
}

func openTest(t testing.TB, path string, migrations fs.FS) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, migrations)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func labels(t testing.TB, db *DB) []string {
	t.Helper()
	list, err := Collect(t.Context(), db.Read(), scanText, `SELECT label FROM box ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func scanText(rows *sql.Rows) (s string, err error) { return s, rows.Scan(&s) }

func TestMigrationsRunOnceAndOnExistingData(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "boxes.db")
	db := openTest(t, path, files(first))
	if err := db.Tx(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO box (label) VALUES ('a')`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, path, files(first, second))
	if diff := cmp.Diff([]string{"a"}, labels(t, again)); diff != "" {
		t.Error(diff)
	}
	colour, found, err := First(t.Context(), again.Read(), func(rows *sql.Rows) (s sql.NullString, err error) {
		return s, rows.Scan(&s)
	}, `SELECT colour FROM box`)
	if err != nil || !found || colour.Valid {
		t.Errorf("colour = %v, %v, %v; want a null", colour, found, err)
	}
}

func TestNewerSchemaIsRefusedWithBothVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boxes.db")
	if err := openTest(t, path, files(first, second)).Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), path, files(first))
	want := "database " + path + ": its schema has version 2, and this program knows versions up to 1: use a newer program"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v\nwant    %s", err, want)
	}
}

func TestBrokenMigrationLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boxes.db")
	if _, err := Open(t.Context(), path, files(first, "-- +goose Up\nCREATE TABLE lid (id INTEGER);\nCREATE TABLE oops (;\n")); err == nil {
		t.Fatal("a migration that is no SQL was accepted")
	}
	db := openTest(t, path, files(first))
	n, _, err := First(t.Context(), db.Read(), func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) },
		`SELECT count(*) FROM sqlite_schema WHERE name = 'lid'`)
	if err != nil || n != 0 {
		t.Errorf("tables of the migration that failed = %d, %v; want none", n, err)
	}
}

func TestFolderThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), filepath.Join(file, "data", "boxes.db"), files(first))
	want := "data folder " + filepath.Join(file, "data") + " cannot be made: not a directory"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
	if os.Getuid() != 0 { // root writes everywhere
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), filepath.Join(dir, "boxes.db"), files(first))
		if want := "data folder " + dir + " cannot be written: permission denied"; err == nil || err.Error() != want {
			t.Errorf("error = %v, want %s", err, want)
		}
	}
}

func TestPathsWithSpecialCharactersOpenThatFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b%20?c#d", "boxes.db")
	openTest(t, path, files(first))
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestSeveralOpenAFreshFileAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boxes.db")
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		wg.Go(func() {
			db, err := Open(t.Context(), path, files(first, second))
			if err == nil {
				err = db.Close()
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

func TestConnectionsKeepTheirPragmas(t *testing.T) {
	db := openTest(t, filepath.Join(t.TempDir(), "boxes.db"), files(first))
	for _, tt := range []struct {
		pool         *sql.DB
		pragma, want string
	}{
		{db.writer, "journal_mode", "wal"},
		{db.writer, "synchronous", "2"},
		{db.writer, "foreign_keys", "1"},
		{db.writer, "busy_timeout", "30000"},
		{db.writer, "page_size", "16384"},
		{db.reader, "query_only", "1"},
		{db.reader, "synchronous", "2"},
	} {
		var got string
		if err := tt.pool.QueryRow(`PRAGMA ` + tt.pragma).Scan(&got); err != nil || got != tt.want {
			t.Errorf("%s = %q, %v; want %q", tt.pragma, got, err, tt.want)
		}
	}
	if _, err := db.Read().Exec(`INSERT INTO box (label) VALUES ('x')`); err == nil {
		t.Error("a reading connection wrote")
	}
}

func TestTransactionsCommitOrLeaveNothing(t *testing.T) {
	stop := errors.New("stop")
	for _, tt := range []struct {
		name string
		run  func(db *DB) error
		want []string
		err  error
	}{
		{"tx commits", func(db *DB) error {
			return db.Tx(t.Context(), func(tx *sql.Tx) error {
				_, err := tx.Exec(`INSERT INTO box (label) VALUES ('a')`)
				return err
			})
		}, []string{"a"}, nil},
		{"tx rolls back", func(db *DB) error {
			return db.Tx(t.Context(), func(tx *sql.Tx) error {
				if _, err := tx.Exec(`INSERT INTO box (label) VALUES ('a')`); err != nil {
					return err
				}
				return stop
			})
		}, nil, stop},
		{"bulk commits", func(db *DB) error {
			return db.Bulk(t.Context(), func(c *Conn) error { return insert(c, "a", "b") })
		}, []string{"a", "b"}, nil},
		{"bulk rolls back", func(db *DB) error {
			return db.Bulk(t.Context(), func(c *Conn) error { return errors.Join(insert(c, "a"), stop) })
		}, nil, stop},
		{"bulk rolls back a panic", func(db *DB) (err error) {
			defer func() { err, _ = recover().(error) }()
			return db.Bulk(t.Context(), func(c *Conn) error {
				if err := insert(c, "a"); err != nil {
					return err
				}
				panic(stop)
			})
		}, nil, stop},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := openTest(t, filepath.Join(t.TempDir(), "boxes.db"), files(first))
			if err := tt.run(db); !errors.Is(err, tt.err) {
				t.Errorf("error = %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, labels(t, db)); diff != "" {
				t.Error(diff)
			}
			// The writer must be free again.
			if err := db.Bulk(t.Context(), func(c *Conn) error { return insert(c, "later") }); err != nil {
				t.Error(err)
			}
		})
	}
}

func insert(c *Conn, labels ...string) error {
	s, err := c.Prepare(`INSERT INTO box (label) VALUES (?) ON CONFLICT (label) DO NOTHING`)
	if err != nil {
		return err
	}
	args := Args(1)
	for _, label := range labels {
		args[0].Value = label
		if _, _, err := s.Exec(args); err != nil {
			return err
		}
	}
	return nil
}

func TestBulkStatementsTellWhatTheyDid(t *testing.T) {
	db := openTest(t, filepath.Join(t.TempDir(), "boxes.db"), files(first))
	err := db.Bulk(t.Context(), func(c *Conn) error {
		s, err := c.Prepare(`INSERT INTO box (label, weight) VALUES (?, ?) ON CONFLICT (label) DO NOTHING`)
		if err != nil {
			return err
		}
		args := Args(2)
		for _, tt := range []struct {
			label   string
			weight  driver.Value
			changed int64
			id      int64
		}{{"a", int64(5), 1, 1}, {"b", nil, 1, 2}, {"a", int64(6), 0, 2}} {
			args[0].Value, args[1].Value = tt.label, tt.weight
			changed, id, err := s.Exec(args)
			if err != nil || changed != tt.changed || id != tt.id {
				t.Errorf("insert %s = %d, %d, %v; want %d, %d", tt.label, changed, id, err, tt.changed, tt.id)
			}
		}
		read, err := c.Prepare(`SELECT label, weight FROM box WHERE id >= ? ORDER BY id`)
		if err != nil {
			return err
		}
		from := Args(1)
		from[0].Value = int64(1)
		var got [][]driver.Value
		if err := read.Query(from, func(row []driver.Value) error {
			got = append(got, append([]driver.Value(nil), row...))
			return nil
		}); err != nil {
			return err
		}
		if diff := cmp.Diff([][]driver.Value{{"a", int64(5)}, {"b", nil}}, got); diff != "" {
			t.Error(diff)
		}
		row := make([]driver.Value, 2)
		from[0].Value = int64(3)
		if found, err := read.Row(from, row); found || err != nil {
			t.Errorf("row 3 = %v, %v, %v; want none", row, found, err)
		}
		if v, err := c.Value(`SELECT count(*) FROM box WHERE label < ?`, "b"); err != nil || v != int64(1) {
			t.Errorf("count = %v, %v; want 1", v, err)
		}
		if v, err := c.Value(`SELECT id FROM box WHERE label = 'none'`); err != nil || v != nil {
			t.Errorf("absent = %v, %v; want nil", v, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestManyStatementsStayBounded(t *testing.T) {
	db := openTest(t, filepath.Join(t.TempDir(), "boxes.db"), files(first))
	for i := range 3 * maxStatements {
		if err := db.Bulk(t.Context(), func(c *Conn) error {
			if v, err := c.Value(fmt.Sprintf(`SELECT %d`, i)); err != nil || v != int64(i) {
				return fmt.Errorf("SELECT %d = %v, %w", i, v, err)
			}
			if len(c.statements) > maxStatements+1 {
				t.Errorf("%d statements are prepared", len(c.statements))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCloseMergesTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boxes.db")
	db := openTest(t, path, files(first))
	if err := db.Bulk(t.Context(), func(c *Conn) error { return insert(c, "a") }); err != nil {
		t.Fatal(err)
	}
	labels(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(path + "-*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWritersOfTwoProcessesTakeTurns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boxes.db")
	openTest(t, path, files(first)) // makes the schema
	var wg sync.WaitGroup
	for p := range 3 {
		db := openTest(t, path, files(first))
		wg.Go(func() {
			for i := range 40 {
				if err := db.Bulk(t.Context(), func(c *Conn) error { return insert(c, fmt.Sprintf("%d-%d", p, i)) }); err != nil {
					t.Errorf("writer %d: %v", p, err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(labels(t, openTest(t, path, files(first)))); got != 120 {
		t.Errorf("%d rows, want 120", got)
	}
}

func TestACancelledCallerDoesNotWait(t *testing.T) {
	db := openTest(t, filepath.Join(t.TempDir(), "boxes.db"), files(first))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Bulk(ctx, func(*Conn) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("bulk = %v, want cancelled", err)
	}
	if err := db.Tx(ctx, func(*sql.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("tx = %v, want cancelled", err)
	}
}

func TestQuoteIsALiteral(t *testing.T) {
	db := openTest(t, filepath.Join(t.TempDir(), "boxes.db"), files(first))
	for _, s := range []string{"", "it's", "''", `\"`, "ä\n;--"} {
		var got string
		if err := db.Read().QueryRow(`SELECT ` + Quote(s)).Scan(&got); err != nil || got != s {
			t.Errorf("Quote(%q) reads as %q, %v", s, got, err)
		}
	}
}

func TestFullTextSearchIsBuiltInOrSaysHow(t *testing.T) {
	err := CheckFTS5(t.Context())
	if hasFTS5 && err != nil || !hasFTS5 && !errors.Is(err, errNoFTS5) {
		t.Fatalf("CheckFTS5 = %v", err)
	}
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "text.db"), files("-- +goose Up\nCREATE VIRTUAL TABLE doc USING fts5(body);\n"))
	if hasFTS5 {
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), "built without FTS5: build with -tags sqlite_fts5") {
		t.Errorf("error = %v", err)
	}
}

func TestCloseWaitsForTheTransactionThatRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boxes.db")
	db := openTest(t, path, files(first))
	begun, finished := make(chan struct{}), make(chan error, 1)
	go func() { // ends with its transaction
		finished <- db.Bulk(context.Background(), func(c *Conn) error {
			if err := insert(c, "a"); err != nil {
				return err
			}
			close(begun)
			return insert(c, "b", "c")
		})
	}()
	<-begun
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := <-finished; err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, labels(t, openTest(t, path, files(first)))); diff != "" {
		t.Error(diff)
	}
}

func TestAnAttemptLeavesNoTrace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boxes.db")
	db := openTest(t, path, files(first))
	insert := func(n int) func(*Conn) error {
		return func(c *Conn) error {
			// Many times the cache, which would go to the log.
			return c.Run(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
				INSERT INTO box (label) SELECT i || hex(zeroblob(20000)) FROM n`, int64(n))
		}
	}
	if err := db.Bulk(t.Context(), insert(10)); err != nil {
		t.Fatal(err)
	}
	contents := func() (all string) {
		for _, suffix := range []string{"", "-wal"} {
			text, err := os.ReadFile(path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			all += string(text) + "|"
		}
		return all
	}
	before := contents()
	if err := db.Attempt(t.Context(), func(c *Conn) error { return c.Run(`DELETE FROM box`) }); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := db.Attempt(t.Context(), insert(1800)); err == nil {
			t.Fatal("a label was taken twice")
		}
		if err := db.Attempt(t.Context(), func(c *Conn) error {
			return errors.Join(c.Run(`DELETE FROM box`), insert(1800)(c))
		}); err != nil {
			t.Fatal(err)
		}
	}
	if contents() != before {
		t.Error("an attempt has changed a file")
	}
	if got := len(labels(t, db)); got != 10 {
		t.Errorf("%d boxes, want 10", got)
	}
}
