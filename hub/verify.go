package hub

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/zeebo/xxh3"

	"crossdock/schemas"
)

// A Verification says what the services hold, and whether it fits together.
// Nothing is written for it.
type Verification struct {
	Holdings []Holding `json:"holdings"`
	Checks   []Finding `json:"checks"`
	Wrong    int64     `json:"wrong"` // of all checks
}

// A Holding is what a service holds of an entity.
type Holding struct {
	Entity string `json:"entity"`
	Rows   int64  `json:"rows"`
	// Checksum is the same where the rows are the same, whatever their order and
	// whichever engine keeps them.
	Checksum string `json:"checksum"`
	Sequence int64  `json:"sequence"` // of the service's last change
}

// A Finding is the result of one check.
type Finding struct {
	Check    string   `json:"check"`              // price.sku, or the name of a pipeline
	What     string   `json:"what"`               // was looked at
	Looked   int64    `json:"looked"`             // rows that were
	Wrong    int64    `json:"wrong"`              // of them
	Examples []string `json:"examples,omitempty"` // keys of the first of them, and what is wrong
	Repair   string   `json:"repair,omitempty"`   // what to do
	Error    string   `json:"error,omitempty"`    // why it could not be made; counts as one wrong
}

// shownExamples bounds what a finding has examples of.
const shownExamples = 5

// VerifyOptions say what to verify; the zero value is all that the services hold.
type VerifyOptions struct {
	// Sources has every pipeline that was ever run compared with what its source
	// holds now, as a dry run does.
	Sources  bool
	Progress func(Progress)
}

// Verify reads all that the services hold, and looks after every reference
// whether there is what it refers to. The error is why it could not go on.
func (h *Hub) Verify(ctx context.Context, options VerifyOptions) (*Verification, error) {
	v := &Verification{Holdings: []Holding{}, Checks: []Finding{}}
	for _, e := range h.Registry.Entities() {
		if _, there := h.Targets[e.Service]; !there {
			continue
		}
		if err := h.verifyEntity(ctx, v, e, options); err != nil {
			return v, fmt.Errorf("verify %s: %w", e.Plural, err)
		}
	}
	if options.Sources {
		if err := h.verifySources(ctx, v, options); err != nil {
			return v, err
		}
	}
	for _, f := range v.Checks {
		v.Wrong += f.Wrong
	}
	return v, nil
}

// A pointer is a reference of an entity that is looked after.
type pointer struct {
	field   *schemas.Field
	finding Finding
	known   map[string]bool // keys that were found, or missed, of late
}

// knownKeys bounds what is remembered of keys that were asked for.
const knownKeys = 100_000

func (h *Hub) verifyEntity(ctx context.Context, v *Verification, e *schemas.Entity, options VerifyOptions) error {
	target, err := h.target(e)
	if err != nil {
		return err
	}
	var pointers []*pointer
	for i := range e.Fields {
		if f := &e.Fields[i]; f.Type == schemas.Reference && f.Entity != "" {
			pointers = append(pointers, &pointer{field: f, known: map[string]bool{}, finding: Finding{
				Check: e.Name + "." + f.Name, What: e.Plural + " that refer to a " + f.Entity,
				Repair: fmt.Sprintf("import the missing rows of %s, or correct or delete those of %s that refer to them", f.Entity, e.Name),
			}})
		}
	}
	holding := Holding{Entity: e.Name}
	sum := uint64(0)
	holding.Sequence, err = target.Rows(ctx, schemas.RowsRequest{Entity: e.Name}, func(b *schemas.Batch) error {
		holding.Rows += int64(b.Count())
		sum += checksum(b)
		if options.Progress != nil {
			options.Progress(Progress{Pipeline: e.Plural, Phase: "verifying", Done: holding.Rows})
		}
		for _, p := range pointers {
			if err := h.follow(ctx, p, b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	holding.Checksum = fmt.Sprintf("%016x", sum)
	v.Holdings = append(v.Holdings, holding)
	for _, p := range pointers {
		if p.finding.Wrong == 0 {
			p.finding.Repair = ""
		}
		v.Checks = append(v.Checks, p.finding)
	}
	return nil
}

// checksum adds up hashes of rows, each of its columns that hold something.
func checksum(b *schemas.Batch) (sum uint64) {
	var text []byte
	b.Each(func(row int) bool {
		text = text[:0]
		for i, c := range b.Columns {
			if value, ok := b.Text(i, row); ok {
				text = append(append(append(append(text, c.Name...), 0), value...), 0)
			}
		}
		sum += xxh3.Hash(text)
		return true
	})
	return sum
}

// follow looks after the references of a batch.
func (h *Hub) follow(ctx context.Context, p *pointer, b *schemas.Batch) error {
	column := b.Index(p.field.Name)
	if column < 0 {
		return nil
	}
	if len(p.known) > knownKeys {
		clear(p.known)
	}
	var ask []string
	b.Each(func(row int) bool {
		if key, ok := b.Text(column, row); ok {
			if _, asked := p.known[key]; !asked {
				p.known[key] = false
				ask = append(ask, key)
			}
		}
		return true
	})
	known, err := references{hub: h}.Known(ctx, p.field.Entity, ask)
	if err != nil {
		return fmt.Errorf("which %s exist: %w", p.field.Entity, err)
	}
	for i, key := range ask {
		p.known[key] = known[i]
	}
	b.Each(func(row int) bool {
		key, ok := b.Text(column, row)
		if !ok {
			return true
		}
		p.finding.Looked++
		if p.known[key] {
			return true
		}
		p.finding.Wrong++
		if len(p.finding.Examples) < shownExamples {
			p.finding.Examples = append(p.finding.Examples, fmt.Sprintf("%s: %s %s does not exist", b.KeyText(row), p.field.Name, schemas.QuoteShort(key)))
		}
		return true
	})
	return nil
}

// verifySources compares pipelines with their sources. One that cannot be read
// does not keep the others from being compared.
func (h *Hub) verifySources(ctx context.Context, v *Verification, options VerifyOptions) error {
	files, err := h.journal.PipelineFiles(ctx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f := Finding{Check: name, What: "rows of the source of pipeline " + name}
		p, err := h.Load(files[name])
		if err == nil {
			var s Summary
			s, err = h.Run(ctx, p, Options{DryRun: true, Again: true, Progress: options.Progress})
			f.Looked, f.Wrong = s.Read, s.Applied
		}
		switch {
		case err != nil:
			f.Error, f.Wrong = err.Error(), 1
			f.Repair = "crossdock check " + files[name]
		case f.Wrong > 0:
			f.Examples = []string{fmt.Sprintf("%d rows differ from what is held", f.Wrong)}
			f.Repair = "crossdock run --again " + filepath.Clean(files[name])
		}
		v.Checks = append(v.Checks, f)
	}
	return nil
}
