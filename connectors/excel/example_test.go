package excel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/xuri/excelize/v2"

	"crossdock/connectors"
)

// A price list with a title above its header and a formula that its writer did not compute.
func Example() {
	dir, err := os.MkdirTemp("", "prices")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := writePrices(filepath.Join(dir, "prices.xlsx")); err != nil {
		fmt.Println(err)
		return
	}
	src, err := Type().New(map[string]any{"path": "*.xlsx", "sheet": "Prices"}, connectors.Env{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := printRows(context.Background(), src); err != nil {
		fmt.Println(err)
	}
	// Output:
	// prices.xlsx:Prices!C4: 12.5 of 0017
	// prices.xlsx:Prices!C6: 0.3 of 0018
	// rejected prices.xlsx:Prices!C7: holds a formula without a value: open the workbook in Excel and save it, so that it is computed
	// read 4 rows, 1 of them blank
}

func writePrices(path string) error {
	f := excelize.NewFile()
	defer f.Close()
	if err := f.SetSheetName("Sheet1", "Prices"); err != nil {
		return err
	}
	for cell, value := range map[string]any{
		"A1": "Prices of ACME, valid for 2026", "A3": "sku", "B3": "name", "C3": "price",
		"A4": "0017", "B4": "bolt", "C4": 12.5, "A6": "0018", "B6": "nut", "C6": 0.1 + 0.2, "A7": "0019", "B7": "cap",
	} {
		if err := f.SetCellValue("Prices", cell, value); err != nil {
			return err
		}
	}
	if err := f.SetCellFormula("Prices", "C7", "C4*2"); err != nil {
		return err
	}
	return f.SaveAs(path)
}

func printRows(ctx context.Context, src connectors.Source) error {
	r, err := src.Open(ctx, connectors.ReadRequest{})
	if err != nil {
		return err
	}
	defer r.Close()
	read, skipped := 0, 0
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			fmt.Printf("read %d rows, %d of them blank\n", read, skipped)
			return nil
		}
		if err != nil {
			return err
		}
		for i, row := range b.Origin.Rows {
			place := b.Origin.Place(row, 2, "price")
			fmt.Printf("%s: %s of %s\n", place, b.Rows.Column(2).ValueStr(i), b.Rows.Column(0).ValueStr(i))
		}
		for _, reject := range b.Rejects {
			fmt.Printf("rejected %s: %s\n", b.Origin.Place(reject.Row, reject.Column, "price"), reject.Message)
		}
		read += b.Read()
		skipped += b.Skipped
		if err := r.Ack(ctx, b.Cursor); err != nil {
			return err
		}
	}
}
