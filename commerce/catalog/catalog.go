// Package catalog is the service of products and categories: it takes them in
// by the batch, finds them by filters and by words, and shows them in the
// reader's language.
//
//	Apply ──> product ──(unindexed)──> product_facet   category, brand, gtin
//	                          └──────> product_search  words, by prefix
//
// Imports write the products alone; Run brings the two indexes after them, a
// little at a time, so that an import costs no more for being searchable.
// Begin with [New].
package catalog

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crossdock/commerce"
	"crossdock/commerce/internal/outbox"
	"crossdock/commerce/internal/upsert"
	"crossdock/internal/store"
	"crossdock/schemas"
)

//go:embed migrations/*.sql migrations/postgres/*.sql
var migrations embed.FS

// Config is what a service is made of.
type Config struct {
	Store store.Place // where its database catalog lies
	Clock func() time.Time
	Log   *slog.Logger

	Bus        commerce.Bus  // where its events go, nil: they are kept for those who pull
	KeepEvents time.Duration // for how long they can be read, a week where it is 0
}

// A Service owns the products and categories.
type Service struct {
	db     *store.DB
	clock  func() time.Time
	log    *slog.Logger
	outbox *outbox.Outbox
	engine *upsert.Engine

	wake chan struct{} // this process has applied something
}

// New opens the service's database, creating what it lacks.
func New(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Store.URL == "" {
		if err := store.CheckFTS5(ctx); err != nil {
			return nil, err
		}
	}
	db, err := cfg.Store.Open(ctx, "catalog", migrations)
	if err != nil {
		return nil, err
	}
	s := &Service{db: db, clock: cfg.Clock, log: cfg.Log, wake: make(chan struct{}, 1)}
	s.outbox = outbox.New(outbox.Config{
		DB: db, Service: "catalog", Clock: cfg.Clock, Log: cfg.Log, Bus: cfg.Bus, Keep: cfg.KeepEvents,
	})
	tables, err := s.tables()
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if s.engine, err = upsert.NewEngine(ctx, s.outbox, tables...); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Events returns events of the service after a position.
func (s *Service) Events(ctx context.Context, q commerce.EventQuery) (commerce.EventPage, error) {
	return s.outbox.Events(ctx, q)
}

// Metrics returns what is to be known of the events that are yet to leave.
func (s *Service) Metrics() prometheus.Collector { return s.outbox.Metrics() }

// Ping reports whether the database answers.
func (s *Service) Ping(ctx context.Context) error { return s.db.Read().PingContext(ctx) }

// Close closes the database. What is not indexed yet will be after the next start.
func (s *Service) Close() error { return s.db.Close() }

func (s *Service) tables() ([]upsert.Table, error) {
	category, err := schemas.Default().Entity("category")
	if err != nil {
		return nil, err
	}
	product, err := schemas.Default().Entity("product")
	if err != nil {
		return nil, err
	}
	attribute, err := schemas.Default().Entity("category_attribute")
	if err != nil {
		return nil, err
	}
	supplier, err := schemas.Default().Entity("supplier")
	if err != nil {
		return nil, err
	}
	return []upsert.Table{
		{Entity: supplier},
		{Entity: attribute},
		{Entity: category, Judge: judgeCategories(category), Ordered: true},
		{Entity: product, Changed: noteUnindexed},
	}, nil
}
