package hub

import (
	"context"
	"time"

	"crossdock/pipelines"
)

// retain deletes what the error queue need not keep of a pipeline any longer.
// That it fails is no failure of a run: the next one tries again.
func (h *Hub) retain(ctx context.Context, p *pipelines.Pipeline) {
	ctx = context.WithoutCancel(ctx)
	rows, err := h.journal.Forget(ctx, p.Name, p.Retention.Errors, p.Retention.Noted)
	switch {
	case err != nil:
		h.Log.WarnContext(ctx, "retention", "pipeline", p.Name, "error", err)
	case rows > 0:
		h.Log.InfoContext(ctx, "retention", "pipeline", p.Name, "rows", rows)
	}
}

// retainEvery is how often serve looks after pipelines that do not run.
const retainEvery = 6 * time.Hour

// retainAll does so for all pipelines that have run, unless it was done not
// long ago.
func (h *Hub) retainAll(ctx context.Context, last time.Time) (time.Time, error) {
	now := h.Clock()
	if now.Sub(last) < retainEvery {
		return last, nil
	}
	files, err := h.journal.PipelineFiles(ctx)
	if err != nil {
		return now, err
	}
	for _, file := range files {
		if p, err := h.Load(file); err == nil { // one that cannot be used says so when it is run
			h.retain(ctx, p)
		}
	}
	return now, nil
}
