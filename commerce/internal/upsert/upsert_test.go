package upsert

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crossdock/commerce/internal/outbox"
	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

const (
	null   = servicetest.Null
	absent = servicetest.Absent
)

func TestMain(m *testing.M) { os.Exit(storetest.With(m).Run()) }

func openEngineAt(tb testing.TB, place store.Place, tables ...Table) *Engine {
	tb.Helper()
	db, err := place.Open(tb.Context(), "test", os.DirFS("testdata"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	if tables == nil {
		tables = []Table{{Entity: entity(tb, "product")}, {Entity: entity(tb, "price")}, {Entity: entity(tb, "category")}}
	}
	clock := func() time.Time { return time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC) }
	e, err := NewEngine(tb.Context(), outbox.New(outbox.Config{DB: db, Service: "shop", Clock: clock}), tables...)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func entity(tb testing.TB, name string) *schemas.Entity {
	tb.Helper()
	e, err := schemas.Default().Entity(name)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func apply(tb testing.TB, e *Engine, run string, b *schemas.Batch) schemas.Outcome {
	tb.Helper()
	o, err := e.Apply(tb.Context(), schemas.BatchID{Run: run, Seq: 1}, b)
	if err != nil {
		tb.Fatal(err)
	}
	if got := o.Applied + o.Unchanged + len(o.Rejected); got != b.Count() {
		tb.Errorf("%d of %d rows are accounted for", got, b.Count())
	}
	return o
}

// query returns what a query of texts finds, a line a row.
func query(tb testing.TB, e *Engine, q string) []string {
	tb.Helper()
	list, err := store.Collect(tb.Context(), e.db.Read(), func(rows *sql.Rows) (string, error) {
		names, err := rows.Columns()
		if err != nil {
			return "", err
		}
		cells := make([]sql.NullString, len(names))
		places := make([]any, len(names))
		for i := range cells {
			places[i] = &cells[i]
		}
		err = rows.Scan(places...)
		var line []string
		for _, c := range cells {
			if !c.Valid {
				c.String = null
			}
			line = append(line, c.String)
		}
		return strings.Join(line, "|"), err
	}, q)
	if err != nil {
		tb.Fatal(err)
	}
	return list
}

func TestBatchesOneAfterAnother(t *testing.T) {
	type step struct {
		batch []string
		want  string
	}
	for _, tt := range []struct {
		name, entity string
		steps        []step
		query        string
		want         []string
	}{
		{
			"creation fills in defaults", "product",
			[]step{{[]string{"sku|name.en|pack_size", "A|Anchor|2.5", "B|Bolt|" + null}, "2/0"}},
			"SELECT sku, name, pack_size, base_unit, status, tax_class, brand FROM product ORDER BY sku",
			[]string{`A|{"en":"Anchor"}|2500000|C62|active|standard|<null>`, `B|{"en":"Bolt"}|<null>|C62|active|standard|<null>`},
		},
		{
			"a null or absent field takes its default at creation", "product",
			[]step{{[]string{"sku|name.en|status|base_unit", "A|Anchor|" + null + "|KGM", "B|Bolt|" + absent + "|" + absent}, "2/0"}},
			"SELECT sku, status, base_unit FROM product ORDER BY sku",
			[]string{"A|active|KGM", "B|active|C62"},
		},
		{
			"creation needs what is required", "product",
			[]step{{[]string{"sku|name.en|name.de", "A|" + null + "|" + absent, null + "|Bolt|Bolzen", "C|" + null + "|Klemme"}, "1/0 required_at_creation@0.name.de required_at_creation@1.sku"}},
			"SELECT sku, name FROM product",
			[]string{`C|{"de":"Klemme"}`},
		},
		{
			"an update needs the key alone, and keeps what is absent", "product",
			[]step{
				{[]string{"sku|name.en|brand|weight", "A|Anchor|Acme|1", "B|Bolt|Acme|2"}, "2/0"},
				{[]string{"sku|brand|weight", "A|Zeta|" + absent, "B|" + null + "|3", "C|New|1"}, "2/0 required_at_creation@2.name"},
			},
			"SELECT sku, name, brand, weight FROM product ORDER BY sku",
			[]string{`A|{"en":"Anchor"}|Zeta|1000000`, `B|{"en":"Bolt"}|<null>|3000000`},
		},
		{
			"the same again is unchanged, by hash and by contents", "product",
			[]step{
				{[]string{"sku|name.en|brand", "A|Anchor|Acme", "B|Bolt|Acme"}, "2/0"},
				{[]string{"sku|name.en|brand", "A|Anchor|Acme", "B|Bolt|Acme"}, "0/2"},
				{[]string{"brand|sku", "Acme|A", "Zeta|B"}, "1/1"},
			},
			"SELECT sku, brand, changed_seq FROM product ORDER BY sku",
			[]string{"A|Acme|1", "B|Zeta|2"},
		},
		{
			"what another feed changed is changed back", "product",
			[]step{
				{[]string{"sku|name.en|brand", "A|Anchor|Acme"}, "1/0"},
				{[]string{"sku|brand", "A|Zeta"}, "1/0"},
				{[]string{"sku|name.en|brand", "A|Anchor|Acme"}, "1/0"},
				{[]string{"sku|brand", "A|Zeta"}, "1/0"},
			},
			"SELECT brand FROM product",
			[]string{"Zeta"},
		},
		{
			"languages and members are merged one by one", "product",
			[]step{
				{[]string{"sku|name.en|name.de|attributes.colour|attributes.size", "A|Anchor|Anker|red|" + null, "B|Bolt|Bolzen|" + absent + "|9"}, "2/0"},
				{[]string{"sku|name.fr|name.de|attributes.colour|attributes.size", "A|Ancre|" + null + "|" + absent + "|8", "B|" + absent + "|Bolzen|blue|" + null}, "2/0"},
			},
			"SELECT name, attributes FROM product ORDER BY sku",
			[]string{`{"en":"Anchor","fr":"Ancre"}|{"colour":"red","size":"8"}`, `{"de":"Bolzen","en":"Bolt"}|{"colour":"blue"}`},
		},
		{
			"the last member takes the object with it", "product",
			[]step{
				{[]string{"sku|name.en|attributes.colour", "A|Anchor|red"}, "1/0"},
				{[]string{"sku|attributes.colour", "A|" + null}, "1/0"},
			},
			"SELECT name, attributes FROM product",
			[]string{`{"en":"Anchor"}|<null>`},
		},
		{
			"what is required cannot be cleared, what has a default returns to it", "product",
			[]step{
				{[]string{"sku|name.en|status", "A|Anchor|inactive"}, "1/0"},
				{[]string{"sku|name.en|status", "A|" + null + "|" + null}, "0/0 required@0.name.en"},
				{[]string{"sku|status", "A|" + null}, "1/0"},
			},
			"SELECT name, status FROM product",
			[]string{`{"en":"Anchor"}|active`},
		},
		{
			"deleted deletes, and the absent stays absent", "product",
			[]step{
				{[]string{"sku|name.en|deleted", "A|Anchor|false", "B|Bolt|" + null}, "2/0"},
				{[]string{"sku|deleted", "A|true", "X|true", "B|false", null + "|true"}, "1/2 required_at_creation@3.sku"},
				{[]string{"sku|deleted", "A|true"}, "0/1"},
			},
			"SELECT sku FROM product",
			[]string{"B"},
		},
		{
			"a batch may bring a key more than once", "product",
			[]step{
				{[]string{"sku|name.en|deleted", "A|one|false", "A|two|false", "A|two|false", "B|x|false", "B|x|true", "B|y|false"}, "5/1"},
				{[]string{"sku|name.en|deleted", "A|two|false", "A|three|false", "A|two|false", "B|y|true", "B|y|false", "B|y|false"}, "4/2"},
			},
			"SELECT sku, name FROM product ORDER BY sku",
			[]string{`A|{"en":"two"}`, `B|{"en":"y"}`},
		},
		{
			"keys of several parts, with defaults in the key", "price",
			[]step{
				{[]string{"sku|list|amount|currency|min_quantity", "A|x|1.50|EUR|" + null, "A|x|1.25|EUR|10", "A|y|2|EUR|1"}, "3/0"},
				{[]string{"sku|list|amount|currency|min_quantity", "A|x|1.50|EUR|1", "A|x|1.2|EUR|10", "A|y|2|EUR|1"}, "1/2"},
				{[]string{"sku|list|deleted", "A|x|true", "A|z|true"}, "1/1"},
			},
			"SELECT sku, list, min_quantity, amount, unit, price_unit, valid_from FROM price ORDER BY sku, list, min_quantity",
			[]string{"A|x|10000000|1200000|C62|1|-62135596800000000", "A|y|1000000|2000000|C62|1|-62135596800000000"},
		},
		{
			"a row that breaks a constraint is rejected alone", "price",
			[]step{
				{[]string{"sku|list|amount|currency", "A|x|-1|EUR", "B|x|1|EUR"}, "1/0 constraint@0."},
				{[]string{"sku|list|amount", "B|x|-1"}, "0/0 constraint@0."},
			},
			"SELECT sku, amount FROM price",
			[]string{"B|1000000"},
		},
		{
			"texts stay what they are", "product",
			[]step{
				{[]string{"sku|name.en|name.de", "0017|say \"hi\" \\ \t|Größe & <b>", "it's|quote|' OR 1=1 --", "b\\N|a\nb|\x01"}, "3/0"},
				{[]string{"sku|name.en|name.de", "0017|say \"hi\" \\ \t|Größe & <b>", "it's|quote|' OR 1=1 --", "b\\N|a\nb|\x01"}, "0/3"},
			},
			"SELECT sku, name FROM product ORDER BY sku",
			[]string{
				`0017|{"de":"Größe & <b>","en":"say \"hi\" \\ \t"}`, `b\N|{"de":"\u0001","en":"a\nb"}`, `it's|{"de":"' OR 1=1 --","en":"quote"}`,
			},
		},
	} {
		test := func(t *testing.T, place store.Place) {
			e := openEngineAt(t, place)
			for i, s := range tt.steps {
				b := servicetest.Lines(t, tt.entity, s.batch...)
				planned, err := e.Plan(t.Context(), b)
				if err != nil {
					t.Fatal(err)
				}
				got := apply(t, e, fmt.Sprint("run", i), b)
				if servicetest.Summary(got) != s.want {
					t.Errorf("batch %d: outcome %s, want %s", i, servicetest.Summary(got), s.want)
				}
				if diff := cmp.Diff(got, planned); diff != "" {
					t.Errorf("batch %d: Plan and Apply differ: %s", i, diff)
				}
			}
			if diff := cmp.Diff(tt.want, query(t, e, tt.query)); diff != "" {
				t.Error(diff)
			}
		}
		t.Run(tt.name, func(t *testing.T) { storetest.Each(t, test) })
	}
}

func TestTextsThatPostgreSQLCannotHoldAreRejected(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		apply(t, e, "0", servicetest.Lines(t, "product", "sku|name.en|brand", "A|a|x"))
		b := servicetest.Lines(t, "product", "sku|name.en|brand", "nul\x00|a|x", "B|b|\x00", "A|a|y\x00", "C|c|x")
		want := "4/0"
		if place.URL != "" {
			want = "1/0 constraint@0. constraint@1. constraint@2."
		}
		if got := servicetest.Summary(apply(t, e, "1", b)); got != want {
			t.Errorf("outcome %s, want %s", got, want)
		}
		if place.URL != "" {
			if diff := cmp.Diff([]string{"A|x", "C|x"}, query(t, e, "SELECT sku, brand FROM product ORDER BY sku")); diff != "" {
				t.Error(diff)
			}
		}
	})
}

func TestRejectionsSayWhatIsWrong(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		o := apply(t, e, "1", servicetest.Lines(t, "price", "sku|list|amount|currency", "A|x|"+null+"|EUR", "B|"+null+"|1|EUR", "C|x|-2|EUR"))
		want := []schemas.Rejection{
			{Row: 0, Field: "amount", Rule: "required_at_creation", Severity: schemas.Reject, Message: "is missing: a new row needs it"},
			{Row: 1, Field: "list", Rule: "required_at_creation", Severity: schemas.Reject, Message: "is missing: it is part of the key"},
			{Row: 2, Rule: "constraint", Severity: schemas.Reject, Message: "breaks a rule of the database: CHECK constraint failed: amount_is_not_negative"},
		}
		if diff := cmp.Diff(want, o.Rejected); diff != "" {
			t.Error(diff)
		}
	})
}

