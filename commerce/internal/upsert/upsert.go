// Package upsert applies batches of rows to the tables of a service. There is
// one engine for every entity, so that presence, defaults, deletion, repeats
// and counting mean the same everywhere.
//
// One batch is one transaction. Each of its rows goes one of these ways:
//
//	             ┌─ hash of the row as stored: unchanged, nothing is read
//	key known ───┼─ another hash: read, merge, compare ─┬─ same contents: unchanged
//	             │                                      └─ update
//	key new   ───┴─ insert with defaults
//	deleted   ───── delete, or unchanged where there is none
//
// and a row that may not is a rejection. With the rows are written the events
// that tell of them (table outbox) and the outcome (table applied_batch), by
// which a batch that comes again is recognised. Begin with [Engine.Apply].
//
// Tables hold one column a field. Text, identifiers, enums and references are
// TEXT; integers, booleans as 0 and 1, decimals in millionths and timestamps in
// microseconds since 1970 UTC are INTEGER, which compare and sort as they are
// and take least room; dates are TEXT as 2026-11-21; localised and open fields
// are TEXT of a JSON object with its members in order of name. In PostgreSQL
// INTEGER is BIGINT and TEXT compares byte by byte. In both, the rows of a batch go
// as the drawing shows, but as many as can at once: see rowsInSets for SQLite and
// rowsInBulk for PostgreSQL.
package upsert

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/zeebo/xxh3"

	"crossdock/commerce/internal/outbox"
	"crossdock/internal/store"
	"crossdock/schemas"
)

// A Table is where the rows of one entity lie: a table with the name of the
// entity, a column for each of its fields, and the columns row_hash and
// changed_seq. It may have a column id, its row id.
type Table struct {
	Entity *schemas.Entity

	// Judge, where set, returns what judges the rows of one batch by the rules
	// of the business. It is called in the transaction of the batch.
	Judge func(c *store.Conn) (Judge, error)

	// Ordered says that the judge looks at other rows of the table: each row has
	// to be written before the next one is judged.
	Ordered bool

	// Changed, where set, is called before a batch commits with the row ids
	// that it has inserted, updated or deleted, as ascending runs of each kind of work.
	Changed func(c *store.Conn, ids []Range) error
}

// A Range is a run of row ids, both ends included.
type Range struct{ First, Last int64 }

// An Engine applies batches to the tables of one service.
type Engine struct {
	db     *store.DB
	outbox *outbox.Outbox
	clock  func() time.Time
	tables map[string]*table
}

// NewEngine returns the engine of the service whose outbox it is given, and an
// error where a table does not fit its entity.
func NewEngine(ctx context.Context, to *outbox.Outbox, tables ...Table) (*Engine, error) {
	e := &Engine{db: to.DB, outbox: to, clock: to.Clock, tables: map[string]*table{}}
	for _, t := range tables {
		layout, err := newTable(ctx, to.DB, t)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Entity.Name, err)
		}
		e.tables[t.Entity.Name] = layout
	}
	return e, nil
}

// Apply writes the selected rows of b in one transaction and says what became
// of each. The same batch applied again changes nothing and returns the first
// outcome; a batch of the same id with other rows, as when a run is repeated
// under a mended pipeline, is applied in its place. An error means that nothing
// was written.
func (e *Engine) Apply(ctx context.Context, id schemas.BatchID, b *schemas.Batch) (schemas.Outcome, error) {
	var outcome schemas.Outcome
	contents := digest(b)
	err := e.db.Bulk(ctx, func(c *store.Conn) error {
		if err := inTurn(c, id.Turn); err != nil {
			return err
		}
		known, err := recall(c, id, contents, &outcome)
		if known || err != nil {
			return err
		}
		if outcome, err = e.pass(ctx, c, id, b, manner{}); err != nil {
			return err
		}
		return e.remember(c, id, contents, outcome)
	})
	if err != nil {
		return schemas.Outcome{}, fmt.Errorf("apply batch %s of %s: %w", id, b.Entity.Name, err)
	}
	e.outbox.Wake()
	return outcome, nil
}

// table returns the table of an entity, or an error that names the entities there are.
func (e *Engine) table(entity string) (*table, error) {
	t := e.tables[entity]
	if t == nil {
		return nil, fmt.Errorf("%s has no entity %s", e.outbox.Service, entity)
	}
	return t, nil
}

// digest returns a hash of which rows are selected and what they hold.
func digest(b *schemas.Batch) int64 {
	hashes := b.Hashes()
	contents := make([]byte, 0, 12*b.Count())
	b.Each(func(row int) bool {
		contents = binary.LittleEndian.AppendUint32(contents, uint32(row))
		contents = binary.LittleEndian.AppendUint64(contents, hashes[row])
		return true
	})
	return int64(xxh3.Hash(contents))
}

// recall reads the outcome of a batch that was applied before.
func recall(c *store.Conn, id schemas.BatchID, contents int64, outcome any) (known bool, err error) {
	text, err := c.Text(`SELECT outcome FROM applied_batch WHERE run = ? AND seq = ? AND contents = ?`, id.Run, id.Seq, contents)
	if err != nil || text == "" {
		return false, err
	}
	if err := json.Unmarshal([]byte(text), outcome); err != nil {
		return false, fmt.Errorf("remembered outcome: %w", err)
	}
	return true, nil
}

func (e *Engine) remember(c *store.Conn, id schemas.BatchID, contents int64, outcome any) error {
	text, err := json.Marshal(outcome)
	if err != nil {
		return err
	}
	now := e.clock()
	if id.Seq == 1 { // once a run is often enough
		if err := forget(c, now.Add(-remembered)); err != nil {
			return err
		}
		// Who only ever runs pipelines has no process that would do it.
		if _, err := e.outbox.Forget(c); err != nil {
			return err
		}
	}
	return c.Run(`
		INSERT INTO applied_batch (run, seq, contents, outcome, applied_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (run, seq) DO UPDATE SET contents = excluded.contents, outcome = excluded.outcome, applied_at = excluded.applied_at`,
		id.Run, id.Seq, contents, string(text), now.UnixMicro())
}

// Sequence returns the number of the last batch that changed anything. It
// grows with every one that does.
func (e *Engine) Sequence(ctx context.Context) (int64, error) {
	n, _, err := store.First(ctx, e.db.Read(), func(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) },
		`SELECT value FROM change_sequence`)
	return n, err
}
