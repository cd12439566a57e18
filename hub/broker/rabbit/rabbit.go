// Package rabbit is the broker on a RabbitMQ. It keeps connections of its own
// to it, one to publish and one for each call of Consume, and opens them again
// when they break: the library's recovery is off. A connection and its channel
// are used by one goroutine alone.
//
//	Publish ─┐
//	Publish ─┼─> publisher ──window of confirms──> exchange
//	retry   ─┘   (1 connection)
//	Consume ──── session   <──prefetch── queue      (1 connection each)
//
// What RabbitMQ counts itself, deliveries for instance, decides nothing here:
// a consumer that dies with a hundred messages in hand would count against all
// of them.
package rabbit

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"crossdock/hub/broker"
)

// Config is what a Broker is made of.
type Config struct {
	URL string // amqp://user:password@host:5672/vhost

	// Quorum makes queues that several nodes keep, which needs three of them. It
	// holds for queues that are yet to be made.
	Quorum bool

	// Prefix stands before all names, where several installations share a vhost.
	Prefix string

	Delays    []time.Duration // as those of [broker.Delays], which stand in for none
	Limit     int             // messages of a queue; 0: broker.MaxQueue
	Window    int             // publications on their way at once (512)
	Heartbeat time.Duration   // after two of which without a word a connection is lost (10 s)
	Clock     func() time.Time
	Log       *slog.Logger
}

// A Broker uses a RabbitMQ.
type Broker struct {
	Config
	address  address
	requests chan *request
	stop     context.CancelFunc
	ended    chan struct{} // closed when the publisher has ended

	// One at a time declares, so that who finds a queue there knows whether it
	// was made just now.
	declaring sync.Mutex

	mu    sync.Mutex
	known map[string]broker.Consumer // by the name of their queue
	made  map[string]bool            // queues that were made, of which nobody was told yet
	down  bool                       // it was said that the broker is not available
}

var _ broker.Broker = (*Broker)(nil)

const defaultWindow = 512

// Open returns a broker on the RabbitMQ of the URL, which need not be there
// yet. Its error is about the settings.
func Open(ctx context.Context, cfg Config) (*Broker, error) {
	if len(cfg.Delays) == 0 {
		cfg.Delays = broker.Delays()
	}
	if cfg.Limit == 0 {
		cfg.Limit = broker.MaxQueue
	}
	if cfg.Window == 0 {
		cfg.Window = defaultWindow
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 10 * time.Second
	}
	at, err := parseAddress(cfg.URL)
	if err != nil {
		return nil, err
	}
	b := &Broker{
		Config: cfg, address: at, requests: make(chan *request), ended: make(chan struct{}),
		known: map[string]broker.Consumer{}, made: map[string]bool{},
	}
	ctx, b.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() { // ends by Close
		defer close(b.ended)
		b.runPublisher(ctx)
	}()
	return b, nil
}

// Address returns where the RabbitMQ is, without the password.
func (b *Broker) Address() string { return b.address.shown }

// Close ends the connections. What was published and not confirmed by then has
// returned an error.
func (b *Broker) Close() error {
	b.stop()
	<-b.ended
	return nil
}

// Declare implements [broker.Broker]. Where the RabbitMQ cannot be reached the
// queues are made as soon as it can.
func (b *Broker) Declare(ctx context.Context, consumers ...broker.Consumer) (made []string, err error) {
	for _, c := range consumers {
		if err := b.know(c); err != nil {
			return nil, err
		}
	}
	l, err := b.dial(ctx, "declares")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := b.declareAll(ctx, l); err != nil {
		return nil, err
	}
	for _, c := range consumers {
		if b.tell(broker.QueueOf(c.Name)) {
			made = append(made, c.Name)
		}
	}
	return made, nil
}

// know notes a consumer, whose queue then has to be there.
func (b *Broker) know(c broker.Consumer) error {
	c, err := c.Checked()
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known[broker.QueueOf(c.Name)] = c
	return nil
}

// tell returns whether a queue was made of which nobody was told, and notes
// that someone is.
func (b *Broker) tell(queue string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	made := b.made[queue]
	delete(b.made, queue)
	return made
}

func (b *Broker) untold(queue string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.made[queue] = true
}

// consumers returns those that are known, in the order of their queues.
func (b *Broker) consumers() []broker.Consumer {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]broker.Consumer, 0, len(b.known))
	for _, c := range b.known {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b broker.Consumer) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Inspect implements [broker.Broker].
func (b *Broker) Inspect(ctx context.Context) (list []broker.Queue, err error) {
	l, err := b.dial(ctx, "inspects")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	for _, q := range b.queues() {
		there, state, err := b.find(ctx, l, q.name)
		if err != nil {
			return nil, b.address.unavailable(err)
		}
		list = append(list, broker.Queue{Name: q.name, Missing: !there, Messages: state.Messages, Consumers: state.Consumers})
	}
	return list, nil
}

// available logs a change: that the RabbitMQ cannot be used for now, or can again.
func (b *Broker) available(ctx context.Context, err error) {
	b.mu.Lock()
	was := b.down
	b.down = err != nil
	b.mu.Unlock()
	switch {
	case err != nil && !was:
		b.Log.WarnContext(ctx, "RabbitMQ is not available: what is to be published waits, and is published when it is back", "error", err)
	case err == nil && was:
		b.Log.InfoContext(ctx, "RabbitMQ is available again", "address", b.address.shown)
	}
}

// Bounds of the wait before another attempt to connect. It is half by chance,
// so that not all clients of a RabbitMQ that starts come at the same moment.
const (
	firstWait = 100 * time.Millisecond
	maxWait   = 5 * time.Second
)

// waitAfter returns how long to wait after as many failures in a row.
func waitAfter(failures int) time.Duration {
	wait := maxWait
	if failures < 10 {
		wait = min(maxWait, firstWait<<failures)
	}
	return wait/2 + rand.N(wait/2)
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// publishing returns the message as AMQP has it.
func publishing(m *broker.Message) amqp.Publishing {
	var headers amqp.Table
	if len(m.Headers) > 0 {
		headers = make(amqp.Table, len(m.Headers))
		for name, value := range m.Headers {
			headers[name] = value
		}
	}
	return amqp.Publishing{
		MessageId: m.ID, Type: m.Type, ContentType: m.ContentType, Timestamp: m.Time, Headers: headers, Body: m.Body,
		DeliveryMode: amqp.Persistent, AppId: "crossdock",
	}
}

// messageOf returns the message of a delivery.
func messageOf(d *amqp.Delivery) broker.Message {
	m := broker.Message{
		ID: d.MessageId, Type: d.Type, Key: d.RoutingKey, ContentType: d.ContentType, Time: d.Timestamp.UTC(), Body: d.Body,
		Attempt: failuresOf(d) + 1,
	}
	for name, value := range d.Headers {
		text, ok := value.(string)
		switch {
		case name == broker.KeyHeader && ok:
			m.Key = text
		case ok && !isOwn(name):
			if m.Headers == nil {
				m.Headers = map[string]string{}
			}
			m.Headers[name] = text
		}
	}
	return m
}

// failuresOf returns how many deliveries of the message have failed.
func failuresOf(d *amqp.Delivery) int {
	switch n := d.Headers[broker.AttemptHeader].(type) {
	case int64:
		return int(n)
	case int32:
		return int(n)
	}
	return 0
}

// isOwn reports whether a header is the broker's, or ours for it.
func isOwn(name string) bool { return len(name) > 1 && name[:2] == "x-" }
