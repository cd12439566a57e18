package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"crossdock/connectors"
	"crossdock/internal/store"
)

// An Edit is one cell of a parked row as a person wants it.
type Edit struct {
	Position int     `json:"position"` // of the column, from 0
	Column   string  `json:"column"`
	Old      *string `json:"old"` // nil is an empty cell
	New      *string `json:"new"`
	Step     int64   `json:"step"`             // the revision of the row that it made
	Undone   int64   `json:"undone,omitempty"` // the revision that took it back, or 0
}

// MendedAt returns the cells of the row with the edits that held at a
// revision of it.
func (r *Row) MendedAt(revision int64) Cells {
	cells := r.Cells
	for _, e := range r.Edits {
		if e.Step > revision || e.Undone != 0 && e.Undone <= revision || e.Position >= len(cells.Values) {
			continue
		}
		if &cells.Values[0] == &r.Cells.Values[0] { // the row as read stays what it is
			cells.Values, cells.Kinds = slices.Clone(cells.Values), slices.Clone(cells.Kinds)
		}
		cells.Values[e.Position] = e.New
		if e.Position >= len(cells.Kinds) {
			continue
		}
		cells.Kinds[e.Position] = connectors.TextCell
		if was := r.Cells.Values[e.Position]; was != nil && e.New != nil && *was == *e.New {
			cells.Kinds[e.Position] = r.Cells.Kinds[e.Position]
		}
	}
	return cells
}

// Mended returns the cells of the row with the edits made to them, which are
// those that a replay sends.
func (r *Row) Mended() Cells { return r.MendedAt(r.Revision) }

// Shown returns the cells of the row with its edits as people may see them.
func (r *Row) Shown() Cells { return r.ShownAt(r.Revision) }

// ShownAt is Shown at a revision of the row.
func (r *Row) ShownAt(revision int64) Cells {
	cells := r.MendedAt(revision)
	for _, at := range cells.Masked {
		if &cells.Values[0] == &r.Cells.Values[0] {
			cells.Values = slices.Clone(cells.Values)
		}
		if cells.Values[at] != nil && cells.Values[at] != r.Cells.Values[at] { // entered anew
			cells.Values[at] = new(MaskedText)
		}
	}
	return cells
}

// IsEdited tells whether a cell has an edit that nobody has undone.
func (r *Row) IsEdited(position int) bool {
	return slices.ContainsFunc(r.Edits, func(e Edit) bool { return e.Undone == 0 && e.Position == position })
}

// Edited tells whether the row has an edit that nobody has undone.
func (r *Row) Edited() bool {
	return slices.ContainsFunc(r.Edits, func(e Edit) bool { return e.Undone == 0 })
}

// Untried tells whether the row was edited since it was last tried.
func (r *Row) Untried() bool {
	return slices.ContainsFunc(r.Edits, func(e Edit) bool { return max(e.Step, e.Undone) > r.Tried })
}

// readEdits adds the edits of the rows, those that were undone among them.
func (j *Journal) readEdits(ctx context.Context, list []*Row) error {
	byID := map[int64]*Row{}
	var ids []any
	for _, r := range list {
		if r.Revision > 0 {
			byID[r.ID], ids = r, append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	type edit struct {
		Edit
		row int64
	}
	edits, err := store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (e edit, err error) {
		return e, rows.Scan(&e.row, &e.Position, &e.Column, &e.Old, &e.New, &e.Step, &e.Undone)
	}, `SELECT parked, position, header, old, new, step, undone FROM row_history
	    WHERE parked IN (`+marks(len(ids))+`) AND kind = 'edit' ORDER BY id`, ids...)
	for _, e := range edits {
		byID[e.row].Edits = append(byID[e.row].Edits, e.Edit)
	}
	return err
}

// ErrNotOpen tells that a parked row has been dealt with already.
var ErrNotOpen = errors.New("is not open")

// ErrChanged tells that someone else has changed a row since it was read.
var ErrChanged = errors.New("was changed by someone else meanwhile: read it again")

// A Change is what a person does to one row that is open, or waits: one that is
// edited waits no longer.
type Change struct {
	Row     *Row   // as read: the change is refused where it was changed since
	By      string // who does it
	Note    string // why, or the file that the edits come from
	Edits   []Edit // Position, Column, Old and New
	Undo    int64  // take back the edits of this step, where not 0
	Assign  *string
	Comment string
	Discard bool // Note is the reason
}

// Change writes changes in one transaction, all of them or none.
func (j *Journal) Change(ctx context.Context, changes ...Change) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, c := range changes {
			if err := j.change(ctx, tx, &c); err != nil {
				return err
			}
		}
		return nil
	})
}

