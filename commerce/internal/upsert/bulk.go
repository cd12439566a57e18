package upsert

import (
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"crossdock/internal/store"
	"crossdock/schemas"
)

// bulkSQL is what a table needs so that PostgreSQL takes a batch at once.
type bulkSQL struct {
	numbers []bool // by column: it is a BIGINT, else a TEXT

	// probe finds the rows of keys: place, ctid, id, row_hash. probeAll reads
	// them as well, columns and changed_seq, and so does read for rows at ctids.
	probe, probeAll, read, remove, reserve string

	stage     string // the table that takes the changed rows in
	makeStage string
}

func newBulkSQL(t *table) *bulkSQL {
	b := &bulkSQL{stage: "stage_" + t.Entity.Name}
	var names, staged, arrays, parts, match []string
	for i := range t.columns {
		c := &t.columns[i]
		kind := "text"
		number := isNumber(c.field)
		if number {
			kind = "bigint"
		}
		b.numbers = append(b.numbers, number)
		names = append(names, "t."+c.name)
		staged = append(staged, c.name+" "+kind)
		if c.field.Key {
			n := len(parts) + 1
			arrays = append(arrays, fmt.Sprintf("$%d::%s[]", n, kind))
			parts = append(parts, fmt.Sprintf("k%d", n))
			match = append(match, fmt.Sprintf("t.%s = k.k%d", c.name, n))
		}
	}
	id := "0::bigint"
	if t.hasID {
		id = "t.id"
		b.reserve = fmt.Sprintf("SELECT setval(s, nextval(s) + ?1 - 1) FROM (SELECT CAST(pg_get_serial_sequence(%s, 'id') AS regclass) AS s) q",
			store.Quote(t.name))
	}
	at := "SELECT k.place, t.ctid, " + id + ", t.row_hash"
	all := ", " + strings.Join(names, ", ") + ", t.changed_seq"
	keys := " FROM unnest(" + strings.Join(arrays, ", ") + ") WITH ORDINALITY AS k (" +
		strings.Join(parts, ", ") + ", place) JOIN " + t.name + " t ON " + strings.Join(match, " AND ")
	b.probe, b.probeAll = at+keys, at+all+keys
	b.read = at + all + " FROM unnest($1::tid[]) WITH ORDINALITY AS k (at, place) JOIN " + t.name + " t ON t.ctid = k.at"
	b.remove = "DELETE FROM " + t.name + " t USING unnest($1::tid[]) AS k (at) WHERE t.ctid = k.at RETURNING 1"
	b.makeStage = "CREATE TEMPORARY TABLE IF NOT EXISTS " + b.stage + " (at tid, row_hash bigint, " + strings.Join(staged, ", ") + ") ON COMMIT DELETE ROWS"
	return b
}

// isNumber reports whether a field is stored as a number.
func isNumber(f *schemas.Field) bool {
	switch f.Type {
	case schemas.Integer, schemas.DecimalType, schemas.Money, schemas.Quantity, schemas.Boolean, schemas.Timestamp:
		return true
	default:
		return false
	}
}

// A placed is a row of the batch that the table has, and where it has it.
type placed struct {
	row   int
	there bool
	at    [6]byte // ctid: it holds until the row is written, since only this connection writes
	hash  int64
	id    int64

	from, to       int // what the stage takes, in tuples, where it is to be updated
	oldFrom, oldTo int // what is kept of it as it was, in old rows
}

// A portion is rows that are written together.
type portion struct {
	rows   []placed
	tuples store.Tuples // as the stage takes them, of updates
	old    []byte       // lines of pre_image
}

// tidText returns a ctid as PostgreSQL reads it in an array.
func tidText(b []byte, at [6]byte) []byte {
	b = append(b, `"(`...)
	b = strconv.AppendUint(b, uint64(binary.BigEndian.Uint32(at[:4])), 10)
	b = append(b, ',')
	b = strconv.AppendUint(b, uint64(binary.BigEndian.Uint16(at[4:])), 10)
	return append(b, `)"`...)
}

func tidArray(rows []placed) string {
	b := []byte{'{'}
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = tidText(b, rows[i].at)
	}
	return string(append(b, '}'))
}

// A creation is a row of the batch with a new key, and the id that it gets.
type creation struct {
	row int
	id  int64
}

// A bulk is a batch on its way into PostgreSQL.
type bulk struct {
	*pass
	sql *bulkSQL

	first []int // the rows of each key that come first
	rest  []int // those to be taken one by one, after the others

	creates []creation
	spare   []creation // whose ids are free again
	stale   []placed   // to be read: their contents may differ, or they are to be deleted
	n       int        // rows to update or delete
	updates *portion
	deletes *portion

	filled []int // the columns that a new row fills, by position

	portions chan *portion // of updates, while they are written beside reading
}

