// Package hub runs pipelines: it reads batches from a source, has them mapped
// and checked, delivers them to the service that owns the entity, and keeps
// the journal of runs and the error queue.
//
//	source ──Next──> pipelines ──Process──> Target.Apply ──> journal.Commit ──> source Ack
//	 (goroutine)       (goroutine)           (goroutine)      (goroutine, in this order)
//
// The journal is committed after the service, and the source is acknowledged
// after both, so that a crash repeats a batch and never loses one; a service
// remembers the batches it has applied and does nothing twice. Begin with
// [Hub.Run].
package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/internal/store"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// A Target is a service as the hub sees it: the owner of some entities.
type Target interface {
	// Apply writes the selected rows in one transaction. The same batch applied
	// again changes nothing and returns the first outcome.
	Apply(ctx context.Context, id schemas.BatchID, b *schemas.Batch) (schemas.Outcome, error)
	// Plan says what Apply would do, and writes nothing.
	Plan(ctx context.Context, b *schemas.Batch) (schemas.Outcome, error)
	// Diff says what Plan says, and what every row would change, in their order.
	Diff(ctx context.Context, b *schemas.Batch) (schemas.Outcome, []schemas.Difference, error)
	// Revert puts back some of the rows that a run has changed, where nothing has
	// changed them since, and says where to go on.
	Revert(ctx context.Context, id schemas.BatchID, r schemas.RevertRequest) (schemas.Reverted, error)
	// Rows calls fn with the rows of an entity as batches, all of one moment and
	// in the order of their keys, and returns the sequence to ask after for what
	// changes later. A batch is fn's until it returns.
	Rows(ctx context.Context, r schemas.RowsRequest, fn func(*schemas.Batch) error) (next int64, err error)
	pipelines.References
}

// Config is what a hub is made of.
type Config struct {
	Dir      string      // the data folder, for what lies in files: uploads and locks
	Store    store.Place // of the journal; its Dir is the data folder
	Registry *schemas.Registry
	Types    []connectors.Type
	Formats  []connectors.Format // in which rows can leave
	Targets  map[string]Target   // by the name of the service
	Clock    func() time.Time
	Log      *slog.Logger
	Tracer   trace.Tracer // of runs and their batches; nil traces nothing
	// Patience is how long a run waits for a service that is away; 0: two minutes.
	Patience time.Duration
	// PipelineDir holds pipelines that uploads may name beside those that were run before.
	PipelineDir string
	// TurnSpan is for how long the turn of a pipeline is taken where several hubs
	// share the journal: that of a hub that died passes to another after so long.
	// Zero is 30 seconds.
	TurnSpan time.Duration
}

// A Hub runs pipelines and keeps their journal.
type Hub struct {
	Config
	journal *journal.Journal
	metrics *metrics
	wake    chan struct{} // an upload was accepted

	rejected chan struct{} // a row was
	name     string        // what other hubs call this one

	mu      sync.Mutex
	running map[string]bool // pipelines that run in this process
}

// Open opens the journal.
func Open(ctx context.Context, cfg Config) (*Hub, error) {
	cfg.Store.Dir, cfg.Tracer = cfg.Dir, tracerOr(cfg.Tracer)
	cfg.TurnSpan = cmp.Or(cfg.TurnSpan, 30*time.Second)
	j, err := journal.Open(ctx, cfg.Store, cfg.Clock)
	if err != nil {
		return nil, err
	}
	// What has waited too long is an error from the first look on.
	if err := j.Expire(ctx); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return &Hub{
		Config: cfg, journal: j, metrics: newMetrics(), wake: make(chan struct{}, 1), rejected: make(chan struct{}, 1),
		name: nameOfProcess(), running: map[string]bool{},
	}, nil
}

// Close closes the journal.
func (h *Hub) Close() error { return h.journal.Close() }

// Journal returns the record of runs and errors.
func (h *Hub) Journal() *journal.Journal { return h.journal }

// Load reads and parses a pipeline file. Its error is pipelines.Faults where
// the text is at fault.
func (h *Hub) Load(path string) (*pipelines.Pipeline, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no such pipeline file", path)
	case err != nil:
		return nil, err
	}
	return pipelines.Parse(path, text, h.Registry)
}

// ErrUnknownPipeline tells that no pipeline of the name given is known.
var ErrUnknownPipeline = errors.New("unknown pipeline")

// Find returns the pipeline of the name given: from the pipeline folder, or
// the file from which it was last run.
func (h *Hub) Find(ctx context.Context, name string) (*pipelines.Pipeline, error) {
	known := []string{}
	if h.PipelineDir != "" {
		paths, err := PipelineFiles([]string{h.PipelineDir})
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			p, err := h.Load(path)
			if err != nil {
				h.Log.WarnContext(ctx, "pipeline cannot be used", "file", path, "error", err)
				continue
			}
			if p.Name == name {
				return p, nil
			}
			known = append(known, p.Name)
		}
	}
	files, err := h.journal.PipelineFiles(ctx)
	if err != nil {
		return nil, err
	}
	if path, ok := files[name]; ok {
		return h.Load(path)
	}
	for other := range files {
		known = append(known, other)
	}
	slices.Sort(known)
	there := "none is known: run it once, or name its folder by serve --pipelines"
	if len(known) > 0 {
		there = "known are " + strings.Join(slices.Compact(known), ", ")
	}
	return nil, fmt.Errorf("%w %s%s (%s)", ErrUnknownPipeline, schemas.QuoteShort(name), schemas.DidYouMean(name, known), there)
}

