package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/internal/store"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// An Input is a file to read in place of the one that the pipeline names.
type Input struct {
	Path string // absolute
	Name string // what its sender calls it; "" where it goes by its path
}

// FileInput returns the input for a file on this machine.
func FileInput(path string) (*Input, error) {
	full, err := filepath.Abs(path)
	return &Input{Path: full}, err
}

// Planned are keys that dry runs before this one would have written, by
// entity, so that what refers to them is found as it would be.
type Planned map[string]map[string]bool

func (in *Input) override(settings map[string]any) map[string]any {
	settings = maps.Clone(settings)
	settings["path"] = in.Path
	return settings
}

// Options say how to run a pipeline.
type Options struct {
	Input    *Input   // nil: what the pipeline names
	DryRun   bool     // find out what would happen, and write nothing
	Requeue  bool     // when it is interrupted the run waits again, and has not ended
	Planned  Planned  // read and filled by a dry run; may be nil
	Again    bool     // apply files again that the pipeline has applied
	Lifted   []string // guards that shall not hold it
	Approved bool     // it was held, and is to read the files that it had then
	By       string   // who asked for a replay; "" leaves no entry in the histories of rows
	Progress func(Progress)
	Diff     func(Change) error // takes in what a dry run would change; may be nil
}

// Progress is how far a run has come.
type Progress struct {
	Pipeline string
	Phase    string // checking: reading ahead of writing, for stop_above; else writing
	journal.Counts
	Done, Size int64 // bytes of the source; a Size of 0 is unknown
}

// A Summary is the result of a run. It is a contract: `run --json` prints it.
type Summary struct {
	Run      string         `json:"run"`
	Pipeline string         `json:"pipeline"`
	Entity   string         `json:"entity"`
	Status   journal.Status `json:"status"`
	journal.Counts
	Kinds
	Deactivated   int64   `json:"deactivated,omitempty"` // that a snapshot no longer held
	Seconds       float64 `json:"seconds"`
	RowsPerSecond float64 `json:"rows_per_second"`
	DryRun        bool    `json:"dry_run,omitempty"`
	Superseded    int64   `json:"superseded,omitempty"` // older errors of the same files, now closed
	Error         string  `json:"error,omitempty"`
	// Examples are the first rows that a dry run, or one that stop_above has
	// stopped, would have rejected: they are not in the error queue.
	Examples []journal.Error `json:"examples,omitempty"`
	Notices  []string        `json:"notices,omitempty"` // what a person should know besides
	// Quality says how good the rows were, from 0 to 100; see docs/quality.md.
	Quality *pipelines.Score `json:"quality,omitempty"`
}

// An execution is one run on its way.
type execution struct {
	hub      *Hub
	pipeline *pipelines.Pipeline
	options  Options
	id       string
	turn     int64 // of the pipeline
	target   Target
	source   connectors.Source
	stream   connectors.Stream
	process  func() (*pipelines.Processor, error) // a fresh one: it keeps the keys seen

	ahead *pipelines.Survey // what a pass over the source has found, for rules that need it

	seq        int64
	booking    *booking // under way; nil: none
	counts     journal.Counts
	kinds      Kinds
	surveyed   int64 // rows of the source, where all were checked before the first was written
	profile    *pipelines.Profile
	tallies    []sourceTally
	told       []journal.Drift // checks that failed
	judged     bool
	byRule     map[string]int64 // rejected rows by rule, for the message of stop_above
	superseded int64
	examples   []journal.Error
	notices    []string
	parked     map[string][]int64 // rows that earlier runs have parked, by key
	resources  []string           // read to their end
	known      []journal.Past     // finished runs before this one, newest first
	inputs     []journal.File     // the files of a source that reads files
	nothing    bool               // no file is left to read
	newest     string             // value of the field that guard.newest names
	files      []*os.File         // scratch

	present     present // keys of a snapshot
	deactivated int64
}

// A processed batch is one on its way to the service.
type processed struct {
	batch     *connectors.Batch
	result    *pipelines.Result
	processor *pipelines.Processor
	ack       func(context.Context, connectors.Cursor) error // tells the source that the batch is safe
	compared  bool                                           // with what the target holds
}

// Run executes a pipeline and returns its summary. The error is the reason
// why the run failed or was stopped; that rows were rejected is no error.
// When ctx ends the batch under way is finished, and the run is stopped.
func (h *Hub) Run(ctx context.Context, p *pipelines.Pipeline, options Options) (Summary, error) {
	if options.DryRun {
		return h.execute(ctx, p, options, journal.Claim{Run: newRunID(h.Clock())})
	}
	s, err := h.runLocked(ctx, p, options)
	h.rouseAfter(ctx, &s)
	return s, err
}