// rowsInBulk takes every selected row into PostgreSQL, where a statement a row
// would cost a round trip each. One statement finds which keys the table holds
// and the hashes of their rows; new rows go in by COPY; those with another hash
// are read, merged here, and go by COPY into a temporary table and by one UPDATE
// into theirs. What that cannot do is done row by row afterwards: a key that
// comes a second time, and a row that breaks a constraint, which is found by
// halving. So the one way has to be fast, and the other right.
func (p *pass) rowsInBulk(ctx context.Context) error {
	p.asked = true
	b := &bulk{pass: p, sql: p.t.inBulk, updates: &portion{}, deletes: &portion{}}
	for i, c := range p.t.columns {
		if len(p.inputs[i]) > 0 || c.fallback != nil {
			b.filled = append(b.filled, i)
		}
	}
	if p.t.Ordered {
		p.batch.Each(func(row int) bool { b.rest = append(b.rest, row); return true })
	} else if err := b.atOnce(ctx); err != nil {
		return err
	}
	slices.Sort(b.rest)
	for i, row := range b.rest {
		if i%rowsPerLook == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if err := p.row(row); err != nil {
			return err
		}
	}
	return p.retry(ctx)
}

// atOnce takes all rows that can be taken together.
func (b *bulk) atOnce(ctx context.Context) error {
	keys := b.sort()
	if len(b.first) == 0 {
		return nil
	}
	if done, err := b.insertUnasked(); done || err != nil {
		return err
	}
	if err := b.lookUp(ctx, keys); err != nil {
		return err
	}
	for _, step := range []func() error{b.mergeStale, b.judgeCreates, b.writeRest, b.writeDeletes, b.writeCreates} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// insertUnasked inserts all rows without a look at what is there, which saves a
// fifth of a first load. It returns false where it cannot, or where a key turns
// out to be taken, and has done nothing then.
func (b *bulk) insertUnasked() (done bool, err error) {
	if !b.t.unasked || b.changes != nil || slices.ContainsFunc(b.first, func(row int) bool { return b.isDelete(row) || b.lacks(row) >= 0 }) {
		return false, nil
	}
	rejected := len(b.outcome.Rejected)
	for _, row := range b.first {
		b.creates = append(b.creates, creation{row: row})
	}
	if err := b.judgeCreates(); err != nil {
		return false, err
	}
	broken, err := b.try(func() error { return b.copyNew(b.creates) })
	if !broken || err != nil {
		return true, err
	}
	b.spare = b.creates
	b.creates, b.later, b.outcome.Rejected = nil, nil, b.outcome.Rejected[:rejected]
	clear(b.waiting)
	return false, nil
}

// sort parts the rows, and returns the keys of those that come first as one
// slice for each part of the key.
func (b *bulk) sort() []any {
	texts, numbers := make([][]string, len(b.t.key)), make([][]int64, len(b.t.key))
	seen := make(map[string]bool, b.batch.Count())
	b.batch.Each(func(row int) bool {
		if !b.fillKey(row) {
			return true // rejected
		}
		key := b.keyOf(row)
		if seen[key] || !b.canStore() {
			b.rest = append(b.rest, row)
			return true
		}
		seen[key] = true
		b.first = append(b.first, row)
		for j := range b.keyArgs {
			switch v := b.keyArgs[j].Value.(type) {
			case int64:
				numbers[j] = append(numbers[j], v)
			case string:
				texts[j] = append(texts[j], v)
			}
		}
		return true
	})
	keys := make([]any, len(b.t.key))
	for j, k := range b.t.key {
		keys[j] = texts[j]
		if b.sql.numbers[k] {
			keys[j] = numbers[j]
		}
	}
	return keys
}

// canStore reports whether PostgreSQL can hold the key filled in last. It
// cannot be asked for one that it cannot hold.
func (b *bulk) canStore() bool {
	for j := range b.keyArgs {
		if s, ok := b.keyArgs[j].Value.(string); ok && (strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s)) {
			return false
		}
	}
	return true
}

