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
}

// A Service owns the accounts and their addresses.
type Service struct {
	db     *store.DB
	clock  func() time.Time
	log    *slog.Logger
	engine *upsert.Engine
}

// New opens the service's database, creating what it lacks.
func New(ctx context.Context, cfg Config) (*Service, error) {
	db, err := cfg.Store.Open(ctx, "accounts", migrations)
	if err != nil {
		return nil, err
	}
	s := &Service{db: db, clock: cfg.Clock, log: cfg.Log}
	tables, err := tables()
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if s.engine, err = upsert.NewEngine(ctx, db, "accounts", cfg.Clock, tables...); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Run waits until ctx ends: the service has no work of its own yet.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

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
