package upsert

import (
	"context"
	"database/sql/driver"
	"strconv"
	"time"

	"crossdock/commerce"
	"crossdock/commerce/internal/outbox"
	"crossdock/internal/store"
	"crossdock/schemas"
)

// events gathers the keys that a batch has changed and deleted, and writes
// them to the outbox in the transaction of the batch: as many as the keys need.
// A key is a JSON string, or an array of strings where it has several parts.
type events struct {
	outbox  *outbox.Outbox
	at      time.Time
	trace   string
	head    []byte // of the data of each, up to its keys
	changed event
	deleted event
}

type event struct {
	name string
	data []byte
	n    int // its keys
}

func (e *Engine) newEvents(ctx context.Context, t *table, id schemas.BatchID) *events {
	prefix := e.outbox.Service + "." + t.Entity.Name
	return &events{
		outbox: e.outbox, at: e.clock(), trace: commerce.TraceOf(ctx),
		head:    append(appendString([]byte(`{"batch":`), id.String()), `,"keys":`...),
		changed: event{name: prefix + ".changed.v1"},
		deleted: event{name: prefix + ".deleted.v1"},
	}
}

func (e *events) add(c *store.Conn, p *pass, row int, deleted bool) error {
	to := &e.changed
	if deleted {
		to = &e.deleted
	}
	separator := byte(',')
	if to.n == 0 {
		to.data, separator = append(to.data, e.head...), '['
	}
	to.data = p.appendKey(append(to.data, separator), row)
	if to.n++; to.n < schemas.MaxEventKeys {
		return nil
	}
	return e.write(c, to)
}

// flush writes what is left.
func (e *events) flush(c *store.Conn) error {
	if err := e.write(c, &e.changed); err != nil {
		return err
	}
	return e.write(c, &e.deleted)
}

func (e *events) write(c *store.Conn, ev *event) error {
	if ev.n == 0 {
		return nil
	}
	err := e.outbox.Put(c, commerce.Event{Type: ev.name, Time: e.at, TraceParent: e.trace, Data: append(ev.data, "]}"...)})
	ev.data, ev.n = ev.data[:0], 0
	return err
}

// fillKey sets the arguments of the statements that find a row by its key, and
// rejects a row that lacks a part of it.
func (p *pass) fillKey(row int) bool {
	for j, k := range p.t.key {
		v := p.keyValue(k, row)
		if v == nil {
			p.reject(row, p.fieldOf(k), "required_at_creation", requiredMessage(true))
			return false
		}
		p.keyArgs[j].Value = v
	}
	return true
}

// keyValue returns one part of the key of a row.
func (p *pass) keyValue(k, row int) driver.Value {
	var v driver.Value
	if in := p.inputs[k]; len(in) > 0 {
		v = in[0].value(row)
	}
	return orDefault(v, p.t.columns[k].fallback)
}

// keyOf returns the key of a row as one text, for sets of keys.
func (p *pass) keyOf(row int) string {
	if len(p.t.key) == 1 {
		s, _ := p.keyValue(p.t.key[0], row).(string)
		return s
	}
	return string(p.appendKey(nil, row))
}

// appendKey appends the key of a row as an event has it.
func (p *pass) appendKey(b []byte, row int) []byte {
	if len(p.t.key) == 1 {
		return appendKeyPart(b, p.t.columns[p.t.key[0]].field, p.keyValue(p.t.key[0], row))
	}
	for j, k := range p.t.key {
		separator := byte(',')
		if j == 0 {
			separator = '['
		}
		b = append(b, separator)
		if text := p.keyText[j]; text != nil {
			b = append(b, text...)
		} else {
			b = appendKeyPart(b, p.t.columns[k].field, p.keyValue(k, row))
		}
	}
	return append(b, ']')
}

// appendNumber appends a stored number as people write it.
func appendNumber(b []byte, f *schemas.Field, n int64) []byte {
	switch f.Type {
	case schemas.Timestamp:
		return time.UnixMicro(n).UTC().AppendFormat(b, time.RFC3339Nano)
	case schemas.DecimalType, schemas.Money, schemas.Quantity:
		return schemas.Decimal(n).Append(b)
	case schemas.Boolean:
		return strconv.AppendBool(b, n != 0)
	default:
		return strconv.AppendInt(b, n, 10)
	}
}

func appendKeyPart(b []byte, f *schemas.Field, v driver.Value) []byte {
	n, number := v.(int64)
	if !number {
		s, _ := v.(string)
		return appendString(b, s)
	}
	return append(appendNumber(append(b, '"'), f, n), '"')
}
