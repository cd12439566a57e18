package journal

import (
	"context"
	"database/sql"
	"time"
)

// Forget deletes rows of a pipeline that nobody needs any more, and returns how
// many they were: those that were replayed, discarded or superseded longer ago
// than the first age, and those noted longer ago than the second. An age of 0
// keeps them. Rows that are open or wait are always kept.
func (j *Journal) Forget(ctx context.Context, pipeline string, closed, noted time.Duration) (int64, error) {
	deleted := int64(0)
	for _, old := range []struct {
		status RowStatus
		age    time.Duration
	}{{ReplayedRow, closed}, {DiscardedRow, closed}, {SupersededRow, closed}, {NotedRow, noted}} {
		if old.age == 0 {
			continue
		}
		for {
			n, err := j.forgetPage(ctx, pipeline, old.status, j.clock().Add(-old.age).UnixMicro())
			deleted += n
			if err != nil {
				return deleted, err
			}
			if n < pageRows {
				break
			}
		}
	}
	return deleted, nil
}

// forgetPage deletes a page of rows, so that others need not wait long.
func (j *Journal) forgetPage(ctx context.Context, pipeline string, status RowStatus, before int64) (n int64, err error) {
	// The readers look first: most of the time there is nothing to write.
	var some bool
	if err := j.db.Read().QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM parked_row WHERE status = ? AND pipeline = ? AND last_seen < ?)`,
		status, pipeline, before).Scan(&some); err != nil || !some {
		return 0, err
	}
	err = j.db.Tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			DELETE FROM parked_row WHERE id IN (
			  SELECT id FROM parked_row WHERE status = ? AND pipeline = ? AND last_seen < ? LIMIT ?)`, status, pipeline, before, pageRows)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}
