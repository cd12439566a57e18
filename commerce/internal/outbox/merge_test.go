package outbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crossdock/commerce"
	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/web"
)

// A list is a feed of which the first few events are forgotten.
type list struct {
	events    []commerce.Event // of the positions 1, 2, ...
	forgotten int64
}

// Events implements commerce.Feed.
func (l list) Events(_ context.Context, q commerce.EventQuery) (page commerce.EventPage, err error) {
	page.Last = int64(len(l.events))
	switch {
	case q.After == commerce.FromLatest:
		return page, nil
	case q.After == commerce.FromOldest:
		q.After = l.forgotten
	case q.After < l.forgotten:
		return page, commerce.Errorf(commerce.Gone, "gone").At("query.after")
	}
	for _, e := range l.events[q.After:] {
		if len(q.Types) > 0 && !slices.Contains(q.Types, e.Type) {
			continue
		}
		if len(page.Events) == q.Limit {
			page.More, page.Last = true, page.Events[q.Limit-1].Sequence
			break
		}
		page.Events = append(page.Events, e)
	}
	return page, nil
}

func anyList(r *rapid.T, name string) list {
	l := list{}
	at := start()
	for i := range rapid.IntRange(0, 12).Draw(r, name) {
		at = at.Add(time.Duration(rapid.IntRange(0, 3).Draw(r, "passes")) * time.Second)
		l.events = append(l.events, commerce.Event{
			ID: fmt.Sprintf("%s/%d", name, i+1), Source: "/" + name, Time: at, Sequence: int64(i + 1), Data: []byte(`{}`),
			Type: name + rapid.SampledFrom([]string{".a.v1", ".b.v1"}).Draw(r, "type"),
		})
	}
	if n := len(l.events); n > 0 {
		l.forgotten = int64(rapid.IntRange(0, n).Draw(r, "forgotten"))
	}
	return l
}

// TestMergedFeedsShowEveryEventOnce reads several feeds by pages of some size,
// with and without a choice of types.
func TestMergedFeedsShowEveryEventOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		feeds, want := Merged{}, map[string]bool{}
		var types []string
		if rapid.Bool().Draw(r, "chosen") {
			types = []string{"x.a.v1", "z.b.v1"}
		}
		for _, name := range []string{"x", "y", "z"} {
			l := anyList(r, name)
			feeds[name] = l
			for _, e := range l.events[l.forgotten:] {
				if types == nil || slices.Contains(types, e.Type) {
					want[e.ID] = true
				}
			}
		}
		limit := rapid.IntRange(1, 9).Draw(r, "limit")
		cursor, last := "", map[string]int64{}
		var before time.Time
		for more := true; more; {
			page, err := feeds.Read(t.Context(), cursor, types, limit)
			if err != nil {
				r.Fatal(err)
			}
			if len(page.Events) > limit || page.More && len(page.Events) < limit {
				r.Fatalf("%d events in a page of %d, more %t", len(page.Events), limit, page.More)
			}
			for _, e := range page.Events {
				if !want[e.ID] || e.Sequence <= last[e.Source] {
					r.Fatalf("%s is not wanted, or not now", e.ID)
				}
				if e.Time.Before(before) {
					r.Fatalf("%s is of %s, after one of %s", e.ID, e.Time, before)
				}
				delete(want, e.ID)
				last[e.Source], before = e.Sequence, e.Time
			}
			cursor, more = page.Cursor, page.More
		}
		if len(want) > 0 {
			r.Fatalf("not shown: %v", want)
		}
		if page, err := feeds.Read(t.Context(), cursor, nil, limit); err != nil || len(page.Events) > 0 {
			r.Fatalf("behind the last page come %v, error %v", page.Events, err)
		}
	})
}

func TestCursors(t *testing.T) {
	one := list{events: []commerce.Event{{Sequence: 1}, {Sequence: 2}}, forgotten: 1}
	feeds := Merged{"x": one, "y": one}
	for _, tt := range []struct {
		cursor, want string
	}{
		{"?", "query.after: is not a cursor of events"},
		{web.EncodeCursor("x"), "query.after: is not a cursor of events"},
		{web.EncodeCursor(map[string]int64{"z": 1}), "query.after: is a cursor of other services: these events are those of x, y"},
		{web.EncodeCursor(map[string]int64{"x": -1}), "query.after: is a cursor of other services"},
		{CursorOf("x", 0), "events of x: query.after: gone"},
	} {
		if _, err := feeds.Read(t.Context(), tt.cursor, nil, 10); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error = %v, want one with %q", tt.cursor, err, tt.want)
		}
	}
	for _, tt := range []struct {
		cursor string
		want   int
	}{
		{"", 2},
		{CursorOf("x", commerce.FromOldest), 2},
		{CursorOf("x", 2), 1}, // of one service alone: the other begins with its oldest
		{CursorOf("x", commerce.FromLatest), 0},
	} {
		page, err := feeds.Read(t.Context(), tt.cursor, nil, 10)
		if err != nil || len(page.Events) != tt.want {
			t.Errorf("%q: %d events, error %v, want %d", tt.cursor, len(page.Events), err, tt.want)
		}
		if last, err := PositionOf("x", page.Cursor); tt.cursor == Latest && (err == nil || last != 0) {
			t.Errorf("the cursor of two services is one of x alone: %d, %v", last, err)
		}
	}
	if last, err := PositionOf("x", CursorOf("x", 7)); last != 7 || err != nil {
		t.Errorf("position %d, error %v", last, err)
	}
	failed := errors.New("no route")
	if _, err := (Merged{"x": broken{failed}}).Read(t.Context(), "", nil, 1); !errors.Is(err, failed) || !strings.Contains(err.Error(), "events of x") {
		t.Errorf("error = %v", err)
	}
}

type broken struct{ err error }

// Events implements commerce.Feed.
func (b broken) Events(context.Context, commerce.EventQuery) (commerce.EventPage, error) {
	return commerce.EventPage{}, b.err
}

func TestTheFeedOverHTTP(t *testing.T) {
	at := start()
	x := list{forgotten: 1}
	for i := range int64(4) {
		x.events = append(x.events, commerce.Event{
			ID: fmt.Sprint("x", i+1), Source: "/x", Type: "x.thing.changed.v1", Sequence: i + 1,
			Time: at.Add(time.Duration(i) * time.Second), Data: []byte(`{"keys":["a"]}`),
		})
	}
	mux := http.NewServeMux()
	Merged{"x": x}.Register(web.NewAPI(mux, web.Info{Title: "Test", Version: "1"}))
	servicetest.Golden(t, mux,
		"/v1/events",
		"/v1/events?limit=1",
		"/v1/events?after="+CursorOf("x", 3)+"&type=x.thing.changed.v1&type=x.other.v1",
		"/v1/events?after=latest",
		"/v1/events?after="+CursorOf("x", 0),
		"/v1/events?after=soon",
		"/v1/events?limit=1001",
		"/v1/events?since=1",
	)
}
