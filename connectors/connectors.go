// Package connectors is the contract by which rows enter and leave: what a
// [Source] is, what a [Batch] of rows as read looks like, and where each of
// its cells came from. One folder beneath it holds one kind of system.
//
//	Type ──New(settings)──> Source ──Open(cursor)──> Reader ──Next──> Batch, Batch, ... io.EOF
//	                                                   └──Ack(cursor)   after rows, rejections and cursor are safe
//
// The contract is pull: whoever reads asks for the next batch when it has room
// for it, so that back-pressure is the loop itself. Every connector passes the
// suite in connectortest.
package connectors

import (
	"context"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
)

// A Source is one configured external system, or set of files, to read from.
type Source interface {
	// Check probes the source step by step and reports each step, the first
	// failed one last. It reads no more than a sample.
	Check(ctx context.Context) []Probe
	// Discover lists the streams that can be opened, with their columns.
	Discover(ctx context.Context) ([]Stream, error)
	// Open begins to read one stream behind the cursor of the request. What it
	// and the reader return as errors are *Error where a user can act on them.
	Open(ctx context.Context, req ReadRequest) (Reader, error)
}

// A Probe is one step of a check: files, dns, tls, auth, permission, sample.
type Probe struct {
	Name   string // what was tried
	Detail string // what was found
	Err    error  // nil when the step passed
}

// A Stream is one sequence of rows that a source offers: the files of a
// pattern, a sheet, a table.
type Stream struct {
	Name    string   // as ReadRequest names it; "" where there is one only
	Columns []string // in source order
	// Rereadable tells that the stream yields the same rows when opened again,
	// so that the whole of it can be checked before the target is touched.
	Rereadable bool
	// Sparse tells that Columns are the members that the rows happen to have,
	// so that those of the next file may well be others.
	Sparse bool
}

// A ReadRequest says what to read.
type ReadRequest struct {
	Stream    string
	Cursor    Cursor // zero: from the beginning
	BatchRows int    // most rows in a batch; 0: 8,000
}

// A Reader reads one stream, oldest rows first. Next is called by one
// goroutine, and Ack may be called by another beside it.
type Reader interface {
	// Next returns the next batch, which then is the caller's, and io.EOF when
	// the stream is exhausted. It returns within a second of ctx ending.
	Next(ctx context.Context) (*Batch, error)
	// Ack tells the system that everything up to the cursor is safe with us.
	// It is called only after rows, rejections and cursor are committed.
	Ack(ctx context.Context, c Cursor) error
	Close() error
}

// A Cursor says where to go on. It is opaque to all but the connector that
// made it, printable, and holds no secret.
type Cursor string

// A Batch holds rows as read: text as the source wrote it, before mapping.
// Its memory belongs to the garbage collector; nothing has to be released.
type Batch struct {
	// Rows has one column for each column of the source, under its name there.
	// Text sources fill utf8 columns, in which a null is an empty cell.
	Rows arrow.RecordBatch

	// Kinds tells, column by column and row by row, how the source typed its
	// cells. A nil column is all text.
	Kinds [][]Kind

	Origin  Origin
	Rejects []Reject // rows that could not be cut into cells; they are not in Rows
	Skipped int      // blank rows passed over; they are not in Rows
	Cursor  Cursor   // valid behind this batch

	// Done of Size bytes of the source are read, for progress; a Size of 0 is unknown.
	Done, Size int64
}

// Read counts the source rows that the batch accounts for.
func (b *Batch) Read() int { return int(b.Rows.NumRows()) + len(b.Rejects) + b.Skipped }

// KindOf returns how the source typed a cell.
func (b *Batch) KindOf(column, row int) Kind {
	if column >= len(b.Kinds) || b.Kinds[column] == nil {
		return TextCell
	}
	return b.Kinds[column][row]
}

// A Kind is how the source typed a cell.
type Kind uint8

// The kinds of cells.
const (
	TextCell    Kind = iota // also an empty cell: null, which clears
	NumberCell              // a number: it has lost its leading zeros, if it had any
	BooleanCell             // true or false
	DateCell                // a date or time, carried as RFC 3339 text, with a zone only where the source has one
	AbsentCell              // not sent at all, as a member that a JSON object lacks: keeps
)

// An Origin says where the rows of a batch came from.
type Origin struct {
	Resource string // what a user calls it: a path, an address
	Version  string // content or state of the resource: a hash, an etag, size and time
	Part     string // sheet, archive member, path in a document
	Cells    bool   // rows and columns are those of a spreadsheet, addressed as C17

	// Rows holds for each row of the batch its number as the user sees it:
	// from 1, a header counted, the line a row begins on in a text file.
	Rows []int64
}

// A Place is where one row, or one cell of it, stands.
type Place struct {
	Resource string `json:"resource"`
	Part     string `json:"part"`
	Row      int64  `json:"row"`
	Column   string `json:"column"` // the header, or the number of the column where there is none
	Cell     string `json:"cell"`   // C17 in a spreadsheet
}

// String writes the place as compilers do: prices.xlsx:Prices!C17, orders.csv:17:price.
func (p Place) String() string {
	s := p.Resource
	switch {
	case p.Cell != "" && p.Part != "":
		return s + ":" + p.Part + "!" + p.Cell
	case p.Part != "":
		s += ":" + p.Part
	}
	if p.Row > 0 {
		s += ":" + strconv.FormatInt(p.Row, 10)
	}
	if p.Column != "" {
		s += ":" + p.Column
	}
	return s
}

// Place returns where a row stands, and the cell under header where column,
// counted from 0, is not negative.
func (o *Origin) Place(row int64, column int, header string) Place {
	p := Place{Resource: o.Resource, Part: o.Part, Row: row}
	if column >= 0 {
		p.Column = header
		if o.Cells {
			p.Cell = CellAddress(column, row)
		}
	}
	return p
}

// CellAddress returns the address of a spreadsheet cell, its column counted
// from 0 and its row from 1: (2, 17) is C17.
func CellAddress(column int, row int64) string {
	var letters []byte
	for n := column + 1; n > 0; n = (n - 1) / 26 {
		letters = append([]byte{byte('A' + (n-1)%26)}, letters...)
	}
	return string(strconv.AppendInt(letters, row, 10))
}

// A Reject is a row of the source that the reader could not decode.
type Reject struct {
	Row     int64    // as in Origin.Rows
	Column  int      // the column at fault, from 0, or -1
	Rule    string   // stable name: ragged_row, encoding, ...
	Value   string   // what was found there, cut to a bounded length
	Message string   // what is wrong and what to do, as a clause
	Cells   []string // the row as far as it was read, by column; at most MaxRejectBytes in all
}

// MaxRejectBytes bounds what is kept of a row that could not be decoded.
const MaxRejectBytes = 64 << 10

// A Class says what becomes of a failure.
type Class uint8

// The classes of failures. A row that alone is at fault is a Reject instead.
const (
	Terminal  Class = iota // stop and say so: nothing is parked
	Transient              // try again with back-off
)

// An Error is a failure of a source that a user can act on.
type Error struct {
	Class   Class
	Place   Place
	Message string // what is wrong, as a clause
	Hint    string // what to do, or ""
	Err     error  // the cause, or nil
}

// Error returns place, message and cause in one line, without the hint.
func (e *Error) Error() string {
	s := e.Message
	if place := e.Place.String(); place != "" {
		s = place + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
