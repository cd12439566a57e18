package brokertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossdock/hub/broker"
)

func comesAgain(t *testing.T, place Place) {
	b := place.Open(t, Settings{Delays: soon()})
	c := broker.Consumer{Name: "mending", Keys: []string{"#"}}
	Declare(t, b, c)
	messages := Messages("x.y", 200)
	messages[0].Headers = map[string]string{"traceparent": "00-1"}
	Publish(t, b, messages...)
	r := Consume(t, b, c, func(m broker.Message) error {
		if m.ID == "1" && m.Attempt < 4 {
			return errRefused
		}
		return nil
	})
	got := r.Next(203)
	var attempts []int
	for i, m := range got {
		if m.ID != "1" {
			continue
		}
		attempts = append(attempts, m.Attempt)
		if m.Key != "x.y" || m.Type != "x.y" || string(m.Body) != `{"n":1}` || m.Headers["traceparent"] != "00-1" || len(m.Headers) != 1 {
			t.Errorf("attempt %d is another message: %+v", m.Attempt, m)
		}
		if m.Attempt > 1 && i < 100 {
			t.Errorf("attempt %d stands at place %d: the others waited for it", m.Attempt, i)
		}
	}
	if !slices.Equal(attempts, []int{1, 2, 3, 4}) {
		t.Errorf("attempts %v, want 1 to 4", attempts)
	}
	AwaitQueue(t, b, broker.QueueOf("mending"), holds(0))
}

func diesOfAttempts(t *testing.T, place Place) {
	b := place.Open(t, Settings{Delays: soon()})
	c := broker.Consumer{Name: "strict", Keys: []string{"#"}}
	Declare(t, b, c)
	const n = 1_000
	Publish(t, b, Messages("x.y", n)...)
	long := strings.Repeat("ü", 5_000)
	r := Consume(t, b, c, func(m broker.Message) error {
		if m.ID == "500" {
			return fmt.Errorf("no such product: %s", long)
		}
		return nil
	})
	deliveries := 0
	for _, m := range r.Next(n + 4) {
		if m.ID == "500" {
			deliveries++
		}
	}
	AwaitQueue(t, b, broker.DeadQueue, holds(1))
	r.Stop()
	if more := len(r.got); more > 0 || deliveries != 5 {
		t.Errorf("%d attempts, and %d messages more; want 5 and none", deliveries, more)
	}
	dead := ErrorQueue(t, b)
	if len(dead) != 1 {
		t.Fatalf("on the error queue: %+v", dead)
	}
	d := dead[0]
	if d.ID != "500" || d.Key != "x.y" || d.Attempt != 5 || d.Queue != broker.QueueOf("strict") || d.Code != "failed" ||
		!strings.HasPrefix(d.Reason, "no such product: ü") || len(d.Reason) > 2_100 || string(d.Body) != `{"n":500}` {
		t.Errorf("on the error queue: %+v", d)
	}
	AwaitQueue(t, b, broker.QueueOf("strict"), holds(0))
}

func diesAtOnce(t *testing.T, place Place) {
	b := place.Open(t, Settings{Delays: []time.Duration{time.Hour}})
	c := broker.Consumer{Name: "final", Keys: []string{"#"}}
	Declare(t, b, c)
	Publish(t, b, Messages("k", 10)...)
	r := Consume(t, b, c, func(m broker.Message) error {
		if m.ID == "3" {
			return fmt.Errorf("event: %w", broker.Permanent("invalid", errRefused))
		}
		return nil
	})
	r.Next(10)
	AwaitQueue(t, b, broker.DeadQueue, holds(1))
	if d := ErrorQueue(t, b)[0]; d.ID != "3" || d.Code != "invalid" || d.Reason != "event: no such product" || d.Attempt != 1 {
		t.Errorf("on the error queue: %+v", d)
	}
}

func survivesPanic(t *testing.T, place Place) {
	b := place.Open(t, Settings{Delays: soon()})
	c := broker.Consumer{Name: "careless", Keys: []string{"#"}, Attempts: 2}
	Declare(t, b, c)
	Publish(t, b, Messages("k", 2)...)
	r := Consume(t, b, c, func(m broker.Message) error {
		if m.ID == "1" {
			panic("index out of range")
		}
		return nil
	})
	r.Next(3)
	AwaitQueue(t, b, broker.DeadQueue, holds(1))
	if d := ErrorQueue(t, b)[0]; d.ID != "1" || !strings.HasPrefix(d.Reason, "panic: index out of range") {
		t.Errorf("on the error queue: %+v", d)
	}
}

