package journal

import (
	"context"
	"database/sql"
	"slices"

	"crossdock/internal/store"
	"crossdock/schemas"
)

// A Notice tells of a rejected row those who are told of them as they come.
type Notice struct {
	Row     *Row
	Finding Finding // the first that is new, by which the row was rejected
}

// Notices are rejected rows that nobody was told of yet, the oldest first.
type Notices struct {
	List  []Notice
	after int64 // id of the last finding that was told of before
	last  int64 // and of the last that these tell of
}

// noticeFindings bounds how many findings are told of at once.
const noticeFindings = 500

// A newFinding is one that nobody was told of yet.
type newFinding struct{ id, parked, bytes int64 }

// Untold returns the next rows that were rejected, or rejected for another
// reason when they were replayed. Findings are numbered in the order of
// commits, so that none is passed over.
func (j *Journal) Untold(ctx context.Context) (Notices, error) {
	var n Notices
	after, _, err := store.First(ctx, j.db.Read(), func(rows *sql.Rows) (id int64, err error) { return id, rows.Scan(&id) }, `SELECT finding FROM notice`)
	if err != nil {
		return n, err
	}
	n.after, n.last = after, after
	list, err := store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (f newFinding, err error) {
		return f, rows.Scan(&f.id, &f.parked, &f.bytes)
	}, `SELECT f.id, f.parked, length(p.cells) FROM finding f JOIN parked_row p ON p.id = f.parked
		WHERE f.id > ? AND f.severity = 'reject' ORDER BY f.id LIMIT ?`, after, noticeFindings)
	if err != nil || len(list) == 0 {
		return n, err
	}
	list = whole(list)
	n.last = list[len(list)-1].id
	var ids []int64
	for _, f := range list {
		ids = append(ids, f.parked)
	}
	slices.Sort(ids)
	rows, err := j.Rows(ctx, ErrorFilter{Parked: slices.Compact(ids)})
	if err != nil {
		return n, err
	}
	byID := make(map[int64]*Row, len(rows))
	for _, r := range rows {
		byID[r.ID] = r
	}
	for _, f := range list {
		r := byID[f.parked]
		if r == nil {
			continue // it was told of just now, or has been forgotten meanwhile
		}
		delete(byID, f.parked)
		if at := slices.IndexFunc(r.Findings, func(of Finding) bool { return of.ID >= f.id && of.Severity == schemas.Reject }); at >= 0 {
			n.List = append(n.List, Notice{Row: r, Finding: r.Findings[at]})
		}
	}
	return n, nil
}

// whole returns as many of the findings as memory is to hold the rows of, and
// none of the last row where it may have more: a row is told of once.
func whole(list []newFinding) []newFinding {
	bytes, end := int64(0), 0
	for end < len(list) && (end == 0 || bytes+list[end].bytes <= pageBytes) {
		bytes += list[end].bytes
		end++
	}
	if end == len(list) && len(list) < noticeFindings {
		return list
	}
	last := list[end-1].parked
	for i := end; i > 0; i-- {
		if list[i-1].parked != last {
			return list[:i]
		}
	}
	return list[:end] // all of them are of one row
}

// More reports whether there was something to tell, and so may be more.
func (n Notices) More() bool { return n.last > n.after }

// Told notes that the notices have been told, unless another process was first.
func (j *Journal) Told(ctx context.Context, n Notices) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE notice SET finding = ? WHERE finding = ?`, n.last, n.after)
		return err
	})
}
