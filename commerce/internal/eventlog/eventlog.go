// Package eventlog keeps what has happened to aggregates, such as orders, as
// the truth from which their state follows. It is only ever appended to.
//
//	Append ──> event_log ──┬─ Read     the entries of one stream, in their order
//	                       ├─ All      those of all streams, in the order of commits
//	                       └─ Project  read models that follow at their own pace
//
// A stream is the entries of one aggregate, numbered from 1 without a gap. Who
// appends says which number it has seen last, so that of two who decide on the
// same state one is told to decide again. Positions over all streams are given
// in the turn of the transaction that appends (see package store): whoever has
// read one will find none below it later.
//
//	CREATE TABLE event_log (
//	  position    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
//	  stream      TEXT    NOT NULL CHECK (stream <> ''),
//	  version     INTEGER NOT NULL CHECK (version > 0),
//	  type        TEXT    NOT NULL CHECK (type <> ''),
//	  data        TEXT    NOT NULL, -- a JSON object
//	  trace       TEXT    NOT NULL, -- W3C trace context, or ''
//	  recorded_at INTEGER NOT NULL, -- microseconds since 1970, UTC
//	  UNIQUE (stream, version)
//	) STRICT;
//	CREATE TABLE projection (
//	  name     TEXT    NOT NULL PRIMARY KEY CHECK (name <> ''),
//	  position INTEGER NOT NULL -- of event_log, up to which it has come
//	) STRICT, WITHOUT ROWID;
//
// A service whose aggregates live by it has these tables among its migrations.
// Begin with [Log].
package eventlog

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"crossdock/commerce"
	"crossdock/internal/store"
)

// A Log is the event log of one database.
type Log struct {
	DB    *store.DB
	Clock func() time.Time
}

// An Entry is one thing that has happened.
type Entry struct {
	Stream  string // such as order/17
	Version int64  // its number in the stream
	Type    string // placed
	Data    json.RawMessage

	Position int64 // over all streams
	Time     time.Time
	Trace    string // W3C trace context of what made it happen, or ""
}

// Append adds entries to a stream whose last version is the one expected, 0 for
// a new stream, in a transaction of Tx. It returns the version of the last. A
// stream that has another version by now is a Conflict error: read it anew, and
// decide again. Of an entry type and data count; the rest is set.
func (l Log) Append(ctx context.Context, tx *sql.Tx, stream string, expected int64, entries ...Entry) (version int64, err error) {
	last, _, err := store.First(ctx, tx, number, `SELECT coalesce(max(version), 0) FROM event_log WHERE stream = ?`, stream)
	if err != nil {
		return 0, fmt.Errorf("append to %s: %w", stream, err)
	}
	if last != expected {
		return 0, commerce.Errorf(commerce.Conflict, "%s is at version %d by now, and not at %d: read it anew, and decide again", stream, last, expected)
	}
	for _, e := range entries {
		if !json.Valid(e.Data) || e.Data[0] != '{' {
			return 0, fmt.Errorf("append %s to %s: its data are no JSON object", e.Type, stream)
		}
		last++
		// Writers take turns. Should one not, the constraint decides who was first.
		_, err := tx.ExecContext(ctx,
			`INSERT INTO event_log (stream, version, type, data, trace, recorded_at) VALUES (?, ?, ?, ?, ?, ?)`,
			stream, last, e.Type, string(e.Data), commerce.TraceOf(ctx), l.Clock().UnixMicro())
		if err != nil {
			return 0, fmt.Errorf("append %s to %s: %w", e.Type, stream, err)
		}
	}
	return last, nil
}

const columns = `position, stream, version, type, data, trace, recorded_at`

// Read returns entries of a stream after a version, as many as the limit, from
// a transaction or a pool that reads.
func (l Log) Read(ctx context.Context, q store.Querier, stream string, after int64, limit int) ([]Entry, error) {
	return store.Collect(ctx, q, entry,
		`SELECT `+columns+` FROM event_log WHERE stream = ? AND version > ? ORDER BY version LIMIT ?`, stream, after, limit)
}

// All returns entries of all streams after a position, as many as the limit.
func (l Log) All(ctx context.Context, q store.Querier, after int64, limit int) ([]Entry, error) {
	return store.Collect(ctx, q, entry,
		`SELECT `+columns+` FROM event_log WHERE position > ? ORDER BY position LIMIT ?`, after, limit)
}

func entry(rows *sql.Rows) (e Entry, err error) {
	var data string
	var at int64
	err = rows.Scan(&e.Position, &e.Stream, &e.Version, &e.Type, &data, &e.Trace, &at)
	e.Data, e.Time = json.RawMessage(data), time.UnixMicro(at).UTC()
	return e, err
}

func number(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) }

// foldPage is how many entries Fold has in memory at once.
const foldPage = 500

// Fold calls fn with every entry of a stream in its order, and returns the
// version of the last: the state of an aggregate is what fn makes of them.
func (l Log) Fold(ctx context.Context, q store.Querier, stream string, fn func(Entry) error) (version int64, err error) {
	for {
		entries, err := l.Read(ctx, q, stream, version, foldPage)
		if err != nil {
			return version, fmt.Errorf("read %s: %w", stream, err)
		}
		for _, e := range entries {
			if err := fn(e); err != nil {
				return version, fmt.Errorf("%s at version %d: %w", stream, e.Version, err)
			}
			version = e.Version
		}
		if len(entries) < foldPage {
			return version, nil
		}
	}
}
