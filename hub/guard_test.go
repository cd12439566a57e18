package hub_test

import (
	"errors"
	"strings"
	"testing"

	"crossdock/hub"
	"crossdock/hub/journal"
)

func TestMinRowsIsAShareOfTheMedianOfTheRunsBefore(t *testing.T) {
	const text = pipelineText + "guard: { min_rows: 50% }\n"
	for _, tt := range []struct {
		name   string
		before []int
		rows   int
		once   bool
		held   bool
	}{
		{"the first run has nothing to be compared with", nil, 1, false, false},
		{"half of what was there", []int{10}, 5, false, false},
		{"less than half", []int{10}, 4, false, true},
		{"one small run is no measure", []int{20, 20, 2, 20}, 10, false, false},
		{"nor is one that was large", []int{6, 6, 200, 6}, 4, false, false},
		{"runs longer ago do not count", []int{200, 200, 200, 6, 6, 6}, 4, false, false},
		{"what can be read once only is noted", []int{10}, 4, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			p := b.write(t, text)
			for _, rows := range tt.before {
				b.memory.files["a.csv"] = products(rows)
				// A day on which there are few is a person's to approve.
				if _, err := b.Run(t.Context(), p, hub.Options{Lifted: []string{"min_rows"}}); err != nil {
					t.Fatal(err)
				}
			}
			b.memory.files["a.csv"], b.memory.once = products(tt.rows), tt.once
			applies := b.shelf.applies
			s, err := b.Run(t.Context(), p, hub.Options{})
			held, ok := errors.AsType[*hub.HeldError](err)
			if ok != tt.held || !tt.held && err != nil {
				t.Fatalf("Run = %+v, %v; want held %t", s, err, tt.held)
			}
			if tt.held && (held.Guard != "min_rows" || s.Status != journal.Held || b.shelf.applies != applies) {
				t.Errorf("Run = %+v by %s after %d batches; want it held before any", s, held.Guard, b.shelf.applies-applies)
			}
			if tt.once && (len(s.Notices) != 1 || !strings.Contains(s.Notices[0], "fewer than 50% of the 10")) {
				t.Errorf("notices %q, want one about the rows", s.Notices)
			}
		})
	}
}

// TestAnApprovedRunWhoseProcessEndedWaitsForTheNext takes a run from the queue
// and ends the process in its middle.
func TestAnApprovedRunWhoseProcessEndedWaitsForTheNext(t *testing.T) {
	b := newBench(t, products(10)...)
	p := b.write(t, pipelineText+"guard: { min_rows: 50% }\n")
	if _, err := b.Run(t.Context(), p, hub.Options{}); err != nil {
		t.Fatal(err)
	}
	b.memory.files["a.csv"] = products(4)
	s, err := b.Run(t.Context(), p, hub.Options{})
	if s.Status != journal.Held {
		t.Fatalf("Run = %+v, %v; want it held", s, err)
	}
	if _, err := b.Approve(t.Context(), "none", "anna", nil); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("Approve(none) error = %v, want not found", err)
	}
	if _, err := b.QueueApproved(t.Context(), s.Run, "anna"); err != nil {
		t.Fatal(err)
	}
	// What a process that ended after it had taken the run leaves behind.
	claim := journal.Claim{Run: s.Run}
	if b.Journal().Shared() {
		claim.Turn = 2 // the runs before had one each
	}
	if taken, err := b.Journal().Restart(t.Context(), claim); err != nil || !taken {
		t.Fatalf("Restart = %t, %v", taken, err)
	}
	if err := b.CloseDeadRuns(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.working(t)
	run := b.finished(t, s.Run)
	if run.Status != journal.Succeeded || counts(run.Counts) != [5]int64{4, 0, 4, 0, 0} || run.ApprovedBy != "anna" {
		t.Errorf("run = %+v, want it finished as approved", run)
	}
}
