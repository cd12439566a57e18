// Package connectortest is the suite that every connector passes. A connector
// describes itself in a [Harness], over a dataset whose rows are known, and
// calls [Run] from its own test.
//
// The suite never looks inside: it opens, reads, stops, kills and goes on as
// the hub does, and compares the rows that came out with those that are known.
package connectortest

import (
	"testing"

	"crossdock/connectors"
)

// Cells that hold no text, as they are written in [Row.Cells].
const (
	Null   = "<null>"   // empty: clears the field
	Absent = "<absent>" // not sent, or its column is not in the batch: keeps it
)

// A Row is one row that the source must yield.
type Row struct {
	// Place is where the row stands, as Place.String writes it with the part
	// and the row, without a column: products.csv:2, prices.xlsx:Prices:17.
	Place string
	Cells []string // by Harness.Columns; Null and Absent stand for no text
}

// A Reject is one row that the source must refuse.
type Reject struct {
	Place string // as in Row
	Rule  string
}

// A Harness describes one connector, and what it must yield, to the suite.
type Harness struct {
	Type connectors.Type

	// New makes a source over the dataset. It is called for every start and
	// restart, so the dataset is prepared once, before Run, and stays the same.
	New func(t testing.TB) connectors.Source

	Stream  string   // the stream to read; "" where there is one only
	Columns []string // all columns of the stream
	Rows    []Row    // what the source yields, in order; at least six
	Rejects []Reject // what it refuses, in order
	Skipped int      // the blank rows it passes over

	// BatchRows is small enough that the dataset makes several batches. 0 is 2.
	BatchRows int

	// Large makes a source over at least LargeRows rows that together are far
	// larger than HeapBound, the growth of the live heap that reading it may
	// cost (0 is 48 MiB). Where Large is nil, memory is not measured.
	Large     func(t testing.TB) connectors.Source
	LargeRows int64
	HeapBound uint64

	// Stuck makes a source whose next batch does not come: a server that does
	// not answer, a pipe that nobody writes to. Nil where there is no such thing.
	Stuck func(t testing.TB) connectors.Source

	// Malformed are sources over input that is broken as a whole.
	Malformed []Malformed
}

// A Malformed input must end in an error that a user understands.
type Malformed struct {
	Name    string
	New     func(t testing.TB) connectors.Source
	Message string // a part of the error, or of its hint
	Stream  string // "" is that of the harness
}

// Run holds the connector to the contract.
func Run(t *testing.T, h Harness) {
	if h.BatchRows == 0 {
		h.BatchRows = 2
	}
	for _, check := range []struct {
		name string
		run  func(testing.TB, Harness)
	}{
		{"settings are documented", checkSettings},
		{"check passes every probe", checkProbes},
		{"discover lists the stream with its columns", checkDiscover},
		{"all rows and no others are read", checkRows},
		{"batches keep their bounds and tell where rows come from", checkBatches},
		{"reading goes on exactly behind any cursor", checkResume},
		{"a restart after every batch loses and doubles nothing", checkRestarts},
		{"a cursor that is none of ours is refused", checkForeignCursor},
		{"the end stays the end", checkEnd},
		{"reading ends soon after its context", checkCancel},
		{"memory stays bounded", checkMemory},
	} {
		t.Run(check.name, func(t *testing.T) { check.run(t, h) })
	}
	for _, m := range h.Malformed {
		t.Run("malformed: "+m.Name, func(t *testing.T) { checkMalformed(t, h, m) })
	}
}
