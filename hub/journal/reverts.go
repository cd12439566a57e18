package journal

import (
	"context"
	"database/sql"

	"crossdock/internal/store"
)

// A Revert is a run that puts another one back.
type Revert struct {
	Run
	Reverts string // the run that it puts back
	By      string // who asked for it
	Cursor  string // where to go on
}

// BeginRevert writes a new run that puts another one back.
func (j *Journal) BeginRevert(ctx context.Context, r Revert) error {
	if err := j.Begin(ctx, r.Run); err != nil {
		return err
	}
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO run_revert (run, reverts, asked_by) VALUES (?, ?, ?)`, r.ID, r.Reverts, r.By); err != nil {
			return err
		}
		// What its files held is no longer applied: they may be applied again.
		_, err := tx.ExecContext(ctx, `UPDATE run_file SET state = 'left' WHERE run = ? AND state = 'applied'`, r.Reverts)
		return err
	})
}

// LastRevert returns the newest run that puts the run given back, and false
// where there is none.
func (j *Journal) LastRevert(ctx context.Context, reverts string) (Revert, bool, error) {
	return j.firstRevert(ctx, `reverts = ?`, reverts)
}

// Revert returns a run that puts another one back, and false where it does not.
func (j *Journal) Revert(ctx context.Context, run string) (Revert, bool, error) {
	return j.firstRevert(ctx, `run_revert.run = ?`, run)
}

func (j *Journal) firstRevert(ctx context.Context, condition, id string) (Revert, bool, error) {
	type found struct{ run, reverts, by, cursor string }
	f, there, err := store.First(ctx, j.db.Read(), func(rows *sql.Rows) (f found, err error) {
		return f, rows.Scan(&f.run, &f.reverts, &f.by, &f.cursor)
	}, `SELECT run, reverts, asked_by, cursor FROM run_revert JOIN run ON run.id = run_revert.run WHERE `+condition+`
		ORDER BY started_at DESC, run.id DESC LIMIT 1`, id)
	if err != nil || !there {
		return Revert{}, false, err
	}
	run, err := j.Run(ctx, f.run)
	return Revert{Run: run, Reverts: f.reverts, By: f.by, Cursor: f.cursor}, err == nil, err
}

// Resume lets a run go on that was stopped, or failed, or waits. It returns
// false, and does nothing, where the run is in another state.
func (j *Journal) Resume(ctx context.Context, c Claim) (taken bool, err error) {
	err = j.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := claimed(ctx, tx, c); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `
			UPDATE run SET status = 'running', finished_at = NULL, error = ''
			WHERE id = ? AND status IN ('stopped', 'failed', 'queued')`, c.Run)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		taken = n == 1
		return err
	})
	return taken, err
}

// WaitAgain puts a run that was stopped, or failed, among those that wait, to go
// on where it was.
func (j *Journal) WaitAgain(ctx context.Context, id string) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE run SET status = 'queued', finished_at = NULL, error = '' WHERE id = ? AND status IN ('stopped', 'failed')`, id)
		return err
	})
}
