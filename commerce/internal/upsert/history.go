package upsert

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"crossdock/internal/store"
	"crossdock/schemas"
)

// remembered is how long applied batches, and rows as they were before, are
// remembered. A batch is repeated when its run is resumed, and a run is put
// back, which nobody does after a month.
const remembered = 30 * 24 * time.Hour

// record notes who has made a number of change_sequence.
func (p *pass) record(id schemas.BatchID, at time.Time) error {
	if err := p.keepBlock(); err != nil {
		return err
	}
	if err := p.writePacked(0); err != nil {
		return err
	}
	return p.conn.Run(`INSERT INTO change (seq, run, entity, reverts, images, changed_at) VALUES (?, ?, ?, nullif(?, ''), ?, ?)`,
		p.seq, id.Run, p.t.Entity.Name, p.reverts, p.images, at.UnixMicro())
}

// blockBytes is about how much JSON one block of pre_image holds: enough for
// rows to share what they have in common.
const blockBytes = 64 << 10

// keepOld keeps the row that was read last as it was before the batch: of a row
// that the batch changes twice that is the first image, and of one that it has
// created there is none.
func (p *pass) keepOld(row int) error {
	was, _ := p.old[len(p.old)-1].(int64)
	if was == p.seq {
		return nil
	}
	p.block = p.appendOld(p.block, row)
	return p.kept()
}

// appendOld appends the row that was read last as a line of a block.
func (p *pass) appendOld(b []byte, row int) []byte {
	was, _ := p.old[len(p.old)-1].(int64)
	hash, _ := p.old[1].(int64)
	b = append(p.appendKey(append(b, '['), row), ',')
	b = append(strconv.AppendInt(b, was, 10), ',')
	b = append(strconv.AppendInt(b, hash, 10), ',')
	return append(p.t.appendImage(b, p.stored()), ']', '\n')
}

// kept counts the line that was added last, and writes the block where it is large enough.
func (p *pass) kept() error {
	p.images++
	if len(p.block) < blockBytes {
		return nil
	}
	return p.keepBlock()
}

// keepBlock packs the images that have gathered, beside what goes on here: the
// database would wait for it otherwise.
func (p *pass) keepBlock() error {
	if len(p.block) == 0 {
		return nil
	}
	block, packed := p.block, make(chan []byte, 1)
	p.block = make([]byte, 0, blockBytes+blockBytes/8)
	go func() { packed <- pack(block) }() // ends by itself: there is room for what it sends
	p.packing = append(p.packing, packed)
	return p.writePacked(maxPacking)
}

// packedByS2 is how a block begins that pack has made. Those of earlier
// versions are Zstandard, which begins otherwise.
const packedByS2 = 'S'

// pack returns a block as pre_image holds it. S2 needs a quarter of the time of
// Zstandard's fastest level, and 70% more room.
func pack(block []byte) []byte {
	packed := make([]byte, 1+s2.MaxEncodedLen(len(block)))
	packed[0] = packedByS2
	return packed[:1+len(s2.Encode(packed[1:], block))]
}

// maxPacking bounds the blocks that are on their way.
const maxPacking = 4

// writePacked writes blocks, in order, until so many are left.
func (p *pass) writePacked(left int) error {
	for len(p.packing) > left {
		packed := <-p.packing[0]
		p.packing = p.packing[1:]
		if err := p.conn.Run(`INSERT INTO pre_image (seq, images) VALUES (?, ?)`, p.seq, packed); err != nil {
			return err
		}
	}
	return nil
}

// appendImage appends a row as a JSON object of its columns, without the empty ones.
func (t *table) appendImage(b []byte, values []driver.Value) []byte {
	separator := byte('{')
	for i, v := range values {
		if v == nil {
			continue
		}
		b = append(append(b, separator), t.columns[i].quoted...)
		b = append(b, ':')
		separator = ','
		switch v := v.(type) {
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case string:
			if t.columns[i].object {
				b = append(b, v...) // is JSON already
			} else {
				b = appendString(b, v)
			}
		}
	}
	return append(b, '}')
}

