package rabbit

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"crossdock/hub/broker"
)

// confirmTime is how long the broker may take to confirm a message.
const confirmTime = 30 * time.Second

// An outgoing message goes to an exchange, which has its prefix already; ""
// stands for the queue that the key names.
type outgoing struct {
	exchange, key string
	amqp.Publishing
}

// A request is one call's messages.
type request struct {
	messages []outgoing
	done     chan error // has room for one
}

// Publish implements [broker.Broker].
func (b *Broker) Publish(ctx context.Context, to broker.Exchange, messages ...broker.Message) error {
	list := make([]outgoing, len(messages))
	for i := range messages {
		m := &messages[i]
		if err := m.Check(); err != nil {
			return err
		}
		list[i] = outgoing{b.Prefix + string(to), m.Key, publishing(m)}
	}
	if len(list) == 0 {
		return nil
	}
	if err := b.send(ctx, list...); err != nil {
		return fmt.Errorf("publish on %s: %w", to, err)
	}
	return nil
}

// send returns when every message is confirmed.
func (b *Broker) send(ctx context.Context, messages ...outgoing) error {
	r := &request{messages: messages, done: make(chan error, 1)}
	select {
	case b.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-b.ended:
		return fmt.Errorf("%w: it was closed", broker.ErrUnavailable)
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// runPublisher keeps a connection to publish on, until ctx ends.
func (b *Broker) runPublisher(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; failures++ {
		err := b.publishOn(ctx, &failures)
		if ctx.Err() != nil {
			return
		}
		err = b.address.unavailable(err)
		b.available(ctx, err)
		b.refuse(ctx, waitAfter(failures), err)
	}
}

// refuse answers requests with the error for a while, or until ctx ends. Who
// publishes keeps the messages, and learns why.
func (b *Broker) refuse(ctx context.Context, wait time.Duration, err error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case r := <-b.requests:
			r.done <- err
		}
	}
}

// publishOn opens a connection and publishes on it until it is lost.
func (b *Broker) publishOn(ctx context.Context, failures *int) (err error) {
	l, err := b.dial(ctx, "publishes")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := b.declareAll(ctx, l); err != nil {
		return err
	}
	if err := l.within(ctx, func() error { return l.ch.Confirm(false) }); err != nil {
		return err
	}
	p := &publisher{b: b, link: l, returns: l.ch.NotifyReturn(make(chan amqp.Return, b.Window+1))}
	b.available(ctx, nil)
	*failures = 0
	check := time.NewTicker(checkTime)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.ctx.Done():
			return l.lost()
		case <-check.C:
			if err := b.declareAll(ctx, l); err != nil {
				return err
			}
		case r := <-b.requests:
			if err := p.publish(ctx, b.gather(r)); err != nil {
				return err
			}
			if !p.nowhere {
				continue
			}
			p.nowhere = false
			if err := b.declareAll(ctx, l); err != nil {
				return err
			}
		}
	}
}

// gather takes the requests that wait together with the first, so that they
// share the wait for their confirms.
func (b *Broker) gather(first *request) []*request {
	list, n := []*request{first}, len(first.messages)
	for n < b.Window {
		select {
		case r := <-b.requests:
			list = append(list, r)
			n += len(r.messages)
		default:
			return list
		}
	}
	return list
}

// A publisher publishes on one link.
type publisher struct {
	b *Broker
	*link
	returns <-chan amqp.Return // has room for a window, since nobody reads it meanwhile

	timer   *time.Timer
	nowhere bool // a queue was found missing
}

// A flight is a message on its way.
type flight struct {
	confirm *amqp.DeferredConfirmation
	request int
}

