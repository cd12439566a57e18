package csvfile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"crossdock/connectors"
	"crossdock/schemas"
)

// A reader reads the files of a source one after the other. A batch never
// holds rows of two files.
type reader struct {
	tables    []*table
	at        int // the file being read
	batchRows int
	size      int64 // of all files on disk
	before    int64 // of those that are read

	scan *scanner
	file *connectors.OpenFile
	read int64 // rows and rejects of this file so far
	err  error // what ended the reading

	// What was read and has not been delivered.
	builder *connectors.TextBuilder
	numbers []int64 // of the rows of the block being cut
	rejects []connectors.Reject
	skipped int
	begun   int64 // offset at which the batch begins
}

// A position is what a cursor holds: a place between two rows.
type position struct {
	File    string `json:"file"`
	Version string `json:"version"`
	Offset  int64  `json:"offset"` // in the text, decoded and without byte order mark
	Line    int64  `json:"line"`
	Rows    int64  `json:"rows"` // of the file up to there, rejects counted
}

func newReader(tables []*table, batchRows int, from connectors.Cursor) (*reader, error) {
	r := &reader{tables: tables, batchRows: batchRows, builder: connectors.NewTextBuilder(tables[0].columns)}
	for _, t := range tables {
		r.size += t.file.Size
	}
	if from == "" {
		return r, nil
	}
	p, ok := parsePosition(from)
	if !ok {
		return nil, &connectors.Error{Message: "the cursor " + schemas.QuoteShort(string(from)) + " is none of connector csv", Hint: "start the run from the beginning"}
	}
	return r, r.goTo(p)
}

func parsePosition(c connectors.Cursor) (p position, ok bool) {
	decoder := json.NewDecoder(strings.NewReader(string(c)))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&p)
	return p, err == nil && p.Offset >= 0 && p.Line >= 1 && p.Rows >= 0
}

func (p position) cursor() connectors.Cursor {
	text, _ := json.Marshal(p) // text and numbers, which always have a form in JSON
	return connectors.Cursor(text)
}

