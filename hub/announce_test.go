package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/hub"
	"crossdock/hub/broker"
	"crossdock/hub/journal"
)

// An inbox takes notices, but for as many times as it fails.
type inbox struct {
	fails int
	got   chan broker.Message
}

var errNoBroker = errors.New("there is no broker")

// Publish implements hub.Announcer.
func (i *inbox) Publish(_ context.Context, to broker.Exchange, messages ...broker.Message) error {
	if i.fails > 0 {
		i.fails--
		return errNoBroker
	}
	for _, m := range messages {
		if to == broker.Errors {
			i.got <- m
		}
	}
	return nil
}

// announce announces until the test ends.
func announce(t *testing.T, b *bench, to *inbox) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Announce(ctx, to) }() // ends by stop
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestRejectedRowsAreAnnounced(t *testing.T) {
	b := newBench(t, "A-1;Mutter;", "A-2;;", "A-3;Keil;4006381333932", "only;two", "A-4;Stift;", "A-5;Ring;4006381333931")
	b.shelf.refuse = "A-4"
	p := b.write(t, pipelineText)
	to := &inbox{fails: 1, got: make(chan broker.Message, 100)}
	announce(t, b, to)
	s, err := b.Run(t.Context(), p, hub.Options{})
	if err != nil {
		t.Fatal(err)
	}
	byKey, bodies := map[string]hub.Rejection{}, map[string][]byte{}
	for range s.Rejected {
		m := <-to.got
		var r hub.Rejection
		if err := json.Unmarshal(m.Body, &r); err != nil {
			t.Fatal(err)
		}
		byKey[m.Key], bodies[m.Key] = r, m.Body
		if m.Type != "crossdock.row.rejected.v1" || m.ID == "" || m.ContentType != "application/json" || m.Time.IsZero() {
			t.Errorf("message %+v", m)
		}
		if r.Run != s.Run || r.Pipeline != "acme" || r.Entity != "product" || r.Batch == 0 || r.At.IsZero() || r.Origin.Resource != "a.csv" {
			t.Errorf("%s: %+v", m.Key, r)
		}
	}
	var keys []string
	for key := range byKey {
		keys = append(keys, key)
	}
	if len(byKey) != int(s.Rejected) {
		t.Errorf("announced under %q, want %d keys", keys, s.Rejected)
	}
	ragged, ok := byKey["acme.product.ragged_row"]
	if !ok || ragged.Origin.Row != 5 || ragged.Batch != 2 || ragged.Message == "" {
		t.Errorf("ragged row: %+v (announced under %q)", ragged, keys)
	}
	// They have the words of the error queue.
	errs, err := b.Journal().Errors(t.Context(), journal.ErrorFilter{IDs: []int64{byKey["acme.product.gtin"].ID}})
	if err != nil || len(errs) != 1 {
		t.Fatal(err, errs)
	}
	queue, notice := asMap(t, errs[0]), asMap(t, json.RawMessage(bodies["acme.product.gtin"]))
	for _, more := range []string{"batch", "at"} {
		delete(notice, more)
	}
	if diff := cmp.Diff(queue, notice); diff != "" {
		t.Errorf("(-queue +notice)\n%s", diff)
	}
}

func asMap(t *testing.T, v any) (m map[string]any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSensitiveCellsAreNotAnnounced(t *testing.T) {
	b := newBench(t, "A-1;Secret;4006381333932")
	p := b.write(t, pipelineText+"sensitive: [Name]\n")
	to := &inbox{got: make(chan broker.Message, 100)}
	announce(t, b, to)
	if _, err := b.Run(t.Context(), p, hub.Options{}); err != nil {
		t.Fatal(err)
	}
	var r struct {
		Row map[string]string `json:"row"`
	}
	if m := <-to.got; json.Unmarshal(m.Body, &r) != nil || r.Row["Name"] != "***" || r.Row["Nr"] != "A-1" {
		t.Errorf("announced %s", m.Body)
	}
}
