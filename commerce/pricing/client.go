package pricing

import (
	"context"
	"net/url"
	"time"

	"crossdock/commerce"
	"crossdock/commerce/internal/remote"
)

// A Client is a Service in another process.
type Client struct {
	*remote.Caller // Apply, Plan, Diff, Revert, Rows, Known, Holders and Events
}

// Dial returns the client of the service at a peer, which serves its Internal
// beside its operations. It connects when it is used.
func Dial(peer commerce.Peer) *Client {
	return &Client{remote.Dial("pricing", peer)}
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
	_, err = c.Get(ctx, "/v1/prices", values, &answer)
	return answer, err
}
