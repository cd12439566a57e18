package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"crossdock/internal/store"
	"crossdock/schemas"
)

// A Claim is a run, and the turn of its pipeline in which it is written. Where
// several hubs share a journal, one that stood still for too long is taken for
// dead; its pipeline has a new turn then, and what it still writes is refused
// with [schemas.ErrOvertaken]. Turns are 0 where a lock of the operating system
// ends with its process.
type Claim struct {
	Run  string
	Turn int64
}

// claimed refuses a claim in favour of a later one, and keeps it where it is the
// latest. A run that there is not is left to the caller.
func claimed(ctx context.Context, tx *sql.Tx, c Claim) error {
	var turn int64
	err := tx.QueryRowContext(ctx, `SELECT turn FROM run WHERE id = ?`, c.Run).Scan(&turn)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	case turn > c.Turn:
		return fmt.Errorf("run %s: %w", c.Run, schemas.ErrOvertaken)
	case turn == c.Turn:
		return nil
	}
	_, err = tx.ExecContext(ctx, `UPDATE run SET turn = ? WHERE id = ?`, c.Turn, c.Run)
	return err
}

// Shared reports whether hubs of several processes and machines may share the
// journal, so that they have to take turns.
func (j *Journal) Shared() bool { return j.db.Postgres() }

// TakeTurn takes the turn of a pipeline for a time, unless someone has it whose
// time is not over and who is not known to be gone. It returns the number of the
// turn, or 0 and who has it.
func (j *Journal) TakeTurn(ctx context.Context, pipeline, holder string, span time.Duration, gone bool) (turn int64, other string, err error) {
	err = j.db.Tx(ctx, func(tx *sql.Tx) error {
		number := func(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) }
		now := j.now()
		var taken bool
		turn, taken, err = store.First(ctx, tx, number, `
			INSERT INTO lease (name, holder, turn, expires_at) VALUES (?1, ?2, 1, ?3)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, turn = lease.turn + 1, expires_at = excluded.expires_at
			WHERE lease.expires_at <= ?4 OR ?5 RETURNING turn`, pipeline, holder, now+span.Microseconds(), now, gone)
		if taken || err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT holder FROM lease WHERE name = ?`, pipeline).Scan(&other)
	})
	return turn, other, err
}

// KeepTurn prolongs a turn. It returns false where someone else has taken it.
func (j *Journal) KeepTurn(ctx context.Context, pipeline string, turn int64, span time.Duration) (kept bool, err error) {
	return j.setTurn(ctx, pipeline, turn, j.now()+span.Microseconds())
}

// EndTurn gives a turn back.
func (j *Journal) EndTurn(ctx context.Context, pipeline string, turn int64) error {
	_, err := j.setTurn(ctx, pipeline, turn, 0)
	return err
}

func (j *Journal) setTurn(ctx context.Context, pipeline string, turn, until int64) (mine bool, err error) {
	err = j.db.Tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE lease SET expires_at = ? WHERE name = ? AND turn = ?`, until, pipeline, turn)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		mine = n == 1
		return err
	})
	return mine, err
}
