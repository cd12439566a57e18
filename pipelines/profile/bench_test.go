package profile_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"crossdock/connectors"
	"crossdock/pipelines/profile"
	"crossdock/schemas"
)

// BenchmarkAdd profiles a run of 200,000 products: fourteen columns as read,
// and the fields made of them.
func BenchmarkAdd(b *testing.B) {
	names := []string{"sku", "gtin", "name.de", "brand", "category", "base_unit", "description.de", "status", "country_of_origin", "mpn"}
	e, err := schemas.Default().Entity("product")
	if err != nil {
		b.Fatal(err)
	}
	mapped := make([]schemas.Column, len(names))
	for i, name := range names {
		if mapped[i], err = e.Column(name); err != nil {
			b.Fatal(err)
		}
	}
	for _, name := range []string{"weight", "pack_size"} {
		column, err := e.Column(name)
		if err != nil {
			b.Fatal(err)
		}
		mapped = append(mapped, column)
		names = append(names, name)
	}
	const rows, batches = 8_000, 25
	reads, mades := make([]arrow.RecordBatch, batches), make([]*schemas.Batch, batches)
	for i := range batches {
		builder := connectors.NewTextBuilder(names)
		made := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(mapped))
		for row := range rows {
			n := i*rows + row
			values := []string{
				fmt.Sprintf("AR-%07d", n), fmt.Sprintf("40%011d", n), "Rillenkugellager " + strconv.Itoa(n), []string{"SKF", "FAG", "INA"}[n%3],
				"cat-" + strconv.Itoa(n%500), "C62", "Ein längerer Text, wie er in Katalogen steht, mit der Nummer " + strconv.Itoa(n), "active", "DE", strconv.Itoa(n),
				strconv.Itoa(n % 900), strconv.Itoa(n % 10),
			}
			for c, value := range values {
				builder.Cell(c, []byte(value), connectors.TextCell)
				switch field := made.Field(c).(type) {
				case *array.StringBuilder:
					field.Append(value)
				case *array.Decimal64Builder:
					field.Append(decimal.Decimal64(n))
				}
			}
			builder.EndRow(int64(n))
		}
		reads[i] = builder.Build().Rows
		mades[i] = &schemas.Batch{Entity: e, Columns: mapped, Rows: made.NewRecordBatch()}
	}
	from := make([]int, len(mapped))
	for i := range from {
		from[i] = i
	}
	b.ResetTimer()
	for b.Loop() {
		r := profile.NewRecorder(names, mapped, from, nil)
		for i := range reads {
			r.Add(reads[i], mades[i])
		}
		if p := r.Profile(); p.Rows != rows*batches {
			b.Fatal(p.Rows)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows*batches), "ns/row")
}
