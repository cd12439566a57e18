package catalog

import (
	"fmt"
	"testing"
	"time"

	"crossdock/commerce"
	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/schemas"
)

// fill applies n products in batches of 5,000.
func fill(b *testing.B, s *Service, n int) {
	b.Helper()
	header := []string{"sku", "name.en", "name.de", "description.de", "brand", "category", "gtin", "mpn"}
	for start := 0; start < n; start += 5000 {
		var rows [][]string
		for i := start; i < start+5000; i++ {
			rows = append(rows, []string{
				fmt.Sprintf("AR-%07d", i), fmt.Sprintf("Hexagon screw M%d x %d", i%40, i), fmt.Sprintf("Sechskantschraube M%d x %d", i%40, i),
				fmt.Sprintf("Schraube mit Schaft nach ISO 4014, Stahl, Festigkeitsklasse 8.8, Größe %d", i), fmt.Sprintf("Brand %d", i%50),
				fmt.Sprintf("c%d", i%100), fmt.Sprintf("4006381%06d", i), fmt.Sprintf("SKF-%d", i),
			})
		}
		if _, err := s.Apply(b.Context(), schemas.BatchID{Run: "fill", Seq: int64(start)}, servicetest.Rows(b, "product", header, rows)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIndexes measures how fast each index follows an import.
func BenchmarkIndexes(b *testing.B) {
	const n = 20_000
	for _, name := range []string{"facet", "search"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s := open(b, store.Place{Dir: b.TempDir()})
				p := map[string]part{"facet": facets(), "search": s.searchIndex()}[name]
				fill(b, s, n)
				b.StartTimer()
				start := time.Now()
				if err := s.settle(b.Context(), p); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(n/time.Since(start).Seconds(), "rows/s")
			}
		})
	}
}

// BenchmarkReads measures the reads of a shop, on 50,000 products.
func BenchmarkReads(b *testing.B) {
	s := open(b, store.Place{Dir: b.TempDir()})
	var rows [][]string
	for i := range 100 {
		rows = append(rows, []string{fmt.Sprintf("c%d", i), "Category", map[bool]string{true: null, false: fmt.Sprintf("c%d", i/2)}[i == 0]})
	}
	if _, err := s.Apply(b.Context(), schemas.BatchID{Run: "c", Seq: 1}, servicetest.Rows(b, "category", []string{"category", "name.en", "parent"}, rows)); err != nil {
		b.Fatal(err)
	}
	fill(b, s, 50_000)
	if err := s.Settle(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct {
		name string
		read func() error
	}{
		{"product", func() error { _, err := s.Product(b.Context(), commerce.SKU("AR-0012345"), "de"); return err }},
		{"list 50", func() error { _, err := s.Products(b.Context(), ProductQuery{}); return err }},
		{"category of one", func() error { _, err := s.Products(b.Context(), ProductQuery{Category: "c99"}); return err }},
		{"category of all", func() error { _, err := s.Products(b.Context(), ProductQuery{Category: "c0"}); return err }},
		{"search for few", func() error { _, err := s.Products(b.Context(), ProductQuery{Words: "skf-12345"}); return err }},
		{"search for all", func() error { _, err := s.Products(b.Context(), ProductQuery{Words: "screw"}); return err }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				if err := bb.read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
