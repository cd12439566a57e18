package hub

import (
	"context"
	"slices"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// A judge tells what today's pipelines and services would say of parked rows,
// and writes nothing. It keeps what spans pages: the keys seen.
type judge struct {
	hub       *Hub
	trials    map[string]*trial // by pipeline
	unchecked string            // why rows could not be tried
}

// A trial is a replay of one pipeline's rows that is never sent.
type trial struct {
	execution
	processors func([]string) (*pipelines.Processor, error)
}

func (h *Hub) newJudge() *judge { return &judge{hub: h, trials: map[string]*trial{}} }

// try adds to the report how many of the rows would pass. That a pipeline
// cannot be loaded, or does not fit its rows, is no error: the edits stand.
func (j *judge) try(ctx context.Context, rows []*journal.Row, report *EditReport) error {
	for len(rows) > 0 && j.unchecked == "" {
		n := 1
		for n < len(rows) && rows[n].Pipeline == rows[0].Pipeline && sameShape(rows[0], rows[n]) && n < connectors.DefaultBatchRows {
			n++
		}
		failing, err := j.judge(ctx, rows[:n])
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			j.unchecked = err.Error()
			return nil
		}
		report.Pass += int64(n - len(failing))
		report.Fail += int64(len(failing))
		for _, r := range failing {
			for _, e := range r.Errors() {
				if e.Severity == schemas.Reject && len(report.Wrong) < reportedCells {
					report.Wrong = append(report.Wrong, e)
				}
			}
		}
		rows = rows[n:]
	}
	return nil
}

// judge returns copies of the rows of one shape that would not pass, each with
// what would be wrong with it.
func (j *judge) judge(ctx context.Context, rows []*journal.Row) ([]*journal.Row, error) {
	t, err := j.trial(ctx, rows[0].Pipeline)
	if err != nil {
		return nil, err
	}
	copies := make([]*journal.Row, len(rows))
	for i, r := range rows {
		one := *r
		copies[i] = &one
	}
	if !rows[0].Cells.Whole {
		return copies, nil
	}
	processor, err := t.processors(rows[0].Cells.Names)
	if err != nil {
		return nil, err
	}
	trying, failing := withheld(copies, processor)
	if len(trying) == 0 {
		return failing, nil
	}
	b := batchOf(trying)
	result, err := processor.Process(ctx, b)
	if err != nil {
		return nil, err
	}
	keepDuplicates(result, trying)
	outcome, err := t.apply(ctx, result.Batch)
	if err != nil {
		return nil, err
	}
	failing = append(failing, t.settle(&processed{batch: b, result: result, processor: processor}, outcome, trying).Remained...)
	for _, r := range failing {
		r.Findings = withIDs(r.Findings, rows[slices.Index(copies, r)].Findings)
	}
	return failing, nil
}

// withIDs gives findings the ids under which the same ones are known.
func withIDs(fresh, known []journal.Finding) []journal.Finding {
	for i := range fresh {
		for _, k := range known {
			if k.Rule == fresh[i].Rule && k.Field == fresh[i].Field {
				fresh[i].ID, fresh[i].Group = k.ID, k.Group
				break
			}
		}
		if fresh[i].ID == 0 {
			fresh[i].ID = known[0].ID // one by which the row is found
		}
	}
	return fresh
}

func (j *judge) trial(ctx context.Context, pipeline string) (*trial, error) {
	if t := j.trials[pipeline]; t != nil {
		return t, nil
	}
	p, err := j.hub.Find(ctx, pipeline)
	if err != nil {
		return nil, err
	}
	t := &trial{execution: execution{hub: j.hub, pipeline: p, options: Options{DryRun: true}}}
	if t.target, err = j.hub.target(p.Entity); err != nil {
		return nil, err
	}
	tables, err := j.hub.tables(ctx, p)
	if err != nil {
		return nil, err
	}
	t.processors = t.execution.processors(tables, references{hub: j.hub})
	j.trials[pipeline] = t
	return t, nil
}
