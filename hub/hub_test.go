package hub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crossdock/connectors"
	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// A memory source reads lines from a map of files: "A-1;Mutter". It stands for
// any connector: what matters here is what the hub does with batches.
type memory struct {
	files map[string][]string
	rows  int           // in a batch
	once  bool          // it cannot be read twice
	gate  chan struct{} // one value lets one batch through; nil: all
	fail  error         // instead of the end
	acked func(connectors.Cursor)
}

type memoryConfig struct {
	Path string `json:"path" doc:"Name of the file." required:"true"`
}

func (m *memory) types() []connectors.Type {
	return []connectors.Type{connectors.Define("memory", "Lines in memory.", func(cfg memoryConfig, env connectors.Env) (connectors.Source, error) {
		name, lines := cfg.Path, m.files[cfg.Path]
		if known, ok := env.Names[cfg.Path]; ok { // an upload
			text, err := os.ReadFile(cfg.Path)
			if err != nil {
				return nil, err
			}
			name, lines = known, strings.Split(string(text), "\n")
		}
		return &memorySource{m, name, lines}, nil
	})}
}

type memorySource struct {
	*memory
	name  string
	lines []string
}

var header = []string{"Nr", "Name", "EAN"}

func (s *memorySource) Check(context.Context) []connectors.Probe {
	return []connectors.Probe{{Name: "files", Detail: s.name}}
}

func (s *memorySource) Discover(context.Context) ([]connectors.Stream, error) {
	return []connectors.Stream{{Columns: header, Rereadable: !s.once}}, nil
}

func (s *memorySource) Open(context.Context, connectors.ReadRequest) (connectors.Reader, error) {
	return &memoryReader{memorySource: s}, nil
}

type memoryReader struct {
	*memorySource
	next int
}

func (r *memoryReader) Next(ctx context.Context) (*connectors.Batch, error) {
	if r.gate != nil {
		select {
		case <-r.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if r.next >= len(r.lines) {
		if r.fail != nil {
			return nil, r.fail
		}
		return nil, io.EOF
	}
	builder := connectors.NewTextBuilder(header)
	var rejects []connectors.Reject
	for ; r.next < len(r.lines) && builder.Len()+len(rejects) < r.rows; r.next++ {
		number := int64(r.next + 2)
		cells := strings.Split(r.lines[r.next], ";")
		if len(cells) != len(header) {
			rejects = append(rejects, connectors.Reject{Row: number, Column: -1, Rule: "ragged_row", Message: "has too few cells", Cells: cells})
			continue
		}
		for c, text := range cells {
			var value []byte
			if text != "" {
				value = []byte(text)
			}
			builder.Cell(c, value, connectors.TextCell)
		}
		builder.EndRow(number)
	}
	b := builder.Build()
	b.Origin.Resource, b.Rejects = r.name, rejects
	b.Cursor = connectors.Cursor(strconv.Itoa(r.next))
	b.Done, b.Size = int64(r.next), int64(len(r.lines))
	return b, nil
}

func (r *memoryReader) Ack(_ context.Context, c connectors.Cursor) error {
	if r.acked != nil {
		r.acked(c)
	}
	return nil
}

func (r *memoryReader) Close() error { return nil }

// A shelf is a service that keeps rows by key, as one should.
type shelf struct {
	rows    map[string]uint64
	done    map[schemas.BatchID]schemas.Outcome
	known   map[string]bool // keys that there are of what rows refer to
	refuse  string          // a key that it refuses
	applies int
	fail    error
	after   func() // called behind each Apply

	count atomic.Int64 // of rows, for other goroutines
}

func newShelf() *shelf {
	return &shelf{rows: map[string]uint64{}, done: map[schemas.BatchID]schemas.Outcome{}}
}

func (s *shelf) Apply(ctx context.Context, id schemas.BatchID, b *schemas.Batch) (schemas.Outcome, error) {
	if s.fail != nil {
		return schemas.Outcome{}, s.fail
	}
	id.Turn = schemas.Turn{} // it is no part of the name
	if outcome, ok := s.done[id]; ok {
		return outcome, nil
	}
	s.applies++
	outcome := s.plan(b, func(key string, hash uint64) { s.rows[key] = hash })
	s.done[id] = outcome
	s.count.Store(int64(len(s.rows)))
	if s.after != nil {
		s.after()
	}
	return outcome, ctx.Err()
}

func (s *shelf) Plan(_ context.Context, b *schemas.Batch) (schemas.Outcome, error) {
	return s.plan(b, func(string, uint64) {}), nil
}

func (s *shelf) plan(b *schemas.Batch, write func(string, uint64)) (o schemas.Outcome) {
	b.Each(func(row int) bool {
		key, hash := b.KeyText(row), b.Hashes()[row]
		held, there := s.rows[key]
		switch {
		case key == s.refuse:
			o.Rejected = append(o.Rejected, schemas.Rejection{Row: row, Field: "sku", Rule: "refused", Severity: schemas.Reject, Message: "is not wanted"})
		case there && held == hash:
			o.Unchanged++
		default:
			o.Applied++
			write(key, hash)
		}
		return true
	})
	return o
}

func (s *shelf) Diff(_ context.Context, b *schemas.Batch) (schemas.Outcome, []schemas.Difference, error) {
	return s.plan(b, func(string, uint64) {}), nil, nil
}

func (s *shelf) Revert(context.Context, schemas.BatchID, schemas.RevertRequest) (schemas.Reverted, error) {
	return schemas.Reverted{}, errors.New("a shelf keeps no history")
}

func (s *shelf) Rows(context.Context, schemas.RowsRequest, func(*schemas.Batch) error) (int64, error) {
	return 0, errors.New("a shelf is not read")
}

func (s *shelf) Known(_ context.Context, _ string, keys []string) ([]bool, error) {
	known := make([]bool, len(keys))
	for i, key := range keys {
		known[i] = s.known[key]
	}
	return known, nil
}

func (s *shelf) Holders(_ context.Context, _, _ string, values []string) ([]string, error) {
	return make([]string, len(values)), nil
}

// A bench is a hub with its surroundings.
type bench struct {
	*hub.Hub
	dir    string
	place  store.Place // of the journal
	memory *memory
	shelf  *shelf
	clock  func() time.Time
}

func newBench(t *testing.T, lines ...string) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir(), memory: &memory{files: map[string][]string{"a.csv": lines}, rows: 3}, shelf: newShelf(), clock: time.Now}
	if os.Getenv(engineVariable) != "" {
		b.place = storetest.Postgres(t)
	}
	b.open(t)
	return b
}

