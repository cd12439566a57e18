package journal_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

func TestMain(m *testing.M) { os.Exit(storetest.With(m).Run()) }

func open(t *testing.T, place store.Place) *journal.Journal {
	t.Helper()
	now := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	clock := func() time.Time { now = now.Add(time.Second); return now }
	j, err := journal.Open(t.Context(), place, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func begin(t *testing.T, j *journal.Journal, id string) {
	t.Helper()
	err := j.Begin(t.Context(), journal.Run{
		ID: id, Pipeline: "acme", Entity: "product", Cause: "command", Status: journal.Running, PipelineFile: "/etc/acme.yaml",
	})
	if err != nil {
		t.Fatal(err)
	}
}

// parked makes a parked row of acme.csv with a finding for each rule.
func parked(run string, row int64, rules ...string) *journal.Row {
	r := &journal.Row{
		Run: run, Pipeline: "acme", Entity: "product", Status: journal.OpenRow, Key: "A-1",
		Place: connectors.Place{Resource: "acme.csv", Row: row},
		Cells: journal.Cells{Names: []string{"Nr", `EAN "neu",`}, Values: []*string{new("A-1"), nil}, Whole: true},
	}
	for _, rule := range rules {
		r.Findings = append(r.Findings, journal.Finding{
			Rule: rule, Severity: schemas.Reject, Field: "gtin", Value: "400", Message: "is wrong", Position: 1, Header: `EAN "neu",`,
		})
	}
	return r
}

func commit(t *testing.T, j *journal.Journal, run string, c journal.Commit) {
	t.Helper()
	if err := j.Commit(t.Context(), journal.Claim{Run: run}, c); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, j *journal.Journal, f journal.ErrorFilter) []journal.Error {
	t.Helper()
	errs, err := j.Errors(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return errs
}

func TestARunCountsItsBatches(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		begin(t, j, "r1")
		commit(t, j, "r1", journal.Commit{Counts: journal.Counts{Read: 5, Applied: 3, Unchanged: 1, Rejected: 1}, Parked: []*journal.Row{parked("r1", 7, "gtin")}})
		commit(t, j, "r1", journal.Commit{Counts: journal.Counts{Read: 2, Applied: 1, Skipped: 1, Warned: 4}})
		if _, err := j.Finish(t.Context(), journal.Claim{Run: "r1"}, journal.Partial, "", []string{"acme.csv"}); err != nil {
			t.Fatal(err)
		}
		got, err := j.Run(t.Context(), "r1")
		if err != nil {
			t.Fatal(err)
		}
		want := journal.Counts{Read: 7, Applied: 4, Unchanged: 1, Rejected: 1, Skipped: 1, Warned: 4}
		if diff := cmp.Diff(want, got.Counts); diff != "" {
			t.Errorf("counts (-want +got)\n%s", diff)
		}
		if got.Status != journal.Partial || got.Batches != 2 || got.Finished.Before(got.Started) {
			t.Errorf("run = %+v", got)
		}
	})
}

func TestACommitThatDoesNotAddUpIsRefusedWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		begin(t, j, "r1")
		err := j.Commit(t.Context(), journal.Claim{Run: "r1"}, journal.Commit{Counts: journal.Counts{Read: 2, Applied: 1}, Parked: []*journal.Row{parked("r1", 7, "gtin")}})
		if err == nil || !strings.Contains(err.Error(), "every_row_is_accounted_for") {
			t.Errorf("Commit error = %v, want the constraint", err)
		}
		if errs := list(t, j, journal.ErrorFilter{}); len(errs) != 0 {
			t.Errorf("parked %d errors in spite of it", len(errs))
		}
	})
}

func TestAnErrorIsPrintedAsTheContractSays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		begin(t, j, "r1")
		commit(t, j, "r1", journal.Commit{Counts: journal.Counts{Read: 1, Rejected: 1}, Parked: []*journal.Row{parked("r1", 7, "gtin")}})
		got, err := json.Marshal(list(t, j, journal.ErrorFilter{}))
		if err != nil {
			t.Fatal(err)
		}
		want := `[{"id":1,"run":"r1","pipeline":"acme","entity":"product","key":"A-1","rule":"gtin","severity":"reject","field":"gtin",` +
			`"value":"400","message":"is wrong","origin":{"resource":"acme.csv","part":"","row":7,"column":"EAN \"neu\",","cell":""},` +
			`"row":{"Nr":"A-1","EAN \"neu\",":null},"status":"open","attempts":1,"group":"g7eskb6z53m","revision":0,"alias":"F-E-012"}]`
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestALaterRunOverTheSameFileSupersedes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		for _, run := range []string{"r1", "r2"} {
			begin(t, j, run)
			commit(t, j, run, journal.Commit{Counts: journal.Counts{Read: 1, Rejected: 1}, Parked: []*journal.Row{parked(run, 7, "gtin")}})
		}
		superseded, err := j.Finish(t.Context(), journal.Claim{Run: "r2"}, journal.Partial, "", []string{"acme.csv"})
		if err != nil || superseded != 1 {
			t.Fatalf("Finish = %d, %v; want 1 superseded", superseded, err)
		}
		open := list(t, j, journal.ErrorFilter{})
		if len(open) != 1 || open[0].Run != "r2" {
			t.Errorf("open = %+v, want that of r2 alone", open)
		}
		if old := list(t, j, journal.ErrorFilter{Status: journal.SupersededRow}); len(old) != 1 || old[0].Run != "r1" {
			t.Errorf("superseded = %+v, want that of r1", old)
		}
	})
}

