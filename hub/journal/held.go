package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"crossdock/internal/store"
)

// Hold ends a run that a guard does not let go on: it waits for a person.
func (j *Journal) Hold(ctx context.Context, c Claim, guard, reason string) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := claimed(ctx, tx, c); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE run SET status = 'held', guard = ?, error = ?, finished_at = ? WHERE id = ? AND status = 'running'`,
			guard, reason, j.now(), c.Run)
		return err
	})
}

// Lift queues a held run anew, with the guard that holds it lifted, and notes
// who has approved it. It returns false, and does nothing, where the run is
// not held: someone else was first.
func (j *Journal) Lift(ctx context.Context, id, by string) (lifted bool, err error) {
	err = j.db.Tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			UPDATE run SET status = 'queued', lifted = CASE lifted WHEN '' THEN guard ELSE lifted || ',' || guard END, guard = '',
			       approved_by = ?, approved_at = ?, finished_at = NULL, error = ''
			WHERE id = ? AND status = 'held'`, by, j.now(), id)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		lifted = n == 1
		return err
	})
	return lifted, err
}

// Observe keeps what guards will compare later runs with: the columns of the
// source, and sums over the rows by name.
func (j *Journal) Observe(ctx context.Context, id string, header []string, totals map[string]string) error {
	columns, err := json.Marshal(header)
	if err != nil {
		return err
	}
	sums, err := json.Marshal(totals)
	if err != nil {
		return err
	}
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE run SET header = ?, totals = ? WHERE id = ?`, string(columns), string(sums), id)
		return err
	})
}

// A Past is what guards know of a run that was finished.
type Past struct {
	Run          string
	PipelineHash string
	Header       []string          // nil where it was not kept
	Totals       map[string]string // sums over the rows, by name
	Read         int64
}

// Pasts returns the newest finished runs of a pipeline that have read a source
// from its beginning: at most limit of them, newest first. Runs that passed
// over all files, or read on in one that has grown, are no measure.
func (j *Journal) Pasts(ctx context.Context, pipeline string, limit int) ([]Past, error) {
	return store.Collect(ctx, j.db.Read(), scanPast, `
		SELECT id, pipeline_hash, header, totals, read FROM run
		WHERE pipeline = ? AND status IN ('succeeded', 'partial') AND cause IN ('command', 'upload', 'schedule') AND read > 0
		  AND NOT EXISTS (SELECT 1 FROM run_file f WHERE f.run = run.id AND f.begun <> '')
		ORDER BY started_at DESC, id DESC LIMIT ?`, pipeline, limit)
}

func scanPast(rows *sql.Rows) (Past, error) {
	var p Past
	var header, totals string
	if err := rows.Scan(&p.Run, &p.PipelineHash, &header, &totals, &p.Read); err != nil {
		return p, err
	}
	if header != "" {
		if err := json.Unmarshal([]byte(header), &p.Header); err != nil {
			return p, fmt.Errorf("header of run %s: %w", p.Run, err)
		}
	}
	if totals != "" {
		if err := json.Unmarshal([]byte(totals), &p.Totals); err != nil {
			return p, fmt.Errorf("totals of run %s: %w", p.Run, err)
		}
	}
	return p, nil
}
