package fixedwidth

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

// The rules by which a line is refused.
const (
	shortLine  = "short_line"
	recordType = "record_type"
	encoding   = "encoding"
	control    = "control_character"
)

// A reader reads the files of a source one after the other. A batch never
// holds rows of two files.
type reader struct {
	*source
	files     []textFile
	at        int // the file being read
	from      position
	batchRows int
	size      int64 // of all files on disk
	before    int64 // of those that are read

	lines *lines
	file  *connectors.OpenFile
	last  position // behind the last line taken
	err   error    // what ended the reading

	// What was read and has not been delivered.
	builder *connectors.TextBuilder
	cells   [][]byte // of the line being cut
	rejects []connectors.Reject
	skipped int
	begun   int64 // offset at which the batch begins
}

// A position is what a cursor holds: a place between two lines.
type position struct {
	File    string `json:"file"`
	Version string `json:"version"`
	Offset  int64  `json:"offset"` // in the text, without byte order mark
	Line    int64  `json:"line"`
	Rows    int64  `json:"rows"` // of the file up to there, rejects counted
}

func newReader(s *source, files []textFile, batchRows int, from connectors.Cursor) (*reader, error) {
	r := &reader{source: s, files: files, from: position{Line: 1}, batchRows: batchRows, builder: connectors.NewTextBuilder(s.layout.names())}
	for _, f := range files {
		r.size += f.file.Size
	}
	if from == "" {
		return r, nil
	}
	var p position
	decoder := json.NewDecoder(strings.NewReader(string(from)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil || p.File == "" || p.Offset < 0 || p.Line < 1 || p.Rows < 0 {
		return nil, &connectors.Error{Message: "the cursor " + schemas.QuoteShort(string(from)) + " is none of connector fixed", Hint: "start the run from the beginning", Err: err}
	}
	return r, r.goTo(p)
}

// goTo moves to a position; what the file holds there is seen at the first Next.
func (r *reader) goTo(p position) error {
	place := connectors.Place{Resource: p.File, Row: p.Line}
	for _, f := range r.files {
		if f.file.Name != p.File {
			r.at++
			r.before += f.file.Size
			continue
		}
		if f.file.Version != p.Version {
			return &connectors.Error{Place: place, Message: "has changed since it was read up to here", Hint: "start the run from the beginning"}
		}
		r.from = p
		return nil
	}
	return &connectors.Error{Place: place, Message: "was read up to here and is no longer among the files", Hint: "bring it back, or start the run from the beginning"}
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

// next returns a batch, or neither batch nor error at the end of a file.
func (r *reader) next(ctx context.Context) (*connectors.Batch, error) {
	if r.at == len(r.files) {
		return nil, io.EOF
	}
	f := r.files[r.at]
	if r.lines == nil {
		if err := r.open(ctx, f); err != nil {
			return nil, err
		}
	}
	for r.room() {
		one, err := r.lines.next(ctx)
		if errors.Is(err, io.EOF) {
			return r.endFile(f)
		}
		if err != nil {
			return nil, err
		}
		r.judge(f, one)
		r.last.Offset, r.last.Line = one.end, one.after
	}
	return r.deliver(f), nil
}

// open opens a file where reading goes on.
func (r *reader) open(ctx context.Context, f textFile) error {
	if err := f.file.CheckUnchanged(); err != nil {
		return err
	}
	file, err := f.file.Open()
	if err != nil {
		return err
	}
	charset := f.charset
	if r.cfg.Unit == bytesUnit {
		charset = charset.Undecoded() // its cells are decoded one by one
	}
	text, err := charset.TextFrom(ctx, file, f.file.Size, r.from.Offset)
	if err != nil {
		_ = file.Close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &connectors.Error{Place: connectors.Place{Resource: f.file.Name, Row: r.from.Line}, Message: "cannot be read from this line on", Err: err}
	}
	r.file, r.lines = file, newLines(text, r.from.Offset, r.from.Line, r.cfg.MaxLine, r.cfg.Header, r.cfg.Footer, f.file.Name)
	r.last = r.from
	r.last.File, r.last.Version = f.file.Name, f.file.Version
	r.begun = r.from.Offset
	return nil
}

// room reports whether the batch takes more rows.
func (r *reader) room() bool {
	return r.pending() < r.batchRows && r.last.Offset-r.begun < connectors.MaxBatchBytes
}

func (r *reader) pending() int { return r.builder.Len() + len(r.rejects) + r.skipped }

// judge takes, skips or rejects a line.
func (r *reader) judge(f textFile, one line) {
	switch {
	case one.blanks > 0:
		r.skipped += one.blanks
		return
	case beginsWith(one.text, r.cfg.Skip):
		r.skipped++
		return
	}
	r.last.Rows++
	var places int
	r.cells, places = r.layout.cut(one.text, r.cfg.Unit != bytesUnit, r.cells)
	reject := r.fault(f, one.text, places)
	if reject == nil {
		for i, cell := range r.cells {
			if len(cell) == 0 {
				cell = nil
			}
			r.builder.Cell(i, cell, connectors.TextCell)
		}
		r.builder.EndRow(one.number)
		return
	}
	reject.Row = one.number
	reject.Cells = keep(r.cells, connectors.MaxRejectBytes-len(reject.Value))
	r.rejects = append(r.rejects, *reject)
}

func beginsWith(text []byte, beginnings []string) bool {
	for _, beginning := range beginnings {
		if bytes.HasPrefix(text, []byte(beginning)) {
			return true
		}
	}
	return false
}

// fault decodes and trims the cells of a line, and says what is wrong with it.
func (r *reader) fault(f textFile, text []byte, places int) *connectors.Reject {
	if len(r.cfg.Record) > 0 && !beginsWith(text, r.cfg.Record) {
		const shown = 40
		return &connectors.Reject{
			Column: -1, Rule: recordType, Value: readable(text[:min(len(text), shown)]),
			Message: "the line begins like no row: add its beginning to record, or to skip where such lines are none",
		}
	}
	if width := r.layout.width(); places < width && r.cfg.ShortLines != pad {
		short := 0
		for r.layout[short].start < places && r.layout[short].end <= places {
			short++
		}
		return &connectors.Reject{
			Column: short, Rule: shortLine, Value: readable(r.cells[short]),
			Message: fmt.Sprintf("the line has %d %s where its columns need %d: set short_lines to pad if blanks at the end are cut off by the program that writes it", places, r.cfg.Unit, width),
		}
	}
	for i, cell := range r.cells {
		reject := r.textFault(f, cell)
		if reject != nil {
			reject.Column = i
			return reject
		}
		if r.cfg.Unit == bytesUnit {
			cell = f.charset.Text(cell)
		}
		r.cells[i] = r.trim(cell)
	}
	return nil
}

// textFault says why the bytes of a cell are no text, if they are none.
func (r *reader) textFault(f textFile, cell []byte) *connectors.Reject {
	decodes := f.charset.Decodes()
	if decodes && r.cfg.Unit == bytesUnit {
		cell = f.charset.Text(cell)
	}
	switch {
	case bytes.IndexByte(cell, 0) >= 0:
		return &connectors.Reject{Rule: control, Value: readable(cell), Message: "the cell contains a NUL character: the file is damaged here, or its columns are not counted in " + r.cfg.Unit}
	case decodes && bytes.ContainsRune(cell, utf8.RuneError):
		return &connectors.Reject{Rule: encoding, Value: readable(cell), Message: fmt.Sprintf("the cell is not %s: set encoding to that of the file", f.charset.Name)}
	case !decodes && !utf8.Valid(cell):
		return &connectors.Reject{Rule: encoding, Value: readable(cell), Message: "the cell is not UTF-8: set encoding to that of the whole file, most often windows-1252; and unit to what its places are counted in"}
	}
	return nil
}

func (r *reader) trim(cell []byte) []byte {
	const blanks = " \t"
	if len(bytes.Trim(cell, blanks)) == 0 {
		return nil
	}
	switch r.cfg.Trim {
	case "left":
		return bytes.TrimLeft(cell, blanks)
	case "right":
		return bytes.TrimRight(cell, blanks)
	case "none":
		return cell
	}
	return bytes.Trim(cell, blanks)
}

// keep copies the cells of a line, cut to a number of bytes in all.
func keep(cells [][]byte, budget int) []string {
	kept := make([]string, 0, len(cells))
	for _, cell := range cells {
		text := readable(cell[:min(len(cell), budget)])
		for len(text) > budget { // a byte that is no character becomes three
			text = strings.ToValidUTF8(text[:budget], "")
		}
		kept = append(kept, text)
		budget -= len(text)
	}
	return kept
}

// readable turns bytes into text for people. A NUL, which databases refuse, is
// shown by its symbol.
func readable(b []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\x00", "␀")
}

// endFile ends a file and returns what was read and not delivered, if anything.
func (r *reader) endFile(f textFile) (*connectors.Batch, error) {
	if err := f.file.CheckUnchanged(); err != nil {
		return nil, err
	}
	var batch *connectors.Batch
	if r.pending() > 0 {
		batch = r.deliver(f)
	}
	if r.last.Rows == 0 {
		err := &connectors.Error{Place: connectors.Place{Resource: f.file.Name}, Message: "has no rows", Hint: "was it fully written? Blank lines, header, footer and lines to skip are none"}
		if batch == nil {
			return nil, err
		}
		r.err = err // what was skipped is delivered first
	}
	err := r.file.Close()
	r.at++
	r.before += f.file.Size
	r.lines, r.file, r.from = nil, nil, position{Line: 1}
	return batch, err
}

// deliver makes a batch of what was read.
func (r *reader) deliver(f textFile) *connectors.Batch {
	batch := r.builder.Build()
	batch.Origin.Resource, batch.Origin.Version = f.file.Name, f.file.Version
	batch.Rejects, batch.Skipped = r.rejects, r.skipped
	r.rejects, r.skipped, r.begun = nil, 0, r.last.Offset
	// A position is text and numbers, which always have a form in JSON.
	cursor, _ := json.Marshal(r.last)
	batch.Cursor = connectors.Cursor(cursor)
	batch.Done, batch.Size = r.before+min(r.file.Done(), f.file.Size), r.size
	return batch
}

// Ack does nothing: a file does not care how far it was read.
func (r *reader) Ack(context.Context, connectors.Cursor) error { return nil }

// Close closes the file being read.
func (r *reader) Close() error {
	r.err = errors.New("the reader is closed")
	if r.file == nil {
		return nil
	}
	file := r.file
	r.file, r.lines = nil, nil
	return file.Close()
}
