package rabbit

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// How long the network may take.
const (
	dialTime  = 10 * time.Second
	writeTime = 10 * time.Second // of one write, which a broker that reads no more holds up
	askTime   = 20 * time.Second // of what has to be answered
	closeTime = 2 * time.Second
)

// A link is a connection with one channel, both used by one goroutine. A link
// that breaks stays broken: its owner opens another.
type link struct {
	conn *amqp.Connection
	ch   *amqp.Channel
	raw  net.Conn
	now  func() time.Time

	// ctx ends when the connection or the channel does, with the reason as cause.
	ctx context.Context
	end context.CancelCauseFunc

	mu      sync.Mutex
	blocked string        // why the broker takes nothing, "" where it does
	changed chan struct{} // closed at the next change of blocked
}

var errClosed = errors.New("the connection was closed")

// dial opens a link. Its error is ErrUnavailable.
func (b *Broker) dial(ctx context.Context, purpose string) (*link, error) {
	l, err := b.connect(ctx, purpose)
	if err != nil {
		return nil, b.address.unavailable(err)
	}
	return l, nil
}

func (b *Broker) connect(ctx context.Context, purpose string) (*link, error) {
	l := &link{now: b.Clock, changed: make(chan struct{})}
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName("crossdock " + purpose)
	conn, err := amqp.DialConfig(b.address.url, amqp.Config{
		Heartbeat: b.Heartbeat, Properties: properties,
		Dial: func(network, to string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTime)
			defer cancel()
			var dialer net.Dialer
			raw, err := dialer.DialContext(ctx, network, to)
			if err != nil {
				return nil, err
			}
			l.raw = raw
			// Until it has shaken hands; the library then takes the deadline off.
			return &timedConn{Conn: raw, now: b.Clock}, raw.SetDeadline(b.Clock().Add(dialTime))
		},
	})
	if err != nil {
		if l.raw != nil {
			_ = l.raw.Close() // the library leaves it open where the handshake fails
		}
		return nil, err
	}
	l.conn = conn
	l.ctx, l.end = context.WithCancelCause(context.WithoutCancel(ctx))
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	if l.ch, err = conn.Channel(); err != nil {
		return nil, errors.Join(err, l.close())
	}
	go l.watch(l.ch.NotifyClose(make(chan *amqp.Error, 1)), blocked) // ends with the connection
	return l, nil
}

// watch notes what happens to the connection.
func (l *link) watch(closed <-chan *amqp.Error, blocked <-chan amqp.Blocking) {
	for {
		select {
		case err, ok := <-closed:
			cause := errClosed
			if ok && err != nil {
				cause = err
			}
			l.end(cause)
			closed = nil
		case b, ok := <-blocked:
			if !ok {
				l.end(errClosed)
				return // the connection has ended
			}
			l.mu.Lock()
			l.blocked = ""
			if b.Active {
				l.blocked = b.Reason
			}
			close(l.changed)
			l.changed = make(chan struct{})
			l.mu.Unlock()
		}
	}
}

// blocking returns why the broker takes nothing for now, "" where it does, and
// a channel that is closed when that changes.
func (l *link) blocking() (reason string, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.blocked, l.changed
}

// lost returns why the link has ended.
func (l *link) lost() error { return context.Cause(l.ctx) }

// close ends the connection. Whatever was not acknowledged returns to its queue.
func (l *link) close() error {
	err := l.conn.CloseDeadline(l.now().Add(closeTime))
	_ = l.raw.Close() // where that was too slow
	if errors.Is(err, amqp.ErrClosed) {
		return nil
	}
	return err
}

// cut ends the connection without a word, so that whoever waits for an answer
// on it waits no more.
func (l *link) cut() { _ = l.raw.Close() }

// within runs what asks the broker and waits for its answer. The library would
// wait for ever where the broker lives and does not answer.
func (l *link) within(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	stop := context.AfterFunc(ctx, l.cut)
	err := ask()
	if !stop() {
		return errors.Join(errors.New("it does not answer"), ctx.Err())
	}
	return err
}

// timedConn lets no write wait for ever.
type timedConn struct {
	net.Conn
	now func() time.Time
}

// Write implements net.Conn.
func (c *timedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(c.now().Add(writeTime)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
