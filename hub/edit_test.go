package hub_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"crossdock/hub"
	"crossdock/hub/journal"
)

// groupOf returns the group of the errors by a rule.
func (b *bench) groupOf(t *testing.T, rule string) string {
	t.Helper()
	groups, err := b.Journal().Groups(t.Context(), journal.ErrorFilter{})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(groups, func(g journal.Group) bool { return g.Rule == rule })
	if i < 0 {
		t.Fatalf("no group of rule %s among %+v", rule, groups)
	}
	return groups[i].ID
}

func TestAnEditedRowIsReplayedAsEdited(t *testing.T) {
	b := newBench(t, "A-1;;", "A-2;;", "A-3;Keil;")
	if _, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{}); err != nil {
		t.Fatal(err)
	}
	group := journal.ErrorFilter{Group: b.groupOf(t, "required")}
	for range 2 { // the second time there is nothing left to change
		before, err := b.Edit(t.Context(), group, hub.Edit{Value: new("Mutter"), DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		report, err := b.Edit(t.Context(), group, hub.Edit{Value: new("Mutter"), By: "kim"})
		if err != nil || report.Rows != before.Rows || report.Pass != before.Pass || report.Fail != 0 {
			t.Errorf("Edit = %+v, %v; want what the dry run said: %+v", report, err, before)
		}
	}
	if got := b.replay(t); got != [5]int64{2, 2, 0, 0, 0} {
		t.Errorf("replay = %v, want both applied", got)
	}
	if b.shelf.rows["A-1"] == 0 || b.shelf.rows["A-2"] == 0 {
		t.Errorf("service has %v, want A-1 and A-2", b.shelf.rows)
	}
}

func TestAnEditIsTriedByRulesKeysAndServiceAndWritesNothing(t *testing.T) {
	b := newBench(t, "A-1;Mutter;", "A-2;;", "A-3;;", "A-4;;", "A-5;;")
	if _, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{}); err != nil {
		t.Fatal(err)
	}
	b.shelf.refuse = "A-3"
	applies := b.shelf.applies
	report, err := b.Edit(t.Context(), journal.ErrorFilter{IDs: []int64{1, 2, 3}}, hub.Edit{Set: map[string]string{"name": "Bolzen"}})
	if err != nil || report.Pass != 2 || report.Fail != 1 || report.Wrong[0].Rule != "refused" || report.Wrong[0].ID != 2 {
		t.Errorf("Edit = %+v, %v; want A-3 refused by the service", report, err)
	}
	report, err = b.Edit(t.Context(), journal.ErrorFilter{IDs: []int64{1, 3}}, hub.Edit{Set: map[string]string{"Nr": "A-2"}})
	if err != nil || report.Rows != 1 || report.Fail != 0 {
		t.Errorf("Edit = %+v, %v; want one row changed", report, err)
	}
	if b.shelf.applies != applies {
		t.Error("the service was written to")
	}
}

func TestEditsThatCannotBeDone(t *testing.T) {
	b := newBench(t, "A-1;;", "A-2", "A-3;Keil;")
	if _, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{}); err != nil {
		t.Fatal(err)
	}
	one := journal.ErrorFilter{IDs: []int64{1}}
	for _, tt := range []struct {
		name   string
		filter journal.ErrorFilter
		edit   hub.Edit
		want   string
	}{
		{"no such column", one, hub.Edit{Set: map[string]string{"Nmae": "x"}}, `has no column "Nmae", did you mean Name?`},
		{"no spreadsheet", one, hub.Edit{Set: map[string]string{"B2": "x"}}, `has no column "B2"`},
		{"nothing to do", one, hub.Edit{}, "neither what to set nor what to find"},
		{"a bad expression", one, hub.Edit{Find: "(", Regexp: true}, "missing closing )"},
		{"a row that was not cut", journal.ErrorFilter{IDs: []int64{2}}, hub.Edit{Value: new("x")}, "could not be cut into cells"},
		{"no such group", journal.ErrorFilter{Group: "g0"}, hub.Edit{Value: new("x")}, "no such group"},
		{"no such error", journal.ErrorFilter{IDs: []int64{7}}, hub.Edit{Value: new("x")}, "not found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := b.Edit(t.Context(), tt.filter, tt.edit); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Edit error = %v, want %q", err, tt.want)
			}
		})
	}
	report, err := b.Edit(t.Context(), journal.ErrorFilter{Group: b.groupOf(t, "ragged_row")}, hub.Edit{Value: new("x")})
	if err != nil || report.Unmendable != 1 || report.Rows != 0 {
		t.Errorf("Edit of a group = %+v, %v; want its row passed over", report, err)
	}
}

func TestACellOfASpreadsheetIsFoundByItsAddress(t *testing.T) {
	b := newBench(t)
	r := parkedRow(7, "A-1;;")
	r.Cells.Sheet = true
	b.park(t, "r1", r)
	report, err := b.Edit(t.Context(), journal.ErrorFilter{IDs: []int64{1}}, hub.Edit{Set: map[string]string{"b7": "Mutter"}})
	if err != nil || report.Cells != 1 || report.First[0].Place.Cell != "B7" {
		t.Errorf("Edit = %+v, %v; want B7 changed", report, err)
	}
	if report.Unchecked == "" || report.Pass != 0 {
		t.Errorf("Edit = %+v; want it said that the pipeline is not known", report)
	}
	if _, err := b.Edit(t.Context(), journal.ErrorFilter{IDs: []int64{1}}, hub.Edit{Set: map[string]string{"B8": "x"}}); err == nil {
		t.Error("the address of another row was taken")
	}
}

func TestADiscardNeedsAReason(t *testing.T) {
	b := newBench(t)
	b.park(t, "r1", parkedRow(2, "A-1;;"))
	if _, err := b.Discard(t.Context(), journal.ErrorFilter{IDs: []int64{1}}, " ", "kim"); err == nil {
		t.Error("a row was discarded for no reason")
	}
	b.wantStatuses(t, "r1:2 open required")
	if n, err := b.Discard(t.Context(), journal.ErrorFilter{IDs: []int64{1}}, "gone", "kim"); n != 1 || err != nil {
		t.Errorf("Discard = %d, %v; want 1", n, err)
	}
	if _, _, err := b.Amend(t.Context(), 1, hub.Amendment{By: "kim", Comment: "late"}); !errors.Is(err, journal.ErrNotOpen) {
		t.Errorf("Amend error = %v, want not open", err)
	}
}
