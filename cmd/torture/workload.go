package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
)

// The pipelines of the workload, in the order in which they run.
const (
	categoriesPipeline = `pipeline: categories
source: { connector: csv, path: categories.csv }
entity: category
map: { category: code, name.en: name }
`
	productsPipeline = `pipeline: products
source: { connector: csv, path: products.csv }
entity: product
map: { sku: sku, name.en: name, gtin: gtin, category: category, pack_size: pack, attributes.colour: colour }
`
	listsPipeline = `pipeline: lists
source: { connector: csv, path: lists.csv }
entity: price_list
map: { list: list, name.en: name, currency: currency }
`
	pricesPipeline = `pipeline: prices
source: { connector: csv, path: prices.csv }
entity: price
map: { sku: sku, list: list, min_quantity: from, amount: amount, currency: currency }
`
)

const (
	categories = 50
	// badEvery is one row in how many that is at fault.
	badEvery = 97
)

// writeWorkload writes the pipelines and their files, the same bytes every time.
func writeWorkload(dir string, products int) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"10-categories.yaml": categoriesPipeline, "20-products.yaml": productsPipeline,
		"30-lists.yaml": listsPipeline, "40-prices.yaml": pricesPipeline,
		"lists.csv": "list,name,currency\ndealer,Dealers,EUR\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := writeRows(filepath.Join(dir, "categories.csv"), "code,name", categories, func(i int) string {
		return fmt.Sprintf("c-%02d,Category %d", i, i)
	}); err != nil {
		return err
	}
	if err := writeRows(filepath.Join(dir, "products.csv"), "sku,name,gtin,category,pack,colour", products, productLine); err != nil {
		return err
	}
	return writeRows(filepath.Join(dir, "prices.csv"), "sku,list,from,amount,currency", products, func(i int) string {
		amount := fmt.Sprintf("%d.%02d", i%400+1, i%100)
		if i%badEvery == 1 {
			amount = "on request"
		}
		return fmt.Sprintf("P-%06d,dealer,%d,%s,EUR", i-i%2, 1+i%2*9, amount)
	})
}

// productLine writes one product. Some have a quantity that is no number, some
// a category that there is not, and some the key of the row before.
func productLine(i int) string {
	sku, category, pack := fmt.Sprintf("P-%06d", i), fmt.Sprintf("c-%02d", i%categories), "10"
	switch i % (3 * badEvery) {
	case badEvery + 1:
		pack = "1O"
	case 2*badEvery + 1:
		category = "c-99"
	case 3*badEvery - 1:
		sku = fmt.Sprintf("P-%06d", i-1)
	}
	return fmt.Sprintf("%s,Product number %d,,%s,%s,colour %d", sku, i, category, pack, i%7)
}

func writeRows(path, header string, rows int, line func(i int) string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	fmt.Fprintln(w, header)
	for i := range rows {
		fmt.Fprintln(w, line(i))
	}
	if err := w.Flush(); err != nil {
		_ = file.Close() // the failure that counts is the first
		return err
	}
	return file.Close()
}
