package accounts

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"crossdock/commerce"
	"crossdock/commerce/internal/remote"
)

// A Client is a Service in another process.
type Client struct {
	*remote.Caller // Apply, Plan, Rows, Known and Holders
	api            *remote.Caller
}

// Dial returns the client of the service whose Internal and Handler are served
// at the addresses given, such as http://127.0.0.1:8081.
func Dial(internal, api string, client *http.Client) *Client {
	return &Client{Caller: remote.Dial(internal, client), api: remote.Dial(api, client)}
}

// Account returns one account with its addresses, or a NotFound error.
func (c *Client) Account(ctx context.Context, code string) (a Account, err error) {
	_, err = c.api.Get(ctx, "/v1/accounts/"+url.PathEscape(code), nil, &a)
	return a, err
}

// Accounts lists accounts a page at a time.
func (c *Client) Accounts(ctx context.Context, q AccountQuery) (page AccountPage, err error) {
	values := url.Values{"cursor": {q.Cursor}, "status": {q.Status}, "tag": {q.Tag}}
	if q.Limit > 0 {
		values.Set("limit", strconv.Itoa(q.Limit))
	}
	_, err = c.api.Get(ctx, "/v1/accounts", values, &page)
	return page, err
}

// Events returns events of the service after a position.
func (c *Client) Events(ctx context.Context, q commerce.EventQuery) (commerce.EventPage, error) {
	return c.api.Events(ctx, "accounts", q)
}
