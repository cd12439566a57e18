package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"crossdock/hub/journal"
	"crossdock/schemas"
)

// deliver moves all batches from the source to the service. Where a share of
// rejected rows shall stop the run, the whole source is checked before the
// service is touched, if it can be read twice.
func (x *execution) deliver(ctx context.Context) error {
	if err := x.lookAhead(ctx); err != nil {
		return err
	}
	if x.mustSurvey() && x.stream.Rereadable {
		ahead, err := x.survey(ctx)
		if err != nil {
			return err
		}
		if ahead != nil { // all of it fits in memory: no need to read again
			return errors.Join(x.writeAll(ctx, ahead), x.booked(), x.complete())
		}
	}
	if err := x.flow(ctx, func(one *processed) error { return x.write(ctx, one) }); err != nil {
		return err
	}
	if err := x.noteRows(ctx); err != nil {
		return err
	}
	if err := x.judge(ctx); err != nil {
		return err
	}
	return x.complete()
}

// complete holds the accounting to its promise.
func (x *execution) complete() error {
	if !x.counts.Balanced() {
		return fmt.Errorf("accounting of run %s does not add up: %+v", x.id, x.counts)
	}
	return nil
}

// aheadBatches bounds how much a survey keeps so that a small source is
// processed once.
const aheadBatches = 8

// survey processes the whole source and decides whether so much of it would be
// rejected that the run must not begin. It returns the processed batches when
// there are few of them, and nil when the source has to be read again.
func (x *execution) survey(ctx context.Context) ([]*processed, error) {
	var counts journal.Counts
	var ahead []*processed
	kept, resource := true, ""
	err := x.flow(ctx, func(one *processed) error {
		if err := x.guardChanges(ctx, one); err != nil {
			return err
		}
		x.noteNewest(one)
		resource = one.batch.Origin.Resource
		found, parked := x.account(one, schemas.Outcome{})
		x.blame(parked)
		x.exemplify(parked)
		counts.Add(journal.Counts{Read: found.Read, Rejected: found.Rejected, Waiting: found.Waiting})
		if kept = kept && len(ahead) < aheadBatches; kept {
			ahead = append(ahead, one)
		} else {
			ahead = nil
		}
		x.report("checking", counts, one.batch)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := x.tooMany(counts); err != nil {
		return nil, err
	}
	if err := x.guardNewest(ctx, resource); err != nil {
		return nil, err
	}
	if err := x.guardRows(ctx, counts.Read); err != nil {
		return nil, err
	}
	if err := x.judge(ctx); err != nil {
		return nil, err
	}
	x.tallies = nil // the pass that writes counts anew, with what the service refuses
	x.surveyed, x.byRule, x.examples = counts.Read, map[string]int64{}, nil
	return ahead, nil
}

// tooMany returns an error when more than the share allowed was rejected.
func (x *execution) tooMany(counts journal.Counts) error {
	limit := x.pipeline.StopAbove
	counts.Rejected -= counts.Waiting // what only waits is nobody's mistake
	if limit >= 1 || float64(counts.Rejected) <= limit*float64(counts.Read) {
		return nil
	}
	rules := slices.SortedFunc(maps.Keys(x.byRule), func(a, b string) int { return int(x.byRule[b] - x.byRule[a]) })
	reasons := make([]string, 0, 3)
	for _, rule := range rules[:min(len(rules), 3)] {
		reasons = append(reasons, fmt.Sprintf("%d by %s", x.byRule[rule], rule))
	}
	written := "nothing was written"
	if x.seq > 0 {
		written = fmt.Sprintf("what was written before stays: %d rows", x.counts.Applied)
	}
	return fmt.Errorf("%w: %d of %d rows would be rejected (%s), more than stop_above: %s allows; %s; see: crossdock preview %s",
		ErrStopped, counts.Rejected, counts.Read, strings.Join(reasons, ", "), percent(limit), written, x.pipeline.File)
}

func percent(share float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.4f", share*100), "0"), ".") + "%"
}

// write hands one batch to the service and then to the journal. It is not
// interrupted: a batch is done or not begun.
func (x *execution) write(ctx context.Context, one *processed) error {
	if err := interrupted(ctx); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if err := x.guardChanges(ctx, one); err != nil {
		return err
	}
	x.seq++
	stage, done := x.stage(ctx, applyStage)
	outcome, err := x.applyOrDiff(stage, one)
	done(err)
	if err != nil {
		return fmt.Errorf("deliver rows %s: %w", rowRange(one.batch), err)
	}
	counts, parked := x.account(one, outcome)
	x.blame(parked)
	if x.options.DryRun {
		x.plan(one.result.Batch)
		x.exemplify(parked)
	} else {
		x.hub.metrics.found(x.pipeline.Name, one, outcome)
		commit := journal.Commit{Counts: counts, Parked: parked, Cursor: string(one.batch.Cursor), Superseded: x.delivered(one, outcome)}
		if err := x.book(ctx, one, commit); err != nil {
			return err
		}
	}
	x.counts.Add(counts)
	x.kinds.add(outcome)
	x.noteFile(one.batch)
	x.notePresent(one)
	if resource := one.batch.Origin.Resource; !slices.Contains(x.resources, resource) {
		x.resources = append(x.resources, resource)
	}
	x.report("writing", x.counts, one.batch)
	// Rows that the service refuses count as well: of all rows where their
	// number is known, else of those read so far.
	soFar := x.counts
	soFar.Read = max(soFar.Read, x.surveyed)
	return x.tooMany(soFar)
}

func (x *execution) writeAll(ctx context.Context, list []*processed) error {
	for _, one := range list {
		if err := x.write(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// A booking is a batch on its way into the journal.
type booking struct {
	counts journal.Counts
	done   chan error
}

// book writes a batch that the service has applied to the journal, and then
// acknowledges the source, while the service is handed the next batch: it has
// to wait for the disk, too. There is one booking at a time, so that the journal
// has batches in their order. A process that dies meanwhile leaves one batch
// applied that is not counted, as it may between the two anyway.
func (x *execution) book(ctx context.Context, one *processed, commit journal.Commit) error {
	if err := x.booked(); err != nil {
		return err
	}
	b := &booking{counts: commit.Counts, done: make(chan error, 1)}
	x.booking = b
	go func() { // ends with the commit; booked awaits it
		stage, done := x.stage(ctx, commitStage)
		err := x.hub.commit(stage, x.pipeline.Name, x.claim(), commit)
		done(err)
		if err != nil {
			err = fmt.Errorf("write the journal of run %s: %w", x.id, err)
		} else if err = one.ack(ctx, one.batch.Cursor); err != nil {
			err = fmt.Errorf("acknowledge rows %s: %w", rowRange(one.batch), err)
		}
		b.done <- err
	}()
	return nil
}

// booked waits for the booking under way. What could not be booked is not counted.
func (x *execution) booked() error {
	b := x.booking
	if b == nil {
		return nil
	}
	x.booking = nil
	err := <-b.done
	if err != nil {
		x.counts.Subtract(b.counts)
	}
	return err
}