func levelsApart(t *testing.T, place Place) {
	b := place.Open(t, Settings{Delays: []time.Duration{50 * time.Millisecond, 2 * time.Second, 50 * time.Millisecond}})
	c := broker.Consumer{Name: "levels", Keys: []string{"#"}}
	Declare(t, b, c)
	m := Messages("k", 2)
	Publish(t, b, m[0])
	r := Consume(t, b, c, func(m broker.Message) error {
		if m.Attempt < 3 {
			return errRefused
		}
		return nil
	})
	r.Next(2) // the first now waits long
	Publish(t, b, m[1])
	var got []string
	for _, m := range r.Next(4) {
		got = append(got, fmt.Sprintf("%s/%d", m.ID, m.Attempt))
	}
	if want := []string{"2/1", "2/2", "1/3", "2/3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func reviewed(t *testing.T, place Place) {
	b := place.Open(t, Settings{})
	c := broker.Consumer{Name: "reviewed", Keys: []string{"#"}}
	Declare(t, b, c)
	messages := Messages("a.b", 4)
	messages[2].Headers = map[string]string{"traceparent": "00-3"}
	Publish(t, b, messages...)
	r := Consume(t, b, c, func(broker.Message) error { return broker.Permanent("invalid", errRefused) })
	r.Next(4)
	AwaitQueue(t, b, broker.DeadQueue, holds(4))
	r.Stop()
	stop := errors.New("enough")
	var seen []string
	err := b.Review(t.Context(), func(_ context.Context, d broker.Dead) (broker.Verdict, error) {
		seen = append(seen, d.ID)
		switch d.ID {
		case "2":
			return broker.Discard, nil
		case "3":
			return broker.Redeliver, nil
		case "4":
			return broker.Discard, stop // the error counts
		}
		return broker.Keep, nil
	})
	if !errors.Is(err, stop) || !slices.Equal(seen, []string{"1", "2", "3", "4"}) {
		t.Errorf("judged %q, error %v", seen, err)
	}
	AwaitQueue(t, b, broker.DeadQueue, holds(2))
	m := Consume(t, b, c, nil).Next(1)[0]
	if m.ID != "3" || m.Attempt != 1 || m.Key != "a.b" || len(m.Headers) != 1 || m.Headers["traceparent"] != "00-3" {
		t.Errorf("redelivered: %+v", m)
	}
	var kept []string
	for _, d := range ErrorQueue(t, b) {
		kept = append(kept, d.ID)
	}
	if !slices.Equal(kept, []string{"1", "4"}) {
		t.Errorf("kept %q, want 1 and 4", kept)
	}
	place.Lose(t, broker.QueueOf("reviewed"))
	err = b.Review(t.Context(), func(context.Context, broker.Dead) (broker.Verdict, error) { return broker.Redeliver, nil })
	if want := "its queue svc.reviewed.v1 is not there"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v, want %s", err, want)
	}
	if dead := ErrorQueue(t, b); len(dead) != 2 {
		t.Errorf("on the error queue: %+v", dead)
	}
}

// nothingLost lets messages fail at random, stops consumers in the middle and
// publishes twice what it is not sure of.
func nothingLost(t *testing.T, place Place) {
	const n = 400
	c := broker.Consumer{Name: "tireless", Keys: []string{"#"}, Prefetch: 20, Attempts: 100}
	publisher := place.Open(t, Settings{Delays: soon()})
	Declare(t, publisher, c)
	var mu sync.Mutex
	done, deliveries := map[string]bool{}, 0
	handle := func(m broker.Message) error {
		mu.Lock()
		defer mu.Unlock()
		if deliveries++; deliveries%7 == 0 {
			return errRefused
		}
		done[m.ID] = true
		return nil
	}
	messages := Messages("k", n)
	for i := 0; i < n; i += 40 {
		b := place.Open(t, Settings{Delays: soon()})
		r := Consume(t, b, c, handle)
		some := messages[i : i+40]
		Publish(t, publisher, some...)
		Publish(t, publisher, some[:5]...)
		r.Next(10)
		r.Stop()
	}
	r := Consume(t, publisher, c, handle)
	for {
		mu.Lock()
		all := len(done) == n
		mu.Unlock()
		if all {
			break
		}
		r.Next(1)
	}
	if dead := ErrorQueue(t, publisher); len(dead) > 0 {
		t.Errorf("on the error queue: %+v", dead)
	}
}
