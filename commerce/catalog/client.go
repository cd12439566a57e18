package catalog

import (
	"context"
	"net/url"
	"strconv"
	"strings"

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
	return &Client{remote.Dial("catalog", peer)}
}

// Product returns one product of any status, or a NotFound error.
func (c *Client) Product(ctx context.Context, sku commerce.SKU, lang string) (Product, error) {
	var p Product
	header, err := c.Get(ctx, "/v1/products/"+url.PathEscape(string(sku)), url.Values{"lang": {lang}}, &p)
	if err != nil {
		return Product{}, err
	}
	version, _, _ := strings.Cut(strings.Trim(header.Get("ETag"), `"`), "-")
	p.version, err = strconv.ParseInt(version, 10, 64)
	return p, err
}

// Products lists products a page at a time.
func (c *Client) Products(ctx context.Context, q ProductQuery) (page ProductPage, err error) {
	_, err = c.Get(ctx, "/v1/products", url.Values{
		"limit": {limit(q.Limit)}, "cursor": {q.Cursor}, "q": {q.Words}, "category": {q.Category}, "brand": {q.Brand},
		"gtin": {q.GTIN}, "status": {q.Status}, "lang": {q.Lang},
	}, &page)
	return page, err
}

// Categories lists categories a page at a time.
func (c *Client) Categories(ctx context.Context, q CategoryQuery) (page CategoryPage, err error) {
	_, err = c.Get(ctx, "/v1/categories", url.Values{
		"limit": {limit(q.Limit)}, "cursor": {q.Cursor}, "parent": {q.Parent}, "status": {q.Status}, "lang": {q.Lang},
	}, &page)
	return page, err
}

func limit(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}