func TestARepeatReturnsTheFirstOutcomeAndChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		b := servicetest.Lines(t, "product", "sku|name.en", "A|Anchor", "B|"+null)
		first := apply(t, e, "1", b)
		apply(t, e, "2", servicetest.Lines(t, "product", "sku|name.en", "A|Another"))
		again := apply(t, e, "1", b)
		if diff := cmp.Diff(first, again); diff != "" {
			t.Error(diff)
		}
		want := []string{`shop.product.changed.v1|{"batch":"1/1","keys":["A"]}`, `shop.product.changed.v1|{"batch":"2/1","keys":["A"]}`}
		if diff := cmp.Diff(want, query(t, e, "SELECT type, data FROM outbox ORDER BY position")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{`{"en":"Another"}`}, query(t, e, "SELECT name FROM product")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestARepeatWithOtherRowsIsAppliedInItsPlace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		apply(t, e, "1", servicetest.Lines(t, "product", "sku|name.en", "A|Anchor", "B|Bolt"))
		mended := servicetest.Lines(t, "product", "sku|name.en|brand", "A|Anchor|Acme", "B|Bolt|Acme")
		if o := apply(t, e, "1", mended); o.Applied != 2 {
			t.Errorf("outcome = %+v, want 2 applied", o)
		}
		if o := apply(t, e, "1", mended); o.Applied != 2 {
			t.Errorf("outcome of the repeat = %+v, want that of the second", o)
		}
		if diff := cmp.Diff([]string{"A|Acme", "B|Acme"}, query(t, e, "SELECT sku, brand FROM product ORDER BY sku")); diff != "" {
			t.Error(diff)
		}
		fewer := servicetest.Lines(t, "product", "sku|name.en|brand", "A|Anchor|Acme")
		if o := apply(t, e, "1", fewer); o.Applied+o.Unchanged != 1 {
			t.Errorf("outcome of fewer rows = %+v, want 1 accounted for", o)
		}
	})
}

