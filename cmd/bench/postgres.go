package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"crossdock/internal/store/pgserver"
)

// benchURL names the database that the steps on PostgreSQL work in. It is
// passed by the environment because a URL has a password.
const benchURL = "CROSSDOCK_BENCH_POSTGRES_URL"

const (
	copyFloor    = "floor: PostgreSQL COPY into an empty table"
	mergeFloor   = "floor: PostgreSQL stage and merge over a full table"
	postgresCSV  = "CSV products into PostgreSQL, first load"
	productTable = `CREATE TABLE floor.product (
		sku text COLLATE "C" PRIMARY KEY, gtin text, mpn text, name_de text, name_en text, description_en text, brand text,
		category text, unit text, pack_size bigint, min_order bigint, order_multiple bigint, weight bigint,
		status text, tax_class text)`
)

// postgresSteps are the steps that need a PostgreSQL.
func postgresSteps(dir string, f generated) []step {
	in := func(name string) string { return filepath.Join(dir, name) }
	categories := []string{in("categories.yaml")}
	return []step{
		{name: copyFloor, floor: "postgres-copy", file: f.csv, postgres: true},
		{name: mergeFloor, floor: "postgres-merge", file: f.csvAllChanged, postgres: true},
		{
			name: postgresCSV, pipeline: in("products.yaml"), file: f.csv, fresh: true, before: categories,
			postgres: true, of: copyFloor, bar: 0.6,
		},
		{name: "CSV into PostgreSQL, second load, nothing changed", pipeline: in("products.yaml"), file: f.csv, postgres: true, of: postgresCSV},
		{
			name: "CSV into PostgreSQL, all rows changed", pipeline: in("products-all-changed.yaml"), file: f.csvAllChanged,
			postgres: true, of: mergeFloor, bar: 0.9,
		},
		{name: "prices into PostgreSQL, first load", pipeline: in("prices.yaml"), file: f.prices, before: []string{in("lists.yaml")}, postgres: true, of: copyFloor},
		{name: "stock into PostgreSQL, first load", pipeline: in("stock.yaml"), file: f.stock, before: []string{in("warehouses.yaml")}, postgres: true, of: copyFloor},
		{name: "XLSX into PostgreSQL, first load", pipeline: in("products-xlsx.yaml"), file: f.xlsx, fresh: true, before: categories, postgres: true, of: excelizeLoop},
		{name: "NDJSON into PostgreSQL, first load", pipeline: in("products-ndjson.yaml"), file: f.ndjson, fresh: true, before: categories, postgres: true, of: copyFloor},
		{name: "Parquet into PostgreSQL, first load", pipeline: in("products-parquet.yaml"), file: f.parquet, fresh: true, before: categories, postgres: true, of: copyFloor},
	}
}

// startPostgres sees to a PostgreSQL: the one that the environment names, or a
// private one with the settings that it comes with. Where there is none, the
// steps that need it are left out.
func startPostgres(ctx context.Context) (stop func() error, err error) {
	if os.Getenv(benchURL) != "" {
		return func() error { return nil }, nil
	}
	server, err := pgserver.Start(ctx, "shared_buffers=512MB", "max_wal_size=4GB")
	if errors.Is(err, pgserver.ErrNone) {
		fmt.Fprintln(os.Stderr, "bench: left out is what needs PostgreSQL: "+err.Error())
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, err
	}
	return server.Stop, os.Setenv(benchURL, server.URL)
}

// choose sets in which database the next runs of Crossdock keep their data.
func (b *runner) choose(s step) error {
	if !s.postgres {
		return os.Unsetenv("CROSSDOCK_DATABASE_URL")
	}
	address := os.Getenv(benchURL)
	if address == "" {
		return errAbsent
	}
	if err := os.Setenv("CROSSDOCK_DATABASE_URL", address); err != nil || !s.fresh {
		return err
	}
	return freshPostgres(b.ctx)
}

// freshPostgres removes what an earlier step has left in the database.
func freshPostgres(ctx context.Context) error {
	return withPostgres(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `DROP SCHEMA IF EXISTS floor, catalog, pricing, inventory, accounts, hub CASCADE`)
		return err
	})
}

func withPostgres(ctx context.Context, fn func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, os.Getenv(benchURL))
	if err != nil {
		return err
	}
	return errors.Join(fn(conn), conn.Close(context.WithoutCancel(ctx)))
}

// floorPostgres times one of the floors of PostgreSQL: rows are parsed and typed
// a chunk at a time, which is not counted, and then copied.
func floorPostgres(ctx context.Context, kind, file string) (rows int64, took time.Duration, err error) {
	if os.Getenv(benchURL) == "" {
		return 0, 0, errAbsent
	}
	if err := freshPostgres(ctx); err != nil {
		return 0, 0, err
	}
	err = withPostgres(ctx, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, `CREATE SCHEMA floor`); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, productTable); err != nil {
			return err
		}
		// For a merge the table is full, and the way there is not counted.
		if rows, took, err = copyAll(ctx, conn, file, pgx.Identifier{"floor", "product"}, ""); err != nil || kind == "postgres-copy" {
			return err
		}
		rows, took, err = mergeAll(ctx, conn, file)
		return err
	})
	return rows, took, errors.Join(err, freshPostgres(ctx))
}

// copyAll copies a file into a table, in one transaction that ends with the
// statement given.
func copyAll(ctx context.Context, conn *pgx.Conn, file string, table pgx.Identifier, end string) (rows int64, took time.Duration, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // does nothing after a commit
	var pending [][]any
	flush := func() error {
		started := time.Now()
		n, err := tx.CopyFrom(ctx, table, productColumns(), pgx.CopyFromRows(pending))
		took += time.Since(started)
		rows += n
		pending = pending[:0]
		return err
	}
	seen := map[string]bool{} // the file has the same key twice here and there
	err = eachRecord(file, func(record []string) error {
		if record[0] == "" || seen[record[0]] {
			return nil
		}
		row := make([]any, len(record))
		for i, v := range typed(record) {
			row[i] = v
		}
		seen[strings.Clone(record[0])] = true
		if pending = append(pending, row); len(pending) == chunk {
			return flush()
		}
		return nil
	})
	if err = errors.Join(err, flush()); err != nil {
		return 0, 0, err
	}
	started := time.Now()
	if end != "" {
		if _, err := tx.Exec(ctx, end); err != nil {
			return 0, 0, err
		}
	}
	err = tx.Commit(ctx)
	return rows, took + time.Since(started), err
}

// mergeAll copies a file into a temporary table, and merges that into the full one.
func mergeAll(ctx context.Context, conn *pgx.Conn, file string) (rows int64, took time.Duration, err error) {
	if _, err := conn.Exec(ctx, `CREATE TEMPORARY TABLE stage (LIKE floor.product)`); err != nil {
		return 0, 0, err
	}
	var sets []string
	for _, name := range productColumns()[1:] {
		sets = append(sets, name+" = excluded."+name)
	}
	return copyAll(ctx, conn, file, pgx.Identifier{"stage"},
		`INSERT INTO floor.product SELECT * FROM stage ON CONFLICT (sku) DO UPDATE SET `+strings.Join(sets, ", "))
}
