package journal

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"crossdock/connectors"
	"crossdock/internal/store"
	"crossdock/schemas"
)

// A RowStatus says what became of a parked row.
type RowStatus string

// The statuses of parked rows.
const (
	OpenRow       RowStatus = "open"       // waits for a person
	ReplayedRow   RowStatus = "replayed"   // was applied after all
	DiscardedRow  RowStatus = "discarded"  // a person gave it up
	SupersededRow RowStatus = "superseded" // a later row took its place, or the filter now passes over it
	WaitingRow    RowStatus = "waiting"    // waits for the rows that it refers to
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
	Batch     int64 // of its run, from 1; 0: it was parked before that was kept
	Cells     Cells
	Attempts  int
	FirstSeen time.Time
	LastSeen  time.Time // or closed
	Findings  []Finding
	Assignee  string // who is to mend it; "": nobody
	Revision  int64  // counts what people have done to it
	Tried     int64  // the revision that the last attempt was made with
	Edits     []Edit // oldest first, with those that were undone
	// What a row waits for that is waiting, and until when, where it is to be
	// parked or remains; they are not read back.
	Awaited    []Awaited
	WaitsUntil time.Time
}

// waitsUntil returns the deadline as it is kept.
func (r *Row) waitsUntil() int64 {
	if r.Status != WaitingRow {
		return 0
	}
	return r.WaitsUntil.UnixMicro()
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
	Group    string // id of the problem that it is one of
}

// Cells are the cells of a row as read, in source order.
type Cells struct {
	Names  []string          `json:"names"`
	Values []*string         `json:"values"` // nil is an empty cell
	Kinds  []connectors.Kind `json:"kinds,omitempty"`
	Sheet  bool              `json:"sheet,omitempty"` // they stand in a spreadsheet
	// Masked lists the cells, from 0, whose values are sensitive and were not kept.
	Masked []int `json:"masked,omitempty"`
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
	Group    string           `json:"group"`
	Assignee string           `json:"assignee,omitempty"`
	Revision int64            `json:"revision"`
	Alias    string           `json:"alias,omitempty"`  // the code of the rule elsewhere, see schemas.CodeAlias
	Edited   *Cells           `json:"edited,omitempty"` // the row with its edits, where it has any
}

// Errors returns an entry for each finding of the row.
func (r *Row) Errors() []Error {
	list := make([]Error, len(r.Findings))
	var edited *Cells
	if r.Edited() {
		edited = new(r.Shown())
	}
	for i, f := range r.Findings {
		origin := r.Place
		origin.Column, origin.Cell = f.Header, f.Cell
		list[i] = Error{
			ID: f.ID, Run: r.Run, Pipeline: r.Pipeline, Entity: r.Entity, Key: r.Key, Rule: f.Rule, Severity: f.Severity,
			Field: f.Field, Value: f.Value, Message: f.Message, Origin: origin, Row: r.Cells, Status: r.Status, Attempts: r.Attempts,
			Group: f.Group, Assignee: r.Assignee, Revision: r.Revision, Alias: schemas.CodeAlias(f.Rule), Edited: edited,
		}
	}
	return list
}

// ErrorFilter says which parked rows to read; zero fields mean any, but for
// Status.
type ErrorFilter struct {
	IDs      []int64 // of findings
	Run      string
	Pipeline string
	Group    string  // rows with a finding of the group
	Parked   []int64 // ids of rows, ascending
	Assignee string
	Key      string
	Words    string           // found in key, value or message, in any case
	Status   RowStatus        // zero: OpenRow, and any where there are IDs or Parked
	Due      bool             // rows that have waited for what is there now
	Severity schemas.Severity // Warn: the rows that were noted
	After    int64            // rows with a greater id
	Limit    int              // rows; 0: all

	until int64 // the greatest id, where not 0
}

// Rows reads parked rows with their findings, oldest first, all at once.
// [Journal.EachRow] is for as many as there may be.
func (j *Journal) Rows(ctx context.Context, f ErrorFilter) ([]*Row, error) {
	return j.page(ctx, f, math.MaxInt)
}

// Bounds of a page, which is what is in memory of the error queue at once. A
// row may have a megabyte.
const (
	pageRows  = 1_000
	pageBytes = 8 << 20
)

