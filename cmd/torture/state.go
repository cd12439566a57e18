package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	_ "github.com/mattn/go-sqlite3"
)

// A state is what a load leaves behind, without what may differ between two
// that did the same: ids, times and numbers of batches.
type state struct {
	Rows   map[string][]string // by table, each row as one text, sorted
	Errors []string            // the open findings, sorted
	Events map[string]int      // how often a key was announced, by type and key
}

func (s state) size() int {
	n := 0
	for _, rows := range s.Rows {
		n += len(rows)
	}
	return n
}

// tables are those that hold what buyers see, by database.
func tables() map[string][]string {
	return map[string][]string{"catalog": {"category", "product"}, "pricing": {"price_list", "price"}}
}

// readState reads what a load has left, by other means than the program's own.
func (t *torture) readState(ctx context.Context, data string) (state, error) {
	s := state{Rows: map[string][]string{}, Events: map[string]int{}}
	for database, names := range tables() {
		err := t.withDatabase(ctx, data, database, func(db *sql.DB) error {
			for _, name := range names {
				rows, err := texts(ctx, db, "SELECT * FROM "+name)
				if err != nil {
					return err
				}
				s.Rows[name] = rows
			}
			return s.readEvents(ctx, db)
		})
		if err != nil {
			return s, err
		}
	}
	err := t.withDatabase(ctx, data, "journal", func(db *sql.DB) error {
		var err error
		s.Errors, err = texts(ctx, db, `
			SELECT p.pipeline, p.row, p.key, f.rule, f.field, f.value, f.message
			FROM parked_row p JOIN finding f ON f.parked = p.id WHERE p.status = 'open'`)
		return err
	})
	return s, err
}

// readEvents counts the keys of the events that are kept.
func (s *state) readEvents(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `SELECT type, data FROM outbox`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var kind, text string
		var data struct {
			Keys []json.RawMessage `json:"keys"`
		}
		if err := rows.Scan(&kind, &text); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(text), &data); err != nil {
			return fmt.Errorf("event %s: %w", kind, err)
		}
		for _, key := range data.Keys {
			s.Events[kind+" "+string(key)]++
		}
	}
	return rows.Err()
}

// withDatabase opens a database of a process that has ended, and holds it to
// being whole.
func (t *torture) withDatabase(ctx context.Context, data, name string, fn func(*sql.DB) error) (err error) {
	if t.server != "" {
		return t.withSchema(name, fn)
	}
	path := filepath.Join(data, name+".db")
	if _, err := os.Stat(path); err != nil {
		return err // opening would make it
	}
	db, err := sql.Open("sqlite3", "file:"+path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check`).Scan(&verdict); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%s is damaged: %s", path, verdict)
	}
	return fn(db)
}

// texts returns the rows of a query, each as one text, sorted.
func texts(ctx context.Context, db *sql.DB, query string) ([]string, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, places := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		places[i] = &values[i]
	}
	var list []string
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return nil, err
		}
		var b strings.Builder
		for i, column := range columns {
			switch column {
			case "id", "row_hash", "changed_seq": // numbers of the load, not of the row
			default:
				fmt.Fprintf(&b, "%s=%v ", column, values[i])
			}
		}
		list = append(list, b.String())
	}
	slices.Sort(list)
	return list, rows.Err()
}

// compare returns the first difference between what is and what should be.
func (s state) compare(want state) error {
	for name, rows := range want.Rows {
		if err := compareLists("table "+name, s.Rows[name], rows); err != nil {
			return err
		}
	}
	if err := compareLists("open errors", s.Errors, want.Errors); err != nil {
		return err
	}
	for key, n := range s.Events {
		if n != want.Events[key] {
			return fmt.Errorf("event %s was caused %d times, want %d", key, n, want.Events[key])
		}
	}
	if len(s.Events) != len(want.Events) {
		return fmt.Errorf("events of %d keys, want %d", len(s.Events), len(want.Events))
	}
	return nil
}

func compareLists(what string, got, want []string) error {
	for i, line := range want {
		if i >= len(got) {
			return fmt.Errorf("%s: %d, want %d: %s is missing", what, len(got), len(want), line)
		}
		if got[i] != line {
			return fmt.Errorf("%s: %d, want %d: there is %s, where %s should be", what, len(got), len(want), got[i], line)
		}
	}
	if len(got) > len(want) {
		return fmt.Errorf("%s: %d, want %d: there is %s as well", what, len(got), len(want), got[len(want)])
	}
	return nil
}
