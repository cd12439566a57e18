package journal

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"crossdock/internal/store"
)

// maxIndexed bounds the bytes of a text that is looked up: an index of
// PostgreSQL takes 2,700 of all that it holds of a row.
const maxIndexed = 1_000

// indexable returns a key as it is kept: that of a damaged row may be a whole
// line. Two long ones that differ stay apart.
func indexable(key string) string {
	if len(key) <= maxIndexed {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return strings.ToValidUTF8(key[:maxIndexed-70], "") + "…" + hex.EncodeToString(sum[:])
}

// park writes rows with all that belongs to them. Where there is a copier they
// go in by COPY: one by one, each would cost the way to the server and back.
func (j *Journal) park(ctx context.Context, tx *sql.Tx, copier store.Copier, rows []*Row) error {
	if len(rows) == 0 {
		return nil
	}
	if copier != nil {
		return j.copyRows(ctx, tx, copier, rows)
	}
	insert, err := tx.PrepareContext(ctx, `
		INSERT INTO parked_row (`+strings.Join(parkedColumns()[1:], ", ")+`) VALUES (`+marks(len(parkedColumns())-1)+`)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	now := j.now()
	made := map[string]bool{}
	for _, r := range rows {
		values, err := r.parkedValues(now)
		if err != nil {
			return err
		}
		result, err := insert.ExecContext(ctx, values[1:]...)
		if err != nil {
			return fmt.Errorf("park row %s: %w", r.Place, err)
		}
		if r.ID, err = result.LastInsertId(); err != nil {
			return err
		}
		if err := insertFindings(ctx, tx, r, made); err != nil {
			return err
		}
		if err := await(ctx, tx, r); err != nil {
			return err
		}
	}
	return nil
}

func parkedColumns() []string {
	return []string{
		"id", "run", "pipeline", "entity", "status", "key", "resource", "version", "part", "row", "cells", "first_seen", "last_seen", "waits_until", "batch",
	}
}

// parkedValues returns the values of parkedColumns.
func (r *Row) parkedValues(now int64) ([]any, error) {
	cells, err := json.Marshal(storedCells(r.Cells))
	return []any{
		r.ID, r.Run, r.Pipeline, r.Entity, string(r.Status), indexable(r.Key),
		r.Place.Resource, r.Version, r.Place.Part, r.Place.Row, string(cells), now, now, r.waitsUntil(), r.Batch,
	}, err
}

// storedCells has the fields of Cells without its methods: the database keeps
// names, values and kinds apart, as replay needs them.
type storedCells Cells

func findingColumns() []string {
	return []string{"parked", "rule", "severity", "field", "value", "message", "position", "header", "cell", "problem"}
}

// findingValues returns the values of findingColumns.
func (r *Row) findingValues(f *Finding) []any {
	return []any{r.ID, f.Rule, string(f.Severity), f.Field, f.Value, f.Message, int64(f.Position), f.Header, f.Cell, f.Group}
}

// copyRows does what park does, in PostgreSQL.
func (j *Journal) copyRows(ctx context.Context, tx *sql.Tx, copier store.Copier, rows []*Row) error {
	// Nobody else takes of the numbers meanwhile: writers take turns.
	var last int64
	const sequence = `pg_get_serial_sequence('parked_row', 'id')`
	if err := tx.QueryRowContext(ctx, `SELECT setval(`+sequence+`, nextval(`+sequence+`) + ?)`, len(rows)-1).Scan(&last); err != nil {
		return err
	}
	now := j.now()
	made := map[string]bool{}
	var parked, findings, awaits [][]any
	for i, r := range rows {
		r.ID = last - int64(len(rows)-1-i)
		values, err := r.parkedValues(now)
		if err != nil {
			return err
		}
		parked = append(parked, values)
		for i := range r.Findings {
			f := &r.Findings[i]
			if err := grouped(ctx, tx, r.Pipeline, f, made); err != nil {
				return err
			}
			findings = append(findings, r.findingValues(f))
		}
		for _, a := range r.awaited() {
			awaits = append(awaits, []any{a.Entity, a.Key, r.ID})
		}
	}
	for _, table := range []struct {
		name    string
		columns []string
		rows    [][]any
	}{{"parked_row", parkedColumns(), parked}, {"finding", findingColumns(), findings}, {"awaited", []string{"entity", "key", "parked"}, awaits}} {
		if err := copyInto(copier, table.name, table.columns, table.rows); err != nil {
			return fmt.Errorf("park rows of %s, %s: %w", rows[0].Pipeline, table.name, err)
		}
	}
	return nil
}

func copyInto(copier store.Copier, table string, columns []string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	return copier(table, columns, func(t *store.Tuples) bool {
		if len(rows) == 0 {
			return false
		}
		t.Begin(len(columns))
		for _, v := range rows[0] {
			if s, ok := v.(string); ok {
				v = store.Storable(s)
			}
			t.Add(driver.Value(v))
		}
		rows = rows[1:]
		return true
	})
}

func insertFindings(ctx context.Context, tx *sql.Tx, r *Row, made map[string]bool) error {
	columns := findingColumns()
	for i := range r.Findings {
		f := &r.Findings[i]
		if err := grouped(ctx, tx, r.Pipeline, f, made); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO finding (`+strings.Join(columns, ", ")+`) VALUES (`+marks(len(columns))+`)`,
			r.findingValues(f)...); err != nil {
			return fmt.Errorf("park row %s: %w", r.Place, err)
		}
	}
	return nil
}