// PipelineFiles returns the files named, and those of the folders named, in
// the order of their names within each folder.
func PipelineFiles(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			files = append(files, path) // that it is missing is said when it is loaded
			continue
		}
		found, err := filepath.Glob(filepath.Join(path, "*.yaml"))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: the folder holds no pipeline (*.yaml)", path)
		}
		files = append(files, found...) // Glob sorts
	}
	return files, nil
}

// target returns the service that owns an entity.
func (h *Hub) target(e *schemas.Entity) (Target, error) {
	if t, ok := h.Targets[e.Service]; ok {
		return t, nil
	}
	return nil, fmt.Errorf("the service %s, which owns the entity %s, is not running here", e.Service, e.Name)
}

// references answers rules about the rows that the services hold.
type references struct {
	hub     *Hub
	planned Planned
	wait    func(Target, string) Target // makes a run wait for services that are away; may be nil
}

func (r references) Known(ctx context.Context, entity string, keys []string) ([]bool, error) {
	t, err := r.owner(entity)
	if err != nil {
		return nil, err
	}
	known, err := t.Known(ctx, entity, keys)
	for i := range known {
		known[i] = known[i] || r.planned[entity][keys[i]]
	}
	return known, err
}

func (r references) Holders(ctx context.Context, entity, field string, values []string) ([]string, error) {
	t, err := r.owner(entity)
	if err != nil {
		return nil, err
	}
	return t.Holders(ctx, entity, field, values)
}

func (r references) Rows(ctx context.Context, request schemas.RowsRequest, fn func(*schemas.Batch) error) (int64, error) {
	t, err := r.owner(request.Entity)
	if err != nil {
		return 0, err
	}
	return t.Rows(ctx, request, fn)
}

func (r references) owner(entity string) (Target, error) {
	e, err := r.hub.Registry.Entity(entity)
	if err != nil {
		return nil, err
	}
	t, err := r.hub.target(e)
	if err == nil && r.wait != nil {
		t = r.wait(t, e.Service)
	}
	return t, err
}

// sourceOf makes the source of a pipeline. Where files are named it reads none
// but those.
func (h *Hub) sourceOf(p *pipelines.Pipeline, input *Input, only []string) (connectors.Source, error) {
	return h.source(p, p.Source, "source", input, only)
}

// source makes the source that a pipeline, or one of its lookups, names.
func (h *Hub) source(p *pipelines.Pipeline, s pipelines.Source, under string, file *Input, only []string) (connectors.Source, error) {
	names := make([]string, len(h.Types))
	for i, t := range h.Types {
		names[i] = t.Name
		if t.Name != s.Connector {
			continue
		}
		dir, err := filepath.Abs(filepath.Dir(p.File))
		if err != nil {
			return nil, err
		}
		env := connectors.Env{Dir: dir, Only: only}
		settings := s.Settings
		if file != nil {
			settings = file.override(settings)
			if file.Name != "" {
				env.Names = map[string]string{file.Path: file.Name}
			}
		}
		source, err := t.New(settings, env)
		if pipelines.IsSetting(err) {
			return nil, p.Fault(under, err)
		}
		return source, err
	}
	return nil, p.Fault(under, &connectors.SettingError{
		Path:    "connector",
		Message: fmt.Sprintf("unknown connector %s%s (there are %s)", s.Connector, schemas.DidYouMean(s.Connector, names), strings.Join(names, ", ")),
	})
}

// tables loads the lookup tables of a pipeline.
func (h *Hub) tables(ctx context.Context, p *pipelines.Pipeline) (map[string]*pipelines.Table, error) {
	tables := make(map[string]*pipelines.Table, len(p.Lookups))
	for _, l := range p.Lookups {
		source, err := h.source(p, l.Source, "lookups."+l.Name+".source", nil, nil)
		if err != nil {
			return nil, err
		}
		table := l.NewTable()
		if err := eachBatch(ctx, source, table.Add); err != nil {
			return nil, fmt.Errorf("lookup %s: %w", l.Name, err)
		}
		tables[l.Name] = table
	}
	return tables, nil
}

// eachBatch calls fn with every batch of a source that is read whole.
func eachBatch(ctx context.Context, source connectors.Source, fn func(*connectors.Batch) error) error {
	reader, err := source.Open(ctx, connectors.ReadRequest{})
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		b, err := next(ctx, reader)
		if b == nil || err != nil {
			return err
		}
		if len(b.Rejects) > 0 {
			r := b.Rejects[0]
			return &connectors.Error{Place: b.Origin.Place(r.Row, r.Column, ""), Message: r.Message}
		}
		if err := fn(b); err != nil {
			return err
		}
	}
}
