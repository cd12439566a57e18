package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"crossdock/hub/journal"
)

// UndoEdit takes back the last edit of the row of an error, and tells what the
// row would come to.
func (h *Hub) UndoEdit(ctx context.Context, id int64, by string) (EditReport, error) {
	report := EditReport{First: []CellChange{}}
	filter := journal.ErrorFilter{IDs: []int64{id}}
	if err := h.selectable(ctx, &filter); err != nil {
		return report, err
	}
	row, err := h.journal.RowOf(ctx, id)
	if err != nil {
		return report, err
	}
	step := int64(0)
	for _, e := range row.Edits {
		if e.Undone == 0 {
			step = max(step, e.Step)
		}
	}
	if step == 0 {
		return report, fmt.Errorf("error %d has no edit to undo", id)
	}
	var back []journal.Edit
	for _, e := range row.Edits {
		if e.Step == step && e.Undone == 0 {
			e.Old, e.New = e.New, e.Old
			back = append(back, e)
		}
	}
	report.add(row, filter, back)
	if err := h.journal.Change(ctx, journal.Change{Row: row, By: by, Undo: step}); err != nil {
		return report, err
	}
	judge := h.newJudge()
	err = judge.try(ctx, []*journal.Row{row}, &report)
	report.Unchecked = judge.unchecked
	return report, err
}

// Discard gives up the open rows that the filter finds, for a reason, and
// returns how many they were. Rows that are discarded already stay so, and are
// no error.
func (h *Hub) Discard(ctx context.Context, filter journal.ErrorFilter, reason, by string) (int64, error) {
	if strings.TrimSpace(reason) == "" {
		return 0, errors.New("a reason is needed to discard rows")
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

// FindOpen returns the row of an error that is open, to be changed.
func (h *Hub) FindOpen(ctx context.Context, id int64) (*journal.Row, error) {
	if err := h.allOpen(ctx, []int64{id}); err != nil {
		return nil, err
	}
	return h.journal.RowOf(ctx, id)
}

// Change does to the rows of errors what a person asks for, each only while it
// is open.
func (h *Hub) Change(ctx context.Context, ids []int64, by string, assign *string, comment string) error {
	if assign == nil && comment == "" {
		return errors.New("nothing is to be changed")
	}
	changes := make([]journal.Change, 0, len(ids))
	seen := map[int64]bool{}
	for _, id := range ids {
		row, err := h.FindOpen(ctx, id)
		if err != nil {
			return err
		}
		if !seen[row.ID] && (comment != "" || assign != nil && row.Assignee != *assign) {
			changes = append(changes, journal.Change{Row: row, By: by, Assign: assign, Comment: comment})
		}
		seen[row.ID] = true
	}
	return h.journal.Change(ctx, changes...)
}
