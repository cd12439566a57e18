package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"crossdock/internal/store"
)

// A Quality is how good the rows of a run were, or of one source of it.
type Quality struct {
	Run      string
	Pipeline string
	Source   string // "" for the run as a whole
	Score    int64  // in tenths, up to 1000
	Read     int64
	Skipped  int64
	Rejected int64
	Warned   int64 // rows that drew nothing but warnings
	Cells    int64 // mapped fields of the rows that passed
	Filled   int64 // of them, those with a value
	Started  time.Time
}

// A Drift is a column that was no longer what it had been in earlier runs.
type Drift struct {
	Run      string    `json:"run"`
	Pipeline string    `json:"pipeline"`
	Column   string    `json:"column"`
	Kind     string    `json:"kind"`
	Before   string    `json:"before"`
	Now      string    `json:"now"`
	Message  string    `json:"message"`
	Started  time.Time `json:"started_at"`
}

// An Assessment is what a run has told about its source.
type Assessment struct {
	Run      string
	Pipeline string
	Quality  []Quality
	Profile  []byte // JSON
	Drift    []Drift
}

// keptProfiles bounds how many profiles are kept of a pipeline. Scores and
// drift are kept as long as their runs are.
const keptProfiles = 100

// Assess keeps what a run has told about its source, in place of what it told
// when it was held.
func (j *Journal) Assess(ctx context.Context, a Assessment) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, table := range []string{"quality", "profile", "drift"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE run = ?`, a.Run); err != nil {
				return err
			}
		}
		for _, q := range a.Quality {
			if _, err := tx.ExecContext(ctx, `
				INSERT INTO quality (run, pipeline, source, score, read, skipped, rejected, warned, cells, filled)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				a.Run, a.Pipeline, indexable(q.Source), q.Score, q.Read, q.Skipped, q.Rejected, q.Warned, q.Cells, q.Filled); err != nil {
				return fmt.Errorf("keep the quality of run %s: %w", a.Run, err)
			}
		}
		if a.Profile != nil {
			if _, err := tx.ExecContext(ctx, `INSERT INTO profile (run, pipeline, content) VALUES (?, ?, ?)`, a.Run, a.Pipeline, string(a.Profile)); err != nil {
				return fmt.Errorf("keep the profile of run %s: %w", a.Run, err)
			}
			if _, err := tx.ExecContext(ctx, `
				DELETE FROM profile WHERE run IN (
				  SELECT p.run FROM profile p JOIN run r ON r.id = p.run WHERE p.pipeline = ?
				  ORDER BY r.started_at DESC, r.id DESC LIMIT 1000 OFFSET ?)`, a.Pipeline, keptProfiles); err != nil {
				return fmt.Errorf("drop old profiles of %s: %w", a.Pipeline, err)
			}
		}
		for _, d := range a.Drift {
			if _, err := tx.ExecContext(ctx, `INSERT INTO drift (run, pipeline, name, kind, before, now, message) VALUES (?, ?, ?, ?, ?, ?, ?)`,
				a.Run, a.Pipeline, d.Column, d.Kind, d.Before, d.Now, d.Message); err != nil {
				return fmt.Errorf("keep the drift of run %s: %w", a.Run, err)
			}
		}
		return nil
	})
}

func scanText(rows *sql.Rows) (s string, err error) { return s, rows.Scan(&s) }

// Profile returns the profile of a run as it was kept, or ErrNotFound.
func (j *Journal) Profile(ctx context.Context, run string) ([]byte, error) {
	text, found, err := store.First(ctx, j.db.Read(), scanText, `SELECT content FROM profile WHERE run = ?`, run)
	if err == nil && !found {
		err = fmt.Errorf("profile of run %s: %w: profiles are kept of the %d latest runs of a pipeline that came to their end", run, ErrNotFound, keptProfiles)
	}
	return []byte(text), err
}

// Profiles returns the profiles of the latest runs of a pipeline that finished,
// newest first.
func (j *Journal) Profiles(ctx context.Context, pipeline string, limit int) ([][]byte, error) {
	return store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (b []byte, err error) { return b, rows.Scan(&b) }, `
		SELECT p.content FROM profile p JOIN run r ON r.id = p.run WHERE p.pipeline = ? AND r.status IN ('succeeded', 'partial')
		ORDER BY r.started_at DESC, r.id DESC LIMIT ?`, pipeline, limit)
}

// Qualities returns the scores of the latest runs, newest first: those of one
// pipeline where it is named, each run as a whole and by its sources.
func (j *Journal) Qualities(ctx context.Context, pipeline string, runs int) ([]Quality, error) {
	return store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (q Quality, err error) {
		var started int64
		err = rows.Scan(&q.Run, &q.Pipeline, &q.Source, &q.Score, &q.Read, &q.Skipped, &q.Rejected, &q.Warned, &q.Cells, &q.Filled, &started)
		q.Started = time.UnixMicro(started).UTC()
		return q, err
	}, `
		SELECT q.run, q.pipeline, q.source, q.score, q.read, q.skipped, q.rejected, q.warned, q.cells, q.filled, r.started_at
		FROM (SELECT id, started_at FROM run WHERE (?1 = '' OR pipeline = ?1) AND EXISTS (SELECT 1 FROM quality WHERE run = run.id)
		      ORDER BY started_at DESC, id DESC LIMIT ?2) r
		JOIN quality q ON q.run = r.id
		ORDER BY r.started_at DESC, r.id DESC, q.source`, pipeline, runs)
}

// Drifts lists the columns that moved, those of the newest run first; empty
// arguments mean any.
func (j *Journal) Drifts(ctx context.Context, pipeline, run string, limit int) ([]Drift, error) {
	return store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (d Drift, err error) {
		var started int64
		err = rows.Scan(&d.Run, &d.Pipeline, &d.Column, &d.Kind, &d.Before, &d.Now, &d.Message, &started)
		d.Started = time.UnixMicro(started).UTC()
		return d, err
	}, `
		SELECT d.run, d.pipeline, d.name, d.kind, d.before, d.now, d.message, r.started_at
		FROM drift d JOIN run r ON r.id = d.run
		WHERE (?1 = '' OR d.pipeline = ?1) AND (?2 = '' OR d.run = ?2)
		ORDER BY r.started_at DESC, r.id DESC, d.id LIMIT ?3`, pipeline, run, limit)
}
