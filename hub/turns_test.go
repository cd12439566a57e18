package hub_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

// A counter is a service that several hubs deliver to at once. Like one, it
// refuses turns that are over.
type counter struct {
	mu      sync.Mutex
	shelf   *shelf
	turns   map[string]int64
	by      map[string]int // batches applied, by hub
	refused int
}

// of returns the service as one hub sees it, which calls before ahead of each batch.
func (c *counter) of(name string, before func()) hub.Target {
	return &counted{Target: c.shelf, counter: c, name: name, before: before}
}

type counted struct {
	hub.Target
	*counter
	name   string
	before func()
}

func (c *counted) Apply(ctx context.Context, id schemas.BatchID, b *schemas.Batch) (schemas.Outcome, error) {
	c.before()
	c.mu.Lock()
	defer c.mu.Unlock()
	if id.Turn.Number < c.turns[id.Turn.Of] {
		c.refused++
		return schemas.Outcome{}, schemas.ErrOvertaken
	}
	c.turns[id.Turn.Of] = id.Turn.Number
	c.by[c.name]++
	return c.shelf.Apply(ctx, id, b)
}

// sharing opens a hub on a journal that others use, with a data folder of its own.
func sharing(t *testing.T, place store.Place, files *memory, target hub.Target, clock func() time.Time, span time.Duration) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir(), place: place, memory: files, clock: clock}
	h, err := hub.Open(t.Context(), hub.Config{
		Dir: b.dir, Store: b.place, Registry: schemas.Default(), Types: files.types(), Targets: map[string]hub.Target{"catalog": target},
		Clock: clock, Log: slog.New(slog.DiscardHandler), TurnSpan: span,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Hub = h
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func newCounter() *counter {
	return &counter{shelf: newShelf(), turns: map[string]int64{}, by: map[string]int{}}
}

func TestHubsShareTheWorkOfOneJournal(t *testing.T) {
	place := storetest.Postgres(t)
	service := newCounter()
	// Each hub is let go on when the other has begun, so that neither does it alone.
	began := map[string]chan struct{}{"one": make(chan struct{}), "two": make(chan struct{})}
	meet := func(mine, theirs string) func() {
		var once sync.Once
		return func() {
			once.Do(func() { close(began[mine]) })
			select {
			case <-began[theirs]:
			case <-time.After(30 * time.Second):
			}
		}
	}
	files := &memory{files: map[string][]string{}, rows: 3}
	one := sharing(t, place, files, service.of("one", meet("one", "two")), time.Now, time.Minute)
	two := sharing(t, place, files, service.of("two", meet("two", "one")), time.Now, time.Minute)
	var runs []journal.Run
	for i := range 10 {
		u, err := one.Receive("neu.csv", strings.NewReader(fmt.Sprintf("%d-1;Mutter;\n%d-2;Keil;", i, i)), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		p := one.write(t, strings.Replace(pipelineText, "acme", fmt.Sprintf("acme-%d", i), 1))
		run, queued, err := one.Queue(t.Context(), p, u, false)
		if err != nil || !queued {
			t.Fatal(queued, err)
		}
		runs = append(runs, run)
	}
	one.working(t)
	two.working(t)
	for _, run := range runs {
		if got := one.finished(t, run.ID); got.Status != journal.Succeeded || got.Applied != 2 {
			t.Errorf("run = %+v, want two applied", got)
		}
	}
	if service.by["one"]+service.by["two"] != 10 || service.by["one"] == 0 || service.by["two"] == 0 {
		t.Errorf("batches = %v, want ten between the two", service.by)
	}
}

func TestAnUploadFromBeforeTheJournalWasSharedIsRun(t *testing.T) {
	b := sharing(t, storetest.Postgres(t), &memory{files: map[string][]string{}, rows: 3}, newShelf(), time.Now, time.Minute)
	const id = "20261130-120000-abcd"
	path := filepath.Join(b.dir, "uploads", id)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("A-1;Mutter;"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := b.write(t, pipelineText)
	err := b.Journal().Begin(t.Context(), journal.Run{
		ID: id, Pipeline: p.Name, Entity: "product", Cause: "upload", Status: journal.Queued,
		PipelineFile: p.File, PipelineHash: p.Hash, InputPath: path, InputName: "early.csv",
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := b.working(t)
	run := b.finished(t, id)
	stop()
	if run.Status != journal.Succeeded || run.Applied != 1 {
		t.Errorf("run = %+v, want one applied", run)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestAHubThatStoodStillCannotWriteAnyMore(t *testing.T) {
	place := storetest.Postgres(t)
	service := newCounter()
	files := &memory{files: map[string][]string{}, rows: 1}
	asleep, wake := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var stood time.Time // the time at which the first hub stands still, as its clock does
	batches := 0
	first := sharing(t, place, files, service.of("first", func() {
		if batches++; batches == 2 {
			mu.Lock()
			stood = time.Now()
			mu.Unlock()
			close(asleep)
			<-wake
		}
	}), func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		if !stood.IsZero() {
			return stood
		}
		return time.Now()
	}, 2*time.Second)
	run := first.queue(t, "A-1;Mutter;\nA-2;Keil;\nA-3;Ring;")
	stopFirst := first.working(t)
	<-asleep

	second := sharing(t, place, files, service.of("second", func() {}), time.Now, 2*time.Second)
	second.write(t, pipelineText)
	second.working(t)
	got := second.finished(t, run.ID)
	if got.Status != journal.Succeeded || counts(got.Counts) != [5]int64{3, 3, 0, 0, 0} {
		t.Fatalf("run = %+v, want three applied", got)
	}
	close(wake)
	stopFirst()
	after, err := second.Journal().Run(t.Context(), run.ID)
	if err != nil || after.Counts != got.Counts || after.Status != got.Status || !after.Finished.Equal(got.Finished) {
		t.Errorf("run = %+v, %v; want it as the second hub left it: %+v", after, err, got)
	}
	if service.refused != 1 || service.shelf.applies != 3 || service.by["first"] != 1 {
		t.Errorf("%d refused, %d applied, of them by hub %v; want what the first hub still sent refused, and each batch applied once",
			service.refused, service.shelf.applies, service.by)
	}
}

func TestWhatIsWrittenInATurnThatIsOverIsRefused(t *testing.T) {
	b := sharing(t, storetest.Postgres(t), &memory{}, newShelf(), time.Now, time.Minute)
	j := b.Journal()
	turn, other, err := j.TakeTurn(t.Context(), "acme", "the first", time.Minute, false)
	if turn != 1 || other != "" || err != nil {
		t.Fatalf("TakeTurn = %d, %q, %v; want turn 1", turn, other, err)
	}
	if turn, other, err := j.TakeTurn(t.Context(), "acme", "the second", time.Minute, false); turn != 0 || other != "the first" || err != nil {
		t.Fatalf("TakeTurn = %d, %q, %v; want that the first has it", turn, other, err)
	}
	old := journal.Claim{Run: "r1", Turn: 1}
	if err := j.Begin(t.Context(), journal.Run{ID: "r1", Turn: 1, Pipeline: "acme", Entity: "product", Cause: "upload", Status: journal.Running}); err != nil {
		t.Fatal(err)
	}
	if err := j.EndTurn(t.Context(), "acme", 1); err != nil {
		t.Fatal(err)
	}
	if turn, _, err := j.TakeTurn(t.Context(), "acme", "the second", time.Minute, false); turn != 2 || err != nil {
		t.Fatalf("TakeTurn = %d, %v; want turn 2", turn, err)
	}
	if turn, _, err := j.TakeTurn(t.Context(), "other", "the first", time.Minute, false); turn != 1 || err != nil {
		t.Fatalf("TakeTurn = %d, %v; want turn 1 of another pipeline", turn, err)
	}
	if turn, _, err := j.TakeTurn(t.Context(), "other", "the second", time.Minute, true); turn != 2 || err != nil {
		t.Fatalf("TakeTurn = %d, %v; want turn 2 after one that is gone", turn, err)
	}
	if kept, err := j.KeepTurn(t.Context(), "acme", 1, time.Minute); kept || err != nil {
		t.Errorf("KeepTurn of turn 1 = %v, %v; want that it is over", kept, err)
	}
	if err := j.Requeue(t.Context(), journal.Claim{Run: "r1", Turn: 2}); err != nil {
		t.Fatal(err)
	}
	for what, write := range map[string]func() error{
		"Commit": func() error {
			return j.Commit(t.Context(), old, journal.Commit{Counts: journal.Counts{Read: 1, Applied: 1}})
		},
		"Finish":  func() error { _, err := j.Finish(t.Context(), old, journal.Succeeded, "", nil); return err },
		"Hold":    func() error { return j.Hold(t.Context(), old, "header", "x") },
		"Requeue": func() error { return j.Requeue(t.Context(), old) },
		"Restart": func() error { _, err := j.Restart(t.Context(), old); return err },
		"Resume":  func() error { _, err := j.Resume(t.Context(), old); return err },
	} {
		if err := write(); !errors.Is(err, schemas.ErrOvertaken) {
			t.Errorf("%s in turn 1 = %v, want %v", what, err, schemas.ErrOvertaken)
		}
	}
	run, err := j.Run(t.Context(), "r1")
	if err != nil || run.Status != journal.Queued || run.Read != 0 {
		t.Errorf("run = %+v, %v; want it to wait, with nothing counted", run, err)
	}
}
