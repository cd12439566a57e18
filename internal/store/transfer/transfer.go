// Package transfer takes all rows of a database over, from a file of SQLite
// into a schema of PostgreSQL that has the same tables. Begin with [Run].
package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"iter"
	"slices"
	"strings"

	"crossdock/internal/store"
)

// A Table is what was taken over of one table.
type Table struct {
	Name string `json:"table"`
	Rows int64  `json:"rows"`
	// Mended counts texts with a NUL or bytes that are not UTF-8, which
	// PostgreSQL cannot hold: U+FFFD took their place.
	Mended int64 `json:"mended,omitempty"`
	// SHA256 is the hash of the rows in the order of their key, in hex: the same
	// was computed over what was read and over what was written.
	SHA256 string `json:"sha256,omitempty"`
}

// Progress is told how many rows of a table are copied, every progressRows.
type Progress func(table string, rows, of int64)

const progressRows = 10_000

// Count returns the tables of a file with their rows.
func Count(ctx context.Context, from *store.DB) (tables []Table, err error) {
	err = from.Bulk(ctx, func(c *store.Conn) error {
		names, err := fileTables(c)
		for _, name := range names {
			rows, failed := count(c, name)
			tables, err = append(tables, Table{Name: name, Rows: rows}), errors.Join(err, failed)
		}
		return err
	})
	return tables, err
}

// Run copies the rows of a file into a schema, in place of what is there, and
// compares both sides: all of it in one transaction, which is undone where they
// differ. Nobody can write to the file meanwhile. Tables that the schema has
// alone are emptied.
func Run(ctx context.Context, from, to *store.DB, progress Progress) (tables []Table, err error) {
	err = to.Bulk(ctx, func(dst *store.Conn) error {
		return from.Bulk(ctx, func(src *store.Conn) error {
			m := &mover{src: src, dst: dst, progress: progress}
			tables, err = m.run()
			return err
		})
	})
	return tables, err
}

// A mover is one transfer under way.
type mover struct {
	src, dst *store.Conn
	progress Progress
}

func (m *mover) run() ([]Table, error) {
	names, err := fileTables(m.src)
	if err != nil {
		return nil, err
	}
	if err := m.empty(); err != nil {
		return nil, err
	}
	var tables []Table
	for _, name := range names {
		l, err := m.layout(name)
		if err != nil {
			return nil, err
		}
		table, err := m.copy(l)
		if err == nil {
			err = m.compare(l, &table)
		}
		if err == nil {
			err = m.resetNumbers(l)
		}
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", name, err)
		}
		tables = append(tables, table)
	}
	return tables, nil
}

