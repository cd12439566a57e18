package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"crossdock/commerce"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
)

// inOrder holds what arrived to the promise: of every event one at least, and
// the first of each behind the first of those before it.
func inOrder(tb interface{ Errorf(string, ...any) }, got []commerce.Event, want int) {
	seen, last := map[string]int64{}, int64(0)
	for _, e := range got {
		before, again := seen[e.ID]
		switch {
		case again && before != e.Sequence:
			tb.Errorf("event %s came as number %d and as number %d", e.ID, before, e.Sequence)
		case !again && e.Sequence < last:
			tb.Errorf("number %d came first after %d", e.Sequence, last)
		}
		seen[e.ID], last = e.Sequence, max(last, e.Sequence)
	}
	if len(seen) != want {
		tb.Errorf("%d events came, want %d", len(seen), want)
	}
}

func TestEventsArePublishedInOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		bus := &memory{}
		o := open(t, place, Config{Bus: bus})
		var many []commerce.Event
		for i := range 2*batchEvents + 7 {
			many = append(many, thing(fmt.Sprint(i%3)))
		}
		write(t, o, many...)
		settle(t, o)
		inOrder(t, bus.events(), len(many)+oldEvent)
		if len(bus.events()) != len(many)+oldEvent || bus.call != 3 {
			t.Errorf("%d events in %d batches", len(bus.events()), bus.call)
		}
		if more, err := o.relaySome(t.Context()); more || err != nil || bus.call != 3 {
			t.Errorf("more %t, error %v, call %d", more, err, bus.call)
		}
	})
}

func TestABatchIsBoundedInBytes(t *testing.T) {
	bus := &memory{}
	o := open(t, store.Place{Dir: t.TempDir()}, Config{Bus: bus})
	large := thing("a")
	large.Data = json.RawMessage(`{"a":"` + strings.Repeat("x", maxData-100) + `"}`)
	for range 20 {
		write(t, o, large)
	}
	settle(t, o)
	inOrder(t, bus.events(), 20+oldEvent)
	if bus.call != 3 {
		t.Errorf("20 MiB went in %d batches", bus.call)
	}
}

// TestNothingIsLostOnABusThatFails has the bus refuse, take a part of a batch
// and fail, or take all of it and fail, as it comes; and the process end in
// between, so that another takes up from the tables alone.
func TestNothingIsLostOnABusThatFails(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		bus := &memory{}
		total := oldEvent
		away := errors.New("the bus is away")
		o := open(t, place, Config{Bus: bus})
		rapid.Check(t, func(r *rapid.T) {
			bus.fail = func(_ int, events []commerce.Event) (int, error) {
				switch rapid.IntRange(0, 3).Draw(r, "outcome") {
				case 0:
					return 0, away
				case 1:
					return rapid.IntRange(0, len(events)).Draw(r, "taken"), away
				case 2:
					return len(events), away
				}
				return len(events), nil
			}
			n := rapid.IntRange(0, 5).Draw(r, "events")
			var events []commerce.Event
			for i := range n {
				events = append(events, thing(fmt.Sprint(i%2)))
			}
			write(t, o, events...)
			total += n
			for range rapid.IntRange(0, 4).Draw(r, "attempts") {
				if _, err := o.relaySome(t.Context()); err != nil && !errors.Is(err, away) {
					r.Fatal(err)
				}
			}
			if rapid.IntRange(0, 9).Draw(r, "another process") == 0 {
				o = open(t, place, Config{Bus: bus})
			}
		})
		bus.fail = nil
		settle(t, o)
		inOrder(t, bus.events(), total)
	})
}

