package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/commerce"
	"crossdock/commerce/feed"
)

// An eventShelf keeps events, two a page, and fails when it is read first.
type eventShelf struct {
	events []commerce.Event
	reads  int
}

var errShelf = errors.New("the database is busy")

// Read implements keeper.
func (s *eventShelf) Read(_ context.Context, cursor string, types []string, _ int) (page feed.Page, err error) {
	if s.reads++; s.reads == 1 {
		return page, errShelf
	}
	from, _ := strconv.Atoi(cursor) // the first is empty
	to := min(from+2, len(s.events))
	for _, e := range s.events[from:to] {
		if slices.ContainsFunc(types, func(pattern string) bool { return commerce.TypeMatches(pattern, e.Type) }) {
			page.Events = append(page.Events, feed.Item{Event: e})
		}
	}
	page.Cursor, page.More = strconv.Itoa(to), to < len(s.events)
	return page, nil
}

// A consumer that is new, or whose queue was lost, gets what it has missed.
func TestConsumersWhoseQueueIsMadeCatchUp(t *testing.T) {
	b := newBus(openEmbedded(t))
	kept := &eventShelf{}
	for i := range 5 {
		kept.events = append(kept.events, event(fmt.Sprint(i), "catalog.product.changed.v1"))
	}
	kept.events[3].Type = "pricing.price.changed.v1"
	b.kept = kept
	ctx, stop := context.WithCancel(t.Context())
	var got []string
	if err := b.Subscribe(ctx, "copy", []string{"catalog.*"}, func(_ context.Context, e commerce.Event) error {
		got = append(got, e.ID)
		n := strings.Count(strings.Join(got, ""), e.ID)
		switch {
		case e.ID == "1" && n == 1:
			panic("careless")
		case e.ID == "2" && n == 1:
			return errors.New("not yet")
		}
		if len(got) == 6 {
			stop()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// Those that failed come again by way of the broker.
	if diff := cmp.Diff([]string{"0", "1", "2", "4", "1", "2"}, got); diff != "" {
		t.Error(diff)
	}
}
