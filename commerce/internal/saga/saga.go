// Package saga does things that take several steps in several places, such as
// placing an order, as a whole or not at all, whatever ends on the way.
//
//	          action of each step in turn
//	running ──────────────────────────────> done
//	   │ refused, out of retries, late       steps after the pivot are tried without end
//	   v   (up to the pivot)
//	compensating ─────────────────────────> compensated
//	          compensation of each step, backwards
//
// What a saga has done stands in its database. Each transition is one
// transaction, with the effects that its step has in this database and the
// events that it tells of. A process that ends leaves the saga where it was, and
// another process goes on when the claim of the first has run out. It holds a
// token that grows with each claim and is asked for in every transition: who
// wakes up too late changes nothing any more.
//
// An action may run more than once: when a process ends between the action and
// its transition, the next one runs it again. So an action that calls another
// service hands it the key of its call, which is always the same; that service
// does the thing once, and takes it back by the same key. A compensation has to
// bear that there is nothing to take back, and makes sure that nothing of that
// key can come later.
//
//	CREATE TABLE saga (
//	  id            TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
//	  type          TEXT    NOT NULL,
//	  state         TEXT    NOT NULL CHECK (state IN ('running', 'compensating', 'done', 'compensated')),
//	  step          TEXT    NOT NULL, -- the name of the one that it is at
//	  attempt       INTEGER NOT NULL, -- that were begun at this step
//	  waiting       INTEGER NOT NULL CHECK (waiting IN (0, 1)), -- for a reply
//	  due_at        INTEGER NOT NULL, -- microseconds since 1970, UTC, as are all times
//	  deadline      INTEGER NOT NULL, -- 0: none
//	  token         INTEGER NOT NULL, -- of the claim made last
//	  claimed_until INTEGER NOT NULL,
//	  reason        TEXT    NOT NULL, -- for which it is compensated
//	  error         TEXT    NOT NULL, -- of the attempt made last
//	  input         TEXT    NOT NULL, -- JSON
//	  trace         TEXT    NOT NULL, -- W3C trace context
//	  started_at    INTEGER NOT NULL,
//	  ended_at      INTEGER           -- null: it goes on
//	) STRICT;
//	CREATE INDEX saga_by_due ON saga (due_at) WHERE ended_at IS NULL;
//	CREATE INDEX saga_by_end ON saga (ended_at) WHERE ended_at IS NOT NULL;
//	CREATE TABLE saga_step (
//	  saga    TEXT NOT NULL REFERENCES saga (id) ON DELETE CASCADE,
//	  step    TEXT NOT NULL,
//	  result  TEXT NOT NULL, -- JSON
//	  refusal TEXT NOT NULL, -- '' where it was done
//	  PRIMARY KEY (saga, step)
//	) STRICT;
//
// A service that has sagas has these tables among its migrations. Begin with
// [New] and [Engine.Start].
package saga

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"crossdock/commerce"
	"crossdock/internal/store"
)

// A Definition is a kind of saga.
type Definition struct {
	Type  string
	Steps []Step

	// Deadline, where set, is when a saga that has not begun with its pivot gives
	// up, counted from its start.
	Deadline time.Duration
}

// A Step is done, or taken back.
type Step struct {
	Name string // is kept: a step of another name is another step

	// Action does it. What it returns is kept as JSON, for later steps and for
	// the compensation. An error is one of [Refuse], or is tried again.
	// [ErrWait] says that a reply will tell how it went.
	Action func(ctx context.Context, c *Call) (result any, err error)

	// Compensate takes it back, whether it was done or not: that may be unknown.
	// It is tried until it succeeds. Nil: there is nothing to take back.
	Compensate func(ctx context.Context, c *Call) error

	Retries    int           // attempts after the first
	RetryEvery time.Duration // 5 s where it is 0
	Timeout    time.Duration // of an attempt, and of the wait for its reply; 30 s where it is 0

	// Pivot marks the step that decides: once it is done nothing is taken back
	// any more, and what follows is tried until it succeeds. As nobody knows
	// whether an attempt at it that failed has decided, it is tried again too,
	// until it is done or refused.
	Pivot bool
}

const (
	defaultEvery   = 5 * time.Second
	defaultTimeout = 30 * time.Second
	longestPause   = time.Hour // between attempts that go on without end

	// claimGrace is what a claim lasts beyond the time that an attempt may take.
	claimGrace = 30 * time.Second
)

// A State says how far a saga has come.
type State string

// The states.
const (
	Running      State = "running"
	Compensating State = "compensating"
	Done         State = "done"
	Compensated  State = "compensated"
)

// ErrWait is returned by an action that has sent for something, as by an event
// that it emits. [Engine.Reply] or [Engine.Refuse] tells how it went. Without
// either within the step's timeout the attempt has failed.
var ErrWait = errors.New("waits for a reply")

// Refuse marks the error of an action as final: to try again would be in vain.
func Refuse(err error) error { return &refusal{err} }

