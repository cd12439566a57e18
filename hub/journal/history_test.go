package journal_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
)

// oneRow parks a row of the cells "a" (a date), nothing and "***" (masked).
func oneRow(t *testing.T, place store.Place) (*journal.Journal, *journal.Row) {
	t.Helper()
	j := open(t, place)
	begin(t, j, "r1")
	r := parked("r1", 2, "gtin")
	r.Cells = journal.Cells{
		Names: []string{"A", "B", "C"}, Values: []*string{new("a"), nil, new("***")}, Whole: true, Masked: []int{2},
		Kinds: []connectors.Kind{connectors.DateCell, connectors.AbsentCell, connectors.TextCell},
	}
	commit(t, j, "r1", journal.Commit{Counts: journal.Counts{Read: 1, Rejected: 1}, Parked: []*journal.Row{r}})
	return j, read(t, j)
}

func read(t *testing.T, j *journal.Journal) *journal.Row {
	t.Helper()
	r, err := j.RowOf(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func edit(t *testing.T, j *journal.Journal, r *journal.Row, position int, value string) {
	t.Helper()
	err := j.Change(t.Context(), journal.Change{Row: r, By: "kim", Edits: []journal.Edit{{
		Position: position, Column: r.Cells.Names[position], Old: r.Mended().Values[position], New: &value,
	}}})
	if err != nil {
		t.Fatal(err)
	}
}

// text shows cells with their kinds: "a(3) - ***".
func text(c journal.Cells) string {
	var parts []string
	for i, v := range c.Values {
		one := "-"
		if v != nil {
			one = *v
		}
		parts = append(parts, fmt.Sprintf("%s(%d)", one, c.Kinds[i]))
	}
	return strings.Join(parts, " ")
}

func TestEditsLeaveTheRowAsItWasRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j, r := oneRow(t, place)
		const was = "a(3) -(4) ***(0)"
		edit(t, j, r, 0, "x")
		edit(t, j, r, 1, "y")
		edit(t, j, r, 2, "secret")
		edit(t, j, r, 0, "z")
		if diff := cmp.Diff(r, read(t, j)); diff != "" {
			t.Errorf("the row changed in memory is not the one that is kept (-memory +kept)\n%s", diff)
		}
		for revision, want := range []string{was, "x(0) -(4) ***(0)", "x(0) y(0) ***(0)", "x(0) y(0) secret(0)", "z(0) y(0) secret(0)"} {
			if got := text(r.MendedAt(int64(revision))); got != want {
				t.Errorf("at revision %d: %s, want %s", revision, got, want)
			}
		}
		if got := text(r.Shown()); got != "z(0) y(0) ***(0)" {
			t.Errorf("shown: %s, want the secret masked", got)
		}
		if got := text(r.Cells); got != was {
			t.Errorf("as read: %s, want %s", got, was)
		}
		// A cell that is as it was read is of the kind that it was read with.
		if edit(t, j, r, 0, "a"); text(r.Mended()) != "a(3) y(0) secret(0)" {
			t.Errorf("with the value as read: %s", text(r.Mended()))
		}
	})
}

func TestAnEditIsTakenBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j, r := oneRow(t, place)
		edit(t, j, r, 0, "x")
		edit(t, j, r, 0, "y")
		if err := j.Change(t.Context(), journal.Change{Row: r, By: "lea", Undo: 2}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, read(t, j)); diff != "" {
			t.Errorf("(-memory +kept)\n%s", diff)
		}
		if got := text(r.Mended()); got != "x(0) -(4) ***(0)" {
			t.Errorf("with the second edit undone: %s", got)
		}
		if got := text(r.MendedAt(2)); got != "y(0) -(4) ***(0)" {
			t.Errorf("before it was undone: %s", got)
		}
		if !r.Edited() || !r.Untried() || !r.IsEdited(0) || r.IsEdited(1) {
			t.Error("want the row edited, in its first cell, and untried")
		}
	})
}

func TestAChangeOfARowThatSomeoneElseHasChangedIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j, mine := oneRow(t, place)
		theirs := read(t, j)
		edit(t, j, theirs, 0, "x")
		err := j.Change(t.Context(), journal.Change{Row: mine, By: "kim", Comment: "late"})
		if !errors.Is(err, journal.ErrChanged) {
			t.Errorf("Change error = %v, want changed meanwhile", err)
		}
		if diff := cmp.Diff(theirs, read(t, j)); diff != "" {
			t.Errorf("(-theirs +kept)\n%s", diff)
		}
	})
}

func TestTheHistoryTellsWhoDidWhat(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j, r := oneRow(t, place)
		group := r.Findings[0].Group
		edit(t, j, r, 0, "x")
		edit(t, j, r, 2, "secret")
		for _, c := range []journal.Change{
			{Row: r, By: "lea", Undo: 1},
			{Row: r, By: "lea", Assign: new("kim"), Comment: "look"},
		} {
			if err := j.Change(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(j.AssignGroup(t.Context(), group, "max", "lea"), j.CommentGroup(t.Context(), group, "all", "lea")); err != nil {
			t.Fatal(err)
		}
		begin(t, j, "r2")
		commit(t, j, "r2", journal.Commit{Counts: journal.Counts{Read: 1, Rejected: 1}, Remained: []*journal.Row{r}, By: "kim"})
		if r = read(t, j); r.Untried() || r.Assignee != "kim" {
			t.Errorf("untried %t, assigned to %q; want it tried, and assigned as it was itself", r.Untried(), r.Assignee)
		}
		if err := j.Change(t.Context(), journal.Change{Row: r, By: "kim", Discard: true, Note: "gone"}); err != nil {
			t.Fatal(err)
		}
		entries, err := j.History(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			line := e.By + " " + e.Kind
			for _, v := range []*string{e.Old, e.New} {
				if v != nil {
					line += " " + *v
				}
			}
			got = append(got, strings.TrimSpace(line+" "+e.Note))
		}
		want := []string{
			"kim edit a x", "kim edit *** ***", "lea undo x a", "lea assign kim", "lea comment look", "lea assign max", "lea comment all",
			"kim replay rejected again by run r2", "kim discard gone",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if text(read(t, j).Mended()) != "a(3) -(4) ***(0)" {
			t.Errorf("a secret is kept of a row that is closed: %s", text(read(t, j).Mended()))
		}
		if err := j.AssignGroup(t.Context(), "g0", "kim", "lea"); !errors.Is(err, journal.ErrNoGroup) {
			t.Errorf("AssignGroup error = %v, want none such", err)
		}
	})
}
