package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"crossdock/commerce"
	"crossdock/commerce/feed"
	"crossdock/hub"
	"crossdock/hub/broker"
	"crossdock/hub/broker/embedded"
	"crossdock/hub/broker/rabbit"
)

// openBroker opens the RabbitMQ that the settings name, or the queues in the
// data folder. A RabbitMQ need not be there yet.
func (a *app) openBroker(ctx context.Context) (broker.Broker, error) {
	if a.settings.AMQP == "" {
		return embedded.Open(ctx, embedded.Config{Dir: a.settings.Data, Clock: a.clock, Log: a.log})
	}
	var quorum bool
	switch a.settings.AMQPQueues {
	case "", "classic":
	case "quorum":
		quorum = true
	default:
		return nil, usagef("CROSSDOCK_AMQP_QUEUES: %q is neither classic nor quorum", a.settings.AMQPQueues)
	}
	b, err := rabbit.Open(ctx, rabbit.Config{URL: a.settings.AMQP, Quorum: quorum, Clock: a.clock, Log: a.log})
	if err != nil {
		return nil, fmt.Errorf("CROSSDOCK_AMQP_URL: %w", err)
	}
	return b, nil
}

// announce tells those of rejected rows who listen on a RabbitMQ. In the data
// folder there is nobody else to listen.
func (a *app) announce(ctx context.Context, h *hub.Hub, to hub.Announcer) error {
	if a.settings.AMQP == "" {
		<-ctx.Done()
		return nil
	}
	return h.Announce(ctx, to)
}

// A bus carries the events of services over a broker. It is both sides' words
// for the same thing: services know no broker, and the broker no events.
type bus struct {
	broker broker.Broker
	kept   keeper // may be nil
}

// A keeper has the events that the services still keep.
type keeper interface {
	Read(ctx context.Context, cursor string, types []string, limit int) (feed.Page, error)
}

var _ commerce.Bus = (*bus)(nil)

func newBus(b broker.Broker) *bus { return &bus{broker: b} }

const eventType = "application/cloudevents+json"

// Publish implements [commerce.Bus].
func (b *bus) Publish(ctx context.Context, events []commerce.Event) error {
	messages := make([]broker.Message, len(events))
	for i := range events {
		e := &events[i]
		body, err := json.Marshal(e)
		if err != nil {
			return err
		}
		messages[i] = broker.Message{ID: e.ID, Type: e.Type, Key: e.Type, ContentType: eventType, Time: e.Time, Body: body}
		if e.TraceParent != "" {
			messages[i].Headers = map[string]string{"traceparent": e.TraceParent}
		}
	}
	return b.broker.Publish(ctx, broker.Events, messages...)
}

// Subscribe implements [commerce.Bus].
func (b *bus) Subscribe(ctx context.Context, consumer string, types []string, handle func(context.Context, commerce.Event) error) error {
	c := broker.Consumer{Name: consumer, Made: func(ctx context.Context) error { return b.catchUp(ctx, types, handle) }}
	for _, pattern := range types {
		if err := commerce.CheckTypePattern(pattern); err != nil {
			return err
		}
		c.Keys = append(c.Keys, keyOf(pattern))
	}
	return b.broker.Consume(ctx, c, func(ctx context.Context, m broker.Message) error {
		var e commerce.Event
		if err := json.Unmarshal(m.Body, &e); err != nil {
			return broker.Permanent(string(commerce.Invalid), err)
		}
		return failure(handle(commerce.WithTrace(ctx, e.TraceParent), e))
	})
}

// catchUpPage is how many events are read at once of those that are kept.
const catchUpPage = 500

// catchUp hands a consumer whose queue had to be made, since it is new or the
// broker has lost it, the events that the services still keep. Those that it
// fails on are published again, so that they are tried as all others are; other
// consumers know by their ids that they have had them.
func (b *bus) catchUp(ctx context.Context, types []string, handle func(context.Context, commerce.Event) error) error {
	if b.kept == nil {
		return nil
	}
	for cursor := ""; ; {
		page, err := b.kept.Read(ctx, cursor, types, catchUpPage)
		if err != nil {
			return err
		}
		var again []commerce.Event
		for _, item := range page.Events {
			late := func(ctx context.Context, _ broker.Message) error {
				return handle(commerce.WithTrace(ctx, item.TraceParent), item.Event)
			}
			if err := broker.Call(ctx, late, broker.Message{}); err != nil {
				again = append(again, item.Event)
			}
		}
		if len(again) > 0 {
			if err := b.Publish(ctx, again); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
		cursor = page.Cursor
	}
}

// keyOf returns the broker's pattern of a pattern of types: there a star is one
// word, and here it is all that follow.
func keyOf(pattern string) string {
	if prefix, all := strings.CutSuffix(pattern, "*"); all {
		return prefix + "#"
	}
	return pattern
}

// failure returns the error of a consumer as the broker sorts it. What is
// invalid stays so; all else may be well later, when what it needs has come.
func failure(err error) error {
	if e, ok := errors.AsType[*commerce.Error](err); ok {
		return &broker.Failure{Code: string(e.Code), Final: e.Code == commerce.Invalid, Err: err}
	}
	return err
}
