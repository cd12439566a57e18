package xmlfile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"crossdock/connectors"
	"crossdock/schemas"
)

// The rules by which a record is refused.
const (
	encoding = "encoding"
	tooLong  = "too_long"
)

// A reader reads the documents of a dataset one after the other. A batch
// never holds rows of two of them.
type reader struct {
	documents []*document
	layout    *layout
	at        int // the document being read
	from      position
	batchRows int
	size      int64 // of all files on disk
	before    int64 // of those that are read

	records *records
	rows    []row // of the record being delivered
	whole   bool  // it is whole
	last    position
	err     error // what ended the reading

	// What was read and has not been delivered.
	builder *connectors.TextBuilder
	cells   [][][]byte
	rejects []connectors.Reject
	skipped int
	begun   int64 // bytes of text read when the batch began
}

// A position is what a cursor holds: a place between two rows. XML cannot be
// read on in its middle, so that records are counted and passed over again.
type position struct {
	File    string `json:"file"`
	Version string `json:"version"`
	Records int64  `json:"records"` // that lie before
	Row     int    `json:"row"`     // rows of the next record that lie before
	Rows    int64  `json:"rows"`    // all rows of the document that lie before
}

func newReader(data *dataset, batchRows int, from connectors.Cursor) (*reader, error) {
	r := &reader{
		documents: data.documents, layout: data.layout, batchRows: batchRows,
		builder: connectors.NewTextBuilder(data.layout.columns), cells: make([][][]byte, len(data.layout.columns)),
	}
	for _, d := range r.documents {
		r.size += d.file.Size
	}
	if from == "" {
		return r, nil
	}
	var p position
	decoder := json.NewDecoder(strings.NewReader(string(from)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil || p.File == "" || p.Records < 0 || p.Row < 0 || p.Rows < 0 {
		return nil, &connectors.Error{Message: "the cursor " + schemas.QuoteShort(string(from)) + " is none of connector xml", Hint: "start the run from the beginning", Err: err}
	}
	return r, r.goTo(p)
}

// goTo moves to the document that a cursor names.
func (r *reader) goTo(p position) error {
	place := connectors.Place{Resource: p.File}
	for _, d := range r.documents {
		if d.file.Name != p.File {
			r.at++
			r.before += d.file.Size
			continue
		}
		if d.file.Version != p.Version {
			return &connectors.Error{Place: place, Message: "has changed since it was read in part", Hint: "start the run from the beginning"}
		}
		r.from = p
		return nil
	}
	return &connectors.Error{Place: place, Message: "was read in part and is no longer among the files", Hint: "bring it back, or start the run from the beginning"}
}

// Next returns the next batch.
func (r *reader) Next(ctx context.Context) (*connectors.Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r.err != nil {
			return nil, r.err
		}
		batch, err := r.next(ctx)
		if err != nil {
			r.err = err // also when ctx has ended: it may have done so in the middle of a record
		}
		if batch != nil || err != nil {
			return batch, err
		}
	}
}

// next returns a batch, or neither batch nor error at the end of a document.
func (r *reader) next(ctx context.Context) (*connectors.Batch, error) {
	if r.at == len(r.documents) {
		return nil, io.EOF
	}
	d := r.documents[r.at]
	if r.records == nil {
		if err := r.open(ctx, d); err != nil {
			return nil, err
		}
	}
	for r.room() {
		if r.last.Row < len(r.rows) {
			r.add(d)
			continue
		}
		err := r.begin(ctx, d)
		if errors.Is(err, io.EOF) {
			return r.endDocument(d)
		}
		if err != nil {
			return nil, err
		}
	}
	return r.deliver(d), nil
}

// open opens a document and passes over the records that are read already.
func (r *reader) open(ctx context.Context, d *document) error {
	var err error
	if r.records, err = d.open(ctx); err != nil {
		return err
	}
	r.last = position{File: d.file.Name, Version: d.file.Version}
	for r.last.Records < r.from.Records {
		if _, err := r.records.next(ctx, false); errors.Is(err, io.EOF) {
			return d.errorf(0, "start the run from the beginning", "has fewer records than were read of it before")
		} else if err != nil {
			return err
		}
		r.last.Records++
	}
	r.last.Rows, r.begun = r.from.Rows, r.records.in.n
	return nil
}

// begin takes the next record.
func (r *reader) begin(ctx context.Context, d *document) error {
	whole, err := r.records.next(ctx, true)
	if err != nil {
		return err
	}
	r.whole, r.rows = whole, d.rowsOf(&r.records.tree, whole)
	if len(r.rows) == 0 {
		r.skipped++
		r.last.Records++
		return nil
	}
	if r.from.Row > 0 { // reading goes on within this record
		r.last.Row, r.from.Row = min(r.from.Row, len(r.rows)-1), 0
	}
	return nil
}

// room reports whether the batch takes more rows.
func (r *reader) room() bool {
	return r.pending() == 0 || r.pending() < r.batchRows && !r.builder.Full(r.batchRows) && r.records.in.n-r.begun < connectors.MaxBatchBytes
}

func (r *reader) pending() int { return r.builder.Len() + len(r.rejects) + r.skipped }

// add takes or rejects the next row of the record.
func (r *reader) add(d *document) {
	one := r.rows[r.last.Row]
	r.last.Row++
	r.last.Rows++
	number := one.line
	if d.crowded {
		number = r.last.Rows
	}
	if reject := r.fault(d, one); reject != nil {
		reject.Row = number
		r.rejects = append(r.rejects, *reject)
	} else {
		for i, values := range r.cells {
			value, kind := cellOf(values)
			r.builder.Cell(i, value, kind)
		}
		r.builder.EndRow(number)
	}
	if r.last.Row == len(r.rows) {
		r.rows, r.last.Row = nil, 0
		r.last.Records++
	}
}

// fault finds the values of a row and says what is wrong with it.
func (r *reader) fault(d *document, one row) *connectors.Reject {
	if !r.whole {
		return &connectors.Reject{Column: -1, Rule: tooLong, Message: fmt.Sprintf("the record has more than %d MiB or %d elements: is record the path of one record?", d.limits.record>>20, d.limits.elements)}
	}
	r.layout.fill(&r.records.tree, r.records.frames, one, r.cells)
	for i, values := range r.cells {
		size := 0
		for _, value := range values {
			size += len(value)
			if d.charset.Decodes() && bytes.ContainsRune(value, utf8.RuneError) {
				return &connectors.Reject{Column: i, Rule: encoding, Value: schemas.Shorten(string(value[:min(len(value), 1024)])), Message: fmt.Sprintf("the text is not %s, as the file says: set encoding to that of the file", d.charset.Name), Cells: r.keep()}
			}
		}
		if size > d.limits.cell {
			return &connectors.Reject{Column: i, Rule: tooLong, Message: fmt.Sprintf("a value is longer than %d MiB", d.limits.cell>>20), Cells: r.keep()}
		}
	}
	return nil
}

// keep copies the cells of a row, cut to a number of bytes in all.
func (r *reader) keep() []string {
	const reserve = 4 << 10 // for the value that is shown
	budget := connectors.MaxRejectBytes - reserve
	kept := make([]string, len(r.cells))
	for i, values := range r.cells {
		value, _ := cellOf(values)
		kept[i] = strings.ToValidUTF8(string(value[:min(len(value), budget)]), "")
		budget -= len(kept[i])
	}
	return kept
}

// endDocument ends a document and returns what was read and not delivered.
func (r *reader) endDocument(d *document) (*connectors.Batch, error) {
	if err := d.file.CheckUnchanged(); err != nil {
		return nil, err
	}
	var batch *connectors.Batch
	if r.pending() > 0 {
		batch = r.deliver(d)
	}
	err := r.records.close()
	r.at++
	r.before += d.file.Size
	r.records, r.from = nil, position{}
	return batch, err
}

// deliver makes a batch of what was read.
func (r *reader) deliver(d *document) *connectors.Batch {
	batch := r.builder.Build()
	batch.Origin.Resource, batch.Origin.Version, batch.Origin.Part = d.file.Name, d.file.Version, d.part()
	batch.Rejects, batch.Skipped = r.rejects, r.skipped
	r.rejects, r.skipped, r.begun = nil, 0, r.records.in.n
	// A position is text and numbers, which always have a form in JSON.
	cursor, _ := json.Marshal(r.last)
	batch.Cursor = connectors.Cursor(cursor)
	batch.Done, batch.Size = r.before+min(r.records.file.Done(), d.file.Size), r.size
	return batch
}

// Ack does nothing: a file does not care how far it was read.
func (r *reader) Ack(context.Context, connectors.Cursor) error { return nil }

// Close closes the file being read.
func (r *reader) Close() error {
	r.err = errors.New("the reader is closed")
	if r.records == nil {
		return nil
	}
	records := r.records
	r.records = nil
	return records.close()
}
