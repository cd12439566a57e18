package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"crossdock/commerce"
	"crossdock/internal/store"
)

const (
	// A batch ends at whichever it reaches first.
	batchEvents = 500
	batchBytes  = 8 << 20

	publishTimeout = 30 * time.Second // of one batch

	pollEvery  = time.Second // for what other processes write, should no notice of it arrive
	firstPause = 250 * time.Millisecond
	longPause  = 15 * time.Second // between two attempts at a bus that is away
)

// channel is what the trigger of the outbox notifies, in PostgreSQL.
const channel = "outbox"

// Run publishes events as they are written, and forgets old ones, until ctx
// ends. An event goes to the bus again, with the same id, where it is not known
// to be there: after a crash, or an error of the bus. One relay at a time works
// on a database of PostgreSQL, whatever the processes, and another goes on
// where it ends.
func (o *Outbox) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return o.sweep(ctx) })
	if o.Bus != nil {
		group.Go(func() error { return o.listen(ctx) })
		group.Go(func() error { return o.relay(ctx) })
	}
	return group.Wait()
}

// listen passes on the notices of other processes. Without them the relay only
// finds their events a little later.
func (o *Outbox) listen(ctx context.Context) error {
	for {
		if err := o.DB.Listen(ctx, channel, o.Wake); err != nil {
			o.Log.WarnContext(ctx, "events of other processes are found by looking for them alone", "service", o.Service, "error", err)
		}
		if !pause(ctx, longPause) {
			return nil
		}
	}
}

// relay publishes batch after batch.
func (o *Outbox) relay(ctx context.Context) error {
	wait := time.Duration(0)
	for ctx.Err() == nil {
		more, err := o.relaySome(ctx)
		if err != nil {
			o.failed(ctx, err, wait == 0)
			wait = min(max(firstPause, 2*wait), longPause)
			pause(ctx, wait)
			continue
		}
		if wait > 0 {
			o.Log.InfoContext(ctx, "the bus takes events again", "service", o.Service)
			wait = 0
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
		case <-o.wake:
		case <-time.After(pollEvery):
		}
	}
	return nil
}

// failed counts an attempt that failed, and logs the first of several.
func (o *Outbox) failed(ctx context.Context, err error, first bool) {
	if ctx.Err() != nil {
		return // it was asked to stop
	}
	o.failures.Add(1)
	if first {
		o.Log.WarnContext(ctx, "events stay in the outbox until the bus takes them", "service", o.Service, "error", err)
	}
}

// pause reports whether the time has passed, and not ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// relaySome publishes the next batch, and reports whether there may be more.
func (o *Outbox) relaySome(ctx context.Context) (more bool, err error) {
	after, err := position(ctx, o.DB.Read(), published)
	if err != nil {
		return false, err
	}
	events, err := o.batch(ctx, o.DB.Read(), after)
	if err != nil || len(events) == 0 {
		return false, err
	}
	if o.DB.Postgres() {
		return o.claimAndPublish(ctx)
	}
	if err := o.publish(ctx, events); err != nil {
		return false, err
	}
	// No process claims anything in a file: two that serve the same would publish
	// twice, and the position only ever grows.
	return true, o.DB.Tx(ctx, func(tx *sql.Tx) error { return o.advance(ctx, tx, events) })
}

// claimAndPublish publishes the next batch while it holds the position, which
// no other process has meanwhile. Where the connection is lost, so is the claim,
// and whoever claims next publishes the batch again. Nobody who writes events
// waits for it.
func (o *Outbox) claimAndPublish(ctx context.Context) (more bool, err error) {
	err = o.DB.Aside(ctx, func(tx *sql.Tx) error {
		after, claimed, err := store.First(ctx, tx, number,
			`SELECT position FROM outbox_position WHERE name = ? FOR UPDATE SKIP LOCKED`, published)
		if err != nil || !claimed {
			return err
		}
		events, err := o.batch(ctx, tx, after)
		if err != nil || len(events) == 0 {
			return err
		}
		if err := o.publish(ctx, events); err != nil {
			return err
		}
		more = true
		return o.advance(ctx, tx, events)
	})
	return more && err == nil, err
}

// batch returns the events after a position, as many as a batch may have.
func (o *Outbox) batch(ctx context.Context, q store.Querier, after int64) ([]commerce.Event, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+columns+` FROM outbox WHERE position > ? ORDER BY position LIMIT ?`, after, batchEvents)
	if err != nil {
		return nil, fmt.Errorf("read the outbox of %s: %w", o.Service, err)
	}
	defer rows.Close()
	var events []commerce.Event
	for size := 0; size < batchBytes && rows.Next(); {
		e, err := o.event(rows)
		if err != nil {
			return nil, fmt.Errorf("read the outbox of %s: %w", o.Service, err)
		}
		size += len(e.Data)
		events = append(events, e)
	}
	return events, rows.Err()
}

func (o *Outbox) publish(ctx context.Context, events []commerce.Event) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if err := o.Bus.Publish(ctx, events); err != nil {
		return fmt.Errorf("publish %d events of %s: %w", len(events), o.Service, err)
	}
	o.published.Add(int64(len(events)))
	return nil
}

// advance notes that the events are on the bus.
func (o *Outbox) advance(ctx context.Context, tx *sql.Tx, events []commerce.Event) error {
	_, err := tx.ExecContext(ctx, `UPDATE outbox_position SET position = ?1 WHERE name = ?2 AND position < ?1`,
		events[len(events)-1].Sequence, published)
	return err
}
