package schemas

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"
)

// A Batch holds rows of one entity in typed columns, ready for the service
// that owns the entity. It is not changed once built, but for Selected.
type Batch struct {
	Entity  *Entity
	Columns []Column          // one for each column of Rows, in its order
	Rows    arrow.RecordBatch // a null clears the field

	// Absent marks, column by column, the rows in which the source did not
	// send the field at all, so that the target keeps what it has. A nil
	// column has none. What Rows holds at such a place is null.
	Absent [][]bool

	// Selected lists the rows that passed, ascending; nil means all of them.
	Selected []int32

	hashes []uint64
}

// Count returns the number of selected rows.
func (b *Batch) Count() int {
	if b.Selected == nil {
		return int(b.Rows.NumRows())
	}
	return len(b.Selected)
}

// Each calls fn with the index of every selected row until fn returns false.
func (b *Batch) Each(fn func(row int) bool) {
	if b.Selected == nil {
		for row := range int(b.Rows.NumRows()) {
			if !fn(row) {
				return
			}
		}
		return
	}
	for _, row := range b.Selected {
		if !fn(int(row)) {
			return
		}
	}
}

// Index returns the position of the column with the name given, or -1.
func (b *Batch) Index(name string) int {
	for i, c := range b.Columns {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// IsAbsent reports whether the source did not send the field in that row.
func (b *Batch) IsAbsent(column, row int) bool {
	return column < len(b.Absent) && b.Absent[column] != nil && b.Absent[column][row]
}

// Text returns the value at a place as people write it, and false where it is
// null or absent: decimals without needless zeros, dates as 2026-11-21, times
// as RFC 3339 in UTC.
func (b *Batch) Text(column, row int) (string, bool) {
	return CellText(b.Rows.Column(column), row)
}

// CellText returns one value of an Arrow column as text, and false where it is null.
func CellText(a arrow.Array, row int) (string, bool) {
	if a.IsNull(row) {
		return "", false
	}
	switch a := a.(type) {
	case *array.String:
		return a.Value(row), true
	case *array.Int64:
		return strconv.FormatInt(a.Value(row), 10), true
	case *array.Decimal64:
		return Decimal(a.Value(row)).String(), true
	case *array.Boolean:
		return strconv.FormatBool(a.Value(row)), true
	case *array.Date32:
		return a.Value(row).ToTime().Format(time.DateOnly), true
	case *array.Timestamp:
		return a.Value(row).ToTime(arrow.Microsecond).Format(time.RFC3339Nano), true
	}
	return a.ValueStr(row), true
}

// KeyText returns the key of a row as people write it, its parts separated by
// " / ", and "" where the batch lacks the whole of it.
func (b *Batch) KeyText(row int) string {
	var parts []string
	empty := true
	for _, f := range b.Entity.Key() {
		text := ""
		if i := b.Index(f.Name); i >= 0 {
			text, _ = b.Text(i, row)
		}
		if text == "" && f.Required {
			return ""
		}
		empty = empty && text == ""
		if text != "" {
			parts = append(parts, text)
		}
	}
	if empty {
		return ""
	}
	return strings.Join(parts, " / ")
}

// Hashes returns for every row, selected or not, a hash of the fields sent and
// their values; fields absent do not count, nor does the order of columns.
// The hash of a row is the same in every process and release. The first call
// computes them all, and must not run beside another.
func (b *Batch) Hashes() []uint64 {
	if b.hashes == nil {
		b.hashes = make([]uint64, b.Rows.NumRows())
		for c := range b.Columns {
			b.hashColumn(c)
		}
	}
	return b.hashes
}

// hashColumn adds what one column contributes to the hash of each row. A sum
// of hashes seeded by column does not depend on their order.
func (b *Batch) hashColumn(c int) {
	seed := xxh3.HashString(b.Columns[c].Name)
	rows := b.Rows.Column(c)
	for row := range b.hashes {
		if b.IsAbsent(c, row) {
			continue
		}
		if rows.IsNull(row) {
			b.hashes[row] += Mix(seed)
			continue
		}
		switch a := rows.(type) {
		case *array.String:
			b.hashes[row] += xxh3.HashStringSeed(a.Value(row), seed)
		case *array.Decimal64:
			b.hashes[row] += Mix(seed ^ Mix(uint64(a.Value(row))))
		case *array.Int64:
			b.hashes[row] += Mix(seed ^ Mix(uint64(a.Value(row))))
		case *array.Timestamp:
			b.hashes[row] += Mix(seed ^ Mix(uint64(a.Value(row))))
		default:
			text, _ := CellText(rows, row)
			b.hashes[row] += xxh3.HashStringSeed(text, seed)
		}
	}
}

// Mix spreads the bits of x over the whole word (the finaliser of SplitMix64).
func Mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// A BatchID names a batch for ever, so that a service can tell a repeat.
type BatchID struct {
	Run  string // the run that delivers it
	Seq  int64  // its number in the run, from 1
	Turn Turn   // in which it is delivered; it does not belong to the name
}

// A Turn is the right to run a pipeline, where several hubs may. Each time that
// it passes to another the number is greater, so that a service can refuse one
// that stood still, was taken for dead, and does not know.
type Turn struct {
	Of     string // the pipeline
	Number int64  // from 1; 0: there is no other hub
}

// ErrOvertaken refuses what is written in a turn that has passed to another hub.
var ErrOvertaken = errors.New("another hub has taken this over, since this one stood still for too long: nothing was written")

// String returns the form in which services remember the batch.
func (id BatchID) String() string { return id.Run + "/" + strconv.FormatInt(id.Seq, 10) }

// An Outcome says what a service did with the selected rows of a batch. Every
// one of them is counted once: Applied + Unchanged + the rows of Rejected with
// severity Reject = Batch.Count().
type Outcome struct {
	Applied   int         `json:"applied"`   // written: created, changed or deleted
	Unchanged int         `json:"unchanged"` // the target held the same already
	Rejected  []Rejection `json:"rejected,omitempty"`

	// What was applied, by kind.
	Created int `json:"created,omitempty"`
	Updated int `json:"updated,omitempty"`
	Deleted int `json:"deleted,omitempty"`
}

// A Severity says what a rule does with the row that breaks it.
type Severity string

// The severities.
const (
	Reject Severity = "reject" // the row is parked
	Warn   Severity = "warn"   // the row goes on; the finding is kept
)

// A Rejection is one thing that is wrong with one row.
type Rejection struct {
	Row      int      `json:"row"`   // index into the record batch, from 0
	Field    string   `json:"field"` // the column concerned, "" for the row as a whole
	Rule     string   `json:"rule"`  // stable name: required, gtin, type, ...
	Severity Severity `json:"severity"`
	Value    string   `json:"value"`   // the value found, cut to a bounded length
	Message  string   `json:"message"` // what is wrong and what would be right, as a clause: "is not a decimal number"
}
