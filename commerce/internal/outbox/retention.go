package outbox

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"crossdock/internal/store"
)

const (
	sweepEvery = time.Hour
	sweepRows  = 2000 // a transaction, so that others wait only briefly for their turn
)

// sweep forgets old events now and then.
func (o *Outbox) sweep(ctx context.Context) error {
	for {
		more := false
		err := o.DB.Bulk(ctx, func(c *store.Conn) (err error) {
			more, err = o.Forget(c)
			return err
		})
		if err != nil && ctx.Err() == nil {
			o.Log.WarnContext(ctx, "old events are kept for now", "service", o.Service, "error", err)
		}
		wait := sweepEvery
		if more && err == nil {
			wait = 0
		}
		if !pause(ctx, wait) {
			return nil
		}
	}
}

// Forget deletes some of the events that are older than they have to be kept,
// and reports whether there are more. Those that are yet to be published stay.
func (o *Outbox) Forget(c *store.Conn) (more bool, err error) {
	last, n, err := o.expired(c)
	if err != nil || n == 0 {
		return false, err
	}
	if err := c.Run(`DELETE FROM outbox WHERE position <= ?`, last); err != nil {
		return false, err
	}
	return n == sweepRows, c.Run(`UPDATE outbox_position SET position = ?1 WHERE name = ?2 AND position < ?1`, last, forgotten)
}

var errYoung = errors.New("is to be kept")

// expired returns the last of the events to forget, and how many they are: those
// in front, up to the first that is to be kept.
func (o *Outbox) expired(c *store.Conn) (last int64, n int, err error) {
	value, err := c.Value(`SELECT position FROM outbox_position WHERE name = ?`, published)
	if err != nil {
		return 0, 0, err
	}
	sent, _ := value.(int64)
	// Nobody waits for them where there is no bus, and none was ever published.
	unclaimed := o.Bus == nil && sent == 0
	before := o.Clock().Add(-o.Keep).UnixMicro()
	oldest, err := c.Prepare(`SELECT position, created_at FROM outbox ORDER BY position LIMIT ?`)
	if err != nil {
		return 0, 0, err
	}
	limit := store.Args(1)
	limit[0].Value = int64(sweepRows)
	err = oldest.Query(limit, func(row []driver.Value) error {
		position, _ := row[0].(int64)
		at, _ := row[1].(int64)
		if at >= before || position > sent && !unclaimed {
			return errYoung
		}
		last, n = position, n+1
		return nil
	})
	if err != nil && !errors.Is(err, errYoung) {
		return 0, 0, err
	}
	return last, n, nil
}
