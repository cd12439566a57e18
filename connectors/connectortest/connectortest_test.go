package connectortest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossdock/connectors"
)

// A listSource yields numbered rows from memory. Its faults are those that the
// suite must find.
type listSource struct {
	rows  int
	fault string
	hoard [][]byte
}

const rejectedRow, blankRow = 4, 6

func (s *listSource) Check(context.Context) []connectors.Probe {
	switch s.fault {
	case "no probes":
		return nil
	case "check fails":
		return []connectors.Probe{{Name: "sample", Err: errors.New("no sample")}}
	}
	return []connectors.Probe{{Name: "sample"}}
}

func (s *listSource) Discover(context.Context) ([]connectors.Stream, error) {
	columns := []string{"id", "name"}
	if s.fault == "other columns" {
		columns = columns[:1]
	}
	return []connectors.Stream{{Name: "list", Columns: columns, Rereadable: true}}, nil
}

func (s *listSource) Open(_ context.Context, req connectors.ReadRequest) (connectors.Reader, error) {
	next := 1
	if req.Cursor != "" {
		n, err := strconv.Atoi(string(req.Cursor))
		switch {
		case err != nil && s.fault == "takes any cursor":
			n = 1
		case err != nil && s.fault == "error without advice":
			return nil, err
		case err != nil && s.fault == "panics":
			panic("no cursor")
		case err != nil:
			return nil, &connectors.Error{Message: "the cursor is none of ours", Err: err}
		}
		next = n
		switch s.fault {
		case "loses a row at resume":
			next++
		case "doubles a row at resume":
			next--
		}
	}
	rows := req.BatchRows
	if rows == 0 {
		rows = 100
	}
	return &listReader{s, next, rows, nil}, nil
}

type listReader struct {
	src       *listSource
	next      int
	batchRows int
	err       error
}

func (r *listReader) Ack(context.Context, connectors.Cursor) error { return nil }

func (r *listReader) Close() error { return nil }

