package rabbit_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"crossdock/hub/broker"
	"crossdock/hub/broker/brokertest"
	"crossdock/hub/broker/rabbit"
	"crossdock/internal/rabbitserver/rabbittest"
)

// all is a consumer of everything.
func all() broker.Consumer { return broker.Consumer{Name: "all", Keys: []string{"#"}} }

// publishUntil publishes again what was not confirmed, as an outbox does.
func publishUntil(tb testing.TB, b broker.Broker, messages ...broker.Message) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		err := b.Publish(tb.Context(), broker.Events, messages...)
		if err == nil {
			return
		}
		if !errors.Is(err, broker.ErrUnavailable) {
			tb.Fatalf("error = %v, want that the broker is not available", err)
		}
	}
	tb.Fatal("nothing was confirmed within a minute")
}

// allOf reads until every message has come.
func allOf(tb testing.TB, r *brokertest.Consumption, messages []broker.Message) {
	tb.Helper()
	missing := map[string]bool{}
	for _, m := range messages {
		missing[m.ID] = true
	}
	for len(missing) > 0 {
		m := r.Next(1)[0]
		delete(missing, m.ID)
	}
}

func TestConnectionsThatAreCutAreOpenedAgain(t *testing.T) {
	place := newNames(t)
	proxy := rabbittest.NewProxy(t, place.url)
	place.url = proxy.URL
	b := place.Open(t, brokertest.Settings{})
	r := brokertest.Consume(t, b, all(), nil)
	messages := brokertest.Messages("k", 1_000)
	for i := 0; i < len(messages); i += 100 {
		publishUntil(t, b, messages[i:i+100]...)
		proxy.Cut()
	}
	allOf(t, r, messages)
}

func TestWaitForConfirmsEndsWithTheConnection(t *testing.T) {
	place := newNames(t)
	proxy := rabbittest.NewProxy(t, place.url)
	place.url = proxy.URL
	b := place.Open(t, brokertest.Settings{})
	publishUntil(t, b, brokertest.Messages("k", 1)...)
	proxy.Stall()
	proxy.Refuse(true)
	failed := make(chan error, 1)
	go func() { // ends with the connection
		failed <- b.Publish(context.Background(), broker.Events, brokertest.Messages("k", 10)...)
	}()
	select {
	case err := <-failed:
		t.Fatalf("error = %v before the connection was cut", err)
	case <-time.After(200 * time.Millisecond): // it has to be waiting by now; were it not, the test would still be right
	}
	proxy.Cut()
	if err := <-failed; !errors.Is(err, broker.ErrUnavailable) {
		t.Errorf("error = %v, want that the broker is not available", err)
	}
	proxy.Resume()
	proxy.Refuse(false)
	publishUntil(t, b, brokertest.Messages("k", 10)...)
}

func TestConnectionThatIsHalfOpenIsNoticed(t *testing.T) {
	place := newNames(t)
	proxy := rabbittest.NewProxy(t, place.url)
	cfg := place.config(t, brokertest.Settings{})
	cfg.URL, cfg.Heartbeat = proxy.URL, time.Second
	b := open(t, cfg)
	r := brokertest.Consume(t, b, all(), nil)
	messages := brokertest.Messages("k", 2)
	publishUntil(t, b, messages[0])
	allOf(t, r, messages[:1])
	proxy.Stall() // nobody is told
	if err := b.Publish(t.Context(), broker.Events, messages[1]); !errors.Is(err, broker.ErrUnavailable) {
		t.Errorf("error = %v, want that the broker is not available", err)
	}
	proxy.Resume()
	publishUntil(t, b, messages[1])
	allOf(t, r, messages[1:])
}

func TestPublishEndsWithItsContext(t *testing.T) {
	place := newNames(t)
	proxy := rabbittest.NewProxy(t, place.url)
	place.url = proxy.URL
	b := place.Open(t, brokertest.Settings{})
	publishUntil(t, b, brokertest.Messages("k", 1)...)
	proxy.Stall()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for range 2 { // while it waits for a confirm, and for the one that does
		if err := b.Publish(ctx, broker.Events, brokertest.Messages("k", 1)...); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want that the time is over", err)
		}
	}
	proxy.Cut()
	proxy.Resume()
}

