package upsert

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"strconv"

	"crossdock/internal/store"
)

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
	whole [][][]byte
}

func (r *staleReader) take(known *placed, raw [][]byte) error {
	if r.judge == nil {
		return r.decide(known, raw)
	}
	kept := make([][]byte, len(raw))
	for i := range raw {
		kept[i] = bytes.Clone(raw[i])
	}
	r.rows, r.whole = append(r.rows, known), append(r.whole, kept)
	return nil
}

func (r *staleReader) end() error {
	for i, known := range r.rows {
		if err := r.decide(known, r.whole[i]); err != nil {
			return err
		}
	}
	return nil
}

// decide says what becomes of a row that was read, as changeThere and deleteRow
// do: raw is its id, row_hash, columns and changed_seq as the database sends
// them. They are compared, merged and kept as they are, because to make Go's
// values of them all costs more than everything else that is done with them.
func (b *bulk) decide(known *placed, raw [][]byte) error {
	row := known.row
	if b.isDelete(row) {
		if refused, err := b.refuses(row, Delete, raw); err != nil || refused {
			return err
		}
		b.keep(b.deletes, known, raw)
		return nil
	}
	records := b.updates.records
	known.from = records.Len()
	changed, rejected, err := b.merge(records, row, raw[2:])
	if err != nil || rejected {
		records.Undo()
		return err
	}
	if !changed && b.reverts == "" {
		records.Undo()
		b.outcome.Unchanged++
		return nil
	}
	if refused, err := b.refuses(row, Update, raw); err != nil || refused {
		records.Undo()
		return err
	}
	known.to = records.Len()
	b.keep(b.updates, known, raw)
	b.handOn()
	return nil
}

// merge appends the stored row with what the batch sends, as mergeRow does.
func (b *bulk) merge(records *store.Records, row int, stored [][]byte) (changed, rejected bool, err error) {
	lacking := -1
	records.Begin()
	for place, i := range b.sql.fields {
		at := records.Column(place)
		switch {
		case i == hashField:
			records.AddNumber(int64(b.hashes[row]))
			continue
		case i < 0 || !b.sends[i]:
			records.AddRaw(nil)
			continue
		}
		b.mergedAt[i] = at
		c, inputs := &b.t.columns[i], b.inputs[i]
		switch {
		case c.object:
			if err := b.mergeObject(records, stored[i], inputs, row); err != nil {
				return false, false, err
			}
		case inputs[0].isAbsent(row):
			records.AddRaw(stored[i])
		default:
			inputs[0].appendTo(&records.Tuples, row, c.fallback)
		}
		value := records.Value(at)
		if value == nil && c.field.Required && (lacking < 0 || i < lacking) {
			lacking = i
		}
		changed = changed || (value == nil) != (stored[i] == nil) || !bytes.Equal(value, stored[i])
	}
	records.End()
	if lacking >= 0 {
		b.rejectCleared(row, lacking)
		return false, true, nil
	}
	return changed, false, nil
}

// mergeObject adds the object that a stored one becomes with the members that
// the row sends.
func (b *bulk) mergeObject(records *store.Records, stored []byte, members []input, row int) error {
	merged, err := b.objects.mergeText(string(stored), members, row)
	records.AddRaw(merged)
	return err
}

// refuses reports whether the judge refuses a change, where somebody has to be
// shown it at all.
func (b *bulk) refuses(row int, kind Kind, raw [][]byte) (bool, error) {
	if b.judge == nil && b.changes == nil {
		return false, nil
	}
	for i := range raw {
		b.old[i] = b.decode(i-2, raw[i])
	}
	old := b.stored()
	if kind == Delete {
		return b.judged(row, kind, old, nil)
	}
	copy(b.merged, old)
	for _, i := range b.sent {
		b.merged[i] = b.decode(i, b.updates.records.Value(b.mergedAt[i]))
	}
	return b.judged(row, kind, old, b.merged)
}

// decode returns what the database sends as the value of a column. Those that
// are no fields are numbers.
func (b *bulk) decode(column int, raw []byte) driver.Value {
	switch {
	case raw == nil:
		return nil
	case column < 0 || column >= len(b.sql.numbers) || b.sql.numbers[column]:
		return int64(binary.BigEndian.Uint64(raw))
	default:
		return string(raw)
	}
}

// keep adds the row that was read last to those that are changed, as it was.
func (b *bulk) keep(p *portion, known *placed, raw [][]byte) {
	known.oldFrom = len(p.old)
	p.old = b.appendStored(p.old, known.row, raw)
	known.oldTo = len(p.old)
	p.rows = append(p.rows, *known)
	b.n++
}

// appendStored does with a row as it was read what appendOld does.
func (b *bulk) appendStored(line []byte, row int, raw [][]byte) []byte {
	last := len(raw) - 1
	line = append(b.appendKey(append(line, '['), row), ',')
	line = append(appendBigint(line, raw[last]), ',')
	line = append(appendBigint(line, raw[1]), ',')
	separator := byte('{')
	for i, value := range raw[2:last] {
		if value == nil {
			continue
		}
		c := &b.t.columns[i]
		line = append(append(line, separator), c.quoted...)
		line = append(line, ':')
		separator = ','
		switch {
		case b.sql.numbers[i]:
			line = appendBigint(line, value)
		case c.object:
			line = append(line, value...) // is JSON already
		default:
			line = appendString(line, value)
		}
	}
	return append(line, '}', ']', '\n')
}

func appendBigint(b, raw []byte) []byte {
	return strconv.AppendInt(b, int64(binary.BigEndian.Uint64(raw)), 10)
}
