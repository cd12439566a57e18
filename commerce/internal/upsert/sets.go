package upsert

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"crossdock/internal/store"
)

// A state is what the table said of the key of a row when it was asked.
type state byte

const (
	fresh state = iota // the table does not hold it, or was not asked
	same               // it does, and the row has the same hash
	other              // it does, and the row has another one
)

// An insertSet is the statement that inserts many rows at once, and what it reads.
type insertSet struct {
	query string // of the rows lent and the number of the change
	left  string // of both: the places of rows that it has not inserted
	kinds []byte // of the columns that vary and the hash
}

// composeSets writes the statement that asks about many keys at once: for the
// places of the rows that are not there as they are, twice, and one more where
// the key is there.
func (t *table) composeSets() {
	hash := fmt.Sprintf("k.c%d", len(t.key))
	t.askSQL = "SELECT group_concat(2 * k.rowid + (t.row_hash IS NOT NULL), ' ') FROM rowset(?) k LEFT JOIN " + t.name + " t ON " +
		t.keyIsLent(func(part int) int { return part }) + " WHERE t.row_hash IS NOT " + hash
	for _, k := range t.key {
		t.keyKinds = append(t.keyKinds, kindOf(&t.columns[k]))
	}
	t.keyKinds = append(t.keyKinds, 'i')
}

// keyIsLent returns the condition that a row t has the key of a row k that is
// lent, the parts of whose key lie at the places given.
func (t *table) keyIsLent(place func(part int) int) string {
	var parts []string
	for part, k := range t.key {
		parts = append(parts, fmt.Sprintf("t.%s = k.c%d", t.columns[k].name, place(part)))
	}
	return strings.Join(parts, " AND ")
}

// kindOf returns how rows that are lent hold a column.
func kindOf(c *column) byte {
	if !c.object && isNumber(c.field) {
		return 'i'
	}
	return 't'
}

// composeSet writes the statement that inserts many rows, of the columns and
// places of the one that inserts a single row.
func (s *shape) composeSet(names, places []string) insertSet {
	var set insertSet
	from := slices.Clone(places)
	at := map[int]int{} // by column, its place in the rows lent
	for i, place := range from {
		if place != "?" {
			continue
		}
		column := s.varying[len(set.kinds)]
		at[column] = len(set.kinds)
		from[i] = fmt.Sprintf("k.c%d", len(set.kinds))
		set.kinds = append(set.kinds, kindOf(&s.t.columns[column]))
	}
	hash := fmt.Sprintf("k.c%d", len(set.kinds))
	set.kinds = append(set.kinds, 'i')
	// A row that breaks a constraint is left out, and looked at by itself
	// afterwards. Any other way out would have SQLite keep what it changes.
	set.query = "INSERT OR IGNORE INTO " + s.t.name + " (" + strings.Join(names, ", ") + ", row_hash, changed_seq) SELECT " +
		strings.Join(from, ", ") + ", " + hash + ", ?2 FROM rowset(?1) k"
	var match []string
	for _, k := range s.t.key {
		value := literal(s.values[k])
		if place, varies := at[k]; varies {
			value = fmt.Sprintf("k.c%d", place)
		}
		match = append(match, "t."+s.t.columns[k].name+" = "+value)
	}
	set.left = "SELECT group_concat(k.rowid, ' ') FROM rowset(?1) k LEFT JOIN " + s.t.name + " t ON " + strings.Join(match, " AND ") +
		" AND t.changed_seq = ?2 AND t.row_hash = " + hash + " WHERE t.row_hash IS NULL"
	return set
}

