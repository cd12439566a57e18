package saga

import (
	"context"
	"database/sql"
	"time"

	"crossdock/commerce"
	"crossdock/internal/store"
)

// A Saga is one of them, as people see it.
type Saga struct {
	ID, Type string
	State    State
	Step     string // that it is at, or was at when it ended
	Attempt  int    // that were begun at this step
	Waiting  bool   // for a reply
	Reason   string // for which it is compensated
	Error    string // of the attempt made last, "" where that succeeded
	Started  time.Time
	Due      time.Time // when it goes on; of no meaning once it has ended
	Ended    time.Time // zero: it goes on
}

const sagaColumns = `id, type, state, step, attempt, waiting, reason, error, started_at, due_at, coalesce(ended_at, 0)`

// Find returns a saga, or a NotFound error.
func (e *Engine) Find(ctx context.Context, id string) (Saga, error) {
	s, found, err := store.First(ctx, e.DB.Read(), scanSaga, `SELECT `+sagaColumns+` FROM saga WHERE id = ?`, id)
	if err == nil && !found {
		err = commerce.Errorf(commerce.NotFound, "there is no saga %s", id)
	}
	return s, err
}

// Stuck returns sagas that go on, and whose last attempts, at least as many as
// given, have all failed: someone should look at what their steps meet with.
func (e *Engine) Stuck(ctx context.Context, attempts, limit int) ([]Saga, error) {
	return store.Collect(ctx, e.DB.Read(), scanSaga,
		`SELECT `+sagaColumns+` FROM saga WHERE ended_at IS NULL AND error <> '' AND attempt >= ? ORDER BY due_at LIMIT ?`, attempts, limit)
}

func scanSaga(rows *sql.Rows) (s Saga, err error) {
	var state string
	var waiting int
	var started, due, ended int64
	err = rows.Scan(&s.ID, &s.Type, &state, &s.Step, &s.Attempt, &waiting, &s.Reason, &s.Error, &started, &due, &ended)
	s.State, s.Waiting = State(state), waiting == 1
	s.Started, s.Due = time.UnixMicro(started).UTC(), time.UnixMicro(due).UTC()
	if ended > 0 {
		s.Ended = time.UnixMicro(ended).UTC()
	}
	return s, err
}

// forgetRows bounds a transaction of Forget.
const forgetRows = 1000

// Forget deletes some of the sagas that have ended before a moment, and reports
// whether there are more. Their ids may be used again from then on.
func (e *Engine) Forget(ctx context.Context, before time.Time) (more bool, err error) {
	err = e.DB.Tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM saga WHERE id IN (
			SELECT id FROM saga WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT ?)`, before.UnixMicro(), forgetRows)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		more = n == forgetRows
		return err
	})
	return more, err
}