// publish publishes the messages of the requests and answers each of them. Its
// error is that the link can be used no more.
func (p *publisher) publish(ctx context.Context, requests []*request) error {
	errs := make([]error, len(requests))
	lost := p.fly(requests, errs)
	if lost != nil {
		lost = p.b.address.unavailable(lost)
	}
	p.b.available(ctx, lost)
	for i, r := range requests {
		if errs[i] == nil && lost != nil {
			errs[i] = lost
		}
		r.done <- errs[i]
	}
	if lost != nil && p.ctx.Err() == nil && errors.Is(lost, errBlocked) {
		return nil // the link is good, and takes messages again later
	}
	return lost
}

var errBlocked = errors.New("it takes no messages for now")

// fly publishes with at most a window of messages unconfirmed.
func (p *publisher) fly(requests []*request, errs []error) error {
	p.timer = time.NewTimer(confirmTime)
	defer p.timer.Stop()
	window := make([]flight, 0, p.b.Window)
	land := func(n int) error {
		for _, f := range window[:n] {
			acked, err := p.await(f.confirm)
			if err != nil {
				return err
			}
			if !acked && errs[f.request] == nil {
				errs[f.request] = fmt.Errorf("RabbitMQ refused a message: %w: see to its consumer", broker.ErrFull)
			}
		}
		p.comeBack(requests, errs)
		window = append(window[:0], window[n:]...)
		return nil
	}
	for i, r := range requests {
		for j := range r.messages {
			if reason, _ := p.blocking(); reason != "" {
				return fmt.Errorf("%w: %s", errBlocked, reason)
			}
			if len(window) == p.b.Window {
				// Half of it, so that the other half is on its way while this one is awaited.
				if err := land(len(window) / 2); err != nil {
					return err
				}
			}
			m := &r.messages[j]
			confirm, err := p.ch.PublishWithDeferredConfirm(m.exchange, m.key, true, false, m.Publishing)
			if err != nil {
				return err
			}
			window = append(window, flight{confirm, i})
		}
	}
	return land(len(window))
}

// await waits for one confirm.
func (p *publisher) await(confirm *amqp.DeferredConfirmation) (acked bool, err error) {
	select {
	case <-confirm.Done(): // as most have been when one is awaited
		return p.landed(confirm)
	default:
	}
	p.timer.Reset(confirmTime)
	for {
		reason, changed := p.blocking()
		if reason != "" {
			return false, fmt.Errorf("%w: %s", errBlocked, reason)
		}
		select {
		case <-confirm.Done():
			return p.landed(confirm)
		case <-p.ctx.Done():
			return false, p.lost()
		case <-changed:
		case <-p.timer.C:
			return false, fmt.Errorf("it has confirmed nothing for %s", confirmTime)
		}
	}
}

func (p *publisher) landed(confirm *amqp.DeferredConfirmation) (acked bool, err error) {
	acked = confirm.Acked()
	if !acked && p.ch.IsClosed() {
		<-p.ctx.Done() // a channel that closes refuses what it has not confirmed
		return false, p.lost()
	}
	return acked, nil
}

// comeBack notes the messages that no queue took, though RabbitMQ confirms
// them. They come back before they are confirmed.
func (p *publisher) comeBack(requests []*request, errs []error) {
	for {
		select {
		case back, ok := <-p.returns:
			if !ok {
				return
			}
			p.nowhere = true
			for i, r := range requests {
				for j := range r.messages {
					if m := &r.messages[j]; m.MessageId == back.MessageId && m.exchange == back.Exchange && m.key == back.RoutingKey {
						errs[i] = &nowhereError{exchange: back.Exchange, key: back.RoutingKey}
					}
				}
			}
		default:
			return
		}
	}
}

// A nowhereError tells that there is no queue for a message.
type nowhereError struct{ exchange, key string }

// Error says where the message was to go.
func (e *nowhereError) Error() string {
	if e.exchange == "" {
		return fmt.Sprintf("there is no queue %s", e.key)
	}
	return fmt.Sprintf("no queue takes %s of the exchange %s", e.key, e.exchange)
}

// Unwrap lets it pass for a broker that cannot be used: the queue is made again.
func (e *nowhereError) Unwrap() error { return broker.ErrUnavailable }
