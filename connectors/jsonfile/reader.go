package jsonfile

import (
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

// A reader reads the documents of a dataset one after the other. A batch
// never holds rows of two of them.
type reader struct {
	documents []*document
	at        int // the document being read
	from      position
	batchRows int
	size      int64 // of all files on disk
	before    int64 // of those that are read

	columns []string
	parser  *parser
	records *records
	err     error // what ended the reading

	// Of a record that is exploded and has not been delivered as a whole.
	exploding  bool
	emptyIsRow bool
	rec        record
	prior      position // before it
	taken      int      // rows of it that are read

	// What was read and has not been delivered.
	builder *connectors.TextBuilder
	rejects []connectors.Reject
	skipped int
	begun   int64 // offset at which the batch begins
}

// A cursor is a place behind a record, as it is written in a Cursor.
type cursor struct {
	File    string `json:"file"`
	Version string `json:"version"`
	Offset  int64  `json:"offset"` // in the text as UTF-8, without byte order mark
	Line    int64  `json:"line"`
	Column  int64  `json:"column"`
	Row     int64  `json:"row"`             // records of the document up to there
	Taken   int    `json:"taken,omitempty"` // rows of the next record that were read, where it is exploded
	Ended   bool   `json:"ended,omitempty"` // the document was read to its end
	Lines   bool   `json:"lines,omitempty"` // it has one object per line
}

func newReader(data *dataset, batchRows int, emptyIsRow bool, from connectors.Cursor) (*reader, error) {
	r := &reader{
		documents: data.documents, batchRows: batchRows, from: start(), columns: data.tree.columns,
		parser: newParser(data.tree.clone(), false), emptyIsRow: emptyIsRow,
		builder: connectors.NewTextBuilder(data.tree.columns),
	}
	for _, d := range r.documents {
		r.size += d.file.Size
	}
	if from == "" {
		return r, nil
	}
	c, ok := parseCursor(from)
	if !ok {
		return nil, &connectors.Error{Message: "the cursor " + schemas.QuoteShort(string(from)) + " is none of connector json", Hint: "start the run from the beginning"}
	}
	return r, r.goTo(c)
}

func parseCursor(text connectors.Cursor) (c cursor, ok bool) {
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&c)
	return c, err == nil && c.Offset >= 0 && c.Line >= 1 && c.Column >= 1 && c.Row >= 0 && c.Taken >= 0
}

func (c cursor) encode() connectors.Cursor {
	text, _ := json.Marshal(c) // text and numbers, which always have a form in JSON
	return connectors.Cursor(text)
}

// goTo moves behind the record that a cursor names.
func (r *reader) goTo(c cursor) error {
	place := connectors.Place{Resource: c.File, Row: c.Line}
	for _, d := range r.documents {
		if d.file.Name != c.File {
			r.at++
			r.before += d.file.Size
			continue
		}
		if d.file.Version != c.Version {
			return &connectors.Error{Place: place, Message: "has changed since it was read up to here", Hint: "start the run from the beginning"}
		}
		r.from, r.taken = position{spot{c.Offset, c.Line, c.Column}, c.Row}, c.Taken
		if c.Ended {
			r.at++
			r.before += d.file.Size
			r.from, r.taken = start(), 0
		}
		return nil
	}
	return &connectors.Error{
		Place: place, Message: "was read up to here and is no longer among the files",
		Hint: "bring it back, or start the run from the beginning",
	}
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
		if err != nil && ctx.Err() == nil {
			r.err = err
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
		if err := d.file.CheckUnchanged(); err != nil {
			return nil, err
		}
		var err error
		if r.records, err = d.open(ctx, r.from); err != nil {
			return nil, err
		}
		r.begun = r.records.s.offset()
	}
	for r.room() {
		if r.exploding {
			r.explode()
			continue
		}
		r.prior = r.records.position()
		rec, err := r.records.next(ctx)
		if errors.Is(err, io.EOF) {
			return r.endDocument(d)
		}
		if err == nil {
			err = r.judge(rec)
		}
		if err != nil {
			return nil, err
		}
	}
	return r.deliver(d), nil
}

