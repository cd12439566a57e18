// Package outbox keeps the events of a service: they are written in the
// transaction that causes them, published from there, and handed out to
// whoever asks, for some days.
//
//	Write ──> outbox ──┬─ Run ─────> bus     each at least once, in order
//	                   └─ Events ──> feed    GET /v1/events
//
// Transactions that write take turns (see package store), and a position is
// given to an event within its transaction's turn. So positions are in the
// order of commits: who has read one will find none below it later, and one
// number says how far a reader has come, be it the relay or one who pulls.
//
// The tables are outbox and outbox_position. Begin with [New].
package outbox

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"crossdock/commerce"
	"crossdock/internal/store"
)

// DefaultKeep is how long events can be read where the settings say nothing.
const DefaultKeep = 7 * 24 * time.Hour

// maxData bounds the data of one event. A broker has a limit too, and what it
// refuses would stand before all that follows.
const maxData = 1 << 20

// Config is what an outbox is made of.
type Config struct {
	DB      *store.DB
	Service string // whose events these are: catalog
	Clock   func() time.Time
	Log     *slog.Logger

	// Bus, where set, is where the events go. Without one they are kept for those
	// who pull.
	Bus commerce.Bus

	// Keep is for how long events can be read, DefaultKeep where it is zero. One
	// that is not on the bus yet is kept longer.
	Keep time.Duration
}

// An Outbox holds the events of one service.
type Outbox struct {
	Config
	wake chan struct{} // this process has written, or another one has

	published, failures atomic.Int64
}

// New returns the outbox in a database that has its tables.
func New(cfg Config) *Outbox {
	if cfg.Keep <= 0 {
		cfg.Keep = DefaultKeep
	}
	return &Outbox{Config: cfg, wake: make(chan struct{}, 1)}
}

const insert = `INSERT INTO outbox (created_at, id, type, subject, trace, data) VALUES (?, ?, ?, ?, ?, ?)`

// Write writes events in the transaction that causes them, which must be one of
// Tx. They need a type, and data; id, source and time they get where they have
// none, and the trace of ctx. Call Wake when it has committed.
func (o *Outbox) Write(ctx context.Context, tx *sql.Tx, events ...commerce.Event) error {
	for _, e := range events {
		e.TraceParent = cmp.Or(e.TraceParent, commerce.TraceOf(ctx))
		args, err := o.values(e)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, insert, args[0], args[1], args[2], args[3], args[4], args[5]); err != nil {
			return fmt.Errorf("event %s: %w", e.Type, err)
		}
	}
	return nil
}

// Put does what Write does, in a transaction of Bulk.
func (o *Outbox) Put(c *store.Conn, e commerce.Event) error {
	args, err := o.values(e)
	if err != nil {
		return err
	}
	return c.Run(insert, args[:]...)
}

// values completes an event and returns the columns of its row.
func (o *Outbox) values(e commerce.Event) (args [6]driver.Value, err error) {
	if e.Time.IsZero() {
		e.Time = o.Clock()
	}
	if e.ID == "" {
		e.ID = commerce.NewEventID(e.Time)
	}
	if e.Source != "" && e.Source != o.source() {
		return args, fmt.Errorf("event %s: source: is %s, and this is the outbox of %s", e.Type, e.Source, o.source())
	}
	e.Source = o.source()
	if err := e.Check(); err != nil {
		return args, fmt.Errorf("event %s: %w", e.Type, err)
	}
	if len(e.Data) > maxData {
		return args, fmt.Errorf("event %s: data: has %d bytes, and %d are allowed", e.Type, len(e.Data), maxData)
	}
	return [6]driver.Value{e.Time.UnixMicro(), e.ID, e.Type, e.Subject, e.TraceParent, string(e.Data)}, nil
}

func (o *Outbox) source() string { return "/" + o.Service }

// Wake says that events were committed, so that they need not wait to be found.
func (o *Outbox) Wake() {
	select {
	case o.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// columns are those that event scans.
const columns = `position, created_at, id, type, subject, trace, data`

func (o *Outbox) event(rows *sql.Rows) (commerce.Event, error) {
	e := commerce.Event{Source: o.source()}
	var at int64
	var data string
	if err := rows.Scan(&e.Sequence, &at, &e.ID, &e.Type, &e.Subject, &e.TraceParent, &data); err != nil {
		return commerce.Event{}, err
	}
	e.Time, e.Data = time.UnixMicro(at).UTC(), json.RawMessage(data)
	return e, nil
}

// The names of positions.
const (
	published = "published" // up to here the events are on the bus
	forgotten = "forgotten" // up to here they are no longer kept
)

func position(ctx context.Context, q store.Querier, name string) (int64, error) {
	p, found, err := store.First(ctx, q, number, `SELECT position FROM outbox_position WHERE name = ?`, name)
	if err == nil && !found {
		err = fmt.Errorf("outbox_position has no row %s", name)
	}
	return p, err
}

func number(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) }
