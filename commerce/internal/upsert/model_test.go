package upsert

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

// A model is what the engine promises, without a database: rows by key, each a
// map from column to text.
type model map[string]map[string]string

// apply does to the model what the engine has to do to the table, row by row,
// and returns applied, unchanged and rejected.
func (m model) apply(header []string, rows [][]string) (n [3]int) {
	const (
		applied = iota
		unchanged
		rejected
	)
	for _, cells := range rows {
		sent := map[string]string{}
		for i, name := range header {
			sent[name] = cells[i]
		}
		key := sent["sku"]
		old, there := m[key]
		switch {
		case key == null || key == absent:
			n[rejected]++
		case sent["deleted"] == "true" && there:
			delete(m, key)
			n[applied]++
		case sent["deleted"] == "true":
			n[unchanged]++
		default:
			row, ok := merged(old, sent)
			switch {
			case !ok:
				n[rejected]++
			case there && maps.Equal(old, row):
				n[unchanged]++
			default:
				m[key] = row
				n[applied]++
			}
		}
	}
	return n
}

// merged returns what a row becomes, and false where it lacks what is required.
func merged(old, sent map[string]string) (map[string]string, bool) {
	row := maps.Clone(old)
	if row == nil {
		row = map[string]string{"status": "active", "base_unit": "C62", "tax_class": "standard"}
	}
	for name, cell := range sent {
		switch {
		case name == "deleted" || cell == absent:
		case cell != null:
			row[name] = cell
		case name == "status":
			row[name] = "active"
		default:
			delete(row, name)
		}
	}
	named := row["name.de"] != "" || row["name.en"] != ""
	return row, named
}

// stored reads the table as the model has it.
func stored(t *testing.T, e *Engine) model {
	m := model{}
	names := []string{"sku", "status", "base_unit", "tax_class", "brand", "weight", "name", "attributes"}
	for _, line := range query(t, e, "SELECT "+strings.Join(names, ", ")+" FROM product") {
		got := map[string]string{}
		for i, cell := range strings.Split(line, "|") {
			switch name := names[i]; {
			case cell == null:
			case name == "weight":
				n, err := strconv.ParseInt(cell, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				got[name] = schemas.Decimal(n).String()
			case name == "name" || name == "attributes":
				var members map[string]string
				if err := json.Unmarshal([]byte(cell), &members); err != nil {
					t.Fatal(err)
				}
				for member, text := range members {
					got[name+"."+member] = text
				}
			default:
				got[name] = cell
			}
		}
		m[got["sku"]] = got
	}
	return m
}

// cells draws what a column may hold.
func cells(name string) *rapid.Generator[string] {
	values := map[string][]string{
		"sku":     {"A", "B", "C", "D", "E", "F", "G\"", "H'", "0017", null},
		"deleted": {"false", "false", "false", "true", null, absent},
		"status":  {"active", "inactive", null, absent},
		"weight":  {"1", "2.5", "0.000001", null, absent},
	}[name]
	if values == nil {
		values = []string{"x", "y", "ä\n\"", null, absent}
	}
	return rapid.SampledFrom(values)
}

func TestRandomBatchesLeaveWhatTheModelSays(t *testing.T) {
	storetest.Each(t, testRandomBatches)
}

// empty deletes the rows of tables, which is much faster than to make a database.
func empty(tb servicetest.TB, e *Engine, tables ...string) {
	tb.Helper()
	if err := e.db.Bulk(context.Background(), func(c *store.Conn) error {
		for _, name := range tables {
			if err := c.Run("DELETE FROM " + name); err != nil {
				return err
			}
		}
		return c.Run("UPDATE change_sequence SET value = 0")
	}); err != nil {
		tb.Fatal(err)
	}
}

func testRandomBatches(t *testing.T, place store.Place) {
	optional := []string{"name.de", "name.en", "brand", "weight", "status", "attributes.colour", "attributes.size", "deleted"}
	e := openEngineAt(t, place)
	rapid.Check(t, func(r *rapid.T) {
		empty(r, e, "product", "outbox", "applied_batch", "change", "pre_image", "tombstone")
		m := model{}
		for i := range rapid.IntRange(1, 6).Draw(r, "batches") {
			header := append([]string{"sku"}, rapid.SliceOfDistinct(rapid.SampledFrom(optional), rapid.ID).Draw(r, "columns")...)
			rows := make([][]string, rapid.IntRange(0, 20).Draw(r, "rows"))
			for j := range rows {
				for _, name := range header {
					rows[j] = append(rows[j], cells(name).Draw(r, name))
				}
			}
			// The way that rows take depends on what batches before have found.
			table := e.tables["product"]
			table.insertFirst = rapid.Bool().Draw(r, "insert first")
			table.unasked, table.readFirst = table.insertFirst, rapid.Bool().Draw(r, "read first")
			b := servicetest.Rows(r, "product", header, rows)
			want := m.apply(header, rows)
			id := schemas.BatchID{Run: "r", Seq: int64(i + 1)}
			got, err := e.Apply(t.Context(), id, b)
			if err != nil {
				r.Fatal(err)
			}
			if counts := [3]int{got.Applied, got.Unchanged, len(got.Rejected)}; counts != want {
				r.Fatalf("batch %d: applied, unchanged, rejected = %v, want %v (%v)", i, counts, want, got.Rejected)
			}
			if !slices.IsSortedFunc(got.Rejected, func(a, b schemas.Rejection) int { return a.Row - b.Row }) {
				r.Fatalf("rejections out of order: %v", got.Rejected)
			}
			if diff := cmp.Diff(m, stored(t, e)); diff != "" {
				r.Fatalf("after batch %d: %s", i, diff)
			}
			before := query(t, e, `SELECT (SELECT count(*) FROM outbox), (SELECT value FROM change_sequence)`)
			again, err := e.Apply(t.Context(), id, b)
			if diff := cmp.Diff(got, again); err != nil || diff != "" {
				r.Fatalf("repeat of batch %d: %v %s", i, err, diff)
			}
			if diff := cmp.Diff(m, stored(t, e)); diff != "" {
				r.Fatalf("the repeat of batch %d changed: %s", i, diff)
			}
			if diff := cmp.Diff(before, query(t, e, `SELECT (SELECT count(*) FROM outbox), (SELECT value FROM change_sequence)`)); diff != "" {
				r.Fatalf("the repeat of batch %d wrote: %s", i, diff)
			}
		}
	})
}
