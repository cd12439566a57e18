package hub

import (
	"context"
	"encoding/json"
	"fmt"

	"crossdock/hub/journal"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// maxSources bounds of how many files or addresses a run keeps scores of their
// own; the others count for the run alone.
const maxSources = 1_000

// A sourceTally counts the rows of one file or address of a run.
type sourceTally struct {
	name string
	pipelines.Tally
}

// record has the first pass over the source make a profile of it.
func (x *execution) record(processor *pipelines.Processor) {
	if x.profile == nil {
		processor.Record()
	}
}

// recorded takes the profile of a pass that came to the end of the source.
func (x *execution) recorded(processor *pipelines.Processor, err error) {
	if p := processor.Profile(); p != nil && err == nil {
		x.profile = p
	}
}

// tally counts a batch for the score of its source.
func (x *execution) tally(one *processed, counts journal.Counts, findings []schemas.Rejection) {
	t := pipelines.Tally{Read: counts.Read, Skipped: counts.Skipped, Rejected: counts.Rejected, Warned: warnedRows(findings)}
	t.Cells, t.Filled = one.result.Filled()
	name := one.batch.Origin.Resource
	for i := range x.tallies {
		if x.tallies[i].name == name || len(x.tallies) == maxSources && x.tallies[i].name == "" {
			x.tallies[i].Add(t)
			return
		}
	}
	if len(x.tallies) == maxSources-1 {
		name = "" // it stands for all to come
	}
	x.tallies = append(x.tallies, sourceTally{name, t})
}

// warnedRows counts the rows that findings, which are by row, only warn of.
func warnedRows(findings []schemas.Rejection) (n int64) {
	for i := 0; i < len(findings); {
		row, rejected := findings[i].Row, false
		for ; i < len(findings) && findings[i].Row == row; i++ {
			rejected = rejected || findings[i].Severity == schemas.Reject
		}
		if !rejected {
			n++
		}
	}
	return n
}

// assess says how good the rows of a run were and which columns have moved,
// once all of them have been seen.
func (x *execution) assess(ctx context.Context, s *Summary) (journal.Assessment, error) {
	a := journal.Assessment{Run: x.id, Pipeline: x.pipeline.Name}
	if x.profile == nil || s.Status == journal.Failed || s.Status != journal.Succeeded && s.Status != journal.Partial && x.seq > 0 {
		return a, nil
	}
	var whole pipelines.Tally
	for _, t := range x.tallies {
		whole.Add(t.Tally)
		if score, ok := t.Score(); ok && t.name != "" {
			a.Quality = append(a.Quality, qualityOf(t.name, t.Tally, score))
		}
	}
	if score, ok := whole.Score(); ok {
		s.Quality = &score
		a.Quality = append(a.Quality, qualityOf("", whole, score))
	}
	a.Drift = append(a.Drift, x.told...)
	drift, err := x.drift(ctx)
	if err != nil {
		return a, err
	}
	for i, d := range drift {
		if a.Drift = append(a.Drift, journal.Drift{Column: d.Column, Kind: d.Kind, Before: d.Before, Now: d.Now, Message: d.Message}); i < shownDrift {
			s.Notices = append(s.Notices, d.Message)
		}
	}
	if more := len(drift) - shownDrift; more > 0 {
		s.Notices = append(s.Notices, fmt.Sprintf("%d more columns have moved; see: crossdock runs drift --run %s", more, x.id))
	}
	a.Profile, err = json.Marshal(x.profile)
	return a, err
}

// shownDrift bounds the notices of a run about columns that moved.
const shownDrift = 10

func qualityOf(source string, t pipelines.Tally, score pipelines.Score) journal.Quality {
	return journal.Quality{
		Source: source, Score: int64(score), Read: t.Read, Skipped: t.Skipped, Rejected: t.Rejected, Warned: t.Warned,
		Cells: t.Cells, Filled: t.Filled,
	}
}

// drift compares the profile with those of earlier runs.
func (x *execution) drift(ctx context.Context) ([]pipelines.Drift, error) {
	if x.pipeline.Drift.Runs == 0 {
		return nil, nil
	}
	earlier, err := x.hub.profiles(ctx, x.pipeline.Name, x.pipeline.Drift.Runs)
	return x.pipeline.Compare(x.profile, earlier), err
}

// profiles returns the profiles of the latest runs of a pipeline, newest first.
func (h *Hub) profiles(ctx context.Context, pipeline string, limit int) ([]*pipelines.Profile, error) {
	texts, err := h.journal.Profiles(ctx, pipeline, limit)
	if err != nil {
		return nil, err
	}
	list := make([]*pipelines.Profile, len(texts))
	for i, text := range texts {
		list[i] = &pipelines.Profile{}
		if err := json.Unmarshal(text, list[i]); err != nil {
			return nil, fmt.Errorf("profiles of %s: %w", pipeline, err)
		}
	}
	return list, nil
}

// Profile returns what the columns of a run held.
func (h *Hub) Profile(ctx context.Context, run string) (*pipelines.Profile, error) {
	if _, err := h.journal.Run(ctx, run); err != nil {
		return nil, err
	}
	text, err := h.journal.Profile(ctx, run)
	if err != nil {
		return nil, err
	}
	p := &pipelines.Profile{}
	return p, json.Unmarshal(text, p)
}

// A QualityOfSource is how good a source was, run by run.
type QualityOfSource struct {
	Pipeline string         `json:"pipeline"`
	Source   string         `json:"source"` // "" for the runs as a whole
	Runs     []QualityOfRun `json:"runs"`   // the newest first
}

// A QualityOfRun is how good the rows of a source were in one run.
type QualityOfRun struct {
	Run     string          `json:"run"`
	Started string          `json:"started_at" format:"date-time"`
	Score   pipelines.Score `json:"score"`
	pipelines.Tally
}

// Quality returns the scores of the latest runs by source: of one pipeline
// where it is named, else of all.
func (h *Hub) Quality(ctx context.Context, pipeline string, runs int) ([]QualityOfSource, error) {
	kept, err := h.journal.Qualities(ctx, pipeline, runs)
	if err != nil {
		return nil, err
	}
	list := []QualityOfSource{}
	at := map[[2]string]int{}
	for _, q := range kept {
		key := [2]string{q.Pipeline, q.Source}
		i, there := at[key]
		if !there {
			i = len(list)
			at[key] = i
			list = append(list, QualityOfSource{Pipeline: q.Pipeline, Source: q.Source})
		}
		list[i].Runs = append(list[i].Runs, QualityOfRun{
			Run: q.Run, Started: q.Started.Format("2006-01-02T15:04:05.000Z07:00"), Score: pipelines.Score(q.Score),
			Tally: pipelines.Tally{Read: q.Read, Skipped: q.Skipped, Rejected: q.Rejected, Warned: q.Warned, Cells: q.Cells, Filled: q.Filled},
		})
	}
	return list, nil
}