func TestAReplayedRowThatRemainsKeepsTheIDsOfWhatIsStillWrong(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		begin(t, j, "r1")
		commit(t, j, "r1", journal.Commit{
			Counts: journal.Counts{Read: 2, Rejected: 2},
			Parked: []*journal.Row{parked("r1", 7, "gtin", "length"), parked("r1", 9, "gtin")},
		})
		rows, err := j.Rows(t.Context(), journal.ErrorFilter{})
		if err != nil {
			t.Fatal(err)
		}
		begin(t, j, "r2")
		again := rows[0]
		again.Findings = parked("r2", 7, "url", "gtin").Findings
		commit(t, j, "r2", journal.Commit{
			Counts: journal.Counts{Read: 2, Rejected: 1, Applied: 1}, Remained: []*journal.Row{again}, Settled: []int64{rows[1].ID},
		})
		got := map[string]int64{}
		for _, e := range list(t, j, journal.ErrorFilter{}) {
			got[e.Rule] = e.ID
			if e.Attempts != 2 {
				t.Errorf("attempts = %d, want 2", e.Attempts)
			}
		}
		if diff := cmp.Diff(map[string]int64{"gtin": 1, "url": 4}, got); diff != "" {
			t.Errorf("ids by rule (-want +got)\n%s", diff)
		}
		if done := list(t, j, journal.ErrorFilter{Status: journal.ReplayedRow}); len(done) != 1 || done[0].Origin.Row != 9 {
			t.Errorf("replayed = %+v, want row 9", done)
		}
	})
}

func TestDiscard(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		begin(t, j, "r1")
		commit(t, j, "r1", journal.Commit{Counts: journal.Counts{Read: 1, Rejected: 1}, Parked: []*journal.Row{parked("r1", 7, "gtin")}})
		none := &journal.Row{ID: 99}
		if err := j.Change(t.Context(), journal.Change{Row: none, Discard: true}); !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("discard of row 99 error = %v, want not found", err)
		}
		row, err := j.RowOf(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		discard(t, j, row)
		if err := j.Change(t.Context(), journal.Change{Row: row, Discard: true}); !errors.Is(err, journal.ErrNotOpen) {
			t.Errorf("second discard error = %v, want not open", err)
		}
	})
}

func TestWarningsAreListedApart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		begin(t, j, "r1")
		noted := parked("r1", 7, "expression")
		noted.Status, noted.Findings[0].Severity = journal.NotedRow, schemas.Warn
		commit(t, j, "r1", journal.Commit{Counts: journal.Counts{Read: 1, Applied: 1, Warned: 1}, Parked: []*journal.Row{noted}})
		if errs := list(t, j, journal.ErrorFilter{}); len(errs) != 0 {
			t.Errorf("errors = %+v, want none", errs)
		}
		if warned := list(t, j, journal.ErrorFilter{Severity: schemas.Warn}); len(warned) != 1 || warned[0].Status != journal.NotedRow {
			t.Errorf("warnings = %+v, want one", warned)
		}
	})
}

func TestRestartForgetsWhatTheRunHasDoneAndTakesItOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		begin(t, j, "r1")
		commit(t, j, "r1", journal.Commit{Counts: journal.Counts{Read: 1, Rejected: 1}, Parked: []*journal.Row{parked("r1", 7, "gtin")}})
		if taken, err := j.Restart(t.Context(), journal.Claim{Run: "r1"}); taken || err != nil {
			t.Fatalf("Restart of a run under way = %t, %v; want it left alone", taken, err)
		}
		if err := j.Requeue(t.Context(), journal.Claim{Run: "r1"}); err != nil {
			t.Fatal(err)
		}
		if taken, err := j.Restart(t.Context(), journal.Claim{Run: "r1"}); !taken || err != nil {
			t.Fatalf("Restart = %t, %v; want it taken", taken, err)
		}
		run, err := j.Run(t.Context(), "r1")
		if err != nil || run.Counts != (journal.Counts{}) || run.Status != journal.Running {
			t.Errorf("run = %+v, %v; want it at its beginning", run, err)
		}
		if errs := list(t, j, journal.ErrorFilter{Run: "r1"}); len(errs) != 0 {
			t.Errorf("errors = %+v, want none", errs)
		}
		if taken, err := j.Restart(t.Context(), journal.Claim{Run: "r1"}); taken || err != nil {
			t.Errorf("second Restart = %t, %v; want that it is taken already", taken, err)
		}
	})
}

