package quality

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"crossdock/schemas"
)

const benchRows = 8_000

// benchProducts makes n batches of good products, all different.
func benchProducts(b *testing.B, n int) ([]schemas.Column, []*schemas.Batch) {
	b.Helper()
	e := entity(b, "product")
	mapped := columns(b, e, "sku", "gtin", "name.de", "name.en", "brand", "category", "base_unit", "pack_size",
		"min_order_quantity", "weight", "country_of_origin", "images", "status", "attributes.contact")
	brands := []string{"SKF", "Bosch", "FAG", "Festo", "Weidmüller"}
	countries := []string{"DE", "FR", "IT", "CN"}
	batches := make([]*schemas.Batch, n)
	for i := range batches {
		rows := make([]map[string]any, benchRows)
		for j := range rows {
			at := i*benchRows + j
			digits := fmt.Sprintf("40%010d", at)
			rows[j] = map[string]any{
				"sku": fmt.Sprintf("AR-%07d", at), "gtin": digits + string(checkDigit(digits)),
				"name.de": "Rillenkugellager für Steuersätze " + strconv.Itoa(at), "name.en": "Deep groove ball bearing " + strconv.Itoa(at),
				"brand": brands[at%len(brands)], "category": "cat-" + strconv.Itoa(at%500), "base_unit": "C62",
				"pack_size": "10", "min_order_quantity": strconv.Itoa(10 * (at%9 + 1)), "weight": "0." + strconv.Itoa(at%900+1),
				"country_of_origin": countries[at%len(countries)], "status": "active",
				"images":             `["https://media.example.com/articles/ar-` + strconv.Itoa(at) + `.jpg"]`,
				"attributes.contact": "sales@example.com",
			}
		}
		batches[i] = batch(b, e, mapped, rows)
	}
	return mapped, batches
}

// everything is a target that holds all that it is asked for.
type everything struct{ target }

func (*everything) Known(_ context.Context, _ string, keys []string) ([]bool, error) {
	known := make([]bool, len(keys))
	for i := range known {
		known[i] = true
	}
	return known, nil
}

// BenchmarkProducts checks runs of 200,000 good products with the rules that
// the entity has over fourteen columns, and the pipeline's own.
func BenchmarkProducts(b *testing.B) {
	mapped, batches := benchProducts(b, 25)
	own := []any{
		map[string]any{"required": []any{"name.de", "category"}},
		map[string]any{"pattern": "sku", "regex": `AR-\d+`},
		map[string]any{"unique": "gtin"},
	}
	for _, bench := range []struct {
		name  string
		specs []any
	}{{"entity", nil}, {"with own", own}} {
		b.Run(bench.name, func(b *testing.B) {
			rules, errs := Compile(entity(b, "product"), mapped, bench.specs)
			if errs != nil {
				b.Fatal(errs)
			}
			b.ReportAllocs()
			for b.Loop() {
				checkAll(b, rules.Start(&everything{}), batches)
			}
			perRow(b, benchRows*len(batches))
			b.ReportMetric(float64(len(rules.rules)), "rules")
		})
	}
}

func checkAll(b *testing.B, c *Check, batches []*schemas.Batch) {
	for i, one := range batches {
		found, err := c.Batch(b.Context(), one, func(row int) int64 { return int64(i*benchRows + row + 2) })
		if err != nil || len(found) > 0 {
			b.Fatal(err, found[:min(len(found), 3)])
		}
	}
}

func perRow(b *testing.B, rows int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkRules measures each rule alone, on one batch.
func BenchmarkRules(b *testing.B) {
	mapped, batches := benchProducts(b, 1)
	for _, spec := range []map[string]any{
		{"required": "brand"},
		{"required": "name"},
		{"length": "brand", "max": 200},
		{"length": "name.de", "min": 10, "max": 40},
		{"range": "weight", "min": 0, "max": 500},
		{"pattern": "sku", "regex": `AR-\d+`},
		{"one_of": "status", "values": []any{"draft", "active", "inactive", "discontinued"}},
		{"unique": "gtin"},
		{"reference": "category"},
		{"gtin": "gtin"},
		{"unit": "base_unit"},
		{"country": "country_of_origin"},
		{"url": "images"},
		{"email": "attributes.contact"},
		{"expression": "min_order_quantity % pack_size == 0"},
	} {
		bare := *entity(b, "product")
		bare.Rules = nil
		rules, errs := Compile(&bare, mapped, []any{spec})
		if errs != nil {
			b.Fatal(errs)
		}
		rules.rules = rules.rules[len(rules.rules)-1:] // but for those that are always there
		b.Run(rules.rules[0].Name+" "+rules.rules[0].Field, func(b *testing.B) {
			c := rules.Start(&everything{})
			for b.Loop() {
				if rules.rules[0].unique != nil {
					c = rules.Start(&everything{})
				}
				checkAll(b, c, batches)
			}
			perRow(b, benchRows)
		})
	}
}

// BenchmarkKeySet measures a set of a million keys, and what a key takes.
func BenchmarkKeySet(b *testing.B) {
	const keys = 1_000_000
	var bytes float64
	for b.Loop() {
		var s keySet
		for i := range keys {
			hash := hashInt(int64(i))
			if _, ok := s.find(hash); !ok {
				s.add(hash, rowPlace{row: uint32(i)})
			}
		}
		bytes = float64(s.bytes()) / keys
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*keys), "ns/key")
	b.ReportMetric(bytes, "B/key")
	b.ReportMetric(0, "ns/op")
}
