package rabbit

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"crossdock/hub/broker"
)

// Review implements [broker.Broker].
func (b *Broker) Review(ctx context.Context, judge func(context.Context, broker.Dead) (broker.Verdict, error)) (err error) {
	l, err := b.dial(ctx, "reviews")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	there, state, err := b.find(ctx, l, broker.DeadQueue)
	if err != nil || !there {
		return err
	}
	// What is put on the error queue meanwhile is for the next time.
	for range state.Messages {
		var d amqp.Delivery
		var ok bool
		if err := l.within(ctx, func() (err error) {
			d, ok, err = l.ch.Get(b.Prefix+broker.DeadQueue, false)
			return err
		}); err != nil || !ok {
			return errors.Join(err, b.putBack(ctx, l))
		}
		if err := b.judge(ctx, &d, judge); err != nil {
			return errors.Join(err, b.putBack(ctx, l))
		}
	}
	return b.putBack(ctx, l)
}

// judge does with one message as it is said. What is kept stays in hand until
// all are judged, since it would come next otherwise.
func (b *Broker) judge(ctx context.Context, d *amqp.Delivery, judge func(context.Context, broker.Dead) (broker.Verdict, error)) error {
	dead := b.deadOf(d)
	verdict, err := judge(ctx, dead)
	if err != nil {
		return err
	}
	switch verdict {
	case broker.Redeliver:
		again := publishing(&dead.Message)
		if again.Headers == nil {
			again.Headers = amqp.Table{}
		}
		again.Headers[broker.KeyHeader] = dead.Key
		err := b.send(ctx, outgoing{"", b.Prefix + dead.Queue, again})
		if _, ok := errors.AsType[*nowhereError](err); ok {
			return fmt.Errorf("message %s cannot go back: its queue %s is not there", dead.ID, dead.Queue)
		}
		if err != nil {
			return err
		}
		return d.Ack(false)
	case broker.Discard:
		return d.Ack(false)
	case broker.Keep:
	}
	return nil
}

func (b *Broker) deadOf(d *amqp.Delivery) broker.Dead {
	text := func(name string) string { s, _ := d.Headers[name].(string); return s }
	dead := broker.Dead{
		Message: messageOf(d), Queue: text(broker.OriginHeader), Code: text(broker.CodeHeader), Reason: text(broker.ReasonHeader),
	}
	dead.Attempt-- // those that have failed
	if dead.Queue == "" {
		// RabbitMQ itself has put it there.
		dead.Queue, dead.Code = text("x-first-death-queue"), text("x-first-death-reason")
	}
	dead.Queue = b.unprefixed(dead.Queue)
	return dead
}

// putBack returns what is in hand to the error queue, and waits until it is there.
func (b *Broker) putBack(ctx context.Context, l *link) error {
	select {
	case <-l.ctx.Done():
		return nil // it has returned by itself
	default:
	}
	return l.within(context.WithoutCancel(ctx), func() error {
		if err := l.ch.Nack(0, true, true); err != nil {
			return err
		}
		// The queue answers this after that.
		_, err := l.ch.QueueDeclarePassive(b.Prefix+broker.DeadQueue, true, false, false, false, nil)
		return err
	})
}
