package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"crossdock/hub/broker"
	"crossdock/internal/rabbitserver/rabbittest"
)

// A transcript is what a process says, kept for those who ask later.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

// await waits until something that was said matches.
func (w *transcript) await(t *testing.T, pattern string) []string {
	t.Helper()
	wanted := regexp.MustCompile(pattern)
	tick, deadline := time.Tick(10*time.Millisecond), time.After(time.Minute)
	for {
		w.mu.Lock()
		text := w.text.String()
		w.mu.Unlock()
		if found := wanted.FindStringSubmatch(text); found != nil {
			return found
		}
		select {
		case <-tick:
		case <-deadline:
			t.Fatalf("nothing matches %s of what is said:\n%s", pattern, text)
		}
	}
}

// serveOn serves until the test ends, and returns the address and what is said.
func serveOn(t *testing.T, data string) (address string, said *transcript) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	said = &transcript{}
	done := make(chan error, 1)
	a := &app{
		stdout: io.Discard, stderr: said, clock: time.Now, log: slog.New(slog.NewTextHandler(said, nil)),
		settings: settings{Data: data, Listen: "127.0.0.1:0", AMQP: os.Getenv("CROSSDOCK_AMQP_URL"), EventDays: 1},
	}
	go func() { done <- a.serve(ctx) }() // ends by stop
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return said.await(t, `(http://127[0-9.:]+)`)[1], said
}

// Another system reads the rejected rows with a client of its own, after a time
// in which there was no broker and everything else went on.
func TestRejectedRowsRestOnRabbitMQ(t *testing.T) {
	proxy := rabbittest.NewProxy(t, rabbittest.URL(t))
	conn, err := amqp.Dial(rabbittest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDelete(broker.ErrorsQueue, false, false, false); err != nil {
		t.Fatal(err)
	}
	proxy.Refuse(true)
	t.Setenv("CROSSDOCK_AMQP_URL", proxy.URL)
	data := t.TempDir()
	code, _ := command(t, "--data", data, "run", "../../examples/first-light")
	if code != exitRejected {
		t.Fatalf("exit code %d, want %d: a broker that is not there stops no run", code, exitRejected)
	}
	code, list := command(t, "--data", data, "errors", "list", "--json")
	var want []struct {
		ID                                     int64
		Pipeline, Entity, Rule, Field, Message string
	}
	if err := json.Unmarshal([]byte(list), &want); err != nil || code != 0 || len(want) == 0 {
		t.Fatal(err, list)
	}
	address, said := serveOn(t, data)
	said.await(t, "RabbitMQ is not available")
	answer, err := http.Get(address + "/v1/products")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("served %v, %v", answer, err)
	}
	_ = answer.Body.Close()
	proxy.Refuse(false)
	said.await(t, "RabbitMQ is available again")
	keys := map[string]int{}
	ids := map[int64]bool{}
	wantKeys := map[string]int{}
	deliveries, err := ch.Consume(broker.ErrorsQueue, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range want {
		wantKeys[e.Pipeline+"."+e.Entity+"."+e.Rule]++
	}
	for len(ids) < len(want) {
		d := <-deliveries
		var r struct {
			ID   int64
			Also []struct{ ID int64 }
			Row  map[string]*string
		}
		if err := json.Unmarshal(d.Body, &r); err != nil {
			t.Fatal(err)
		}
		if len(r.Row) == 0 || d.MessageId == "" || d.DeliveryMode != amqp.Persistent || d.Exchange != string(broker.Errors) {
			t.Errorf("delivered %+v: %s", d, d.Body)
		}
		keys[d.RoutingKey]++
		ids[r.ID] = true
		for _, also := range r.Also {
			ids[also.ID] = true
		}
	}
	if diff := cmp.Diff(wantKeys, keys); diff != "" {
		t.Errorf("keys (-errors +messages)\n%s", diff)
	}
}
