package connectors

import (
	"context"
	"io"
	"strings"

	"crossdock/schemas"
)

// A Format is a kind of file in which rows leave.
type Format struct {
	Name      string // as a user writes it: csv
	Doc       string // one line
	Extension string // of file names: .csv
	MediaType string
	Packed    bool // packing it once more gains nothing

	// Create begins a file. The sink does not close w.
	Create func(w io.Writer, l Layout) (Sink, error)
}

// A Layout says what a sink is to hold.
type Layout struct {
	Entity  *schemas.Entity
	Columns []schemas.Column

	// Mark puts the byte order mark before text, without which Excel takes UTF-8
	// for something else.
	Mark bool
	// Raw leaves text as it is where a spreadsheet program would take it for a
	// formula: see Neutral.
	Raw bool
}

// A Sink takes rows to one place in one format.
type Sink interface {
	// Write writes the selected rows of a batch whose columns are those of the
	// layout. Rows that the system refuses come back, by their index in the
	// batch, and are not written; an error ends the sink.
	Write(ctx context.Context, b *schemas.Batch) ([]schemas.Rejection, error)
	// Finish completes what was written; without it there is nothing whole.
	Finish() error
	// Close releases what the sink holds, finished or not.
	Close() error
}

// Neutral keeps spreadsheet programs from taking text for a formula (CWE-1236).
// A number may begin with a sign; anything else that does is quoted by an
// apostrophe.
func Neutral(s string) string {
	if s == "" || !strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return s
	}
	if _, err := schemas.ParseDecimal(strings.ReplaceAll(s, ",", ".")); err == nil {
		return s
	}
	return "'" + s
}
