// Package broker says what a broker does for Crossdock. Package embedded does
// it in a file of the data folder, package rabbit on a RabbitMQ, and package
// brokertest holds both to the same promises.
//
//	Publish ──> exchange ──key──> queue of each consumer ──> handler ──nil──> gone
//	                 │                  ^                       │
//	                 └─nobody's─> unroutable    └──delay──<──error──last attempt──> error queue
//
// A message that Publish has returned for survives the end of any process and
// a power cut. It reaches each consumer at least once. A broker is never the
// only copy of anything: what a message tells of is in a database. Begin with
// [Broker].
package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Broker carries messages from those who publish to those who consume.
type Broker interface {
	// Declare makes the queues of the consumers, so that messages wait for them
	// from now on. What is there it leaves as it is. It returns the names of the
	// consumers whose queues it had to make.
	Declare(ctx context.Context, consumers ...Consumer) (made []string, err error)

	// Publish returns nil once every message is safe in the queue of each
	// consumer whose keys match. After an error any of them may be there: publish
	// them again, with the same ids. The error is ErrUnavailable where the broker
	// cannot be reached, or takes nothing for now, and ErrFull where a queue has
	// as many messages as it may.
	Publish(ctx context.Context, exchange Exchange, messages ...Message) error

	// Consume hands the messages of the consumer's queue to handle, one after
	// the other, until ctx ends, and then returns nil. It waits out a broker that
	// cannot be reached. Several calls of one name, in one process or in many,
	// share the messages.
	//
	// A message is done when handle returns nil. After an error it comes again
	// later, behind others, and after the last attempt, or an error marked by
	// [Permanent], it is put on the error queue. One that is handled when the
	// process ends comes again at once.
	Consume(ctx context.Context, consumer Consumer, handle func(context.Context, Message) error) error

	// Review hands the messages that lie on the error queue to judge, the oldest
	// first, and does with each as it says. It ends at the first error.
	Review(ctx context.Context, judge func(context.Context, Dead) (Verdict, error)) error

	// Inspect tells of the queues that this process knows of.
	Inspect(ctx context.Context) ([]Queue, error)

	// Close ends all that the broker does. Calls of Consume have to be over.
	Close() error
}

var (
	// ErrUnavailable tells that the broker cannot be reached, or takes no
	// messages for now.
	ErrUnavailable = errors.New("the broker is not available")

	// ErrFull tells that a queue has as many messages as it may.
	ErrFull = errors.New("a queue is full")
)

// An Exchange is where messages are published to.
type Exchange string

// The exchanges. What is published there reaches the queues whose keys match.
const (
	Events Exchange = "crossdock.events" // what has happened in a service
	Errors Exchange = "crossdock.errors" // rows that were rejected
)

// Names of what else there is in a broker.
const (
	RetryExchange     = "crossdock.retry"     // a message waits as long as its key says
	RedeliverExchange = "crossdock.redeliver" // and then comes back by way of this
	DeadExchange      = "crossdock.dead"
	Unroutable        = "crossdock.unroutable" // takes events that no queue wanted

	DeadQueue       = "crossdock.dead.v1" // the error queue of messages
	UnroutableQueue = "crossdock.unroutable.v1"
	ErrorsQueue     = "crossdock.errors.rows.v1" // where rejected rows rest
)

// Headers of messages that are tried again or lie on the error queue.
const (
	AttemptHeader = "x-attempt" // deliveries that have failed
	OriginHeader  = "x-origin-queue"
	KeyHeader     = "x-origin-key"
	CodeHeader    = "x-error-code"
	ReasonHeader  = "x-error"
)

// QueueOf returns the name of a consumer's queue. Its version is part of it,
// because the properties of a queue cannot be changed.
func QueueOf(consumer string) string { return "svc." + consumer + ".v1" }

// RetryQueue returns the name of the queue in which messages wait that long.
func RetryQueue(delay time.Duration) string { return "retry." + Level(delay) + ".v1" }

