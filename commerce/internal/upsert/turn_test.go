package upsert

import (
	"errors"
	"testing"

	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

func TestATurnThatIsOverIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		for i, tt := range []struct {
			turn schemas.Turn
			want error
		}{
			{schemas.Turn{Of: "acme", Number: 2}, nil},
			{schemas.Turn{Of: "acme", Number: 2}, nil},
			{schemas.Turn{Of: "acme", Number: 1}, schemas.ErrOvertaken},
			{schemas.Turn{Of: "other", Number: 1}, nil},
			{schemas.Turn{Of: "acme", Number: 3}, nil},
			{schemas.Turn{Of: "acme", Number: 2}, schemas.ErrOvertaken},
			{schemas.Turn{}, nil}, // who is alone needs none
		} {
			id := schemas.BatchID{Run: "r", Seq: int64(i + 1), Turn: tt.turn}
			b := servicetest.Lines(t, "product", "sku|name.en", "A|x")
			before, err := e.Sequence(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.Apply(t.Context(), id, b); !errors.Is(err, tt.want) {
				t.Errorf("Apply in turn %+v = %v, want %v", tt.turn, err, tt.want)
			}
			if _, err := e.Revert(t.Context(), id, schemas.RevertRequest{Entity: "product", Run: "r"}); tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("Revert in turn %+v = %v, want %v", tt.turn, err, tt.want)
			}
			after, err := e.Sequence(t.Context())
			if err != nil || tt.want != nil && after != before {
				t.Errorf("turn %+v: %v, or what was refused has written", tt.turn, err)
			}
		}
	})
}
