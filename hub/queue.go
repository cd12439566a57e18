package hub

import (
	"context"
	"strings"

	"crossdock/hub/journal"
)

// An Amendment is what a person does to the row of one error.
type Amendment struct {
	Set     map[string]string // new values, as those of [Edit.Set]
	Undo    bool              // take the last edit back
	Assign  *string           // who is to mend it; "" takes that back
	Comment string
	By      string
	// Revision is the one that the person has seen, where not nil: a row that
	// was changed since is left alone.
	Revision *int64
}

// Amend changes the row of an error, all that is asked for or nothing, and
// tells what the row would come to. What holds already leaves no trace.
func (h *Hub) Amend(ctx context.Context, id int64, a Amendment) (*journal.Row, EditReport, error) {
	report := EditReport{First: []CellChange{}}
	filter := journal.ErrorFilter{IDs: []int64{id}}
	if err := h.selectable(ctx, &filter); err != nil {
		return nil, report, err
	}
	row, err := h.journal.RowOf(ctx, id)
	if err != nil {
		return nil, report, err
	}
	if a.Revision != nil && *a.Revision != row.Revision {
		return row, report, refusef("error %d %w", id, journal.ErrChanged)
	}
	change := journal.Change{Row: row, By: a.By, Comment: a.Comment}
	if a.Assign != nil && *a.Assign != row.Assignee {
		change.Assign = a.Assign
	}
	edits := []journal.Edit(nil)
	switch {
	case a.Undo && len(a.Set) > 0:
		return row, report, refusef("an edit is made or undone, not both at once")
	case a.Undo:
		if change.Undo, edits = lastEdit(row); change.Undo == 0 {
			return row, report, refusef("error %d has no edit to undo", id)
		}
	case len(a.Set) > 0:
		edit := Edit{Set: a.Set}
		if edits, err = edit.setCells(row, filter); err != nil {
			return row, report, err
		}
		change.Edits = edits
	}
	if len(edits) == 0 && change.Assign == nil && change.Comment == "" {
		return row, report, nil
	}
	if len(edits) > 0 {
		report.add(row, filter, edits)
	}
	if err := h.journal.Change(ctx, change); err != nil || len(edits) == 0 {
		return row, report, err
	}
	judge := h.newJudge()
	err = judge.try(ctx, []*journal.Row{row}, &report)
	report.Unchecked = judge.unchecked
	return row, report, err
}

// lastEdit returns the last step that edited the row and was not undone, 0
// where there is none, and what undoing it changes.
func lastEdit(row *journal.Row) (step int64, back []journal.Edit) {
	for _, e := range row.Edits {
		if e.Undone == 0 {
			step = max(step, e.Step)
		}
	}
	for _, e := range row.Edits {
		if e.Step == step && e.Undone == 0 {
			e.Old, e.New = e.New, e.Old
			back = append(back, e)
		}
	}
	return step, back
}

// Discard gives up the open rows that the filter finds, for a reason, and
// returns how many they were.
func (h *Hub) Discard(ctx context.Context, filter journal.ErrorFilter, reason, by string) (int64, error) {
	if strings.TrimSpace(reason) == "" {
		return 0, refusef("a reason is needed to discard rows")
	}
	if err := h.selectable(ctx, &filter); err != nil {
		return 0, err
	}
	rows := int64(0)
	err := h.eachPage(ctx, filter, func(page []*journal.Row) error {
		changes := make([]journal.Change, len(page))
		for i, r := range page {
			changes[i] = journal.Change{Row: r, By: by, Note: reason, Discard: true}
		}
		rows += int64(len(page))
		return h.journal.Change(ctx, changes...)
	})
	return rows, err
}
