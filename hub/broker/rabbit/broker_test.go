package rabbit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"crossdock/hub/broker"
	"crossdock/hub/broker/brokertest"
	"crossdock/internal/rabbitserver/rabbittest"
)

// TestBrokerThatStops has a RabbitMQ of its own, because it takes long to start.
func TestBrokerThatStops(t *testing.T) {
	server := rabbittest.Server(t)
	place := names{url: server.URL}
	b := place.Open(t, brokertest.Settings{})
	brokertest.Declare(t, b, all())

	t.Run("blocked publishers are told, and consumers go on", func(t *testing.T) {
		messages := brokertest.Messages("k", 20)
		publishUntil(t, b, messages...)
		if _, err := server.Control("set_vm_memory_high_watermark", "0.0000001"); err != nil {
			t.Fatal(err)
		}
		err := b.Publish(t.Context(), broker.Events, brokertest.Messages("late", 1)...)
		if !errors.Is(err, broker.ErrUnavailable) || !strings.HasSuffix(err.Error(), "it takes no messages for now: low on memory") {
			t.Errorf("error = %v, want that it takes no messages", err)
		}
		r := brokertest.Consume(t, b, all(), nil)
		allOf(t, r, messages)
		if _, err := server.Control("set_vm_memory_high_watermark", "0.4"); err != nil {
			t.Fatal(err)
		}
		publishUntil(t, b, brokertest.Messages("late", 1)...)
		r.Next(1)
	})

	t.Run("a kill loses nothing that was confirmed", func(t *testing.T) {
		var confirmed []broker.Message
		sent := make(chan []broker.Message)
		stop := make(chan struct{})
		go func() { // ends by stop
			defer close(sent)
			for n := 0; ; n += 100 {
				some := brokertest.Messages("k", n+100)[n:]
				for b.Publish(context.Background(), broker.Events, some...) != nil {
					time.Sleep(10 * time.Millisecond)
				}
				select {
				case sent <- some:
				case <-stop:
					return
				}
			}
		}()
		for range 20 {
			confirmed = append(confirmed, <-sent...)
		}
		server.Kill()
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		confirmed = append(confirmed, <-sent...)
		close(stop)
		t.Logf("%d messages were confirmed", len(confirmed))
		allOf(t, brokertest.Consume(t, b, all(), nil), confirmed)
	})
}