// Delays returns how long a message waits after its first, second and further
// failures. There is a queue for each, since one queue of messages that wait
// for different times would let the longest hold up all.
func Delays() []time.Duration {
	return []time.Duration{5 * time.Second, 30 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour}
}

// Level returns how a delay is written in names and keys: 5s, 30m, 2h.
func Level(delay time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if delay >= unit.of && delay%unit.of == 0 {
			return fmt.Sprintf("%d%s", delay/unit.of, unit.name)
		}
	}
	return fmt.Sprintf("%dms", delay.Milliseconds())
}

// DelayAfter returns how long a message waits after it has failed as often as
// given, at least once.
func DelayAfter(delays []time.Duration, failures int) time.Duration {
	return delays[min(failures, len(delays))-1]
}

// MaxQueue is how many messages a queue takes where nothing else is set. Those
// who publish then have to wait, and keep what they have.
const MaxQueue = 1_000_000

// MaxUnroutable is how many messages are kept that no queue wanted; the oldest
// go first.
const MaxUnroutable = 10_000

// A Consumer says who wants which messages.
type Consumer struct {
	// Name is durable: what is published while nobody consumes under it waits.
	// It consists of small letters, digits, dots, _ and -.
	Name string

	// Exchange is Events where it is empty.
	Exchange Exchange

	// Keys are patterns of [Matches]. A message comes once, however many match.
	Keys []string

	// Prefetch is how many messages are in a call's hands at once, which others
	// then do not get (100).
	Prefetch int

	// Attempts is how often a message is handed out before it goes to the error
	// queue (5).
	Attempts int

	// Made is called before the first message of a queue that had to be made: it
	// was lost, or never there, and what was published before is not in it. It
	// is called again where it returns an error. It may be nil.
	Made func(context.Context) error
}

const (
	defaultPrefetch = 100
	defaultAttempts = 5
	maxConsumerName = 200 // a queue's name has 255 bytes and holds more than this
)

// Checked returns the consumer with what it leaves open filled in, and reports
// what is wrong with it.
func (c Consumer) Checked() (Consumer, error) {
	if c.Name == "" || len(c.Name) > maxConsumerName || !isPlain(c.Name) {
		return c, fmt.Errorf("consumer %.100q: a name has 1 to %d small letters, digits, dots, _ and -", c.Name, maxConsumerName)
	}
	if len(c.Keys) == 0 {
		return c, fmt.Errorf("consumer %s: keys: required (# for all)", c.Name)
	}
	for _, key := range c.Keys {
		if key == "" || len(key) > maxShort {
			return c, fmt.Errorf("consumer %s: key %.100q: 1 to %d bytes are allowed", c.Name, key, maxShort)
		}
	}
	if c.Prefetch < 0 || c.Prefetch > 65_535 || c.Attempts < 0 {
		return c, fmt.Errorf("consumer %s: prefetch %d, attempts %d: at most 65535 and none below zero are allowed", c.Name, c.Prefetch, c.Attempts)
	}
	if c.Exchange == "" {
		c.Exchange = Events
	}
	if c.Prefetch == 0 {
		c.Prefetch = defaultPrefetch
	}
	if c.Attempts == 0 {
		c.Attempts = defaultAttempts
	}
	return c, nil
}

func isPlain(name string) bool {
	for _, r := range name {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789._-", r) {
			return false
		}
	}
	return true
}

// A Queue is how a queue stands.
type Queue struct {
	Name      string
	Missing   bool // it has to be there, and is not
	Messages  int  // that wait; those in a consumer's hands are not counted
	Consumers int  // calls of Consume that the broker knows of: the embedded one those of this process
}

// A Dead message lies on the error queue.
type Dead struct {
	Message
	Queue  string // that it came from
	Code   string // of the last error
	Reason string // the last error
}

// A Verdict says what is to be done with a message on the error queue.
type Verdict int

// The verdicts.
const (
	Keep      Verdict = iota
	Discard           // for good
	Redeliver         // to the queue that it came from, as if it had never been tried
)
