package saga

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A transition is what becomes of a saga's row.
type transition struct {
	state   State
	step    string
	attempt int
	waiting bool
	due     time.Time
	reason  string // for which it is compensated
	problem string // of the attempt
}

// settle makes the transition that an outcome asks for. Where the effects of a
// success fail, so has the attempt.
func (e *Engine) settle(ctx context.Context, c *claim, call *Call, result any, outcome error) error {
	// What was done is noted, even when the process was asked to stop meanwhile.
	stopped := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	if outcome == nil || errors.Is(outcome, ErrWait) && c.state == Running {
		outcome = e.succeed(ctx, c, call, result, outcome != nil)
		if outcome == nil || errors.Is(outcome, errLost) {
			return outcome
		}
	}
	call.events = nil
	to := c.failed(e.Clock(), outcome)
	if stopped && c.run {
		// That is no fault of the step's: the next process makes the attempt again.
		to = transition{state: c.state, step: c.step, attempt: c.attempt - 1, due: e.Clock(), reason: c.reason, problem: outcome.Error()}
	}
	e.Log.WarnContext(ctx, "a step of a saga failed", "saga", c.id, "type", c.kind, "step", c.step, "attempt", c.attempt,
		"state", string(to.state), "error", outcome)
	return e.DB.Tx(ctx, func(tx *sql.Tx) error { return e.move(ctx, tx, c, to) })
}

// succeed moves the saga on, with all effects of the step.
func (e *Engine) succeed(ctx context.Context, c *claim, call *Call, result any, waits bool) error {
	text, err := json.Marshal(result)
	if err != nil {
		return Refuse(fmt.Errorf("result: %w", err))
	}
	now := e.Clock()
	return e.DB.Tx(ctx, func(tx *sql.Tx) error {
		to := c.next(now)
		if waits {
			to = transition{
				state: Running, step: c.step, attempt: c.attempt, waiting: true,
				due: now.Add(c.definition.Steps[c.at].Timeout),
			}
		}
		// The row first: it tells whether the claim still holds.
		if err := e.move(ctx, tx, c, to); err != nil {
			return err
		}
		for _, effect := range call.effects {
			if err := effect(ctx, tx); err != nil {
				return err
			}
		}
		if len(call.events) > 0 {
			if err := e.Emit(ctx, tx, call.events...); err != nil {
				return err
			}
		}
		switch {
		case waits:
			// A reply that was faster waits already.
			_, err = tx.ExecContext(ctx, `UPDATE saga SET due_at = ? WHERE id = ? AND EXISTS (
				SELECT 1 FROM saga_step WHERE saga_step.saga = saga.id AND saga_step.step = saga.step)`, now.UnixMicro(), c.id)
		case c.state == Running && c.run:
			// A late reply to an earlier attempt tells of the same thing.
			_, err = tx.ExecContext(ctx, `INSERT INTO saga_step (saga, step, result, refusal) VALUES (?, ?, ?, '')
				ON CONFLICT (saga, step) DO UPDATE SET result = excluded.result, refusal = ''`, c.id, c.step, string(text))
		}
		return err
	})
}

// next returns where a saga goes whose step is done, or taken back.
func (c *claim) next(now time.Time) transition {
	if c.state == Compensating {
		return c.compensate(now, c.at-1, c.reason)
	}
	if c.at+1 == len(c.definition.Steps) {
		return transition{state: Done, step: c.step, attempt: c.attempt, due: now}
	}
	return transition{state: Running, step: c.definition.Steps[c.at+1].Name, due: now}
}

// compensate returns the transition to the last step up to a place that has
// something to take back.
func (c *claim) compensate(now time.Time, from int, reason string) transition {
	for i := from; i >= 0; i-- {
		if s := &c.definition.Steps[i]; s.Compensate != nil {
			return transition{state: Compensating, step: s.Name, due: now, reason: reason}
		}
	}
	return transition{state: Compensated, step: c.step, attempt: c.attempt, due: now, reason: reason}
}

// failed returns where a saga goes whose attempt has failed.
func (c *claim) failed(now time.Time, err error) transition {
	again := transition{
		state: c.state, step: c.step, attempt: c.attempt, reason: c.reason, problem: err.Error(), due: now.Add(longestPause),
	}
	if c.definition == nil || c.at < 0 {
		return again
	}
	step, pivot := &c.definition.Steps[c.at], c.definition.pivot()
	again.due = now.Add(pauseAfter(step, c.attempt))
	if c.state == Compensating || c.at > pivot {
		return again
	}
	_, refused := errors.AsType[*refusal](err)
	if refused || c.at < pivot && c.attempt > step.Retries {
		to := c.compensate(now, c.at, fmt.Sprintf("%s: %s", c.step, err))
		to.problem = err.Error()
		return to
	}
	return again
}

// pauseAfter is how long to wait after a failed attempt. Attempts that go on
// without end become rarer.
func pauseAfter(step *Step, attempts int) time.Duration {
	wait := step.RetryEvery
	for range attempts - 1 - step.Retries {
		if wait = 2 * wait; wait >= longestPause {
			return longestPause
		}
	}
	return wait
}

// move makes a transition, if the claim still holds, and ends the claim.
func (e *Engine) move(ctx context.Context, tx *sql.Tx, c *claim, to transition) error {
	var ended any
	if to.state == Done || to.state == Compensated {
		ended = e.Clock().UnixMicro()
	}
	waiting := 0
	if to.waiting {
		waiting = 1
	}
	result, err := tx.ExecContext(ctx, `
		UPDATE saga SET state = ?, step = ?, attempt = ?, waiting = ?, due_at = ?, reason = ?, error = ?, ended_at = ?, claimed_until = 0
		WHERE id = ? AND token = ?`,
		string(to.state), to.step, to.attempt, waiting, to.due.UnixMicro(), to.reason, to.problem, ended, c.id, c.token)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errLost)
	}
	return nil
}