func (j *Journal) change(ctx context.Context, tx *sql.Tx, c *Change) error {
	r := c.Row
	status, assignee := r.Status, ""
	switch {
	case c.Discard:
		status = DiscardedRow
	case len(c.Edits) > 0 || c.Undo != 0:
		status = OpenRow // what it waited for may not be what it lacks any more
	}
	if c.Assign != nil {
		assignee = *c.Assign
	}
	result, err := tx.ExecContext(ctx, `
		UPDATE parked_row SET revision = revision + 1, status = ?1, assignee = CASE WHEN ?2 THEN ?3 ELSE assignee END,
		       last_seen = CASE WHEN ?1 = 'discarded' THEN ?4 ELSE last_seen END
		WHERE id = ?5 AND status IN ('open', 'waiting') AND revision = ?6`, status, c.Assign != nil, assignee, j.now(), r.ID, r.Revision)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil {
		return err
	} else if n == 0 {
		return refusal(ctx, tx, r)
	}
	r.Revision++
	if r.Status == WaitingRow && status != WaitingRow {
		if _, err := tx.ExecContext(ctx, `DELETE FROM awaited WHERE parked = ?`, r.ID); err != nil {
			return err
		}
	}
	r.Status = status
	if c.Undo != 0 {
		if err := j.undo(ctx, tx, c); err != nil {
			return err
		}
	}
	for _, e := range c.Edits {
		e.Step = r.Revision
		r.Edits = append(r.Edits, e)
		if err := j.note(ctx, tx, c, "edit", c.Note, e); err != nil {
			return err
		}
	}
	none := Edit{Position: -1, Step: r.Revision}
	if c.Assign != nil {
		r.Assignee = assignee
		err = j.note(ctx, tx, c, "assign", assignee, none)
	}
	if c.Comment != "" && err == nil {
		err = j.note(ctx, tx, c, "comment", c.Comment, none)
	}
	if c.Discard && err == nil {
		err = errors.Join(j.note(ctx, tx, c, "discard", c.Note, none), forget(ctx, tx))
	}
	return err
}

// undo takes back what one step has edited.
func (j *Journal) undo(ctx context.Context, tx *sql.Tx, c *Change) error {
	if _, err := tx.ExecContext(ctx, `UPDATE row_history SET undone = ? WHERE parked = ? AND kind = 'edit' AND step = ? AND undone = 0`,
		c.Row.Revision, c.Row.ID, c.Undo); err != nil {
		return err
	}
	for i, e := range c.Row.Edits {
		if e.Step != c.Undo || e.Undone != 0 {
			continue
		}
		c.Row.Edits[i].Undone = c.Row.Revision
		back := Edit{Position: e.Position, Column: e.Column, Old: e.New, New: e.Old, Step: c.Row.Revision}
		if err := j.note(ctx, tx, c, "undo", c.Note, back); err != nil {
			return err
		}
	}
	return nil
}

// refusal says why a row could not be changed.
func refusal(ctx context.Context, tx *sql.Tx, r *Row) error {
	var status RowStatus
	err := tx.QueryRowContext(ctx, `SELECT status FROM parked_row WHERE id = ?`, r.ID).Scan(&status)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("row %s: %w", r.Place, ErrNotFound)
	case err != nil:
		return err
	case status != OpenRow && status != WaitingRow:
		return fmt.Errorf("row %s %w: it is %s", r.Place, ErrNotOpen, status)
	}
	return fmt.Errorf("row %s %w", r.Place, ErrChanged)
}

