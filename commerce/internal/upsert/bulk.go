package upsert

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"crossdock/internal/store"
)

// A placed is a row of the batch that the table has, and where it has it.
type placed struct {
	row   int
	there bool
	at    [6]byte // ctid: it holds until the row is written, since only this connection writes
	hash  int64
	id    int64

	from, to       int // it as it becomes, in records, where it is to be updated
	oldFrom, oldTo int // what is kept of it as it was, in old rows
}

// A portion is rows that are written together.
type portion struct {
	rows    []placed
	records *store.Records // as they become, of updates
	old     []byte         // lines of pre_image
}

// rowsPerPortion is how many rows are written at once, while others are read.
// More of them leave the processor's cache on their way through the server.
const rowsPerPortion = 1000

// newPortion returns an empty portion, with room for as much as another has.
func (b *bulk) newPortion(like *portion) *portion {
	if like == nil {
		return &portion{records: b.sql.changed.NewRecords(0)}
	}
	return &portion{
		rows: make([]placed, 0, len(like.rows)), old: make([]byte, 0, len(like.old)*9/8),
		records: b.sql.changed.NewRecords(like.records.Len() * 9 / 8),
	}
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

	filled   []int  // the columns that a new row fills, by position
	sends    []bool // by column: an update sets it
	mergedAt []int  // by column: where the records have what an update sets it to

	portions chan *portion // of updates, while they are written beside reading
}

// rowsInBulk takes every selected row into PostgreSQL, where a statement a row
// would cost a round trip each. One statement finds which keys the table holds
// and the hashes of their rows; new rows go in by COPY; those with another hash
// are read, merged here, and go as an array into one UPDATE. What that cannot do is done row by row afterwards: a key that
// comes a second time, and a row that breaks a constraint, which is found by
// halving. So the one way has to be fast, and the other right.
func (p *pass) rowsInBulk(ctx context.Context) error {
	p.asked = true
	b := &bulk{pass: p, sql: p.t.inBulk, deletes: &portion{}, sends: make([]bool, len(p.t.columns)), mergedAt: make([]int, len(p.t.columns))}
	b.updates = b.newPortion(nil)
	for _, i := range p.sent {
		b.sends[i] = true
	}
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

// handOn gives what is decided to the connection that writes.
func (b *bulk) handOn() {
	if b.portions != nil && len(b.updates.rows) >= rowsPerPortion {
		b.portions <- b.updates // is taken until the channel is closed
		b.updates = b.newPortion(b.updates)
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
