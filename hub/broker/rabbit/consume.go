package rabbit

import (
	"context"
	"errors"
	"fmt"
	"maps"

	amqp "github.com/rabbitmq/amqp091-go"

	"crossdock/hub/broker"
)

// Consume implements [broker.Broker].
func (b *Broker) Consume(ctx context.Context, consumer broker.Consumer, handle func(context.Context, broker.Message) error) error {
	c, err := consumer.Checked()
	if err != nil {
		return err
	}
	if err := b.know(c); err != nil {
		return err
	}
	for failures := 0; ctx.Err() == nil; failures++ {
		s := &session{b: b, Consumer: c, handle: handle}
		lost := s.run(ctx)
		if s.begun {
			failures = 0
		}
		if ctx.Err() == nil { // else the queue holds what was not done
			b.Log.WarnContext(ctx, "a consumer has lost RabbitMQ, and goes on when it is back", "consumer", c.Name, "error", b.address.unavailable(lost))
			sleep(ctx, waitAfter(failures))
		}
	}
	return nil
}

// A session consumes on one link.
type session struct {
	broker.Consumer
	b      *Broker
	handle func(context.Context, broker.Message) error
	*link
	begun bool
}

// run consumes until ctx ends or the link is lost.
func (s *session) run(ctx context.Context) (err error) {
	if s.link, err = s.b.dial(ctx, "consumes for "+s.Name); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.prepare(ctx); err != nil {
		return err
	}
	// Told that the queue was deleted, it is made again from the beginning.
	cancelled := s.ch.NotifyCancel(make(chan string, 1))
	var deliveries <-chan amqp.Delivery
	if err := s.within(ctx, func() (err error) {
		if err := s.ch.Qos(s.Prefetch, 0, false); err != nil {
			return err
		}
		deliveries, err = s.ch.Consume(s.b.Prefix+broker.QueueOf(s.Name), "", false, false, false, false, nil)
		return err
	}); err != nil {
		return err
	}
	s.begun = true
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.ctx.Done():
			return s.lost()
		case <-cancelled:
			return fmt.Errorf("queue %s was deleted", s.b.Prefix+broker.QueueOf(s.Name))
		case d, ok := <-deliveries:
			if !ok {
				deliveries = nil // one of the others says why
				continue
			}
			if err := s.deliver(ctx, &d); err != nil {
				return err
			}
		}
	}
}

// prepare sees to the queue, and tells its owner where it had to be made.
func (s *session) prepare(ctx context.Context) error {
	if err := s.b.declareAll(ctx, s.link); err != nil {
		return err
	}
	name := broker.QueueOf(s.Name)
	if s.Made == nil || !s.b.tell(name) {
		return nil
	}
	if err := s.Made(ctx); err != nil {
		s.b.untold(name)
		return fmt.Errorf("what was published before its queue was made: %w", err)
	}
	return nil
}

// deliver handles one message and settles it.
func (s *session) deliver(ctx context.Context, d *amqp.Delivery) error {
	m := messageOf(d)
	if !s.wants(m.Key) {
		return d.Ack(false)
	}
	failed := broker.Call(ctx, s.handle, m)
	if failed != nil && ctx.Err() == nil {
		if err := s.setAside(ctx, d, &m, failed); err != nil {
			return err
		}
		failed = nil
	}
	if failed == nil {
		return d.Ack(false)
	}
	return nil // asked to stop, it has tried nothing: the message goes back to its queue
}

// wants reports whether the consumer has a key for the message. One that it no
// longer has may still be bound to its queue.
func (s *session) wants(key string) bool {
	for _, pattern := range s.Keys {
		if broker.Matches(pattern, key) {
			return true
		}
	}
	return false
}

// setAside puts a message that has failed where it waits, or on the error
// queue, and returns when it is safe there. The message itself is taken off
// its queue only after that, so that it may come twice and is never lost.
func (s *session) setAside(ctx context.Context, d *amqp.Delivery, m *broker.Message, failed error) error {
	code, reason, final := broker.FailureOf(failed)
	aside := publishing(m)
	headers := maps.Clone(aside.Headers)
	if headers == nil {
		headers = amqp.Table{}
	}
	headers[broker.AttemptHeader] = int64(m.Attempt)
	headers[broker.OriginHeader] = s.b.Prefix + broker.QueueOf(s.Name)
	headers[broker.KeyHeader] = m.Key
	headers[broker.CodeHeader], headers[broker.ReasonHeader] = code, reason
	aside.Headers = headers
	aside.AppId, aside.CorrelationId = d.AppId, d.CorrelationId
	to := outgoing{s.b.Prefix + broker.RetryExchange, broker.Level(broker.DelayAfter(s.b.Delays, m.Attempt)), aside}
	if final || m.Attempt >= s.Attempts {
		to.exchange, to.key = s.b.Prefix+broker.DeadExchange, m.Key
		s.b.Log.WarnContext(ctx, "a message goes to the error queue", "consumer", s.Name, "message", m.ID, "type", m.Type, "attempt", m.Attempt, "error", failed)
	}
	for failures := 0; ; failures++ {
		err := s.b.send(ctx, to)
		if err == nil || ctx.Err() != nil || s.ctx.Err() != nil {
			return err
		}
		s.b.Log.WarnContext(ctx, "a message that has failed cannot be set aside yet", "consumer", s.Name, "message", m.ID, "error", err)
		sleep(ctx, waitAfter(failures))
	}
}
