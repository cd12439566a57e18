package outbox

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"crossdock/commerce"
	"crossdock/internal/web"
)

// Merged is the feed of one or more services, by their names.
type Merged map[string]commerce.Feed

// Latest is a cursor to begin with the next event that happens.
const Latest = "latest"

// A Page is events one after the other.
type Page struct {
	Events []Item `json:"events" doc:"Events of one service in their order, and those of several about as they happened."`
	Cursor string `json:"next_cursor" doc:"Where to go on: hand it back as after. There is always one."`
	More   bool   `json:"more" doc:"There are more already."`
}

// Read returns events after a cursor, which is that of a page before, Latest,
// or empty for the oldest events that are kept.
func (m Merged) Read(ctx context.Context, cursor string, types []string, limit int) (Page, error) {
	after, err := m.positions(cursor)
	if err != nil {
		return Page{}, err
	}
	if limit <= 0 || limit > maxPage {
		limit = defaultPage
	}
	merge := merger{next: map[string]int64{}}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		page, err := m[name].Events(ctx, commerce.EventQuery{After: after[name], Types: types, Limit: limit})
		if err != nil {
			return Page{}, fmt.Errorf("events of %s: %w", name, err)
		}
		merge.add(name, after[name], page)
	}
	events := merge.take(limit) // which settles the rest
	return Page{Events: events, More: merge.more, Cursor: web.EncodeCursor(merge.next)}, nil
}

// positions reads a cursor.
func (m Merged) positions(cursor string) (map[string]int64, error) {
	after := map[string]int64{}
	start := int64(commerce.FromOldest)
	if cursor == Latest {
		cursor, start = "", commerce.FromLatest
	}
	if err := web.DecodeCursor(cursor, &after); err != nil {
		return nil, commerce.Errorf(commerce.Invalid, "is not a cursor of events: take next_cursor of the answer before, begin without one, or with %s", Latest).At("query.after")
	}
	for name, position := range after {
		if _, ours := m[name]; !ours || position < 0 {
			return nil, commerce.Errorf(commerce.Invalid, "is a cursor of other services: these events are those of %s",
				strings.Join(slices.Sorted(maps.Keys(m)), ", ")).At("query.after")
		}
	}
	for name := range m {
		if _, there := after[name]; !there {
			after[name] = start
		}
	}
	return after, nil
}

// CursorOf returns the cursor of a position of one service.
func CursorOf(service string, position int64) string {
	switch position {
	case commerce.FromOldest:
		return ""
	case commerce.FromLatest:
		return Latest
	}
	return web.EncodeCursor(map[string]int64{service: position})
}

// PositionOf returns the position of a service in the cursor of a page.
func PositionOf(service, cursor string) (int64, error) {
	after, err := Merged{service: nil}.positions(cursor)
	return after[service], err
}

// A merger makes one page of those of several services.
type merger struct {
	pages []merging
	next  map[string]int64
	more  bool
}

type merging struct {
	name string
	page commerce.EventPage
	from int64
}

func (g *merger) add(name string, from int64, page commerce.EventPage) {
	g.pages = append(g.pages, merging{name, page, from})
	g.next[name] = page.Last
	g.more = g.more || page.More
}

// take returns the first events by time, and sets where to go on after them.
func (g *merger) take(limit int) []Item {
	items := []Item{}
	for len(items) < limit {
		var first *merging
		for i := range g.pages {
			p := &g.pages[i]
			if len(p.page.Events) > 0 && (first == nil || p.page.Events[0].Time.Before(first.page.Events[0].Time)) {
				first = p
			}
		}
		if first == nil {
			return items
		}
		e := first.page.Events[0]
		first.page.Events, first.from = first.page.Events[1:], e.Sequence
		items = append(items, Item{e})
	}
	for _, p := range g.pages {
		if len(p.page.Events) == 0 {
			continue
		}
		g.more = true
		if g.next[p.name] = p.from; p.from < 0 {
			// None of its events was taken, and it began with the oldest that is kept.
			g.next[p.name] = p.page.Events[0].Sequence - 1
		}
	}
	return items
}

// An Item is an event in a page, and in the API's document.
type Item struct{ commerce.Event }

// Schema implements huma.SchemaProvider.
func (Item) Schema(huma.Registry) *huma.Schema {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	return &huma.Schema{
		Type: huma.TypeObject, Description: "A CloudEvent 1.0 in the JSON event format.",
		Required: []string{"specversion", "id", "source", "type", "time", "sequence", "datacontenttype", "data"},
		Properties: map[string]*huma.Schema{
			"specversion":     text("1.0"),
			"id":              text("Unique; the same each time that the event is delivered."),
			"source":          text("The service, such as /catalog."),
			"type":            text("What has happened, such as catalog.product.changed.v1."),
			"subject":         text("What it has happened to, where that is one thing."),
			"time":            {Type: huma.TypeString, Format: "date-time", Description: "When it happened."},
			"sequence":        text("Grows from one event of the source to the next; 19 digits, so that it sorts as text."),
			"traceparent":     text("W3C trace context of what made it happen."),
			"datacontenttype": text("application/json"),
			"data":            {Type: huma.TypeObject, AdditionalProperties: true, Description: "As the schema of the type has it."},
		},
	}
}

type eventsInput struct {
	After string   `query:"after" maxLength:"2000" doc:"Where to go on: next_cursor of the page before. Without it, the oldest events that are kept come first; with latest, those that are yet to happen."`
	Types []string `query:"type,explode" maxItems:"50" doc:"Only events of this type, such as catalog.product.changed.v1 or catalog.*: repeat the parameter for several."`
	Limit int      `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Events a page."`
}

type eventsOutput struct{ Body Page }

// Register adds the feed to an API.
func (m Merged) Register(api huma.API) {
	web.Register(api, huma.Operation{
		OperationID: "list-events", Method: http.MethodGet, Path: "/v1/events", Tags: []string{"Events"},
		Summary: "Read what has happened",
		Description: "Events in their order, each a CloudEvent. An event is never missed by who follows the cursor. " +
			"410 where events after the cursor are no longer kept.",
		Errors: []int{http.StatusBadRequest, http.StatusGone},
	}, func(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
		page, err := m.Read(ctx, in.After, in.Types, in.Limit)
		return &eventsOutput{page}, err
	})
}
