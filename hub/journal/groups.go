package journal

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base32"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"crossdock/internal/store"
	"crossdock/schemas"
)

// A Group is one problem of the error queue: the findings whose rule, field,
// shape of value and message are the same.
type Group struct {
	ID        string           `json:"id"`
	Pipeline  string           `json:"pipeline"`
	Rule      string           `json:"rule"`
	Severity  schemas.Severity `json:"severity"`
	Field     string           `json:"field"`
	Column    string           `json:"column"`  // the header of the example
	Shape     string           `json:"shape"`   // of the value: 12,5O is 9,9a
	Message   string           `json:"message"` // of the example
	Rows      int64            `json:"rows"`
	Share     float64          `json:"share"` // of all rows that were asked for, from 0 to 1
	Example   string           `json:"example"`
	FirstSeen time.Time        `json:"first_seen"`
	LastSeen  time.Time        `json:"last_seen"`
	Assignee  string           `json:"assignee"`
}

// ErrNoGroup tells that there is no group of the id given.
var ErrNoGroup = errors.New("there is no such group of errors (crossdock errors list --group)")

// problemOf returns the group that a finding belongs to.
func problemOf(pipeline string, f *Finding) Group {
	g := Group{Pipeline: pipeline, Rule: f.Rule, Severity: f.Severity, Field: f.Field, Shape: shape(f.Value), Message: template(f.Message)}
	sum := sha256.Sum256([]byte(strings.Join([]string{g.Pipeline, g.Rule, string(g.Severity), g.Field, g.Shape, g.Message}, "\x00")))
	// Fifty bits tell all problems of an installation apart; the letter in
	// front tells them from the numbers of errors.
	g.ID = "g" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:10])
	return g
}

// maxShape bounds the length of a shape: longer values are text, and differ in
// what they say.
const maxShape = 24

// shape returns what a value looks like: its digits as 9, its letters as a,
// its blanks as one, and what repeats itself once.
func shape(value string) string {
	var tokens []rune
	for _, r := range value {
		switch {
		case unicode.IsDigit(r):
			r = '9'
		case unicode.IsLetter(r):
			r = 'a'
		case unicode.IsSpace(r):
			r = ' '
		}
		n := len(tokens)
		if n > 0 && tokens[n-1] == r {
			continue
		}
		tokens = append(tokens, r)
		if n++; n >= 4 && tokens[n-1] == tokens[n-3] && tokens[n-2] == tokens[n-4] {
			tokens = tokens[:n-2]
		}
		if len(tokens) > maxShape {
			return string(tokens[:maxShape]) + "…"
		}
	}
	return string(tokens)
}

var (
	suggestion = regexp.MustCompile(`,? ?\(?did you mean [^?]*\?\)?`)
	quotation  = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'[^']{1,2}'`)
	numeral    = regexp.MustCompile(`\pN+(?:[.,:]\pN+)*`)
)

// template returns a message without what it says of one row: suggestions,
// quotations and numbers.
func template(message string) string {
	message = suggestion.ReplaceAllLiteralString(message, "")
	message = quotation.ReplaceAllLiteralString(message, `"…"`)
	return numeral.ReplaceAllLiteralString(message, "9")
}

// grouped gives a finding its group, which is made where there is none yet.
// Groups that were made in this transaction are in made.
func grouped(ctx context.Context, tx *sql.Tx, pipeline string, f *Finding, made map[string]bool) error {
	g := problemOf(pipeline, f)
	f.Group = g.ID
	if made[g.ID] {
		return nil
	}
	made[g.ID] = true
	_, err := tx.ExecContext(ctx, `
		INSERT INTO error_group (id, pipeline, rule, severity, field, shape, message) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO NOTHING`, g.ID, g.Pipeline, g.Rule, g.Severity, g.Field, g.Shape, g.Message)
	return err
}

