package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crossdock/commerce"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == relayUntilKilled {
		relayChild(os.Args[2:])
	}
	os.Exit(storetest.With(m).Run())
}

var _ = flag.Bool("update", false, "write the answers into testdata")

func start() time.Time { return time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC) }

// open opens the outbox at a place, as one more process would.
func open(tb testing.TB, place store.Place, cfg Config) *Outbox {
	tb.Helper()
	db, err := place.Open(tb.Context(), "shop", os.DirFS("testdata"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	cfg.DB, cfg.Service = db, "shop"
	if cfg.Clock == nil {
		cfg.Clock = start
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return New(cfg)
}

func write(tb testing.TB, o *Outbox, events ...commerce.Event) {
	tb.Helper()
	err := o.DB.Tx(tb.Context(), func(tx *sql.Tx) error { return o.Write(tb.Context(), tx, events...) })
	if err != nil {
		tb.Fatal(err)
	}
	o.Wake()
}

// thing is an event about the thing of that name.
func thing(name string) commerce.Event {
	return commerce.Event{Type: "shop.thing.changed.v1", Subject: name, Data: json.RawMessage(`{"name":"` + name + `"}`)}
}

func read(tb testing.TB, o *Outbox, q commerce.EventQuery) commerce.EventPage {
	tb.Helper()
	page, err := o.Events(tb.Context(), q)
	if err != nil {
		tb.Fatal(err)
	}
	return page
}

// oldEvent is the one that the tables held before events had their form.
const oldEvent = 1

func TestEventsOfBeforeKeepTheirKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		page := read(t, open(t, place, Config{}), commerce.EventQuery{After: commerce.FromOldest})
		if len(page.Events) != 1 {
			t.Fatalf("%d events", len(page.Events))
		}
		e := page.Events[0]
		var data struct {
			Batch string
			Keys  []string
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		if data.Batch != `run"1/1` || !slices.Equal(data.Keys, []string{"a"}) || e.Sequence != oldEvent || !e.Time.Equal(start()) {
			t.Errorf("event %+v with %+v", e, data)
		}
		if err := e.Check(); err != nil {
			t.Error(err)
		}
	})
}

func TestEventsAreWrittenWholeOrNotAtAll(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		o := open(t, place, Config{})
		ctx := commerce.WithTrace(t.Context(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		err := o.DB.Tx(ctx, func(tx *sql.Tx) error { return o.Write(ctx, tx, thing("a")) })
		if err != nil {
			t.Fatal(err)
		}
		own := commerce.Event{ID: "own", Source: "/shop", Type: "shop.thing.deleted.v1", Time: start().Add(time.Hour), Data: json.RawMessage(`{}`)}
		err = o.DB.Bulk(ctx, func(c *store.Conn) error { return o.Put(c, own) })
		if err != nil {
			t.Fatal(err)
		}
		page := read(t, o, commerce.EventQuery{After: oldEvent})
		if len(page.Events) != 2 || len(page.Events[0].ID) != 26 {
			t.Fatalf("events %+v", page.Events)
		}
		page.Events[0].ID = ""
		a := thing("a")
		a.Source, a.Sequence, a.Time, a.TraceParent = "/shop", 2, start(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		own.Sequence = 3
		if diff := cmp.Diff([]commerce.Event{a, own}, page.Events); diff != "" {
			t.Error(diff)
		}
		for _, tt := range []struct {
			change func(e *commerce.Event)
			want   string
		}{
			{func(e *commerce.Event) { e.Type = "thing" }, `event thing: type: "thing" is none`},
			{func(e *commerce.Event) { e.Data = nil }, "data: is no JSON object"},
			{func(e *commerce.Event) { e.Source = "/other" }, "source: is /other, and this is the outbox of /shop"},
			{func(e *commerce.Event) { e.Data = json.RawMessage(`{"a":"` + strings.Repeat("x", maxData) + `"}`) }, "data: has 1048584 bytes, and 1048576 are allowed"},
			{func(e *commerce.Event) { e.ID = "own" }, "event shop.thing.changed.v1: "}, // an id is there once
		} {
			e := thing("b")
			tt.change(&e)
			err := o.DB.Tx(ctx, func(tx *sql.Tx) error { return o.Write(ctx, tx, thing("before"), e) })
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
		}
		if again := read(t, o, commerce.EventQuery{After: 3}); len(again.Events) != 0 {
			t.Errorf("left behind %+v", again.Events)
		}
	})
}

// TestAReaderSkipsNothing has several processes write at once, some of whose
// transactions take long, and some are taken back. Who reads along must see
// what was committed, all of it and in order.
func TestAReaderSkipsNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		const processes, writers, transactions = 2, 4, 25
		reader := open(t, place, Config{})
		var committed sync.Map
		var group sync.WaitGroup
		var ended atomic.Bool
		taken := errors.New("taken back")
		for p := range processes {
			o := open(t, place, Config{})
			for w := range writers {
				group.Go(func() {
					for i := range transactions {
						var ids []string
						err := o.DB.Tx(t.Context(), func(tx *sql.Tx) error {
							for n := range 1 + i%3 {
								e := thing(fmt.Sprintf("%d.%d.%d.%d", p, w, i, n))
								e.ID = e.Subject
								ids = append(ids, e.ID)
								if err := o.Write(t.Context(), tx, e); err != nil {
									return err
								}
							}
							if i%7 == 3 {
								return taken
							}
							return nil
						})
						if err != nil && !errors.Is(err, taken) {
							t.Error(err)
							return
						}
						for _, id := range ids {
							committed.Store(id, err == nil)
						}
					}
				})
			}
		}
		go func() { group.Wait(); ended.Store(true) }() // ends with the writers
		after, seen := int64(oldEvent), map[string]bool{}
		for last := false; !last; {
			last = ended.Load() // what is read next is all
			for more := true; more; {
				page := read(t, reader, commerce.EventQuery{After: after, Limit: 7})
				for _, e := range page.Events {
					if e.Sequence <= after || seen[e.ID] {
						t.Fatalf("event %s at %d was read after %d", e.ID, e.Sequence, after)
					}
					after, seen[e.ID] = e.Sequence, true
				}
				after, more = page.Last, page.More
			}
		}
		committed.Range(func(id, kept any) bool {
			if seen[id.(string)] != kept.(bool) {
				t.Errorf("%s: committed %t, read %t", id, kept, seen[id.(string)])
			}
			return true
		})
	})
}

