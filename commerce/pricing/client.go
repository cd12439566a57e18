package pricing

import (
	"context"
	"net/http"
	"net/url"
	"time"

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

// Prices answers what products cost.
func (c *Client) Prices(ctx context.Context, q PriceQuery) (answer PriceAnswer, err error) {
	values := url.Values{"list": {q.List}, "unit": {q.Unit}}
	for _, sku := range q.SKUs {
		values.Add("sku", string(sku))
	}
	if q.Quantity != 0 {
		values.Set("quantity", q.Quantity.String())
	}
	if !q.At.IsZero() {
		values.Set("at", q.At.Format(time.RFC3339Nano))
	}
	_, err = c.api.Get(ctx, "/v1/prices", values, &answer)
	return answer, err
}

// Events returns events of the service after a position.
func (c *Client) Events(ctx context.Context, q commerce.EventQuery) (commerce.EventPage, error) {
	return c.api.Events(ctx, "pricing", q)
}