// rowsInSets takes every selected row into SQLite, where each call into C costs
// as much as what it asks for: rows are lent to statements that take in all of
// them at once. While batches bring almost only new keys they are inserted
// without being asked for; else one statement finds which are there as they
// are. What no statement can do for many goes row by row: a row that is there
// and differs, one that is deleted, and, after all others, one whose key came
// before in the batch and one that breaks a constraint.
func (p *pass) rowsInSets(ctx context.Context) error {
	rows := make([]int, 0, p.batch.Count())
	p.batch.Each(func(row int) bool { rows = append(rows, row); return true })
	tried := p.t.insertFirst && p.delete == nil
	var err error
	if tried {
		if rows, err = p.insertAll(rows); err != nil {
			return err
		}
	}
	if err := p.ask(rows); err != nil {
		return err
	}
	created, rest, err := p.sort(ctx, rows)
	if err != nil {
		return err
	}
	if !tried {
		if created, err = p.insertAll(created); err != nil {
			return err
		}
	}
	p.states = nil // what was asked is old by now
	rest = append(rest, created...)
	slices.Sort(rest)
	for i, row := range rest {
		if i%rowsPerLook == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := p.row(row); err != nil {
			return err
		}
	}
	return p.retry(ctx)
}

// sort parts rows by what the table holds. It counts those that are there as
// they are, changes those that differ, and returns those to create and those
// that have to wait for others of their key.
func (p *pass) sort(ctx context.Context, rows []int) (create, rest []int, err error) {
	for i, row := range rows {
		if i%rowsPerLook == 0 && ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		unchanged := p.states[row] == same && !p.isDelete(row)
		if unchanged && len(p.touched) == 0 {
			p.found++
			p.outcome.Unchanged++
			continue
		}
		key := p.keyOf(row)
		switch {
		case p.touched[key] || p.isDelete(row):
			rest = append(rest, row)
		case unchanged:
			p.found++
			p.outcome.Unchanged++
			continue
		case p.states[row] == fresh:
			create = append(create, row)
		default:
			p.found++
			if err := p.changeRow(row); err != nil {
				return nil, nil, err
			}
		}
		p.touched[key] = true
	}
	return create, rest, nil
}

// ask sets states to what the table holds of the keys of rows.
func (p *pass) ask(rows []int) error {
	p.asked, p.states = true, make([]state, p.batch.Rows.NumRows())
	t := &p.t.lent
	t.Reset()
	asked := make([]int, 0, len(rows))
	for _, row := range rows {
		if !p.hasKey(row) {
			continue // is rejected when its turn comes
		}
		asked = append(asked, row)
		p.states[row] = same // unless the answer says otherwise
		t.Begin(len(p.t.keyKinds))
		for _, k := range p.t.key {
			p.appendColumn(t, k, row)
		}
		t.AddNumber(int64(p.hashes[row]))
	}
	if len(asked) == 0 {
		return nil
	}
	var answer string
	err := t.Lend(p.t.keyKinds, func(n int64) (err error) {
		answer, err = p.conn.Text(p.t.askSQL, n)
		return err
	})
	if err != nil {
		return fmt.Errorf("look up %d keys: %w", len(asked), err)
	}
	return places(answer, 2*len(asked), func(place int) {
		is := fresh
		if place%2 == 1 {
			is = other
		}
		p.states[asked[place/2]] = is
	})
}

// places calls fn with the numbers of an answer, which are below limit.
func places(answer string, limit int, fn func(int)) error {
	for text := range strings.FieldsSeq(answer) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n >= limit {
			return fmt.Errorf("answer %q to a question about %d", text, limit)
		}
		fn(n)
	}
	return nil
}

// hasKey reports whether the row has every part of its key.
func (p *pass) hasKey(row int) bool {
	for _, k := range p.t.key {
		if in := p.inputs[k]; p.t.columns[k].fallback == nil && (len(in) == 0 || in[0].rows.IsNull(row)) {
			return false
		}
	}
	return true
}

