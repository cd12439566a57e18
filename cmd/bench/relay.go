package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"crossdock/commerce"
	"crossdock/commerce/catalog"
	"crossdock/hub/broker"
	"crossdock/hub/broker/rabbit"
	"crossdock/internal/store"
)

// floorRelay has a service publish the events that lie in its outbox, from the
// tables to the confirms.
func floorRelay(ctx context.Context, dir string) (rows int64, took time.Duration, err error) {
	if os.Getenv(benchAMQP) == "" {
		return 0, 0, errAbsent
	}
	data := filepath.Join(dir, "relay")
	if err := os.RemoveAll(data); err != nil {
		return 0, 0, err
	}
	b, err := rabbit.Open(ctx, rabbit.Config{URL: os.Getenv(benchAMQP), Clock: time.Now, Log: slog.Default()})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if _, err := b.Declare(ctx, benchConsumer()); err != nil {
		return 0, 0, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	to := &relayed{broker: b, left: published, all: stop}
	service, err := catalog.New(ctx, catalog.Config{Store: store.Place{Dir: data}, Clock: time.Now, Log: slog.Default(), Bus: to})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, service.Close()) }()
	if err := fillOutbox(ctx, filepath.Join(data, "catalog.db")); err != nil {
		return 0, 0, err
	}
	started := time.Now()
	if err := service.Run(ctx); err != nil {
		return 0, 0, err
	}
	return published, to.at.Sub(started), emptyQueue()
}

// fillOutbox writes events that are as large as the messages of the floor.
func fillOutbox(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite3", "file:"+path)
	if err != nil {
		return err
	}
	defer db.Close()
	head, err := json.Marshal(commerce.Event{
		ID: "bench-00000", Source: "/catalog", Type: "catalog.product.changed.v1", Time: time.Now(), Data: json.RawMessage(`{"batch":"bench/1","keys":[""]}`),
	})
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `
		WITH RECURSIVE one (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM one WHERE i + 1 < ?1)
		INSERT INTO outbox (created_at, id, type, subject, trace, data)
		SELECT ?2, 'bench-' || i, 'catalog.product.changed.v1', '', '', json_object('batch', 'bench/1', 'keys', json_array(?3)) FROM one`,
		published, time.Now().UnixMicro(), strings.Repeat("x", bodyBytes-len(head)))
	return err
}

// relayed is the bus of a server, which stops when all is published.
type relayed struct {
	commerce.Bus // there is no subscribing

	broker broker.Broker
	left   int
	all    func()
	at     time.Time
}

// Publish implements commerce.Bus.
func (r *relayed) Publish(ctx context.Context, events []commerce.Event) error {
	messages := make([]broker.Message, len(events))
	for i := range events {
		e := &events[i]
		body, err := json.Marshal(e)
		if err != nil {
			return err
		}
		messages[i] = broker.Message{ID: e.ID, Type: e.Type, Key: e.Type, ContentType: "application/cloudevents+json", Time: e.Time, Body: body}
	}
	if err := r.broker.Publish(ctx, broker.Events, messages...); err != nil {
		return err
	}
	if r.left -= len(events); r.left <= 0 {
		r.at = time.Now()
		r.all()
	}
	return nil
}