// runLocked runs a pipeline under its lock.
func (h *Hub) runLocked(ctx context.Context, p *pipelines.Pipeline, options Options) (Summary, error) {
	held, err := h.lock(ctx, p.Name)
	if err != nil {
		return Summary{Pipeline: p.Name, Entity: p.Entity.Name, Status: journal.Failed, Error: err.Error()}, err
	}
	defer held.release()
	claim := journal.Claim{Run: newRunID(h.Clock()), Turn: held.turn}
	if err := h.begin(ctx, p, claim, "command", journal.Running, options); err != nil {
		return Summary{}, err
	}
	return h.execute(ctx, p, options, claim)
}

func (h *Hub) begin(ctx context.Context, p *pipelines.Pipeline, claim journal.Claim, cause string, status journal.Status, options Options) error {
	file, err := filepath.Abs(p.File)
	if err != nil {
		return err
	}
	run := journal.Run{
		ID: claim.Run, Turn: claim.Turn, Pipeline: p.Name, Entity: p.Entity.Name, Cause: cause, Status: status,
		PipelineFile: file, PipelineHash: p.Hash, TraceParent: traceOf(ctx), Lifted: strings.Join(options.Lifted, ","),
	}
	if input := options.Input; input != nil {
		run.InputPath, run.InputName = input.Path, input.Name
	}
	return h.journal.Begin(ctx, run)
}

// newRunID returns an id that sorts by time and can be read out: 20261121-141058-k7qd.
func newRunID(now time.Time) string { return runIDAt(now) + "-" + strings.ToLower(rand.Text()[:4]) }

// runIDAt returns what the ids of the runs begin with that began then.
func runIDAt(t time.Time) string { return t.UTC().Format("20060102-150405") }

// errLost tells that a run has ended because the database was gone.
var errLost = errors.New("the connection to PostgreSQL was lost")

// execute runs a pipeline under a run that has begun, and ends it.
func (h *Hub) execute(ctx context.Context, p *pipelines.Pipeline, options Options, claim journal.Claim) (s Summary, err error) {
	started := h.Clock()
	ctx, end := h.traced(ctx, claim.Run, p.Name)
	defer func() {
		h.metrics.ended(&s)
		end(&s, err)
	}()
	x := &execution{hub: h, pipeline: p, options: options, id: claim.Run, turn: claim.Turn, byRule: map[string]int64{}}
	defer x.close()
	err = x.begin(ctx)
	hashes := x.hashBeside(ctx)
	defer hashes.close()
	if err == nil && !x.nothing {
		err = x.guardHeader(ctx)
	}
	if err == nil && !x.nothing {
		err = x.deliver(ctx)
	}
	if err == nil {
		err = x.deactivate(ctx)
	}
	if err == nil {
		x.lookBack(ctx)
	}
	if err != nil && ctx.Err() != nil && !errors.Is(err, ErrStopped) {
		err = interrupted(ctx) // whatever failed first failed for that
	}
	lost := store.Lost(err)
	if lost {
		err = fmt.Errorf("%w: %w", errLost, err)
	}
	missed := err
	err = stopAway(err)
	s = x.summary(err, h.Clock().Sub(started))
	assessment, assessErr := x.assess(context.WithoutCancel(ctx), &s)
	if err = errors.Join(err, assessErr); options.DryRun {
		return s, err
	}
	if options.Requeue && lost {
		// Where it cannot be queued now, it is when it is seen that nobody works on it.
		s.Status = journal.Queued
		return s, errors.Join(err, h.journal.Requeue(context.WithoutCancel(ctx), claim))
	}
	if options.Requeue && errors.Is(missed, schemas.ErrAway) {
		s.Status = journal.Queued
		return s, h.putOff(ctx, claim, missed)
	}
	if options.Requeue && s.Status == journal.Stopped && ctx.Err() != nil {
		s.Status = journal.Queued
		return s, h.journal.Requeue(context.WithoutCancel(ctx), claim)
	}
	if errors.Is(err, schemas.ErrOvertaken) {
		return s, err // the run belongs to another hub
	}
	if held, ok := errors.AsType[*HeldError](err); ok {
		ctx := context.WithoutCancel(ctx)
		return s, errors.Join(err, h.journal.Hold(ctx, claim, held.Guard, held.Error()), h.journal.Assess(ctx, assessment))
	}
	err = errors.Join(err, x.finish(context.WithoutCancel(ctx), &s, hashes, err))
	return s, errors.Join(err, h.journal.Assess(context.WithoutCancel(ctx), assessment))
}

