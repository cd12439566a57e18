package accounts

import (
	"context"
	"net/url"
	"strconv"

	"crossdock/commerce"
	"crossdock/commerce/internal/remote"
)

// A Client is a Service in another process.
type Client struct {
	*remote.Caller // Apply, Plan, Rows, Known, Holders and Events
}

// Dial returns the client of the service at a peer, which serves its Internal
// beside its operations. It connects when it is used.
func Dial(peer commerce.Peer) *Client {
	return &Client{remote.Dial("accounts", peer)}
}

// Account returns one account with its addresses, or a NotFound error.
func (c *Client) Account(ctx context.Context, code string) (a Account, err error) {
	_, err = c.Get(ctx, "/v1/accounts/"+url.PathEscape(code), nil, &a)
	return a, err
}

// Accounts lists accounts a page at a time.
func (c *Client) Accounts(ctx context.Context, q AccountQuery) (page AccountPage, err error) {
	values := url.Values{"cursor": {q.Cursor}, "status": {q.Status}, "tag": {q.Tag}}
	if q.Limit > 0 {
		values.Set("limit", strconv.Itoa(q.Limit))
	}
	_, err = c.Get(ctx, "/v1/accounts", values, &page)
	return page, err
}
