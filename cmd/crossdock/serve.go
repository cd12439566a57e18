package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"crossdock/commerce"
	"crossdock/hub"
	"crossdock/hub/api"
	"crossdock/internal/web"
	"crossdock/schemas"
)

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve [NAME...]", Short: "Serve the commerce services and uploads over HTTP", Long: serveHelp,
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := a.settings.Split.take(names); err != nil {
				return err
			}
			return a.serve(cmd.Context())
		},
	}
	cmd.Flags().String("listen", "", "address to serve on (default 127.0.0.1:8080; CROSSDOCK_LISTEN)")
	cmd.Flags().String("pipelines", "", "folder of the pipelines that uploads may name, beside those that were run before (CROSSDOCK_PIPELINES)")
	return cmd
}

// serve runs everything, or the parts that the process is to take, until ctx ends.
func (a *app) serve(ctx context.Context) error {
	if folder := a.settings.Pipelines; folder != "" {
		if _, err := hub.PipelineFiles([]string{folder}); err != nil {
			return usagef("--pipelines: %s", err)
		}
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			return usagef("--pipelines: %s is not a folder", folder)
		}
	}
	// The address first: nothing else shall happen where it is taken.
	listener, err := listen(ctx, a.settings.Listen)
	if err != nil {
		return err
	}
	serve := a.serveParts
	if a.settings.Split.taken[gatewayPart] {
		serve = a.serveGateway
	}
	return within(ctx, stopLimit, func() error { return serve(ctx, listener) })
}

func (a *app) serveParts(ctx context.Context, listener net.Listener) (err error) {
	stopTracing, err := a.startTracing(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer stopTracing()
	carrier, err := a.openBroker(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, carrier.Close()) }()
	carried := newBus(carrier)
	a.bus = carried
	s, err := a.open(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	carried.kept = s.feed
	defer func() { err = errors.Join(err, s.close()) }()
	if err := a.loadable(s.hub); err != nil {
		return errors.Join(err, listener.Close())
	}
	s.stopping = ctx.Done()
	handler := a.handler(s)
	a.greet(listener.Addr().String())
	// Whichever ends first ends all; each returns once ctx ends.
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return web.Serve(ctx, listener, handler, a.settings.Split.DrainDelay) })
	group.Go(func() error { return a.debug(ctx) })
	if s.hub != nil {
		group.Go(func() error { return s.hub.Work(ctx) })
		group.Go(func() error { return a.announce(ctx, s.hub, carrier) })
	}
	for _, one := range s.services {
		group.Go(func() error { return one.Run(ctx) })
	}
	return group.Wait()
}

// loadable refuses to serve over pipelines that an upload could not be run by:
// now someone is there to mend them.
func (a *app) loadable(h *hub.Hub) error {
	if h == nil || a.settings.Pipelines == "" {
		return nil
	}
	_, err := a.load(h, []string{a.settings.Pipelines})
	return err
}

// handler puts the operations of all parts on one mux and into one document.
func (a *app) handler(s *system) http.Handler {
	mux := http.NewServeMux()
	doc := web.NewAPI(mux, web.Info{Title: "Crossdock", Version: version(), Suggest: schemas.DidYouMean})
	doc.OpenAPI().Info.Description = "Catalogue, prices and stock for B2B buyers; uploads of supplier files and what became of their rows."
	metrics := web.NewMetrics()
	for _, one := range s.services {
		one.Register(doc)
		metrics.Registry.MustRegister(one.Metrics())
	}
	a.observe(s, metrics.Registry)
	s.feed.Register(doc)
	if s.hub != nil {
		api.Register(doc, api.Config{Hub: s.hub, Log: a.log})
	}
	a.mountInternal(mux, s)
	mux.Handle("GET /metrics", metrics.Handler())
	mux.HandleFunc("GET /asyncapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(schemas.AsyncAPI(version())) // whoever does not read it is gone
	})
	web.Health(mux, s.ready)
	return web.Wrap(mux, web.Options{Log: a.log, Clock: a.clock, Metrics: metrics, Tracer: a.tracer, Carry: commerce.WithTrace})
}

// listen opens the address to serve on. Where another process has it the error
// says what to do.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("address %s is in use by another process: stop that one, or choose another address with --listen", address)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot serve on %s (--listen): %w", address, err)
	}
	return listener, nil
}
