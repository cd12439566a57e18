package inventory

import (
	"context"
	"net/http"
	"net/url"

	"crossdock/commerce"
	"crossdock/commerce/internal/remote"
)

// A Client is a Service in another process.
type Client struct {
	*remote.Caller // Apply, Plan, Diff, Revert, Rows, Known and Holders
	api            *remote.Caller
}

// Dial returns the client of the service whose Internal and Handler are served
// at the addresses given, such as http://127.0.0.1:8081.
func Dial(internal, api string, client *http.Client) *Client {
	return &Client{Caller: remote.Dial(internal, client), api: remote.Dial(api, client)}
}

// Availability answers how much of each product lies in the active warehouses.
func (c *Client) Availability(ctx context.Context, q AvailabilityQuery) (answer AvailabilityAnswer, err error) {
	values := url.Values{"warehouse": {q.Warehouse}}
	for _, sku := range q.SKUs {
		values.Add("sku", string(sku))
	}
	_, err = c.api.Get(ctx, "/v1/availability", values, &answer)
	return answer, err
}

// Events returns events of the service after a position.
func (c *Client) Events(ctx context.Context, q commerce.EventQuery) (commerce.EventPage, error) {
	return c.api.Events(ctx, "inventory", q)
}