func TestTheFeedIsReadByPageAndType(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		o := open(t, place, Config{})
		for i := range 10 {
			e := thing(fmt.Sprint(i))
			if i%5 == 1 {
				e.Type = "shop.order.placed.v1"
			}
			write(t, o, e)
		}
		subjects := func(q commerce.EventQuery) string {
			t.Helper()
			page := read(t, o, q)
			var list []string
			for _, e := range page.Events {
				list = append(list, e.Subject)
			}
			return fmt.Sprint(strings.Join(list, ""), " ", page.Last, " ", page.More)
		}
		for _, tt := range []struct {
			q    commerce.EventQuery
			want string
		}{
			{commerce.EventQuery{After: oldEvent}, "0123456789 11 false"},
			{commerce.EventQuery{After: oldEvent, Limit: 3}, "012 4 true"},
			{commerce.EventQuery{After: 4, Limit: 7}, "3456789 11 false"},
			{commerce.EventQuery{After: oldEvent, Types: []string{"shop.order.*"}, Limit: 1}, "1 3 true"},
			{commerce.EventQuery{After: 3, Types: []string{"shop.order.placed.v1"}}, "6 11 false"}, // beyond what is of other types
			{commerce.EventQuery{After: 9, Types: []string{"shop.order.*", "shop.thing.*"}}, "89 11 false"},
			{commerce.EventQuery{After: 9, Types: []string{"*"}}, "89 11 false"},
			{commerce.EventQuery{After: 9, Types: []string{"shop.thin_.*", "pricing.*"}}, " 11 false"},
			{commerce.EventQuery{After: commerce.FromLatest}, " 11 false"},
			{commerce.EventQuery{After: 11}, " 11 false"},
		} {
			if got := subjects(tt.q); got != tt.want {
				t.Errorf("%+v reads %q, want %q", tt.q, got, tt.want)
			}
		}
		for _, q := range []commerce.EventQuery{{After: 12}, {After: oldEvent, Types: []string{"shop"}}} {
			if _, err := o.Events(t.Context(), q); commerce.CodeOf(err) != commerce.Invalid {
				t.Errorf("%+v: error = %v", q, err)
			}
		}
	})
}

