package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"golang.org/x/sync/errgroup"

	"crossdock/internal/store"
)

func numbers(t *testing.T, path string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), path, fstest.MapFS{"migrations/0003_n.sql": {
		Data: []byte("-- +goose Up\nCREATE TABLE n (i INTEGER NOT NULL PRIMARY KEY, pad BLOB NOT NULL) STRICT;"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func count(t *testing.T, db *store.DB) (n int) {
	t.Helper()
	if err := db.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM n`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCopiesAreOfOneMoment copies two databases while each number is written
// first to one and then to the other, back and forth.
func TestCopiesAreOfOneMoment(t *testing.T) {
	dir := t.TempDir()
	dbs := []*store.DB{numbers(t, filepath.Join(dir, "a.db")), numbers(t, filepath.Join(dir, "b.db"))}
	ctx, stop := context.WithCancel(t.Context())
	var group errgroup.Group
	group.Go(func() error {
		for i := 0; ctx.Err() == nil; i++ {
			for _, db := range dbs {
				if err := db.Tx(context.WithoutCancel(ctx), func(tx *sql.Tx) error {
					_, err := tx.ExecContext(context.WithoutCancel(ctx), `INSERT INTO n (pad) VALUES (zeroblob(20000))`)
					return err
				}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for range 8 {
		to := t.TempDir()
		copies := []store.Copy{{From: filepath.Join(dir, "a.db"), To: filepath.Join(to, "a.db")}, {From: filepath.Join(dir, "b.db"), To: filepath.Join(to, "b.db")}}
		still := [2]int{}
		if err := store.CopyAt(t.Context(), copies, func() error {
			for i, db := range dbs {
				still[i] = count(t, db)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for i, c := range copies {
			version, err := store.Examine(c.To)
			if err != nil || version != 3 {
				t.Errorf("Examine(%s) = %d, %v; want version 3", c.To, version, err)
			}
			if left, _ := filepath.Glob(c.To + "-*"); len(left) > 0 {
				t.Errorf("beside the copy lies %v", left)
			}
			if n := count(t, numbers(t, c.To)); n != still[i] {
				t.Errorf("the copy of %s has %d rows, and there were %d", c.From, n, still[i])
			}
		}
		if still[0] != still[1] && still[0] != still[1]+1 {
			t.Errorf("%d in the first and %d in the second, where one is behind by no more than one", still[0], still[1])
		}
	}
	stop()
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

func TestCopyingFailsWithTheNameOfTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.db")
	db := numbers(t, path)
	none := store.Copy{From: filepath.Join(dir, "none.db"), To: filepath.Join(dir, "copy.db")}
	if err := store.CopyAt(t.Context(), []store.Copy{none}, func() error { return nil }); err == nil {
		t.Error("a file that is not there was copied")
	}
	if _, err := os.Stat(none.From); !errors.Is(err, os.ErrNotExist) {
		t.Error("and it is there now")
	}
	refused := errors.New("not now")
	one := store.Copy{From: path, To: filepath.Join(dir, "copy.db")}
	if err := store.CopyAt(t.Context(), []store.Copy{one}, func() error { return refused }); !errors.Is(err, refused) {
		t.Errorf("CopyAt = %v, want %v", err, refused)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.CopyAt(ended, []store.Copy{one}, func() error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("CopyAt = %v, want it interrupted", err)
	}
	// Whatever has failed, others write again.
	if err := db.Tx(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `INSERT INTO n (pad) VALUES (x'00')`)
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestExamineFindsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := numbers(t, path)
	if err := db.Tx(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 200) INSERT INTO n SELECT i, zeroblob(9000) FROM c`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Examine(path); err != nil {
		t.Fatalf("before: %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(text) / 2; i < len(text)/2+3*16384; i++ {
		text[i] ^= 0xff
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if version, err := store.Examine(path); err == nil {
		t.Errorf("Examine of a damaged file = %d", version)
	}
	if err := os.WriteFile(path, []byte("not a database at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Examine(path); err == nil {
		t.Error("a text passes for a database")
	}
}
