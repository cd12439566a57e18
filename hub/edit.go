package hub

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/schemas"
)

// An Edit says how cells of open rows are to be changed. Set, Value and Find
// exclude each other.
type Edit struct {
	Set map[string]string // new values by header, or by address of the cell in a spreadsheet

	// Column is the header that Value and Find are about; "" is, row by row,
	// the column that the error chosen blames.
	Column string
	Value  *string // the new value
	Find   string  // what to replace within the cell
	With   string  // what by; $1 is a group of the expression
	Regexp bool    // Find is a regular expression
	Where  *string // only cells that hold this

	By     string
	Note   string // the file that the edits come from
	DryRun bool   // say what would change, and change nothing
}

// A CellChange is one cell that an edit changes.
type CellChange struct {
	Error int64            `json:"id"` // of an error of the row
	Place connectors.Place `json:"place"`
	Old   *string          `json:"old"` // null is an empty cell
	New   *string          `json:"new"`
}

// An EditReport says what an edit has changed, and what today's pipeline and
// services say of the rows it has changed.
type EditReport struct {
	Rows       int64           `json:"rows"`
	Cells      int64           `json:"cells"`
	DryRun     bool            `json:"dry_run,omitempty"`
	First      []CellChange    `json:"first"`                // some of the cells
	Unmendable int64           `json:"unmendable,omitempty"` // rows that only their source can mend
	Pass       int64           `json:"would_pass"`
	Fail       int64           `json:"would_fail"`
	Wrong      []journal.Error `json:"wrong,omitempty"`     // some of what would still keep rows back
	Unchecked  string          `json:"unchecked,omitempty"` // why the rows were not tried
}

// reportedCells bounds what a report shows of cells and errors.
const reportedCells = 10

// Edit changes cells of the open rows that the filter finds. The rows as read
// stay what they are; a replay sends them with their edits. An edit that
// changes nothing leaves no trace, so that it can be repeated.
func (h *Hub) Edit(ctx context.Context, filter journal.ErrorFilter, edit Edit) (EditReport, error) {
	report := EditReport{DryRun: edit.DryRun, First: []CellChange{}}
	change, err := edit.compile()
	if err != nil {
		return report, err
	}
	if err := h.selectable(ctx, &filter); err != nil {
		return report, err
	}
	judge := h.newJudge()
	err = h.eachPage(ctx, filter, func(rows []*journal.Row) error {
		var changes []journal.Change
		for _, row := range rows {
			edits, err := change(row, filter)
			if errors.Is(err, errUnmendable) && filter.Group != "" {
				report.Unmendable++
				continue
			}
			if err != nil {
				return err
			}
			if len(edits) > 0 {
				report.add(row, filter, edits)
				changes = append(changes, journal.Change{Row: row, By: edit.By, Note: edit.Note, Edits: edits})
			}
		}
		return h.change(ctx, judge, &report, changes)
	})
	report.Unchecked = judge.unchecked
	return report, err
}

// change writes the changes, or makes them in memory alone, and has the rows tried.
func (h *Hub) change(ctx context.Context, judge *judge, report *EditReport, changes []journal.Change) error {
	rows := make([]*journal.Row, len(changes))
	for i, c := range changes {
		rows[i] = c.Row
		if !report.DryRun {
			continue
		}
		c.Row.Revision++
		for _, e := range c.Edits {
			e.Step = c.Row.Revision
			c.Row.Edits = append(c.Row.Edits, e)
		}
	}
	if !report.DryRun {
		if err := h.journal.Change(ctx, changes...); err != nil {
			return err
		}
	}
	return judge.try(ctx, rows, report)
}

func (r *EditReport) add(row *journal.Row, filter journal.ErrorFilter, edits []journal.Edit) {
	r.Rows++
	r.Cells += int64(len(edits))
	for _, e := range edits {
		if len(r.First) == reportedCells {
			return
		}
		place := row.Place
		place.Column = e.Column
		if row.Cells.Sheet {
			place.Cell = connectors.CellAddress(e.Position, place.Row)
		}
		one := CellChange{Error: errorOf(row, filter), Place: place, Old: e.Old, New: e.New}
		if row.Cells.IsMasked(e.Position) {
			one.Old, one.New = new(journal.MaskedText), new(journal.MaskedText)
		}
		r.First = append(r.First, one)
	}
}

// errorOf returns the error by which a person knows the row: one that was chosen.
func errorOf(row *journal.Row, filter journal.ErrorFilter) int64 {
	for _, f := range row.Findings {
		if chosen(f, filter) {
			return f.ID
		}
	}
	return row.Findings[0].ID
}

// chosen tells whether the filter has found the row by this finding.
func chosen(f journal.Finding, filter journal.ErrorFilter) bool {
	switch {
	case filter.Group != "":
		return f.Group == filter.Group
	case len(filter.IDs) > 0:
		return slices.Contains(filter.IDs, f.ID)
	}
	return f.Severity == schemas.Reject
}

// selectable refuses errors and groups that there are not, and errors that are
// closed, and makes the filter one of open rows. Rows that wait are chosen one by
// one alone: whoever means a whole group means those that nothing else will mend.
func (h *Hub) selectable(ctx context.Context, filter *journal.ErrorFilter) error {
	if filter.Group != "" {
		if _, err := h.journal.Group(ctx, filter.Group); err != nil {
			return err
		}
	}
	if len(filter.IDs) > 0 {
		_, err := h.noneClosed(ctx, filter.IDs)
		return err
	}
	filter.Status = journal.OpenRow
	return nil
}

