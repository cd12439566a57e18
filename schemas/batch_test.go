package schemas

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"
)

const (
	null   = "<null>"
	absent = "<absent>"
)

// batchOf builds a batch of an entity from texts, by column.
func batchOf(t testing.TB, entity string, names []string, rows [][]string) *Batch {
	t.Helper()
	e, err := Default().Entity(entity)
	if err != nil {
		t.Fatal(err)
	}
	b := &Batch{Entity: e, Absent: make([][]bool, len(names))}
	arrays := make([]arrow.Array, len(names))
	for i, name := range names {
		c, err := e.Column(name)
		if err != nil {
			t.Fatal(err)
		}
		b.Columns = append(b.Columns, c)
		builder := array.NewBuilder(memory.DefaultAllocator, c.Field.ArrowType())
		for r, cells := range rows {
			switch cells[i] {
			case absent:
				if b.Absent[i] == nil {
					b.Absent[i] = make([]bool, len(rows))
				}
				b.Absent[i][r] = true
				builder.AppendNull()
			case null:
				builder.AppendNull()
			default:
				appendText(t, builder, cells[i])
			}
		}
		arrays[i] = builder.NewArray()
	}
	b.Rows = array.NewRecordBatch(ArrowSchema(b.Columns), arrays, int64(len(rows)))
	return b
}

func appendText(t testing.TB, builder array.Builder, text string) {
	t.Helper()
	switch builder := builder.(type) {
	case *array.StringBuilder:
		builder.Append(text)
	case *array.Decimal64Builder:
		builder.Append(decimal.Decimal64(must(t, text)))
	case *array.Int64Builder:
		builder.Append(int64(must(t, text)) / decimalOne)
	case *array.BooleanBuilder:
		builder.Append(text == "true")
	case *array.TimestampBuilder:
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		builder.Append(arrow.Timestamp(at.UnixMicro()))
	default:
		t.Fatalf("no texts for %T", builder)
	}
}

var priceColumns = []string{"sku", "list", "min_quantity", "valid_from", "amount", "price_unit", "deleted"}

func TestBatchText(t *testing.T) {
	b := batchOf(t, "price", priceColumns, [][]string{
		{"0017", "dealer", "1", "2026-01-01T00:00:00Z", "12.500000", "100", "false"},
		{"0018", "dealer", "0.5", "2026-01-01T12:30:00.25Z", "-0.05", null, absent},
		{"0019", null, null, null, null, null, "true"},
	})
	for row, want := range [][]string{
		{"0017", "dealer", "1", "2026-01-01T00:00:00Z", "12.5", "100", "false"},
		{"0018", "dealer", "0.5", "2026-01-01T12:30:00.25Z", "-0.05", "", ""},
		{"0019", "", "", "", "", "", "true"},
	} {
		for column, text := range want {
			got, ok := b.Text(column, row)
			if got != text || ok != (text != "") {
				t.Errorf("Text(%s, %d) = %q, %t, want %q", priceColumns[column], row, got, ok, text)
			}
		}
	}
	if !b.IsAbsent(6, 1) || b.IsAbsent(6, 0) || b.IsAbsent(0, 1) || b.IsAbsent(99, 0) {
		t.Error("IsAbsent is wrong")
	}
	for row, want := range []string{"0017 / dealer / 1 / 2026-01-01T00:00:00Z", "0018 / dealer / 0.5 / 2026-01-01T12:30:00.25Z", ""} {
		if got := b.KeyText(row); got != want {
			t.Errorf("KeyText(%d) = %q, want %q", row, got, want)
		}
	}
	if b.Index("amount") != 4 || b.Index("colour") != -1 {
		t.Error("Index is wrong")
	}
}

func TestCellTextOfDates(t *testing.T) {
	builder := array.NewDate32Builder(memory.DefaultAllocator)
	builder.Append(arrow.Date32FromTime(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)))
	builder.AppendNull()
	dates := builder.NewArray()
	if text, ok := CellText(dates, 0); text != "2026-11-21" || !ok {
		t.Errorf("CellText = %q, %t", text, ok)
	}
	if text, ok := CellText(dates, 1); text != "" || ok {
		t.Errorf("CellText of null = %q, %t", text, ok)
	}
}

func TestBatchEachVisitsSelectedRows(t *testing.T) {
	b := batchOf(t, "product", []string{"sku"}, [][]string{{"a"}, {"b"}, {"c"}, {"d"}})
	visit := func(stop int) (seen []int) {
		b.Each(func(row int) bool {
			seen = append(seen, row)
			return row != stop
		})
		return seen
	}
	for _, tt := range []struct {
		selected []int32
		stop     int
		want     []int
		count    int
	}{
		{nil, -1, []int{0, 1, 2, 3}, 4},
		{nil, 1, []int{0, 1}, 4},
		{[]int32{1, 3}, -1, []int{1, 3}, 2},
		{[]int32{1, 3}, 1, []int{1}, 2},
		{[]int32{}, -1, nil, 0},
	} {
		b.Selected = tt.selected
		if got := visit(tt.stop); !slices.Equal(got, tt.want) || b.Count() != tt.count {
			t.Errorf("Each over %v until %d visits %v of %d", tt.selected, tt.stop, got, b.Count())
		}
	}
}

