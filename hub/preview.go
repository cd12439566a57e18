package hub

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"crossdock/connectors"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// A Preview shows the first rows of a source as read, as mapped and as judged.
// Nothing is written for it.
type Preview struct {
	Pipeline string       `json:"pipeline"`
	Entity   string       `json:"entity"`
	Columns  []string     `json:"columns"` // of the entity, as mapped
	Rows     []PreviewRow `json:"rows"`
}

// A PreviewRow is one row of a preview.
type PreviewRow struct {
	Origin   connectors.Place `json:"origin"`
	Outcome  string           `json:"outcome"` // passes, rejected or skipped
	Values   []*string        `json:"values"`  // by Preview.Columns; null where there is none
	Read     []*string        `json:"read"`    // the cells they were read from
	Findings []PreviewFinding `json:"findings,omitempty"`
}

// A PreviewFinding is what a rule says of a row.
type PreviewFinding struct {
	Rule     string           `json:"rule"`
	Severity schemas.Severity `json:"severity"`
	Field    string           `json:"field"`
	Value    string           `json:"value"`
	Message  string           `json:"message"`
	Origin   connectors.Place `json:"origin"`
}

// Preview maps and checks the first rows of a pipeline's source.
func (h *Hub) Preview(ctx context.Context, p *pipelines.Pipeline, input *Input, rows int) (*Preview, error) {
	x := &execution{hub: h, pipeline: p, options: Options{Input: input, DryRun: true}, byRule: map[string]int64{}}
	if err := x.prepare(ctx); err != nil {
		return nil, err
	}
	processor, err := x.process()
	if err != nil {
		return nil, err
	}
	reader, err := x.source.Open(ctx, connectors.ReadRequest{Stream: x.stream.Name, BatchRows: min(rows, connectors.DefaultBatchRows)})
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	preview := &Preview{Pipeline: p.Name, Entity: p.Entity.Name, Rows: []PreviewRow{}}
	for _, c := range x.pipeline.Mapping.Columns() {
		preview.Columns = append(preview.Columns, c.Name)
	}
	for len(preview.Rows) < rows {
		b, err := next(ctx, reader)
		if err != nil {
			return nil, err
		}
		if b == nil {
			break
		}
		result, err := processor.Process(ctx, b)
		if err != nil {
			return nil, err
		}
		if result.Batch.Count() > 0 {
			outcome, err := x.target.Plan(ctx, result.Batch)
			if err != nil {
				return nil, err
			}
			result.Reject(outcome.Rejected...)
		}
		preview.add(&processed{batch: b, result: result, processor: processor})
	}
	preview.Rows = preview.Rows[:min(len(preview.Rows), rows)]
	return preview, nil
}

func (p *Preview) add(one *processed) {
	before := len(p.Rows)
	defer func() { // rows that were not cut stand where they are in the file
		slices.SortStableFunc(p.Rows[before:], func(a, b PreviewRow) int { return cmp.Compare(a.Origin.Row, b.Origin.Row) })
	}()
	b, rows := one.batch, one.result.Batch
	passes := map[int]bool{}
	rows.Each(func(row int) bool { passes[row] = true; return true })
	findings := map[int][]PreviewFinding{}
	rejected := map[int]bool{}
	for _, f := range one.result.Findings {
		rejected[f.Row] = rejected[f.Row] || f.Severity == schemas.Reject
		placed := finding(b, one.processor, f)
		maskFinding(&placed, one.processor)
		findings[f.Row] = append(findings[f.Row], PreviewFinding{
			Rule: f.Rule, Severity: f.Severity, Field: f.Field, Value: placed.Value, Message: placed.Message,
			Origin: b.Origin.Place(b.Origin.Rows[f.Row], placed.Position, placed.Header),
		})
	}
	for row := range int(rows.Rows.NumRows()) {
		shown := PreviewRow{Origin: b.Origin.Place(b.Origin.Rows[row], -1, ""), Outcome: "skipped", Findings: findings[row]}
		switch {
		case passes[row]:
			shown.Outcome = "passes"
		case rejected[row]:
			shown.Outcome = "rejected"
		}
		shown.Values, shown.Read = p.values(one, row)
		p.Rows = append(p.Rows, shown)
	}
	for _, r := range b.Rejects {
		place := b.Origin.Place(r.Row, r.Column, "")
		p.Rows = append(p.Rows, PreviewRow{
			Origin: b.Origin.Place(r.Row, -1, ""), Outcome: "rejected",
			Values: make([]*string, len(p.Columns)), Read: make([]*string, len(p.Columns)),
			Findings: []PreviewFinding{{
				Rule: r.Rule, Severity: schemas.Reject, Value: pipelines.MaskCards(r.Value), Message: pipelines.MaskCards(r.Message), Origin: place,
			}},
		})
	}
}

