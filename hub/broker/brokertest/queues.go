package brokertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"crossdock/hub/broker"
)

func unroutable(t *testing.T, place Place) {
	b := place.Open(t, Settings{})
	Declare(t, b, broker.Consumer{Name: "picky", Keys: []string{"a.#"}})
	Publish(t, b, Messages("b", 2)...)
	AwaitQueue(t, b, broker.UnroutableQueue, holds(2))
	AwaitQueue(t, b, broker.QueueOf("picky"), holds(0))
}

func rests(t *testing.T, place Place) {
	b := place.Open(t, Settings{})
	if err := b.Publish(t.Context(), broker.Errors, Messages("acme.product.gtin", 3)...); err != nil {
		t.Fatal(err)
	}
	AwaitQueue(t, b, broker.ErrorsQueue, holds(3))
	AwaitQueue(t, b, broker.UnroutableQueue, holds(0))
	// Someone else may want some of them too.
	c := broker.Consumer{Name: "mailer", Exchange: broker.Errors, Keys: []string{"*.*.gtin"}}
	Declare(t, b, c)
	if err := b.Publish(t.Context(), broker.Errors, Messages("acme.product.gtin", 1)...); err != nil {
		t.Fatal(err)
	}
	Consume(t, b, c, nil).Next(1)
	AwaitQueue(t, b, broker.ErrorsQueue, holds(4))
}

func full(t *testing.T, place Place) {
	b := place.Open(t, Settings{Limit: 5})
	c := broker.Consumer{Name: "slow", Keys: []string{"#"}}
	Declare(t, b, c)
	messages := Messages("k", 30)
	Publish(t, b, messages[:5]...)
	err := b.Publish(t.Context(), broker.Events, messages[5:]...)
	if !errors.Is(err, broker.ErrFull) {
		t.Fatalf("error = %v, want that a queue is full", err)
	}
	r := Consume(t, b, c, nil)
	r.Next(5)
	AwaitQueue(t, b, broker.QueueOf("slow"), holds(0))
	// What was refused is published again, and comes once there is room.
	for i := range messages[5:] {
		for errors.Is(b.Publish(t.Context(), broker.Events, messages[5+i]), broker.ErrFull) {
			r.Next(1)
		}
	}
	seen := map[string]bool{}
	for !seen["30"] {
		seen[r.Next(1)[0].ID] = true
	}
}

func lost(t *testing.T, place Place) {
	b := place.Open(t, Settings{})
	c := broker.Consumer{Name: "unlucky", Keys: []string{"#"}}
	other := broker.Consumer{Name: "lucky", Keys: []string{"#"}}
	Declare(t, b, c, other)
	told := make(chan struct{}, 10)
	c.Made = func(context.Context) error {
		told <- struct{}{}
		return nil
	}
	r := Consume(t, b, c, nil)
	Publish(t, b, Messages("k", 1)...)
	r.Next(1)
	if len(told) != 0 {
		t.Error("told of a queue that was there")
	}
	place.Lose(t, broker.QueueOf("unlucky"))
	<-told
	Publish(t, b, Messages("k", 2)[1])
	if got := r.Next(1)[0]; got.ID != "2" {
		t.Errorf("got %+v", got)
	}
	r.Stop()
	// Nobody consumes when it is lost again: whoever declares it is told.
	place.Lose(t, broker.QueueOf("unlucky"))
	AwaitQueue(t, b, broker.QueueOf("lucky"), holds(2))
	if made := Declare(t, b, other, c); !slices.Equal(made, []string{"unlucky"}) {
		t.Errorf("made %q, want unlucky", made)
	}
}

func madeAgain(t *testing.T, place Place) {
	b := place.Open(t, Settings{})
	calls := make(chan int, 10)
	n := 0
	c := broker.Consumer{Name: "new", Keys: []string{"#"}, Made: func(ctx context.Context) error {
		n++
		calls <- n
		if n == 1 {
			return errors.New("what was published before cannot be read")
		}
		return b.Publish(ctx, broker.Events, Messages("k", 1)...)
	}}
	r := Consume(t, b, c, nil)
	if got := r.Next(1)[0]; got.ID != "1" || <-calls != 1 || <-calls != 2 {
		t.Errorf("got %+v", got)
	}
}

func refuses(t *testing.T, place Place) {
	b := place.Open(t, Settings{})
	Declare(t, b, broker.Consumer{Name: "all", Keys: []string{"#"}})
	long := strings.Repeat("x", 256)
	for _, tt := range []struct {
		name    string
		message broker.Message
		want    string
	}{
		{"no id", broker.Message{Key: "k"}, "its id has 0 bytes: 1 to 255 are allowed"},
		{"no key", broker.Message{ID: "1"}, "message 1: its key has 0 bytes: 1 to 255 are allowed"},
		{"long id", broker.Message{ID: long, Key: "k"}, "its id has 256 bytes"},
		{"long type", broker.Message{ID: "1", Key: "k", Type: long}, "its type has 256 bytes"},
		{"key that is no text", broker.Message{ID: "1", Key: "\xff"}, "its key is no text in UTF-8"},
		{"id with a NUL", broker.Message{ID: "a\x00b", Key: "k"}, "its id is no text in UTF-8"},
		{"large body", broker.Message{ID: "1", Key: "k", Body: make([]byte, broker.MaxBody+1)}, "message 1: its body has 4194305 bytes: up to 4194304 are allowed"},
		{"header of the broker", broker.Message{ID: "1", Key: "k", Headers: map[string]string{"x-attempt": "9"}}, `header "x-attempt"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			good := Messages("k", 1)[0]
			err := b.Publish(t.Context(), broker.Events, good, tt.message)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v\nwant    %s", err, tt.want)
			}
		})
	}
	AwaitQueue(t, b, broker.QueueOf("all"), holds(0)) // nothing of it
}

func refusesConsumers(t *testing.T, place Place) {
	b := place.Open(t, Settings{})
	for _, tt := range []struct {
		name     string
		consumer broker.Consumer
		want     string
	}{
		{"no name", broker.Consumer{Keys: []string{"#"}}, `consumer "": a name has 1 to 200 small letters`},
		{"strange name", broker.Consumer{Name: "A b", Keys: []string{"#"}}, `consumer "A b": a name`},
		{"no keys", broker.Consumer{Name: "a"}, "consumer a: keys: required"},
		{"empty key", broker.Consumer{Name: "a", Keys: []string{""}}, `consumer a: key "": 1 to 255 bytes`},
		{"prefetch", broker.Consumer{Name: "a", Keys: []string{"#"}, Prefetch: -1}, "consumer a: prefetch -1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := b.Declare(t.Context(), tt.consumer)
			consumed := b.Consume(t.Context(), tt.consumer, nil)
			for _, err := range []error{err, consumed} {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error = %v, want %s", err, tt.want)
				}
			}
		})
	}
}
