package rabbit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"crossdock/hub/broker"
)

// An exchange is declared as it stands here. Those without an alternate one
// are published to with the demand that a queue takes it, so that it is the
// publisher who learns that there is none.
type exchange struct {
	name, kind string
	alternate  bool // what no queue takes goes to broker.Unroutable
}

func exchanges() []exchange {
	return []exchange{
		{broker.Unroutable, amqp.ExchangeFanout, false},
		{string(broker.Events), amqp.ExchangeTopic, true},
		{string(broker.Errors), amqp.ExchangeTopic, false},
		{broker.RetryExchange, amqp.ExchangeDirect, false},
		{broker.RedeliverExchange, amqp.ExchangeHeaders, true},
		{broker.DeadExchange, amqp.ExchangeTopic, false},
	}
}

// A queue is declared as it stands here, and its properties stay what they
// were when it was made.
type queue struct {
	name      string
	arguments amqp.Table
	bindings  []binding
}

type binding struct {
	exchange, key string
	arguments     amqp.Table
}

// Deliveries after which a quorum queue gives a message up by itself. It is a
// guard against consumers that die again and again, and so high that it spares
// the messages which they have in hand beside the one that kills them.
const deliveryLimit = 10_000

// queues returns all that have to be there.
func (b *Broker) queues() []queue {
	full := amqp.Table{amqp.QueueMaxLenArg: b.Limit, amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish}
	list := []queue{
		{broker.UnroutableQueue, amqp.Table{amqp.QueueMaxLenArg: broker.MaxUnroutable}, []binding{{exchange: broker.Unroutable}}},
		{broker.DeadQueue, nil, []binding{{broker.DeadExchange, "#", nil}}},
		{broker.ErrorsQueue, full, []binding{{string(broker.Errors), "#", nil}}},
	}
	for _, delay := range b.Delays {
		list = append(list, queue{broker.RetryQueue(delay), amqp.Table{
			amqp.QueueMessageTTLArg: delay.Milliseconds(), "x-dead-letter-exchange": b.Prefix + broker.RedeliverExchange,
		}, []binding{{broker.RetryExchange, broker.Level(delay), nil}}})
	}
	for _, c := range b.consumers() {
		list = append(list, b.queueOf(c))
	}
	return list
}

func (b *Broker) queueOf(c broker.Consumer) queue {
	name := broker.QueueOf(c.Name)
	q := queue{name: name, arguments: amqp.Table{
		amqp.QueueMaxLenArg: b.Limit, amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish, "x-dead-letter-exchange": b.Prefix + broker.DeadExchange,
	}}
	for _, key := range c.Keys {
		q.bindings = append(q.bindings, binding{string(c.Exchange), key, nil})
	}
	q.bindings = append(q.bindings, binding{broker.RedeliverExchange, "", amqp.Table{"x-match": "all-with-x", broker.OriginHeader: b.Prefix + name}})
	return q
}

// of returns the arguments that a queue is made with on this broker.
func (b *Broker) of(q queue) amqp.Table {
	arguments := amqp.Table{}
	maps.Copy(arguments, q.arguments)
	if !b.Quorum {
		return arguments
	}
	arguments[amqp.QueueTypeArg] = amqp.QueueTypeQuorum
	arguments["x-delivery-limit"] = deliveryLimit
	if arguments["x-dead-letter-exchange"] != nil {
		// Without both of these a message on its way to the next queue can be lost.
		arguments["x-dead-letter-strategy"] = "at-least-once"
		arguments[amqp.QueueOverflowArg] = amqp.QueueOverflowRejectPublish
	}
	return arguments
}

// declareAll makes what is not there. What is there it leaves as it is: a
// quorum queue of 3.10 does not come back from a kill within minutes of a
// declaration. Queues of consumers that had to be made are noted.
func (b *Broker) declareAll(ctx context.Context, l *link) error {
	b.declaring.Lock()
	defer b.declaring.Unlock()
	for _, e := range exchanges() {
		arguments := amqp.Table{}
		if e.alternate {
			arguments["alternate-exchange"] = b.Prefix + broker.Unroutable
		}
		if err := l.within(ctx, func() error {
			return l.ch.ExchangeDeclare(b.Prefix+e.name, e.kind, true, false, false, false, arguments)
		}); err != nil {
			return b.address.unavailable(fmt.Errorf("exchange %s: %w", b.Prefix+e.name, explain(err)))
		}
	}
	for _, q := range b.queues() {
		if err := b.declareQueue(ctx, l, q); err != nil {
			return b.address.unavailable(fmt.Errorf("queue %s: %w", b.Prefix+q.name, explain(err)))
		}
	}
	return nil
}

func (b *Broker) declareQueue(ctx context.Context, l *link, q queue) error {
	there, _, err := b.find(ctx, l, q.name)
	if err != nil {
		return err
	}
	name := b.Prefix + q.name
	return l.within(ctx, func() error {
		if !there {
			if _, err := l.ch.QueueDeclare(name, true, false, false, false, b.of(q)); err != nil {
				return err
			}
		}
		for _, bind := range q.bindings {
			if err := l.ch.QueueBind(name, bind.key, b.Prefix+bind.exchange, false, bind.arguments); err != nil {
				return err
			}
		}
		if !there {
			b.untold(q.name)
			b.Log.InfoContext(ctx, "a queue was made", "queue", name)
		}
		return nil
	})
}

// find returns how a queue stands, and whether it is there. It asks on a
// channel of its own, which the answer that it is not would close.
func (b *Broker) find(ctx context.Context, l *link, name string) (there bool, state amqp.Queue, err error) {
	err = l.within(ctx, func() error {
		ch, err := l.conn.Channel()
		if err != nil {
			return err
		}
		state, err = ch.QueueDeclarePassive(b.Prefix+name, true, false, false, false, nil)
		if e, ok := errors.AsType[*amqp.Error](err); ok && e.Code == amqp.NotFound {
			return nil
		}
		there = err == nil
		return errors.Join(err, ch.Close())
	})
	return there, state, err
}

// unprefixed returns the name of a queue as other packages know it.
func (b *Broker) unprefixed(name string) string { return strings.TrimPrefix(name, b.Prefix) }

// checkTime is how often the publisher looks whether all queues are there.
const checkTime = 30 * time.Second
