package upsert

import (
	"context"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/mattn/go-sqlite3"

	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

const (
	benchRows  = 200_000
	benchBatch = 8_000
)

// fifteen are the columns of the benchmark.
var fifteen = []string{
	"sku", "gtin", "mpn", "name.de", "name.en", "description.de", "brand", "category", "base_unit",
	"pack_size", "min_order_quantity", "weight", "country_of_origin", "status", "tax_class",
}

// product returns what a column holds in a row of the benchmark.
func product(column string, i int) string {
	switch column {
	case "sku":
		return fmt.Sprintf("AR-%07d", i)
	case "gtin":
		return fmt.Sprintf("4006381%06d", i)
	case "mpn":
		return fmt.Sprintf("SKF-%d-2RS", i)
	case "name.de":
		return fmt.Sprintf("Sechskantschraube M%d x %d verzinkt", i%40, i)
	case "name.en":
		return fmt.Sprintf("Hexagon screw M%d x %d zinc plated", i%40, i)
	case "description.de":
		return fmt.Sprintf("Schraube mit Schaft nach ISO 4014, Stahl, Festigkeitsklasse 8.8, Größe %d, für Außenbereiche", i)
	case "brand":
		return fmt.Sprintf("Brand %d", i%50)
	case "category":
		return fmt.Sprintf("fasteners-%d", i%300)
	case "base_unit":
		return "C62"
	case "country_of_origin":
		return []string{"DE", "FR", "IT", "CN"}[i%4]
	case "status":
		return []string{"active", "active", "active", "inactive"}[i/7%4]
	case "tax_class":
		return "standard"
	case "pack_size":
		return []string{"10", "50", "100"}[i%3]
	case "min_order_quantity":
		return []string{"1", "10"}[i%2]
	case "weight":
		return fmt.Sprintf("%d.%03d", i%30, i%1000)
	}
	panic(column)
}

func benchBatches(tb testing.TB, version int) []*schemas.Batch {
	entity, err := schemas.Default().Entity("product")
	if err != nil {
		tb.Fatal(err)
	}
	columns := make([]schemas.Column, len(fifteen))
	for i, name := range fifteen {
		if columns[i], err = entity.Column(name); err != nil {
			tb.Fatal(err)
		}
	}
	var batches []*schemas.Batch
	for start := 0; start < benchRows; start += benchBatch {
		rb := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(columns))
		for row := start; row < start+benchBatch; row++ {
			for c, name := range fifteen {
				text := product(name, row)
				if name == "brand" && version > 0 {
					text += fmt.Sprint(" v", version)
				}
				switch f := rb.Field(c).(type) {
				case *array.StringBuilder:
					f.Append(text)
				case *array.Decimal64Builder:
					d, err := schemas.ParseDecimal(text)
					if err != nil {
						tb.Fatal(err)
					}
					f.Append(decimal.Decimal64(d))
				}
			}
		}
		batches = append(batches, &schemas.Batch{Entity: entity, Columns: columns, Rows: rb.NewRecordBatch()})
	}
	return batches
}

// floor is the least that SQLite can be asked to do: the same fifteen typed
// columns, one prepared insert a row, one transaction, nothing else.
func floor(b *testing.B, path string) time.Duration {
	conn, err := (&sqlite3.SQLiteDriver{}).Open("file:" + path + "?_journal_mode=WAL&_synchronous=FULL&_cache_size=-65536")
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	c := conn.(*sqlite3.SQLiteConn)
	run := func(query string) {
		if _, err := c.Exec(query, nil); err != nil {
			b.Fatal(err)
		}
	}
	run(`CREATE TABLE product (sku TEXT NOT NULL PRIMARY KEY, gtin TEXT, mpn TEXT, name_de TEXT, name_en TEXT, description_de TEXT,
		brand TEXT, category TEXT, base_unit TEXT, pack_size INTEGER, min_order_quantity INTEGER, weight INTEGER,
		country_of_origin TEXT, status TEXT, tax_class TEXT) STRICT`)
	rows := make([][15]driver.Value, benchRows)
	for i := range rows {
		for c, name := range fifteen {
			text := product(name, i)
			rows[i][c] = text
			if c >= 9 && c <= 11 {
				d, _ := schemas.ParseDecimal(text)
				rows[i][c] = int64(d)
			}
		}
	}
	stmt, err := c.Prepare(`INSERT INTO product VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`)
	if err != nil {
		b.Fatal(err)
	}
	defer stmt.Close()
	args := make([]driver.NamedValue, 15)
	start := time.Now()
	run(`BEGIN IMMEDIATE`)
	for i := range rows {
		for c := range args {
			args[c] = driver.NamedValue{Ordinal: c + 1, Value: rows[i][c]}
		}
		if _, err := stmt.(*sqlite3.SQLiteStmt).ExecContext(context.Background(), args); err != nil {
			b.Fatal(err)
		}
	}
	run(`COMMIT`)
	return time.Since(start)
}