func TestOldBatchesAreForgotten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		e.clock = func() time.Time { return now }
		b := servicetest.Lines(t, "product", "sku|name.en", "A|Anchor")
		apply(t, e, "old", b)
		now = now.Add(29 * 24 * time.Hour)
		apply(t, e, "newer", b)
		now = now.Add(2 * 24 * time.Hour)
		apply(t, e, "newest", b)
		if diff := cmp.Diff([]string{"newer", "newest"}, query(t, e, "SELECT run FROM applied_batch ORDER BY run")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOnlySelectedRowsAreTaken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		b := servicetest.Lines(t, "product", "sku|name.en|brand", "A|a|X", "B|b|X", "C|c|Y", "D|d|Y")
		b.Selected = []int32{1, 3}
		if got := servicetest.Summary(apply(t, e, "1", b)); got != "2/0" {
			t.Errorf("outcome %s, want 2/0", got)
		}
		if got := servicetest.Summary(apply(t, e, "2", b)); got != "0/2" {
			t.Errorf("outcome of the reload %s, want 0/2", got)
		}
		if diff := cmp.Diff([]string{"B|X", "D|Y"}, query(t, e, "SELECT sku, brand FROM product ORDER BY sku")); diff != "" {
			t.Error(diff)
		}
		b.Selected = []int32{}
		if got := servicetest.Summary(apply(t, e, "3", b)); got != "0/0" {
			t.Errorf("outcome of none %s, want 0/0", got)
		}
	})
}

