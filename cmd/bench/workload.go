package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// changedShare is one row in how many that differs in a changed file.
const changedShare = 100

// changedProduct fills a product of the changed file.
func changedProduct(i int, random *rand.Rand, row []string) {
	productRow(i, random, row)
	if i%changedShare == 0 {
		row[4] += ", new"
	}
}

// otherProduct fills a product of the file in which every one has changed.
func otherProduct(i int, random *rand.Rand, row []string) {
	productRow(i, random, row)
	row[4] += ", new"
	row[6] += " new"
}

func categoryRow(i int, _ *rand.Rand, row []string) {
	row[0], row[1] = categoryCode(i), fmt.Sprintf("Category %d", i)
}

func priceColumns() []string { return []string{"sku", "list", "from", "price", "currency"} }

// tiers is how many prices a product has, and perWarehouse in how many
// warehouses it lies.
const (
	tiers          = 5
	warehouseCount = 5
)

// priceRow fills one price of the scale of a product, falling with the quantity.
func priceRow(i int, random *rand.Rand, row []string) {
	tier := i % tiers
	row[0] = fmt.Sprintf("NL-%07d", spared(i/tiers))
	row[1] = "dealer"
	row[2] = [...]string{"1", "10", "50", "100", "500"}[tier]
	row[3] = fmt.Sprintf("%d.%04d", 100-tier*10+random.IntN(5), random.IntN(10_000))
	row[4] = "EUR"
}

func changedPrice(i int, random *rand.Rand, row []string) {
	priceRow(i, random, row)
	if i%changedShare == 0 {
		row[3] += "1"
	}
}

func stockColumns() []string { return []string{"sku", "warehouse", "on_hand", "as_of"} }

func stockRow(i int, random *rand.Rand, row []string) {
	row[0] = fmt.Sprintf("NL-%07d", spared(i/warehouseCount))
	row[1] = warehouseCode(i % warehouseCount)
	row[2] = fmt.Sprint(random.IntN(10_000))
	row[3] = "2026-11-02T06:00:00Z"
}

// spared returns the number of a product without a fault: the prices and the
// stock of others would be rejected, which is measured with the products.
func spared(i int) int { return i + i/(faultShare-1) }

func warehouseCode(i int) string { return fmt.Sprintf("WH%d", i+1) }

func warehouseRow(i int, _ *rand.Rand, row []string) { row[0] = warehouseCode(i) }

// writeNDJSON writes the products of the CSV file, one object to a line.
func writeNDJSON(path string, rows int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	w := bufio.NewWriterSize(file, 1<<20)
	random := newRandom()
	columns := productColumns()
	row := make([]string, len(columns))
	var line bytes.Buffer
	for i := range rows {
		productRow(i, random, row)
		line.Reset()
		for c, name := range columns {
			value, err := json.Marshal(row[c])
			if err != nil {
				return err
			}
			separator := ','
			if c == 0 {
				separator = '{'
			}
			fmt.Fprintf(&line, "%c%q:%s", separator, name, value)
		}
		line.WriteString("}\n")
		if _, err := w.Write(line.Bytes()); err != nil {
			return err
		}
	}
	return w.Flush()
}

// writePipelines writes the pipelines that read the files.
func writePipelines(dir string, f generated) error {
	products := func(name, connector, path string) string {
		return fmt.Sprintf(productsPipeline, name, connector, filepath.Base(path))
	}
	for name, text := range map[string]string{
		"categories.yaml":       categoriesPipeline,
		"lists.yaml":            listsPipeline,
		"lists.csv":             "list,name,currency\ndealer,Dealers,EUR\n",
		"warehouses.yaml":       warehousesPipeline,
		"products.yaml":         products("bench-products", "csv", f.csv),
		"products-changed.yaml": products("bench-products", "csv", f.csvChanged),
		"products-xlsx.yaml":    products("bench-products-xlsx", "excel", f.xlsx),
		"products-inline.yaml":  products("bench-products-xlsx", "excel", f.xlsxInline),
		"products-parquet.yaml": products("bench-products-parquet", "parquet", f.parquet),
		"products-ndjson.yaml":  products("bench-products-ndjson", "json", f.ndjson),
		"prices.yaml":           fmt.Sprintf(pricesPipeline, filepath.Base(f.prices)),
		"prices-changed.yaml":   fmt.Sprintf(pricesPipeline, filepath.Base(f.pricesChanged)),
		"stock.yaml":            fmt.Sprintf(stockPipeline, filepath.Base(f.stock)),

		"products-all-changed.yaml": products("bench-products", "csv", f.csvAllChanged),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

const categoriesPipeline = `pipeline: bench-categories
source: { connector: csv, path: categories.csv }
entity: category
map: { category: code, name.en: name }
`

const listsPipeline = `pipeline: bench-lists
source: { connector: csv, path: lists.csv }
entity: price_list
map: { list: list, name.en: name, currency: currency }
`

const warehousesPipeline = `pipeline: bench-warehouses
source: { connector: csv, path: warehouses.csv }
entity: warehouse
map: { warehouse: code, name: code }
`

// The pipelines below have 12 rules or more with those of their entities.

const productsPipeline = `pipeline: %s
source: { connector: %s, path: %s }
entity: product
map:
  sku: sku
  gtin: gtin
  mpn: mpn
  name.de: name_de
  name.en: name_en
  description.en: description_en
  brand: brand
  category: category
  base_unit: unit
  pack_size: pack_size
  min_order_quantity: min_order
  order_multiple: order_multiple
  weight: weight
  status: status
  tax_class: tax_class
rules:
  - required: [name.de, brand, category]
  - { pattern: sku, regex: 'NL-[0-9]{7}' }
  - { length: mpn, max: 40 }
  - { expression: 'min_order_quantity %% pack_size == 0' }
`

const pricesPipeline = `pipeline: bench-prices
source: { connector: csv, path: %s }
entity: price
map: { sku: sku, list: list, min_quantity: from, amount: price, currency: currency }
rules:
  - { pattern: sku, regex: 'NL-[0-9]{7}' }
  - { range: amount, above: 0, max: 100000 }
`

const stockPipeline = `pipeline: bench-stock
source: { connector: csv, path: %s }
entity: stock_level
map: { sku: sku, warehouse: warehouse, on_hand: on_hand, as_of: as_of }
rules:
  - { pattern: sku, regex: 'NL-[0-9]{7}' }
  - { range: on_hand, max: 1000000 }
`