// room reports whether the batch takes more rows.
func (r *reader) room() bool {
	return r.pending() == 0 || r.pending() < r.batchRows && !r.builder.Full(r.batchRows) && r.records.s.offset()-r.begun < connectors.MaxBatchBytes
}

func (r *reader) pending() int { return r.builder.Len() + len(r.rejects) + r.skipped }

// judge takes, skips or rejects a record.
func (r *reader) judge(rec record) error {
	if rec.blank {
		r.skipped++
		return nil
	}
	p := r.parser
	fault := p.parse(rec)
	switch {
	case fault == nil && len(p.levels) > 0:
		r.rec, r.exploding = rec, true
		p.begin()
		for range r.taken { // reading goes on within this record
			_, _ = p.advance()
		}
		return nil
	case fault == nil:
		r.take(rec)
		return nil
	}
	if err := r.records.broken(rec, fault); err != nil {
		return err
	}
	r.reject(rec, fault)
	return nil
}

// explode takes, skips or rejects the next row of the record that is exploded.
func (r *reader) explode() {
	got, fault := r.parser.advance()
	switch {
	case got == ended:
		r.exploding, r.taken = false, 0
		return
	case got == isFault:
		r.reject(r.rec, fault)
	case got == isEmpty && !r.emptyIsRow:
		r.skipped++
	default:
		r.take(r.rec)
	}
	r.taken++
}

// take makes a row of the cells that were parsed.
func (r *reader) take(rec record) {
	p := r.parser
	for i, c := range p.cells {
		if c.stamp != p.stamp {
			c = cell{nil, connectors.AbsentCell, 0}
		}
		r.builder.Cell(i, c.value, c.kind)
	}
	r.builder.EndRow(rec.row)
}

func (r *reader) reject(rec record, fault *fault) {
	if fault.rule == malformed {
		fault.message = fmt.Sprintf("the line is not JSON: at character %d %s", utf8.RuneCount(rec.text[:fault.at])+1, fault.message)
	}
	reject := connectors.Reject{
		Row: rec.row, Column: fault.column, Rule: fault.rule,
		Value: schemas.Shorten(readable(fault.value)), Message: fault.message,
	}
	reject.Cells = r.keep(connectors.MaxRejectBytes - len(reject.Value))
	r.rejects = append(r.rejects, reject)
}

// keep copies the cells of the record that were read before its fault.
func (r *reader) keep(budget int) []string {
	kept := make([]string, len(r.columns))
	for i, c := range r.parser.cells {
		if c.stamp != r.parser.stamp {
			continue
		}
		text := readable(c.value[:min(len(c.value), budget)])
		for len(text) > budget { // a byte that is no character becomes three
			text = strings.ToValidUTF8(text[:budget], "")
		}
		kept[i] = text
		budget -= len(text)
	}
	return kept
}

// readable turns bytes into text for people. A NUL, which databases refuse, is
// shown by its symbol.
func readable(b []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\x00", "␀")
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
	r.records, r.from = nil, start()
	return batch, err
}

// deliver makes a batch of what was read.
func (r *reader) deliver(d *document) *connectors.Batch {
	batch := r.builder.Build()
	batch.Origin.Resource, batch.Origin.Version, batch.Origin.Part = d.file.Name, d.file.Version, d.part()
	batch.Rejects, batch.Skipped = r.rejects, r.skipped
	r.rejects, r.skipped = nil, 0
	at := r.records.position()
	r.begun = at.offset
	if r.exploding {
		at = r.prior
	}
	batch.Cursor = cursor{d.file.Name, d.file.Version, at.offset, at.line, at.column, at.records, r.taken, r.records.ended, d.mode == lines}.encode()
	batch.Done, batch.Size = r.before+min(r.records.text.file.Done(), d.file.Size), r.size
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
