package hub

import (
	"context"
	"fmt"
	"strings"

	"crossdock/hub/journal"
	"crossdock/pipelines"
)

// checksGuard is the guard by which checks hold a run.
const checksGuard = "checks"

// judge judges the rows as a whole, once all of them have been seen: before
// the first is written where the source can be read twice and a check may stop
// the run, else at its end.
func (x *execution) judge(ctx context.Context) error {
	if x.judged || len(x.pipeline.Checks) == 0 || x.profile == nil {
		return nil
	}
	x.judged = true
	var earlier []*pipelines.Profile
	if n := x.pipeline.History(); n > 0 {
		var err error
		if earlier, err = x.hub.profiles(ctx, x.pipeline.Name, n); err != nil {
			return err
		}
	}
	var stops []string
	for _, f := range x.pipeline.Judge(x.profile, earlier, x.hub.Clock()) {
		x.told = append(x.told, journal.Drift{Column: f.Check.Field(), Kind: "check", Message: f.Message})
		if f.Check.Stop {
			stops = append(stops, f.Message)
		} else {
			x.notices = append(x.notices, f.Message)
		}
	}
	switch {
	case len(stops) == 0:
		return nil
	case x.seq > 0: // a source that can be read once only has been written by now
		return fmt.Errorf("%w: %s; what was written before stays: %d rows", ErrStopped, strings.Join(stops, "; "), x.counts.Applied)
	}
	return x.hold(checksGuard, "%s", strings.Join(stops, "; "))
}