func TestWhatIsDeletedIsDeclaredAgain(t *testing.T) {
	place := newNames(t)
	b := place.Open(t, brokertest.Settings{Delays: []time.Duration{50 * time.Millisecond}})
	c := all()
	brokertest.Declare(t, b, c)
	ch := channel(t, place.url)
	remove := func(queue string) {
		t.Helper()
		if _, err := ch.QueueDelete(place.prefix+queue, false, false, false); err != nil {
			t.Fatal(err)
		}
	}
	r := brokertest.Consume(t, b, c, func(m broker.Message) error {
		switch {
		case m.ID == "1" && m.Attempt == 1:
			remove(broker.RetryQueue(50 * time.Millisecond)) // where it has to wait
			return errors.New("once")
		case m.ID == "2":
			remove(broker.DeadQueue) // where it has to go
			return broker.Permanent("invalid", errors.New("for good"))
		}
		return nil
	})
	messages := brokertest.Messages("k", 3)
	publishUntil(t, b, messages[0])
	if got := r.Next(2); got[1].Attempt != 2 {
		t.Errorf("got %+v", got)
	}
	publishUntil(t, b, messages[1])
	r.Next(1)
	brokertest.AwaitQueue(t, b, broker.DeadQueue, func(q broker.Queue) bool { return q.Messages == 1 })

	if err := ch.ExchangeDelete(place.prefix+string(broker.Events), false, false); err != nil {
		t.Fatal(err)
	}
	publishUntil(t, b, messages[2])
	allOf(t, r, messages[2:])

	remove(broker.ErrorsQueue)
	for err := errors.New("not yet"); err != nil; {
		if err = b.Publish(t.Context(), broker.Errors, messages[0]); err != nil && !errors.Is(err, broker.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	brokertest.AwaitQueue(t, b, broker.ErrorsQueue, func(q broker.Queue) bool { return q.Messages == 1 })
	remove(broker.UnroutableQueue)
	queues, err := b.Inspect(t.Context())
	if err != nil || !slices.ContainsFunc(queues, func(q broker.Queue) bool { return q.Name == broker.UnroutableQueue && q.Missing }) {
		t.Errorf("queues %+v, %v: the one that is missing does not show", queues, err)
	}
}

func TestMessageThatFailsDoesNotComeBackAtOnce(t *testing.T) {
	place := newNames(t)
	const delay = 300 * time.Millisecond
	b := place.Open(t, brokertest.Settings{Delays: []time.Duration{delay}})
	brokertest.Declare(t, b, all())
	publishUntil(t, b, brokertest.Messages("k", 1)...)
	var last time.Time
	r := brokertest.Consume(t, b, all(), func(m broker.Message) error {
		if since := time.Since(last); m.Attempt > 1 && since < delay*9/10 {
			t.Errorf("attempt %d comes after %s", m.Attempt, since)
		}
		last = time.Now()
		return errors.New("always")
	})
	r.Next(3)
}

func TestQuorumQueuesKeepThePromises(t *testing.T) {
	place := newNames(t)
	place.quorum = true
	brokertest.Killed(t, place, place.url+" "+place.prefix, 20)
	b := place.Open(t, brokertest.Settings{Delays: []time.Duration{50 * time.Millisecond}})
	r := brokertest.Consume(t, b, all(), func(m broker.Message) error {
		switch {
		case m.ID == "1" && m.Attempt < 3:
			return errors.New("twice")
		case m.ID == "2":
			return broker.Permanent("invalid", errors.New("for good"))
		}
		return nil
	})
	brokertest.Declare(t, b, all())
	publishUntil(t, b, brokertest.Messages("k", 3)...)
	r.Next(5)
	brokertest.AwaitQueue(t, b, broker.DeadQueue, func(q broker.Queue) bool { return q.Messages == 1 })
}

func TestConsumerThatIsKilledTakesNoMessageWithIt(t *testing.T) {
	place := newNames(t)
	brokertest.Killed(t, place, place.url+" "+place.prefix, 50)
}

func TestQueuesStayWhatTheyWereMadeAs(t *testing.T) {
	place := newNames(t)
	b := place.Open(t, brokertest.Settings{})
	brokertest.Declare(t, b, all())
	place.quorum = true
	again := place.Open(t, brokertest.Settings{Limit: 7})
	if made := brokertest.Declare(t, again, all()); len(made) > 0 {
		t.Errorf("made %q again", made)
	}
	r := brokertest.Consume(t, again, all(), nil)
	publishUntil(t, again, brokertest.Messages("k", 20)...)
	r.Next(20)
}

func TestRabbitMQThatCannotBeUsedSaysWhy(t *testing.T) {
	place := newNames(t)
	change := func(f func(*url.URL)) string {
		u, err := url.Parse(place.url)
		if err != nil {
			t.Fatal(err)
		}
		f(u)
		return u.String()
	}
	const secret = "hunter2"
	if err := channel(t, place.url).ExchangeDeclare("taken."+string(broker.Events), amqp.ExchangeFanout, false, true, false, false, nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, url, prefix, want string
	}{
		{"nobody there", "amqp://crossdock:" + secret + "@127.0.0.1:1/", "", "RabbitMQ at amqp://crossdock@127.0.0.1:1/: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"wrong password", change(func(u *url.URL) { u.User = url.UserPassword("crossdock", secret) }), "", "it ended the log-in: see whether user and password of its URL are right"},
		{"no such vhost", change(func(u *url.URL) { u.Path = "/none" }), "", "it has no such vhost as its URL names"},
		{"exchange of another kind", place.url, "taken.", "exchange taken.crossdock.events: PRECONDITION_FAILED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := open(t, rabbit.Config{URL: tt.url, Prefix: tt.prefix, Clock: time.Now, Log: brokertest.Log(t)})
			_, declared := b.Declare(t.Context(), all())
			published := b.Publish(t.Context(), broker.Events, brokertest.Messages("k", 1)...)
			for _, err := range []error{declared, published} {
				if !errors.Is(err, broker.ErrUnavailable) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret) {
					t.Errorf("error = %v\nwant    %s", err, tt.want)
				}
			}
		})
	}
	for _, text := range []string{"", "localhost:5672", "http://user:hunter2@host/", "amqp://user:hunter2@host:port/", "amqp://user:hun%zzter2@host/"} {
		_, err := rabbit.Open(t.Context(), rabbit.Config{URL: text, Clock: time.Now, Log: brokertest.Log(t)})
		if err == nil || !strings.HasPrefix(err.Error(), "the URL of RabbitMQ is none of the form amqp://user:password@host:5672/vhost") || strings.Contains(err.Error(), "hun") {
			t.Errorf("%s: error = %v", text, err)
		}
	}
}