// EachRow calls fn with the rows that Rows would return, and keeps a page of
// them in memory. Between pages the journal is free, so that fn may change the
// rows it was given; rows that are parked after the call are left out.
func (j *Journal) EachRow(ctx context.Context, f ErrorFilter, fn func(*Row) error) error {
	if len(f.Parked) > pageRows {
		for some := range slices.Chunk(f.Parked, pageRows) {
			f.Parked = some
			if err := j.EachRow(ctx, f, fn); err != nil {
				return err
			}
		}
		return nil
	}
	err := j.db.Read().QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM parked_row`).Scan(&f.until)
	if err != nil || f.until == 0 {
		return err
	}
	left := f.Limit
	if left == 0 {
		left = math.MaxInt
	}
	for left > 0 {
		f.Limit = min(left, pageRows)
		page, err := j.page(ctx, f, pageBytes)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, r := range page {
			if err := fn(r); err != nil {
				return err
			}
		}
		left -= len(page)
		f.After = page[len(page)-1].ID
	}
	return nil
}

// page reads parked rows until their cells have more bytes than given.
func (j *Journal) page(ctx context.Context, f ErrorFilter, bytes int) ([]*Row, error) {
	where, args := f.where()
	query := `
		SELECT p.id, p.run, p.pipeline, p.entity, p.status, p.key, p.resource, p.version, p.part, p.row, p.cells, p.attempts,
		       p.first_seen, p.last_seen, p.assignee, p.revision, p.tried, p.batch
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
	for bytes > 0 && rows.Next() {
		r, size, err := scanRow(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
		bytes -= size
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for some := range slices.Chunk(list, pageRows) {
		if err := errors.Join(j.readFindings(ctx, some), j.readEdits(ctx, some)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// scanRow reads a row without its findings, and tells how large its cells are.
func scanRow(rows *sql.Rows) (*Row, int, error) {
	r := &Row{}
	var cells []byte
	var first, last int64
	if err := rows.Scan(&r.ID, &r.Run, &r.Pipeline, &r.Entity, &r.Status, &r.Key, &r.Place.Resource, &r.Version,
		&r.Place.Part, &r.Place.Row, &cells, &r.Attempts, &first, &last,
		&r.Assignee, &r.Revision, &r.Tried, &r.Batch); err != nil {
		return nil, 0, err
	}
	if err := json.Unmarshal(cells, (*storedCells)(&r.Cells)); err != nil {
		return nil, 0, fmt.Errorf("parked row %d: %w", r.ID, err)
	}
	r.FirstSeen, r.LastSeen = time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC()
	return r, len(cells), nil
}

// where returns the condition on parked_row p.
func (f ErrorFilter) where() (string, []any) {
	conditions, args := []string{"true"}, []any(nil)
	add := func(condition string, arg any) {
		conditions, args = append(conditions, condition), append(args, arg)
	}
	if f.After > 0 {
		add("p.id > ?", f.After)
	}
	if f.until > 0 {
		add("p.id <= ?", f.until)
	}
	if f.Group != "" {
		conditions, args = append(conditions, "p.id IN (SELECT parked FROM finding WHERE problem = ? AND parked > ?)"), append(args, f.Group, f.After)
	}
	status := f.Status
	switch {
	case f.Severity == schemas.Warn:
		status = NotedRow
	case status == "" && len(f.IDs) == 0 && f.Parked == nil:
		status = OpenRow
	}
	if f.Parked != nil {
		conditions = append(conditions, "p.id IN ("+marks(len(f.Parked))+")")
		for _, id := range f.Parked {
			args = append(args, id)
		}
	}
	if len(f.IDs) > 0 {
		conditions = append(conditions, "p.id IN (SELECT parked FROM finding WHERE id IN ("+marks(len(f.IDs))+"))")
		for _, id := range f.IDs {
			args = append(args, id)
		}
	}
	if status != "" {
		add("p.status = ?", status)
	}
	if f.Due {
		// Asked of each row, since all that are due would be listed anew for every page.
		conditions = append(conditions, "EXISTS (SELECT 1 FROM awaited a WHERE a.parked = p.id AND a.arrived = 1)")
	}
	if f.Run != "" {
		add("p.run = ?", f.Run)
	}
	if f.Pipeline != "" {
		add("p.pipeline = ?", f.Pipeline)
	}
	if f.Key != "" {
		add("p.key = ?", indexable(f.Key))
	}
	if f.Assignee != "" {
		conditions, args = append(conditions, `(p.assignee = ? OR p.assignee = '' AND EXISTS (
			SELECT 1 FROM finding f JOIN error_group g ON g.id = f.problem WHERE f.parked = p.id AND g.assignee = ?))`), append(args, f.Assignee, f.Assignee)
	}
	if f.Words != "" {
		words := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(f.Words)) + "%"
		conditions, args = append(conditions, `(lower(p.key) LIKE ? ESCAPE '\' OR EXISTS (SELECT 1 FROM finding f WHERE f.parked = p.id
			AND (lower(f.value) LIKE ? ESCAPE '\' OR lower(f.message) LIKE ? ESCAPE '\')))`), append(args, words, words, words)
	}
	return strings.Join(conditions, " AND "), args
}

// marks returns the places of n arguments for a list; that of none has a NULL,
// which nothing is in.
func marks(n int) string {
	if n == 0 {
		return "NULL"
	}
	return strings.TrimSuffix(strings.Repeat("?,", n), ",")
}

// readFindings adds the findings of the rows. It asks by id: by now a row may
// have another status than that by which it was found.
func (j *Journal) readFindings(ctx context.Context, list []*Row) error {
	byID := make(map[int64]*Row, len(list))
	ids := make([]any, len(list))
	for i, r := range list {
		byID[r.ID], ids[i] = r, r.ID
	}
	rows, err := j.db.Read().QueryContext(ctx, `
		SELECT f.id, f.parked, f.rule, f.severity, f.field, f.value, f.message, f.position, f.header, f.cell, f.problem, coalesce(g.assignee, '')
		FROM finding f LEFT JOIN error_group g ON g.id = f.problem WHERE f.parked IN (`+marks(len(ids))+`) ORDER BY f.id`, ids...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var f Finding
		var parked int64
		var assignee string
		if err := rows.Scan(&f.ID, &parked, &f.Rule, &f.Severity, &f.Field, &f.Value, &f.Message, &f.Position, &f.Header, &f.Cell,
			&f.Group, &assignee); err != nil {
			return err
		}
		r := byID[parked]
		r.Findings, r.Assignee = append(r.Findings, f), cmp.Or(r.Assignee, assignee)
	}
	return rows.Err()
}

// EachError calls fn with the entries of the error queue: of each parked row
// the findings that kept it back, or its warnings where the filter asks for them.
func (j *Journal) EachError(ctx context.Context, f ErrorFilter, fn func(Error) error) error {
	return j.EachRow(ctx, f, func(r *Row) error {
		for _, e := range r.Errors() {
			if len(f.IDs) == 0 && f.Severity != schemas.Warn && e.Severity == schemas.Warn {
				continue
			}
			if err := fn(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// Errors returns the entries that EachError finds, all at once.
func (j *Journal) Errors(ctx context.Context, f ErrorFilter) ([]Error, error) {
	list := []Error{}
	err := j.EachError(ctx, f, func(e Error) error {
		list = append(list, e)
		return nil
	})
	return list, err
}

// PipelinesOf returns the pipelines of the rows, in the order of the first
// that each has parked.
func (j *Journal) PipelinesOf(ctx context.Context, f ErrorFilter) ([]string, error) {
	return j.distinct(ctx, "p.pipeline", f)
}

// RunsOf returns the runs that have parked the rows, oldest first.
func (j *Journal) RunsOf(ctx context.Context, f ErrorFilter) ([]string, error) {
	return j.distinct(ctx, "p.run", f)
}

func (j *Journal) distinct(ctx context.Context, column string, f ErrorFilter) ([]string, error) {
	if len(f.Parked) > pageRows {
		var all []string
		for some := range slices.Chunk(f.Parked, pageRows) {
			f.Parked = some
			values, err := j.distinct(ctx, column, f)
			if err != nil {
				return nil, err
			}
			for _, v := range values {
				if !slices.Contains(all, v) {
					all = append(all, v)
				}
			}
		}
		return all, nil
	}
	where, args := f.where()
	return store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (value string, err error) { return value, rows.Scan(&value) },
		`SELECT `+column+` FROM parked_row p WHERE `+where+` GROUP BY `+column+` ORDER BY min(p.id)`, args...)
}

// StillOpen returns those of the rows that nobody has closed since they were read.
func (j *Journal) StillOpen(ctx context.Context, rows []*Row) ([]*Row, error) {
	open := make(map[int64]bool, len(rows))
	for some := range slices.Chunk(rows, pageRows) {
		ids := make([]any, len(some))
		for i, r := range some {
			ids[i] = r.ID
		}
		found, err := store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (id int64, err error) { return id, rows.Scan(&id) },
			`SELECT id FROM parked_row WHERE status = 'open' AND id IN (`+marks(len(ids))+`)`, ids...)
		if err != nil {
			return nil, err
		}
		for _, id := range found {
			open[id] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(rows), func(r *Row) bool { return !open[r.ID] }), nil
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

// CountRows counts the parked rows of a run that have a status.
func (j *Journal) CountRows(ctx context.Context, run string, status RowStatus) (int64, error) {
	var n int64
	err := j.db.Read().QueryRowContext(ctx, `SELECT count(*) FROM parked_row WHERE run = ? AND status = ?`, run, status).Scan(&n)
	return n, err
}
