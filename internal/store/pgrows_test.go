package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
)

// addBox adds a box as the type of its rows has it: id, label, weight, colour.
func addBox(r *store.Records, label string, weight int64, colour any) {
	r.Begin()
	r.Column(0)
	r.AddRaw(nil)
	r.Column(1)
	r.AddText(label)
	r.Column(2)
	r.AddNumber(weight)
	r.Column(3)
	r.Add(colour)
	r.End()
}

func TestRowsAreOneArgument(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		db := open(t, place, boxes(2))
		if !db.Postgres() {
			t.Skip("SQLite takes no arrays")
		}
		if err := db.Bulk(t.Context(), func(c *store.Conn) error { return insert(c, "a", "bb", "c", "d") }); err != nil {
			t.Fatal(err)
		}
		boxes, err := db.RowType(t.Context(), "box")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"id", "label", "weight", "colour"}, boxes.Columns); diff != "" {
			t.Fatal(diff)
		}
		records := boxes.NewRecords(0)
		addBox(records, "a", 11, "blue")
		second := records.Len()
		addBox(records, "bb", 12, "")
		addBox(records, "undone", 13, nil)
		records.Undo()
		addBox(records, "c", 14, nil)
		third := records.Len()
		addBox(records, "d", 100, "too heavy")
		// Its name tells it from the type box that PostgreSQL has itself.
		update := `UPDATE box t SET weight = s.weight, colour = s.colour || $2 FROM unnest($1::` + boxes.Name + `) AS s WHERE t.label = s.label`
		err = db.Bulk(t.Context(), func(c *store.Conn) error {
			if n, err := c.Change(update, records.Array(second, third, 2), "!"); n != 2 || err != nil {
				t.Errorf("changed %d, %v; want 2", n, err)
			}
			_, err := c.Change(update, records.Array(0, records.Len(), 4), "!")
			if message, ok := store.BrokenConstraint(err); !ok || message != "CHECK constraint failed: light" {
				t.Errorf("broken constraint: %q, %v", message, err)
			}
			return nil // the transaction goes on
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := store.Collect(t.Context(), db.Read(), text, `SELECT label || ' ' || weight || ' ' || coalesce(colour, 'none') FROM box ORDER BY label`)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"a 1 none", "bb 12 !", "c 14 none", "d 1 none"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestATableThatIsNotThereHasNoRowType(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		db := open(t, place, boxes(1))
		if !db.Postgres() {
			t.Skip("SQLite has no types of rows")
		}
		if _, err := db.RowType(t.Context(), "bin"); err == nil {
			t.Error("a table bin is found")
		}
	})
}

func TestRecordsTellWhatTheyHold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		db := open(t, place, boxes(1))
		if !db.Postgres() {
			t.Skip("SQLite has no types of rows")
		}
		boxes, err := db.RowType(t.Context(), "box")
		if err != nil {
			t.Fatal(err)
		}
		records := boxes.NewRecords(0)
		records.Begin()
		for place, want := range []any{"text", "", nil} {
			at := records.Column(place)
			records.Add(want)
			value := records.Value(at)
			if s, isText := want.(string); isText != (value != nil) || string(value) != s {
				t.Errorf("added %#v, holds %#v", want, value)
			}
		}
	})
}