func TestHashesTellRowsApart(t *testing.T) {
	b := batchOf(t, "price", priceColumns, [][]string{
		{"a", "l", "1", "2026-01-01T00:00:00Z", "1", "1", "false"},
		{"a", "l", "1", "2026-01-01T00:00:00Z", "1", "1", "true"},
		{"a", "l", "1", "2026-01-01T00:00:00Z", "1", "1", null},
		{"a", "l", "1", "2026-01-01T00:00:00Z", "1", "1", absent},
		{"a", "l", "1", "2026-01-01T00:00:00Z", "1", null, absent},
		{"a", "l", "1", "2026-01-01T00:00:00Z", null, "1", absent},
		{"a", "l", "1", "2026-01-01T00:00:00Z", "0", "1", absent},
		{"l", "a", "1", "2026-01-01T00:00:00Z", "1", "1", absent}, // values swapped
		{"a", "", "1", "2026-01-01T00:00:00Z", "1", "1", absent},
		{"a", null, "1", "2026-01-01T00:00:00Z", "1", "1", absent},
		{"a", "l", "1", "2026-01-01T00:00:00.000001Z", "1", "1", absent},
		{"a", "l", "1.000001", "2026-01-01T00:00:00Z", "1", "1", absent},
		{absent, absent, absent, absent, absent, absent, absent},
		{null, absent, absent, absent, absent, absent, absent},
		{absent, null, absent, absent, absent, absent, absent},
	})
	seen := map[uint64]int{}
	for row, h := range b.Hashes() {
		if other, twice := seen[h]; twice {
			t.Errorf("rows %d and %d have the same hash", other, row)
		}
		seen[h] = row
	}
}

// Services keep these hashes for years: a release that computes others would
// take every row for a changed one. The values must never be edited.
func TestHashesAreTheSameForEver(t *testing.T) {
	b := batchOf(t, "price", priceColumns, [][]string{
		{"0017", "dealer-eu", "100", "2026-01-01T00:00:00Z", "12.5", "1", "false"},
		{"0017", "dealer-eu", null, null, null, null, null},
		{"0017", "dealer-eu", absent, absent, absent, absent, absent},
		{"Größe", "", "0.000001", "1969-12-31T23:59:59.999999Z", "-999999999999.999999", "-1", "true"},
	})
	want := []string{"28d901e38ca00e09", "d1953acbb936f79c", "5f4984a853287db8", "3a75a6663c68b3fb"}
	for row, h := range b.Hashes() {
		if got := fmt.Sprintf("%016x", h); got != want[row] {
			t.Errorf("row %d has hash %s, want %s", row, got, want[row])
		}
	}
}

func TestHashesDoNotDependOnColumnsOrderNorOnAbsentOnes(t *testing.T) {
	cell := func(name string) *rapid.Generator[string] {
		plain := map[string]*rapid.Generator[string]{
			"amount":       rapid.Custom(func(t *rapid.T) string { return anyDecimal(t, "amount").String() }),
			"min_quantity": rapid.Custom(func(t *rapid.T) string { return anyDecimal(t, "quantity").String() }),
			"price_unit":   rapid.SampledFrom([]string{"1", "100", "1000"}),
			"deleted":      rapid.SampledFrom([]string{"true", "false"}),
			"valid_from":   rapid.SampledFrom([]string{"2026-01-01T00:00:00Z", "1999-12-31T23:59:59Z"}),
		}[name]
		if plain == nil {
			plain = rapid.StringMatching(`[a-zäß0-9 ]{0,8}`)
		}
		return rapid.OneOf(plain, rapid.Just(null), rapid.Just(absent))
	}
	rapid.Check(t, func(rt *rapid.T) {
		values := map[string]string{}
		for _, name := range priceColumns {
			values[name] = cell(name).Draw(rt, name)
		}
		hashOf := func(names []string) uint64 {
			row := make([]string, len(names))
			for i, name := range names {
				row[i] = values[name]
			}
			return batchOf(t, "price", names, [][]string{row}).Hashes()[0]
		}
		whole := hashOf(priceColumns)
		if other := hashOf(rapid.Permutation(priceColumns).Draw(rt, "order")); other != whole {
			rt.Fatalf("in another order %x becomes %x", whole, other)
		}
		sent := slices.DeleteFunc(slices.Clone(priceColumns), func(name string) bool { return values[name] == absent })
		if other := hashOf(sent); other != whole {
			rt.Fatalf("without what is absent %x becomes %x", whole, other)
		}
	})
}

func TestBatchIDNamesRunAndNumber(t *testing.T) {
	if got := (BatchID{Run: "01JD", Seq: 12}).String(); got != "01JD/12" {
		t.Errorf("String = %s", got)
	}
}
