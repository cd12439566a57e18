package journal

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"crossdock/connectors"
	"crossdock/schemas"
)

// A RowStatus says what became of a parked row.
type RowStatus string

// The statuses of parked rows.
const (
	OpenRow       RowStatus = "open"       // waits for a person
	ReplayedRow   RowStatus = "replayed"   // was applied after all
	DiscardedRow  RowStatus = "discarded"  // a person gave it up
	SupersededRow RowStatus = "superseded" // a later run read its source anew
	NotedRow      RowStatus = "noted"      // drew warnings alone, and went on
)

// A Row is a parked row: as it was read, with all that is wrong with it.
type Row struct {
	ID        int64
	Run       string
	Pipeline  string
	Entity    string
	Status    RowStatus
	Key       string
	Place     connectors.Place // of the row as a whole
	Version   string
	Cells     Cells
	Attempts  int
	FirstSeen time.Time
	LastSeen  time.Time
	Findings  []Finding
}

// A Finding is one thing that is wrong with a parked row.
type Finding struct {
	ID       int64
	Rule     string
	Severity schemas.Severity
	Field    string
	Value    string
	Message  string
	Position int // of the column in the source, from 0; -1 where no one column is at fault
	Header   string
	Cell     string // C17 in a spreadsheet
}

// Cells are the cells of a row as read, in source order.
type Cells struct {
	Names  []string          `json:"names"`
	Values []*string         `json:"values"` // nil is an empty cell
	Kinds  []connectors.Kind `json:"kinds,omitempty"`
	Sheet  bool              `json:"sheet,omitempty"` // they stand in a spreadsheet
	// Whole is false where the row could not be cut into cells, or was too
	// large to keep, so that it cannot be replayed.
	Whole bool `json:"whole"`
}

