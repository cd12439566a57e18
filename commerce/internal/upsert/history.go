package upsert

import (
	"time"

	"crossdock/internal/store"
	"crossdock/schemas"
)

// remembered is how long applied batches, and rows as they were before, are
// remembered. A batch is repeated when its run is resumed, and a run is put
// back, which nobody does after a month.
const remembered = 30 * 24 * time.Hour

// record notes who has made a number of change_sequence.
func (p *pass) record(id schemas.BatchID, at time.Time) error {
	return p.conn.Run(`INSERT INTO change (seq, run, entity, images, changed_at) VALUES (?, ?, ?, ?, ?)`,
		p.seq, id.Run, p.t.Entity.Name, p.images, at.UnixMicro())
}

// bury notes that the row at hand is deleted.
func (p *pass) bury(row int) error {
	return p.conn.Run(`INSERT INTO tombstone (entity, key, seq) VALUES (?, ?, ?) ON CONFLICT (entity, key) DO UPDATE SET seq = excluded.seq`,
		p.t.Entity.Name, string(p.appendKey(nil, row)), p.seq)
}

// forget drops what was changed before the time given.
func forget(c *store.Conn, before time.Time) error {
	if err := c.Run(`DELETE FROM applied_batch WHERE applied_at < ?`, before.UnixMicro()); err != nil {
		return err
	}
	last, err := c.Value(`SELECT max(seq) FROM change WHERE changed_at < ?`, before.UnixMicro())
	if last == nil || err != nil {
		return err
	}
	for _, query := range []string{
		`DELETE FROM pre_image WHERE seq <= ?`, `DELETE FROM tombstone WHERE seq <= ?`, `DELETE FROM change WHERE seq <= ?`,
		`UPDATE change_sequence SET kept_after = max(kept_after, ?)`,
	} {
		if err := c.Run(query, last); err != nil {
			return err
		}
	}
	return nil
}
