package parquetfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"crossdock/connectors"
	"crossdock/schemas"
)

// A reader reads the files of a source one after the other. A batch never
// holds rows of two of them.
type reader struct {
	tables    []*table
	at        int   // the file being read
	row       int64 // rows of it read, or passed over
	batchRows int
	size      int64 // of all files
	before    int64 // of those that are read
	err       error // what ended the reading

	open   *opened // nil between two files
	group  int     // the row group being read
	left   int64   // rows of it that are still to be read
	chunks []chunk // of the group being read

	builder *connectors.TextBuilder
	rejects []connectors.Reject
	bytes   int      // of rejects
	cells   [][]byte // of the row at hand
}

// A cursor is a place behind a row, as it is written in a Cursor.
type cursor struct {
	File    string `json:"file"`
	Version string `json:"version"`
	Row     int64  `json:"row"`
}

func newReader(tables []*table, batchRows int, from connectors.Cursor) (*reader, error) {
	r := &reader{
		tables: tables, batchRows: batchRows, builder: connectors.NewTextBuilder(tables[0].names()),
		cells: make([][]byte, len(tables[0].columns)),
	}
	for _, t := range tables {
		r.size += t.file.Size
	}
	if from == "" {
		return r, nil
	}
	var c cursor
	decoder := json.NewDecoder(strings.NewReader(string(from)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil || c.Row < 0 {
		return nil, &connectors.Error{Message: "the cursor " + schemas.QuoteShort(string(from)) + " is none of connector parquet", Hint: "start the run from the beginning", Err: err}
	}
	return r, r.goTo(c)
}

// goTo moves behind the row that a cursor names.
func (r *reader) goTo(c cursor) error {
	place := connectors.Place{Resource: c.File, Row: c.Row}
	for _, t := range r.tables {
		if t.file.Name != c.File {
			r.at++
			r.before += t.file.Size
			continue
		}
		if t.file.Version != c.Version || c.Row > t.rows {
			return &connectors.Error{Place: place, Message: "has changed since it was read up to here", Hint: "start the run from the beginning"}
		}
		r.row = c.Row
		return nil
	}
	return &connectors.Error{
		Place: place, Message: "was read up to here and is no longer among the files",
		Hint: "bring it back, or start the run from the beginning",
	}
}

// Next returns the next batch.
func (r *reader) Next(ctx context.Context) (*connectors.Batch, error) {
	for r.err == nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		batch, err := r.next(ctx)
		if err != nil && ctx.Err() == nil {
			r.err = r.explain(err)
		}
		if ctx.Err() != nil {
			// What was read of the batch is lost to it, and read again by whoever
			// goes on from the last cursor.
			r.err = ctx.Err()
			return nil, r.err
		}
		if batch != nil {
			return batch, nil
		}
	}
	return nil, r.err
}

// explain makes an error of the library one that a user can act on.
func (r *reader) explain(err error) error {
	if _, ok := errors.AsType[*connectors.Error](err); ok || errors.Is(err, io.EOF) && r.at == len(r.tables) {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("a page is cut off: %w", io.ErrUnexpectedEOF)
	}
	return damaged(r.tables[r.at].file, r.row+1, err)
}

// next returns a batch, or neither batch nor error at the end of a file.
func (r *reader) next(ctx context.Context) (*connectors.Batch, error) {
	if r.at == len(r.tables) {
		return nil, io.EOF
	}
	t := r.tables[r.at]
	if r.open == nil {
		if err := r.begin(ctx, t); err != nil {
			return nil, err
		}
	}
	for r.room() {
		if r.left > 0 {
			if err := r.readRow(ctx, t); err != nil {
				return nil, err
			}
			continue
		}
		last, err := r.nextGroup(t)
		if err != nil {
			return nil, err
		}
		if last {
			return r.endFile(t)
		}
	}
	return r.deliver(t), nil
}

// room reports whether the batch takes more rows.
func (r *reader) room() bool {
	return !r.builder.Full(r.batchRows-len(r.rejects)) && r.bytes < connectors.MaxBatchBytes
}

// begin opens a file and passes over the rows that were read before.
func (r *reader) begin(ctx context.Context, t *table) error {
	if err := t.file.CheckUnchanged(); err != nil {
		return err
	}
	var err error
	if r.open, err = openParquet(ctx, t.file); err != nil {
		return err
	}
	r.group, r.left = -1, 0
	skip := r.row
	for r.row = 0; r.row < skip; {
		last, err := r.nextGroupFrom(t, skip)
		if err != nil || last {
			return err
		}
		for ; r.left > 0 && r.row < skip; r.row, r.left = r.row+1, r.left-1 {
			if r.row%256 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			for _, c := range r.chunks {
				if _, _, err := c.next(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// nextGroup ends one row group and opens the next, and reports whether there
// was none left.
func (r *reader) nextGroup(t *table) (last bool, err error) { return r.nextGroupFrom(t, 0) }

// nextGroupFrom is nextGroup that passes over groups without opening them, as
// long as they end before a row.
func (r *reader) nextGroupFrom(t *table, row int64) (last bool, err error) {
	for _, c := range r.chunks {
		if err := c.end(); err != nil {
			return false, err
		}
	}
	if err := r.closeChunks(); err != nil {
		return false, err
	}
	for {
		if r.group++; r.group == r.open.NumRowGroups() {
			r.group-- // the end stays the end
			return true, nil
		}
		var rows int64
		if err := sheltered(func() error { rows = r.open.MetaData().RowGroup(r.group).NumRows(); return nil }); err != nil {
			return false, err
		}
		if rows == 0 || r.row+rows <= row {
			r.row += rows
			continue
		}
		r.left = rows
		return false, r.openChunks(t)
	}
}

func (r *reader) openChunks(t *table) error {
	return sheltered(func() error {
		group := r.open.RowGroup(r.group)
		for i := range t.columns {
			c, err := openChunk(&t.columns[i], group)
			if err != nil {
				return fmt.Errorf("column %s: %w", t.columns[i].name, err)
			}
			r.chunks = append(r.chunks, c)
		}
		return nil
	})
}

func (r *reader) closeChunks() error {
	var errs []error
	for _, c := range r.chunks {
		errs = append(errs, c.close())
	}
	r.chunks = r.chunks[:0]
	return errors.Join(errs...)
}

// readRow takes or rejects the next row.
func (r *reader) readRow(ctx context.Context, t *table) error {
	if r.row%256 == 0 && ctx.Err() != nil {
		return ctx.Err()
	}
	wrong, what := -1, fault("")
	for i, c := range r.chunks {
		value, f, err := c.next()
		if err != nil {
			return err
		}
		if f != "" && wrong < 0 {
			wrong, what = i, f
		}
		r.cells[i] = value
	}
	r.row++
	r.left--
	if wrong >= 0 {
		r.reject(wrong, what)
		return nil
	}
	for i, value := range r.cells {
		kind := t.columns[i].form.kind
		if value == nil || t.columns[i].item > 0 {
			kind = connectors.TextCell
		}
		r.builder.Cell(i, value, kind)
	}
	r.builder.EndRow(r.row)
	return nil
}

func (r *reader) reject(column int, what fault) {
	message := "is not text in UTF-8, or holds NUL: have the column written as text, or leave it out with skip"
	if what == tooLong {
		message = fmt.Sprintf("a value is longer than %d MiB", maxCellBytes>>20)
	}
	value := r.cells[column]
	reject := connectors.Reject{
		Row: r.row, Column: column, Rule: string(what), Message: message,
		Value: schemas.Shorten(readable(value[:min(len(value), 1024)])),
		Cells: make([]string, len(r.cells)),
	}
	budget := connectors.MaxRejectBytes - len(reject.Value)
	for i, cell := range r.cells {
		text := readable(cell[:min(len(cell), budget)])
		for len(text) > budget { // a byte that is no character becomes three
			text = strings.ToValidUTF8(text[:budget], "")
		}
		reject.Cells[i] = text
		budget -= len(text)
		r.bytes += len(text)
	}
	r.rejects = append(r.rejects, reject)
}

// readable turns bytes into text for people. A NUL, which databases refuse, is
// shown by its symbol.
func readable(b []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\x00", "␀")
}

// endFile ends a file and returns what was read and not delivered.
func (r *reader) endFile(t *table) (*connectors.Batch, error) {
	if err := t.file.CheckUnchanged(); err != nil {
		return nil, err
	}
	var batch *connectors.Batch
	if r.builder.Len()+len(r.rejects) > 0 {
		batch = r.deliver(t)
	}
	err := r.open.Close()
	r.open = nil
	r.at++
	r.row = 0
	r.before += t.file.Size
	return batch, err
}

// deliver makes a batch of what was read.
func (r *reader) deliver(t *table) *connectors.Batch {
	batch := r.builder.Build()
	batch.Origin.Resource, batch.Origin.Version = t.file.Name, t.file.Version
	batch.Rejects = r.rejects
	r.rejects, r.bytes = nil, 0
	// A cursor is text and numbers, which always have a form in JSON.
	text, _ := json.Marshal(cursor{t.file.Name, t.file.Version, r.row})
	batch.Cursor = connectors.Cursor(text)
	batch.Done = r.before + int64(float64(t.file.Size)*float64(r.row)/float64(max(t.rows, 1)))
	batch.Size = r.size
	return batch
}

// Ack does nothing: a file does not care how far it was read.
func (r *reader) Ack(context.Context, connectors.Cursor) error { return nil }

// Close closes the file being read.
func (r *reader) Close() error {
	r.err = errors.New("the reader is closed")
	err := r.closeChunks()
	if r.open != nil {
		err = errors.Join(err, r.open.Close())
		r.open = nil
	}
	return err
}