// lookUp finds what the table has of the keys. Where most rows change and
// nothing has to be asked of each, they are read by another connection while
// those before them are written.
func (b *bulk) lookUp(ctx context.Context, keys []any) error {
	if !b.t.readFirst || b.judge != nil || b.changes != nil || len(b.first) < 2*rowsPerPortion {
		return b.probe(b.conn, keys)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.portions = make(chan *portion, 1)
	var failed error
	go func() { // ends when all is read, or with ctx
		defer close(b.portions)
		failed = b.conn.Beside(ctx, func(c *store.Conn) error { return b.probe(c, keys) })
	}()
	var err error
	for p := range b.portions {
		if err != nil {
			continue // until the other has noticed
		}
		if err = b.writeUpdates(p); err != nil {
			cancel()
		}
	}
	b.portions = nil
	return cmp.Or(err, failed)
}

// rowsPerPortion is how many rows are written while others are read.
const rowsPerPortion = 1000

// handOn gives what is decided to the connection that writes.
func (b *bulk) handOn() {
	if b.portions != nil && len(b.updates.rows) >= rowsPerPortion {
		b.portions <- b.updates // is taken until the channel is closed
		b.updates = &portion{}
	}
}

// probe parts the rows by what the table has of their keys.
func (b *bulk) probe(c *store.Conn, keys []any) error {
	there := make([]placed, len(b.first))
	query := b.sql.probe
	if b.t.readFirst {
		query = b.sql.probeAll
	}
	n, reader := 0, staleReader{bulk: b}
	err := c.Ask(query, func(row [][]byte) error {
		n++
		place := int(binary.BigEndian.Uint64(row[0])) - 1
		known := &there[place]
		*known = placed{
			row: b.first[place], there: true, at: [6]byte(row[1]),
			id: int64(binary.BigEndian.Uint64(row[2])), hash: int64(binary.BigEndian.Uint64(row[3])),
		}
		if !b.isDelete(known.row) && b.reverts == "" && known.hash == int64(b.hashes[known.row]) {
			b.outcome.Unchanged++
			return nil
		}
		if b.t.readFirst {
			return reader.take(known, row[2:])
		}
		b.stale = append(b.stale, *known)
		return nil
	}, keys...)
	if err == nil {
		err = reader.end()
	}
	if err != nil {
		return fmt.Errorf("look up %d keys: %w", len(b.first), err)
	}
	for place, row := range b.first {
		switch {
		case there[place].there:
		case b.isDelete(row):
			b.outcome.Unchanged++
		default:
			b.creates = append(b.creates, creation{row: row})
		}
	}
	b.found = n
	b.t.unasked = n == 0
	return nil
}

// mergeStale reads the rows that may change, where probe has not done so.
func (b *bulk) mergeStale() error {
	if !b.t.readFirst && len(b.stale) > 0 {
		reader := staleReader{bulk: b}
		err := b.conn.Ask(b.sql.read, func(row [][]byte) error {
			return reader.take(&b.stale[int(binary.BigEndian.Uint64(row[0]))-1], row[2:])
		}, tidArray(b.stale))
		if err == nil {
			err = reader.end()
		}
		if err != nil {
			return fmt.Errorf("read %d rows: %w", len(b.stale), err)
		}
	}
	b.t.readFirst = 2*b.n > b.found
	return nil
}

// A staleReader decides what becomes of rows as they are read. A judge may ask
// the database, which answers one question at a time: then they are kept until
// all are read.
type staleReader struct {
	*bulk
	rows  []*placed
	whole [][]driver.Value
}

func (r *staleReader) take(known *placed, row [][]byte) error {
	r.decode(row)
	if r.judge == nil {
		return r.decide(known)
	}
	r.rows, r.whole = append(r.rows, known), append(r.whole, slices.Clone(r.old))
	return nil
}

func (r *staleReader) end() error {
	for i, known := range r.rows {
		copy(r.old, r.whole[i])
		if err := r.decide(known); err != nil {
			return err
		}
	}
	return nil
}

// decode sets old to a row as the database sends it.
func (b *bulk) decode(row [][]byte) {
	for i, raw := range row {
		switch {
		case raw == nil:
			b.old[i] = nil
		case i < 2 || i-2 == len(b.sql.numbers) || b.sql.numbers[i-2]:
			b.old[i] = int64(binary.BigEndian.Uint64(raw))
		default:
			b.old[i] = string(raw)
		}
	}
}

// decide says what becomes of the row that was read last, as changeThere and deleteRow do.
func (b *bulk) decide(known *placed) error {
	row, old := known.row, b.stored()
	if b.isDelete(row) {
		if refused, err := b.judged(row, Delete, old, nil); err != nil || refused {
			return err
		}
		b.keep(b.deletes, known)
		return nil
	}
	changed, rejected, err := b.mergeRow(row, old)
	if err != nil || rejected {
		return err
	}
	if !changed && b.reverts == "" {
		b.outcome.Unchanged++
		return nil
	}
	if refused, err := b.judged(row, Update, old, b.merged); err != nil || refused {
		return err
	}
	tuples := &b.updates.tuples
	known.from = tuples.Len()
	tuples.Begin(2 + len(b.sent))
	tuples.AddRaw(known.at[:])
	tuples.Add(int64(b.hashes[row]))
	for _, i := range b.sent {
		tuples.Add(b.merged[i])
	}
	known.to = tuples.Len()
	b.keep(b.updates, known)
	b.handOn()
	return nil
}

// keep adds the row that was read last to those that are changed, as it was.
func (b *bulk) keep(p *portion, known *placed) {
	known.oldFrom = len(p.old)
	p.old = b.appendOld(p.old, known.row)
	known.oldTo = len(p.old)
	p.rows = append(p.rows, *known)
	b.n++
}

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

// judgeCreates leaves the new rows that may be inserted.
func (b *bulk) judgeCreates() error {
	may := b.creates[:0]
	for _, c := range b.creates {
		if i := b.lacks(c.row); i >= 0 {
			field := b.t.columns[i].field
			b.reject(c.row, b.fieldOf(i), "required_at_creation", requiredMessage(field.Key))
			continue
		}
		if b.judge != nil || b.changes != nil {
			b.fill(b.values, &b.objects, c.row)
			if refused, err := b.judged(c.row, Create, nil, b.values); err != nil {
				return err
			} else if refused {
				continue
			}
		}
		may = append(may, c)
	}
	b.creates = may
	if len(may) == 0 || b.sql.reserve == "" {
		return nil
	}
	if len(may) <= len(b.spare) {
		for i := range may {
			may[i].id = b.spare[i].id
		}
		return nil
	}
	last, err := b.conn.Value(b.sql.reserve, int64(len(may)))
	if err != nil {
		return err
	}
	highest, _ := last.(int64)
	for i := range may {
		may[i].id = highest - int64(len(may)-1-i)
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

// halve takes rows, and where they break a constraint each half of them.
func halve[T any](b *bulk, rows []T, take func([]T) error, rowOf func(T) int) error {
	if len(rows) == 0 {
		return nil
	}
	broken, err := b.try(func() error { return take(rows) })
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
	return halve(b, b.creates, b.copyNew, func(c creation) int { return c.row })
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
		b.fill(b.values, &b.objects, c.row)
		tuples.Begin(n)
		tuples.Add(int64(b.hashes[c.row]))
		tuples.Add(b.seq)
		if b.t.hasID {
			tuples.Add(c.id)
		}
		for _, i := range b.filled {
			tuples.Add(b.values[i])
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
	if err := b.conn.Script(b.sql.makeStage); err != nil {
		return err
	}
	return halve(b, p.rows, func(rows []placed) error { return b.mergeStage(p, rows) }, func(p placed) int { return p.row })
}

// mergeStage updates rows by way of the stage.
func (b *bulk) mergeStage(p *portion, rows []placed) error {
	names, sets := []string{"at", "row_hash"}, []string{"row_hash = s.row_hash", "changed_seq = " + strconv.FormatInt(b.seq, 10)}
	for _, i := range b.sent {
		names = append(names, b.t.columns[i].field.Name)
		sets = append(sets, b.t.columns[i].name+" = s."+b.t.columns[i].name)
	}
	if err := b.conn.Script("DELETE FROM " + b.sql.stage); err != nil { // of the half before
		return err
	}
	at := 0
	err := b.conn.Copy(b.sql.stage, names, func(tuples *store.Tuples) bool {
		if at == len(rows) {
			return false
		}
		tuples.Append(&p.tuples, rows[at].from, rows[at].to)
		at++
		return true
	})
	if err != nil {
		return err
	}
	if err := b.conn.Script("UPDATE " + b.t.name + " t SET " + strings.Join(sets, ", ") + " FROM " + b.sql.stage + " s WHERE t.ctid = s.at"); err != nil {
		return err
	}
	return b.changedAll(p, rows, Update)
}

// buryAll notes for many keys what bury notes for one.
const buryAll = `INSERT INTO tombstone (entity, key, seq) SELECT $1, key, $3 FROM unnest($2::text[]) AS k (key)
	ON CONFLICT (entity, key) DO UPDATE SET seq = excluded.seq`

// writeDeletes takes the deleted rows out of the table.
func (b *bulk) writeDeletes() error {
	return halve(b, b.deletes.rows, func(rows []placed) error {
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
	}, func(p placed) int { return p.row })
}
