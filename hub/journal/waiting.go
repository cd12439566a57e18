package journal

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"crossdock/internal/store"
)

// An Awaited is a row of an entity that a waiting row refers to.
type Awaited struct{ Entity, Key string }

// awaited returns what a row waits for as it is kept, each once.
func (r *Row) awaited() []Awaited {
	list := make([]Awaited, 0, len(r.Awaited))
	for _, a := range r.Awaited {
		a.Key = indexable(a.Key)
		if !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

// await notes what a row waits for, in place of what it waited for before.
func await(ctx context.Context, tx *sql.Tx, r *Row) error {
	if len(r.Awaited) == 0 {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM awaited WHERE parked = ?`, r.ID); err != nil {
		return err
	}
	for _, a := range r.awaited() {
		if _, err := tx.ExecContext(ctx, `INSERT INTO awaited (entity, key, parked) VALUES (?, ?, ?)`,
			a.Entity, a.Key, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// awaitAgain has a row that was tried once more go on waiting, where it still
// lacks what it refers to and its time has not come. A second wait does not
// move its deadline.
func (j *Journal) awaitAgain(ctx context.Context, tx *sql.Tx, r *Row) error {
	if len(r.Awaited) == 0 {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `
		UPDATE parked_row SET waits_until = CASE waits_until WHEN 0 THEN ? ELSE waits_until END WHERE id = ?`,
		r.WaitsUntil.UnixMicro(), r.ID); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE parked_row SET status = 'waiting' WHERE id = ? AND status = 'open' AND waits_until > ?`,
		r.ID, j.now()); err != nil {
		return err
	}
	return await(ctx, tx, r)
}

// AwaitedEntities returns the entities that rows wait for, of one pipeline or,
// where none is named, of all.
func (j *Journal) AwaitedEntities(ctx context.Context, pipeline string) ([]string, error) {
	return store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (name string, err error) { return name, rows.Scan(&name) }, `
		SELECT DISTINCT a.entity FROM awaited a JOIN parked_row p ON p.id = a.parked
		WHERE p.status = 'waiting' AND (?1 = '' OR p.pipeline = ?1) ORDER BY 1`, pipeline)
}

// AwaitedKeys returns the keys of an entity that rows wait for, behind the one
// given and in their order: at most limit.
func (j *Journal) AwaitedKeys(ctx context.Context, entity, after string, limit int) ([]string, error) {
	return store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (key string, err error) { return key, rows.Scan(&key) }, `
		SELECT DISTINCT a.key FROM awaited a
		WHERE a.entity = ? AND a.key > ? AND a.arrived = 0
		  AND EXISTS (SELECT 1 FROM parked_row p WHERE p.id = a.parked AND p.status = 'waiting')
		ORDER BY a.key LIMIT ?`, entity, after, limit)
}

// Arrive notes that rows which others wait for are there now.
func (j *Journal) Arrive(ctx context.Context, entity string, keys []string) error {
	args := make([]any, 0, len(keys)+1)
	args = append(args, entity)
	for _, key := range keys {
		args = append(args, key)
	}
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE awaited SET arrived = 1 WHERE entity = ? AND key IN (`+marks(len(keys))+`)`, args...)
		return err
	})
}

// DuePipelines returns the pipelines with rows whose wait has come to an end.
func (j *Journal) DuePipelines(ctx context.Context) ([]string, error) {
	return store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (name string, err error) { return name, rows.Scan(&name) }, `
		SELECT DISTINCT p.pipeline FROM awaited a JOIN parked_row p ON p.id = a.parked
		WHERE a.arrived = 1 AND p.status IN ('waiting', 'open') ORDER BY 1`)
}

// dueRows are those for which something has arrived.
const dueRows = `(SELECT parked FROM awaited WHERE arrived = 1)`

// OpenDue makes the rows of a pipeline whose wait has come to an end such as
// can be replayed. The caller has the lock of the pipeline.
func (j *Journal) OpenDue(ctx context.Context, pipeline string) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		update, err := j.wideUpdate(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, update+` parked_row SET status = 'open' WHERE pipeline = ? AND status = 'waiting' AND id IN `+dueRows, pipeline)
		return err
	})
}

// EndWait has rows wait no longer.
func (j *Journal) EndWait(ctx context.Context, rows []int64) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		return errors.Join(
			j.eachID(ctx, tx, `UPDATE parked_row SET status = 'open' WHERE status = 'waiting' AND id IN `, rows),
			j.eachID(ctx, tx, `DELETE FROM awaited WHERE parked IN `, rows),
		)
	})
}

// CloseDue forgets what the rows of a pipeline that were replayed had waited
// for. Those that go on waiting have said anew for what.
func (j *Journal) CloseDue(ctx context.Context, pipeline string) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
			DELETE FROM awaited WHERE parked IN (SELECT a.parked FROM awaited a JOIN parked_row p ON p.id = a.parked
			                                     WHERE a.arrived = 1 AND p.pipeline = ? AND p.status <> 'waiting')`, pipeline)
		return err
	})
}

// expirePage is how many rows are given up in one transaction.
const expirePage = 10_000

// Expire makes errors of the rows that have waited in vain until their deadline.
func (j *Journal) Expire(ctx context.Context) error {
	for {
		// Most looks find nothing, and shall not wait for whoever writes.
		var due bool
		err := j.db.Read().QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM parked_row WHERE status = 'waiting' AND waits_until <= ?)`, j.now()).Scan(&due)
		if err != nil || !due {
			return err
		}
		err = j.db.Tx(ctx, func(tx *sql.Tx) error { return expire(ctx, tx, j.now()) })
		if err != nil {
			return err
		}
	}
}

func expire(ctx context.Context, tx *sql.Tx, now int64) error {
	type row struct{ id, since int64 }
	rows, err := store.Collect(ctx, tx, func(rows *sql.Rows) (r row, err error) { return r, rows.Scan(&r.id, &r.since) }, `
		SELECT id, first_seen FROM parked_row WHERE status = 'waiting' AND waits_until <= ? ORDER BY waits_until LIMIT ?`, now, expirePage)
	if err != nil {
		return err
	}
	for _, r := range rows {
		waited := "; waited for it since " + time.UnixMicro(r.since).UTC().Format("2006-01-02 15:04Z")
		for _, statement := range []string{
			`UPDATE finding SET message = message || ?2 WHERE parked = ?1 AND rule = 'reference' AND severity = 'reject'`,
			`UPDATE parked_row SET status = 'open' WHERE id = ?1 AND ?2 <> ''`,
			`DELETE FROM awaited WHERE parked = ?1 AND ?2 <> ''`,
		} {
			if _, err := tx.ExecContext(ctx, statement, r.id, waited); err != nil {
				return err
			}
		}
	}
	return nil
}
