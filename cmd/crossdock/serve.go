package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"crossdock/hub/api"
	"crossdock/internal/web"
)

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve the commerce services and uploads over HTTP",
		Args: arguments(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context()) },
	}
	cmd.Flags().String("listen", "", "address to serve on (default 127.0.0.1:8080; CROSSDOCK_LISTEN)")
	cmd.Flags().String("pipelines", "", "folder of the pipelines that uploads may name, beside those that were run before (CROSSDOCK_PIPELINES)")
	return cmd
}

// serve runs everything in one process until ctx ends.
func (a *app) serve(ctx context.Context) (err error) {
	// The address first: nothing else shall happen where it is taken.
	listener, err := web.Listen(ctx, a.settings.Listen)
	if err != nil {
		return err
	}
	s, err := a.open(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, s.close()) }()
	handler := a.handler(s)
	fmt.Fprintf(a.stderr, "crossdock %s serves http://%s (data in %s); stop it with Ctrl-C\n", version(), listener.Addr(), a.settings.Data)
	// Whichever ends first ends all; each returns once ctx ends.
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return web.Serve(ctx, listener, handler, a.log) })
	group.Go(func() error { return s.hub.Work(ctx) })
	for _, one := range s.services {
		group.Go(func() error { return one.Run(ctx) })
	}
	return group.Wait()
}

// handler puts the operations of all parts on one mux and into one document.
func (a *app) handler(s *system) http.Handler {
	mux := http.NewServeMux()
	doc := web.NewAPI(mux, "Crossdock", version(),
		"Catalogue, prices and stock for B2B buyers; uploads of supplier files and what became of their rows.")
	for _, one := range s.services {
		if r, ok := one.(interface{ Register(api huma.API) }); ok {
			r.Register(doc)
		}
	}
	api.Register(doc, api.Config{Hub: s.hub, Log: a.log})
	monitor := web.NewMonitor()
	monitor.Ready("journal", func(ctx context.Context) error { return s.hub.Journal().Ping(ctx) })
	monitor.Mount(mux)
	return web.Handler(monitor.Count(mux), a.log)
}