// regroup gives their group to the findings of a journal that had none.
func (j *Journal) regroup(ctx context.Context) error {
	type ungrouped struct {
		Finding
		pipeline string
	}
	for {
		list, err := store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (f ungrouped, err error) {
			return f, rows.Scan(&f.ID, &f.pipeline, &f.Rule, &f.Severity, &f.Field, &f.Value, &f.Message)
		}, `SELECT f.id, p.pipeline, f.rule, f.severity, f.field, f.value, f.message
		    FROM finding f JOIN parked_row p ON p.id = f.parked WHERE f.problem = '' LIMIT ?`, pageRows)
		if err != nil || len(list) == 0 {
			return err
		}
		err = j.db.Tx(ctx, func(tx *sql.Tx) error {
			made := map[string]bool{}
			for _, f := range list {
				if err := grouped(ctx, tx, f.pipeline, &f.Finding, made); err != nil {
					return err
				}
				if _, err := tx.ExecContext(ctx, `UPDATE finding SET problem = ? WHERE id = ?`, f.Group, f.ID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// Groups returns the problems of the rows, the largest first. They are those
// that kept rows back, or warnings where the filter asks for them.
func (j *Journal) Groups(ctx context.Context, f ErrorFilter) ([]Group, error) {
	severity := f.Severity
	if severity == "" {
		severity = schemas.Reject
	}
	where, args := f.where()
	var total int64
	if err := j.db.Read().QueryRowContext(ctx, `SELECT count(*) FROM parked_row p WHERE `+where, args...).Scan(&total); err != nil {
		return nil, err
	}
	// What is counted stands in indexes; the findings themselves are read of
	// the examples alone.
	return store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (g Group, err error) {
		var first, last int64
		err = rows.Scan(&g.ID, &g.Pipeline, &g.Rule, &g.Severity, &g.Field, &g.Shape, &g.Message, &g.Assignee,
			&g.Rows, &first, &last, &g.Example, &g.Column)
		g.FirstSeen, g.LastSeen = time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC()
		if total > 0 {
			g.Share = float64(g.Rows) / float64(total)
		}
		return g, err
	}, `
		WITH counted AS (
		  SELECT f.problem, count(DISTINCT p.id) AS rows, min(f.id) AS example, min(p.first_seen) AS first, max(p.last_seen) AS last
		  FROM parked_row p JOIN finding f ON f.parked = p.id WHERE `+where+` GROUP BY f.problem)
		SELECT g.id, g.pipeline, g.rule, g.severity, g.field, g.shape, e.message, g.assignee, c.rows, c.first, c.last, e.value, e.header
		FROM counted c JOIN error_group g ON g.id = c.problem JOIN finding e ON e.id = c.example
		WHERE g.severity = ? ORDER BY c.rows DESC, g.id`, append(args, severity)...)
}

// Group returns the group of the id given, with its open rows, or ErrNoGroup.
// One whose rows are all closed has none.
func (j *Journal) Group(ctx context.Context, id string) (Group, error) {
	g, found, err := store.First(ctx, j.db.Read(), func(rows *sql.Rows) (g Group, err error) {
		return g, rows.Scan(&g.ID, &g.Pipeline, &g.Rule, &g.Severity, &g.Field, &g.Shape, &g.Message, &g.Assignee)
	}, `SELECT id, pipeline, rule, severity, field, shape, message, assignee FROM error_group WHERE id = ?`, id)
	if err != nil {
		return g, err
	}
	if !found {
		return g, fmt.Errorf("%q: %w", id, ErrNoGroup)
	}
	open, err := j.Groups(ctx, ErrorFilter{Group: id, Severity: g.Severity})
	for _, one := range open {
		if one.ID == id {
			g = one
		}
	}
	if err != nil || g.Rows == 0 {
		return g, err
	}
	var total int64
	status := OpenRow
	if g.Severity == schemas.Warn {
		status = NotedRow
	}
	err = j.db.Read().QueryRowContext(ctx, `SELECT count(*) FROM parked_row WHERE pipeline = ? AND status = ?`, g.Pipeline, status).Scan(&total)
	g.Share = float64(g.Rows) / float64(max(total, 1))
	return g, err
}

// A BadValue is one of the distinct values of a group.
type BadValue struct {
	Value string `json:"value"`
	Rows  int64  `json:"rows"`
}

// BadValues returns the distinct values of the open rows of a group as they
// were found, the most frequent first, and how many there are: at most limit.
func (j *Journal) BadValues(ctx context.Context, group string, limit int) (values []BadValue, distinct int64, err error) {
	const from = ` FROM finding f JOIN parked_row p ON p.id = f.parked WHERE f.problem = ? AND p.status IN ('open', 'noted')`
	if err := j.db.Read().QueryRowContext(ctx, `SELECT count(DISTINCT f.value)`+from, group).Scan(&distinct); err != nil {
		return nil, 0, err
	}
	values, err = store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (v BadValue, err error) {
		return v, rows.Scan(&v.Value, &v.Rows)
	}, `SELECT f.value, count(*)`+from+` GROUP BY f.value ORDER BY count(*) DESC, f.value LIMIT ?`, group, limit)
	return values, distinct, err
}
