package hub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/schemas"
)

// An absent service is away for so many calls.
type absent struct {
	*shelf
	calls atomic.Int64    // for which it is away
	asked chan<- struct{} // told of each; may be nil
}

var errAbsent = fmt.Errorf("catalog at http://nowhere %w", schemas.ErrAway)

func (a *absent) away() error {
	if a.asked != nil {
		select {
		case a.asked <- struct{}{}:
		default:
		}
	}
	if a.calls.Add(-1) >= 0 {
		return errAbsent
	}
	return nil
}

func (a *absent) Apply(ctx context.Context, id schemas.BatchID, b *schemas.Batch) (schemas.Outcome, error) {
	if err := a.away(); err != nil {
		return schemas.Outcome{}, err
	}
	return a.shelf.Apply(ctx, id, b)
}

func (a *absent) Known(ctx context.Context, entity string, keys []string) ([]bool, error) {
	if err := a.away(); err != nil {
		return nil, err
	}
	return a.shelf.Known(ctx, entity, keys)
}

const longAway = 1 << 40 // calls

func absentBench(t *testing.T, calls int64, lines ...string) (*bench, *absent) {
	t.Helper()
	b := newBench(t, lines...)
	a := &absent{shelf: b.shelf}
	a.calls.Store(calls)
	b.Targets["catalog"] = a
	return b, a
}

func TestARunWaitsForAServiceThatIsAway(t *testing.T) {
	b, _ := absentBench(t, 2, products(7)...)
	s, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{})
	if err != nil || s.Status != journal.Succeeded || counts(s.Counts) != [5]int64{7, 7, 0, 0, 0} || b.shelf.applies != 3 {
		t.Errorf("run %+v, %v; %d batches, want 7 rows applied in 3", s, err, b.shelf.applies)
	}
}

func TestARunStopsWhenAServiceIsAwayForTooLong(t *testing.T) {
	b, a := absentBench(t, longAway, products(7)...)
	b.Patience = time.Millisecond
	p := b.write(t, pipelineText)
	s, err := b.Run(t.Context(), p, hub.Options{})
	const want = "stopped: deliver rows 2 to 4 of a.csv: catalog at http://nowhere is away; " +
		"what was written stays, and the next run begins anew without doubling it"
	if !errors.Is(err, hub.ErrStopped) || s.Status != journal.Stopped || s.Error != want {
		t.Fatalf("run %+v, %v\nwant %s", s, err, want)
	}
	if errs, err := b.Journal().Errors(t.Context(), journal.ErrorFilter{}); err != nil || len(errs) != 0 {
		t.Errorf("parked %v, %v; want nothing", errs, err)
	}
	a.calls.Store(0)
	if s, err = b.Run(t.Context(), p, hub.Options{}); err != nil || s.Applied != 7 {
		t.Errorf("the next run %+v, %v", s, err)
	}
}

func TestARunThatWaitsCanBeInterrupted(t *testing.T) {
	b, a := absentBench(t, longAway, products(3)...)
	asked := make(chan struct{}, 1)
	a.asked = asked
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	s, err := b.Run(ctx, b.write(t, pipelineText), hub.Options{})
	if !errors.Is(err, hub.ErrStopped) || s.Status != journal.Stopped || !strings.Contains(s.Error, "interrupted") {
		t.Errorf("run %+v, %v", s, err)
	}
}

func TestAnUploadWaitsInTheQueueAndFinishesByItself(t *testing.T) {
	b, a := absentBench(t, longAway)
	b.Patience = time.Millisecond
	first := b.queue(t, "A-1;Mutter;\nA-2;Keil;\nA-3;;")
	second := b.queue(t, "A-1;Bolzen;")
	b.working(t)
	deadline := time.Now().Add(30 * time.Second)
	for run := first; !strings.HasPrefix(run.Error, "waits for a service: "); time.Sleep(5 * time.Millisecond) {
		var err error
		if run, err = b.Journal().Run(t.Context(), first.ID); err != nil || time.Now().After(deadline) {
			t.Fatalf("run %+v, %v; want why it waits", run, err)
		}
		if !run.Finished.IsZero() {
			t.Fatalf("run %+v has ended", run)
		}
	}
	if run, err := b.Journal().Run(t.Context(), second.ID); err != nil || run.Status != journal.Queued || run.Error != "" {
		t.Errorf("the later upload is %+v, %v; want that it has not begun", run, err)
	}
	a.calls.Store(0)
	if run := b.finished(t, first.ID); counts(run.Counts) != [5]int64{3, 2, 0, 1, 0} || run.Error != "" {
		t.Errorf("run %+v, want 2 applied and 1 rejected", run)
	}
	if run := b.finished(t, second.ID); counts(run.Counts) != [5]int64{1, 1, 0, 0, 0} {
		t.Errorf("the later upload %+v, want 1 applied", run)
	}
}
