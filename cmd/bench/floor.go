package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"
)

// measureFloor prints rows and seconds of one floor.
func measureFloor(kind, file, dir string) error {
	var rows int64
	var took time.Duration
	var err error
	switch kind {
	case "read":
		rows, took, err = floorRead(file)
	case "parse":
		rows, took, err = floorParse(file)
	case "arrow":
		rows, took, err = floorArrow(file)
	case "insert":
		rows, took, err = floorInsert(file, filepath.Join(dir, "floor.db"))
	case "sqlite3":
		rows, took, err = floorImport(file, filepath.Join(dir, "import.db"))
	case "excelize":
		rows, took, err = floorExcelize(file)
	case "postgres-copy", "postgres-merge":
		rows, took, err = floorPostgres(context.Background(), kind, file)
	case "amqp", "rabbit", "embedded":
		rows, took, err = floorPublish(context.Background(), kind, dir)
	case "relay":
		rows, took, err = floorRelay(context.Background(), dir)
	default:
		err = fmt.Errorf("unknown floor %q", kind)
	}
	if err == nil {
		fmt.Println(rows, took.Seconds())
	}
	return err
}

func floorRead(path string) (rows int64, took time.Duration, err error) {
	started := time.Now()
	file, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	buffer := make([]byte, 1<<20)
	for {
		n, err := file.Read(buffer)
		for _, b := range buffer[:n] {
			if b == '\n' {
				rows++
			}
		}
		if errors.Is(err, io.EOF) {
			return rows - 1, time.Since(started), nil // without the header
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

func floorParse(path string) (rows int64, took time.Duration, err error) {
	started := time.Now()
	err = eachRecord(path, func([]string) error { rows++; return nil })
	return rows, time.Since(started), err
}

func eachRecord(path string, fn func([]string) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	reader := csv.NewReader(file)
	reader.ReuseRecord = true
	if _, err := reader.Read(); err != nil {
		return err
	}
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := fn(record); err != nil {
			return err
		}
	}
}

// chunk is how many rows are parsed, untimed, before they are inserted, timed.
const chunk = 10_000

// floorInsert inserts the typed rows in one transaction by one prepared
// statement of the driver's own, and times that alone.
func floorInsert(file, path string) (rows int64, took time.Duration, err error) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(path + suffix)
	}
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_cache_size=-65536")
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	conn, err := db.Conn(context.Background())
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	err = conn.Raw(func(raw any) error {
		rows, took, err = insertAll(raw.(*sqlite3.SQLiteConn), file)
		return err
	})
	return rows, took, err
}

const floorTable = `CREATE TABLE product (
	sku TEXT NOT NULL PRIMARY KEY, gtin TEXT, mpn TEXT, name_de TEXT, name_en TEXT, description_en TEXT, brand TEXT,
	category TEXT, unit TEXT, pack_size INTEGER, min_order INTEGER, order_multiple INTEGER, weight INTEGER,
	status TEXT, tax_class TEXT) STRICT`

func insertAll(conn *sqlite3.SQLiteConn, file string) (rows int64, took time.Duration, err error) {
	if _, err := conn.Exec(floorTable, nil); err != nil {
		return 0, 0, err
	}
	marks := strings.TrimSuffix(strings.Repeat("?,", len(productColumns())), ",")
	prepared, err := conn.Prepare("INSERT OR IGNORE INTO product VALUES (" + marks + ")")
	if err != nil {
		return 0, 0, err
	}
	defer prepared.Close()
	stmt := prepared.(*sqlite3.SQLiteStmt)
	args := make([]driver.NamedValue, len(productColumns()))
	for i := range args {
		args[i].Ordinal = i + 1
	}
	pending := make([][]driver.Value, 0, chunk)
	flush := func() error {
		started := time.Now()
		for _, row := range pending {
			for i := range args {
				args[i].Value = row[i]
			}
			if _, err := stmt.ExecContext(context.Background(), args); err != nil {
				return err
			}
		}
		took += time.Since(started)
		rows += int64(len(pending))
		pending = pending[:0]
		return nil
	}
	if _, err := conn.Exec("BEGIN IMMEDIATE", nil); err != nil {
		return 0, 0, err
	}
	err = eachRecord(file, func(record []string) error {
		pending = append(pending, typed(record))
		if len(pending) == chunk {
			return flush()
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	if err := flush(); err != nil {
		return 0, 0, err
	}
	started := time.Now()
	_, err = conn.Exec("COMMIT", nil)
	return rows, took + time.Since(started), err
}

// typed copies a record, its numbers as millionths; what is no number is null.
func typed(record []string) []driver.Value {
	row := make([]driver.Value, len(record))
	for i, text := range record {
		switch {
		case text == "":
		case i >= 9 && i <= 12:
			if f, err := strconv.ParseFloat(text, 64); err == nil {
				row[i] = int64(f * 1e6)
			}
		default:
			row[i] = strings.Clone(text)
		}
	}
	return row
}