func TestEventsListTheKeysInPortions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		var rows [][]string
		for i := range 1201 {
			rows = append(rows, []string{fmt.Sprintf("K%04d", i), "x"})
		}
		apply(t, e, "1", servicetest.Rows(t, "product", []string{"sku", "name.en"}, rows))
		apply(t, e, "2", servicetest.Lines(t, "product", "sku|deleted|name.en", "K0001|true|"+null, "K0000|"+null+"|y", "K0003|"+null+"|x"))
		apply(t, e, "3", servicetest.Lines(t, "price", "sku|list|amount|currency|valid_from|min_quantity", `A"|x|1|EUR|2026-01-01T00:00:00Z|2.5`))
		want := []string{
			`shop.product.changed.v1|1/1|500|"K0000"|1795240800000000`,
			`shop.product.changed.v1|1/1|500|"K0500"|1795240800000000`,
			`shop.product.changed.v1|1/1|201|"K1000"|1795240800000000`,
			`shop.product.changed.v1|2/1|1|"K0000"|1795240800000000`,
			`shop.product.deleted.v1|2/1|1|"K0001"|1795240800000000`,
			`shop.price.changed.v1|3/1|1|["A\"","x","C62","2.5","2026-01-01T00:00:00Z"]|1795240800000000`,
		}
		var got []string
		for _, line := range query(t, e, "SELECT type, created_at, data FROM outbox ORDER BY position") {
			cells := strings.SplitN(line, "|", 3)
			var data struct {
				Batch string
				Keys  []json.RawMessage
			}
			if err := json.Unmarshal([]byte(cells[2]), &data); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s|%s|%d|%s|%s", cells[0], data.Batch, len(data.Keys), data.Keys[0], cells[1]))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTheSequenceGrowsWithEveryBatchThatChanges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		b := servicetest.Lines(t, "product", "sku|name.en", "A|a")
		for i, want := range []int64{1, 1, 1} {
			apply(t, e, fmt.Sprint(i), b)
			if got, err := e.Sequence(t.Context()); err != nil || got != want {
				t.Errorf("after batch %d: sequence %d, %v; want %d", i, got, err, want)
			}
		}
		apply(t, e, "last", servicetest.Lines(t, "category", "category|name.en", "c|C"))
		if got, err := e.Sequence(t.Context()); err != nil || got != 2 {
			t.Errorf("sequence %d, %v; want 2", got, err)
		}
	})
}

