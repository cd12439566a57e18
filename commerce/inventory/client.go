package inventory

import (
	"context"
	"net/url"

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
	return &Client{remote.Dial("inventory", peer)}
}

// Availability answers how much of each product lies in the active warehouses.
func (c *Client) Availability(ctx context.Context, q AvailabilityQuery) (answer AvailabilityAnswer, err error) {
	values := url.Values{"warehouse": {q.Warehouse}}
	for _, sku := range q.SKUs {
		values.Add("sku", string(sku))
	}
	_, err = c.Get(ctx, "/v1/availability", values, &answer)
	return answer, err
}