// editPage is how many rows are changed in one transaction.
const editPage = 1_000

// eachPage calls fn with rows by the page, outside of any transaction.
func (h *Hub) eachPage(ctx context.Context, filter journal.ErrorFilter, fn func([]*journal.Row) error) error {
	var page []*journal.Row
	flush := func() error {
		rows := page
		page = nil
		return fn(rows)
	}
	err := h.journal.EachRow(ctx, filter, func(r *journal.Row) error {
		if page = append(page, r); len(page) < editPage {
			return nil
		}
		return flush()
	})
	if err != nil || len(page) == 0 {
		return err
	}
	return flush()
}

// errUnmendable tells that the error queue does not have the row whole.
var errUnmendable = errors.New("could not be cut into cells, or was too large to keep: mend it in its source, and read that again")

// compile returns what the edit makes of a row.
func (e *Edit) compile() (func(*journal.Row, journal.ErrorFilter) ([]journal.Edit, error), error) {
	replace := func(string) string { return *e.Value }
	switch {
	case len(e.Set) > 0:
		return e.setCells, nil
	case e.Find != "" && e.Regexp:
		expression, err := regexp.Compile(e.Find)
		if err != nil {
			return nil, refusef("find: %w", err)
		}
		replace = func(s string) string { return expression.ReplaceAllString(s, e.With) }
	case e.Find != "":
		replace = func(s string) string { return strings.ReplaceAll(s, e.Find, e.With) }
	case e.Value == nil:
		return nil, refusef("the edit says neither what to set nor what to find")
	}
	return func(r *journal.Row, filter journal.ErrorFilter) ([]journal.Edit, error) {
		positions, err := e.positions(r, filter)
		if err != nil {
			return nil, err
		}
		var edits []journal.Edit
		cells := r.Mended()
		for _, at := range positions {
			value := textOf(cells.Values[at])
			if e.Where != nil && value != *e.Where || e.Find != "" && cells.IsMasked(at) {
				continue
			}
			edits = appendEdit(edits, r, cells, at, replace(value))
		}
		return edits, nil
	}, nil
}

func (e *Edit) setCells(r *journal.Row, _ journal.ErrorFilter) ([]journal.Edit, error) {
	if !r.Cells.Whole {
		return nil, refusef("row %s %w", r.Place, errUnmendable)
	}
	var edits []journal.Edit
	cells := r.Mended()
	for column, value := range e.Set {
		at, err := columnAt(r, column)
		if err != nil {
			return nil, err
		}
		if e.Where != nil && textOf(cells.Values[at]) != *e.Where {
			continue
		}
		edits = appendEdit(edits, r, cells, at, value)
	}
	slices.SortFunc(edits, func(a, b journal.Edit) int { return a.Position - b.Position })
	return edits, nil
}

// positions returns the columns of a row that the edit is about.
func (e *Edit) positions(r *journal.Row, filter journal.ErrorFilter) ([]int, error) {
	if !r.Cells.Whole {
		return nil, refusef("row %s %w", r.Place, errUnmendable)
	}
	if e.Column != "" {
		at, err := columnAt(r, e.Column)
		return []int{at}, err
	}
	var list []int
	for _, f := range r.Findings {
		if chosen(f, filter) && f.Position >= 0 && f.Position < len(r.Cells.Values) && !slices.Contains(list, f.Position) {
			list = append(list, f.Position)
		}
	}
	if list == nil {
		return nil, refusef("row %s: the error is not one of a single column: say which column to change", r.Place)
	}
	return list, nil
}

// appendEdit adds the edit of a cell, unless the cell holds the value already.
func appendEdit(edits []journal.Edit, r *journal.Row, cells journal.Cells, at int, value string) []journal.Edit {
	old := cells.Values[at]
	// What stands for a masked value is none.
	if textOf(old) == value || value == journal.MaskedText && r.Cells.IsMasked(at) {
		return edits
	}
	one := journal.Edit{Position: at, Column: r.Cells.Names[at], Old: old}
	if value != "" {
		one.New = &value
	}
	return append(edits, one)
}

func textOf(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}

// columnAt finds a column of a row by its header or, in a spreadsheet, by the
// address of the cell.
func columnAt(r *journal.Row, name string) (int, error) {
	if at := slices.Index(r.Cells.Names, name); at >= 0 {
		return at, nil
	}
	same := -1
	for i, header := range r.Cells.Names {
		if strings.EqualFold(strings.TrimSpace(header), strings.TrimSpace(name)) {
			if same >= 0 {
				return 0, refusef("row %s has several columns like %s: write it as it stands in the file", r.Place, schemas.QuoteShort(name))
			}
			same = i
		}
	}
	if same >= 0 {
		return same, nil
	}
	if r.Cells.Sheet {
		for i := range r.Cells.Names {
			if strings.EqualFold(connectors.CellAddress(i, r.Place.Row), name) {
				return i, nil
			}
		}
	}
	return 0, refusef("row %s has no column %s%s (it has %s)", r.Place, schemas.QuoteShort(name),
		schemas.DidYouMean(name, r.Cells.Names), strings.Join(r.Cells.Names, ", "))
}
