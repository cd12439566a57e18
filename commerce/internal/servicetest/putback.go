package servicetest

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"crossdock/schemas"
)

// PutBack applies new rows, all of which have the first one's value in the
// field, has them found by it, and puts their run back: the rows of before are
// there again.
func PutBack(t *testing.T, backend Backend, entity, field string, lines ...string) {
	t.Helper()
	request := schemas.RowsRequest{Entity: entity}
	before, _ := Read(t, backend, request)
	b := Lines(t, entity, lines...)
	applied, err := backend.Apply(t.Context(), schemas.BatchID{Run: "forth / 1", Seq: 1}, b)
	if err != nil || applied.Created != len(lines)-1 {
		t.Fatalf("apply: %+v, %v", applied, err)
	}
	value, _ := b.Text(b.Index(field), 0)
	holders, err := backend.Holders(t.Context(), entity, field, []string{"none", value})
	if err != nil || !slices.Equal(holders, []string{"", b.KeyText(0)}) {
		t.Errorf("holders of %s %s: %q, %v; want %s", field, value, holders, err, b.KeyText(0))
	}
	revert := schemas.RevertRequest{Entity: entity, Run: "forth / 1", DryRun: true}
	if tried, err := backend.Revert(t.Context(), schemas.BatchID{}, revert); err != nil || tried.Deleted != applied.Created {
		t.Errorf("to try: %+v, %v; want %d rows deleted", tried, err, applied.Created)
	}
	revert.DryRun = false
	deleted := 0
	for id := (schemas.BatchID{Run: "back / 1", Seq: 1}); ; id.Seq++ {
		step, err := backend.Revert(t.Context(), id, revert)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := backend.Revert(t.Context(), id, revert); err != nil || !reflect.DeepEqual(again, step) {
			t.Errorf("a step once more: %+v, %v; want %+v", again, err, step)
		}
		deleted += step.Deleted
		if revert.From = step.Next; revert.From == "" {
			break
		}
	}
	if deleted != applied.Created {
		t.Errorf("%d rows deleted, want %d", deleted, applied.Created)
	}
	if after, _ := Read(t, backend, request); !slices.Equal(after, before) {
		t.Errorf("rows %q, want %q", after, before)
	}
	if _, err := backend.Revert(t.Context(), schemas.BatchID{Run: "back / 2", Seq: 1}, schemas.RevertRequest{Entity: entity, Run: "never was"}); !errors.Is(err, schemas.ErrHistoryGone) {
		t.Errorf("a run that is not known: %v", err)
	}
}
