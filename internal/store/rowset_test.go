package store

import (
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

func rowsetStore(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "rows.db"), fstest.MapFS{
		"migrations/0001_kept.sql": {Data: []byte("-- +goose Up\nCREATE TABLE kept (a TEXT UNIQUE CHECK (a <> 'refused'), n INTEGER) STRICT;")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func lent(rows ...[]driver.Value) *Tuples {
	t := &Tuples{}
	for _, row := range rows {
		t.Begin(len(row))
		for _, v := range row {
			t.Add(v)
		}
	}
	return t
}

// read returns what a query of lent rows answers.
func read(t *testing.T, db *DB, rows *Tuples, kinds, query string) (answer [][]driver.Value, err error) {
	t.Helper()
	err = db.Bulk(t.Context(), func(c *Conn) error {
		return rows.Lend([]byte(kinds), func(n int64) error {
			s, err := c.Prepare(query)
			if err != nil {
				return err
			}
			args := Args(1)
			args[0].Value = n
			return s.Query(args, func(row []driver.Value) error {
				answer = append(answer, append([]driver.Value{}, row...))
				return nil
			})
		})
	})
	return answer, err
}

func TestLentRowsAreReadAsTheyAre(t *testing.T) {
	db := rowsetStore(t)
	long := strings.Repeat("ä", 100_000)
	rows := lent(
		[]driver.Value{"A", int64(1)}, []driver.Value{"", int64(-1)}, []driver.Value{nil, nil},
		[]driver.Value{"NUL \x00 within", int64(1) << 62}, []driver.Value{long, int64(-1) << 63},
	)
	got, err := read(t, db, rows, "ti", `SELECT rowid, c0, c1, typeof(c0), typeof(c1), c2 FROM rowset(?)`)
	want := [][]driver.Value{
		{int64(0), "A", int64(1), "text", "integer", nil},
		{int64(1), "", int64(-1), "text", "integer", nil},
		{int64(2), nil, nil, "null", "null", nil},
		{int64(3), "NUL \x00 within", int64(1) << 62, "text", "integer", nil},
		{int64(4), long, int64(-1) << 63, "text", "integer", nil},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatal(err, diff)
	}
	if got, err := read(t, db, &Tuples{}, "t", `SELECT count(*) FROM rowset(?)`); err != nil || got[0][0] != int64(0) {
		t.Errorf("no rows = %v, %v", got, err)
	}
}

func TestLentRowsAreInsertedButForThoseThatBreakAConstraint(t *testing.T) {
	db := rowsetStore(t)
	rows := lent([]driver.Value{"A", int64(1)}, []driver.Value{"refused", int64(2)}, []driver.Value{"A", int64(3)}, []driver.Value{"B", nil})
	err := db.Bulk(t.Context(), func(c *Conn) error {
		return rows.Lend([]byte("ti"), func(n int64) error {
			s, err := c.Prepare(`INSERT OR IGNORE INTO kept SELECT c0, c1 FROM rowset(?)`)
			if err != nil {
				return err
			}
			args := Args(1)
			args[0].Value = n
			if changed, id, err := s.Exec(args); changed != 2 || id != 2 || err != nil {
				return fmt.Errorf("%d rows, the last %d: %w", changed, id, err)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := read(t, db, &Tuples{}, "t", `SELECT a, n FROM kept WHERE ? > 0 ORDER BY a`)
	if diff := cmp.Diff([][]driver.Value{{"A", int64(1)}, {"B", nil}}, got); diff != "" || err != nil {
		t.Fatal(err, diff)
	}
}

func TestRowsThatAreNotLentAreRefused(t *testing.T) {
	db := rowsetStore(t)
	for name, query := range map[string]string{
		"no number":     `SELECT * FROM rowset`,
		"another one":   `SELECT * FROM rowset(? + 1000000)`,
		"a text":        `SELECT * FROM rowset('x' || ?)`,
		"in a view":     `CREATE TEMP VIEW v AS SELECT * FROM rowset(1); SELECT * FROM v`,
		"to be written": `INSERT INTO rowset (c0) VALUES (?)`,
	} {
		if _, err := read(t, db, lent([]driver.Value{"A"}), "t", query); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := lent().Lend(make([]byte, 65), func(int64) error { return nil }); err == nil {
		t.Error("65 columns: no error")
	}
}

// FuzzLentRows lends what is no row. Whatever it holds, no byte beyond it is read.
func FuzzLentRows(f *testing.F) {
	db, err := Open(f.Context(), filepath.Join(f.TempDir(), "rows.db"), fstest.MapFS{
		"migrations/0001_kept.sql": {Data: []byte("-- +goose Up\nCREATE TABLE kept (a TEXT) STRICT;")},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	f.Add([]byte(nil))
	f.Add(lent([]driver.Value{"A", int64(1)}, []driver.Value{nil, nil}).b)
	f.Add([]byte{0, 2, 0, 0, 0, 200, 'A'})
	f.Add([]byte{0, 2, 0, 0, 0, 1, 'A', 0, 0, 0, 4, 1, 2, 3, 4})
	f.Add([]byte{255, 255, 127, 255, 255, 255})
	f.Add([]byte{0, 1, 128, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		rows := &Tuples{append(make([]byte, 0, len(b)), b...)} // with nothing behind it
		_ = db.Bulk(t.Context(), func(c *Conn) error {
			return rows.Lend([]byte("ti"), func(n int64) error {
				_, err := c.Text(`SELECT group_concat(coalesce(c0, '') || coalesce(c1, 0)) FROM rowset(?)`, n)
				return err
			})
		})
	})
}

func TestConnectionsReadTheirOwnRows(t *testing.T) {
	var group errgroup.Group
	for i := range 8 {
		db := rowsetStore(t)
		group.Go(func() error {
			for j := range 50 {
				want := fmt.Sprint(i, " ", j)
				got, err := read(t, db, lent([]driver.Value{want}), "t", `SELECT c0 FROM rowset(?)`)
				if err != nil || got[0][0] != want {
					return fmt.Errorf("got %v, want %s: %w", got, want, err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}