func (b *bench) open(t *testing.T) {
	t.Helper()
	h, err := hub.Open(t.Context(), hub.Config{
		Dir: b.dir, Store: b.place, Registry: schemas.Default(), Types: b.memory.types(), Targets: map[string]hub.Target{"catalog": b.shelf},
		Clock: b.clock, Log: slog.New(slog.DiscardHandler),
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
}

const pipelineText = `pipeline: acme
source: { connector: memory, path: a.csv }
entity: product
map: { sku: Nr, name.en: Name, gtin: EAN }
`

// write puts a pipeline into the folder and loads it.
func (b *bench) write(t *testing.T, text string) *pipelines.Pipeline {
	t.Helper()
	path := filepath.Join(b.dir, "acme.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := b.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// counts are read, applied, unchanged, rejected, skipped.
func counts(c journal.Counts) [5]int64 {
	return [5]int64{c.Read, c.Applied, c.Unchanged, c.Rejected, c.Skipped}
}

func products(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("A-%d;Mutter %d;", i+1, i+1)
	}
	return lines
}

func TestRunAccountsForEveryRow(t *testing.T) {
	b := newBench(t, "A-1;Mutter;", "A-2;;", "A-3;Keil;4006381333932", "only;two", "A-4;Stift;", "A-5;Ring;4006381333931", "A-1;Mutter;")
	b.shelf.refuse = "A-4"
	p := b.write(t, pipelineText)
	s, err := b.Run(t.Context(), p, hub.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := counts(s.Counts); got != [5]int64{7, 2, 0, 5, 0} || s.Status != journal.Partial {
		t.Errorf("first run = %v %s, want 7 = 2 + 0 + 5 + 0, partial", got, s.Status)
	}
	var got []string
	errs, err := b.Journal().Errors(t.Context(), journal.ErrorFilter{Run: s.Run})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range errs {
		got = append(got, fmt.Sprintf("%s %s %s %s", e.Origin, e.Key, e.Field, e.Rule))
	}
	slices.Sort(got)
	want := []string{
		"a.csv:3:Name A-2 name.en required", "a.csv:4:EAN A-3 gtin gtin", "a.csv:5   ragged_row",
		"a.csv:6:Nr A-4 sku refused", "a.csv:8:Nr A-1 sku unique",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("errors (-want +got)\n%s", diff)
	}

	again, err := b.Run(t.Context(), p, hub.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := counts(again.Counts); got != [5]int64{7, 0, 2, 5, 0} || again.Superseded != 5 {
		t.Errorf("second run = %v, %d superseded; want 7 = 0 + 2 + 5 + 0, 5 superseded", got, again.Superseded)
	}
}

func TestTheSourceIsAcknowledgedWhenServiceAndJournalHaveTheRows(t *testing.T) {
	b := newBench(t, products(7)...)
	var acked []string
	b.memory.acked = func(c connectors.Cursor) {
		acked = append(acked, string(c))
		runs, err := b.Journal().Runs(t.Context(), journal.RunFilter{})
		// The service may have the batch that follows by now.
		if has := b.shelf.count.Load(); err != nil || fmt.Sprint(runs[0].Read) != string(c) || has < runs[0].Read {
			t.Errorf("acknowledged %s rows; journal has %d (%v), service %d", c, runs[0].Read, err, has)
		}
	}
	p := b.write(t, pipelineText)
	if _, err := b.Run(t.Context(), p, hub.Options{DryRun: true}); err != nil || acked != nil {
		t.Errorf("a dry run acknowledged %v, %v", acked, err)
	}
	if _, err := b.Run(t.Context(), p, hub.Options{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"3", "6", "7"}, acked); diff != "" {
		t.Errorf("acknowledged (-want +got)\n%s", diff)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	b := newBench(t, "A-1;Mutter;", "A-2;;")
	s, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := counts(s.Counts); got != [5]int64{2, 1, 0, 1, 0} {
		t.Errorf("counts = %v, want what a run would do", got)
	}
	runs, err := b.Journal().Runs(t.Context(), journal.RunFilter{})
	if err != nil || len(runs) != 0 || len(b.shelf.rows) != 0 {
		t.Errorf("journal has %d runs (%v), service %d rows; want none", len(runs), err, len(b.shelf.rows))
	}
}

func TestStopAboveDecidesBeforeTheTargetIsTouched(t *testing.T) {
	const text = pipelineText + "on_reject: { stop_above: 20% }\n"
	for _, tt := range []struct {
		name    string
		good    int
		bad     int
		once    bool
		applied int64
		stopped bool
	}{
		{"a few bad rows of a small source", 9, 1, false, 9, false},
		{"too many of a small source", 7, 3, false, 0, true},
		{"a few bad rows of a large source", 90, 10, false, 90, false},
		{"too many of a large source, all at its end", 70, 30, false, 0, true},
		{"too many of a source that can be read once", 12, 12, true, 12, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines := append(products(tt.good), slices.Repeat([]string{"B-1;;"}, tt.bad)...)
			b := newBench(t, lines...)
			b.memory.once = tt.once
			s, err := b.Run(t.Context(), b.write(t, text), hub.Options{})
			if errors.Is(err, hub.ErrStopped) != tt.stopped || s.Applied != tt.applied || int64(len(b.shelf.rows)) != tt.applied {
				t.Errorf("applied %d, error %v; want %d, stopped %t", s.Applied, err, tt.applied, tt.stopped)
			}
			if tt.stopped && !strings.Contains(s.Error, "by required") {
				t.Errorf("reason %q does not name the rule", s.Error)
			}
			if !s.Balanced() {
				t.Errorf("counts %+v do not add up", s.Counts)
			}
		})
	}
}

func TestAFailureOfTheSourceLeavesWhatIsDoneAndAccountedFor(t *testing.T) {
	b := newBench(t, products(7)...)
	b.memory.fail = &connectors.Error{Place: connectors.Place{Resource: "a.csv", Row: 9}, Message: "the file is cut off"}
	s, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{})
	if err == nil || s.Status != journal.Failed || s.Error != "a.csv:9: the file is cut off" {
		t.Fatalf("Run = %+v, %v; want the failure with its place", s, err)
	}
	run, err := b.Journal().Run(t.Context(), s.Run)
	if err != nil || run.Applied != int64(len(b.shelf.rows)) || !run.Balanced() {
		t.Errorf("journal %+v, %v; service has %d rows", run.Counts, err, len(b.shelf.rows))
	}
}

func TestAnInterruptedRunFinishesItsBatchAndTheNextDoublesNothing(t *testing.T) {
	b := newBench(t, products(9)...)
	p := b.write(t, pipelineText)
	ctx, cancel := context.WithCancel(t.Context())
	b.shelf.after = cancel
	s, err := b.Run(ctx, p, hub.Options{})
	if !errors.Is(err, hub.ErrStopped) || s.Status != journal.Stopped || s.Applied != 3 || b.shelf.applies != 1 {
		t.Fatalf("Run = %+v, %v; want one batch and a stop", s, err)
	}
	b.shelf.after = nil
	s, err = b.Run(t.Context(), p, hub.Options{})
	if err != nil || counts(s.Counts) != [5]int64{9, 6, 3, 0, 0} {
		t.Errorf("next run = %+v, %v; want 6 applied and 3 unchanged", s.Counts, err)
	}
}

func TestARunThatIsInterruptedBeforeItsFirstBatchIsStopped(t *testing.T) {
	b := newBench(t, products(3)...)
	b.memory.gate = make(chan struct{}) // never opened
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := b.Run(ctx, b.write(t, pipelineText), hub.Options{DryRun: true})
	if !errors.Is(err, hub.ErrStopped) || s.Status != journal.Stopped {
		t.Errorf("Run = %+v, %v; want it stopped", s, err)
	}
}

func TestWhatALaterFileDeliversIsClosedAndWhatItLacksStays(t *testing.T) {
	b := newBench(t, "A-1;;", "A-2;;", "A-3;;", "only;two")
	p := b.write(t, pipelineText)
	if _, err := b.Run(t.Context(), p, hub.Options{}); err != nil {
		t.Fatal(err)
	}
	b.memory.files["b.csv"] = []string{"A-1;Mutter;", "A-2;;"}
	p = b.write(t, strings.Replace(pipelineText, "a.csv", "b.csv", 1))
	s, err := b.Run(t.Context(), p, hub.Options{})
	if err != nil || s.Superseded != 2 {
		t.Fatalf("Run = %+v, %v; want 2 superseded: A-1 delivered, A-2 parked anew", s, err)
	}
	open, err := b.Journal().Errors(t.Context(), journal.ErrorFilter{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range open {
		got = append(got, e.Origin.Resource+" "+e.Key)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"a.csv ", "a.csv A-3", "b.csv A-2"}, got); diff != "" {
		t.Errorf("open (-want +got)\n%s", diff)
	}
}

func TestStopAboveShowsWhatItWouldReject(t *testing.T) {
	b := newBench(t, "A-1;Mutter;", "A-2;;", "A-3;;4006381333932")
	s, err := b.Run(t.Context(), b.write(t, pipelineText+"on_reject: { stop_above: 20% }\n"), hub.Options{})
	if !errors.Is(err, hub.ErrStopped) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range s.Examples {
		got = append(got, e.Origin.String()+" "+e.Rule)
	}
	if diff := cmp.Diff([]string{"a.csv:3:Name required", "a.csv:4:Name required", "a.csv:4:EAN gtin"}, got); diff != "" {
		t.Errorf("examples (-want +got)\n%s", diff)
	}
}

func TestADryRunKnowsWhatTheDryRunBeforeItWouldHaveWritten(t *testing.T) {
	b := newBench(t, "A-1;Mutter;")
	b.memory.files["variants.csv"] = []string{"V-1;Mutter M4;A-1"}
	parents := b.write(t, pipelineText)
	variants := b.write(t, "pipeline: variants\nsource: { connector: memory, path: variants.csv }\nentity: product\n"+
		"map: { sku: Nr, name.en: Name, parent_sku: EAN }\n")
	planned := hub.Planned{}
	for _, p := range []*pipelines.Pipeline{parents, variants} {
		s, err := b.Run(t.Context(), p, hub.Options{DryRun: true, Planned: planned})
		if err != nil || s.Rejected != 0 || s.Applied != 1 {
			t.Errorf("%s = %+v, %v; want 1 applied", p.Name, s.Counts, err)
		}
	}
}

func TestAPipelineThatMovesIsNoted(t *testing.T) {
	b := newBench(t, products(1)...)
	if s, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{}); err != nil || len(s.Notices) != 0 {
		t.Fatalf("first run = %+v, %v; want no notice", s, err)
	}
	copied := filepath.Join(t.TempDir(), "trial.yaml")
	if err := os.WriteFile(copied, []byte(pipelineText), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := b.Load(copied)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := b.Run(t.Context(), p, hub.Options{}); err != nil || len(s.Notices) != 1 || !strings.Contains(s.Notices[0], "acme.yaml") {
		t.Errorf("run of a copy = %+v, %v; want a notice with both files", s, err)
	}
}

func TestAPipelineRunsOnceAtATime(t *testing.T) {
	b := newBench(t, products(1)...)
	b.memory.gate = make(chan struct{})
	p := b.write(t, pipelineText)
	first := make(chan error, 1)
	go func() { // ends when the gate is closed
		_, err := b.Run(t.Context(), p, hub.Options{})
		first <- err
	}()
	b.memory.gate <- struct{}{} // the first run reads
	if _, err := b.Run(t.Context(), p, hub.Options{}); !errors.Is(err, hub.ErrRunning) {
		t.Errorf("second Run error = %v, want that it runs already", err)
	}
	other := &bench{dir: b.dir, memory: b.memory, shelf: b.shelf, clock: b.clock}
	other.open(t) // as another process would
	if _, err := other.Run(t.Context(), p, hub.Options{}); !errors.Is(err, hub.ErrRunning) {
		t.Errorf("Run of another hub error = %v, want that it runs already", err)
	}
	close(b.memory.gate)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestReplayAfterTheMappingWasMended(t *testing.T) {
	b := newBench(t, "A-1;Mutter;", "A-2;;", "A-3;;", "A-1;Bolzen;", "only;two")
	p := b.write(t, pipelineText)
	s, err := b.Run(t.Context(), p, hub.Options{})
	if err != nil || s.Rejected != 4 {
		t.Fatalf("Run = %+v, %v; want 4 rejected", s, err)
	}
	b.write(t, strings.Replace(pipelineText, "name.en: Name", "name.en: { column: Name, default: Unnamed }", 1))
	summaries, err := b.Replay(t.Context(), journal.ErrorFilter{Pipeline: "acme"}, nil)
	if err != nil || len(summaries) != 1 {
		t.Fatalf("Replay = %+v, %v", summaries, err)
	}
	// The second A-1 must not overwrite the first unseen, and a row that was
	// never cut into cells cannot be mapped.
	if got := counts(summaries[0].Counts); got != [5]int64{4, 2, 0, 2, 0} {
		t.Errorf("replay = %v, want 2 applied and 2 rejected", got)
	}
	open, err := b.Journal().Errors(t.Context(), journal.ErrorFilter{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range open {
		got = append(got, fmt.Sprintf("%d %s %d", e.Origin.Row, e.Rule, e.Attempts))
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"5 unique 2", "6 ragged_row 2"}, got); diff != "" {
		t.Errorf("open (-want +got)\n%s", diff)
	}
	if len(b.shelf.rows) != 3 {
		t.Errorf("service has %d rows, want 3", len(b.shelf.rows))
	}
}

func TestReplayNamesWhatItCannotReplay(t *testing.T) {
	b := newBench(t, "A-1;;")
	if _, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Replay(t.Context(), journal.ErrorFilter{IDs: []int64{7}}, nil); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("Replay(7) error = %v, want not found", err)
	}
	if _, err := b.Discard(t.Context(), journal.ErrorFilter{IDs: []int64{1}}, "no use", "kim"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Replay(t.Context(), journal.ErrorFilter{IDs: []int64{1}}, nil); !errors.Is(err, journal.ErrNotOpen) {
		t.Errorf("Replay of a discarded row error = %v, want not open", err)
	}
}

func TestPreviewShowsValuesAndFindings(t *testing.T) {
	b := newBench(t, " A-1 ;Mutter;", "A-2;;", "A-3;Ring;")
	p, err := b.Preview(t.Context(), b.write(t, pipelineText), nil, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Rows) != 2 || p.Rows[0].Outcome != "passes" || p.Rows[1].Outcome != "rejected" {
		t.Fatalf("rows = %+v, want one that passes and one rejected", p.Rows)
	}
	sku := slices.Index(p.Columns, "sku")
	if *p.Rows[0].Read[sku] != " A-1 " || *p.Rows[0].Values[sku] != "A-1" {
		t.Errorf("sku = %q from %q, want it trimmed", *p.Rows[0].Values[sku], *p.Rows[0].Read[sku])
	}
	if f := p.Rows[1].Findings; len(f) != 1 || f[0].Rule != "required" || f[0].Origin.String() != "a.csv:3:Name" {
		t.Errorf("findings = %+v, want required at a.csv:3:Name", f)
	}
	if len(b.shelf.rows) != 0 {
		t.Error("a preview wrote to the service")
	}
}
