package rabbit_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"crossdock/hub/broker"
	"crossdock/hub/broker/brokertest"
	"crossdock/hub/broker/rabbit"
	"crossdock/internal/rabbitserver/rabbittest"
)

func TestMain(m *testing.M) {
	brokertest.Victim(func(where string) (broker.Broker, error) {
		url, prefix, _ := strings.Cut(where, " ")
		return rabbit.Open(context.Background(), rabbit.Config{URL: url, Prefix: prefix, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	})
	os.Exit(rabbittest.With(leaks{m}).Run())
}

// leaks is a run of the tests that fails where goroutines are left over.
type leaks struct{ *testing.M }

func (l leaks) Run() int {
	before := goleak.IgnoreCurrent() // what looks after the broker
	code := l.M.Run()
	if err := goleak.Find(before); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// names are a place on a RabbitMQ of which all names begin alike.
type names struct {
	url, prefix string
	quorum      bool
}

func newNames(tb testing.TB) names {
	tb.Helper()
	return names{url: rabbittest.URL(tb), prefix: strings.ToLower(rand.Text()[:8]) + "."}
}

func (n names) config(tb testing.TB, s brokertest.Settings) rabbit.Config {
	return rabbit.Config{URL: n.url, Prefix: n.prefix, Quorum: n.quorum, Delays: s.Delays, Limit: s.Limit, Clock: time.Now, Log: brokertest.Log(tb)}
}

func (n names) Open(tb testing.TB, s brokertest.Settings) broker.Broker {
	tb.Helper()
	return open(tb, n.config(tb, s))
}

func open(tb testing.TB, cfg rabbit.Config) *rabbit.Broker {
	tb.Helper()
	b, err := rabbit.Open(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	})
	return b
}

func (n names) Lose(tb testing.TB, queue string) {
	tb.Helper()
	if _, err := channel(tb, n.url).QueueDelete(n.prefix+queue, false, false, false); err != nil {
		tb.Fatal(err)
	}
}

// channel returns a channel of the library alone, to see what others see.
func channel(tb testing.TB, url string) *amqp.Channel {
	tb.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() }) // the broker may be gone by then
	ch, err := conn.Channel()
	if err != nil {
		tb.Fatal(err)
	}
	return ch
}

func TestConformance(t *testing.T) {
	brokertest.Run(t, func(tb testing.TB) brokertest.Place { return newNames(tb) })
}
