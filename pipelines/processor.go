package pipelines

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"crossdock/connectors"
	"crossdock/pipelines/mapping"
	"crossdock/pipelines/profile"
	"crossdock/pipelines/quality"
	"crossdock/schemas"
)

// A Processor maps and checks the batches of one run, in their order. It
// keeps what spans batches: the keys seen and the references known.
type Processor struct {
	columns []string // of the source
	mapped  []schemas.Column
	program *mapping.Program
	rules   *quality.Rules
	refs    References
	check   *quality.Check
	watch   []string          // fields of which a profile looks at every value
	record  *profile.Recorder // nil: nobody asks
	privacy []Privacy         // by column of the source
}

// A Result is what became of a batch. Each of its rows either is among the
// selected ones of Batch, has a finding with severity Reject, or is in Skipped.
type Result struct {
	Batch    *schemas.Batch
	Findings []schemas.Rejection // by row
	Skipped  int                 // rows that the filter passed over
}

// Reject adds rejections, and takes their rows out of the selected ones.
func (r *Result) Reject(found ...schemas.Rejection) {
	type place struct {
		row         int
		rule, field string
	}
	have := make(map[place]bool, len(r.Findings))
	for _, f := range r.Findings {
		have[place{f.Row, f.Rule, f.Field}] = true
	}
	quality.Accept(r.Batch, found)
	for _, f := range found {
		if !have[place{f.Row, f.Rule, f.Field}] {
			r.Findings = append(r.Findings, f)
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b schemas.Rejection) int { return a.Row - b.Row })
}

// Start binds the pipeline to the columns of its source. Its error is Faults
// where the mapping does not fit them.
func (p *Pipeline) Start(columns []string, tables map[string]*Table, refs References) (*Processor, error) {
	p, err := p.Fit(columns)
	if err != nil {
		return nil, err
	}
	program, errs := p.Mapping.Bind(columns, tables)
	if len(errs) > 0 {
		return nil, p.Fault("", errs)
	}
	privacy, err := p.privacies(columns, program)
	if err != nil {
		return nil, p.Fault("", err)
	}
	return &Processor{
		columns: columns, mapped: p.Mapping.Columns(), program: program, rules: p.Rules, refs: refs, check: p.Rules.Start(refs),
		watch: profile.Watched(p.Checks), privacy: privacy,
	}, nil
}

// Spill lets the processor keep the keys it has seen in scratch files once
// there are millions of them. It is called before the first batch.
func (x *Processor) Spill(scratch func() (Scratch, error)) { x.check.Spill(scratch) }

// Survey returns what the batches processed so far tell about the whole.
func (x *Processor) Survey(ctx context.Context) (*Survey, error) { return x.check.Survey(ctx) }

// Know gives the processor what a pass over the same rows has found.
func (x *Processor) Know(s *Survey) { x.check.Know(s) }

// Process maps and checks one batch.
func (x *Processor) Process(ctx context.Context, b *connectors.Batch) (*Result, error) {
	rows, findings, skipped, err := x.program.Map(b)
	if err != nil {
		return nil, err
	}
	number := func(row int) int64 { return b.Origin.Rows[row] }
	x.check.From(connectors.Place{Resource: b.Origin.Resource, Part: b.Origin.Part}.String())
	broken, err := x.check.Batch(ctx, rows, number)
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", b.Origin.Resource, err)
	}
	more, err := x.checkUntyped(ctx, rows, findings, number)
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", b.Origin.Resource, err)
	}
	quality.Accept(rows, broken)
	findings = slices.Concat(findings, broken, more)
	slices.SortStableFunc(findings, func(a, b schemas.Rejection) int { return a.Row - b.Row })
	if x.record != nil {
		x.record.Add(b.Rows, rows)
	}
	rows.Hashes() // here, beside the writer, and not within it
	return &Result{Batch: rows, Findings: findings, Skipped: len(skipped)}, nil
}

// SourceColumn returns the number of the source column that a field is read
// from, from 0, and its header; -1 where it is read from none.
func (x *Processor) SourceColumn(field string) (int, string) {
	if field == "" {
		return -1, ""
	}
	column := x.program.SourceOf(field)
	if column < 0 {
		// A rule may blame a field where the mapping knows its languages or members.
		for _, c := range x.mapped {
			if strings.HasPrefix(c.Name, field+".") {
				column = x.program.SourceOf(c.Name)
				break
			}
		}
	}
	if column < 0 || column >= len(x.columns) {
		return -1, ""
	}
	return column, x.columns[column]
}

// FieldOf returns the first field that is read from a source column, or "".
func (x *Processor) FieldOf(column int) string {
	if column < 0 {
		return ""
	}
	for _, c := range x.mapped {
		if x.program.SourceOf(c.Name) == column {
			return c.Name
		}
	}
	return ""
}

// checkUntyped judges the other fields of rows that have one which could not be
// typed, so that whoever mends the row sees at once all that is wrong with it.
// These rows are rejected already, and so take no part in what is unique.
func (x *Processor) checkUntyped(ctx context.Context, rows *schemas.Batch, findings []schemas.Rejection, number func(int) int64) ([]schemas.Rejection, error) {
	type place struct {
		row   int
		field string
	}
	untyped := map[place]bool{}
	bad := schemas.Batch{Entity: rows.Entity, Columns: rows.Columns, Rows: rows.Rows, Absent: rows.Absent, Selected: []int32{}}
	for _, f := range findings {
		if f.Severity != schemas.Reject {
			continue
		}
		untyped[place{f.Row, f.Field}] = true
		bad.Selected = append(bad.Selected, int32(f.Row))
	}
	if len(bad.Selected) == 0 {
		return nil, nil
	}
	slices.Sort(bad.Selected)
	bad.Selected = slices.Compact(bad.Selected)
	found, err := x.rules.Start(x.refs).Batch(ctx, &bad, number)
	return slices.DeleteFunc(found, func(f schemas.Rejection) bool {
		base, _, _ := strings.Cut(f.Field, ".")
		return quality.AcrossRows(f.Rule) || untyped[place{f.Row, f.Field}] || untyped[place{f.Row, base}] || f.Severity == schemas.Warn
	}), err
}
