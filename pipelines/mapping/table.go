package mapping

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"crossdock/connectors"
	"crossdock/schemas"
)

// Bounds of one lookup table, which is held in memory as a whole.
const (
	maxTableRows  = 2_000_000
	maxTableBytes = 256 << 20
)

// A Table is a table to look values up in. It is filled before it is used.
type Table struct {
	name       string
	keys       []string
	duplicates string
	header     []string // nil until the first batch
	keyColumns []int

	chunks [][]*array.String // columns of the batches as they came
	rows   map[string]place
	bytes  int
}

// A place is where a row stands in the chunks.
type place struct{ chunk, row int32 }

// NewTable returns an empty table whose rows are found by the columns named
// keys. Duplicates says which row counts where several have the same key:
// first, last, or "" for an error.
func NewTable(name string, keys []string, duplicates string) *Table {
	t := &Table{name: name, duplicates: duplicates, rows: map[string]place{}}
	for _, key := range keys {
		t.keys = append(t.keys, strings.TrimSpace(key))
	}
	return t
}

// Add adds the rows of a batch, which the table keeps. Rows whose key is empty
// can never be found and are passed over.
func (t *Table) Add(b *connectors.Batch) error {
	if err := t.readHeader(b); err != nil {
		return err
	}
	columns := make([]*array.String, len(t.header))
	for i := range columns {
		columns[i] = textColumn(b.Rows.Column(i))
		t.bytes += len(columns[i].ValueBytes())
	}
	chunk := int32(len(t.chunks))
	t.chunks = append(t.chunks, columns)
	keys := make([]string, len(t.keyColumns))
	for row := range int(b.Rows.NumRows()) {
		empty := true
		for i, column := range t.keyColumns {
			keys[i] = (&cells{text: columns[column]}).get(row)
			empty = empty && keys[i] == ""
		}
		if empty {
			continue
		}
		if err := t.insert(keys, place{chunk, int32(row)}); err != nil {
			return err
		}
	}
	if len(t.rows) > maxTableRows || t.bytes > maxTableBytes {
		return fmt.Errorf("the lookup table %s is too large: it may have %d rows and %d MiB of text", t.name, maxTableRows, maxTableBytes>>20)
	}
	return nil
}

func (t *Table) insert(keys []string, at place) error {
	var buffer [128]byte
	key := joinKey(buffer[:0], keys)
	if _, taken := t.rows[string(key)]; taken {
		switch t.duplicates {
		case "first":
			return nil
		case "last":
		default:
			return fmt.Errorf("the lookup table %s has several rows for %s; say which counts with duplicates: first or last",
				t.name, schemas.QuoteShort(strings.Join(keys, " / ")))
		}
	}
	t.bytes += len(key)
	t.rows[string(key)] = at
	return nil
}

// readHeader learns the columns from the first batch, and holds later ones to it.
func (t *Table) readHeader(b *connectors.Batch) error {
	var header []string
	for _, field := range b.Rows.Schema().Fields() {
		header = append(header, strings.TrimSpace(field.Name))
	}
	if t.header != nil {
		if !slices.Equal(t.header, header) {
			return fmt.Errorf("the lookup table %s has changed while it was read: it had the columns %s and now has %s",
				t.name, listed(t.header), listed(header))
		}
		return nil
	}
	for _, key := range t.keys {
		at := slices.Index(header, key)
		if at < 0 {
			return fmt.Errorf("the lookup table %s has no column %s%s (it has: %s)", t.name, key,
				schemas.DidYouMean(key, header), listed(header))
		}
		t.keyColumns = append(t.keyColumns, at)
	}
	t.header = header
	return nil
}

// column returns the place of a column, or -1.
func (t *Table) column(name string) int { return slices.Index(t.header, strings.TrimSpace(name)) }

// Len returns the number of rows that can be found.
func (t *Table) Len() int { return len(t.rows) }

// Get returns the trimmed cell of a column, counted from 0, in the row that
// the keys find; false when there is no such row.
func (t *Table) Get(column int, keys []string) (string, bool) {
	var buffer [128]byte
	key := joinKey(buffer[:0], keys)
	at, found := t.rows[string(key)]
	if !found || column < 0 {
		return "", false
	}
	return (&cells{text: t.chunks[at.chunk][column]}).get(int(at.row)), true
}

// joinKey appends the keys to b, such that different ones never look alike.
func joinKey(b []byte, keys []string) []byte {
	for i, key := range keys {
		key = trimmed(key)
		if i < len(keys)-1 {
			b = binary.AppendUvarint(b, uint64(len(key)))
		}
		b = append(b, key...)
	}
	return b
}
