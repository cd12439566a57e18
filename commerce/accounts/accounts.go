// Package accounts is the service of the companies that buy and of their
// addresses: it takes them in by the batch, and lists them.
// Begin with [New].
package accounts

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
	Store store.Place // where its database accounts lies
	Clock func() time.Time
	Log   *slog.Logger

	Bus        commerce.Bus  // where its events go, nil: they are kept for those who pull
	KeepEvents time.Duration // for how long they can be read, a week where it is 0
}

// A Service owns the accounts and their addresses.
type Service struct {
	db     *store.DB
	clock  func() time.Time
	log    *slog.Logger
	outbox *outbox.Outbox
	engine *upsert.Engine
}

// New opens the service's database, creating what it lacks.
func New(ctx context.Context, cfg Config) (*Service, error) {
	db, err := cfg.Store.Open(ctx, "accounts", migrations)
	if err != nil {
		return nil, err
	}
	s := &Service{db: db, clock: cfg.Clock, log: cfg.Log}
	s.outbox = outbox.New(outbox.Config{
		DB: db, Service: "accounts", Clock: cfg.Clock, Log: cfg.Log, Bus: cfg.Bus, Keep: cfg.KeepEvents,
	})
	tables, err := tables()
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if s.engine, err = upsert.NewEngine(ctx, s.outbox, tables...); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Run relays events until ctx ends.
func (s *Service) Run(ctx context.Context) error { return s.outbox.Run(ctx) }

// Events returns events of the service after a position.
func (s *Service) Events(ctx context.Context, q commerce.EventQuery) (commerce.EventPage, error) {
	return s.outbox.Events(ctx, q)
}

// Metrics returns what is to be known of the events that are yet to leave.
func (s *Service) Metrics() prometheus.Collector { return s.outbox.Metrics() }

// Ping reports whether the database answers.
func (s *Service) Ping(ctx context.Context) error { return s.db.Read().PingContext(ctx) }

// Close closes the database.
func (s *Service) Close() error { return s.db.Close() }

func tables() ([]upsert.Table, error) {
	account, err := schemas.Default().Entity("account")
	if err != nil {
		return nil, err
	}
	address, err := schemas.Default().Entity("address")
	if err != nil {
		return nil, err
	}
	return []upsert.Table{
		{Entity: account, Judge: judgeAccounts(account)},
		{Entity: address, Judge: judgeAddresses(address)},
	}, nil
}
