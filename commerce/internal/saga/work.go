package saga

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"crossdock/commerce"
	"crossdock/internal/store"
)

// pollEvery is how often Run looks for sagas that have come due, or were left by
// a process that has ended.
const pollEvery = time.Second

// Run carries sagas on until ctx ends, several at once.
func (e *Engine) Run(ctx context.Context, workers int) error {
	group, ctx := errgroup.WithContext(ctx)
	for range workers {
		group.Go(func() error {
			for ctx.Err() == nil {
				worked, err := e.Work(ctx)
				if err != nil && ctx.Err() == nil {
					e.Log.WarnContext(ctx, "saga", "error", err) // it is tried again when its claim has run out
				}
				if worked && err == nil {
					e.Wake() // others may find more
					continue
				}
				select {
				case <-ctx.Done():
				case <-e.wake:
				case <-time.After(pollEvery):
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// A claim is a saga that one worker has to itself for a while.
type claim struct {
	id, kind, step string
	state          State
	attempt        int
	waiting        bool
	deadline       int64
	token          int64
	reason, trace  string
	input          string

	definition *Definition
	at         int // the place of the step
	results    map[string]json.RawMessage
	refused    map[string]string
	run        bool // the action or compensation is to be run; else the outcome is known
}

var (
	errNoReply = errors.New("no reply came in time")
	errCut     = errors.New("the process ended in the middle of it")
	errLate    = errors.New("its deadline has passed")

	// errLost says that the claim has run out and another worker has the saga.
	errLost = errors.New("another worker has it by now")
)

// Work claims one saga that is due and makes its next transition. It reports
// whether there was one.
func (e *Engine) Work(ctx context.Context) (worked bool, err error) {
	c, err := e.claim(ctx)
	if c == nil || err != nil {
		return false, err
	}
	ctx = commerce.WithTrace(ctx, c.trace)
	call := &Call{
		Saga: c.id, Step: c.step, Attempt: c.attempt, Token: c.token,
		input: json.RawMessage(c.input), results: c.results,
	}
	result, outcome := e.outcome(ctx, c, call)
	err = e.settle(ctx, c, call, result, outcome)
	if errors.Is(err, errLost) {
		e.Log.WarnContext(ctx, "a saga was carried on elsewhere meanwhile", "saga", c.id, "step", c.step)
		return true, nil
	}
	if err != nil {
		return true, fmt.Errorf("saga %s at %s: %w", c.id, c.step, err)
	}
	if len(call.events) > 0 && e.Committed != nil {
		e.Committed()
	}
	return true, nil
}

// claim takes a saga that is due, and begins an attempt at its step.
func (e *Engine) claim(ctx context.Context) (c *claim, err error) {
	err = e.DB.Tx(ctx, func(tx *sql.Tx) error {
		now := e.Clock()
		one, found, err := store.First(ctx, tx, scanClaim, `
			SELECT id, type, state, step, attempt, waiting, deadline, token, reason, trace, input FROM saga
			WHERE ended_at IS NULL AND due_at <= ?1 AND claimed_until <= ?1 ORDER BY due_at LIMIT 1`, now.UnixMicro())
		if err != nil || !found {
			return err
		}
		c = &one
		if c.definition = e.definitions[c.kind]; c.definition != nil {
			c.at = c.definition.index(c.step)
		}
		until := now.Add(defaultTimeout + claimGrace)
		if c.definition != nil && c.at >= 0 {
			until = now.Add(c.definition.Steps[c.at].Timeout + claimGrace)
			if err := c.prepare(ctx, tx, now); err != nil {
				return err
			}
		}
		c.token++
		_, err = tx.ExecContext(ctx, `UPDATE saga SET token = ?, claimed_until = ?, attempt = ? WHERE id = ?`,
			c.token, until.UnixMicro(), c.attempt, c.id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim a saga: %w", err)
	}
	return c, nil
}

func scanClaim(rows *sql.Rows) (c claim, err error) {
	var state string
	var waiting int
	err = rows.Scan(&c.id, &c.kind, &state, &c.step, &c.attempt, &waiting, &c.deadline, &c.token, &c.reason, &c.trace, &c.input)
	c.state, c.waiting = State(state), waiting == 1
	return c, err
}

// prepare reads what the steps have returned, and decides whether there is
// something to run.
func (c *claim) prepare(ctx context.Context, tx *sql.Tx, now time.Time) error {
	type kept struct{ step, result, refusal string }
	steps, err := store.Collect(ctx, tx, func(rows *sql.Rows) (k kept, err error) {
		return k, rows.Scan(&k.step, &k.result, &k.refusal)
	}, `SELECT step, result, refusal FROM saga_step WHERE saga = ?`, c.id)
	if err != nil {
		return err
	}
	c.results, c.refused = map[string]json.RawMessage{}, map[string]string{}
	for _, k := range steps {
		if k.refusal == "" {
			c.results[k.step] = json.RawMessage(k.result)
		} else {
			c.refused[k.step] = k.refusal
		}
	}
	c.run = c.state == Compensating || !c.replied() && !c.waiting && !c.overdue(now) && !c.cut()
	if c.run {
		c.attempt++
	}
	return nil
}

// replied reports whether the step's reply has come.
func (c *claim) replied() bool {
	_, done := c.results[c.step]
	return done || c.refused[c.step] != ""
}

// overdue reports whether the deadline has passed before the pivot has begun.
func (c *claim) overdue(now time.Time) bool {
	pivot := c.definition.pivot()
	return c.deadline > 0 && now.UnixMicro() >= c.deadline && (c.at < pivot || c.at == pivot && c.attempt == 0)
}

// cut reports whether the last attempt that the step may have was begun and
// never ended. It may be what ends the process, and is not made again; what it
// has done is taken back.
func (c *claim) cut() bool {
	return c.at < c.definition.pivot() && c.attempt > c.definition.Steps[c.at].Retries
}

// outcome runs what is to be run, or says what is known already.
func (e *Engine) outcome(ctx context.Context, c *claim, call *Call) (result any, err error) {
	if c.definition == nil || c.at < 0 {
		return nil, fmt.Errorf("this program knows no saga %s with a step %s: use the one that has begun it, or a newer one", c.kind, c.step)
	}
	step := &c.definition.Steps[c.at]
	switch {
	case c.run:
		ctx, cancel := context.WithTimeout(ctx, step.Timeout)
		defer cancel()
		return attempt(ctx, step, c.state, call)
	case c.refused[c.step] != "":
		return nil, Refuse(errors.New(c.refused[c.step]))
	case c.replied():
		return c.results[c.step], nil
	case c.overdue(e.Clock()):
		return nil, Refuse(errLate)
	case c.waiting:
		return nil, errNoReply
	}
	return nil, errCut
}

// attempt runs the action or the compensation of a step. A panic is an error.
func attempt(ctx context.Context, step *Step, state State, call *Call) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if state == Compensating {
		return nil, step.Compensate(ctx, call)
	}
	return step.Action(ctx, call)
}
