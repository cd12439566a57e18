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
	Run    string
	Number int64 // in the order of reading, from 1
	// Definition is a hash of the text of the pipeline and of what it looks up.
	Definition string
	Path       string
	Name       string // what messages call it
	Version    string // size and time
	Size       int64  // bytes
	Hash       string // SHA-256 of the contents in hex, "" until it is known
	State      FileState
	Begun      string // the cursor behind which it was read, "" from its beginning
	Cursor     string // behind its last row
	Rows       int64  // read of it
	MoveTo     string // the folder that it is to be moved to, "" where it stays
	Ended      int64  // microseconds since 1970: when its run did
}

const fileColumns = `f.run, f.number, f.definition, f.path, f.name, f.version, f.size, f.hash, f.state, f.begun, f.cursor, f.rows, f.move_to, coalesce(r.finished_at, 0)`

func scanFile(rows *sql.Rows) (File, error) {
	var f File
	err := rows.Scan(&f.Run, &f.Number, &f.Definition, &f.Path, &f.Name, &f.Version, &f.Size, &f.Hash, &f.State, &f.Begun, &f.Cursor, &f.Rows, &f.MoveTo, &f.Ended)
	return f, err
}

// BeginFiles notes the files of a run before the first of them is read, in
// place of those that an earlier attempt has noted.
func (j *Journal) BeginFiles(ctx context.Context, run, pipeline string, files []File) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM run_file WHERE run = ?`, run); err != nil {
			return err
		}
		for _, f := range files {
			if _, err := tx.ExecContext(ctx, `
				INSERT INTO run_file (run, number, pipeline, definition, path, name, version, size, hash, state, begun, cursor, rows, move_to)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0, ?)`,
				run, f.Number, pipeline, f.Definition, f.Path, f.Name, f.Version, f.Size, f.Hash, f.State, f.Begun, f.MoveTo); err != nil {
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

// EndFiles notes what a run that ends has learnt of its files: contents,
// cursor and rows, and where to they are to be moved once the run is finished.
func (j *Journal) EndFiles(ctx context.Context, run string, files []File) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, f := range files {
			if _, err := tx.ExecContext(ctx, `UPDATE run_file SET hash = ?, cursor = ?, rows = ?, move_to = ? WHERE run = ? AND number = ?`,
				f.Hash, f.Cursor, f.Rows, f.MoveTo, run, f.Number); err != nil {
				return fmt.Errorf("note file %s: %w", f.Name, err)
			}
		}
		return nil
	})
}

// notReverted leaves out the files of runs that were taken back: the next run
// is to read them.
const notReverted = ` AND NOT EXISTS (SELECT 1 FROM run_revert v WHERE v.reverts = f.run)`

// LastOfPath returns the last file that a pipeline has applied of a path.
func (j *Journal) LastOfPath(ctx context.Context, pipeline, path string) (File, bool, error) {
	same := `f.path = ?2`
	if j.db.Postgres() {
		same += ` AND md5(f.path) = md5(?2)` // which is what there is an index of
	}
	return store.First(ctx, j.db.Read(), scanFile, `
		SELECT `+fileColumns+` FROM run_file f JOIN run r ON r.id = f.run
		WHERE f.pipeline = ?1 AND `+same+` AND f.state = 'applied'`+notReverted+` ORDER BY r.started_at DESC, r.id DESC, f.number DESC LIMIT 1`, pipeline, path)
}

// LastFiles returns the files that the last run of a pipeline to apply any has
// applied, and those of runs that wait or are under way where these are asked for.
func (j *Journal) LastFiles(ctx context.Context, pipeline string, alsoWaiting bool) ([]File, error) {
	states := `f.state = 'applied'` + notReverted
	if alsoWaiting {
		states = `(f.state = 'applied' OR f.state = 'reading' AND r.status IN ('queued', 'running', 'held'))` + notReverted
	}
	return store.Collect(ctx, j.db.Read(), scanFile, `
		SELECT `+fileColumns+` FROM run_file f JOIN run r ON r.id = f.run
		WHERE `+states+` AND f.run = (
		  SELECT f.run FROM run_file f JOIN run r ON r.id = f.run WHERE f.pipeline = ? AND `+states+`
		  ORDER BY r.started_at DESC, r.id DESC LIMIT 1)
		ORDER BY f.number`, pipeline)
}

// ToMove returns the files of a pipeline that are to be moved and are not yet:
// their runs have ended.
func (j *Journal) ToMove(ctx context.Context, pipeline string) ([]File, error) {
	return store.Collect(ctx, j.db.Read(), scanFile, `
		SELECT `+fileColumns+` FROM run_file f JOIN run r ON r.id = f.run
		WHERE f.pipeline = ? AND f.move_to <> '' AND f.moved = 0 AND f.state <> 'reading' ORDER BY r.started_at, f.number`, pipeline)
}

// Moved notes that a file is where it was to be moved to, or gone.
func (j *Journal) Moved(ctx context.Context, f *File) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE run_file SET moved = 1 WHERE run = ? AND number = ?`, f.Run, f.Number)
		return err
	})
}