type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// Config is what an engine is made of.
type Config struct {
	DB    *store.DB
	Clock func() time.Time
	Log   *slog.Logger

	// Emit writes events in a transaction: the Write of an outbox.
	Emit func(ctx context.Context, tx *sql.Tx, events ...commerce.Event) error

	// Committed, where set, is called after a transition with events.
	Committed func()
}

// An Engine carries the sagas of one database on.
type Engine struct {
	Config
	definitions map[string]*Definition
	wake        chan struct{}
}

// New returns an engine for sagas of the kinds given, and an error where one
// cannot work.
func New(cfg Config, definitions ...Definition) (*Engine, error) {
	e := &Engine{Config: cfg, definitions: map[string]*Definition{}, wake: make(chan struct{}, 1)}
	for _, d := range definitions {
		if err := d.check(); err != nil {
			return nil, fmt.Errorf("saga %s: %w", d.Type, err)
		}
		if e.definitions[d.Type] != nil {
			return nil, fmt.Errorf("saga %s: is there twice", d.Type)
		}
		e.definitions[d.Type] = &d
	}
	return e, nil
}

func (d *Definition) check() error {
	if len(d.Steps) == 0 {
		return errors.New("has no steps")
	}
	names := map[string]bool{}
	passed := false
	for i := range d.Steps {
		s := &d.Steps[i]
		switch {
		case s.Name == "" || names[s.Name]:
			return fmt.Errorf("step %d: has no name of its own", i)
		case s.Action == nil:
			return fmt.Errorf("step %s: has no action", s.Name)
		case s.Pivot && passed:
			return fmt.Errorf("step %s: is a second pivot", s.Name)
		case passed && s.Compensate != nil:
			return fmt.Errorf("step %s: is behind the pivot and never compensated", s.Name)
		}
		names[s.Name], passed = true, passed || s.Pivot
		if s.RetryEvery <= 0 {
			s.RetryEvery = defaultEvery
		}
		if s.Timeout <= 0 {
			s.Timeout = defaultTimeout
		}
	}
	return nil
}

// index returns the place of a step, -1 where there is none of that name.
func (d *Definition) index(name string) int {
	for i := range d.Steps {
		if d.Steps[i].Name == name {
			return i
		}
	}
	return -1
}

// pivot returns the place of the pivot, that behind the last step where there
// is none.
func (d *Definition) pivot() int {
	for i := range d.Steps {
		if d.Steps[i].Pivot {
			return i
		}
	}
	return len(d.Steps)
}

// Start begins a saga in a transaction, such as the one that takes the order
// in. It reports false where there is one of that id already: the id is the key
// by which the same request is recognised. Call Wake when it has committed.
func (e *Engine) Start(ctx context.Context, tx *sql.Tx, id, kind string, input any) (started bool, err error) {
	d := e.definitions[kind]
	if d == nil {
		return false, fmt.Errorf("there is no saga %s", kind)
	}
	text, err := json.Marshal(input)
	if err != nil {
		return false, fmt.Errorf("saga %s: input: %w", id, err)
	}
	now, deadline := e.Clock(), int64(0)
	if d.Deadline > 0 {
		deadline = now.Add(d.Deadline).UnixMicro()
	}
	result, err := tx.ExecContext(ctx, `
		INSERT INTO saga (id, type, state, step, attempt, waiting, due_at, deadline, token, claimed_until, reason, error, input, trace, started_at)
		VALUES (?, ?, ?, ?, 0, 0, ?, ?, 0, 0, '', '', ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
		id, kind, string(Running), d.Steps[0].Name, now.UnixMicro(), deadline, string(text), commerce.TraceOf(ctx), now.UnixMicro())
	if err != nil {
		return false, fmt.Errorf("saga %s: %w", id, err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// Wake says that a saga was started, or a reply has come.
func (e *Engine) Wake() {
	select {
	case e.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Reply tells, in a transaction, that what a step has sent for is done. One that
// comes twice, or too late, changes nothing.
func (e *Engine) Reply(ctx context.Context, tx *sql.Tx, id, step string, result any) error {
	text, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("saga %s: reply to %s: %w", id, step, err)
	}
	return e.reply(ctx, tx, id, step, string(text), "")
}

// Refuse tells, in a transaction, that what a step has sent for was refused.
func (e *Engine) Refuse(ctx context.Context, tx *sql.Tx, id, step, reason string) error {
	if reason == "" {
		reason = "refused"
	}
	return e.reply(ctx, tx, id, step, "null", reason)
}

func (e *Engine) reply(ctx context.Context, tx *sql.Tx, id, step, result, refusal string) error {
	// The step may be on its way yet: the reply waits for it then.
	_, err := tx.ExecContext(ctx, `
		INSERT INTO saga_step (saga, step, result, refusal)
		SELECT id, step, ?3, ?4 FROM saga WHERE id = ?1 AND step = ?2 AND state = 'running'
		ON CONFLICT (saga, step) DO NOTHING`, id, step, result, refusal)
	if err != nil {
		return fmt.Errorf("saga %s: reply to %s: %w", id, step, err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE saga SET due_at = ?3 WHERE id = ?1 AND step = ?2 AND state = 'running' AND waiting = 1`,
		id, step, e.Clock().UnixMicro())
	return err
}