// finish ends the run in the journal, and then moves its files.
func (x *execution) finish(ctx context.Context, s *Summary, hashes *hashes, failure error) error {
	h, resources := x.hub, x.resources
	if failure != nil || x.continues() {
		resources = nil // not all of their rows were read
	}
	if err := x.endFiles(ctx, hashes, failure); err != nil {
		return err
	}
	if x.newest != "" {
		if err := x.observe(ctx); err != nil {
			return err
		}
	}
	superseded, err := h.journal.Finish(ctx, x.claim(), s.Status, s.Error, resources)
	s.Superseded = x.superseded + superseded
	if err != nil {
		return err
	}
	h.retain(ctx, x.pipeline)
	notices, err := h.moveFiles(ctx, x.pipeline.Name)
	s.Notices = append(s.Notices, notices...)
	return err
}

// begin makes the run ready to read its first row.
func (x *execution) begin(ctx context.Context) error {
	if err := checkFolders(x.pipeline); err != nil {
		return err
	}
	if !x.options.DryRun {
		notices, err := x.hub.moveFiles(ctx, x.pipeline.Name) // what a crash has left
		if err != nil {
			return err
		}
		x.notices = append(x.notices, notices...)
	}
	if err := x.open(ctx); err != nil {
		return errors.Join(err, x.beginFiles(ctx))
	}
	if err := x.chooseFiles(ctx); err != nil {
		return err
	}
	if !x.nothing {
		if err := x.bind(ctx); err != nil {
			return errors.Join(err, x.beginFiles(ctx))
		}
	}
	return x.register(ctx)
}

func (x *execution) summary(err error, took time.Duration) Summary {
	s := Summary{
		Run: x.id, Pipeline: x.pipeline.Name, Entity: x.pipeline.Entity.Name, Counts: x.counts, Kinds: x.kinds, Deactivated: x.deactivated,
		DryRun: x.options.DryRun, Examples: x.examples, Notices: x.notices, Seconds: took.Seconds(), Status: journal.Succeeded,
	}
	if s.Seconds > 0 {
		s.RowsPerSecond = float64(s.Read) / s.Seconds
	}
	_, held := errors.AsType[*HeldError](err)
	switch {
	case held:
		s.Status, s.Error = journal.Held, err.Error()
	case errors.Is(err, ErrStopped):
		s.Status, s.Error = journal.Stopped, err.Error()
	case err != nil:
		s.Status, s.Error = journal.Failed, err.Error()
		if hint := Hint(err); hint != "" {
			s.Error += " (" + hint + ")"
		}
	case s.Rejected > 0:
		s.Status = journal.Partial
	}
	return s
}

// openKeys bounds how many parked rows a run watches for the keys of.
const openKeys = 100_000

// register notes where the pipeline is found, now that it fits its source, and
// which rows are still open that this run may deliver.
func (x *execution) register(ctx context.Context) error {
	if x.options.DryRun {
		return nil
	}
	file, err := filepath.Abs(x.pipeline.File)
	if err != nil {
		return err
	}
	known, err := x.hub.journal.PipelineFiles(ctx)
	if err != nil {
		return err
	}
	if before := known[x.pipeline.Name]; before != "" && before != file {
		if _, err := os.Stat(before); err == nil {
			x.notices = append(x.notices, fmt.Sprintf("the pipeline %s was run from %s before: uploads and replays use %s from now on",
				x.pipeline.Name, before, file))
		}
	}
	if err := x.hub.journal.Register(ctx, x.pipeline.Name, file); err != nil {
		return err
	}
	if err := x.beginFiles(ctx); err != nil {
		return err
	}
	if err := x.observe(ctx); err != nil {
		return err
	}
	x.parked, err = x.hub.journal.OpenKeys(ctx, x.pipeline.Name, openKeys)
	return err
}

// ErrStopped tells that a run was stopped by a guard or a person.
var ErrStopped = errors.New("stopped")

// prepare opens all that the run needs, and compares mapping and source.
func (x *execution) prepare(ctx context.Context) error {
	if err := x.open(ctx); err != nil {
		return err
	}
	return x.bind(ctx)
}

// open makes target and source, and lists the files of the source.
func (x *execution) open(ctx context.Context) (err error) {
	if x.target, err = x.hub.target(x.pipeline.Entity); err != nil {
		return err
	}
	x.target = x.patience(ctx)(x.target, x.pipeline.Entity.Service)
	if x.source, err = x.hub.sourceOf(x.pipeline, x.options.Input, nil); err != nil {
		return err
	}
	return x.findFiles()
}

