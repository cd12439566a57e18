package hub

import (
	"context"
	"errors"

	"crossdock/hub/journal"
	"crossdock/pipelines"
)

// lookAhead reads the source once before anything else where rules judge a row
// by rows that come behind it.
func (x *execution) lookAhead(ctx context.Context) error {
	if !x.pipeline.Rules.LooksAhead() {
		return nil
	}
	if !x.stream.Rereadable {
		return x.pipeline.Fault("rules", errors.New(
			"group_has, first_tier and rules over groups with against: target need to see all rows before the first is judged, and this source cannot be read twice: take them out, or deliver its rows as a file"))
	}
	var processor *pipelines.Processor
	var read journal.Counts
	err := x.flow(ctx, func(one *processed) error {
		processor = one.processor
		read.Read += int64(one.batch.Read())
		x.report("checking", read, one.batch)
		return nil
	})
	if err == nil && processor != nil {
		x.ahead, err = processor.Survey(ctx)
	}
	return err
}
