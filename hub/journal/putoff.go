package journal

import (
	"context"
	"database/sql"
)

// PutOff puts a run that is under way back among those that wait, and says why.
func (j *Journal) PutOff(ctx context.Context, c Claim, reason string) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := claimed(ctx, tx, c); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE run SET status = 'queued', finished_at = NULL, error = ? WHERE id = ? AND status = 'running'`, reason, c.Run)
		return err
	})
}
