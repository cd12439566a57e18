package journal

import (
	"context"
	"database/sql"
	"fmt"
)

// Deactivate counts rows that a run has deactivated by one batch.
func (j *Journal) Deactivate(ctx context.Context, run string, rows int64) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE run SET deactivated = deactivated + ?, batches = batches + 1 WHERE id = ?`, rows, run)
		return err
	})
}

// SetGuard names otherwise the guard that holds a run, as when a person says to
// what extent it may be lifted.
func (j *Journal) SetGuard(ctx context.Context, run, guard string) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE run SET guard = ? WHERE id = ? AND status = 'held'`, guard, run)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return fmt.Errorf("run %s is not held any more: %w", run, err)
		}
		return nil
	})
}
