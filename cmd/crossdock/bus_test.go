package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crossdock/commerce"
	"crossdock/hub/broker"
	"crossdock/hub/broker/embedded"
	"crossdock/internal/rabbitserver/rabbittest"
)

func openEmbedded(t *testing.T) broker.Broker {
	t.Helper()
	b, err := embedded.Open(t.Context(), embedded.Config{
		Dir: t.TempDir(), Delays: []time.Duration{time.Millisecond}, Clock: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func event(id, eventType string) commerce.Event {
	return commerce.Event{
		ID: id, Source: "/catalog", Type: eventType, Subject: "4711", Sequence: 7, Time: time.Date(2026, 3, 1, 6, 0, 0, 123_000, time.UTC),
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Data: json.RawMessage(`{"keys":["0017"]}`),
	}
}

func TestBusCarriesEventsToThoseWhoseTypesMatch(t *testing.T) {
	b := openEmbedded(t)
	ctx, stop := context.WithCancel(t.Context())
	patterns := map[string][]string{
		"search": {"catalog.*"}, "prices": {"catalog.product.changed.v1", "pricing.*"}, "audit": {"*"},
	}
	got := make(chan string, 100)
	ended := make(chan error, len(patterns))
	for name, types := range patterns {
		if _, err := b.Declare(ctx, broker.Consumer{Name: name, Keys: []string{"none"}}); err != nil {
			t.Fatal(err)
		}
		go func() { // ends by stop
			ended <- newBus(b).Subscribe(ctx, name, types, func(ctx context.Context, e commerce.Event) error {
				if diff := cmp.Diff(event(e.ID, e.Type), e); diff != "" {
					t.Error(diff)
				}
				if commerce.TraceOf(ctx) != e.TraceParent { // what the consumer causes goes on with it
					t.Errorf("the trace is %q", commerce.TraceOf(ctx))
				}
				got <- name + " " + e.ID
				return nil
			})
		}()
	}
	for name := range patterns { // its keys are in force once the first event arrives
		for sent := 0; ; sent++ {
			if err := newBus(b).Publish(ctx, []commerce.Event{event(fmt.Sprint("first-", sent), "catalog.product.changed.v1")}); err != nil {
				t.Fatal(err)
			}
			if s := <-got; strings.HasPrefix(s, name+" ") {
				break
			}
		}
	}
	if err := newBus(b).Publish(ctx, []commerce.Event{
		event("1", "catalog.product.changed.v1"), event("2", "catalog.category.deleted.v2"), event("3", "pricing.price.changed.v1"), event("4", "orders.order.placed.v1"),
	}); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{
		"search 1": true, "search 2": true, "prices 1": true, "prices 3": true, "audit 1": true, "audit 2": true, "audit 3": true, "audit 4": true,
	}
	for len(want) > 0 {
		if s := <-got; !strings.Contains(s, "first-") {
			if !want[s] {
				t.Errorf("unexpected: %s", s)
			}
			delete(want, s)
		}
	}
	stop()
	for range patterns {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestBusTellsFailuresApart(t *testing.T) {
	b := openEmbedded(t)
	if _, err := b.Declare(t.Context(), broker.Consumer{Name: "strict", Keys: []string{"#"}}); err != nil {
		t.Fatal(err)
	}
	list := []commerce.Event{event("wrong", "a.b.v1"), event("early", "a.b.v1"), event("good", "a.b.v1")}
	if err := newBus(b).Publish(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	noEvent := broker.Message{ID: "none", Key: "a.b.v1", Time: time.Now(), Body: []byte(`{"id":1}`)}
	if err := b.Publish(t.Context(), broker.Events, noEvent); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	attempts := map[string]int{}
	if err := newBus(b).Subscribe(ctx, "strict", []string{"*"}, func(_ context.Context, e commerce.Event) error {
		attempts[e.ID]++
		switch {
		case e.ID == "wrong":
			return fmt.Errorf("apply: %w", commerce.Errorf(commerce.Invalid, "no such unit"))
		case e.ID == "early" && attempts["early"] < 3:
			return commerce.Errorf(commerce.NotFound, "no such product yet")
		case e.ID == "early":
			stop()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"wrong": 1, "early": 3, "good": 1}, attempts); diff != "" {
		t.Error(diff)
	}
	dead := map[string]string{}
	if err := b.Review(t.Context(), func(_ context.Context, d broker.Dead) (broker.Verdict, error) {
		dead[d.ID] = d.Code + ": " + d.Reason
		return broker.Keep, nil
	}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"wrong": "invalid: apply: no such unit", "none": "invalid: event: id: 1 is no value of it"}
	if diff := cmp.Diff(want, dead); diff != "" {
		t.Error(diff)
	}
}

func TestBusRefusesWhatIsNoType(t *testing.T) {
	err := newBus(openEmbedded(t)).Subscribe(t.Context(), "search", []string{"catalog.*.v1"}, nil)
	if e, ok := errors.AsType[*commerce.Error](err); !ok || e.Code != commerce.Invalid {
		t.Errorf("error = %v", err)
	}
}

func TestSettingsOfTheBroker(t *testing.T) {
	for _, tt := range []struct {
		name, url, queues, want string
	}{
		{"no URL", "", "", ""},
		{"nobody there yet", "amqp://me:s3cret@127.0.0.1:1/", "", ""},
		{"quorum queues", "amqp://me:s3cret@127.0.0.1:1/", "quorum", ""},
		{"other queues", "amqp://me:s3cret@127.0.0.1:1/", "lazy", `CROSSDOCK_AMQP_QUEUES: "lazy" is neither classic nor quorum`},
		{"no RabbitMQ", "postgres://me:s3cret@127.0.0.1:1/", "", "CROSSDOCK_AMQP_URL: the URL of RabbitMQ is none of the form amqp://"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &app{clock: time.Now, log: slog.New(slog.DiscardHandler), settings: settings{Data: t.TempDir(), AMQP: tt.url, AMQPQueues: tt.queues}}
			b, err := a.openBroker(t.Context())
			if err == nil {
				err = errors.Join(b.Close(), err)
			}
			if text := fmt.Sprint(err); tt.want == "" && err != nil || !strings.Contains(text, tt.want) || strings.Contains(text, "s3cret") {
				t.Errorf("error = %v, want %s", err, tt.want)
			}
		})
	}
}

// TestBusOnRabbitMQ sends an event all the way.
func TestBusOnRabbitMQ(t *testing.T) {
	a := &app{clock: time.Now, log: slog.New(slog.DiscardHandler), settings: settings{AMQP: rabbittest.URL(t)}}
	b, err := a.openBroker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c := broker.Consumer{Name: "bus-test", Keys: []string{"catalog.#"}}
	if _, err := b.Declare(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	want := event("1", "catalog.product.changed.v1")
	if err := newBus(b).Publish(t.Context(), []commerce.Event{want}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	if err := newBus(b).Subscribe(ctx, "bus-test", []string{"catalog.*"}, func(_ context.Context, e commerce.Event) error {
		defer stop()
		if diff := cmp.Diff(want, e); diff != "" {
			t.Error(diff)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