func (r *listReader) Next(ctx context.Context) (*connectors.Batch, error) {
	switch r.src.fault {
	case "never looks at its context":
	case "stuck":
		<-ctx.Done()
		return nil, ctx.Err()
	case "sleeps":
		time.Sleep(3 * time.Second)
	default:
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	if r.next > r.src.rows {
		if r.src.fault == "reads on behind the end" {
			r.next = 1
		}
		return nil, io.EOF
	}
	return r.batch(), nil
}

func (r *listReader) batch() *connectors.Batch {
	fault := r.src.fault
	names := []string{"id", "name"}
	if fault == "a column too many" {
		names = append(names, "more")
	}
	b := connectors.NewTextBuilder(names)
	var rejects []connectors.Reject
	skipped := 0
	limit := r.batchRows
	if fault == "batches too large" {
		limit *= 2
	}
	for ; r.next <= r.src.rows && b.Len()+len(rejects)+skipped < limit; r.next++ {
		switch {
		case r.next == rejectedRow:
			rejects = append(rejects, rejectOf(fault))
		case r.next == blankRow && fault != "does not count blank rows":
			skipped++
		case r.next == blankRow, r.next == 7 && fault == "loses a row":
		default:
			r.add(b, r.next)
		}
	}
	batch := b.Build()
	batch.Origin.Resource, batch.Rejects, batch.Skipped = "list", rejects, skipped
	batch.Cursor, batch.Done, batch.Size = connectors.Cursor(strconv.Itoa(r.next)), int64(r.next-1), int64(r.src.rows)
	switch fault {
	case "no resource":
		batch.Origin.Resource = ""
	case "no cursor":
		batch.Cursor = ""
	case "a cursor that cannot be printed":
		batch.Cursor += "\x00"
	case "rows without origin":
		batch.Origin.Rows = nil
	case "progress goes back":
		batch.Done = -batch.Done
	case "kinds of other length":
		batch.Kinds[0] = make([]connectors.Kind, 1+batch.Rows.NumRows())
	case "hoards":
		r.src.hoard = append(r.src.hoard, make([]byte, 1<<20))
	}
	return batch
}

func (r *listReader) add(b *connectors.TextBuilder, row int) {
	name := fmt.Sprintf("name %d", row)
	if r.src.fault == "text that is not UTF-8" && row == 3 {
		name = "\xff"
	}
	b.Cell(0, []byte(strconv.Itoa(row)), connectors.TextCell)
	if row == 2 {
		b.Cell(1, nil, connectors.TextCell)
	} else {
		b.Cell(1, []byte(name), connectors.TextCell)
	}
	if r.src.fault == "a column too many" {
		b.Cell(2, nil, connectors.TextCell)
	}
	number := int64(row)
	if r.src.fault == "rows out of order" {
		number = 100 - number
	}
	b.EndRow(number)
}

func rejectOf(fault string) connectors.Reject {
	reject := connectors.Reject{Row: rejectedRow, Column: 1, Rule: "ragged_row", Message: "has too few cells", Cells: []string{"4"}}
	switch fault {
	case "a reject without a row":
		reject.Row = 0
	case "a reject without a rule":
		reject.Rule = ""
	case "a reject that keeps too much":
		reject.Cells = []string{strings.Repeat("x", connectors.MaxRejectBytes+1)}
	case "a reject that is not UTF-8":
		reject.Cells = []string{"\xff"}
	}
	return reject
}

func listHarness(fault string) Harness {
	type config struct {
		Rows string `json:"rows" doc:"How many." required:"true" example:"10"`
	}
	stuck := "stuck"
	if fault == "sleeps" {
		stuck, fault = fault, ""
	}
	open := func(rows int) func(testing.TB) connectors.Source {
		return func(testing.TB) connectors.Source { return &listSource{rows: rows, fault: fault} }
	}
	h := Harness{
		Type:    connectors.Define("list", "Counts.", func(config, connectors.Env) (connectors.Source, error) { return nil, nil }),
		New:     open(9),
		Stream:  "list",
		Columns: []string{"id", "name"},
		Rejects: []Reject{{Place: "list:4", Rule: "ragged_row"}},
		Skipped: 1,
		Large:   open(50_000), LargeRows: 50_000,
		Stuck: func(testing.TB) connectors.Source {
			return &listSource{rows: 9, fault: stuck}
		},
		BatchRows: 2,
	}
	for _, row := range []int{1, 2, 3, 5, 7, 8, 9} {
		name := fmt.Sprintf("name %d", row)
		if row == 2 {
			name = Null
		}
		h.Rows = append(h.Rows, Row{Place: "list:" + strconv.Itoa(row), Cells: []string{strconv.Itoa(row), name}})
	}
	return h
}

func TestSuitePassesWhatKeepsTheContract(t *testing.T) {
	h := listHarness("")
	h.Malformed = []Malformed{{
		Name:    "refused",
		New:     func(testing.TB) connectors.Source { return refusing{&listSource{}} },
		Message: "is broken",
	}}
	Run(t, h)
}

type refusing struct{ connectors.Source }

func (refusing) Open(context.Context, connectors.ReadRequest) (connectors.Reader, error) {
	return nil, &connectors.Error{Message: "is broken"}
}

// A recorder takes what a check reports instead of failing the test.
type recorder struct {
	testing.TB
	reports []string
}

// stop is what the recorder panics with where a test would end.
type stop struct{}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.reports = append(r.reports, fmt.Sprintf(format, args...))
}

func (r *recorder) Error(args ...any) { r.reports = append(r.reports, fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(stop{})
}

func (r *recorder) Fatal(args ...any) {
	r.Error(args...)
	panic(stop{})
}

// recorded runs a check and returns what it reports.
func recorded(t *testing.T, check func(testing.TB, Harness), h Harness) []string {
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(stop{}) {
				panic(p)
			}
		}()
		check(r, h)
	}()
	return r.reports
}

