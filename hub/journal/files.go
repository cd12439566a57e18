package journal

import (
	"context"
	"database/sql"
	"fmt"

	"crossdock/internal/store"
)

// A FileState says what became of a file of a run.
type FileState string

// The states of files.
const (
	ReadingFile FileState = "reading" // its run is under way, or held
	AppliedFile FileState = "applied" // all of its rows are applied or parked
	SkippedFile FileState = "skipped" // it was applied by an earlier run
	LeftFile    FileState = "left"    // its run did not finish: the next one reads it again
)

// A File is a file that a run has read, or means to.
type File struct {
	Run     string
	Number  int64 // in the order of reading, from 1
	Path    string
	Name    string // what messages call it
	Version string // size and time
	Size    int64  // bytes
	Hash    string // SHA-256 of the contents in hex, "" until it is known
	State   FileState
	Begun   string // the cursor behind which it was read, "" from its beginning
	Cursor  string // behind its last row
	Rows    int64  // read of it
	MoveTo  string // the folder that it is to be moved to, "" where it stays
	Ended   int64  // microseconds since 1970: when its run did
}

const fileColumns = `f.run, f.number, f.path, f.name, f.version, f.size, f.hash, f.state, f.begun, f.cursor, f.rows, f.move_to, coalesce(r.finished_at, 0)`

func scanFile(rows *sql.Rows) (File, error) {
	var f File
	err := rows.Scan(&f.Run, &f.Number, &f.Path, &f.Name, &f.Version, &f.Size, &f.Hash, &f.State, &f.Begun, &f.Cursor, &f.Rows, &f.MoveTo, &f.Ended)
	return f, err
}

// BeginFiles notes the files of a run before the first of them is read, in
// place of those that an earlier attempt has noted.
func (j *Journal) BeginFiles(ctx context.Context, run, pipeline, definition string, files []File) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM run_file WHERE run = ?`, run); err != nil {
			return err
		}
		for i, f := range files {
			if _, err := tx.ExecContext(ctx, `
				INSERT INTO run_file (run, number, pipeline, definition, path, name, version, size, hash, state, begun, cursor, rows, move_to)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0, ?)`,
				run, i+1, pipeline, definition, f.Path, f.Name, f.Version, f.Size, f.Hash, f.State, f.Begun, f.MoveTo); err != nil {
				return fmt.Errorf("note file %s: %w", f.Name, err)
			}
		}
		return nil
	})
}

// finishFiles settles the files of a run that ends, in the transaction that
// ends it.
func finishFiles(ctx context.Context, tx *sql.Tx, run string, status Status) error {
	state := LeftFile
	if status == Succeeded || status == Partial {
		state = AppliedFile
	}
	_, err := tx.ExecContext(ctx, `UPDATE run_file SET state = ? WHERE run = ? AND state = 'reading'`, state, run)
	return err
}

// Files returns the files of a run in the order of reading.
func (j *Journal) Files(ctx context.Context, run string) ([]File, error) {
	return store.Collect(ctx, j.db.Read(), scanFile, `
		SELECT `+fileColumns+` FROM run_file f JOIN run r ON r.id = f.run WHERE f.run = ? ORDER BY f.number`, run)
}
