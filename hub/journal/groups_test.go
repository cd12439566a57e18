package journal_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/hub/journal"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

// problems parks a row for each finding and returns rows and shape by group.
func problems(t *testing.T, place store.Place, findings ...journal.Finding) (*journal.Journal, []string) {
	t.Helper()
	j := open(t, place)
	begin(t, j, "r1")
	var rows []*journal.Row
	for i, f := range findings {
		r := parked("r1", int64(i+2), "gtin")
		f.Severity = schemas.Reject
		r.Findings = []journal.Finding{f}
		rows = append(rows, r)
	}
	n := int64(len(rows))
	commit(t, j, "r1", journal.Commit{Counts: journal.Counts{Read: n, Rejected: n}, Parked: rows})
	groups, err := j.Groups(t.Context(), journal.ErrorFilter{Run: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range groups {
		got = append(got, fmt.Sprintf("%d %s %q %s", g.Rows, g.Rule, g.Shape, g.Message))
	}
	return j, got
}

func TestWhatLooksTheSameIsOneProblem(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []string
		shape  string
	}{
		{"numbers of any length", []string{"1", "12", "1234567"}, "9"},
		{"words of any alphabet", []string{"x", "Würfel", "ΩΩ"}, "a"},
		{"grouped numbers", []string{"1.234.567,5O", "9.999,1x", "1.2.3.4,5O"}, "9.9,9a"},
		{"words and blanks", []string{"a b", "ein langer  Satz", "a b c d e f g"}, "a a"},
		{"nothing", []string{"", ""}, ""},
		{"numbers with letters among them", []string{"1a2b3c", "4d5e"}, "9a"},
		{"text", []string{"a,1;b:2.c-3+d/4(e)5[f]6{g}", "a,1;b:2.c-3+d/4(e)5[f]6{g}7"}, "a,9;a:9.a-9+a/9(a)9[a]9{…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var findings []journal.Finding
			for _, v := range tt.values {
				findings = append(findings, journal.Finding{Rule: "type", Field: "amount", Value: v, Message: "is wrong"})
			}
			_, got := problems(t, store.Place{Dir: t.TempDir()}, findings...)
			want := []string{fmt.Sprintf("%d type %q is wrong", len(tt.values), tt.shape)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestMessagesAreComparedWithoutWhatTheySayOfOneRow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		_, got := problems(t, place,
			journal.Finding{Rule: "gtin", Field: "gtin", Value: "1", Message: "has the check digit 1, but 3 would be right"},
			journal.Finding{Rule: "gtin", Field: "gtin", Value: "2", Message: "has the check digit 7, but 0 would be right"},
			journal.Finding{Rule: "values", Field: "gtin", Value: "3", Message: `is none of "A", "B", did you mean "A"?`},
			journal.Finding{Rule: "values", Field: "gtin", Value: "4", Message: `is none of "A", "B", did you mean "B"?`},
			journal.Finding{Rule: "values", Field: "gtin", Value: "5", Message: `is none of "A", "B"`},
			journal.Finding{Rule: "values", Field: "sku", Value: "5", Message: `is none of "A", "B"`},
		)
		want := []string{
			`3 values "9" is none of "A", "B", did you mean "A"?`,
			`2 gtin "9" has the check digit 1, but 3 would be right`,
			`1 values "9" is none of "A", "B"`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestAGroupTellsItsDistinctValues(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j, _ := problems(t, place,
			journal.Finding{Rule: "type", Value: "x"}, journal.Finding{Rule: "type", Value: "y"}, journal.Finding{Rule: "type", Value: "x"},
			journal.Finding{Rule: "type", Value: "z"}, journal.Finding{Rule: "gtin", Value: "1"},
		)
		groups, err := j.Groups(t.Context(), journal.ErrorFilter{})
		if err != nil || len(groups) != 2 || groups[0].Share != 0.8 {
			t.Fatalf("groups = %+v, %v; want two, the first with a share of 0.8", groups, err)
		}
		values, distinct, err := j.BadValues(t.Context(), groups[0].ID, 2)
		if err != nil || distinct != 3 {
			t.Errorf("distinct = %d, %v; want 3", distinct, err)
		}
		if diff := cmp.Diff([]journal.BadValue{{Value: "x", Rows: 2}, {Value: "y", Rows: 1}}, values); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		one, err := j.Group(t.Context(), groups[1].ID)
		if diff := cmp.Diff(groups[1], one); diff != "" || err != nil {
			t.Errorf("Group: %v (-listed +one)\n%s", err, diff)
		}
		if _, err := j.Group(t.Context(), "g0"); !errors.Is(err, journal.ErrNoGroup) {
			t.Errorf("Group error = %v, want none such", err)
		}
		rows, err := j.Rows(t.Context(), journal.ErrorFilter{Group: groups[0].ID, After: 1})
		if err != nil || len(rows) != 3 {
			t.Errorf("rows of the group behind the first = %d, %v; want 3", len(rows), err)
		}
	})
}

func TestAGroupIsThatOfEveryRun(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		j := open(t, place)
		fill(t, j, "r1", 3)
		fill(t, j, "r2", 2)
		groups, err := j.Groups(t.Context(), journal.ErrorFilter{})
		if err != nil || len(groups) != 1 || groups[0].Rows != 5 {
			t.Errorf("groups = %+v, %v; want one with the rows of both runs", groups, err)
		}
	})
}
