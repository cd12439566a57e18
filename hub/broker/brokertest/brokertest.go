// Package brokertest holds every driver of a broker to the same promises.
package brokertest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"crossdock/hub/broker"
)

// A Place is where brokers of one driver find the same queues.
type Place interface {
	// Open opens a broker, as another process would. It is closed with the test.
	Open(tb testing.TB, s Settings) broker.Broker
	// Lose deletes a queue with all that is in it, behind the brokers' backs.
	Lose(tb testing.TB, queue string)
}

// Settings are those that tests change.
type Settings struct {
	Delays []time.Duration
	Limit  int
}

// soon are delays that a test can wait for.
func soon() []time.Duration { return []time.Duration{50 * time.Millisecond} }

// patience is how long a test waits for what has to happen.
const patience = 30 * time.Second

// Run runs the suite on places that newPlace makes, each without any queue.
func Run(t *testing.T, newPlace func(testing.TB) Place) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, Place)
	}{
		{"a message arrives as it was published", arrivesWhole},
		{"messages arrive in the order of publishing", arrivesInOrder},
		{"every consumer gets the messages of its keys, once", everyConsumer},
		{"messages wait for a consumer that was declared", waits},
		{"calls of one name share the messages", shares},
		{"a message that failed comes again later, and the others do not wait", comesAgain},
		{"a message that has failed often enough lies on the error queue", diesOfAttempts},
		{"a permanent error is the last, and so is none of its neighbours'", diesAtOnce},
		{"a handler that panics has failed", survivesPanic},
		{"a short wait is not held up by a long one", levelsApart},
		{"messages on the error queue are kept, discarded and redelivered", reviewed},
		{"who is asked to stop has not failed", stopsClean},
		{"an event that nobody wants is seen", unroutable},
		{"rejected rows rest in a queue", rests},
		{"a full queue refuses", full},
		{"a lost queue is made again, and its owner told", lost},
		{"a handler that wants to be told again of a lost queue is", madeAgain},
		{"what no broker takes is refused", refuses},
		{"consumers that nobody can be are refused", refusesConsumers},
		{"consumers change their keys", rebinds},
		{"nothing is lost and all is done, whatever fails in between", nothingLost},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, newPlace(t)) })
	}
}

// Log returns a logger that writes to the test.
func Log(tb testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Messages returns messages n of a key, with ids from 1 on.
func Messages(key string, n int) []broker.Message {
	list := make([]broker.Message, n)
	for i := range list {
		list[i] = broker.Message{
			ID: strconv.Itoa(i + 1), Type: key, Key: key, ContentType: "application/json",
			Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Body: fmt.Appendf(nil, `{"n":%d}`, i+1),
		}
	}
	return list
}

func ids(messages []broker.Message) []string {
	list := make([]string, len(messages))
	for i, m := range messages {
		list[i] = m.ID
	}
	return list
}

// A Consumption is a running call of Consume, and what it was handed.
type Consumption struct {
	tb   testing.TB
	stop context.CancelFunc
	done chan error
	got  chan broker.Message
	once sync.Once
}

// Consume consumes until the test ends or Stop is called. What handle is given
// can be read by Next when it has returned.
func Consume(tb testing.TB, b broker.Broker, c broker.Consumer, handle func(broker.Message) error) *Consumption {
	tb.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &Consumption{tb: tb, stop: stop, done: make(chan error, 1), got: make(chan broker.Message, 100_000)}
	go func() { // ends by Stop
		r.done <- b.Consume(ctx, c, func(_ context.Context, m broker.Message) error {
			defer func() { r.got <- m }()
			if handle == nil {
				return nil
			}
			return handle(m)
		})
	}()
	tb.Cleanup(r.Stop)
	return r
}

// Stop ends the call and waits for it.
func (r *Consumption) Stop() {
	r.once.Do(func() {
		r.stop()
		select {
		case err := <-r.done:
			if err != nil {
				r.tb.Errorf("consume: %v", err)
			}
		case <-time.After(patience):
			r.tb.Error("consume does not end")
		}
	})
}

// Next returns the next n messages that were handled.
func (r *Consumption) Next(n int) []broker.Message {
	r.tb.Helper()
	var list []broker.Message
	deadline := time.After(patience)
	for len(list) < n {
		select {
		case m := <-r.got:
			list = append(list, m)
		case err := <-r.done:
			r.tb.Fatalf("consume has ended: %v", err)
		case <-deadline:
			r.tb.Fatalf("%d of %d messages were handled: %q", len(list), n, ids(list))
		}
	}
	return list
}

// Publish publishes events and fails the test where that fails.
func Publish(tb testing.TB, b broker.Broker, messages ...broker.Message) {
	tb.Helper()
	if err := b.Publish(tb.Context(), broker.Events, messages...); err != nil {
		tb.Fatal(err)
	}
}

// Declare declares consumers, and returns whose queues that made.
func Declare(tb testing.TB, b broker.Broker, consumers ...broker.Consumer) []string {
	tb.Helper()
	made, err := b.Declare(tb.Context(), consumers...)
	if err != nil {
		tb.Fatal(err)
	}
	return made
}

// AwaitQueue waits until the queue stands as ok wants it.
func AwaitQueue(tb testing.TB, b broker.Broker, name string, ok func(broker.Queue) bool) {
	tb.Helper()
	var last []broker.Queue
	deadline := time.After(patience)
	for tick := time.Tick(10 * time.Millisecond); ; {
		var err error
		if last, err = b.Inspect(tb.Context()); err != nil {
			tb.Fatal(err)
		}
		if i := slices.IndexFunc(last, func(q broker.Queue) bool { return q.Name == name }); i >= 0 && ok(last[i]) {
			return
		}
		select {
		case <-tick:
		case <-deadline:
			tb.Fatalf("queue %s is not as it has to be: %+v", name, last)
		}
	}
}

func holds(n int) func(broker.Queue) bool {
	return func(q broker.Queue) bool { return q.Messages == n }
}

// ErrorQueue returns what lies on the error queue.
func ErrorQueue(tb testing.TB, b broker.Broker) []broker.Dead {
	tb.Helper()
	var list []broker.Dead
	if err := b.Review(tb.Context(), func(_ context.Context, d broker.Dead) (broker.Verdict, error) {
		list = append(list, d)
		return broker.Keep, nil
	}); err != nil {
		tb.Fatal(err)
	}
	return list
}

var errRefused = errors.New("no such product")