func applyAll(b *testing.B, e *Engine, run string, batches []*schemas.Batch) time.Duration {
	start := time.Now()
	for i, batch := range batches {
		if _, err := e.Apply(b.Context(), schemas.BatchID{Run: run, Seq: int64(i + 1)}, batch); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

// best keeps the shortest time of several runs: what else the machine does only
// ever adds to it.
type best time.Duration

func (b *best) take(d time.Duration) {
	if *b == 0 || best(d) < *b {
		*b = best(d)
	}
}

func (b best) rate(rows int) float64 { return float64(rows) / time.Duration(b).Seconds() }

// BenchmarkProducts measures the first load, the reload of the same and a
// reload of which every row has changed, beside the floor, in rows a second.
// Hashes are computed within the time, as in a run.
func BenchmarkProducts(b *testing.B) {
	var bare, load, reload, update best
	for b.Loop() {
		bare.take(floor(b, filepath.Join(b.TempDir(), "floor.db")))
		e := openEngine(b)
		first, same, changed := benchBatches(b, 0), benchBatches(b, 0), benchBatches(b, 1)
		load.take(applyAll(b, e, "1", first))
		reload.take(applyAll(b, e, "2", same))
		update.take(applyAll(b, e, "3", changed))
	}
	b.ReportMetric(bare.rate(benchRows), "floor_rows/s")
	b.ReportMetric(load.rate(benchRows), "load_rows/s")
	b.ReportMetric(reload.rate(benchRows), "same_rows/s")
	b.ReportMetric(update.rate(benchRows), "changed_rows/s")
	b.ReportMetric(load.rate(benchRows)/bare.rate(benchRows), "load/floor")
	b.ReportMetric(reload.rate(benchRows)/load.rate(benchRows), "same/load")
}

// BenchmarkProductsInPostgres measures the same three loads in PostgreSQL; its
// floors are measured by cmd/bench.
func BenchmarkProductsInPostgres(b *testing.B) {
	var load, reload, update best
	for b.Loop() {
		e := openEngineAt(b, storetest.Postgres(b))
		load.take(applyAll(b, e, "1", benchBatches(b, 0)))
		reload.take(applyAll(b, e, "2", benchBatches(b, 0)))
		update.take(applyAll(b, e, "3", benchBatches(b, 1)))
	}
	b.ReportMetric(load.rate(benchRows), "load_rows/s")
	b.ReportMetric(reload.rate(benchRows), "same_rows/s")
	b.ReportMetric(update.rate(benchRows), "changed_rows/s")
}

// BenchmarkPrices measures the narrow rows of prices: four tiers a product.
func BenchmarkPrices(b *testing.B) {
	const rows, size = 400_000, 8_000
	header := []string{"sku", "list", "unit", "min_quantity", "amount", "currency", "price_unit"}
	batches := func(cents int) (list []*schemas.Batch) {
		for start := 0; start < rows; start += size {
			var cells [][]string
			for i := start; i < start+size; i++ {
				cells = append(cells, []string{
					fmt.Sprintf("AR-%07d", i/4), "dealer-eu", "C62", []string{"1", "10", "100", "1000"}[i%4],
					fmt.Sprintf("%d.%02d", i%1000, cents), "EUR", "1",
				})
			}
			list = append(list, servicetest.Rows(b, "price", header, cells))
		}
		return list
	}
	var load, reload, update best
	for b.Loop() {
		e := openEngine(b)
		load.take(applyAll(b, e, "1", batches(1)))
		reload.take(applyAll(b, e, "2", batches(1)))
		update.take(applyAll(b, e, "3", batches(2)))
	}
	b.ReportMetric(load.rate(rows), "load_rows/s")
	b.ReportMetric(reload.rate(rows), "same_rows/s")
	b.ReportMetric(update.rate(rows), "changed_rows/s")
}

func openEngine(tb testing.TB) *Engine {
	tb.Helper()
	return openEngineAt(tb, store.Place{Dir: tb.TempDir()})
}