func (j *Journal) note(ctx context.Context, tx *sql.Tx, c *Change, kind, note string, e Edit) error {
	secret := 0
	if c.Row.Cells.IsMasked(e.Position) {
		secret = 1
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO row_history (parked, problem, at, by, kind, position, header, old, new, note, step, secret)
		VALUES (?, '', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.Row.ID, j.now(), c.By, kind, e.Position, e.Column, e.Old, e.New, note, e.Step, secret)
	return err
}

// MaskedText stands where a value is not kept, or not shown.
const MaskedText = "***"

// IsMasked tells whether the value of a cell was kept out of the error queue.
func (c *Cells) IsMasked(position int) bool { return slices.Contains(c.Masked, position) }

// forget takes the values that were entered for masked cells out of the
// history of rows that need them no more.
func forget(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE row_history SET old = ?1, new = ?1, secret = 0
		WHERE secret = 1 AND parked IN (SELECT id FROM parked_row WHERE status NOT IN ('open', 'waiting'))`, MaskedText)
	return err
}

// AssignGroup says who is to mend the rows of a group, those to come among
// them, but for rows that were assigned one by one.
func (j *Journal) AssignGroup(ctx context.Context, group, to, by string) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE error_group SET assignee = ? WHERE id = ?`, to, group)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return fmt.Errorf("%q: %w", group, ErrNoGroup)
		}
		return j.noteGroup(ctx, tx, group, by, "assign", to)
	})
}

// CommentGroup adds a comment to a group.
func (j *Journal) CommentGroup(ctx context.Context, group, text, by string) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error { return j.noteGroup(ctx, tx, group, by, "comment", text) })
}

func (j *Journal) noteGroup(ctx context.Context, tx *sql.Tx, group, by, kind, note string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO row_history (parked, problem, at, by, kind, note) VALUES (NULL, ?, ?, ?, ?, ?)`,
		group, j.now(), by, kind, note)
	return err
}

// An Entry is one thing that was done to a row, or to a group of rows.
type Entry struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Kind   string    `json:"kind"` // edit, undo, discard, assign, comment or replay
	Group  string    `json:"group,omitempty"`
	Column string    `json:"column,omitempty"`
	Old    *string   `json:"old,omitempty"`
	New    *string   `json:"new,omitempty"`
	Note   string    `json:"note,omitempty"` // reason, comment, name, or the file that an edit came from
}

// History returns what was done to a row and to the groups that it is one of,
// oldest first.
func (j *Journal) History(ctx context.Context, r *Row) ([]Entry, error) {
	list, err := store.Collect(ctx, j.db.Read(), scanEntry, `
		SELECT problem, at, by, kind, header, old, new, note, secret FROM row_history
		WHERE parked = ?1 OR parked IS NULL AND problem IN (SELECT problem FROM finding WHERE parked = ?1) ORDER BY id`, r.ID)
	if list == nil {
		list = []Entry{}
	}
	return list, err
}

func scanEntry(rows *sql.Rows) (e Entry, err error) {
	var at int64
	var secret bool
	err = rows.Scan(&e.Group, &at, &e.By, &e.Kind, &e.Column, &e.Old, &e.New, &e.Note, &secret)
	e.At = time.UnixMicro(at).UTC()
	for _, value := range []**string{&e.Old, &e.New} {
		if secret && *value != nil {
			*value = new(MaskedText)
		}
	}
	return e, err
}

// noteReplay records what became of rows that were sent once more.
func (j *Journal) noteReplay(ctx context.Context, tx *sql.Tx, run, by string, rows []int64, note string) error {
	if len(rows) == 0 {
		return nil
	}
	return j.eachID(ctx, tx, `
		INSERT INTO row_history (parked, problem, at, by, kind, note) SELECT id, '', CAST(?2 AS BIGINT), ?3, 'replay', ?4
		FROM parked_row WHERE id IN `, rows, j.now(), by, note+" by run "+run)
}
