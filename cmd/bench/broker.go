package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"crossdock/hub/broker"
	"crossdock/hub/broker/embedded"
	"crossdock/hub/broker/rabbit"
	"crossdock/internal/rabbitserver"
)

// benchAMQP names the RabbitMQ that the steps publish on.
const benchAMQP = "CROSSDOCK_BENCH_AMQP_URL"

const (
	publishFloor  = "floor: amqp091-go publishes events, confirms in windows of 256"
	published     = 50_000 // messages
	publishedEach = 500    // by one call, as an outbox does
	bodyBytes     = 512
)

// brokerSteps publish events of which each goes to the queue of one consumer.
func brokerSteps() []step {
	return []step{
		{name: publishFloor, floor: "amqp"},
		{name: "events published on RabbitMQ", floor: "rabbit", of: publishFloor, bar: 0.8},
		{name: "events relayed from an outbox to RabbitMQ", floor: "relay", of: publishFloor, bar: 0.5},
		{name: "events published in the data folder", floor: "embedded", of: publishFloor},
	}
}

// startServers sees to a PostgreSQL and to a RabbitMQ.
func startServers(ctx context.Context) (stop func() error, err error) {
	stopPostgres, err := startPostgres(ctx)
	if err != nil || os.Getenv(benchAMQP) != "" {
		return stopPostgres, err
	}
	server, err := rabbitserver.Start(ctx, rabbitserver.Config{})
	if errors.Is(err, rabbitserver.ErrNone) {
		fmt.Fprintln(os.Stderr, "bench: left out is what needs RabbitMQ: "+err.Error())
		return stopPostgres, nil
	}
	if err != nil {
		return nil, errors.Join(err, stopPostgres())
	}
	stop = func() error { return errors.Join(server.Stop(), stopPostgres()) }
	return stop, os.Setenv(benchAMQP, server.URL)
}

// benchConsumer is whose queue the events go to.
func benchConsumer() broker.Consumer {
	return broker.Consumer{Name: "bench", Keys: []string{"catalog.#"}}
}

func benchMessages() []broker.Message {
	list := make([]broker.Message, published)
	for i := range list {
		list[i] = broker.Message{
			ID: strconv.Itoa(i), Type: "catalog.product.changed.v1", Key: "catalog.product.changed.v1",
			ContentType: "application/cloudevents+json", Time: time.Now(), Body: make([]byte, bodyBytes),
		}
	}
	return list
}

// floorPublish publishes by the library alone, or by one of the drivers.
func floorPublish(ctx context.Context, kind, dir string) (rows int64, took time.Duration, err error) {
	var b broker.Broker
	if kind == "embedded" {
		data := filepath.Join(dir, "broker")
		if err := os.RemoveAll(data); err != nil {
			return 0, 0, err
		}
		b, err = embedded.Open(ctx, embedded.Config{Dir: data, Clock: time.Now, Log: slog.Default()})
	} else {
		if os.Getenv(benchAMQP) == "" {
			return 0, 0, errAbsent
		}
		b, err = rabbit.Open(ctx, rabbit.Config{URL: os.Getenv(benchAMQP), Clock: time.Now, Log: slog.Default()})
	}
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if _, err := b.Declare(ctx, benchConsumer()); err != nil {
		return 0, 0, err
	}
	messages := benchMessages()
	if kind == "amqp" {
		took, err = publishBare(messages)
	} else {
		took, err = publishWith(ctx, b, messages)
	}
	if kind != "embedded" {
		err = errors.Join(err, emptyQueue())
	}
	return published, took, err
}

func publishWith(ctx context.Context, b broker.Broker, messages []broker.Message) (time.Duration, error) {
	started := time.Now()
	for i := 0; i < len(messages); i += publishedEach {
		if err := b.Publish(ctx, broker.Events, messages[i:i+publishedEach]...); err != nil {
			return 0, err
		}
	}
	return time.Since(started), nil
}

// publishBare does what an example of the library does: a window of messages,
// then the wait for all of its confirms.
func publishBare(messages []broker.Message) (took time.Duration, err error) {
	conn, err := amqp.Dial(os.Getenv(benchAMQP))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	ch, err := conn.Channel()
	if err != nil {
		return 0, err
	}
	if err := ch.Confirm(false); err != nil {
		return 0, err
	}
	const window = 256
	started := time.Now()
	confirms := make([]*amqp.DeferredConfirmation, 0, window)
	for i := range messages {
		m := &messages[i]
		confirm, err := ch.PublishWithDeferredConfirm(string(broker.Events), m.Key, true, false, amqp.Publishing{
			MessageId: m.ID, Type: m.Type, ContentType: m.ContentType, Timestamp: m.Time, Body: m.Body, DeliveryMode: amqp.Persistent,
		})
		if err != nil {
			return 0, err
		}
		if confirms = append(confirms, confirm); len(confirms) < window && i < len(messages)-1 {
			continue
		}
		for _, c := range confirms {
			if !c.Wait() {
				return 0, errors.New("a message was refused")
			}
		}
		confirms = confirms[:0]
	}
	return time.Since(started), nil
}

func emptyQueue() error {
	conn, err := amqp.Dial(os.Getenv(benchAMQP))
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	_, err = ch.QueuePurge(broker.QueueOf(benchConsumer().Name), false)
	return err
}
