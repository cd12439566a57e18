package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/xuri/excelize/v2"
)

func productColumns() []string {
	return []string{
		"sku", "gtin", "mpn", "name_de", "name_en", "description_en", "brand", "category", "unit",
		"pack_size", "min_order", "order_multiple", "weight", "status", "tax_class",
	}
}

// faultShare is one row in how many that has a fault, of eight kinds in turn.
const faultShare = 100

const categoryCount = 200

// A generated is the files to measure on.
type generated struct {
	csv, csvChanged, ndjson, parquet string // products; of csvChanged one in a hundred differs
	xlsx, xlsxInline                 string // as spreadsheet programs write them, and as libraries do that stream
	prices, pricesChanged, stock     string
	csvAllChanged                    string // every product differs
}

func filesIn(dir string, products, sheetRows int) generated {
	in := func(format string, n int) string { return filepath.Join(dir, fmt.Sprintf(format, n)) }
	return generated{
		csv: in("products-%d.csv", products), csvChanged: in("products-%d-changed.csv", products),
		ndjson: in("products-%d.ndjson", products), parquet: in("products-%d.parquet", products), csvAllChanged: in("products-%d-all-changed.csv", products),
		xlsx: in("products-%d.xlsx", sheetRows), xlsxInline: in("products-%d-inline.xlsx", sheetRows),
		prices: in("prices-%d.csv", products), pricesChanged: in("prices-%d-changed.csv", products),
		stock: in("stock-%d.csv", products),
	}
}

// generate writes what is measured, the same bytes every time, and leaves what
// is there from an earlier run.
func generate(dir string, products, sheetRows int) (generated, error) {
	files := filesIn(dir, products, sheetRows)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return files, err
	}
	for _, f := range []struct {
		path  string
		write func(path string) error
	}{
		{files.csv, func(path string) error { return writeCSV(path, productColumns(), products, productRow) }},
		{files.csvChanged, func(path string) error { return writeCSV(path, productColumns(), products, changedProduct) }},
		{files.csvAllChanged, func(path string) error { return writeCSV(path, productColumns(), products, otherProduct) }},
		{files.xlsx, func(path string) error { return writeShared(path, sheetRows) }},
		{files.xlsxInline, func(path string) error { return writeInline(path, sheetRows) }},
		{files.parquet, func(path string) error { return writeParquet(path, products) }},
		{files.ndjson, func(path string) error { return writeNDJSON(path, products) }},
		{files.prices, func(path string) error { return writeCSV(path, priceColumns(), products, priceRow) }},
		{files.pricesChanged, func(path string) error { return writeCSV(path, priceColumns(), products, changedPrice) }},
		{files.stock, func(path string) error { return writeCSV(path, stockColumns(), products, stockRow) }},
		{filepath.Join(dir, "categories.csv"), func(path string) error { return writeCSV(path, []string{"code", "name"}, categoryCount, categoryRow) }},
		{filepath.Join(dir, "warehouses.csv"), func(path string) error { return writeCSV(path, []string{"code"}, warehouseCount, warehouseRow) }},
	} {
		if _, err := os.Stat(f.path); err == nil {
			continue
		}
		if err := f.write(f.path + ".part"); err != nil {
			return files, err
		}
		if err := os.Rename(f.path+".part", f.path); err != nil {
			return files, err
		}
	}
	return files, writePipelines(dir, files)
}

func categoryCode(i int) string { return fmt.Sprintf("cat-%03d", i) }

func writeCSV(path string, columns []string, rows int, fill func(int, *rand.Rand, []string)) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	buffered := bufio.NewWriterSize(file, 1<<20)
	out := csv.NewWriter(buffered)
	if err := out.Write(columns); err != nil {
		return err
	}
	random := newRandom()
	row := make([]string, len(columns))
	for i := range rows {
		fill(i, random, row)
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return err
	}
	return buffered.Flush()
}

