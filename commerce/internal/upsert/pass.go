package upsert

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"crossdock/internal/store"
	"crossdock/schemas"
)

// A Kind says what a change does to a row of a table.
type Kind string

// The kinds of change.
const (
	Create Kind = "create"
	Update Kind = "update"
	Delete Kind = "delete"
)

// A Change is what one row of a batch is about to do. It is valid until the
// Judge returns.
type Change struct {
	Kind     Kind
	Old, New []driver.Value // the row by [Position]: Old is nil at Create, New is nil at Delete
	Reverts  bool           // the row becomes what it was before a run
}

// A Refusal says why a change may not be.
type Refusal struct {
	Field, Rule, Message string

	// Later marks a refusal that another row of the same batch may lift: the
	// change is tried again when the others are done.
	Later bool
}

// A Judge returns why the change may not be, or nil where it may.
type Judge func(*Change) (*Refusal, error)

// rowsPerLook is how many rows pass between two looks at the context.
const rowsPerLook = 256

// A manner is what sets a pass apart from a plain one.
type manner struct {
	changes map[int]schemas.Difference // takes in what each row changes; nil: nobody asks

	// The run that the batch puts back, and the hashes that its rows had. They may
	// be those of what is there now, and so say nothing of what is the same.
	reverts string
	hashes  []uint64
}

// A pass is one batch on its way into its table.
type pass struct {
	*shape
	conn    *store.Conn
	batch   *schemas.Batch
	hashes  []uint64
	judge   Judge
	change  Change // what the judge is shown, here to be used again for every row
	create  *store.Stmt
	seq     int64
	outcome schemas.Outcome
	events  *events
	ids     []Range
	images  int64           // rows of it in pre_image
	block   []byte          // those that gather
	packing []<-chan []byte // blocks of them on their way
	manner

	// What the table held when it was asked; touched are the keys that rows before
	// this one have changed since.
	asked   bool
	states  []state // by row
	touched map[string]bool
	found   int // rows whose key was there
	changed int // those of them that were updated

	// later are the rows to try again, and waiting their keys: rows of the same
	// key keep their order.
	later   []int
	waiting map[string]bool

	keyArgs []driver.NamedValue
	keyText [][]byte       // the parts of the key that no row changes, as an event has them
	old     []driver.Value // id, row_hash, columns, changed_seq
	merged  []driver.Value
}

// pass takes a batch through its table, in the transaction of the connection,
// in a manner of its own.
func (e *Engine) pass(ctx context.Context, c *store.Conn, id schemas.BatchID, b *schemas.Batch, how manner) (schemas.Outcome, error) {
	t, err := e.table(b.Entity.Name)
	if err != nil {
		return schemas.Outcome{}, err
	}
	p, err := newPass(c, t, b)
	if err != nil {
		return schemas.Outcome{}, err
	}
	p.manner = how
	if how.hashes != nil {
		p.hashes = how.hashes
	}
	last, err := c.Value(`SELECT value FROM change_sequence`)
	if err != nil {
		return schemas.Outcome{}, err
	}
	p.seq, _ = last.(int64)
	p.seq++
	p.events = e.newEvents(ctx, t, id)
	if err := p.rows(ctx); err != nil {
		return schemas.Outcome{}, err
	}
	if p.outcome.Applied > 0 {
		if err := c.Run(`UPDATE change_sequence SET value = ?`, p.seq); err != nil {
			return schemas.Outcome{}, err
		}
		if err := p.events.flush(c); err != nil {
			return schemas.Outcome{}, err
		}
		if err := p.record(id, e.clock()); err != nil {
			return schemas.Outcome{}, err
		}
		if t.Changed != nil {
			if err := t.Changed(c, p.ids); err != nil {
				return schemas.Outcome{}, err
			}
		}
	}
	// A first load finds nothing, and need not ask before every batch.
	t.insertFirst = p.found*20 < b.Count()
	slices.SortStableFunc(p.outcome.Rejected, func(a, b schemas.Rejection) int { return cmp.Compare(a.Row, b.Row) })
	return p.outcome, nil
}

