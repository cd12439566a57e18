package brokertest

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"crossdock/hub/broker"
)

func arrivesWhole(t *testing.T, place Place) {
	b := place.Open(t, Settings{})
	all := broker.Consumer{Name: "all", Keys: []string{"#"}}
	Declare(t, b, all)
	want := broker.Message{
		ID: "01J", Type: "catalog.product.changed.v1", Key: "catalog.product.changed.v1", ContentType: "application/cloudevents+json",
		Time: time.Date(2026, 3, 1, 12, 30, 15, 0, time.UTC), Headers: map[string]string{"traceparent": "00-ab-cd-01", "empty": ""},
		Body: []byte("{\"name\":\"Dübel\"}\x00\xff"),
	}
	bare := broker.Message{ID: "02J", Key: "k", Time: want.Time}
	Publish(t, b, want, bare)
	got := Consume(t, b, all, nil).Next(2)
	for i, want := range []broker.Message{want, bare} {
		want.Attempt = 1
		if len(got[i].Headers) == 0 {
			got[i].Headers = nil
		}
		if len(got[i].Body) == 0 {
			got[i].Body = nil
		}
		if !reflect.DeepEqual(got[i], want) {
			t.Errorf("got  %+v\nwant %+v", got[i], want)
		}
	}
}

func arrivesInOrder(t *testing.T, place Place) {
	b := place.Open(t, Settings{})
	c := broker.Consumer{Name: "orders", Keys: []string{"a.*"}}
	Declare(t, b, c)
	messages := Messages("a.b", 3_000) // several windows of confirms
	Publish(t, b, messages[:2_999]...)
	Publish(t, b, messages[2_999])
	if got := Consume(t, b, c, nil).Next(3_000); !slices.Equal(ids(got), ids(messages)) {
		t.Error("the order is another")
	}
	AwaitQueue(t, b, broker.QueueOf("orders"), holds(0))
}

func everyConsumer(t *testing.T, place Place) {
	b := place.Open(t, Settings{})
	consumers := []broker.Consumer{
		{Name: "pricing", Keys: []string{"catalog.#"}},
		{Name: "search", Keys: []string{"catalog.product.*.v1", "catalog.product.#", "*.category.changed.v1"}},
		{Name: "audit-log", Keys: []string{"#"}},
	}
	Declare(t, b, consumers...)
	var messages []broker.Message
	for i, key := range []string{"catalog.product.changed.v1", "catalog.product.deleted.v2", "pricing.category.changed.v1", "catalog.category.changed.v1", "catalog"} {
		m := Messages(key, i+1)[i]
		messages = append(messages, m)
	}
	Publish(t, b, messages...)
	for i, want := range []string{"1 2 4 5", "1 2 3 4", "1 2 3 4 5"} {
		got := strings.Join(ids(Consume(t, b, consumers[i], nil).Next(len(strings.Fields(want)))), " ")
		if got != want {
			t.Errorf("%s got %s, want %s", consumers[i].Name, got, want)
		}
		AwaitQueue(t, b, broker.QueueOf(consumers[i].Name), holds(0))
	}
}

func waits(t *testing.T, place Place) {
	b := place.Open(t, Settings{})
	c := broker.Consumer{Name: "late", Keys: []string{"#"}}
	if made := Declare(t, b, c); !slices.Equal(made, []string{"late"}) {
		t.Errorf("made %q, want late", made)
	}
	if made := Declare(t, b, c); len(made) > 0 {
		t.Errorf("made %q again", made)
	}
	Publish(t, b, Messages("k", 3)...)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	again := place.Open(t, Settings{})
	if got := Consume(t, again, c, nil).Next(3); !slices.Equal(ids(got), []string{"1", "2", "3"}) {
		t.Errorf("got %q", ids(got))
	}
}

func shares(t *testing.T, place Place) {
	c := broker.Consumer{Name: "workers", Keys: []string{"#"}, Prefetch: 1}
	publisher := place.Open(t, Settings{})
	Declare(t, publisher, c)
	const each = 20
	// Every worker waits until all of them have a message in hand, so that it is
	// not one that does everything.
	var busy [3]chan struct{}
	for i := range busy {
		busy[i] = make(chan struct{}, each*len(busy))
	}
	var workers []*Consumption
	other := place.Open(t, Settings{})
	for i, b := range []broker.Broker{publisher, publisher, other} {
		first := true
		workers = append(workers, Consume(t, b, c, func(broker.Message) error {
			if !first {
				return nil
			}
			first = false
			busy[i] <- struct{}{}
			for j := range busy {
				select {
				case s := <-busy[j]:
					busy[j] <- s
				case <-time.After(patience):
					return errors.New("the others have nothing to do")
				}
			}
			return nil
		}))
	}
	Publish(t, publisher, Messages("k", each)...)
	seen := map[string]int{}
	for n := 0; n < each; {
		for _, w := range workers {
			select {
			case m := <-w.got:
				seen[m.ID]++
				n++
			case <-time.After(10 * time.Millisecond):
			}
		}
		if t.Context().Err() != nil {
			t.Fatalf("%d of %d", n, each)
		}
	}
	if len(seen) != each {
		t.Errorf("%d of %d messages came, and some twice: %v", len(seen), each, seen)
	}
	AwaitQueue(t, publisher, broker.QueueOf("workers"), func(q broker.Queue) bool { return q.Messages == 0 && q.Consumers >= 2 })
}

func stopsClean(t *testing.T, place Place) {
	b := place.Open(t, Settings{Delays: []time.Duration{time.Hour}})
	c := broker.Consumer{Name: "stopped", Keys: []string{"#"}, Prefetch: 10, Attempts: 1}
	Declare(t, b, c)
	Publish(t, b, Messages("k", 5)...)
	handling := make(chan struct{}, 5)
	release := make(chan struct{})
	first := Consume(t, b, c, func(m broker.Message) error {
		if m.ID == "1" {
			return nil
		}
		handling <- struct{}{}
		<-release
		return errors.New("asked to stop in the middle")
	})
	<-handling
	first.stop()
	close(release)
	first.Stop()
	second := Consume(t, b, c, nil)
	for _, m := range second.Next(4) {
		if m.ID == "1" || m.Attempt != 1 {
			t.Errorf("message %s comes in attempt %d", m.ID, m.Attempt)
		}
	}
	second.Stop()
	if dead := ErrorQueue(t, b); len(dead) > 0 {
		t.Errorf("on the error queue: %+v", dead)
	}
}

func rebinds(t *testing.T, place Place) {
	b := place.Open(t, Settings{})
	Declare(t, b, broker.Consumer{Name: "changing", Keys: []string{"a", "b"}})
	c := broker.Consumer{Name: "changing", Keys: []string{"b", "c"}}
	Declare(t, b, c)
	other := broker.Consumer{Name: "other", Keys: []string{"#"}}
	Declare(t, b, other)
	for i, key := range []string{"a", "b", "c"} {
		Publish(t, b, Messages(key, i+1)[i])
	}
	r := Consume(t, b, c, nil)
	if got := ids(r.Next(2)); !slices.Equal(got, []string{"2", "3"}) {
		t.Errorf("got %q, want 2 and 3", got)
	}
	AwaitQueue(t, b, broker.QueueOf("changing"), holds(0))
}
