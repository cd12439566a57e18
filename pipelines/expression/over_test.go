package expression

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	arrowdecimal "github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"crossdock/schemas"
)

// columnsOf returns one row of every type, and a second of nulls.
func columnsOf() ([]Variable, []arrow.Array) {
	types := []struct {
		v Variable
		t arrow.DataType
	}{
		{Variable{"a", schemas.Text}, arrow.BinaryTypes.String},
		{Variable{"images", schemas.List}, arrow.BinaryTypes.String},
		{Variable{"weight", schemas.Quantity}, &arrow.Decimal64Type{Precision: 18, Scale: 6}},
		{Variable{"n", schemas.Integer}, arrow.PrimitiveTypes.Int64},
		{Variable{"active", schemas.Boolean}, arrow.FixedWidthTypes.Boolean},
		{Variable{"day", schemas.Date}, arrow.FixedWidthTypes.Date32},
		{Variable{"at", schemas.Timestamp}, &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
	}
	variables := make([]Variable, len(types))
	columns := make([]arrow.Array, len(types))
	for i, typ := range types {
		variables[i] = typ.v
		b := array.NewBuilder(memory.DefaultAllocator, typ.t)
		switch b := b.(type) {
		case *array.StringBuilder:
			b.Append(`["x","y"]`)
		case *array.Decimal64Builder:
			b.Append(arrowdecimal.Decimal64(2_500_000))
		case *array.Int64Builder:
			b.Append(7)
		case *array.BooleanBuilder:
			b.Append(true)
		case *array.Date32Builder:
			b.Append(20_000)
		case *array.TimestampBuilder:
			b.Append(1_700_000_000_000_000)
		}
		b.AppendNull()
		columns[i] = b.NewArray()
	}
	return variables, columns
}

func TestOver(t *testing.T) {
	variables, columns := columnsOf()
	for _, tt := range []struct{ source, first, second string }{
		{`a`, `["x","y"]`, "null"},
		{`images[1]`, "y", "null"},
		{`weight * n`, "17.5", "null"},
		{`active ? day : nil`, "2024-10-04", "null"},
		{`at`, "2023-11-14T22:13:20Z", "null"},
		{`day < at`, "false", "null"},
		{`n / 0`, "!division by zero", "null"},
		{`a == nil`, "false", "true"},
	} {
		p, err := Compile(tt.source, variables, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		e := p.Over(columns, false)
		for row, want := range []string{tt.first, tt.second} {
			got, known, err := e.Text(row)
			switch {
			case err != nil:
				got = "!" + err.Error()
			case !known:
				got = "null"
			}
			if got != want {
				t.Errorf("%s in row %d = %s, want %s", tt.source, row, got, want)
			}
		}
	}
	p, err := Compile(`a == ""`, variables, schemas.Boolean, nil)
	if err != nil {
		t.Fatal(err)
	}
	if truth, known, err := p.Over(columns, true).Test(1); !truth || !known || err != nil {
		t.Errorf(`a == "" over a blank cell = %v, %v, %v`, truth, known, err)
	}
	if _, known, _ := p.Over(columns, false).Test(1); known {
		t.Error("a null field gives a truth")
	}
}

// Example shows a rule over one row.
func ExampleCompile() {
	fields := []Variable{{"min_order_quantity", schemas.Quantity}, {"pack_size", schemas.Quantity}}
	rule, err := Compile("min_order_quantity % pack_size == 0", fields, schemas.Boolean, nil)
	if err != nil {
		panic(err)
	}
	row := []any{schemas.Decimal(25_000_000), schemas.Decimal(10_000_000)}
	fmt.Println(rule.Eval(func(variable int) any { return row[variable] }))
	// Output: false <nil>
}

func BenchmarkEval(b *testing.B) {
	p, row := ruleOfPacks(b)
	b.ReportAllocs()
	for b.Loop() {
		if v, err := p.Eval(row); v != true || err != nil {
			b.Fatal(v, err)
		}
	}
}

func ruleOfPacks(b *testing.B) (*Program, Row) {
	p, err := Compile("min_order_quantity % pack_size == 0", []Variable{{"min_order_quantity", schemas.Quantity}, {"pack_size", schemas.Quantity}}, schemas.Boolean, nil)
	if err != nil {
		b.Fatal(err)
	}
	values := []any{schemas.Decimal(20_000_000), schemas.Decimal(10_000_000)}
	return p, func(i int) any { return values[i] }
}

func BenchmarkOver(b *testing.B) {
	p, _ := ruleOfPacks(b)
	_, columns := columnsOf()
	e := p.Over([]arrow.Array{columns[2], columns[2]}, false)
	b.ReportAllocs()
	for b.Loop() {
		if truth, _, err := e.Test(0); !truth || err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOverText(b *testing.B) {
	p, err := Compile(`upper(left(split(a, ">")[0], 3)) + "-" + b`, []Variable{{"a", schemas.Text}, {"b", schemas.Text}}, "", nil)
	if err != nil {
		b.Fatal(err)
	}
	_, columns := columnsOf()
	e := p.Over([]arrow.Array{columns[0], columns[0]}, true)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := e.Text(0); err != nil {
			b.Fatal(err)
		}
	}
}