func TestChangedRowsAreGivenAsRunsOfIDs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		var got []Range
		e := openEngineAt(t, place, Table{
			Entity: entity(t, "product"),
			Changed: func(_ *store.Conn, ids []Range) error {
				got = ids
				return nil
			},
		})
		for _, tt := range []struct {
			batch []string
			want  []Range
		}{
			{[]string{"sku|name.en|deleted", "A|a|false", "B|b|false", "C|c|false", "D|d|false"}, []Range{{1, 4}}},
			{[]string{"sku|name.en|deleted", "A|a|false", "B|x|false", "C|x|false", "E|e|false", "A|" + null + "|true"}, []Range{{2, 3}, {5, 5}, {1, 1}}},
			{[]string{"sku|name.en|deleted", "B|x|false"}, nil},
		} {
			got = nil
			apply(t, e, tt.batch[len(tt.batch)-1], servicetest.Lines(t, "product", tt.batch...))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// tree is a judge as a service has it: a category needs its parent.
func tree(c *store.Conn) (Judge, error) {
	return func(ch *Change) (*Refusal, error) {
		if ch.Kind == Delete {
			below, err := c.Value(`SELECT 1 FROM category WHERE parent = ?`, ch.Old[0])
			if err != nil || below == nil {
				return nil, err
			}
			return &Refusal{Field: "category", Rule: "referenced", Message: "has others below it", Later: true}, nil
		}
		if ch.New[2] == nil {
			return nil, nil
		}
		there, err := c.Value(`SELECT 1 FROM category WHERE category = ?`, ch.New[2])
		if err != nil || there != nil {
			return nil, err
		}
		return &Refusal{Field: "parent", Rule: "reference", Message: "is no category", Later: true}, nil
	}, nil
}

func TestRowsWaitForOthersOfTheirBatch(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first []string
		batch []string
		want  string
		left  []string
	}{
		{
			"children before parents", nil,
			[]string{"category|name.en|parent", "c|C|b", "b|B|a", "a|A|" + null, "x|X|y", "c|CC|b"},
			"4/0 reference@3.parent",
			[]string{"a|<null>", "b|a", "c|b"},
		},
		{
			"parents deleted before children",
			[]string{"category|name.en|parent", "a|A|" + null, "b|B|a", "c|C|b"},
			[]string{"category|deleted", "a|true", "b|true", "c|true"},
			"3/0", nil,
		},
		{
			"a parent whose child stays",
			[]string{"category|name.en|parent", "a|A|" + null, "b|B|a"},
			[]string{"category|deleted", "a|true"},
			"0/0 referenced@0.category",
			[]string{"a|<null>", "b|a"},
		},
	} {
		test := func(t *testing.T, place store.Place) {
			e := openEngineAt(t, place, Table{Entity: entity(t, "category"), Judge: tree, Ordered: true})
			if tt.first != nil {
				apply(t, e, "0", servicetest.Lines(t, "category", tt.first...))
			}
			if got := servicetest.Summary(apply(t, e, "1", servicetest.Lines(t, "category", tt.batch...))); got != tt.want {
				t.Errorf("outcome %s, want %s", got, tt.want)
			}
			if diff := cmp.Diff(tt.left, query(t, e, "SELECT category, parent FROM category ORDER BY category")); diff != "" {
				t.Error(diff)
			}
		}
		t.Run(tt.name, func(t *testing.T) { storetest.Each(t, test) })
	}
}

func TestAFailureWritesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		broken := errors.New("broken")
		e := openEngineAt(t, place, Table{
			Entity:  entity(t, "product"),
			Changed: func(*store.Conn, []Range) error { return broken },
		})
		b := servicetest.Lines(t, "product", "sku|name.en", "A|a")
		if _, err := e.Apply(t.Context(), schemas.BatchID{Run: "1", Seq: 1}, b); !errors.Is(err, broken) {
			t.Errorf("error %v, want broken", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := e.Apply(ctx, schemas.BatchID{Run: "1", Seq: 1}, b); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want cancelled", err)
		}
		for _, q := range []string{"SELECT sku FROM product", "SELECT run FROM applied_batch", "SELECT position FROM outbox", "SELECT value FROM change_sequence WHERE value > 0"} {
			if left := query(t, e, q); left != nil {
				t.Errorf("%s: %v", q, left)
			}
		}
	})
}

func TestATableMustFitItsEntity(t *testing.T) {
	storetest.Each(t, testATableMustFitItsEntity)
}

func testATableMustFitItsEntity(t *testing.T, place store.Place) {
	db, err := place.Open(t.Context(), "test", os.DirFS("testdata"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = NewEngine(t.Context(), outbox.New(outbox.Config{DB: db, Service: "shop", Clock: time.Now}), Table{Entity: entity(t, "warehouse")})
	if want := "table warehouse: has no column for the field warehouse"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	e := openEngineAt(t, place)
	if _, err := e.Apply(t.Context(), schemas.BatchID{Run: "1", Seq: 1}, servicetest.Lines(t, "warehouse", "warehouse|name", "a|b")); err == nil {
		t.Error("a batch of an entity without a table was applied")
	}
}

func TestKnownAndHolders(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		apply(t, e, "1", servicetest.Lines(t, "product", "sku|name.en|gtin|pack_size", "A|a|4006381333931|2.5", `B"|b|4006381333948|3`, "C|c|"+null+"|2.5"))
		known, err := e.Known(t.Context(), "product", []string{"A", "x", `B"`, "", "A", "a"})
		if diff := cmp.Diff([]bool{true, false, true, false, true, false}, known); diff != "" || err != nil {
			t.Error(diff, err)
		}
		for _, tt := range []struct {
			field        string
			values, want []string
		}{
			{"gtin", []string{"4006381333948", "1", "4006381333931", ""}, []string{`B"`, "", "A", ""}},
			{"pack_size", []string{"3.0", "2.50", "1"}, []string{`B"`, "A", ""}},
			{"sku", []string{"A", "Z"}, []string{"A", ""}},
		} {
			got, err := e.Holders(t.Context(), "product", tt.field, tt.values)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%s: %s %v", tt.field, diff, err)
			}
		}
		for _, tt := range []struct{ entity, field, want string }{
			{"product", "name", "product has no field name of one value"},
			{"product", "nil", "product has no field nil of one value"},
			{"price", "amount", "price has a key of 5 parts, and no one can name it"},
			{"order", "x", "shop has no entity order"},
		} {
			if _, err := e.Holders(t.Context(), tt.entity, tt.field, nil); err == nil || err.Error() != tt.want {
				t.Errorf("Holders(%s, %s) = %v, want %s", tt.entity, tt.field, err, tt.want)
			}
		}
		if _, err := e.Known(t.Context(), "price", []string{"A"}); err == nil {
			t.Error("Known answered for a key of several parts")
		}
	})
}