func TestARunThatHasEndedStaysAsItIs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		begin(t, j, "r1")
		if _, err := j.Finish(t.Context(), journal.Claim{Run: "r1"}, journal.Succeeded, "", nil); err != nil {
			t.Fatal(err)
		}
		if err := j.Requeue(t.Context(), journal.Claim{Run: "r1"}); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Finish(t.Context(), journal.Claim{Run: "r1"}, journal.Stopped, "its process ended", nil); err != nil {
			t.Fatal(err)
		}
		if run, err := j.Run(t.Context(), "r1"); err != nil || run.Status != journal.Succeeded || run.Error != "" {
			t.Errorf("run = %+v, %v; want it succeeded", run, err)
		}
	})
}

func TestRunsWaitInTheOrderOfTheirAcceptance(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		for _, id := range []string{"r1", "r2"} {
			begin(t, j, id)
			if err := j.Requeue(t.Context(), journal.Claim{Run: id}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := j.Restart(t.Context(), journal.Claim{Run: "r1"}); err != nil { // which starts it anew, later than r2
			t.Fatal(err)
		}
		if err := j.Requeue(t.Context(), journal.Claim{Run: "r1"}); err != nil {
			t.Fatal(err)
		}
		runs, err := j.Queued(t.Context())
		if err != nil || len(runs) != 2 || runs[0].ID != "r1" || runs[1].ID != "r2" {
			t.Errorf("Queued = %+v, %v; want r1, r2", runs, err)
		}
	})
}

func TestRunsAreListedNewestFirst(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		for _, id := range []string{"r1", "r2", "r3"} {
			begin(t, j, id)
		}
		runs, err := j.Runs(t.Context(), journal.RunFilter{Limit: 2})
		if err != nil || len(runs) != 2 || runs[0].ID != "r3" || runs[1].ID != "r2" {
			t.Errorf("Runs = %+v, %v; want r3, r2", runs, err)
		}
		if _, err := j.Run(t.Context(), "r9"); !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("Run(r9) error = %v, want not found", err)
		}
		if err := j.Register(t.Context(), "acme", "/etc/acme.yaml"); err != nil {
			t.Fatal(err)
		}
		files, err := j.PipelineFiles(t.Context())
		if err != nil || files["acme"] != "/etc/acme.yaml" {
			t.Errorf("PipelineFiles = %v, %v", files, err)
		}
	})
}

// What a damaged file holds, and keys of any length, are parked all the same,
// and two long keys that differ stay apart.
func TestRowsAreParkedWhateverIsInThem(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		begin(t, j, "r1")
		// A text that does not shrink when it is packed.
		random := rand.New(rand.NewPCG(1, 2))
		long := make([]rune, 5_000)
		for i := range long {
			long[i] = rune(0x4e00 + random.IntN(20_000))
		}
		keys := []string{"A\x00B", "C\xffD", string(long) + "x", string(long) + "y"}
		rows := make([]*journal.Row, len(keys))
		for i, key := range keys {
			r := parked("r1", int64(i+2), "gtin", "length")
			r.Key, r.Findings[0].Value = key, key
			r.Cells.Values = []*string{&key, nil}
			r.Status = journal.WaitingRow
			r.Awaited = []journal.Awaited{{Entity: "category", Key: key}, {Entity: "category", Key: key}, {Entity: "brand", Key: "b"}}
			rows[i] = r
		}
		commit(t, j, "r1", journal.Commit{Counts: journal.Counts{Read: 4, Rejected: 4, Waiting: 4}, Parked: rows})
		got, err := j.Rows(t.Context(), journal.ErrorFilter{Status: journal.WaitingRow})
		if err != nil || len(got) != len(keys) {
			t.Fatalf("%d rows, %v; want %d", len(got), err, len(keys))
		}
		for i, r := range got {
			if r.ID != rows[i].ID || len(r.Findings) != 2 || len(*r.Cells.Values[0]) < len(keys[i]) {
				t.Errorf("row %d: id %d, want %d; %d findings", i, r.ID, rows[i].ID, len(r.Findings))
			}
		}
		shapes, err := j.Shapes(t.Context(), journal.ErrorFilter{Status: journal.WaitingRow})
		if err != nil || len(shapes) != 1 || !shapes[0].Whole || shapes[0].Names[0] != "Nr" {
			t.Errorf("shapes %+v, %v; want that of the rows", shapes, err)
		}
		for _, key := range keys {
			found, err := j.Rows(t.Context(), journal.ErrorFilter{Status: journal.WaitingRow, Key: key})
			if err != nil || len(found) != 1 {
				t.Errorf("key %.10q: %d rows, %v; want one", key, len(found), err)
			}
		}
		awaited, err := j.AwaitedKeys(t.Context(), "category", "", 10)
		if err != nil || len(awaited) != len(keys) {
			t.Errorf("%d awaited keys, %v; want %d", len(awaited), err, len(keys))
		}
		// What the next run parks takes the next numbers.
		begin(t, j, "r2")
		next := parked("r2", 2, "gtin")
		commit(t, j, "r2", journal.Commit{Counts: journal.Counts{Read: 1, Rejected: 1}, Parked: []*journal.Row{next}})
		if next.ID != rows[3].ID+1 {
			t.Errorf("the next row has number %d, want %d", next.ID, rows[3].ID+1)
		}
	})
}
