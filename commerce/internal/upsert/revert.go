package upsert

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"

	"crossdock/internal/store"
	"crossdock/schemas"
)

// Revert puts back rows that a run has changed, some at a time, and says where
// to go on. A row is put back where nothing has changed it since that run: it
// becomes what it was before, is deleted where the run has created it, and is
// there again where the run has deleted it. Like a batch, the same step done
// again changes nothing and returns the first answer. A dry run takes all steps
// at once, and none back.
//
// The way goes over three kinds of rows: those of which there is an image from
// before the run; those that the run has created and nobody has touched since;
// and those that it has created and somebody has, which are only counted.
//
// The error is [schemas.ErrHistoryGone] where nothing is known of the run any more.
func (e *Engine) Revert(ctx context.Context, id schemas.BatchID, r schemas.RevertRequest) (schemas.Reverted, error) {
	t, err := e.table(r.Entity)
	if err != nil {
		return schemas.Reverted{}, err
	}
	var answer schemas.Reverted
	switch {
	case r.DryRun:
		answer, err = e.tryRevert(ctx, t, r)
	default:
		contents := int64(xxh3.HashString(r.Run + "\x00" + r.From))
		err = e.db.Bulk(ctx, func(c *store.Conn) error {
			if err := inTurn(c, id.Turn); err != nil {
				return err
			}
			known, err := recall(c, id, contents, &answer)
			if known || err != nil {
				return err
			}
			if answer, err = e.revertSome(ctx, c, t, id, r, nil); err != nil {
				return err
			}
			return e.remember(c, id, contents, answer)
		})
	}
	if err != nil {
		return schemas.Reverted{}, fmt.Errorf("put back run %s: %w", r.Run, err)
	}
	e.outbox.Wake()
	return answer, nil
}

// tryRevert takes every step, and takes it back.
func (e *Engine) tryRevert(ctx context.Context, t *table, r schemas.RevertRequest) (schemas.Reverted, error) {
	var all schemas.Reverted
	seen := map[uint64]bool{} // what a step takes back must not be met by the next
	for {
		var some schemas.Reverted
		err := e.db.Attempt(ctx, func(c *store.Conn) (err error) {
			some, err = e.revertSome(ctx, c, t, schemas.BatchID{}, r, seen)
			return err
		})
		if err != nil {
			return all, err
		}
		all.Add(some)
		if r.From = some.Next; r.From == "" {
			return all, nil
		}
	}
}

// The kinds of steps, as Next begins.
const (
	imageStep   = "image "   // and the last block
	createdStep = "created " // and the last key
	changedStep = "changed"
)

// rowsPerRevert is about how many rows a step puts back.
const rowsPerRevert = 4000

// A revert is one step on its way.
type revert struct {
	*table
	conn   *store.Conn
	run    string
	of     map[int64]bool // the numbers of the changes that the run has made
	ours   map[int64]bool // those that have put it back so far
	first  int64          // the lowest of them
	seen   map[uint64]bool
	answer schemas.Reverted
	rows   []restored
}

// A restored is a row to write.
type restored struct {
	key     []any
	values  []driver.Value // nil: it is deleted
	hash    int64
	present []driver.Value // what is there now; nil: nothing
}

func (e *Engine) revertSome(ctx context.Context, c *store.Conn, t *table, id schemas.BatchID, r schemas.RevertRequest, seen map[uint64]bool) (schemas.Reverted, error) {
	s := &revert{table: t, conn: c, run: r.Run, seen: seen}
	if err := s.load(); err != nil {
		return s.answer, err
	}
	kind, at, _ := strings.Cut(r.From, " ")
	var err error
	switch kind + " " {
	case " ", imageStep:
		err = s.images(ctx, at)
	case createdStep:
		err = s.created(at)
	default:
		err = s.changed(ctx)
	}
	if err != nil || len(s.rows) == 0 {
		return s.answer, err
	}
	b, hashes, err := s.batch()
	if err != nil {
		return s.answer, err
	}
	defer b.Rows.Release()
	outcome, err := e.pass(ctx, c, id, b, manner{reverts: r.Run, hashes: hashes})
	if err != nil {
		return s.answer, err
	}
	for _, refused := range outcome.Rejected {
		message := refused.Message
		if refused.Field != "" {
			message = refused.Field + " " + message
		}
		s.answer.Keep(schemas.Kept{Key: b.KeyText(refused.Row), Reason: schemas.Refused, Message: message})
	}
	outcome.Rejected = nil
	outcome.Unchanged += s.answer.Unchanged
	s.answer.Outcome = outcome
	return s.answer, nil
}

// load reads which changes the run has made.
func (s *revert) load() error {
	s.of, s.ours, s.first = map[int64]bool{}, map[int64]bool{}, math.MaxInt64
	read, err := s.conn.Prepare(`SELECT seq, run FROM change WHERE entity = ? AND (run = ? OR reverts = ?)`)
	if err != nil {
		return err
	}
	args := store.Args(3)
	args[0].Value, args[1].Value, args[2].Value = s.Entity.Name, s.run, s.run
	err = read.Query(args, func(row []driver.Value) error {
		seq, _ := row[0].(int64)
		if row[1] == s.run {
			s.of[seq], s.first = true, min(s.first, seq)
		} else {
			s.ours[seq] = true
		}
		return nil
	})
	if err == nil && len(s.of) == 0 {
		return schemas.ErrHistoryGone
	}
	return err
}

