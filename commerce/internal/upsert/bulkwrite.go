package upsert

import (
	"fmt"
	"slices"
	"strings"

	"crossdock/internal/store"
)

// changedAll counts rows of a portion that were updated or deleted.
func (b *bulk) changedAll(p *portion, rows []placed, kind Kind) error {
	for i := range rows {
		b.block = append(b.block, p.old[rows[i].oldFrom:rows[i].oldTo]...)
		if err := b.kept(); err != nil {
			return err
		}
		if err := b.applied(rows[i].row, rows[i].id, kind); err != nil {
			return err
		}
	}
	return nil
}

// try runs fn so that a constraint that it breaks undoes it alone.
func (b *bulk) try(fn func() error) (broken bool, err error) {
	if err := b.conn.Script("SAVEPOINT portion"); err != nil {
		return false, err
	}
	err = fn()
	if err == nil {
		return false, b.conn.Script("RELEASE SAVEPOINT portion")
	}
	if _, broken = store.BrokenConstraint(err); !broken {
		return false, err
	}
	return true, b.conn.Script("ROLLBACK TO SAVEPOINT portion; RELEASE SAVEPOINT portion")
}

// fewRows is how many rows are taken one by one where one of them is known to
// break a constraint.
const fewRows = 8

// halve takes rows, and where they break a constraint each half of them. take
// reports whether they do, and has done nothing then.
func halve[T any](b *bulk, rows []T, take func([]T) (broken bool, err error), rowOf func(T) int) error {
	if len(rows) == 0 {
		return nil
	}
	broken, err := take(rows)
	if err != nil || !broken {
		return err
	}
	if len(rows) <= fewRows {
		for _, r := range rows {
			b.rest = append(b.rest, rowOf(r))
		}
		return nil
	}
	half := len(rows) / 2
	if err := halve(b, rows[:half], take, rowOf); err != nil {
		return err
	}
	return halve(b, rows[half:], take, rowOf)
}

// writeCreates brings the new rows into the table.
func (b *bulk) writeCreates() error {
	return halve(b, b.creates, func(rows []creation) (bool, error) {
		return b.try(func() error { return b.copyNew(rows) })
	}, func(c creation) int { return c.row })
}

// copyNew inserts rows by COPY.
func (b *bulk) copyNew(rows []creation) error {
	names := []string{"row_hash", "changed_seq"}
	if b.t.hasID {
		names = append(names, "id")
	}
	n := len(names) + len(b.filled)
	for _, i := range b.filled {
		names = append(names, b.t.columns[i].field.Name)
	}
	at := 0
	err := b.conn.Copy(b.t.Entity.Name, names, func(tuples *store.Tuples) bool {
		if at == len(rows) {
			return false
		}
		c := rows[at]
		at++
		tuples.Begin(n)
		tuples.AddNumber(int64(b.hashes[c.row]))
		tuples.AddNumber(b.seq)
		if b.t.hasID {
			tuples.AddNumber(c.id)
		}
		for _, i := range b.filled {
			b.appendColumn(tuples, i, c.row)
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, c := range rows {
		if err := b.applied(c.row, c.id, Create); err != nil {
			return err
		}
	}
	return nil
}

// writeRest writes the updates that have not been written while others were read.
func (b *bulk) writeRest() error { return b.writeUpdates(b.updates) }

// writeUpdates brings changed rows into the table.
func (b *bulk) writeUpdates(p *portion) error {
	if len(p.rows) == 0 {
		return nil
	}
	sets := []string{"row_hash = s.row_hash", "changed_seq = $3"}
	for _, i := range b.sent {
		sets = append(sets, b.t.columns[i].name+" = s."+b.t.columns[i].name)
	}
	update := "UPDATE " + b.t.name + " t SET " + strings.Join(sets, ", ") + b.sql.from
	for rows := range slices.Chunk(p.rows, rowsPerPortion) {
		err := halve(b, rows, func(rows []placed) (bool, error) { return b.update(update, p, rows) }, func(p placed) int { return p.row })
		if err != nil {
			return err
		}
	}
	return nil
}

// update writes rows of a portion.
func (b *bulk) update(query string, p *portion, rows []placed) (broken bool, err error) {
	last := len(rows) - 1
	changed, err := b.conn.Change(query, tidArray(rows), p.records.Array(rows[0].from, rows[last].to, len(rows)), b.seq)
	if err != nil {
		_, broken = store.BrokenConstraint(err)
		if broken {
			err = nil
		}
		return broken, err
	}
	if changed != int64(len(rows)) {
		return false, fmt.Errorf("%d of %d rows of %s were changed meanwhile by something other than Crossdock: run it again", int64(len(rows))-changed, len(rows), b.t.Entity.Name)
	}
	return false, b.changedAll(p, rows, Update)
}

// buryAll notes for many keys what bury notes for one.
const buryAll = `INSERT INTO tombstone (entity, key, seq) SELECT $1, key, $3 FROM unnest($2::text[]) AS k (key)
	ON CONFLICT (entity, key) DO UPDATE SET seq = excluded.seq`

// writeDeletes takes the deleted rows out of the table.
func (b *bulk) writeDeletes() error {
	remove := func(rows []placed) error {
		nothing := func([][]byte) error { return nil }
		if err := b.conn.Ask(b.sql.remove, nothing, tidArray(rows)); err != nil {
			return err
		}
		keys := make([]string, len(rows))
		for i := range rows {
			keys[i] = string(b.appendKey(nil, rows[i].row))
		}
		if err := b.conn.Ask(buryAll, nothing, b.t.Entity.Name, keys, b.seq); err != nil {
			return err
		}
		return b.changedAll(b.deletes, rows, Delete)
	}
	return halve(b, b.deletes.rows, func(rows []placed) (bool, error) {
		return b.try(func() error { return remove(rows) })
	}, func(p placed) int { return p.row })
}
