package main

import "path/filepath"

// A step is one line of the table: something measured once a round, as a
// process of its own.
type step struct {
	name  string
	floor string // what a floor does; "" where Crossdock runs a pipeline
	file  string // that is read

	pipeline string
	fresh    bool     // begin with an empty data folder; else go on with the last one
	before   []string // pipelines to run before, unmeasured
	postgres bool     // the services' data is in PostgreSQL

	// of names the step of the same round whose rate this one's is divided by,
	// and bar the least that the ratio should be; 0: none is set.
	of  string
	bar float64
}

// The names that ratios refer to.
const (
	insertFloor    = "floor: prepared inserts, one transaction"
	excelizeLoop   = "floor: excelize's Rows loop over the XLSX"
	excelizeInline = "floor: excelize's Rows loop over the XLSX of inline texts"
	csvFirst       = "CSV products into SQLite, first load"
	pricesFirst    = "prices into SQLite, first load"
	stockFirst     = "stock of 5 warehouses into SQLite, first load"
)

// steps lists what a round measures, in its order: floors first, since ratios
// refer to them.
func steps(dir string, f generated) []step {
	in := func(name string) string { return filepath.Join(dir, name) }
	categories := []string{in("categories.yaml")}
	return append([]step{
		{name: "floor: read the file", floor: "read", file: f.csv},
		{name: "floor: parse it with encoding/csv", floor: "parse", file: f.csv},
		{name: "floor: arrow-go's CSV reader, all text", floor: "arrow", file: f.csv},
		{name: insertFloor, floor: "insert", file: f.csv},
		{name: "floor: sqlite3 .import", floor: "sqlite3", file: f.csv},
		{name: excelizeLoop, floor: "excelize", file: f.xlsx},
		{name: excelizeInline, floor: "excelize", file: f.xlsxInline},

		{name: csvFirst, pipeline: in("products.yaml"), file: f.csv, fresh: true, before: categories, of: insertFloor, bar: 0.8},
		{name: "CSV, second load, nothing changed", pipeline: in("products.yaml"), file: f.csv, of: csvFirst, bar: 2},
		{name: "CSV, load with 1% changed", pipeline: in("products-changed.yaml"), file: f.csvChanged, of: csvFirst},
		{name: pricesFirst, pipeline: in("prices.yaml"), file: f.prices, before: []string{in("lists.yaml")}, of: insertFloor},
		{name: "prices, second load, nothing changed", pipeline: in("prices.yaml"), file: f.prices, of: pricesFirst},
		{name: "prices, load with 1% changed", pipeline: in("prices-changed.yaml"), file: f.pricesChanged, of: pricesFirst},
		{name: stockFirst, pipeline: in("stock.yaml"), file: f.stock, before: []string{in("warehouses.yaml")}, of: insertFloor},
		{name: "stock snapshot, nothing changed", pipeline: in("stock.yaml"), file: f.stock, of: stockFirst, bar: 2.5},
		{name: "XLSX into SQLite, first load", pipeline: in("products-xlsx.yaml"), file: f.xlsx, fresh: true, before: categories, of: excelizeLoop, bar: 8},
		{name: "XLSX of inline texts into SQLite, first load", pipeline: in("products-inline.yaml"), file: f.xlsxInline, fresh: true, before: categories, of: excelizeInline},
		{name: "NDJSON into SQLite, first load", pipeline: in("products-ndjson.yaml"), file: f.ndjson, fresh: true, before: categories, of: insertFloor},
		{name: "Parquet into SQLite, first load", pipeline: in("products-parquet.yaml"), file: f.parquet, fresh: true, before: categories, of: insertFloor},
	}, append(postgresSteps(dir, f), brokerSteps()...)...)
}