// appendColumn appends what an insert of the row stores in a column that varies
// or belongs to the key.
func (p *pass) appendColumn(t *store.Tuples, i, row int) {
	c := &p.t.columns[i]
	switch {
	case len(p.inputs[i]) == 0:
		t.Add(c.fallback)
	case c.object:
		t.AddRaw(p.objects.object(p.inputs[i], row))
	default:
		p.inputs[i][0].appendTo(t, row, c.fallback)
	}
}

// insertAll inserts rows, and returns those that it has not: their key is taken,
// they lack a field that a new row needs, or they break a constraint.
func (p *pass) insertAll(rows []int) (left []int, err error) {
	t := &p.t.lent
	t.Reset()
	sent := make([]int, 0, len(rows))
	var passedOver map[string]bool // keys of rows left: those that follow keep their order
	for _, row := range rows {
		if p.lacks(row) >= 0 || len(passedOver) > 0 && passedOver[p.keyOf(row)] {
			left = append(left, row)
			if passedOver == nil {
				passedOver = map[string]bool{}
			}
			passedOver[p.keyOf(row)] = true
			continue
		}
		if refused, err := p.judgedNew(row); err != nil {
			return nil, err
		} else if refused {
			continue
		}
		sent = append(sent, row)
		t.Begin(len(p.set.kinds))
		for _, i := range p.varying {
			p.appendColumn(t, i, row)
		}
		t.AddNumber(int64(p.hashes[row]))
	}
	if len(sent) == 0 {
		return left, nil
	}
	err = t.Lend(p.set.kinds, func(n int64) error {
		more, err := p.insertLent(n, sent)
		left = append(left, more...)
		return err
	})
	slices.Sort(left)
	return left, err
}

// judgedNew reports whether a row may not be created, or has to wait for others.
func (p *pass) judgedNew(row int) (refused bool, err error) {
	if p.judge == nil {
		return false, nil
	}
	if len(p.waiting) > 0 && p.waiting[p.keyOf(row)] {
		p.later = append(p.later, row)
		return true, nil
	}
	p.fill(p.values, &p.objects, row)
	return p.judged(row, Create, nil, p.values)
}

// insertLent inserts the rows that are lent under a number, and returns those
// that it has not.
func (p *pass) insertLent(n int64, sent []int) (left []int, err error) {
	s, err := p.conn.Prepare(p.set.query)
	if err != nil {
		return nil, err
	}
	args := store.Args(2)
	args[0].Value, args[1].Value = driver.Value(n), driver.Value(p.seq)
	changed, last, err := s.Exec(args)
	if err != nil {
		if _, broken := store.BrokenConstraint(err); broken {
			return sent, nil // all of it was undone
		}
		return nil, fmt.Errorf("insert %d rows: %w", len(sent), err)
	}
	missing, err := p.notInserted(n, sent, int(changed))
	if err != nil {
		return nil, err
	}
	id := last - changed // ids follow each other: nobody else inserts
	for i, row := range sent {
		if missing != nil && missing[i] {
			left = append(left, row)
			continue
		}
		id++
		if err := p.applied(row, id, Create); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// notInserted returns which of the rows lent were left out, or nil where none was.
func (p *pass) notInserted(n int64, sent []int, inserted int) ([]bool, error) {
	if inserted == len(sent) {
		return nil, nil
	}
	missing := make([]bool, len(sent))
	answer, err := p.conn.Text(p.set.left, n, p.seq)
	if err == nil {
		err = places(answer, len(sent), func(place int) { missing[place] = true })
	}
	if err != nil {
		return nil, fmt.Errorf("look for %d rows: %w", len(sent)-inserted, err)
	}
	seen := make(map[string]bool, inserted) // a row that comes twice was inserted once
	for i, row := range sent {
		if key := p.keyOf(row); !missing[i] && seen[key] {
			missing[i] = true
		} else if !missing[i] {
			seen[key] = true
		}
	}
	if len(seen) != inserted {
		return nil, fmt.Errorf("%d rows of %d were inserted, and %d are there", inserted, len(sent), len(seen))
	}
	return missing, nil
}
