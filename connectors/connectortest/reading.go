package connectortest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"crossdock/connectors"
)

// A reading is what came out of a source between one Open and its end.
type reading struct {
	rows    []Row
	rejects []Reject
	skipped int
	cursors []reached
}

// reached is how far a reading had come at a cursor.
type reached struct {
	cursor                 connectors.Cursor
	rows, rejects, skipped int
}

func (r *reading) add(h Harness, b *connectors.Batch) error {
	rows, err := rowsOf(h.Columns, b)
	if err != nil {
		return err
	}
	r.rows = append(r.rows, rows...)
	for _, reject := range b.Rejects {
		place := b.Origin.Place(reject.Row, -1, "").String()
		r.rejects = append(r.rejects, Reject{Place: place, Rule: reject.Rule})
	}
	r.skipped += b.Skipped
	r.cursors = append(r.cursors, reached{b.Cursor, len(r.rows), len(r.rejects), r.skipped})
	return nil
}

// rowsOf writes the rows of a batch as a harness writes them.
func rowsOf(columns []string, b *connectors.Batch) ([]Row, error) {
	schema := b.Rows.Schema()
	known := map[string]bool{}
	for _, name := range columns {
		known[name] = true
	}
	for _, field := range schema.Fields() {
		if !known[field.Name] {
			return nil, fmt.Errorf("the batch has a column %q that the harness does not know", field.Name)
		}
	}
	if len(b.Origin.Rows) != int(b.Rows.NumRows()) {
		return nil, fmt.Errorf("the batch has %d rows, but Origin.Rows has %d", b.Rows.NumRows(), len(b.Origin.Rows))
	}
	rows := make([]Row, b.Rows.NumRows())
	for i := range rows {
		rows[i].Place = b.Origin.Place(b.Origin.Rows[i], -1, "").String()
		rows[i].Cells = make([]string, len(columns))
		for c, name := range columns {
			rows[i].Cells[c] = cellOf(schema, b, name, i)
		}
	}
	return rows, nil
}

func cellOf(schema *arrow.Schema, b *connectors.Batch, name string, row int) string {
	at := schema.FieldIndices(name)
	if len(at) == 0 || b.KindOf(at[0], row) == connectors.AbsentCell {
		return Absent
	}
	column := b.Rows.Column(at[0])
	if column.IsNull(row) {
		return Null
	}
	return column.ValueStr(row)
}

// readOn reads from a cursor to the end and acknowledges as the hub does. A
// limit stops after that many batches, as a kill does; 0 reads all of them.
func readOn(ctx context.Context, h Harness, src connectors.Source, from connectors.Cursor, limit int) (*reading, error) {
	reader, err := src.Open(ctx, connectors.ReadRequest{Stream: h.Stream, Cursor: from, BatchRows: h.BatchRows})
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	got := &reading{}
	for limit == 0 || len(got.cursors) < limit {
		batch, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = got.add(h, batch)
		}
		if err == nil {
			err = reader.Ack(ctx, batch.Cursor)
		}
		if err != nil {
			_ = reader.Close()
			return got, err
		}
	}
	return got, reader.Close()
}

func mustRead(t testing.TB, h Harness, from connectors.Cursor, limit int) *reading {
	t.Helper()
	got, err := readOn(t.Context(), h, h.New(t), from, limit)
	if err != nil {
		t.Fatalf("reading from cursor %q: %v", from, err)
	}
	return got
}

// eachBatch reads a source to its end and hands every batch on.
func eachBatch(t testing.TB, h Harness, src connectors.Source, rows int, do func(*connectors.Batch)) {
	t.Helper()
	reader, err := src.Open(t.Context(), connectors.ReadRequest{Stream: h.Stream, BatchRows: rows})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer closed(t, reader)
	for {
		batch, err := reader.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("next: %v", err)
		}
		do(batch)
	}
}

func closed(t testing.TB, reader connectors.Reader) {
	t.Helper()
	if err := reader.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// caught turns a panic into an error, so that one check reports it by name.
func caught(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do()
}
