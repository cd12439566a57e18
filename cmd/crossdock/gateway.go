package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"crossdock/internal/gateway"
	"crossdock/internal/web"
)

const (
	maxUploadBody = 2<<30 + 1<<20 // the largest upload, and the form around it
	// exportTimeout is how long a file may be written before its first byte is sent.
	exportTimeout = 10 * time.Minute
)

// upstreams is the table of what the gateway routes where. The hub has what no
// service has.
func upstreams(addresses map[string]string) []gateway.Upstream {
	return []gateway.Upstream{
		{Name: "catalog", URL: addresses["catalog"], Paths: []string{"/v1/products", "/v1/categories"}, Cache: true},
		{Name: "pricing", URL: addresses["pricing"], Paths: []string{"/v1/prices"}},
		{Name: "inventory", URL: addresses["inventory"], Paths: []string{"/v1/availability"}},
		{Name: "accounts", URL: addresses["accounts"], Paths: []string{"/v1/accounts"}},
		{Name: "hub", URL: addresses["hub"], Paths: []string{"/v1/", "/asyncapi.json"}, MaxBody: maxUploadBody, Timeout: exportTimeout},
	}
}

// serveGateway serves the one address before all parts until ctx ends.
func (a *app) serveGateway(ctx context.Context, listener net.Listener) error {
	stopTracing, err := a.startTracing(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer stopTracing()
	front, err := gateway.New(gateway.Config{
		Upstreams: upstreams(a.settings.Split.Services), Token: a.settings.Split.GatewayToken, Clock: a.clock, Log: a.log,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	mux := http.NewServeMux()
	metrics := web.NewMetrics()
	a.observe(&system{}, metrics.Registry)
	mux.Handle("GET /metrics", metrics.Handler())
	mux.Handle("GET /openapi.json", front.Document(map[string]any{
		"title": "Crossdock", "version": version(),
		"description": "Catalogue, prices and stock for B2B buyers; uploads of supplier files and what became of their rows.",
	}))
	web.Health(mux, func(context.Context) error {
		if ctx.Err() != nil {
			return errors.New("it is stopping")
		}
		return nil
	})
	mux.Handle("/", front)
	handler := web.Wrap(mux, web.Options{Log: a.log, Clock: a.clock, Metrics: metrics, Tracer: a.tracer})
	a.greet(listener.Addr().String())
	if a.settings.Split.GatewayToken == "" {
		a.log.Warn("the gateway lets everyone in: set CROSSDOCK_GATEWAY_TOKEN to ask for a token")
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return web.Serve(ctx, listener, handler, a.settings.Split.DrainDelay) })
	group.Go(func() error { return a.debug(ctx) })
	return group.Wait()
}
