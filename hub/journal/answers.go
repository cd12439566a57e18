package journal

import (
	"context"
	"database/sql"
	"time"

	"crossdock/internal/store"
)

// An Answer is what was answered to a request with an Idempotency-Key.
type Answer struct {
	Request string // hash of what was asked for
	Body    string
}

// AnswerTo returns what was answered to the request of a key.
func (j *Journal) AnswerTo(ctx context.Context, key string) (a Answer, found bool, err error) {
	return store.First(ctx, j.db.Read(), func(rows *sql.Rows) (a Answer, err error) {
		return a, rows.Scan(&a.Request, &a.Body)
	}, `SELECT request, body FROM answer WHERE key = ?`, key)
}

// KeepAnswer keeps an answer. The first of a key stays.
func (j *Journal) KeepAnswer(ctx context.Context, key string, a Answer) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO answer (key, request, body, at) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING`,
			key, a.Request, a.Body, j.now())
		return err
	})
}

// ForgetAnswers deletes the answers that are older than the age.
func (j *Journal) ForgetAnswers(ctx context.Context, age time.Duration) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM answer WHERE at < ?`, j.clock().Add(-age).UnixMicro())
		return err
	})
}
