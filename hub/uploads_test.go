package hub_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossdock/hub"
	"crossdock/hub/journal"
)

// queue receives a file and queues a run of the pipeline over it.
func (b *bench) queue(t *testing.T, content string) journal.Run {
	t.Helper()
	u, err := b.Receive("../../neu.csv", strings.NewReader(content), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	run, _, err := b.Queue(t.Context(), b.write(t, pipelineText), u, false)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// finished waits until a run has ended.
func (b *bench) finished(t *testing.T, id string) journal.Run {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		run, err := b.Journal().Run(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if !run.Finished.IsZero() {
			return run
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("run %s has not ended", id)
	return journal.Run{}
}

// working runs the hub's worker until the test or the returned function ends it.
func (b *bench) working(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Work(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func TestAnUploadIsRunUnderTheNameItsSenderGave(t *testing.T) {
	b := newBench(t)
	b.working(t)
	run := b.finished(t, b.queue(t, "A-1;Mutter;\nA-2;;").ID)
	if run.Status != journal.Partial || counts(run.Counts) != [5]int64{2, 1, 0, 1, 0} {
		t.Errorf("run = %+v, want one applied and one rejected", run)
	}
	errs, err := b.Journal().Errors(t.Context(), journal.ErrorFilter{Run: run.ID})
	if err != nil || len(errs) != 1 || errs[0].Origin.String() != "neu.csv:3:Name" {
		t.Errorf("errors = %+v, %v; want neu.csv:3:Name", errs, err)
	}
}

func TestAnUploadOutlivesTheProcessThatAcceptedIt(t *testing.T) {
	b := newBench(t)
	id := b.queue(t, "A-1;Mutter;\nA-2;Keil;\nA-3;Ring;\nA-4;;\nA-5;Stift;").ID
	b.memory.gate = make(chan struct{}, 10)
	b.memory.gate <- struct{}{} // one batch, and no more
	applied := make(chan struct{}, 10)
	b.shelf.after = func() { applied <- struct{}{} }
	stop := b.working(t)
	<-applied
	stop() // the process is asked to end in the middle of the run
	run, err := b.Journal().Run(t.Context(), id)
	if err != nil || run.Status != journal.Queued {
		t.Fatalf("run = %+v, %v; want it queued again", run, err)
	}
	close(b.memory.gate)
	b.working(t)
	run = b.finished(t, id)
	// The batch that the first process applied counts as it did then.
	if counts(run.Counts) != [5]int64{5, 4, 0, 1, 0} || len(b.shelf.rows) != 4 || b.shelf.applies != 2 {
		t.Errorf("run = %+v, %d rows, %d batches applied; want 4 applied in 2 batches", run.Counts, len(b.shelf.rows), b.shelf.applies)
	}
}

func TestReceiveRefusesAndKeepsNothing(t *testing.T) {
	b := newBench(t)
	for _, tt := range []struct {
		name, content string
		want          error
	}{
		{"one byte too many", "12345678901", hub.ErrTooLarge},
		{"no bytes", "", hub.ErrEmpty},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := b.Receive("a.csv", strings.NewReader(tt.content), 10); !errors.Is(err, tt.want) {
				t.Errorf("Receive error = %v, want %v", err, tt.want)
			}
			if files, _ := os.ReadDir(filepath.Join(b.dir, "uploads")); len(files) != 0 {
				t.Errorf("kept %v", files)
			}
		})
	}
}

func TestTheNameOfAnUploadIsFitToBePrinted(t *testing.T) {
	b := newBench(t)
	for given, want := range map[string]string{
		`C:\Listen\preise.csv`:     "preise.csv",
		"../../etc/passwd":         "passwd",
		"":                         "upload",
		"/":                        "upload",
		"a\nb.csv":                 "a_b.csv",
		strings.Repeat("x", 9_000): strings.Repeat("x", 200),
	} {
		u, err := b.Receive(given, strings.NewReader("x"), 10)
		if err != nil || u.Name != want {
			t.Errorf("Receive(%.20q) = %.20q, %v; want %.20q", given, u.Name, err, want)
		}
	}
}

func TestFindSuggestsTheNearestPipeline(t *testing.T) {
	b := newBench(t, products(1)...)
	if _, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{}); err != nil {
		t.Fatal(err)
	}
	if p, err := b.Find(t.Context(), "acme"); err != nil || p.Name != "acme" {
		t.Errorf("Find(acme) = %v, %v", p, err)
	}
	_, err := b.Find(t.Context(), "acne")
	if !errors.Is(err, hub.ErrUnknownPipeline) || !strings.Contains(err.Error(), "did you mean acme?") {
		t.Errorf("Find(acne) error = %v, want a suggestion", err)
	}
}
