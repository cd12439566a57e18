package journal_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/hub/journal"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
)

// fill parks n rows of a run.
func fill(t *testing.T, j *journal.Journal, run string, n int) {
	t.Helper()
	begin(t, j, run)
	rows := make([]*journal.Row, n)
	for i := range rows {
		rows[i] = parked(run, int64(i+2), "gtin")
	}
	commit(t, j, run, journal.Commit{Counts: journal.Counts{Read: int64(n), Rejected: int64(n)}, Parked: rows})
}

// discard gives rows up.
func discard(t *testing.T, j *journal.Journal, rows ...*journal.Row) {
	t.Helper()
	for _, r := range rows {
		if err := j.Change(t.Context(), journal.Change{Row: r, By: "kim", Note: "no use", Discard: true}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEachRowVisitsEveryRowOnceWhateverBecomesOfIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		const n = 2_500 // some pages
		fill(t, j, "r1", n)
		begin(t, j, "r2")
		var visited []int64
		err := j.EachRow(t.Context(), journal.ErrorFilter{Pipeline: "acme"}, func(r *journal.Row) error {
			if len(r.Findings) != 1 {
				return fmt.Errorf("row %d has %d findings", r.ID, len(r.Findings))
			}
			visited = append(visited, r.ID)
			if len(visited)%700 != 0 {
				return nil
			}
			// One is closed, one remains, and another is parked.
			return j.Commit(t.Context(), journal.Claim{Run: "r2"}, journal.Commit{
				Counts: journal.Counts{Read: 1, Rejected: 1}, Settled: []int64{r.ID - 1}, Remained: []*journal.Row{r}, Parked: []*journal.Row{parked("r2", 1, "gtin")},
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(visited) != n || !slices.IsSorted(visited) || len(slices.Compact(visited)) != n {
			t.Errorf("visited %d rows, sorted %t; want each of %d once", len(visited), slices.IsSorted(visited), n)
		}
	})
}

func TestEachRowStopsAtTheLimitAndAtAnError(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		enough := errors.New("enough")
		if err := j.EachRow(t.Context(), journal.ErrorFilter{}, func(*journal.Row) error { return enough }); err != nil {
			t.Errorf("EachRow of an empty journal = %v, want nil", err)
		}
		fill(t, j, "r1", 1_200)
		n := 0
		count := func(*journal.Row) error { n++; return nil }
		if err := j.EachRow(t.Context(), journal.ErrorFilter{Limit: 1_100}, count); err != nil || n != 1_100 {
			t.Errorf("visited %d rows, %v; want 1,100", n, err)
		}
		if err := j.EachRow(t.Context(), journal.ErrorFilter{}, func(*journal.Row) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("EachRow error = %v, want that of the function", err)
		}
	})
}

func TestAReplayLeavesRowsAloneThatAreNoLongerOpen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		fill(t, j, "r1", 3)
		rows, err := j.Rows(t.Context(), journal.ErrorFilter{})
		if err != nil {
			t.Fatal(err)
		}
		discard(t, j, rows[:2]...)
		still, err := j.StillOpen(t.Context(), rows)
		if err != nil || len(still) != 1 || still[0].ID != rows[2].ID {
			t.Errorf("StillOpen = %+v, %v; want the third row", still, err)
		}
		begin(t, j, "r2")
		again := *rows[1]
		again.Findings = parked("r2", 3, "url").Findings
		commit(t, j, "r2", journal.Commit{
			Counts: journal.Counts{Read: 2, Applied: 1, Rejected: 1}, Settled: []int64{rows[0].ID}, Remained: []*journal.Row{&again},
		})
		for i, r := range rows[:2] {
			now, err := j.RowOf(t.Context(), r.Findings[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			r.Status = journal.DiscardedRow
			r.LastSeen = now.LastSeen
			if diff := cmp.Diff(r, now); diff != "" {
				t.Errorf("row %d (-discarded +now)\n%s", i, diff)
			}
		}
	})
}

func TestIDsAreNarrowedByStatusAndPipeline(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		fill(t, j, "r1", 2)
		first, err := j.RowOf(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		discard(t, j, first)
		for _, tt := range []struct {
			filter journal.ErrorFilter
			want   int
		}{
			{journal.ErrorFilter{IDs: []int64{1, 2}}, 2},
			{journal.ErrorFilter{IDs: []int64{1, 2}, Status: journal.OpenRow}, 1},
			{journal.ErrorFilter{IDs: []int64{1, 2}, Pipeline: "other"}, 0},
		} {
			rows, err := j.Rows(t.Context(), tt.filter)
			if err != nil || len(rows) != tt.want {
				t.Errorf("Rows(%+v) = %d rows, %v; want %d", tt.filter, len(rows), err, tt.want)
			}
		}
	})
}

func TestPipelinesAndRunsOfRowsComeInTheOrderOfTheirParking(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		for _, run := range []string{"r9", "r1"} {
			fill(t, j, run, 2)
		}
		other := parked("r1", 5, "gtin")
		other.Pipeline = "aaa"
		commit(t, j, "r1", journal.Commit{Counts: journal.Counts{Read: 1, Rejected: 1}, Parked: []*journal.Row{other}})
		runs, err := j.RunsOf(t.Context(), journal.ErrorFilter{})
		if diff := cmp.Diff([]string{"r9", "r1"}, runs); diff != "" || err != nil {
			t.Errorf("runs %v (-want +got)\n%s", err, diff)
		}
		pipelines, err := j.PipelinesOf(t.Context(), journal.ErrorFilter{})
		if diff := cmp.Diff([]string{"acme", "aaa"}, pipelines); diff != "" || err != nil {
			t.Errorf("pipelines %v (-want +got)\n%s", err, diff)
		}
	})
}

func TestShapesAreThoseOfWholeRowsAndTheWidestOfTheOthers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		begin(t, j, "r1")
		shaped := func(whole bool, names ...string) *journal.Row {
			r := parked("r1", 2, "gtin")
			r.Cells = journal.Cells{Names: names, Whole: whole}
			return r
		}
		rows := []*journal.Row{
			shaped(false, "a"), shaped(true, "a", "b"), shaped(false, "a", "b", "column 3"), shaped(true, "a", "b"), shaped(false), shaped(true, "x"),
		}
		commit(t, j, "r1", journal.Commit{Counts: journal.Counts{Read: 6, Rejected: 6}, Parked: rows})
		got, err := j.Shapes(t.Context(), journal.ErrorFilter{})
		if err != nil {
			t.Fatal(err)
		}
		shape := func(whole bool, names ...string) journal.Shape {
			return journal.Shape{Pipeline: "acme", Resource: "acme.csv", Whole: whole, Names: names}
		}
		want := []journal.Shape{shape(false, "a", "b", "column 3"), shape(true, "a", "b"), shape(true, "x")}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("shapes (-want +got)\n%s", diff)
		}
	})
}