// eachImage calls fn with every image of the blocks that a query finds: id, seq, images.
func (s *revert) eachImage(ctx context.Context, query string, fn func(block int64, old *image) error, args ...driver.Value) error {
	find, err := s.conn.Prepare(query)
	if err != nil {
		return err
	}
	named := store.Args(len(args))
	for i, a := range args {
		named[i].Value = a
	}
	return find.Query(named, func(row []driver.Value) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		block, _ := row[0].(int64)
		seq, _ := row[1].(int64)
		packed, _ := row[2].([]byte)
		return unpack(seq, packed, func(old *image) error { return fn(block, old) })
	})
}

// images puts back rows of which there is an image, oldest first: the first one
// of a row is what it was before the run, and those behind it find it done.
func (s *revert) images(ctx context.Context, at string) error {
	last, err := strconv.ParseInt("0"+at, 10, 64)
	if err != nil {
		return err
	}
	var found []*image
	err = s.eachImage(ctx, `SELECT p.id, p.seq, p.images FROM pre_image p JOIN change c ON c.seq = p.seq
		WHERE c.run = ? AND c.entity = ? AND p.id > ? ORDER BY p.id LIMIT 32`, func(block int64, old *image) error {
		if len(found) >= rowsPerRevert && block != last {
			return nil // for the next step
		}
		found, last = append(found, old), block
		return nil
	}, s.run, s.Entity.Name, last)
	if err != nil {
		return err
	}
	done := map[string]bool{} // put back in this step
	for _, old := range found {
		if done[old.key] {
			continue
		}
		if done[old.key], err = s.restore(old); err != nil {
			return err
		}
	}
	s.answer.Next = createdStep
	if len(found) > 0 {
		s.answer.Next = imageStep + strconv.FormatInt(last, 10)
	}
	return nil
}

// restore puts a row back, and reports whether that is done with.
func (s *revert) restore(old *image) (done bool, err error) {
	if s.seen != nil {
		hash := xxh3.HashString(old.key)
		if s.seen[hash] {
			return true, nil
		}
		s.seen[hash] = true
	}
	key, err := s.parseKey(old.key)
	if err != nil {
		return false, err
	}
	now, seq, err := s.present(old.key, key)
	if err != nil {
		return false, err
	}
	existed := !s.of[old.was]
	switch {
	case s.ours[seq]:
		if existed {
			s.answer.Unchanged++
		}
		return true, nil
	case !s.of[seq]:
		if existed { // else it is counted with those that the run has created
			err = s.keep(old.key, seq)
		}
		return true, err
	case existed:
		values, err := s.values(old)
		s.rows = append(s.rows, restored{key: key, values: values, hash: old.hash, present: now})
		return true, err
	case now != nil:
		s.rows = append(s.rows, restored{key: key, present: now})
	}
	return true, nil
}

// present reads the row of a key and the number of its last change, which may
// be its deletion.
func (s *revert) present(text string, key []any) (row []driver.Value, seq int64, err error) {
	read, err := s.conn.Prepare(s.readSQL)
	if err != nil {
		return nil, 0, err
	}
	args := store.Args(len(key))
	for i := range key {
		args[i].Value = key[i]
	}
	all := make([]driver.Value, len(s.columns)+3)
	there, err := read.Row(args, all)
	if err != nil {
		return nil, 0, err
	}
	if there {
		seq, _ = all[len(all)-1].(int64)
		return all[2 : 2+len(s.columns)], seq, nil
	}
	buried, err := s.conn.Value(`SELECT seq FROM tombstone WHERE entity = ? AND key = ?`, s.Entity.Name, text)
	seq, _ = buried.(int64)
	return nil, seq, err
}

// keep notes a row that another run has changed since.
func (s *revert) keep(key string, seq int64) error {
	by, err := s.conn.Text(`SELECT run FROM change WHERE seq = ?`, seq)
	if err != nil {
		return err
	}
	text := strings.Trim(key, `"`)
	var parts []string
	if err := json.Unmarshal([]byte(key), &parts); err == nil {
		text = strings.Join(parts, " / ")
	}
	s.answer.Keep(schemas.Kept{Key: text, Reason: schemas.ChangedSince, By: by, Message: "was changed since by run " + by})
	return nil
}