// bury notes that the row at hand is deleted.
func (p *pass) bury(row int) error {
	return p.conn.Run(`INSERT INTO tombstone (entity, key, seq) VALUES (?, ?, ?) ON CONFLICT (entity, key) DO UPDATE SET seq = excluded.seq`,
		p.t.Entity.Name, string(p.appendKey(nil, row)), p.seq)
}

// forget drops what was changed before the time given, of whole runs alone: half
// of one cannot be put back.
func forget(c *store.Conn, before time.Time) error {
	if err := c.Run(`DELETE FROM applied_batch WHERE applied_at < ?`, before.UnixMicro()); err != nil {
		return err
	}
	last, err := c.Value(`
		SELECT max(seq) FROM change WHERE changed_at < ?1 AND seq < coalesce(
			(SELECT min(seq) FROM change WHERE run IN (SELECT run FROM change WHERE changed_at >= ?1)), ?2)`,
		before.UnixMicro(), int64(math.MaxInt64))
	if last == nil || err != nil {
		return err
	}
	for _, query := range []string{
		`DELETE FROM pre_image WHERE seq <= ?`, `DELETE FROM tombstone WHERE seq <= ?`, `DELETE FROM change WHERE seq <= ?`,
		`UPDATE change_sequence SET kept_after = ?1 WHERE kept_after < ?1`,
	} {
		if err := c.Run(query, last); err != nil {
			return err
		}
	}
	return nil
}

// An image is a row as it was before a change.
type image struct {
	key     string // JSON, as events have it
	seq     int64  // of the change
	was     int64  // changed_seq and row_hash then
	hash    int64
	columns map[string]json.RawMessage
}

// maxBlock bounds what a block may grow to: a row can be much larger than blockBytes.
const maxBlock = 1 << 30

// unpack calls fn with every row of a block of pre_image.
func unpack(seq int64, packed []byte, fn func(*image) error) error {
	block, err := unpackBlock(packed)
	if err != nil {
		return fmt.Errorf("rows kept of change %d: %w", seq, err)
	}
	for lines := json.NewDecoder(bytes.NewReader(block)); ; {
		var parts [4]json.RawMessage
		if err := lines.Decode(&parts); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("rows kept of change %d: %w", seq, err)
		}
		old := &image{key: string(parts[0]), seq: seq}
		for part, into := range map[int]any{1: &old.was, 2: &old.hash, 3: &old.columns} {
			if err := json.Unmarshal(parts[part], into); err != nil {
				return fmt.Errorf("rows kept of change %d: %w", seq, err)
			}
		}
		if err := fn(old); err != nil {
			return err
		}
	}
}

// unpackBlock returns the lines of a block.
func unpackBlock(packed []byte) ([]byte, error) {
	if len(packed) == 0 || packed[0] != packedByS2 {
		reader, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock))
		if err != nil {
			return nil, err
		}
		defer reader.Close()
		return reader.DecodeAll(packed, nil)
	}
	if n, err := s2.DecodedLen(packed[1:]); err != nil || n > maxBlock {
		return nil, fmt.Errorf("a block of %d bytes is damaged", len(packed))
	}
	return s2.Decode(nil, packed[1:])
}

// values returns the row as the columns of its table hold it.
func (t *table) values(old *image) ([]driver.Value, error) {
	values := make([]driver.Value, len(t.columns))
	for i := range t.columns {
		c := &t.columns[i]
		raw, there := old.columns[c.field.Name]
		if !there {
			continue
		}
		if c.object {
			values[i] = string(raw)
			continue
		}
		var number int64
		if json.Unmarshal(raw, &number) == nil {
			values[i] = number
			continue
		}
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, fmt.Errorf("row kept as %s: %s: %w", old.key, c.field.Name, err)
		}
		values[i] = text
	}
	return values, nil
}
