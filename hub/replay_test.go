package hub_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/connectors"
	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/schemas"
)

// parkedRow makes an open row of a.csv: parkedRow(7, "A-1;Mutter;").
func parkedRow(number int64, line string) *journal.Row {
	r := &journal.Row{
		Pipeline: "acme", Entity: "product", Status: journal.OpenRow, Attempts: 1,
		Place: connectors.Place{Resource: "a.csv", Row: number},
		Cells: journal.Cells{Names: header, Whole: true},
		Findings: []journal.Finding{{
			Rule: "required", Severity: schemas.Reject, Field: "name.en", Message: "is empty, but required", Position: 1, Header: "Name",
		}},
	}
	for cell := range strings.SplitSeq(line, ";") {
		r.Cells.Values = append(r.Cells.Values, &cell)
		if cell == "" {
			r.Cells.Values[len(r.Cells.Values)-1] = nil
		}
	}
	return r
}

// park puts rows into the error queue as a run would that goes on.
func (b *bench) park(t *testing.T, run string, rows ...*journal.Row) {
	t.Helper()
	err := b.Journal().Begin(t.Context(), journal.Run{
		ID: run, Pipeline: rows[0].Pipeline, Entity: rows[0].Entity, Cause: "command", Status: journal.Running,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		r.Run = run
	}
	n := int64(len(rows))
	if err := b.Journal().Commit(t.Context(), journal.Claim{Run: run}, journal.Commit{Counts: journal.Counts{Read: n, Rejected: n}, Parked: rows}); err != nil {
		t.Fatal(err)
	}
}

// writeKnown writes a pipeline that the journal knows where to find.
func (b *bench) writeKnown(t *testing.T, text string) {
	t.Helper()
	p := b.write(t, text)
	if err := b.Journal().Register(t.Context(), p.Name, p.File); err != nil {
		t.Fatal(err)
	}
}

// replay replays all and returns read, applied, unchanged, rejected, skipped.
func (b *bench) replay(t *testing.T) [5]int64 {
	t.Helper()
	summaries, err := b.Replay(t.Context(), journal.ErrorFilter{}, nil)
	if err != nil || len(summaries) != 1 {
		t.Fatalf("Replay = %+v, %v; want one summary", summaries, err)
	}
	return counts(summaries[0].Counts)
}

// statuses returns what became of rows: "r1:2 replayed".
func (b *bench) statuses(t *testing.T) []string {
	t.Helper()
	var got []string
	for _, status := range []journal.RowStatus{journal.OpenRow, journal.ReplayedRow, journal.DiscardedRow, journal.SupersededRow} {
		err := b.Journal().EachRow(t.Context(), journal.ErrorFilter{Status: status}, func(r *journal.Row) error {
			rules := ""
			if status == journal.OpenRow {
				for _, f := range r.Findings {
					rules += " " + f.Rule
				}
			}
			got = append(got, fmt.Sprintf("%s:%d %s%s", r.Run, r.Place.Row, status, rules))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(got)
	return got
}

func (b *bench) wantStatuses(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, b.statuses(t)); diff != "" {
		t.Errorf("rows (-want +got)\n%s", diff)
	}
}

// knowing is a shelf that knows whatever is referred to.
type knowing struct{ *shelf }

func (k knowing) Known(_ context.Context, _ string, keys []string) ([]bool, error) {
	return slices.Repeat([]bool{true}, len(keys)), nil
}

const stockText = `pipeline: acme
source: { connector: memory, path: a.csv }
entity: stock_level
map: { sku: Nr, warehouse: Name, on_hand: EAN }
`

func TestReplayKeepsBackDuplicatesOfTheKeyAlone(t *testing.T) {
	const gtin = "4006381333931"
	for _, tt := range []struct {
		name, text, mended string
		lines              []string
		refuse             string
		want               [5]int64
	}{
		{
			"a rule over another field that is dropped", pipelineText + "rules: [{ unique: gtin }]\n", pipelineText,
			[]string{"A-1;Mutter;" + gtin, "A-2;Keil;" + gtin},
			"",
			[5]int64{1, 1, 0, 0, 0},
		},
		{
			"a warning of a row that was refused for something else", pipelineText + "rules: [{ unique: gtin, severity: warn }]\n", "",
			[]string{"A-1;Mutter;" + gtin, "A-2;Keil;" + gtin},
			"A-2",
			[5]int64{1, 1, 0, 0, 0},
		},
		{
			"the key", pipelineText, "",
			[]string{"A-1;Mutter;", "A-1;Keil;"},
			"",
			[5]int64{1, 0, 0, 1, 0},
		},
		{
			"a key of two fields", stockText, "",
			[]string{"A-1;W-1;5", "A-1;W-1;7"},
			"",
			[5]int64{1, 0, 0, 1, 0},
		},
		{
			"a rule over two fields that are not the key", stockText + "rules: [{ unique: [sku, on_hand] }]\n", stockText,
			[]string{"A-1;W-1;5", "A-1;W-2;5"},
			"",
			[5]int64{1, 1, 0, 0, 0},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.lines...)
			b.Targets["catalog"], b.Targets["inventory"] = knowing{b.shelf}, knowing{b.shelf}
			b.shelf.refuse = tt.refuse
			s, err := b.Run(t.Context(), b.write(t, tt.text), hub.Options{})
			if err != nil || s.Rejected != 1 {
				t.Fatalf("Run = %+v, %v; want 1 rejected", s, err)
			}
			b.shelf.refuse = ""
			if tt.mended != "" {
				b.write(t, tt.mended)
			}
			if got := b.replay(t); got != tt.want {
				t.Errorf("replay = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestADuplicateIsStillOneWhenItsKeyWasUnreadableMeanwhile(t *testing.T) {
	b := newBench(t, "A-1;Mutter;", "A-1;Keil;")
	if _, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{}); err != nil {
		t.Fatal(err)
	}
	b.write(t, strings.Replace(pipelineText, "sku: Nr", "sku: EAN", 1))
	if got := b.replay(t); got != [5]int64{1, 0, 0, 1, 0} {
		t.Errorf("replay without a key = %v, want it rejected", got)
	}
	b.write(t, pipelineText)
	if got := b.replay(t); got != [5]int64{1, 0, 0, 1, 0} {
		t.Errorf("replay = %v, want it rejected: it would overwrite row 2 unseen", got)
	}
}

func TestOfRowsWithOneKeyTheNewestRunsIsReplayed(t *testing.T) {
	b := newBench(t)
	b.park(t, "r1", parkedRow(2, "A-1;Old;"), parkedRow(3, "A-2;Old;"), parkedRow(4, "A-3;Once;"))
	b.park(t, "r2", parkedRow(5, "A-1;New;"), parkedRow(6, "A-1;Again;"), parkedRow(7, "A-2;;"))
	b.writeKnown(t, pipelineText)
	if got := b.replay(t); got != [5]int64{6, 2, 0, 2, 2} {
		t.Errorf("replay = %v, want A-1 and A-3 applied, the second A-1 and the newer A-2 rejected, and the older ones skipped", got)
	}
	b.wantStatuses(t, "r1:2 superseded", "r1:3 superseded", "r1:4 replayed",
		"r2:5 replayed", "r2:6 open unique", "r2:7 open required")
	if b.shelf.rows["A-1"] == 0 || b.shelf.rows["A-2"] != 0 {
		t.Errorf("service has %v, want A-1 and not A-2", b.shelf.rows)
	}
}

func TestRowsWithoutAKeyOfTheirOwnRunsDoNotSupersedeEachOther(t *testing.T) {
	b := newBench(t)
	b.park(t, "r1", parkedRow(2, ";Mutter;"))
	b.park(t, "r2", parkedRow(2, ";Keil;"))
	b.writeKnown(t, pipelineText)
	if got := b.replay(t); got != [5]int64{2, 0, 0, 2, 0} {
		t.Errorf("replay = %v, want both rejected", got)
	}
}

func TestReplayTellsRowsOfOneNumberApart(t *testing.T) {
	b := newBench(t)
	b.park(t, "r1", parkedRow(2, "A-1;Mutter;"))
	b.park(t, "r2", parkedRow(2, "A-2;Keil;4006381333932"))
	b.writeKnown(t, pipelineText)
	if got := b.replay(t); got != [5]int64{2, 1, 0, 1, 0} {
		t.Errorf("replay = %v, want one applied and one rejected", got)
	}
	b.wantStatuses(t, "r1:2 replayed", "r2:2 open gtin")
}

func TestARowThatIsClosedDuringTheReplayIsNotApplied(t *testing.T) {
	b := newBench(t)
	second := parkedRow(3, "A-2;Keil;")
	second.Place.Resource = "b.csv" // a batch of its own
	b.park(t, "r1", parkedRow(2, "A-1;Mutter;"), second)
	b.writeKnown(t, pipelineText)
	b.shelf.after = func() {
		if _, err := b.Discard(t.Context(), journal.ErrorFilter{IDs: []int64{2}}, "no use", "kim"); err != nil {
			t.Error(err)
		}
	}
	if got := b.replay(t); got != [5]int64{1, 1, 0, 0, 0} {
		t.Errorf("replay = %v, want the first row alone", got)
	}
	b.wantStatuses(t, "r1:2 replayed", "r1:3 discarded")
	if len(b.shelf.rows) != 1 {
		t.Errorf("service has %v, want A-1 alone", b.shelf.rows)
	}
}

func TestReplaySupersedesWhatTheFilterNowPassesOver(t *testing.T) {
	b := newBench(t, "A-1;;", "T-2;;")
	if _, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{}); err != nil {
		t.Fatal(err)
	}
	b.write(t, pipelineText+`filter: 'Nr startsWith "A"'`+"\n")
	if got := b.replay(t); got != [5]int64{2, 0, 0, 1, 1} {
		t.Errorf("replay = %v, want one rejected and one skipped", got)
	}
	for _, status := range b.statuses(t) {
		if strings.Contains(status, "replayed") {
			t.Errorf("%s, though nothing was applied", status)
		}
	}
}

func TestADuplicateThatTheFilterPassesOverIsAccountedForOnce(t *testing.T) {
	b := newBench(t, "A-1;Mutter;", "A-1;Keil;")
	if _, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{}); err != nil {
		t.Fatal(err)
	}
	b.write(t, pipelineText+`filter: 'Name != "Keil"'`+"\n")
	if got := b.replay(t); got != [5]int64{1, 0, 0, 0, 1} {
		t.Errorf("replay = %v, want it skipped", got)
	}
}

func TestAnUncutRowStaysAsItIs(t *testing.T) {
	b := newBench(t, "only;two")
	if _, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{}); err != nil {
		t.Fatal(err)
	}
	before, err := b.Journal().RowOf(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.replay(t); got != [5]int64{1, 0, 0, 1, 0} {
		t.Errorf("replay = %v, want it rejected", got)
	}
	after, err := b.Journal().RowOf(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before.Findings, after.Findings); diff != "" {
		t.Errorf("findings (-before +after)\n%s", diff)
	}
}

// heap returns the bytes that are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// largeRows makes rows of 20 KiB each.
func largeRows(n int) []*journal.Row {
	rows := make([]*journal.Row, n)
	for i := range rows {
		rows[i] = parkedRow(int64(i+2), fmt.Sprintf("A-%d;%s;4006381333932", i+1, strings.Repeat("Mutter ", 3_000)))
	}
	return rows
}

// queueBytes is more than a replay or an export may have in memory.
const queueBytes = 40 << 20

func TestReplayHoldsNoMoreThanAFewBatches(t *testing.T) {
	b := newBench(t)
	b.park(t, "r1", largeRows(queueBytes/20_000)...)
	b.writeKnown(t, strings.Replace(pipelineText, "name.en: Name", "name.en: { expr: 'Nr' }", 1))
	start, most := heap(), int64(0)
	progress := func(hub.Progress) { most = max(most, heap()-start) }
	if _, err := b.Replay(t.Context(), journal.ErrorFilter{}, &hub.ReplayOptions{Progress: progress}); err != nil {
		t.Fatal(err)
	}
	if most > queueBytes/2 {
		t.Errorf("%d MiB in use, of %d MiB parked", most>>20, queueBytes>>20)
	}
}