// bind compares mapping and source.
func (x *execution) bind(ctx context.Context) error {
	h, p := x.hub, x.pipeline
	var streams []connectors.Stream
	err := again(ctx, func() (err error) {
		streams, err = x.source.Discover(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if len(streams) == 0 {
		return fmt.Errorf("the source of pipeline %s offers nothing to read", p.Name)
	}
	x.stream = streams[0]
	if p, err = p.Fit(x.stream.Columns); err != nil {
		return err
	}
	x.pipeline = p
	tables, err := h.tables(ctx, p)
	if err != nil {
		return err
	}
	x.process = func() (*pipelines.Processor, error) {
		processor, err := p.Start(x.stream.Columns, tables, references{h, x.options.Planned, x.patience(ctx)})
		if err == nil {
			processor.Spill(x.scratch)
			if x.ahead != nil {
				processor.Know(x.ahead)
			}
		}
		return processor, err
	}
	return nil
}

// scratch makes a file without a name, which ends with the run or the process.
func (x *execution) scratch() (pipelines.Scratch, error) {
	file, err := os.CreateTemp(x.hub.Dir, ".keys-*")
	if err != nil {
		return nil, err
	}
	x.files = append(x.files, file)
	return file, os.Remove(file.Name())
}

func (x *execution) close() {
	for _, file := range x.files {
		_ = file.Close() // nothing of it is needed any more
	}
}

// blame counts the rules by which rows were rejected.
func (x *execution) blame(rows []*journal.Row) {
	for _, row := range rows {
		if row.Status == journal.OpenRow {
			x.byRule[firstReject(row).Rule]++
		}
	}
}

// maxExamples bounds what is shown of rows that are not parked.
const maxExamples = 10

func (x *execution) exemplify(rows []*journal.Row) {
	for _, row := range rows {
		if row.Status != journal.NotedRow && len(x.examples) < maxExamples {
			x.examples = append(x.examples, row.Errors()...)
		}
	}
}

// maxPlanned bounds the keys of an entity that dry runs keep for those behind
// them. What refers to a key beyond is reported, though a run would find it.
const maxPlanned = 1_000_000

// plan keeps the keys that a dry run would have written.
func (x *execution) plan(b *schemas.Batch) {
	if x.options.Planned == nil {
		return
	}
	keys := x.options.Planned[b.Entity.Name]
	if keys == nil {
		keys = map[string]bool{}
		x.options.Planned[b.Entity.Name] = keys
	}
	b.Each(func(row int) bool {
		keys[b.KeyText(row)] = true
		return len(keys) < maxPlanned
	})
}

// delivered returns the open rows of earlier runs whose keys the batch has
// brought in good order: newer data took their place.
func (x *execution) delivered(one *processed, outcome schemas.Outcome) []int64 {
	if len(x.parked) == 0 {
		return nil
	}
	refused := map[int]bool{}
	for _, r := range outcome.Rejected {
		refused[r.Row] = refused[r.Row] || r.Severity == schemas.Reject
	}
	var ids []int64
	b := one.result.Batch
	b.Each(func(row int) bool {
		if !refused[row] {
			key := b.KeyText(row)
			ids = append(ids, x.parked[key]...)
			delete(x.parked, key)
		}
		return true
	})
	x.superseded += int64(len(ids))
	return ids
}

func (x *execution) apply(ctx context.Context, b *schemas.Batch) (schemas.Outcome, error) {
	if b.Count() == 0 {
		return schemas.Outcome{}, nil
	}
	if x.options.DryRun {
		return x.target.Plan(ctx, b)
	}
	return x.target.Apply(ctx, schemas.BatchID{Run: x.id, Seq: x.seq, Turn: schemas.Turn{Of: x.pipeline.Name, Number: x.turn}}, b)
}

func (x *execution) claim() journal.Claim { return journal.Claim{Run: x.id, Turn: x.turn} }

// applyOrDiff applies a batch, or finds out what that would change.
func (x *execution) applyOrDiff(ctx context.Context, one *processed) (schemas.Outcome, error) {
	if x.options.Diff == nil || one.result.Batch.Count() == 0 {
		return x.apply(ctx, one.result.Batch)
	}
	outcome, differences, err := x.target.Diff(ctx, one.result.Batch)
	if err != nil {
		return outcome, err
	}
	return outcome, x.diff(one, differences)
}

func rowRange(b *connectors.Batch) string {
	place := connectors.Place{Resource: b.Origin.Resource, Part: b.Origin.Part}.String()
	if rows := b.Origin.Rows; len(rows) > 0 {
		return fmt.Sprintf("%d to %d of %s", rows[0], rows[len(rows)-1], place)
	}
	return "of " + place
}

func (x *execution) report(phase string, counts journal.Counts, b *connectors.Batch) {
	if x.options.Progress != nil {
		x.options.Progress(Progress{Pipeline: x.pipeline.Name, Phase: phase, Counts: counts, Done: b.Done, Size: b.Size})
	}
}