func newRandom() *rand.Rand { return rand.New(rand.NewPCG(20260101, 5381)) }

// writeInline writes the products by excelize's own writer, which puts each text
// into its cell.
func writeInline(path string, rows int) error {
	book := excelize.NewFile()
	defer book.Close()
	out, err := book.NewStreamWriter("Sheet1")
	if err != nil {
		return err
	}
	random := newRandom()
	row := make([]string, len(productColumns()))
	cells := make([]any, len(productColumns()))
	for i := range rows + 1 {
		copy(row, productColumns())
		if i > 0 {
			productRow(i-1, random, row)
		}
		for c := range row {
			cells[c] = row[c]
		}
		if err := out.SetRow(fmt.Sprintf("A%d", i+1), cells); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	file, err := os.Create(path) // SaveAs wants a name that ends in xlsx
	if err != nil {
		return err
	}
	return errors.Join(book.Write(file), file.Close())
}

// productRow fills one product, and gives one in faultShare of them a fault.
func productRow(i int, random *rand.Rand, row []string) {
	nouns := [...]string{"Kugellager", "Sechskantschraube", "Dichtring", "Zahnriemen", "Spannrolle", "Kupplung", "Flansch", "Ventil"}
	brands := [...]string{"Nordlager", "Weller & Sohn", "Hexa", "Dura-Fix", "Rhein Technik", "Ostwerk", "Primus", "Alba"}
	noun := nouns[random.IntN(len(nouns))]
	size := random.IntN(900) + 100
	pack := [...]int{1, 5, 10, 25, 50, 100}[random.IntN(6)]
	row[0] = fmt.Sprintf("NL-%07d", i)
	row[1] = gtin(400_000_000_000 + int64(i))
	row[2] = fmt.Sprintf("M%d-%d", size, random.IntN(100_000))
	row[3] = fmt.Sprintf("%s %d mm, größengeprüft", noun, size)
	row[4] = fmt.Sprintf("%s %d mm, size checked", noun, size)
	row[5] = fmt.Sprintf("%s for industrial use, \"grade %d\", bore %d mm, sealed on both sides, greased for life.", noun, size%7, size)
	row[6] = brands[random.IntN(len(brands))]
	row[7] = categoryCode(random.IntN(categoryCount))
	row[8] = [...]string{"C62", "MTR", "KGM", "PR"}[random.IntN(4)]
	row[9] = fmt.Sprint(pack)
	row[10] = fmt.Sprint(pack * (1 + random.IntN(3)))
	row[11] = fmt.Sprint(pack)
	row[12] = fmt.Sprintf("%d.%03d", random.IntN(20), random.IntN(1000))
	row[13] = [...]string{"active", "active", "active", "inactive"}[random.IntN(4)]
	row[14] = [...]string{"standard", "standard", "reduced"}[random.IntN(3)]
	if i%faultShare == faultShare-1 {
		spoil(i/faultShare, row)
	}
}

func spoil(fault int, row []string) {
	switch fault % 8 {
	case 0:
		row[1] = row[1][:12] + string('0'+(row[1][12]-'0'+1)%10) // check digit
	case 1:
		row[3] = "" // required
	case 2:
		row[7] = "cat-999" // unknown category
	case 3:
		row[8] = "pieces" // unknown unit
	case 4:
		row[12] = "-" + row[12] + "1" // below zero
	case 5:
		row[9] = "1O" // letter O
	case 6:
		row[0] = "NL-0000000" // the same as the first
	case 7:
		row[13] = "aktiv" // not one of
	}
}

// gtin appends its check digit (GS1 General Specifications, 7.9) to 12 digits.
func gtin(n int64) string {
	digits := fmt.Sprintf("%012d", n)
	sum := 0
	for i := range 12 {
		weight := 1
		if i%2 == 1 {
			weight = 3
		}
		sum += int(digits[i]-'0') * weight
	}
	return fmt.Sprintf("%s%d", digits, (10-sum%10)%10)
}
