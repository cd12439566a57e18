package servicetest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"crossdock/commerce"
	"crossdock/schemas"
)

// A Backend is what a service and its client both are.
type Backend interface {
	Apply(ctx context.Context, id schemas.BatchID, b *schemas.Batch) (schemas.Outcome, error)
	Plan(ctx context.Context, b *schemas.Batch) (schemas.Outcome, error)
	Diff(ctx context.Context, b *schemas.Batch) (schemas.Outcome, []schemas.Difference, error)
	Revert(ctx context.Context, id schemas.BatchID, r schemas.RevertRequest) (schemas.Reverted, error)
	Known(ctx context.Context, entity string, keys []string) ([]bool, error)
	Holders(ctx context.Context, entity, field string, values []string) ([]string, error)
	Reader
	commerce.Feed
}

// A Reader has rows to read.
type Reader interface {
	Rows(ctx context.Context, r schemas.RowsRequest, fn func(*schemas.Batch) error) (int64, error)
}

// A Case is a batch and what has to become of it.
type Case struct {
	Entity   string
	Lines    []string
	Selected []int32 // nil: all rows
	Want     string  // as Summary writes it
}

// Deliver plans and applies the batches, each twice, and compares what became
// of them.
func Deliver(t *testing.T, backend Backend, cases ...Case) {
	t.Helper()
	for i, c := range cases {
		b := Lines(t, c.Entity, c.Lines...)
		b.Selected = c.Selected
		planned, err := backend.Plan(t.Context(), b)
		if err != nil {
			t.Fatalf("batch %d: plan: %v", i, err)
		}
		compared, differences, err := backend.Diff(t.Context(), b)
		if err != nil {
			t.Fatalf("batch %d: diff: %v", i, err)
		}
		if !reflect.DeepEqual(compared, planned) || len(differences) != planned.Applied {
			t.Errorf("batch %d: %d differences and %+v, planned %+v", i, len(differences), compared, planned)
		}
		id := schemas.BatchID{Run: "run / one", Seq: int64(i + 1)}
		first, err := backend.Apply(t.Context(), id, b)
		if err != nil {
			t.Fatalf("batch %d: apply: %v", i, err)
		}
		again, err := backend.Apply(t.Context(), id, b)
		if err != nil {
			t.Fatalf("batch %d: repeat: %v", i, err)
		}
		if got := Summary(first); got != c.Want {
			t.Errorf("batch %d: %s, want %s", i, got, c.Want)
		}
		if !reflect.DeepEqual(planned, first) || !reflect.DeepEqual(again, first) {
			t.Errorf("batch %d: planned %+v, applied %+v, repeated %+v", i, planned, first, again)
		}
		told(t, backend, fmt.Sprintf("%s.%s.", b.Entity.Service, c.Entity), first)
	}
}

// told holds the newest events to naming as many keys as the batch has changed.
func told(t *testing.T, backend Backend, prefix string, outcome schemas.Outcome) {
	t.Helper()
	page, err := backend.Events(t.Context(), commerce.EventQuery{After: commerce.FromOldest, Types: []string{prefix + "*"}, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Events {
		declared(t, e)
	}
	keys, batch := map[string]int{}, ""
	for _, e := range slices.Backward(page.Events) {
		var data struct {
			Batch string
			Keys  []json.RawMessage
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatalf("event %+v: %v", e, err)
		}
		if batch = cmp.Or(batch, data.Batch); data.Batch != batch {
			break
		}
		keys[strings.TrimPrefix(e.Type, prefix)] += len(data.Keys)
	}
	if outcome.Applied > 0 && (keys["changed.v1"] != outcome.Created+outcome.Updated || keys["deleted.v1"] != outcome.Deleted) {
		t.Errorf("%d created, %d updated, %d deleted, and events tell of %v", outcome.Created, outcome.Updated, outcome.Deleted, keys)
	}
}

// declared holds an event to the schema of its type.
func declared(t *testing.T, e commerce.Event) {
	t.Helper()
	kind, err := schemas.EventTypeOf(e.Type)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(kind.Schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(e.Type, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(e.Type)
	if err != nil {
		t.Fatal(err)
	}
	data, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Data))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(data); err != nil {
		t.Errorf("event %s %s: %v", e.Type, e.Data, err)
	}
}

// Read returns the rows that a backend answers a request with, the header and
// then a line a row for each batch, and the sequence.
func Read(tb testing.TB, backend Reader, r schemas.RowsRequest) (lines []string, next int64) {
	tb.Helper()
	next, err := backend.Rows(tb.Context(), r, func(b *schemas.Batch) error {
		lines = append(lines, Text(b)...)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return lines, next
}

// Text writes a batch as the lines that Lines reads.
func Text(b *schemas.Batch) []string {
	names := make([]string, len(b.Columns))
	for i, c := range b.Columns {
		names[i] = c.Name
	}
	lines := []string{strings.Join(names, "|")}
	b.Each(func(row int) bool {
		cells := make([]string, len(names))
		for i := range cells {
			text, there := b.Text(i, row)
			switch {
			case b.IsAbsent(i, row):
				text = Absent
			case !there:
				text = Null
			}
			cells[i] = text
		}
		lines = append(lines, strings.Join(cells, "|"))
		return true
	})
	return lines
}
