package remote

import (
	"context"

	"crossdock/commerce"
)

// Events does what the service's Events does.
func (c *Caller) Events(ctx context.Context, q commerce.EventQuery) (page commerce.EventPage, err error) {
	err = c.ask(ctx, "/internal/"+c.name+"/events", q, &page)
	return page, err
}
