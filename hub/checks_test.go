package hub_test

import (
	"errors"
	"strings"
	"testing"

	"crossdock/hub"
	"crossdock/hub/journal"
)

const withChecks = pipelineText + "checks:\n  - { null_rate: gtin, max: 50% }\n  - { row_count: read, min: 50%, against: history, severity: warn }\n"

func TestAFailedCheckHoldsTheRunBeforeAnythingIsWritten(t *testing.T) {
	b := newBench(t, twenty(11, "Mutter")...)
	p := b.write(t, withChecks)
	dry, err := b.Run(t.Context(), p, hub.Options{DryRun: true})
	if err != nil || len(dry.Notices) != 1 || !strings.Contains(dry.Notices[0], "guard checks would hold the run: null_rate gtin is 55%, more than max: 50%") {
		t.Errorf("dry run: notices %v, %v", dry.Notices, err)
	}
	s, err := b.Run(t.Context(), p, hub.Options{})
	held, ok := errors.AsType[*hub.HeldError](err)
	if !ok || held.Guard != "checks" || s.Status != journal.Held || b.shelf.applies > 0 {
		t.Fatalf("%s after %d batches, %v; want it held before the first", s.Status, b.shelf.applies, err)
	}
	found, err := b.Journal().Drifts(t.Context(), "acme", s.Run, 10)
	if err != nil || len(found) != 1 || found[0].Kind != "check" || found[0].Column != "gtin" {
		t.Errorf("kept %v, %v", found, err)
	}

	// With the guard lifted it runs, and is what later runs are compared with.
	s, err = b.Run(t.Context(), p, hub.Options{Lifted: []string{"checks"}})
	if err != nil || s.Applied != 20 {
		t.Fatalf("lifted: %+v, %v", s, err)
	}
	b.memory.files["a.csv"] = twenty(0, "Mutter")[:9]
	s, err = b.Run(t.Context(), p, hub.Options{})
	if err != nil || len(s.Notices) != 1 || s.Notices[0] != "row_count read is 9, less than 10, which is min: 50% of the 20 of the run before" {
		t.Errorf("notices %q, %v", s.Notices, err)
	}
}

func TestAFailedCheckOfASourceReadOnceStopsAtItsEnd(t *testing.T) {
	b := newBench(t, twenty(11, "Mutter")...)
	b.memory.once = true
	s, err := b.Run(t.Context(), b.write(t, withChecks), hub.Options{})
	if !errors.Is(err, hub.ErrStopped) || s.Status != journal.Stopped || !strings.Contains(err.Error(), "what was written before stays: 20 rows") {
		t.Errorf("%s, %v", s.Status, err)
	}
}
