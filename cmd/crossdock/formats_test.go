package main

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zip"
	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/xuri/excelize/v2"
)

// scriptZip packs files: zip ARCHIVE FILE...
func scriptZip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: zip ARCHIVE FILE...")
	}
	archive, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	w := zip.NewWriter(archive)
	for _, name := range args[1:] {
		member, err := w.Create(filepath.ToSlash(name))
		ts.Check(err)
		_, err = member.Write([]byte(ts.ReadFile(name)))
		ts.Check(err)
	}
	ts.Check(w.Close())
	ts.Check(archive.Close())
}

// scriptZstd packs one file: zstd FILE PACKED.
func scriptZstd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: zstd FILE PACKED")
	}
	w, err := zstd.NewWriter(nil)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), w.EncodeAll([]byte(ts.ReadFile(args[0])), nil), 0o600))
}

// itemsWorkbook returns the items of formats.txt as a workbook.
func itemsWorkbook() ([]byte, error) {
	book := excelize.NewFile()
	defer book.Close()
	for address, row := range map[string][]any{
		"A1": {"nr", "name", "menge"}, "A2": {"0017", "Mutter M8", 1}, "A3": {"0018", "Größe L & XL", 12}, "A4": {"0019", "Keil", 3},
	} {
		if err := book.SetSheetRow("Sheet1", address, &row); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	err := book.Write(&b)
	return b.Bytes(), err
}