// fileTables returns the tables of a file, each behind those that it refers to.
func fileTables(c *store.Conn) ([]string, error) {
	names, err := texts(c, `
		SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name <> 'goose_db_version'
		ORDER BY name`)
	if err != nil {
		return nil, err
	}
	var ordered []string
	var visit func(name string) error
	visited := map[string]bool{}
	visit = func(name string) error {
		if visited[name] {
			return nil
		}
		visited[name] = true
		parents, err := texts(c, `SELECT DISTINCT "table" FROM pragma_foreign_key_list(?)`, name)
		if err != nil {
			return err
		}
		for _, parent := range parents {
			if err := visit(parent); err != nil {
				return err
			}
		}
		ordered = append(ordered, name)
		return nil
	}
	for _, name := range names {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return ordered, nil
}

// empty removes all rows of the schema: those that its migrations have made,
// and those of a transfer that was given up.
func (m *mover) empty() error {
	tables, err := texts(m.dst, `
		SELECT CAST(relname AS text) FROM pg_class
		WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relkind = 'r' AND relname <> 'goose_db_version' ORDER BY relname`)
	if err != nil || len(tables) == 0 {
		return err
	}
	return m.dst.Script("TRUNCATE " + quoted(tables))
}

// A layout is how the rows of a table look on both sides.
type layout struct {
	table   string
	columns []string
	types   []string // of PostgreSQL
	numbers []string // columns that number their rows by themselves
	key     []int    // columns that tell a row from all others
}

// layout reads how a table looks, and refuses one that does not look alike.
func (m *mover) layout(table string) (*layout, error) {
	l := &layout{table: table}
	s, err := m.dst.Prepare(`
		SELECT CAST(attname AS text), CAST(typname AS text), CAST(attidentity AS text) FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
		WHERE attrelid = to_regclass(quote_ident(?)) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`)
	if err != nil {
		return nil, err
	}
	args := store.Args(1)
	args[0].Value = table
	if err := s.Query(args, func(row []driver.Value) error {
		name, kind := row[0].(string), row[1].(string)
		switch kind {
		case "int8", "text", "bytea":
		default:
			return fmt.Errorf("column %s of table %s is of type %s, which is not moved", name, table, kind)
		}
		l.columns, l.types = append(l.columns, name), append(l.types, kind)
		if row[2] != "" {
			l.numbers = append(l.numbers, name)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	there, err := texts(m.src, `SELECT name FROM pragma_table_info(?)`, table)
	if err != nil {
		return nil, err
	}
	if a, b := slices.Sorted(slices.Values(there)), slices.Sorted(slices.Values(l.columns)); !slices.Equal(a, b) {
		return nil, fmt.Errorf("table %s has the columns %s, and in PostgreSQL %s", table, strings.Join(a, ", "), strings.Join(b, ", "))
	}
	key, err := texts(m.dst, `
		SELECT CAST(attname AS text) FROM pg_attribute JOIN (
		  SELECT indrelid, indkey FROM pg_index WHERE indrelid = to_regclass(quote_ident(?)) AND indisunique AND indpred IS NULL AND indexprs IS NULL
		  ORDER BY indisprimary DESC, indexrelid LIMIT 1) i ON attrelid = indrelid AND attnum = ANY (indkey)
		ORDER BY array_position(CAST(indkey AS int2[]), attnum)`, table)
	for _, name := range key {
		l.key = append(l.key, slices.Index(l.columns, name))
	}
	if len(key) == 0 { // then all columns tell a row from others, or it is the same
		for i := range l.columns {
			l.key = append(l.key, i)
		}
	}
	return l, err
}

// rows iterates over the rows of the file. Their values are those of PostgreSQL
// in its binary form, nil for a null. The error is there when it has ended.
func (m *mover) rows(l *layout, order string, mended *int64) (iter.Seq[[][]byte], *error) {
	failed := new(error)
	return func(yield func([][]byte) bool) {
		s, err := m.src.Prepare(`SELECT ` + quoted(l.columns) + ` FROM ` + quoted([]string{l.table}) + order)
		if err != nil {
			*failed = err
			return
		}
		values := make([][]byte, len(l.columns))
		*failed = s.Query(nil, func(row []driver.Value) error {
			for i, v := range row {
				value, whole, err := l.binary(i, v)
				if err != nil {
					return err
				}
				if !whole {
					*mended++
				}
				values[i] = value
			}
			if !yield(values) {
				return errEnough
			}
			return nil
		})
	}, failed
}

// errEnough ends a query whose other rows nobody wants.
var errEnough = errors.New("enough")

// binary returns a value in the binary form of PostgreSQL, and false where the
// text had to be mended.
func (l *layout) binary(column int, v driver.Value) (value []byte, whole bool, err error) {
	switch v := v.(type) {
	case nil:
		return nil, true, nil
	case int64:
		if l.types[column] == "int8" {
			return binary.BigEndian.AppendUint64(nil, uint64(v)), true, nil
		}
	case []byte:
		if l.types[column] == "bytea" {
			return bytes.Clone(v), true, nil
		}
	case string:
		if l.types[column] != "text" {
			break
		}
		text := store.Storable(v)
		if text != v && slices.Contains(l.key, column) {
			return nil, false, fmt.Errorf("the key %q has characters that PostgreSQL cannot hold: delete that row first", v)
		}
		return append(make([]byte, 0, len(text)), text...), text == v, nil // an empty text is no null
	}
	return nil, false, fmt.Errorf("column %s has a value of type %T, and is %s in PostgreSQL", l.columns[column], v, l.types[column])
}

// copy copies the rows in the order in which they lie.
func (m *mover) copy(l *layout) (Table, error) {
	t := Table{Name: l.table}
	of, err := count(m.src, l.table)
	if err != nil {
		return t, err
	}
	rows, failed := m.rows(l, "", &t.Mended)
	next, stop := iter.Pull(rows)
	err = m.dst.Copy(l.table, l.columns, func(tuples *store.Tuples) bool {
		values, ok := next()
		if !ok {
			return false
		}
		tuples.Begin(len(values))
		for _, v := range values {
			if v == nil {
				tuples.Add(nil)
			} else {
				tuples.AddRaw(v)
			}
		}
		if t.Rows++; t.Rows%progressRows == 0 {
			m.progress(l.table, t.Rows, of)
		}
		return true
	})
	stop()
	if err == nil {
		err = *failed
	}
	return t, err
}

// compare computes the hash of the rows on both sides.
func (m *mover) compare(l *layout, t *Table) error {
	// What the planner knows of the table is from when it was empty.
	if err := m.dst.Script("ANALYZE " + quoted([]string{l.table})); err != nil {
		return err
	}
	columns, order := make([]string, len(l.key)), make([]string, len(l.key))
	for i, at := range l.key {
		columns[i] = quoted([]string{l.columns[at]})
		order[i] = columns[i]
		if l.types[at] == "text" {
			order[i] += ` COLLATE "C"`
		}
	}
	read, written := newDigest(), newDigest()
	var mended int64
	rows, failed := m.rows(l, ` ORDER BY `+strings.Join(columns, ", "), &mended)
	for values := range rows {
		read.add(values)
	}
	if *failed != nil {
		return *failed
	}
	err := m.dst.Ask(`SELECT `+quoted(l.columns)+` FROM `+quoted([]string{l.table})+` ORDER BY `+strings.Join(order, ", "), func(values [][]byte) error {
		written.add(values)
		return nil
	})
	if err != nil {
		return err
	}
	if read.rows != written.rows || read.sum() != written.sum() || read.rows != t.Rows {
		return fmt.Errorf("%d rows with the hash %s were read, and %d with %s are there: nothing was moved", read.rows, read.sum(), written.rows, written.sum())
	}
	t.SHA256 = read.sum()
	return nil
}

// A digest is a hash of rows.
type digest struct {
	hash.Hash
	rows int64
}

func newDigest() *digest { return &digest{Hash: sha256.New()} }

func (d *digest) add(values [][]byte) {
	d.rows++
	var length [8]byte
	for _, v := range values {
		n := uint64(len(v))
		if v == nil {
			n = ^uint64(0)
		}
		binary.BigEndian.PutUint64(length[:], n)
		_, _ = d.Write(length[:]) // a hash takes everything
		_, _ = d.Write(v)
	}
}

func (d *digest) sum() string { return hex.EncodeToString(d.Sum(nil)) }

// resetNumbers has the numbers of new rows go on behind those that were ever
// given: people quote them.
func (m *mover) resetNumbers(l *layout) error {
	for _, column := range l.numbers {
		last, err := m.src.Value(`SELECT coalesce(max(` + quoted([]string{column}) + `), 0) FROM ` + quoted([]string{l.table}))
		if err != nil {
			return err
		}
		given := int64(0)
		if kept, err := texts(m.src, `SELECT name FROM sqlite_master WHERE name = 'sqlite_sequence'`); err != nil {
			return err
		} else if len(kept) > 0 {
			v, err := m.src.Value(`SELECT seq FROM sqlite_sequence WHERE name = ?`, l.table)
			if err != nil {
				return err
			}
			given, _ = v.(int64) // a table that has had no rows is not in it
		}
		if given = max(given, last.(int64)); given == 0 {
			continue
		}
		if _, err := m.dst.Value(`SELECT setval(pg_get_serial_sequence(?1, ?2), CAST(?3 AS bigint))`, quoted([]string{l.table}), column, given); err != nil {
			return err
		}
	}
	return nil
}

func count(c *store.Conn, table string) (int64, error) {
	v, err := c.Value(`SELECT count(*) FROM ` + quoted([]string{table}))
	n, _ := v.(int64) // a count is nothing else
	return n, err
}

// texts returns the first column of a query.
func texts(c *store.Conn, query string, args ...string) (list []string, err error) {
	s, err := c.Prepare(query)
	if err != nil {
		return nil, err
	}
	named := store.Args(len(args))
	for i, a := range args {
		named[i].Value = a
	}
	return list, s.Query(named, func(row []driver.Value) error {
		list = append(list, row[0].(string))
		return nil
	})
}

// quoted writes names for a statement.
func quoted(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return strings.Join(list, ", ")
}