func forget(t *testing.T, o *Outbox) (more bool) {
	t.Helper()
	err := o.DB.Bulk(t.Context(), func(c *store.Conn) (err error) {
		more, err = o.Forget(c)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return more
}

func TestOldEventsAreForgottenOncePublished(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		now := start()
		clock := func() time.Time { return now }
		bus := &memory{}
		o := open(t, place, Config{Clock: clock, Bus: bus, Keep: 48 * time.Hour})
		for _, name := range []string{"a", "b", "c"} {
			write(t, o, thing(name))
			now = now.Add(24 * time.Hour)
		}
		now = start().Add(72*time.Hour + time.Second) // a and b are too old, and so is the old event
		forget(t, o)
		if got := len(read(t, o, commerce.EventQuery{After: 0}).Events); got != 4 {
			t.Fatalf("%d events are left of those that were not published, want 4", got)
		}
		settle(t, o)
		if more := forget(t, o); more {
			t.Error("there is more to forget")
		}
		page := read(t, o, commerce.EventQuery{After: commerce.FromOldest})
		if len(page.Events) != 1 || page.Events[0].Subject != "c" {
			t.Fatalf("left are %+v", page.Events)
		}
		if page := read(t, o, commerce.EventQuery{After: 3}); len(page.Events) != 1 {
			t.Errorf("after the last that was forgotten come %+v", page.Events)
		}
		if _, err := o.Events(t.Context(), commerce.EventQuery{After: 2}); commerce.CodeOf(err) != commerce.Gone {
			t.Errorf("error = %v, want that events are gone", err)
		}
		// Positions are not given again, even when all are forgotten.
		now = now.Add(1000 * time.Hour)
		forget(t, o)
		if page := read(t, o, commerce.EventQuery{After: 4}); len(page.Events) != 0 || page.Last != 4 {
			t.Errorf("page %+v", page)
		}
		write(t, o, thing("d"))
		if page := read(t, o, commerce.EventQuery{After: 4}); len(page.Events) != 1 || page.Last != 5 {
			t.Errorf("page %+v", page)
		}
	})
}

func TestWithoutABusEventsAreKeptForTheirTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		now := start()
		clock := func() time.Time { return now }
		alone := open(t, place, Config{Clock: clock})
		write(t, alone, thing("a"))
		now = now.Add(DefaultKeep + time.Second)
		forget(t, alone)
		if got := read(t, alone, commerce.EventQuery{After: commerce.FromOldest}); len(got.Events) != 0 {
			t.Errorf("left are %+v", got.Events)
		}
		// Once there was a bus, what it has not got yet waits for it.
		write(t, alone, thing("b"), thing("c"))
		bus := &memory{}
		o := open(t, place, Config{Clock: clock, Bus: bus})
		settle(t, o)
		write(t, alone, thing("d"))
		now = now.Add(DefaultKeep + time.Second)
		forget(t, alone)
		got := read(t, alone, commerce.EventQuery{After: commerce.FromOldest})
		if len(got.Events) != 1 || got.Events[0].Subject != "d" {
			t.Errorf("left are %+v", got.Events)
		}
	})
}

func TestManyEventsAreForgottenALittleAtATime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		now := start()
		o := open(t, place, Config{Clock: func() time.Time { return now }})
		var many []commerce.Event
		for i := range sweepRows {
			many = append(many, thing(fmt.Sprint(i)))
		}
		write(t, o, many...)
		now = now.Add(DefaultKeep + time.Second)
		if !forget(t, o) || forget(t, o) {
			t.Error("want one that leaves some, and one that leaves none")
		}
	})
}

// settle relays all there is.
func settle(tb testing.TB, o *Outbox) {
	tb.Helper()
	for more := true; more; {
		var err error
		if more, err = o.relaySome(tb.Context()); err != nil {
			tb.Fatal(err)
		}
	}
}

// A memory is a bus that keeps what it gets.
type memory struct {
	commerce.Bus // there is no subscribing

	mu   sync.Mutex
	got  []commerce.Event
	fail func(call int, events []commerce.Event) (take int, err error)
	call int
}

// Publish implements commerce.Bus.
func (m *memory) Publish(_ context.Context, events []commerce.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.call++
	take, err := len(events), error(nil)
	if m.fail != nil {
		take, err = m.fail(m.call, events)
	}
	m.got = append(m.got, events[:take]...)
	return err
}

func (m *memory) events() []commerce.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.got)
}