// created deletes rows that the run has created and nobody has changed since:
// those that it has changed last and of which there is no image.
func (s *revert) created(at string) error {
	names := s.keyNames()
	where, from := "", []any{}
	if at != "" {
		var err error
		if from, err = s.parseKey(at); err != nil {
			return err
		}
		where = ` AND (` + names + `) > (?` + strings.Repeat(", ?", len(s.key)-1) + `)`
	}
	find, err := s.conn.Prepare(`SELECT ` + names + ` FROM ` + s.name + ` WHERE changed_seq IN (SELECT seq FROM change WHERE run = ? AND entity = ?)` +
		where + ` ORDER BY ` + names + ` LIMIT ?`)
	if err != nil {
		return err
	}
	args := store.Args(len(from) + 3)
	args[0].Value, args[1].Value, args[len(args)-1].Value = s.run, s.Entity.Name, int64(2*rowsPerRevert)
	for i, part := range from {
		args[2+i].Value = part
	}
	found, last := 0, ""
	err = find.Query(args, func(row []driver.Value) error {
		key := make([]any, len(row))
		for i, part := range row {
			key[i] = part
		}
		found++
		last = s.keyText(row)
		if !s.seen[xxh3.HashString(last)] {
			s.rows = append(s.rows, restored{key: key, present: []driver.Value{}})
		}
		return nil
	})
	s.answer.Next = changedStep
	if found == 2*rowsPerRevert {
		s.answer.Next = createdStep + last
	}
	return err
}

// keyText returns a stored key as events have it.
func (t *table) keyText(key []driver.Value) string {
	if len(t.key) == 1 {
		return string(appendKeyPart(nil, t.columns[t.key[0]].field, key[0]))
	}
	var b []byte
	for j, k := range t.key {
		separator := byte(',')
		if j == 0 {
			separator = '['
		}
		b = appendKeyPart(append(b, separator), t.columns[k].field, key[j])
	}
	return string(append(b, ']'))
}

// changed counts the rows that the run has created and somebody has changed
// since: a later change has the run's as the one before, and no image says that
// there was such a row before the run.
func (s *revert) changed(ctx context.Context) error {
	var before []uint64
	err := s.eachImage(ctx, `SELECT p.id, p.seq, p.images FROM pre_image p JOIN change c ON c.seq = p.seq WHERE c.run = ? AND c.entity = ?`,
		func(_ int64, old *image) error {
			if !s.of[old.was] {
				before = append(before, xxh3.HashString(old.key))
			}
			return nil
		}, s.run, s.Entity.Name)
	if err != nil {
		return err
	}
	slices.Sort(before)
	var kept []*image // as many as are named
	err = s.eachImage(ctx, `SELECT p.id, p.seq, p.images FROM pre_image p JOIN change c ON c.seq = p.seq
		WHERE p.seq > ? AND c.entity = ? ORDER BY p.id`,
		func(_ int64, old *image) error {
			if !s.of[old.was] || s.of[old.seq] || s.ours[old.seq] {
				return nil
			}
			if _, there := slices.BinarySearch(before, xxh3.HashString(old.key)); there {
				return nil
			}
			if len(kept) == schemas.MaxKept {
				s.answer.KeptRows++
			} else {
				kept = append(kept, &image{key: old.key, seq: old.seq})
			}
			return nil
		}, s.first, s.Entity.Name)
	for _, old := range kept {
		if err == nil {
			err = s.keep(old.key, old.seq)
		}
	}
	return err
}

// batch makes a batch of the rows to write, with the hashes that they had.
func (s *revert) batch() (*schemas.Batch, []uint64, error) {
	sources, columns, err := s.restoredColumns()
	if err != nil {
		return nil, nil, err
	}
	columns = append(columns, schemas.Column{Name: schemas.DeletedField, Field: s.Entity.Field(schemas.DeletedField)})
	b := newBatchBuilder(s.Entity, columns, nil)
	defer b.release()
	hashes := make([]uint64, len(s.rows))
	for row := range s.rows {
		r := &s.rows[row]
		hashes[row] = uint64(r.hash)
		values := r.values
		if values == nil {
			values = make([]driver.Value, len(s.columns))
			for i, k := range s.key {
				values[k] = r.key[i]
			}
		}
		for i := range sources {
			if err := sources[i].appendTo(b, values[i]); err != nil {
				return nil, nil, err
			}
		}
		if err := b.add(len(columns)-1, boolInt(r.values == nil)); err != nil {
			return nil, nil, err
		}
	}
	return b.batch(), hashes, nil
}

// restoredColumns returns a source for each column of the table. An object has
// the members that rows had and those that they have now, which have to go.
func (s *revert) restoredColumns() ([]source, []schemas.Column, error) {
	var columns []schemas.Column
	sources := make([]source, len(s.columns))
	for i := range s.columns {
		c := &s.columns[i]
		sources[i] = source{column: c, at: len(columns)}
		if !c.object {
			columns = append(columns, schemas.Column{Name: c.field.Name, Field: c.field})
			continue
		}
		names := map[string]bool{}
		for _, r := range s.rows {
			for _, row := range [][]driver.Value{r.values, r.present} {
				if r.values == nil || len(row) == 0 {
					continue
				}
				object, err := members(row[i])
				if err != nil {
					return nil, nil, err
				}
				for name := range object {
					names[name] = true
				}
			}
		}
		for name := range names {
			sources[i].members = append(sources[i].members, name)
		}
		slices.Sort(sources[i].members)
		for _, name := range sources[i].members {
			columns = append(columns, schemas.Column{Name: c.field.Name + "." + name, Field: c.field, Sub: name})
		}
	}
	return sources, columns, nil
}