// goTo moves to a position; what the file holds there is seen at the first Next.
func (r *reader) goTo(p position) error {
	for _, t := range r.tables {
		if t.file.Name != p.File {
			r.at++
			r.before += t.file.Size
			continue
		}
		if t.file.Version != p.Version {
			return &connectors.Error{
				Place:   connectors.Place{Resource: p.File, Row: p.Line},
				Message: "has changed since it was read up to here", Hint: "start the run from the beginning",
			}
		}
		t.start, t.line, r.read = p.Offset, p.Line, p.Rows
		return nil
	}
	return &connectors.Error{
		Place:   connectors.Place{Resource: p.File, Row: p.Line},
		Message: "was read up to here and is no longer among the files", Hint: "bring it back, or start the run from the beginning",
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

// next returns a batch, or neither batch nor error at the end of a file.
func (r *reader) next(ctx context.Context) (*connectors.Batch, error) {
	if r.at == len(r.tables) {
		return nil, io.EOF
	}
	t := r.tables[r.at]
	if r.scan == nil {
		var err error
		if r.scan, r.file, err = t.open(ctx, t.start, t.line); err != nil {
			return nil, err
		}
		r.begun = r.scan.offset()
	}
	for r.room() {
		r.cutBlock()
		if r.err != nil {
			return nil, r.err
		}
		if !r.room() {
			break
		}
		err := r.scan.fill(ctx)
		if errors.Is(err, io.EOF) {
			return r.endFile(t)
		}
		if err != nil {
			return nil, err
		}
	}
	return r.deliver(t), nil
}

// room reports whether the batch takes more rows.
func (r *reader) room() bool {
	return r.pending() < r.batchRows && r.scan.offset()-r.begun < connectors.MaxBatchBytes
}

func (r *reader) pending() int {
	return r.builder.Len() + len(r.numbers) + len(r.rejects) + r.skipped
}

// cutBlock cuts the rows that lie whole in the scanner's buffer, as far as the
// batch has room for them.
func (r *reader) cutBlock() {
	s, width := r.scan, len(r.tables[r.at].columns)
	s.cells = s.cells[:0]
	for r.room() {
		line := s.line
		whole, err := s.cut()
		if err != nil {
			r.err = err
			return
		}
		if !whole {
			break
		}
		if len(s.cells)-s.first == width && s.stray < 0 && !s.suspect && s.cells[s.first].Start < s.cells[s.first].End {
			r.numbers = append(r.numbers, line)
			continue
		}
		r.judge(line)
	}
	r.builder.Rows(s.buf, s.cells, r.numbers)
	r.numbers = r.numbers[:0]
}

// endFile ends a file and returns what was read and not delivered, if anything.
func (r *reader) endFile(t *table) (*connectors.Batch, error) {
	if err := t.file.CheckUnchanged(); err != nil {
		return nil, err
	}
	var batch *connectors.Batch
	if r.pending() > 0 {
		batch = r.deliver(t)
	}
	if r.read == 0 && batch == nil {
		return nil, t.noRows()
	}
	if batch != nil && r.read == 0 {
		r.err = t.noRows() // the blank lines are delivered first
	}
	err := r.file.Close()
	r.at++
	r.before += t.file.Size
	r.scan, r.file, r.read = nil, nil, 0
	return batch, err
}

// deliver makes a batch of what was read.
func (r *reader) deliver(t *table) *connectors.Batch {
	batch := r.builder.Build()
	batch.Origin.Resource, batch.Origin.Version = t.file.Name, t.file.Version
	batch.Rejects, batch.Skipped = r.rejects, r.skipped
	r.rejects, r.skipped = nil, 0
	r.read += batch.Rows.NumRows() + int64(len(batch.Rejects))
	r.begun = r.scan.offset()
	batch.Cursor = position{t.file.Name, t.file.Version, r.begun, r.scan.line, r.read}.cursor()
	batch.Done, batch.Size = r.before+min(r.file.Done(), t.file.Size), r.size
	return batch
}

// Ack does nothing: a file does not care how far it was read.
func (r *reader) Ack(context.Context, connectors.Cursor) error { return nil }

// Close closes the file being read.
func (r *reader) Close() error {
	if r.file == nil {
		return nil
	}
	file := r.file
	r.file, r.scan, r.err = nil, nil, errors.New("the reader is closed")
	return file.Close()
}

// judge takes, skips or rejects the row cut last, which begins on the line
// given.
func (r *reader) judge(line int64) {
	s, t := r.scan, r.tables[r.at]
	row := s.cells[s.first:]
	if s.blank(row) && (len(row) != 1 || len(t.columns) != 1 || row[0].Start == row[0].End) {
		r.skipped++
		s.cells = s.cells[:s.first]
		return
	}
	if n := len(row); t.trailing && n == len(t.columns)+1 && row[n-1].Start == row[n-1].End {
		row = row[:n-1]
		s.cells = s.cells[:s.first+n-1]
	}
	reject, ok := r.fault(row)
	if ok {
		r.numbers = append(r.numbers, line)
		return
	}
	reject.Row = line
	reject.Cells = r.keep(row, connectors.MaxRejectBytes-len(reject.Value))
	r.rejects = append(r.rejects, reject)
	s.cells = s.cells[:s.first]
}

// fault says what is wrong with a row, or reports true.
func (r *reader) fault(row []connectors.Span) (connectors.Reject, bool) {
	s, t := r.scan, r.tables[r.at]
	if s.stray >= 0 {
		return connectors.Reject{
			Column: s.stray, Rule: "stray_quote", Value: r.value(row[s.stray]),
			Message: fmt.Sprintf("there is text behind the closing quote of cell %d: double a quote that belongs to the text", s.stray+1),
		}, false
	}
	if len(row) != len(t.columns) {
		advice := fmt.Sprintf("put quotes around a cell that contains %s", delimiterName(t.format.delimiter))
		if len(row) < len(t.columns) {
			advice = "cells are missing, or a cell with a line break has no quotes around it"
		}
		return connectors.Reject{
			Column: -1, Rule: "ragged_row", Value: r.value(row[min(len(row)-1, len(t.columns))]),
			Message: fmt.Sprintf("the row has %s where there should be %d: %s", cellCount(len(row)), len(t.columns), advice),
		}, false
	}
	if !s.suspect {
		return connectors.Reject{}, true
	}
	for i, cell := range row {
		text := s.buf[cell.Start:cell.End]
		switch {
		case bytes.IndexByte(text, 0) >= 0:
			return connectors.Reject{
				Column: i, Rule: "control_character", Value: r.value(cell),
				Message: "the cell contains a NUL character: the file is damaged here",
			}, false
		case s.decoded && bytes.ContainsRune(text, utf8.RuneError):
			return connectors.Reject{
				Column: i, Rule: "encoding", Value: r.value(cell),
				Message: fmt.Sprintf("the cell is not %s: set encoding to that of the file", t.charset.Name),
			}, false
		case !s.decoded && !utf8.Valid(text):
			return connectors.Reject{
				Column: i, Rule: "encoding", Value: r.value(cell),
				Message: "the cell is not UTF-8: save the file as UTF-8, or set encoding to that of the whole file, most often windows-1252",
			}, false
		}
	}
	return connectors.Reject{}, true
}

func cellCount(n int) string {
	if n == 1 {
		return "1 cell"
	}
	return strconv.Itoa(n) + " cells"
}

// value writes a cell as it is shown.
func (r *reader) value(cell connectors.Span) string {
	text := r.scan.buf[cell.Start:cell.End]
	return schemas.Shorten(r.readable(text[:min(len(text), 1024)]))
}

// keep copies the cells of a row, cut to a number of bytes in all.
func (r *reader) keep(row []connectors.Span, budget int) []string {
	cells := make([]string, 0, len(row))
	for _, cell := range row {
		// A byte that is replaced becomes three at most.
		text := r.readable(r.scan.buf[cell.Start:min(cell.End, cell.Start+uint32(budget))])
		if len(text) > budget {
			text = string(connectors.WholeRunes([]byte(text[:budget])))
		}
		cells = append(cells, text)
		budget -= len(text)
	}
	return cells
}

// readable turns the bytes of a cell into text for people, who are to see what
// was probably meant where it is not UTF-8. A NUL, which databases refuse, is
// shown by its symbol.
func (r *reader) readable(text []byte) string {
	if !utf8.Valid(connectors.WholeRunes(text)) {
		text, _ = charmap.Windows1252.NewDecoder().Bytes(text)
	}
	return strings.ReplaceAll(strings.ToValidUTF8(string(text), "\uFFFD"), "\x00", "␀")
}

// blank reports whether no cell of a row holds anything but blanks, where it
// is one cell, or anything at all, where there are several. Programs that come
// from DOS end their files with the character 1A.
func (s *scanner) blank(row []connectors.Span) bool {
	if len(row) == 1 {
		return len(bytes.Trim(s.buf[row[0].Start:row[0].End], " \t\v\f\r\n\x1a")) == 0
	}
	for _, cell := range row {
		if cell.Start < cell.End {
			return false
		}
	}
	return true
}