func newPass(c *store.Conn, t *table, b *schemas.Batch) (*pass, error) {
	s, err := newShape(t, b)
	if err != nil {
		return nil, err
	}
	p := &pass{
		shape: s, conn: c, batch: b, hashes: b.Hashes(),
		touched: map[string]bool{}, waiting: map[string]bool{},
		keyArgs: store.Args(len(t.key)), old: make([]driver.Value, len(t.columns)+3),
		merged: make([]driver.Value, len(t.columns)),
	}
	for _, k := range t.key {
		var text []byte
		if !slices.Contains(s.varying, k) && s.values[k] != nil {
			text = appendKeyPart(nil, t.columns[k].field, s.values[k])
		}
		p.keyText = append(p.keyText, text)
	}
	if t.Judge != nil {
		if p.judge, err = t.Judge(c); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// rows takes every selected row, in order.
func (p *pass) rows(ctx context.Context) error {
	switch {
	case p.t.inBulk != nil:
		return p.rowsInBulk(ctx)
	case !p.t.Ordered && p.changes == nil && p.reverts == "":
		return p.rowsInSets(ctx)
	}
	var err error
	done := 0
	take := func(row int) bool {
		if done%rowsPerLook == 0 {
			if err = ctx.Err(); err == nil {
				err = p.askIfWorth(row, done)
			}
			if err != nil {
				return false
			}
		}
		done++
		err = p.row(row)
		return err == nil
	}
	p.batch.Each(take)
	if err != nil {
		return err
	}
	return p.retry(ctx)
}

// askIfWorth asks for the keys of all rows from this one on, unless most of
// the rows so far were new.
func (p *pass) askIfWorth(row, done int) error {
	if p.asked || p.t.insertFirst && p.found*8 <= done {
		return nil
	}
	rows := make([]int, 0, p.batch.Count()-done)
	p.batch.Each(func(other int) bool {
		if other >= row {
			rows = append(rows, other)
		}
		return true
	})
	return p.ask(rows)
}

// row takes one row.
func (p *pass) row(row int) error {
	if len(p.waiting) > 0 && p.waiting[p.keyOf(row)] {
		p.later = append(p.later, row)
		return nil
	}
	switch {
	case p.isDelete(row):
		return p.deleteRow(row)
	case p.reverts != "":
		return p.changeRow(row)
	case p.states != nil:
		if p.states[row] == fresh {
			return p.createRow(row)
		}
		if len(p.touched) > 0 && p.touched[p.keyOf(row)] {
			return p.changeRow(row)
		}
		p.found++
		if p.states[row] == same {
			p.outcome.Unchanged++
			return nil
		}
		return p.changeRow(row)
	case p.asked:
		return p.compareRow(row)
	default:
		return p.createRow(row)
	}
}

// compareRow asks for the hash of one row.
func (p *pass) compareRow(row int) error {
	if p.changed*2 > p.found {
		return p.changeRow(row) // most rows are read anyway
	}
	if !p.fillKey(row) {
		return nil
	}
	hash, err := p.conn.Prepare(p.t.hashSQL)
	if err != nil {
		return err
	}
	there, err := hash.Row(p.keyArgs, p.old[:1])
	switch {
	case err != nil:
		return err
	case !there:
		return p.createRow(row)
	}
	if p.old[0] == int64(p.hashes[row]) {
		p.found++
		p.outcome.Unchanged++
		return nil
	}
	return p.changeRow(row)
}

// createRow inserts a row, or changes it where its key turns out to be taken:
// by a row before it in the batch, or by one that nobody asked for.
func (p *pass) createRow(row int) error {
	values := p.values
	p.fill(values, &p.objects, row)
	for i := range p.t.columns {
		if values[i] == nil && p.t.columns[i].field.Required {
			return p.lacking(row, i)
		}
	}
	if refused, err := p.judged(row, Create, nil, values); err != nil || refused {
		return err
	}
	for j, i := range p.varying {
		p.args[j].Value = values[i]
	}
	p.args[len(p.varying)].Value = int64(p.hashes[row])
	if p.create == nil {
		// The number is part of the statement: compiled in once, not bound to every row.
		var err error
		if p.create, err = p.conn.Prepare(fmt.Sprintf(p.insert, p.seq)); err != nil {
			return err
		}
	}
	changed, id, err := p.create.Exec(p.args)
	switch {
	case err != nil:
		return p.failed(row, err)
	case changed == 0:
		delete(p.changes, row)
		there, err := p.changeThere(row)
		if err == nil && !there {
			err = fmt.Errorf("row %d: its key is taken and cannot be found", row)
		}
		return err
	}
	return p.applied(row, id, Create)
}

// lacking takes a row that lacks a field which a new row needs: where its key
// is there, it is an update, which needs the key alone.
func (p *pass) lacking(row, column int) error {
	field := p.t.columns[column].field
	if !field.Key {
		if there, err := p.changeThere(row); there || err != nil {
			return err
		}
	}
	p.reject(row, p.fieldOf(column), "required_at_creation", requiredMessage(field.Key))
	return nil
}

func requiredMessage(key bool) string {
	if key {
		return "is missing: it is part of the key"
	}
	return "is missing: a new row needs it"
}

// applied counts a row that was written, and notes its event.
func (p *pass) applied(row int, id int64, kind Kind) error {
	p.outcome.Applied++
	switch kind {
	case Create:
		p.outcome.Created++
	case Update:
		p.outcome.Updated++
	case Delete:
		p.outcome.Deleted++
	}
	if p.t.hasID {
		p.note(id)
	}
	if p.states != nil {
		p.touched[p.keyOf(row)] = true
	}
	return p.events.add(p.conn, p, row, kind == Delete)
}

// note adds a row id to the runs of ids.
func (p *pass) note(id int64) {
	if n := len(p.ids); n > 0 {
		last := &p.ids[n-1]
		if id == last.Last+1 {
			last.Last = id
			return
		}
		if id >= last.First && id <= last.Last {
			return
		}
	}
	p.ids = append(p.ids, Range{id, id})
}

// judged reports whether the judge has refused the change, which then is a
// rejection or is tried later.
func (p *pass) judged(row int, kind Kind, before, after []driver.Value) (bool, error) {
	var refusal *Refusal
	if p.judge != nil {
		p.change = Change{Kind: kind, Old: before, New: after, Reverts: p.reverts != ""}
		var err error
		if refusal, err = p.judge(&p.change); err != nil {
			return false, err
		}
	}
	if refusal == nil {
		return false, p.differ(row, kind, before, after)
	}
	if refusal.Later && p.waiting != nil {
		p.waiting[p.keyOf(row)] = true
		p.later = append(p.later, row)
		return true, nil
	}
	p.reject(row, refusal.Field, refusal.Rule, refusal.Message)
	return true, nil
}

// retry takes the rows that waited for others, as long as that helps any.
func (p *pass) retry(ctx context.Context) error {
	for len(p.later) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows, done := p.later, p.outcome.Applied+p.outcome.Unchanged
		p.later = nil
		clear(p.waiting)
		p.states = nil // what was asked is old by now
		p.asked = true
		for _, row := range rows {
			if err := p.row(row); err != nil {
				return err
			}
		}
		if p.outcome.Applied+p.outcome.Unchanged == done {
			p.waiting = nil // nobody waits any longer: what is refused now is rejected
		}
	}
	return nil
}

// failed turns a constraint that a row breaks into its rejection: only that
// statement was undone. Any other error ends the batch.
func (p *pass) failed(row int, err error) error {
	broken, ok := store.BrokenConstraint(err)
	if !ok {
		return fmt.Errorf("row %d: %w", row, err)
	}
	p.reject(row, "", "constraint", "breaks a rule of the database: "+broken)
	return nil
}

func (p *pass) reject(row int, field, rule, message string) {
	delete(p.changes, row)
	value := ""
	if i := p.batch.Index(field); i >= 0 {
		value, _ = p.batch.Text(i, row)
	}
	p.outcome.Rejected = append(p.outcome.Rejected, schemas.Rejection{
		Row: row, Field: field, Rule: rule, Severity: schemas.Reject, Value: schemas.Shorten(value), Message: message,
	})
}

// fieldOf returns the name under which the batch has a column, or the field's
// where it has none.
func (p *pass) fieldOf(column int) string {
	if in := p.inputs[column]; len(in) > 0 {
		return in[0].name
	}
	return p.t.columns[column].field.Name
}
