package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"crossdock/commerce"
	"crossdock/commerce/catalog"
	"crossdock/hub/broker"
	"crossdock/hub/broker/rabbit"
	"crossdock/internal/rabbitserver"
	"crossdock/internal/rabbitserver/rabbittest"
	"crossdock/internal/store"
)

// chaosSize returns how many events are sent while the broker is stopped how
// often: few here, and as many as make torture asks for.
func chaosSize(t *testing.T) (events, stops int) {
	t.Helper()
	events, stops = 4_000, 1
	for name, to := range map[string]*int{"CROSSDOCK_CHAOS_EVENTS": &events, "CROSSDOCK_CHAOS_STOPS": &stops} {
		if text := os.Getenv(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			*to = n
		}
	}
	return events, stops
}

// A repeating bus publishes some batches twice, the second time in any order,
// as a relay does that was killed before it knew that the first had arrived.
type repeating struct {
	commerce.Bus
	random *rand.Rand
}

// Publish implements commerce.Bus.
func (b repeating) Publish(ctx context.Context, events []commerce.Event) error {
	if err := b.Bus.Publish(ctx, events); err != nil || b.random.IntN(4) > 0 {
		return err
	}
	again := slices.Clone(events)
	b.random.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
	return b.Bus.Publish(ctx, again)
}

// A copier takes effect of each event once, and counts how often they came.
type copier struct {
	mu         sync.Mutex
	effects    map[string]int
	deliveries int
}

func (c *copier) take(_ context.Context, e commerce.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deliveries++
	if c.effects[e.ID] == 0 { // as an inbox has it
		c.effects[e.ID]++
	}
	return nil
}

func (c *copier) count() (effects, deliveries int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.effects), c.deliveries
}

// TestEventsOutliveTheBroker has a service write events while RabbitMQ is
// killed, stopped and started, and its connections are cut. Every event arrives.
func TestEventsOutliveTheBroker(t *testing.T) {
	events, stops := chaosSize(t)
	server := rabbittest.Server(t)
	proxy := rabbittest.NewProxy(t, server.URL)
	quiet := slog.New(slog.DiscardHandler)
	b, err := rabbit.Open(t.Context(), rabbit.Config{URL: proxy.URL, Clock: time.Now, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	// A consumer's queue is there before the first event is.
	awaitChaos(t, time.Minute, func() bool {
		_, err := b.Declare(t.Context(), broker.Consumer{Name: "copy", Keys: []string{"catalog.#"}})
		return err == nil
	})
	dir := t.TempDir()
	service, err := catalog.New(t.Context(), catalog.Config{
		Store: store.Place{Dir: dir}, Clock: time.Now, Log: quiet, Bus: repeating{newBus(b), rand.New(rand.NewPCG(7, 7))},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	c := &copier{effects: map[string]int{}}
	var group errgroup.Group
	group.Go(func() error { return service.Run(ctx) })
	group.Go(func() error { return newBus(b).Subscribe(ctx, "copy", []string{"catalog.*"}, c.take) })
	var faults sync.WaitGroup
	faults.Go(func() {
		for i := range stops {
			share := events * (i + 1) / (stops + 1) // how far the copy is when it happens
			awaitChaos(t, 10*time.Minute, func() bool { n, _ := c.count(); return n >= share })
			proxy.Cut()
			if err := breakServer(ctx, server, i); err != nil {
				t.Error(err)
			}
			proxy.Cut()
		}
	})
	writeEvents(t, filepath.Join(dir, "catalog.db"), events)
	faults.Wait()
	awaitChaos(t, 10*time.Minute, func() bool { n, _ := c.count(); return n == events })
	stop()
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	effects, deliveries := c.count()
	t.Logf("%d events, %d deliveries, RabbitMQ stopped %d times", effects, deliveries, stops)
	followed(t, service, events)
}

// breakServer kills RabbitMQ, or stops it in order, and starts it again.
func breakServer(ctx context.Context, server *rabbitserver.Server, i int) error {
	if i%2 == 0 {
		server.Kill()
		return server.Restart(ctx)
	}
	if _, err := server.Control("stop_app"); err != nil {
		return err
	}
	_, err := server.Control("start_app")
	return err
}

// writeEvents writes events as another process of the service would, many in a
// transaction.
func writeEvents(t *testing.T, path string, events int) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path+"?_txlock=immediate&_busy_timeout=30000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const each = 250
	for n := 0; n < events; n += each {
		_, err := db.ExecContext(t.Context(), `
			WITH RECURSIVE one (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM one WHERE i + 1 < ?2)
			INSERT INTO outbox (created_at, id, type, subject, trace, data)
			SELECT ?3, 'chaos-' || i, 'catalog.product.changed.v1', '', '', json_object('batch', 'chaos/1', 'keys', json_array('P' || i)) FROM one`,
			n, min(n+each, events), time.Now().UnixMicro())
		if err != nil {
			t.Fatal(err)
		}
	}
}

// followed holds the feed to having each event once, in order.
func followed(t *testing.T, feed commerce.Feed, events int) {
	t.Helper()
	after := int64(commerce.FromOldest)
	n := 0
	for more := true; more; {
		page, err := feed.Events(t.Context(), commerce.EventQuery{After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if want := fmt.Sprint("chaos-", n); e.ID != want {
				t.Fatalf("the feed has %s, want %s", e.ID, want)
			}
			n++
		}
		after, more = page.Last, page.More
	}
	if n != events {
		t.Errorf("the feed has %d events, want %d", n, events)
	}
}

// awaitChaos waits for what is bound to come.
func awaitChaos(t *testing.T, limit time.Duration, come func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !come(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("it has not come within %s", limit)
			return
		}
	}
}
