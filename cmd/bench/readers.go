package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/csv"
	"github.com/xuri/excelize/v2"
)

// floorArrow reads the file into text columns by arrow-go's own reader.
func floorArrow(path string) (rows int64, took time.Duration, err error) {
	started := time.Now()
	file, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	fields := make([]arrow.Field, len(productColumns()))
	for i, name := range productColumns() {
		fields[i] = arrow.Field{Name: name, Type: arrow.BinaryTypes.String}
	}
	const batchRows = 8_000
	r := csv.NewReader(bufio.NewReaderSize(file, 1<<20), arrow.NewSchema(fields, nil), csv.WithHeader(true), csv.WithChunk(batchRows))
	defer r.Release()
	for r.Next() {
		rows += r.RecordBatch().NumRows()
	}
	return rows, time.Since(started), r.Err()
}

// floorExcelize reads every row of the first sheet by excelize's Rows, as most
// Go programs do, and does nothing with it.
func floorExcelize(path string) (rows int64, took time.Duration, err error) {
	started := time.Now()
	book, err := excelize.OpenFile(path)
	if err != nil {
		return 0, 0, err
	}
	defer book.Close()
	sheet, err := book.Rows(book.GetSheetName(0))
	if err != nil {
		return 0, 0, err
	}
	defer sheet.Close()
	for sheet.Next() {
		if _, err := sheet.Columns(); err != nil {
			return 0, 0, err
		}
		rows++
	}
	return rows - 1, time.Since(started), sheet.Error() // without the header
}

// floorImport has SQLite's own shell import the file, untyped and unchecked,
// into a table with a key.
func floorImport(file, path string) (rows int64, took time.Duration, err error) {
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		return 0, 0, fmt.Errorf("sqlite3, the shell of SQLite, %w", errAbsent)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(path + suffix)
	}
	columns := strings.Join(productColumns(), " TEXT, ")
	script := fmt.Sprintf("PRAGMA journal_mode = WAL;\nCREATE TABLE product (%s TEXT, PRIMARY KEY (sku) ON CONFLICT IGNORE);\n"+
		".import --csv --skip 1 %s product\nSELECT 'rows', count(*) FROM product;\n", columns, file)
	started := time.Now()
	cmd := exec.Command(shell, path) //nolint:noctx // this process is the step, and ends with it
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	took = time.Since(started)
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %s", err, out)
	}
	_, count, _ := strings.Cut(string(out), "rows|")
	if _, err := fmt.Sscan(count, &rows); err != nil {
		return 0, 0, fmt.Errorf("sqlite3 says %q", out)
	}
	return rows, took, nil
}