// MarshalJSON writes the cells as an object, in source order.
func (c Cells) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range c.Names {
		if i >= len(c.Values) || i < len(c.Kinds) && c.Kinds[i] == connectors.AbsentCell {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		for _, part := range []any{name, c.Values[i]} {
			text, err := json.Marshal(part)
			if err != nil {
				return nil, err
			}
			b.Write(text)
			b.WriteByte(':')
		}
		b.Truncate(b.Len() - 1)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// An Error is one entry of the error queue: a finding with its row.
type Error struct {
	ID       int64            `json:"id"`
	Run      string           `json:"run"`
	Pipeline string           `json:"pipeline"`
	Entity   string           `json:"entity"`
	Key      string           `json:"key"`
	Rule     string           `json:"rule"`
	Severity schemas.Severity `json:"severity"`
	Field    string           `json:"field"`
	Value    string           `json:"value"`
	Message  string           `json:"message"`
	Origin   connectors.Place `json:"origin"`
	Row      Cells            `json:"row"`
	Status   RowStatus        `json:"status"`
	Attempts int              `json:"attempts"`
}

// Errors returns an entry for each finding of the row.
func (r *Row) Errors() []Error {
	list := make([]Error, len(r.Findings))
	for i, f := range r.Findings {
		origin := r.Place
		origin.Column, origin.Cell = f.Header, f.Cell
		list[i] = Error{
			ID: f.ID, Run: r.Run, Pipeline: r.Pipeline, Entity: r.Entity, Key: r.Key, Rule: f.Rule, Severity: f.Severity,
			Field: f.Field, Value: f.Value, Message: f.Message, Origin: origin, Row: r.Cells, Status: r.Status, Attempts: r.Attempts,
		}
	}
	return list
}

func (j *Journal) park(ctx context.Context, tx *sql.Tx, rows []*Row) error {
	if len(rows) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, `
		INSERT INTO parked_row (run, pipeline, entity, status, key, resource, version, part, row, cells, first_seen, last_seen)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	now := j.now()
	for _, r := range rows {
		cells, err := json.Marshal(storedCells(r.Cells))
		if err != nil {
			return err
		}
		result, err := insert.ExecContext(ctx, r.Run, r.Pipeline, r.Entity, r.Status, r.Key,
			r.Place.Resource, r.Version, r.Place.Part, r.Place.Row, string(cells), now, now)
		if err != nil {
			return fmt.Errorf("park row %s: %w", r.Place, err)
		}
		if r.ID, err = result.LastInsertId(); err != nil {
			return err
		}
		if err := insertFindings(ctx, tx, r); err != nil {
			return err
		}
	}
	return nil
}

// storedCells has the fields of Cells without its methods: the database keeps
// names, values and kinds apart, as replay needs them.
type storedCells Cells

func insertFindings(ctx context.Context, tx *sql.Tx, r *Row) error {
	for _, f := range r.Findings {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO finding (parked, rule, severity, field, value, message, position, header, cell)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.ID, f.Rule, f.Severity, f.Field, f.Value, f.Message, f.Position, f.Header, f.Cell); err != nil {
			return fmt.Errorf("park row %s: %w", r.Place, err)
		}
	}
	return nil
}

func (j *Journal) settle(ctx context.Context, tx *sql.Tx, ids []int64) error {
	for _, id := range ids {
		if _, err := tx.ExecContext(ctx, `
			UPDATE parked_row SET status = 'replayed', attempts = attempts + 1, last_seen = ? WHERE id = ?`, j.now(), id); err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) remain(ctx context.Context, tx *sql.Tx, rows []*Row) error {
	for _, r := range rows {
		if _, err := tx.ExecContext(ctx, `
			UPDATE parked_row SET key = ?, attempts = attempts + 1, last_seen = ? WHERE id = ?`, r.Key, j.now(), r.ID); err != nil {
			return err
		}
		if err := renewFindings(ctx, tx, r); err != nil {
			return err
		}
	}
	return nil
}

// renewFindings replaces the findings of a row by those of another attempt.
// One that is the same as before keeps its id, which people may have quoted.
func renewFindings(ctx context.Context, tx *sql.Tx, r *Row) error {
	fresh := r.Findings
	r.Findings = nil
	kept := []any{r.ID}
	for _, f := range fresh {
		err := tx.QueryRowContext(ctx, `
			UPDATE finding SET severity = ?, value = ?, message = ?, position = ?, header = ?, cell = ?
			WHERE id = (SELECT min(id) FROM finding WHERE parked = ? AND rule = ? AND field = ?) RETURNING id`,
			f.Severity, f.Value, f.Message, f.Position, f.Header, f.Cell, r.ID, f.Rule, f.Field).Scan(&f.ID)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			r.Findings = append(r.Findings, f)
		case err != nil:
			return err
		default:
			kept = append(kept, f.ID)
		}
	}
	marks := strings.TrimSuffix(strings.Repeat("?,", len(kept)-1), ",")
	if _, err := tx.ExecContext(ctx, `DELETE FROM finding WHERE parked = ? AND id NOT IN (`+marks+`)`, kept...); err != nil {
		return err
	}
	err := insertFindings(ctx, tx, r)
	r.Findings = fresh
	return err
}

// ErrorFilter says which parked rows to read; zero fields mean any, but for
// Status, which is OpenRow.
type ErrorFilter struct {
	IDs      []int64 // of findings, or nil; then Status is any
	Run      string
	Pipeline string
	Status   RowStatus
	Severity schemas.Severity // Warn: the rows that were noted
	After    int64            // rows with a greater id
	Limit    int              // rows; 0: all
}

// Rows reads parked rows with their findings, oldest first.
func (j *Journal) Rows(ctx context.Context, f ErrorFilter) ([]*Row, error) {
	where, args := f.where()
	query := `
		SELECT p.id, p.run, p.pipeline, p.entity, p.status, p.key, p.resource, p.version, p.part, p.row, p.cells, p.attempts,
		       p.first_seen, p.last_seen
		FROM parked_row p WHERE ` + where + ` ORDER BY p.id`
	if f.Limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	rows, err := j.db.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*Row
	for rows.Next() {
		r := &Row{}
		var cells string
		var first, last int64
		if err := rows.Scan(&r.ID, &r.Run, &r.Pipeline, &r.Entity, &r.Status, &r.Key, &r.Place.Resource, &r.Version,
			&r.Place.Part, &r.Place.Row, &cells, &r.Attempts, &first, &last); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(cells), (*storedCells)(&r.Cells)); err != nil {
			return nil, fmt.Errorf("parked row %d: %w", r.ID, err)
		}
		r.FirstSeen, r.LastSeen = time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC()
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return list, j.readFindings(ctx, list, where, args)
}

// where returns the condition on parked_row p.
func (f ErrorFilter) where() (string, []any) {
	conditions, args := []string{"p.id > ?"}, []any{f.After}
	add := func(condition string, arg any) {
		conditions, args = append(conditions, condition), append(args, arg)
	}
	if len(f.IDs) > 0 {
		marks := strings.TrimSuffix(strings.Repeat("?,", len(f.IDs)), ",")
		conditions = append(conditions, "p.id IN (SELECT parked FROM finding WHERE id IN ("+marks+"))")
		for _, id := range f.IDs {
			args = append(args, id)
		}
		return strings.Join(conditions, " AND "), args
	}
	status := f.Status
	switch {
	case f.Severity == schemas.Warn:
		status = NotedRow
	case status == "":
		status = OpenRow
	}
	add("p.status = ?", status)
	if f.Run != "" {
		add("p.run = ?", f.Run)
	}
	if f.Pipeline != "" {
		add("p.pipeline = ?", f.Pipeline)
	}
	return strings.Join(conditions, " AND "), args
}

func (j *Journal) readFindings(ctx context.Context, list []*Row, where string, args []any) error {
	if len(list) == 0 {
		return nil
	}
	byID := make(map[int64]*Row, len(list))
	for _, r := range list {
		byID[r.ID] = r
	}
	rows, err := j.db.Read().QueryContext(ctx, `
		SELECT f.id, f.parked, f.rule, f.severity, f.field, f.value, f.message, f.position, f.header, f.cell
		FROM finding f JOIN parked_row p ON p.id = f.parked
		WHERE `+where+` AND p.id <= ? ORDER BY f.id`, append(args, list[len(list)-1].ID)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var f Finding
		var parked int64
		if err := rows.Scan(&f.ID, &parked, &f.Rule, &f.Severity, &f.Field, &f.Value, &f.Message, &f.Position, &f.Header, &f.Cell); err != nil {
			return err
		}
		if r := byID[parked]; r != nil {
			r.Findings = append(r.Findings, f)
		}
	}
	return rows.Err()
}

// Errors lists the entries of the error queue: of each parked row the findings
// that kept it back, or its warnings where the filter asks for them.
func (j *Journal) Errors(ctx context.Context, f ErrorFilter) ([]Error, error) {
	rows, err := j.Rows(ctx, f)
	if err != nil {
		return nil, err
	}
	list := []Error{}
	for _, r := range rows {
		for _, e := range r.Errors() {
			if len(f.IDs) == 0 && f.Severity != schemas.Warn && e.Severity == schemas.Warn {
				continue
			}
			list = append(list, e)
		}
	}
	return list, nil
}

// RowOf returns the parked row of a finding, or ErrNotFound.
func (j *Journal) RowOf(ctx context.Context, finding int64) (*Row, error) {
	rows, err := j.Rows(ctx, ErrorFilter{IDs: []int64{finding}})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("error %d: %w (crossdock errors list)", finding, ErrNotFound)
	}
	return rows[0], nil
}

// ErrNotOpen tells that a parked row has been dealt with already.
var ErrNotOpen = errors.New("is not open")

// Discard gives up the row of a finding.
func (j *Journal) Discard(ctx context.Context, finding int64) (*Row, error) {
	r, err := j.RowOf(ctx, finding)
	if err != nil {
		return nil, err
	}
	if r.Status != OpenRow {
		return nil, fmt.Errorf("error %d %w: it is %s", finding, ErrNotOpen, r.Status)
	}
	return r, j.db.Tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			UPDATE parked_row SET status = 'discarded', last_seen = ? WHERE id = ? AND status = 'open'`, j.now(), r.ID)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return fmt.Errorf("error %d %w: someone else was first", finding, ErrNotOpen)
	})
}

// OpenCount counts the open parked rows of a run.
func (j *Journal) OpenCount(ctx context.Context, run string) (int64, error) {
	var n int64
	err := j.db.Read().QueryRowContext(ctx, `SELECT count(*) FROM parked_row WHERE run = ? AND status = 'open'`, run).Scan(&n)
	return n, err
}
