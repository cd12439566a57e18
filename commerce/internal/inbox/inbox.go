// Package inbox takes effect of a message once, however often it comes: what a
// consumer has taken is noted in the transaction of its effect.
//
//	CREATE TABLE inbox (
//	  consumer TEXT    NOT NULL CHECK (consumer <> ''),
//	  message  TEXT    NOT NULL CHECK (message <> ''),
//	  taken_at INTEGER NOT NULL, -- microseconds since 1970, UTC
//	  PRIMARY KEY (consumer, message)
//	) STRICT, WITHOUT ROWID;
//	CREATE INDEX inbox_by_age ON inbox (taken_at);
//
// A service that consumes has this table among its migrations. Begin with
// [Inbox.Once].
package inbox

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"crossdock/commerce"
	"crossdock/internal/store"
)

// DefaultKeep is how long messages are remembered where nothing else is said.
// It has to be longer than a message may be on its way: a broker that keeps one
// for a week and delivers it again has to find it remembered.
const DefaultKeep = 30 * 24 * time.Hour

// An Inbox remembers what the consumers of one database have taken.
type Inbox struct {
	DB    *store.DB
	Clock func() time.Time
	Keep  time.Duration // DefaultKeep where it is 0
}

// Once runs effect in a transaction unless the consumer has taken the message
// before, and notes in the same transaction that it has. An error takes both
// back, so that the message may come again.
func (i Inbox) Once(ctx context.Context, consumer string, e commerce.Event, effect func(*sql.Tx) error) error {
	return i.DB.Tx(ctx, func(tx *sql.Tx) error {
		first, err := i.Take(ctx, tx, consumer, e.ID)
		if err != nil || !first {
			return err
		}
		return effect(tx)
	})
}

// Take notes in a transaction that the consumer takes a message, and reports
// whether it is the first time.
func (i Inbox) Take(ctx context.Context, tx *sql.Tx, consumer, message string) (first bool, err error) {
	result, err := tx.ExecContext(ctx,
		`INSERT INTO inbox (consumer, message, taken_at) VALUES (?, ?, ?) ON CONFLICT (consumer, message) DO NOTHING`,
		consumer, message, i.Clock().UnixMicro())
	if err != nil {
		return false, fmt.Errorf("take message %s for %s: %w", message, consumer, err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// forgetRows bounds a transaction of Forget.
const forgetRows = 5000

// Forget deletes some of the messages that need not be remembered any more, and
// reports whether there are more.
func (i Inbox) Forget(ctx context.Context) (more bool, err error) {
	keep := i.Keep
	if keep <= 0 {
		keep = DefaultKeep
	}
	err = i.DB.Tx(ctx, func(tx *sql.Tx) error {
		// Of one moment there may be many, so that the last time deletes a few more.
		last, found, err := store.First(ctx, tx, func(rows *sql.Rows) (at int64, err error) { return at, rows.Scan(&at) },
			`SELECT max(taken_at) FROM (SELECT taken_at FROM inbox WHERE taken_at < ? ORDER BY taken_at LIMIT ?) AS oldest HAVING count(*) > 0`,
			i.Clock().Add(-keep).UnixMicro(), forgetRows)
		if err != nil || !found {
			return err
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM inbox WHERE taken_at <= ?`, last)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		more = n >= forgetRows
		return err
	})
	return more, err
}