// values returns what the columns hold in a row, and the cells they come from,
// masked as the error queue would have them.
func (p *Preview) values(one *processed, row int) (values, read []*string) {
	for i, name := range p.Columns {
		values, read = append(values, nil), append(read, nil)
		column, _ := one.processor.SourceColumn(name)
		privacy := pipelines.FreeText
		if column >= 0 {
			privacy = one.processor.Privacy(column)
		}
		if one.processor.IsSensitive(one.result.Batch.Columns[i].Field.Name) {
			privacy = pipelines.Sensitive
		}
		if text, ok := one.result.Batch.Text(i, row); ok {
			values[i] = new(maskedAs(privacy, text))
		}
		if column < 0 {
			continue
		}
		if text, ok := schemas.CellText(one.batch.Rows.Column(column), row); ok {
			read[i] = new(maskedAs(privacy, text))
		}
	}
	return values, read
}

// A Report is what can be said of a pipeline before it runs.
type Report struct {
	Pipeline string             `json:"pipeline"`
	Entity   string             `json:"entity"`
	File     string             `json:"file"`
	Probes   []connectors.Probe `json:"-"`
	Columns  []string           `json:"columns"`  // of the source, empty where it could not be compared
	Mapped   []string           `json:"mapped"`   // columns of the entity that are filled
	Unmapped []string           `json:"unmapped"` // fields of the entity that are not
	Rules    int                `json:"rules"`
	Error    string             `json:"error,omitempty"` // the first step that failed
}

// Check compares a pipeline with its source, step by step. The error is the
// first step that failed.
func (h *Hub) Check(ctx context.Context, p *pipelines.Pipeline, input *Input) (*Report, error) {
	r := &Report{Pipeline: p.Name, Entity: p.Entity.Name, File: p.File}
	r.describe(p)
	source, err := h.sourceOf(p, input, nil)
	if err != nil {
		return r, err
	}
	r.Probes = source.Check(ctx)
	for _, probe := range r.Probes {
		if probe.Err != nil {
			return r, probe.Err
		}
	}
	x := &execution{hub: h, pipeline: p, options: Options{Input: input, DryRun: true}}
	if err := x.prepare(ctx); err != nil {
		return r, err
	}
	r.describe(x.pipeline)
	if _, err = x.process(); err == nil {
		r.Columns = x.stream.Columns
	}
	return r, err
}

// describe says which fields a pipeline fills, and how many rules it has.
func (r *Report) describe(p *pipelines.Pipeline) {
	r.Rules, r.Mapped, r.Unmapped = len(p.Rules.Describe()), nil, nil
	mapped := map[string]bool{}
	for _, c := range p.Mapping.Columns() {
		r.Mapped = append(r.Mapped, c.Name)
		mapped[c.Field.Name] = true
	}
	for _, f := range p.Entity.Fields {
		if !mapped[f.Name] && f.Name != schemas.DeletedField {
			r.Unmapped = append(r.Unmapped, f.Name)
		}
	}
}

// Hint returns what a user can do about an error, or "".
func Hint(err error) string {
	if e, ok := errors.AsType[*connectors.Error](err); ok {
		return e.Hint
	}
	return ""
}
