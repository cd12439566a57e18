package remote

import (
	"context"
	"net/url"
	"strconv"

	"crossdock/commerce"
	"crossdock/commerce/internal/outbox"
)

// Events reads the feed of a service whose API the Caller calls.
func (c *Caller) Events(ctx context.Context, service string, q commerce.EventQuery) (commerce.EventPage, error) {
	query := url.Values{"after": {outbox.CursorOf(service, q.After)}, "type": q.Types, "limit": {""}}
	if q.Limit > 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	var answer outbox.Page
	if _, err := c.Get(ctx, "/v1/events", query, &answer); err != nil {
		return commerce.EventPage{}, err
	}
	page := commerce.EventPage{More: answer.More}
	for _, item := range answer.Events {
		page.Events = append(page.Events, item.Event)
	}
	var err error
	page.Last, err = outbox.PositionOf(service, answer.Cursor)
	return page, err
}