func TestSuiteFindsWhatBreaksTheContract(t *testing.T) {
	for _, tt := range []struct {
		fault string
		check func(testing.TB, Harness)
		want  string
	}{
		{"no probes", checkProbes, "Check reports no probe"},
		{"check fails", checkProbes, "no sample"},
		{"other columns", checkDiscover, "columns (-want +got)"},
		{"loses a row", checkRows, "the whole: rows"},
		{"does not count blank rows", checkRows, "the whole: 0 rows skipped, want 1"},
		{"a column too many", checkRows, `a column "more" that the harness does not know`},
		{"rows without origin", checkRows, "Origin.Rows has 0"},
		{"batches too large", checkBatches, "2 were asked for"},
		{"no resource", checkBatches, "does not name its resource"},
		{"no cursor", checkBatches, "a batch has no cursor"},
		{"a cursor that cannot be printed", checkBatches, "is not printable"},
		{"rows out of order", checkBatches, "comes after row"},
		{"progress goes back", checkBatches, "progress went from"},
		{"kinds of other length", checkBatches, "rows but"},
		{"text that is not UTF-8", checkBatches, "a cell is not UTF-8"},
		{"a reject without a row", checkBatches, "a reject needs row, rule and message"},
		{"a reject without a rule", checkBatches, "a reject needs row, rule and message"},
		{"a reject that keeps too much", checkBatches, "keeps 65537 bytes"},
		{"a reject that is not UTF-8", checkBatches, "a cell that is not UTF-8"},
		{"loses a row at resume", checkResume, "behind 3: rows"},
		{"doubles a row at resume", checkResume, "behind 3: rows"},
		{"loses a row at resume", checkRestarts, "restarted after every batch: rows"},
		{"doubles a row at resume", checkRestarts, "restarted after every batch"},
		{"takes any cursor", checkForeignCursor, "cursor nonsense: no error"},
		{"error without advice", checkForeignCursor, "is no *connectors.Error"},
		{"panics", checkForeignCursor, "panic: no cursor"},
		{"reads on behind the end", checkEnd, "want EOF twice"},
		{"never looks at its context", checkCancel, "paid no heed to its context"},
		{"sleeps", checkCancel, "still reading a second after"},
		{"hoards", checkMemory, "the live heap grew by"},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			reports := strings.Join(recorded(t, tt.check, listHarness(tt.fault)), "\n")
			if !strings.Contains(reports, tt.want) {
				t.Errorf("reports are %q, want %q in them", reports, tt.want)
			}
		})
	}
}

func TestSuiteFindsSettingsWithoutWords(t *testing.T) {
	type config struct {
		A string `json:"a"`
		B string `json:"B" doc:"In upper case."`
		C string `json:"c" doc:"Without example." required:"true"`
		D string `json:"d" doc:"Default is no value." default:"x" enum:"y,z"`
	}
	h := Harness{Type: connectors.Define("x", "", func(config, connectors.Env) (connectors.Source, error) { return nil, nil })}
	reports := strings.Join(recorded(t, checkSettings, h), "\n")
	for _, want := range []string{
		"needs a name and a doc of one line", "setting a: the doc tag", `setting "B": the json tag`,
		"setting c: a required setting needs an example", `setting d: the default "x" is none of [y z]`,
	} {
		if !strings.Contains(reports, want) {
			t.Errorf("reports are %q, want %q in them", reports, want)
		}
	}
}

func TestSuiteFindsMalformedInputThatPasses(t *testing.T) {
	for fault, want := range map[string]string{"": "no error", "panics in check": "Check: panic"} {
		m := Malformed{Name: "m", New: func(testing.TB) connectors.Source {
			if fault != "" {
				return panicking{&listSource{}}
			}
			return &listSource{rows: 3}
		}}
		reports := strings.Join(recorded(t, func(t testing.TB, h Harness) { checkMalformed(t, h, m) }, listHarness("")), "\n")
		if !strings.Contains(reports, want) {
			t.Errorf("%s: reports are %q, want %q in them", fault, reports, want)
		}
	}
	m := Malformed{Name: "m", Message: "something else", New: func(testing.TB) connectors.Source { return refusing{&listSource{}} }}
	reports := strings.Join(recorded(t, func(t testing.TB, h Harness) { checkMalformed(t, h, m) }, listHarness("")), "\n")
	if !strings.Contains(reports, `want "something else" in it`) {
		t.Errorf("reports are %q", reports)
	}
}

type panicking struct{ connectors.Source }

func (panicking) Check(context.Context) []connectors.Probe { panic("at the disco") }
