package servicetest

import (
	"context"
	"reflect"
	"testing"

	"crossdock/schemas"
)

// A Backend is what a service and its client both are.
type Backend interface {
	Apply(ctx context.Context, id schemas.BatchID, b *schemas.Batch) (schemas.Outcome, error)
	Plan(ctx context.Context, b *schemas.Batch) (schemas.Outcome, error)
	Known(ctx context.Context, entity string, keys []string) ([]bool, error)
	Holders(ctx context.Context, entity, field string, values []string) ([]string, error)
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
	}
}
