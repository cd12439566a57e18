package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"crossdock/hub/broker"
	"crossdock/internal/store"
)

// Review implements [broker.Broker].
func (b *Broker) Review(ctx context.Context, judge func(context.Context, broker.Dead) (broker.Verdict, error)) error {
	// What is put on the error queue meanwhile is for the next time.
	until, _, err := store.First(ctx, b.db.Read(), func(rows *sql.Rows) (id int64, err error) { return id, rows.Scan(&id) },
		`SELECT coalesce(max(id), 0) FROM message WHERE queue = ? AND due = 0 AND owner = ''`, broker.DeadQueue)
	if err != nil {
		return err
	}
	for after := int64(0); ; {
		id, d, found, err := b.nextDead(ctx, after, until)
		if err != nil || !found {
			return err
		}
		after = id
		verdict, err := judge(ctx, d)
		if err != nil {
			return err
		}
		if err := b.sentence(ctx, id, d, verdict); err != nil {
			return err
		}
	}
}

func (b *Broker) nextDead(ctx context.Context, after, until int64) (id int64, d broker.Dead, found bool, err error) {
	d, found, err = store.First(ctx, b.db.Read(), func(rows *sql.Rows) (d broker.Dead, err error) {
		var at int64
		var headers string
		if err := rows.Scan(&id, &d.ID, &d.Type, &d.Key, &d.ContentType, &at, &headers, &d.Body, &d.Attempt, &d.Queue, &d.Code, &d.Reason); err != nil {
			return d, err
		}
		d.Time = time.UnixMicro(at).UTC()
		return d, json.Unmarshal([]byte(headers), &d.Headers)
	}, `SELECT id, message_id, type, key, content_type, time, headers, body, failures, origin, error_code, error FROM message
		WHERE queue = ? AND due = 0 AND owner = '' AND id > ? AND id <= ? ORDER BY id LIMIT 1`, broker.DeadQueue, after, until)
	return id, d, found, err
}

// sentence does with a message on the error queue as was said, unless another
// process was first.
func (b *Broker) sentence(ctx context.Context, id int64, d broker.Dead, v broker.Verdict) error {
	statement := `DELETE FROM message WHERE id = ?1 AND queue = ?2`
	switch v {
	case broker.Keep:
		return nil
	case broker.Redeliver:
		statement = `UPDATE message SET queue = origin, origin = '', failures = 0, error_code = '', error = ''
			WHERE id = ?1 AND queue = ?2 AND EXISTS (SELECT 1 FROM queue WHERE name = origin)`
	case broker.Discard:
	}
	err := b.db.Tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, statement, id, broker.DeadQueue)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 && v == broker.Redeliver {
			return fmt.Errorf("message %s cannot go back: its queue %s is not there", d.ID, d.Queue)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE queue SET messages = messages - ? WHERE name = ?`, n, broker.DeadQueue); err != nil {
			return err
		}
		if v == broker.Redeliver {
			_, err = tx.ExecContext(ctx, `UPDATE queue SET messages = messages + ? WHERE name = ?`, n, d.Queue)
		}
		return err
	})
	if err == nil && v == broker.Redeliver {
		b.wake(d.Queue)
	}
	return err
}