// settle closes the rows that were applied after all. Those that a person has
// closed meanwhile stay as they are.
func (j *Journal) settle(ctx context.Context, tx *sql.Tx, ids []int64) error {
	return j.eachID(ctx, tx, `
		UPDATE parked_row SET status = 'replayed', attempts = attempts + 1, tried = revision, last_seen = ?2
		WHERE status = 'open' AND id IN `, ids, j.now())
}

// remain writes what another attempt has found of rows. Those that a person
// has closed meanwhile stay as they are.
func (j *Journal) remain(ctx context.Context, tx *sql.Tx, rows []*Row) error {
	made := map[string]bool{}
	for _, r := range rows {
		result, err := tx.ExecContext(ctx, `
			UPDATE parked_row SET key = ?, attempts = attempts + 1, tried = ?, last_seen = ?
			WHERE id = ? AND status = 'open'`, indexable(r.Key), r.Revision, j.now(), r.ID)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		if err := renewFindings(ctx, tx, r, made); err != nil {
			return err
		}
		if err := j.awaitAgain(ctx, tx, r); err != nil {
			return err
		}
	}
	return nil
}

// renewFindings replaces the findings of a row by those of another attempt.
// One that is the same as before keeps its id, which people may have quoted.
func renewFindings(ctx context.Context, tx *sql.Tx, r *Row, made map[string]bool) error {
	fresh := r.Findings
	r.Findings = nil
	kept := []any{r.ID, int64(0)} // a list must have something in it
	for _, f := range fresh {
		if err := grouped(ctx, tx, r.Pipeline, &f, made); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, `
			UPDATE finding SET severity = ?, value = ?, message = ?, position = ?, header = ?, cell = ?, problem = ?
			WHERE id = (SELECT min(id) FROM finding WHERE parked = ? AND rule = ? AND field = ?) RETURNING id`,
			f.Severity, f.Value, f.Message, f.Position, f.Header, f.Cell, f.Group, r.ID, f.Rule, f.Field).Scan(&f.ID)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			r.Findings = append(r.Findings, f)
		case err != nil:
			return err
		default:
			kept = append(kept, f.ID)
		}
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM finding WHERE parked = ? AND id NOT IN (`+marks(len(kept)-1)+`)`, kept...); err != nil {
		return err
	}
	err := insertFindings(ctx, tx, r, made)
	r.Findings = fresh
	return err
}
