package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"crossdock/commerce"
	"crossdock/commerce/accounts"
	"crossdock/commerce/catalog"
	"crossdock/commerce/feed"
	"crossdock/commerce/inventory"
	"crossdock/commerce/pricing"
	"crossdock/connectors/all"
	"crossdock/hub"
	"crossdock/internal/store"
	"crossdock/internal/store/installation"
	"crossdock/schemas"
)

// A service is what this command needs of each of them: a target for the hub,
// operations for buyers, and work in the background.
type service interface {
	hub.Target
	commerce.Feed
	Register(api huma.API)
	Metrics() prometheus.Collector
	Internal(mux *http.ServeMux)
	Ping(ctx context.Context) error
	Run(ctx context.Context) error
	Close() error
}

// A common is what services have in common.
type common struct {
	place store.Place
	clock func() time.Time
	log   *slog.Logger
	bus   commerce.Bus // may be nil
	keep  time.Duration
}

// A part is a service that can be opened.
type part struct {
	name string
	open func(ctx context.Context, c common) (service, error)
}

// parts is the table of the services.
func parts() []part {
	return []part{
		{"catalog", func(ctx context.Context, c common) (service, error) {
			return catalog.New(ctx, catalog.Config{Store: c.place, Clock: c.clock, Log: c.log, Bus: c.bus, KeepEvents: c.keep})
		}},
		{"pricing", func(ctx context.Context, c common) (service, error) {
			return pricing.New(ctx, pricing.Config{Store: c.place, Clock: c.clock, Log: c.log, Bus: c.bus, KeepEvents: c.keep})
		}},
		{"inventory", func(ctx context.Context, c common) (service, error) {
			return inventory.New(ctx, inventory.Config{Store: c.place, Clock: c.clock, Log: c.log, Bus: c.bus, KeepEvents: c.keep})
		}},
		{"accounts", func(ctx context.Context, c common) (service, error) {
			return accounts.New(ctx, accounts.Config{Store: c.place, Clock: c.clock, Log: c.log, Bus: c.bus, KeepEvents: c.keep})
		}},
	}
}

// A system is the hub and the services, open and introduced to each other.
type system struct {
	hub      *hub.Hub  // nil where it runs elsewhere
	services []service // those of this process, in the order of parts
	feed     feed.Feed // of all services
	stopping <-chan struct{}
	entry    *installation.Entry
}

// open opens the services and the hub over them, as far as they run here, and
// has the hub call the others.
func (a *app) open(ctx context.Context) (_ *system, err error) {
	s := &system{feed: feed.Feed{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	targets := map[string]hub.Target{}
	place := a.place()
	if s.entry, err = installation.Enter(ctx, place); err != nil {
		return nil, err
	}
	c := common{
		place: place, clock: a.clock, log: a.log,
		bus: a.traced(a.bus), keep: time.Duration(a.settings.EventDays) * 24 * time.Hour,
	}
	for _, p := range parts() {
		if !a.settings.Split.here(p.name) {
			if a.settings.Split.here("hub") {
				far := a.dial(p.name)
				targets[p.name], s.feed[p.name] = tracedTarget{far}, far
			}
			continue
		}
		one, err := p.open(ctx, c)
		if err != nil {
			return nil, err
		}
		s.services = append(s.services, one)
		targets[p.name], s.feed[p.name] = tracedTarget{one}, one
	}
	if a.settings.Split.here("hub") {
		s.hub, err = a.openHub(ctx, targets)
	}
	return s, err
}

func (a *app) place() store.Place {
	return store.Place{Dir: a.settings.Data, URL: a.settings.Database}
}

func (a *app) openHub(ctx context.Context, targets map[string]hub.Target) (*hub.Hub, error) {
	return hub.Open(ctx, hub.Config{
		Dir: a.settings.Data, Store: a.place(), Registry: schemas.Default(), Types: all.Types(), Formats: all.Formats(), Targets: targets,
		Clock: a.clock, Log: a.log, Tracer: a.tracer, PipelineDir: a.settings.Pipelines,
	})
}

// close closes all in the reverse order of opening.
func (s *system) close() error {
	var errs []error
	if s.hub != nil {
		errs = append(errs, s.hub.Close())
	}
	for _, one := range slices.Backward(s.services) {
		errs = append(errs, one.Close())
	}
	if s.entry != nil {
		errs = append(errs, s.entry.Leave())
	}
	return errors.Join(errs...)
}

// withHub opens all, runs fn, and closes all.
func (a *app) withHub(ctx context.Context, fn func(context.Context, *hub.Hub) error) error {
	if err := a.settings.Split.checkToken(); err != nil {
		return err
	}
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	return first(fn(ctx, s.hub), s.close())
}

// withJournal opens the hub alone, for commands that touch no service.
func (a *app) withJournal(ctx context.Context, fn func(context.Context, *hub.Hub) error) error {
	entry, err := installation.Enter(ctx, a.place())
	if err != nil {
		return err
	}
	h, err := a.openHub(ctx, nil)
	if err != nil {
		return errors.Join(err, entry.Leave())
	}
	return first(fn(ctx, h), errors.Join(h.Close(), entry.Leave()))
}

// first returns the error of the work, or that of closing where there is one:
// that rows were rejected must not hide that something was not written.
func first(work, closing error) error {
	if closing == nil {
		return work
	}
	if errors.Is(work, errRejected) {
		return closing
	}
	return errors.Join(work, closing)
}
