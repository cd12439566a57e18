package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crossdock/hub/broker"
	"crossdock/hub/broker/brokertest"
	"crossdock/hub/broker/embedded"
)

// giveUp leaves two events of two consumers on the error queue of a data folder.
func giveUp(t *testing.T, data string) {
	t.Helper()
	b, err := embedded.Open(t.Context(), embedded.Config{Dir: data, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	for i, name := range []string{"search", "prices"} {
		c := broker.Consumer{Name: name, Keys: []string{"#"}}
		brokertest.Declare(t, b, c)
		if name == "search" {
			brokertest.Publish(t, b, brokertest.Messages("catalog.product.changed.v1", 1)...)
		} else {
			brokertest.Publish(t, b, brokertest.Messages("pricing.price.changed.v1", 2)[1])
		}
		r := brokertest.Consume(t, b, c, func(m broker.Message) error {
			if (m.ID == "1") == (name == "search") {
				return broker.Permanent("invalid", errors.New("no such unit"))
			}
			return nil
		})
		r.Next(1)
		brokertest.AwaitQueue(t, b, broker.DeadQueue, func(q broker.Queue) bool { return q.Messages == i+1 })
		r.Stop()
	}
}

func TestFailedEventsAreListedRedeliveredAndDiscarded(t *testing.T) {
	data := t.TempDir()
	giveUp(t, data)
	for _, step := range []struct {
		args string
		code int
		want string
	}{
		{"", 0, "2026-03-01 12:00:00Z  1  catalog.product.changed.v1  search: invalid after 1 attempts: no such unit\n" +
			"2026-03-01 12:00:00Z  2  pricing.price.changed.v1  prices: invalid after 1 attempts: no such unit\n2 on the error queue\n"},
		{"--consumer nobody --discard", 0, "0 discarded\n"},
		{"--id 2 --discard", 0, "2026-03-01 12:00:00Z  2  pricing.price.changed.v1  prices: invalid after 1 attempts: no such unit\n1 discarded\n"},
		{"--redeliver --discard", exitUsage, "crossdock: --redeliver and --discard cannot both be\n"},
		{"--consumer search --redeliver", 0, "2026-03-01 12:00:00Z  1  catalog.product.changed.v1  search: invalid after 1 attempts: no such unit\n1 redelivered\n"},
		{"", 0, "0 on the error queue\n"},
	} {
		code, got := command(t, append([]string{"--data", data, "events", "failed"}, strings.Fields(step.args)...)...)
		if diff := cmp.Diff(step.want, got); diff != "" || code != step.code {
			t.Errorf("events failed %s: exit code %d\n%s", step.args, code, diff)
		}
	}
	_, got := command(t, "--data", data, "--json", "events", "failed")
	var list []failedEvent
	if err := json.Unmarshal([]byte(got), &list); err != nil || list == nil || len(list) > 0 {
		t.Errorf("printed %s, %v; want an empty list", got, err)
	}
}
