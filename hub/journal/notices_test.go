package journal_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/hub/journal"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

// untold returns what is to be told, as batch:row:rule, and the notices.
func untold(t *testing.T, j *journal.Journal) ([]string, journal.Notices) {
	t.Helper()
	notices, err := j.Untold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, n := range notices.List {
		list = append(list, fmt.Sprintf("%d:%d:%s", n.Row.Batch, n.Row.Place.Row, n.Finding.Rule))
	}
	return list, notices
}

func told(t *testing.T, j *journal.Journal, n journal.Notices) {
	t.Helper()
	if err := j.Told(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func TestRejectedRowsAreToldOfOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		if list, n := untold(t, j); len(list) > 0 || n.More() {
			t.Errorf("of nothing there is told %q", list)
		}
		begin(t, j, "r1")
		noted := parked("r1", 3, "spelling")
		noted.Status, noted.Findings[0].Severity = journal.NotedRow, schemas.Warn
		both := parked("r1", 4, "spelling", "gtin", "price")
		both.Findings[0].Severity = schemas.Warn
		commit(t, j, "r1", journal.Commit{
			Counts: journal.Counts{Read: 3, Rejected: 2, Applied: 1}, Parked: []*journal.Row{parked("r1", 2, "gtin"), noted, both},
		})
		commit(t, j, "r1", journal.Commit{Counts: journal.Counts{Read: 1, Rejected: 1}, Parked: []*journal.Row{parked("r1", 5, "unit")}})
		want := []string{"1:2:gtin", "1:4:gtin", "2:5:unit"}
		got, first := untold(t, j)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if got, _ := untold(t, j); !cmp.Equal(want, got) {
			t.Errorf("told of %q before it was noted that they were, want %q", got, want)
		}
		told(t, j, first)
		if got, n := untold(t, j); len(got) > 0 || n.More() {
			t.Errorf("told again of %q", got)
		}
		// Two tell at once: the one who comes late sets nothing back.
		commit(t, j, "r1", journal.Commit{Counts: journal.Counts{Read: 1, Rejected: 1}, Parked: []*journal.Row{parked("r1", 6, "unit")}})
		_, second := untold(t, j)
		told(t, j, second)
		told(t, j, first)
		if got, _ := untold(t, j); len(got) > 0 {
			t.Errorf("told again of %q", got)
		}
	})
}

func TestAReplayIsToldOfWhereItFindsSomethingElse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		begin(t, j, "r1")
		commit(t, j, "r1", journal.Commit{
			Counts: journal.Counts{Read: 2, Rejected: 2}, Parked: []*journal.Row{parked("r1", 2, "gtin"), parked("r1", 3, "gtin")},
		})
		_, n := untold(t, j)
		told(t, j, n)
		rows, err := j.Rows(t.Context(), journal.ErrorFilter{})
		if err != nil {
			t.Fatal(err)
		}
		rows[1].Findings = parked("r1", 3, "gtin", "price").Findings
		begin(t, j, "r2")
		commit(t, j, "r2", journal.Commit{Counts: journal.Counts{Read: 2, Rejected: 2}, Remained: rows})
		got, n := untold(t, j)
		if diff := cmp.Diff([]string{"1:3:price"}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		told(t, j, n)
	})
}

// Rows that are large, many, or have many findings are told of in parts, each
// row once.
func TestRejectedRowsAreToldOfInParts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		begin(t, j, "r1")
		large := strings.Repeat("x", 3<<20)
		var rows []*journal.Row
		for i := range 900 {
			r := parked("r1", int64(i), "a", "b", "c", "d")
			switch i {
			case 0, 1, 2, 3, 4:
				r.Cells.Values[1] = &large
			case 10:
				for range 600 {
					r.Findings = append(r.Findings, journal.Finding{Rule: "e", Severity: schemas.Reject})
				}
			}
			rows = append(rows, r)
		}
		commit(t, j, "r1", journal.Commit{Counts: journal.Counts{Read: 900, Rejected: 900}, Parked: rows})
		seen := map[string]int{}
		parts := 0
		for {
			list, n := untold(t, j)
			if !n.More() {
				break
			}
			parts++
			for _, s := range list {
				seen[strings.TrimSuffix(s, "a")]++
			}
			told(t, j, n)
		}
		for i := range 900 {
			// The one with more findings than are told of at once comes in two parts.
			if n := seen[fmt.Sprintf("1:%d:", i)]; n != 1 {
				t.Errorf("told %d times of row %d", n, i)
			}
		}
		if parts < 9 {
			t.Errorf("told in %d parts", parts)
		}
	})
}