// TestSeveralProcessesRelayInTurn runs relays in several processes, one of
// which ends on the way.
func TestSeveralProcessesRelayInTurn(t *testing.T) {
	place := storetest.Postgres(t)
	bus := &memory{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group sync.WaitGroup
	defer group.Wait()
	relay := func(ctx context.Context) {
		o := open(t, place, Config{Bus: bus})
		group.Go(func() {
			if err := o.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	first, end := context.WithCancel(ctx)
	defer end()
	relay(first)
	relay(ctx)
	const rounds, each = 40, 25
	writer := open(t, place, Config{})
	for i := range rounds {
		var events []commerce.Event
		for range each {
			events = append(events, thing(fmt.Sprint(i)))
		}
		write(t, writer, events...)
		if i == rounds/2 {
			end()
		}
	}
	waitFor(t, func() bool { return len(bus.events()) >= rounds*each+oldEvent })
	cancel()
	group.Wait()
	inOrder(t, bus.events(), rounds*each+oldEvent)
}

// waitFor waits for what is bound to come.
func waitFor(tb testing.TB, come func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); !come(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatal("it has not come within a minute")
		}
	}
}

func TestARelayHearsOfOtherProcesses(t *testing.T) {
	place := storetest.Postgres(t)
	o := open(t, place, Config{Bus: &memory{}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.listen(ctx) }() // ends with ctx
	<-o.wake                               // it listens
	write(t, open(t, place, Config{}), thing("a"))
	<-o.wake
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRunPublishesWhenTheBusComesBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		var log bytes.Buffer
		bus := &memory{fail: func(call int, events []commerce.Event) (int, error) {
			if call < 3 {
				return 0, errors.New("nobody listens")
			}
			return len(events), nil
		}}
		o := open(t, place, Config{Bus: bus, Log: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- o.Run(ctx) }() // ends with ctx
		waitFor(t, func() bool { return len(bus.events()) == oldEvent })
		write(t, o, thing("a"))
		waitFor(t, func() bool { return len(bus.events()) == oldEvent+1 })
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := strings.Count(log.String(), "nobody listens"); got != 1 || !strings.Contains(log.String(), "takes events again") {
			t.Errorf("the log is\n%s", log.String())
		}
	})
}

func TestTheLagIsAMetric(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		now := start()
		bus := &memory{fail: func(int, []commerce.Event) (int, error) { return 0, errors.New("away") }}
		o := open(t, place, Config{Bus: bus, Clock: func() time.Time { return now }})
		write(t, o, thing("a"), thing("b"))
		now = now.Add(90 * time.Second)
		o.failures.Add(1) // as Run would
		const before = `
# HELP crossdock_outbox_failures_total Attempts to publish a batch that failed.
# TYPE crossdock_outbox_failures_total counter
crossdock_outbox_failures_total{service="shop"} 1
# HELP crossdock_outbox_lag_events Events that were committed and have yet to be published.
# TYPE crossdock_outbox_lag_events gauge
crossdock_outbox_lag_events{service="shop"} 3
# HELP crossdock_outbox_lag_seconds Age of the oldest event that has yet to be published.
# TYPE crossdock_outbox_lag_seconds gauge
crossdock_outbox_lag_seconds{service="shop"} 90
`
		if err := testutil.CollectAndCompare(o.Metrics(), strings.NewReader(before),
			"crossdock_outbox_failures_total", "crossdock_outbox_lag_events", "crossdock_outbox_lag_seconds"); err != nil {
			t.Error(err)
		}
		bus.fail = nil
		settle(t, o)
		const after = `
# HELP crossdock_outbox_lag_events Events that were committed and have yet to be published.
# TYPE crossdock_outbox_lag_events gauge
crossdock_outbox_lag_events{service="shop"} 0
# HELP crossdock_outbox_lag_seconds Age of the oldest event that has yet to be published.
# TYPE crossdock_outbox_lag_seconds gauge
crossdock_outbox_lag_seconds{service="shop"} 0
# HELP crossdock_outbox_published_total Events published, each time that they were.
# TYPE crossdock_outbox_published_total counter
crossdock_outbox_published_total{service="shop"} 3
`
		if err := testutil.CollectAndCompare(o.Metrics(), strings.NewReader(after),
			"crossdock_outbox_published_total", "crossdock_outbox_lag_events", "crossdock_outbox_lag_seconds"); err != nil {
			t.Error(err)
		}
		if problems, err := testutil.CollectAndLint(o.Metrics()); err != nil || len(problems) > 0 {
			t.Errorf("%v, error %v", problems, err)
		}
	})
}

// relayUntilKilled, as the first argument, makes the test binary a process that
// relays until it is killed.
const relayUntilKilled = "relay-until-killed"

// relayChild writes a line into a file for each event that it publishes, and
// is killed after so many of them: in the middle of a batch, or behind it,
// where it would note how far it has come.
func relayChild(args []string) {
	ctx := context.Background()
	out, err := os.OpenFile(args[0], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	left, err := strconv.Atoi(args[1])
	if err != nil {
		panic(err)
	}
	place := store.Place{Dir: args[2], URL: args[3], Prefix: args[4]}
	db, err := place.Open(ctx, "shop", os.DirFS("testdata"))
	if err != nil {
		panic(err)
	}
	o := New(Config{DB: db, Service: "shop", Clock: start, Log: slog.New(slog.DiscardHandler), Bus: &lines{file: out, left: left}})
	panic(o.Run(ctx))
}

// lines is a bus that is a file, with an event a line.
type lines struct {
	commerce.Bus // there is no subscribing

	file *os.File
	left int
}

// Publish implements commerce.Bus.
func (l *lines) Publish(ctx context.Context, events []commerce.Event) error {
	for _, e := range events {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if _, err := l.file.Write(append(text, '\n')); err != nil {
			return err
		}
		if l.left--; l.left > 0 {
			continue
		}
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		if err := self.Kill(); err != nil {
			return err
		}
		<-ctx.Done() // the signal is on its way
	}
	return nil
}

func publishedLines(t *testing.T, path string) (events []commerce.Event) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var e commerce.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

func TestAKilledRelayLosesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		const kills, each = 5, 100
		path := filepath.Join(t.TempDir(), "published")
		writer := open(t, place, Config{})
		random := rand.New(rand.NewPCG(1, 2))
		for i := range kills {
			var events []commerce.Event
			for range each {
				events = append(events, thing(fmt.Sprint(i)))
			}
			write(t, writer, events...)
			until := strconv.Itoa(1 + random.IntN(each+each/4)) // what the one before had no mark of comes again
			child := exec.Command(os.Args[0], relayUntilKilled, path, until, place.Dir, place.URL, place.Prefix)
			child.Stderr = os.Stderr
			if err := child.Run(); child.ProcessState == nil || child.ProcessState.ExitCode() != -1 {
				t.Fatalf("the relay was not killed: %v", err)
			}
		}
		bus := &memory{got: publishedLines(t, path)}
		before := len(bus.got)
		o := open(t, place, Config{Bus: bus})
		waitFor(t, func() bool { // the server may yet have to notice that the last one is gone
			if _, err := o.relaySome(t.Context()); err != nil {
				t.Fatal(err)
			}
			events, _, err := o.lag(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return events == 0
		})
		inOrder(t, bus.events(), kills*each+oldEvent)
		if len(bus.events()) == kills*each+oldEvent || before == 0 {
			t.Errorf("no event came twice: the kills missed")
		}
	})
}
