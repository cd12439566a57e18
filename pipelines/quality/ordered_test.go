package quality

import (
	"fmt"
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/schemas"
)

func TestParseOrdered(t *testing.T) {
	for _, tt := range []struct {
		t       schemas.Type
		text    string
		want    int64
		wantErr string
	}{
		{schemas.Integer, "-9223372036854775808", math.MinInt64, ""},
		{schemas.Integer, "1.0", 0, "is not a whole number"},
		{schemas.Integer, "", 0, "is not a whole number"},
		{schemas.DecimalType, "1.5", 1_500_000, ""},
		{schemas.Money, "-0.000001", -1, ""},
		{schemas.Quantity, "1,5", 0, "is not a decimal number"},
		{schemas.Date, "1970-01-02", 1, ""},
		{schemas.Date, "1969-12-31", -1, ""},
		{schemas.Date, "2026-02-30", 0, "is not a date such as 2026-11-21"},
		{schemas.Date, "2026-02-03T00:00:00Z", 0, "is not a date such as 2026-11-21"},
		{schemas.Timestamp, "1970-01-01T00:00:00.000001Z", 1, ""},
		{schemas.Timestamp, "1970-01-01T01:00:00+01:00", 0, ""},
		{schemas.Timestamp, "1970-01-01 00:00:01", 1_000_000, ""},
		{schemas.Timestamp, "1970-01-01T00:00:01", 1_000_000, ""},
		{schemas.Timestamp, "1970-01-02", 86_400_000_000, ""},
		{schemas.Timestamp, "tomorrow", 0, "is not a time such as 2026-11-21T06:00:00Z or 2026-11-21"},
	} {
		t.Run(fmt.Sprintf("%s %s", tt.t, tt.text), func(t *testing.T) {
			got, err := parseOrdered(tt.t, tt.text)
			message := ""
			if err != nil {
				message = err.Error()
			}
			if got != tt.want || message != tt.wantErr {
				t.Errorf("parseOrdered = %d, %q, want %d, %q", got, message, tt.want, tt.wantErr)
			}
		})
	}
}

// A calendar is an entity with days, which none of those that ship has.
func calendar() *schemas.Entity {
	return &schemas.Entity{Name: "holiday", Fields: []schemas.Field{
		{Name: "day", Type: schemas.Date, Key: true, Default: "2026-01-01"},
		{Name: "open_until", Type: schemas.Timestamp},
		{Name: "observed", Type: schemas.Date},
		{Name: "half", Type: schemas.Boolean},
		{Name: schemas.DeletedField, Type: schemas.Boolean},
	}}
}

// lines checks one batch of an entity, and returns what is found.
func lines(t *testing.T, e *schemas.Entity, names []string, rows []map[string]any, specs ...any) []string {
	t.Helper()
	mapped := columns(t, e, names...)
	rules, errs := Compile(e, mapped, specs)
	if errs != nil {
		t.Fatal(errs)
	}
	found, err := rules.Start(nil).Batch(t.Context(), batch(t, e, mapped, rows), rowNumber)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, one := range found {
		got = append(got, sentence(2, one))
	}
	return got
}

func TestDays(t *testing.T) {
	got := lines(t, calendar(), []string{"day", "open_until", "observed", "half"}, []map[string]any{
		{"day": "2026-05-01", "open_until": "2026-05-01T00:00:00Z", "observed": "2026-05-04"},
		{"day": "2026-05-02", "open_until": "2026-05-02T12:00:00Z", "observed": "2026-05-02"},
		{"day": "2027-01-01", "half": "true"},
		{"day": nil, "half": "true"},
		{"day": "2026-01-01", "half": "false"},
	},
		map[string]any{"range": "day", "below": "2027-01-01"},
		map[string]any{"date_order": []any{"day", "open_until"}},
		map[string]any{"date_order": []any{"day", "observed"}},
		map[string]any{"one_of": "observed", "values": []any{"2026-05-02"}},
		map[string]any{"unique": "half", "severity": "warn"},
	)
	want := []string{
		`row 2: open_until "2026-05-01T00:00:00Z" does not lie after day, 2026-05-01 (date_order)`,
		`row 2: observed "2026-05-04" is not one of 2026-05-02 (one_of)`,
		`row 3: observed "2026-05-02" does not lie after day, 2026-05-02 (date_order)`,
		`row 4: day "2027-01-01" does not lie before 2027-01-01 (range)`,
		`row 6: day "2026-01-01" is the same as in row 5 (unique)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// A pipeline that maps no key compiles; a service will say what is missing.
func TestUniqueNeedsTheWholeKey(t *testing.T) {
	rows := []map[string]any{{"list": "L"}, {"list": "L"}}
	if got := lines(t, entity(t, "price"), []string{"list"}, rows); got != nil {
		t.Errorf("found %v", got)
	}
}

func TestOrderedReadsColumnsWithoutBuffers(t *testing.T) {
	for _, dt := range []arrow.DataType{arrow.PrimitiveTypes.Int64, arrow.FixedWidthTypes.Date32} {
		data := array.NewData(dt, 3, []*memory.Buffer{memory.NewBufferBytes([]byte{0}), nil}, nil, 3, 0)
		column := ordered(array.MakeFromData(data))
		if got := column.value(2); got != 0 || !column.IsNull(2) {
			t.Errorf("%s: %d", dt, got)
		}
	}
}

// For all bounds and values, range says what comparing decimals says.
func TestRangeComparesDecimals(t *testing.T) {
	e := entity(t, "product")
	mapped := columns(t, e, "sku", "weight")
	bare := *e
	bare.Rules = nil
	rapid.Check(t, func(rt *rapid.T) {
		number := rapid.Custom(func(rt *rapid.T) schemas.Decimal {
			return schemas.Decimal(rapid.OneOf(rapid.Int64Range(-5, 5), rapid.Int64Range(-2_000_000, 2_000_000)).Draw(rt, "n"))
		})
		low, high := number.Draw(rt, "low"), number.Draw(rt, "high")
		strictLow, strictHigh := rapid.Bool().Draw(rt, "above"), rapid.Bool().Draw(rt, "below")
		spec := map[string]any{"range": "weight"}
		spec[map[bool]string{false: "min", true: "above"}[strictLow]] = low.String()
		spec[map[bool]string{false: "max", true: "below"}[strictHigh]] = high.String()
		fits := func(d schemas.Decimal) bool {
			return (d > low || d == low && !strictLow) && (d < high || d == high && !strictHigh)
		}
		rules, errs := Compile(&bare, mapped, []any{spec})
		if errs != nil {
			for d := low; d <= high && d <= low+3; d++ {
				if fits(d) {
					rt.Fatalf("%v: %s fits, but %s", spec, d, errs)
				}
			}
			return
		}
		values := rapid.SliceOfN(rapid.OneOf(number, rapid.SampledFrom([]schemas.Decimal{low - 1, low, low + 1, high - 1, high, high + 1})), 1, 20).Draw(rt, "values")
		var rows []map[string]any
		var want, got []int
		for i, d := range values {
			rows = append(rows, map[string]any{"sku": fmt.Sprint(i), "weight": d.String()})
			if !fits(d) {
				want = append(want, i)
			}
		}
		rows = append(rows, map[string]any{"sku": "null", "weight": nil}, map[string]any{"sku": "absent"})
		found, err := rules.Start(nil).Batch(t.Context(), batch(t, e, mapped, rows), rowNumber)
		if err != nil {
			rt.Fatal(err)
		}
		for _, one := range found {
			got = append(got, one.Row)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("%v of %v: -want +got\n%s", spec, values, diff)
		}
	})
}
