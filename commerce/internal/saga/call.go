package saga

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"crossdock/commerce"
)

// A Call is one attempt at a step, or at its compensation.
type Call struct {
	Saga    string
	Step    string
	Attempt int // 1 for the first

	// Token grows with every claim of the saga: a service that has seen a larger
	// one may refuse this call.
	Token int64

	input   json.RawMessage
	results map[string]json.RawMessage // by step
	events  []commerce.Event
	effects []func(context.Context, *sql.Tx) error
}

// Key is the same for every attempt at the step and at its compensation. It
// tells another service that they are about one thing.
func (c *Call) Key() string { return c.Saga + "/" + c.Step }

// Input reads what the saga was started with.
func (c *Call) Input(v any) error {
	if err := json.Unmarshal(c.input, v); err != nil {
		return fmt.Errorf("input: %w", err)
	}
	return nil
}

// Result reads what a step has returned, and reports false where it was not
// done, or it is not known whether it was.
func (c *Call) Result(step string, v any) (done bool, err error) {
	text, done := c.results[step]
	if !done {
		return false, nil
	}
	if err := json.Unmarshal(text, v); err != nil {
		return false, fmt.Errorf("result of %s: %w", step, err)
	}
	return true, nil
}

// Emit adds events to those that are written in the transaction of the
// transition, where the attempt succeeds or waits.
func (c *Call) Emit(events ...commerce.Event) { c.events = append(c.events, events...) }

// Do adds an effect in this database, which is in the transaction of the
// transition: it is there once. Its error is one of the attempt.
func (c *Call) Do(effect func(context.Context, *sql.Tx) error) { c.effects = append(c.effects, effect) }
