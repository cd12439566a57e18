package journal

import (
	"database/sql"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"crossdock/internal/store"
)

// TestAJournalOfTheFirstSchemaKeepsItsRows opens a journal that a program of
// the first schema has left, with runs, parked rows and findings in it.
func TestAJournalOfTheFirstSchemaKeepsItsRows(t *testing.T) {
	const first = "migrations/0001_journal.sql"
	text, err := migrations.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.db")
	old, err := store.Open(t.Context(), path, fstest.MapFS{first: {Data: text}})
	if err != nil {
		t.Fatal(err)
	}
	err = old.Tx(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `
			INSERT INTO run (id, pipeline, entity, cause, status, pipeline_file, pipeline_hash, input_path, input_name, error,
			                 started_at, read, rejected)
			VALUES ('r1', 'acme', 'product', 'upload', 'partial', '/etc/acme.yaml', '', '', '', '', 1, 2, 2);
			INSERT INTO parked_row (id, run, pipeline, entity, status, key, resource, version, part, row, cells, first_seen, last_seen)
			VALUES (7, 'r1', 'acme', 'product', 'open', 'A-1', 'acme.csv', '', '', 2, '{"names":["Nr"],"values":["A-1"],"whole":true}', 1, 1);
			INSERT INTO finding (id, parked, rule, severity, field, value, message, position, header, cell)
			VALUES (9, 7, 'gtin', 'reject', 'gtin', '400', 'is wrong', 0, 'Nr', '');`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}

	j, err := Open(t.Context(), store.Place{Dir: dir}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	row, err := j.RowOf(t.Context(), 9)
	if err != nil {
		t.Fatal(err)
	}
	if row.ID != 7 || row.Key != "A-1" || len(row.Findings) != 1 {
		t.Errorf("row %+v, want that of before", row)
	}
	if groups, err := j.Groups(t.Context(), ErrorFilter{}); err != nil || len(groups) != 1 || groups[0].ID != row.Findings[0].Group {
		t.Errorf("groups %+v, %v, want that of the finding %+v", groups, err, row.Findings)
	}
	if run, err := j.Run(t.Context(), "r1"); err != nil || run.Read != 2 || run.Status != Partial {
		t.Errorf("run %+v, %v, want that of before", run, err)
	}
	// Foreign keys hold again: a finding needs its row, and goes with it.
	err = j.db.Tx(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `INSERT INTO finding (parked, rule, severity, field, value, message, position, header, cell)
			VALUES (99, 'gtin', 'reject', '', '', '', 0, '', '')`)
		return err
	})
	if _, broken := store.BrokenConstraint(err); !broken {
		t.Errorf("a finding without a row was taken: %v", err)
	}
}
