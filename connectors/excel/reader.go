package excel

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"crossdock/connectors"
	"crossdock/schemas"
)

// A position is the cursor: the last row that was read, of which sheet of
// which file.
type position struct {
	File    string `json:"file"`
	Version string `json:"version"`
	Sheet   string `json:"sheet"`
	Row     int64  `json:"row"`
}

// cursor writes the position as JSON in ASCII, so that it can be printed
// whatever the sheet is called.
func (p position) cursor() connectors.Cursor {
	raw, _ := json.Marshal(p) // texts and a number always marshal
	var b strings.Builder
	for _, c := range string(raw) {
		switch {
		case c < utf8.RuneSelf:
			b.WriteRune(c)
		case c > 0xFFFF:
			c -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xD800+c>>10, 0xDC00+c&0x3FF)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return connectors.Cursor(b.String())
}

// A reader reads the sheets that match a pattern, file by file.
type reader struct {
	*source
	pattern   string
	batchRows int

	// Where reading is: files and sheets are those that are still to come.
	files  []connectors.File
	sheets []sheet
	from   *position // where to go on; nil once its sheet has been found

	file   connectors.File
	book   *workbook
	closer io.Closer
	sheet  sheet
	rows   *rowScanner // nil when there is no more
	layout layout
	last   int64 // the last row read

	first *place // the header that all others must equal
	err   error  // that ended the reading

	// What the batch has collected.
	builder     *connectors.TextBuilder
	rejects     []connectors.Reject
	rejectBytes int
	skipped     int
}

// A place is a sheet with the names of its columns.
type place struct {
	file   connectors.File
	sheet  sheet
	layout layout
}

// resume leaves out what lies before a cursor.
func (r *reader) resume(c connectors.Cursor) error {
	p := &position{}
	decoder := json.NewDecoder(strings.NewReader(string(c)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(p); err != nil || p.File == "" || p.Sheet == "" || p.Row < 0 {
		return &connectors.Error{
			Place: connectors.Place{Resource: r.cfg.Path}, Err: err,
			Message: "the cursor " + schemas.QuoteShort(string(c)) + " is none of a workbook", Hint: "read from the beginning",
		}
	}
	i := slices.IndexFunc(r.files, func(f connectors.File) bool { return f.Name == p.File })
	if i < 0 {
		return &connectors.Error{Place: connectors.Place{Resource: p.File}, Message: "is no longer there, but was not read to its end", Hint: "put it back, or read from the beginning"}
	}
	if r.files[i].Version != p.Version {
		return &connectors.Error{Place: connectors.Place{Resource: p.File}, Message: "has changed since it was read up to row " + fmt.Sprint(p.Row), Hint: "read from the beginning: rows that are unchanged cost nothing"}
	}
	r.files, r.from = r.files[i:], p
	return nil
}

// nextSheet begins the next sheet, of the next file where need be.
func (r *reader) nextSheet(ctx context.Context) error {
	r.rows = nil
	for len(r.sheets) == 0 {
		if err := r.Close(); err != nil {
			return err
		}
		if len(r.files) == 0 {
			return nil
		}
		if err := r.nextFile(ctx); err != nil {
			return err
		}
	}
	r.sheet, r.sheets = r.sheets[0], r.sheets[1:]
	l, rows, err := r.begin(ctx, r.book, r.file, r.sheet)
	switch {
	case err != nil:
		return err
	case rows == 0:
		return noRows(r.file, r.sheet)
	}
	r.layout, r.last = l, l.header
	if r.first == nil {
		r.first = &place{r.file, r.sheet, l}
		r.builder = connectors.NewTextBuilder(l.names)
	} else if err := r.sameHeader(); err != nil {
		return err
	}
	if r.from != nil {
		r.last = max(r.last, r.from.Row)
		r.from = nil
	}
	r.rows, err = r.book.openRows(ctx, r.sheet)
	return at(err, sheetPlace(r.file, r.sheet))
}

func (r *reader) nextFile(ctx context.Context) error {
	var err error
	r.file, r.files = r.files[0], r.files[1:]
	if r.book, r.closer, err = r.open(ctx, r.file); err != nil {
		return err
	}
	if r.sheets, err = r.book.selectSheets(r.pattern, r.cfg.Hidden); err != nil {
		return at(err, resource(r.file))
	}
	if r.from == nil {
		return nil
	}
	i := slices.IndexFunc(r.sheets, func(sh sheet) bool { return sh.name == r.from.Sheet })
	if i < 0 {
		return &connectors.Error{
			Place: resource(r.file), Message: "the cursor stands in the sheet " + schemas.QuoteShort(r.from.Sheet) + ", which is not the one to read",
			Hint: "its sheets are " + strings.Join(sheetNames(r.sheets), ", "),
		}
	}
	r.sheets = r.sheets[i:]
	return nil
}

// sameHeader holds the columns of a sheet to those of the first one, since a
// value in the wrong column would be taken for what it is not.
func (r *reader) sameHeader() error {
	names, want := r.layout.names, r.first.layout.names
	if slices.Equal(names, want) {
		return nil
	}
	column := 0
	for column < len(names) && column < len(want) && names[column] == want[column] {
		column++
	}
	called := func(names []string) string {
		if column < len(names) {
			return schemas.QuoteShort(names[column])
		}
		return "not there"
	}
	p := sheetPlace(r.file, r.sheet)
	p.Row = r.layout.header
	if p.Row > 0 {
		p.Cell = connectors.CellAddress(column, p.Row)
	}
	return &connectors.Error{
		Place: p,
		Message: fmt.Sprintf("the header differs from that of %s: this column is %s, there it is %s",
			sheetPlace(r.first.file, r.first.sheet), called(names), called(want)),
		Hint: "read files with different columns in pipelines of their own",
	}
}

// Next returns the next batch, of one sheet. Once it has failed it goes on
// failing, since it may have stopped in the middle of a row.
func (r *reader) Next(ctx context.Context) (*connectors.Batch, error) {
	for r.err == nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r.rows == nil {
			if r.err = r.nextSheet(ctx); r.err == nil && r.rows == nil {
				r.err = io.EOF
			}
			continue
		}
		r.rows.part.ctx = ctx
		more, err := r.fill()
		if err != nil {
			r.err = at(err, sheetPlace(r.file, r.sheet))
			continue
		}
		batch := r.batch()
		if !more {
			// The next sheet is begun when it is asked for: what is wrong with it
			// must not cost the last rows of this one.
			r.rows = nil
		}
		if batch != nil {
			return batch, nil
		}
	}
	return nil, r.err
}

// fill collects rows until the batch is full, and reports false at the end of
// the sheet.
func (r *reader) fill() (more bool, err error) {
	for !r.builder.Full(r.batchRows) && len(r.rejects) < r.batchRows && r.rejectBytes < connectors.MaxBatchBytes {
		ok, err := r.rows.next()
		if err != nil || !ok {
			return false, err
		}
		if r.rows.rowNumber <= r.last || r.rows.filled == 0 {
			continue
		}
		// Blank rows count when data comes behind them, whether the workbook
		// says that they are there or leaves them out: they look the same.
		r.skipped += int(r.rows.rowNumber - r.last - 1)
		r.last = r.rows.rowNumber
		r.add()
	}
	return true, nil
}

// add takes the row that was read into the batch, or rejects it.
func (r *reader) add() {
	row, names := r.rows, r.layout.names
	if row.fault == nil && row.filled > len(names) {
		column := len(names)
		for blank(row.cellText(row.cells[column])) {
			column++
		}
		row.fault = &fault{column: column, rule: "ragged_row", message: "stands to the right of the last header: clear it, or give its column a header"}
	}
	if row.fault != nil {
		r.rejects = append(r.rejects, r.reject(row))
		return
	}
	for column := range names {
		if column >= len(row.cells) {
			r.builder.Cell(column, nil, connectors.TextCell)
			continue
		}
		c := row.cells[column]
		r.builder.Cell(column, row.cellText(c), c.kind)
	}
	r.builder.EndRow(row.rowNumber)
}

// reject keeps what was read of the row, for whoever mends it.
func (r *reader) reject(row *rowScanner) connectors.Reject {
	f := row.fault
	reject := connectors.Reject{
		Row: row.rowNumber, Column: f.column, Rule: f.rule, Message: f.message,
		Value: schemas.Shorten(string(row.cellText(row.cells[f.column]))),
		Cells: make([]string, 0, row.filled),
	}
	left := connectors.MaxRejectBytes - len(reject.Value)
	for _, c := range row.cells[:row.filled] {
		value := row.cellText(c)
		if len(value) > left {
			value = bytes.ToValidUTF8(value[:left], nil)
		}
		reject.Cells = append(reject.Cells, string(value))
		left -= len(value)
	}
	r.rejectBytes += connectors.MaxRejectBytes - left
	return reject
}

// batch hands over what was collected, nil where it is nothing.
func (r *reader) batch() *connectors.Batch {
	if r.builder.Len()+len(r.rejects) == 0 {
		return nil
	}
	b := r.builder.Build()
	b.Origin.Resource, b.Origin.Version = r.file.Name, r.file.Version
	b.Origin.Part, b.Origin.Cells = r.sheet.name, true
	b.Rejects, b.Skipped = r.rejects, r.skipped
	r.rejects, r.rejectBytes, r.skipped = nil, 0, 0
	b.Cursor = position{File: r.file.Name, Version: r.file.Version, Sheet: r.sheet.name, Row: r.last}.cursor()
	b.Size = r.file.Size
	if p := r.rows.part; p.packedSize > 0 {
		b.Done = min(b.Size, int64(float64(b.Size)*float64(p.packed.n)/float64(p.packedSize)))
	}
	return b
}

// Ack does nothing: a file does not mind being read again.
func (r *reader) Ack(context.Context, connectors.Cursor) error { return nil }

// Close closes the workbook that is open.
func (r *reader) Close() error {
	if r.closer == nil {
		return nil
	}
	err := r.closer.Close()
	r.closer, r.book, r.rows = nil, nil, nil
	return err
}
