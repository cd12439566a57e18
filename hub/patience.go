package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"crossdock/hub/journal"
	"crossdock/schemas"
)

// How long a run waits for a service that is away. An upload waits in the queue
// after that, where it keeps none but those of its own pipeline from running.
const (
	patience       = 2 * time.Minute
	queuedPatience = 5 * time.Second
	awayFirst      = 250 * time.Millisecond // the first pause, which doubles
	awayLongest    = 5 * time.Second
	lookTimeout    = 3 * time.Second // for a look whether a service is back
)

// A patient is a Target that asks a service again while it is away.
type patient struct {
	Target
	name  string          // of the service
	run   <-chan struct{} // closed when the run is to end, whatever a call may still do
	limit time.Duration
	log   *slog.Logger
}

// patience returns what makes a target one for a run, which ends with ctx.
func (x *execution) patience(ctx context.Context) func(Target, string) Target {
	limit := cmp.Or(x.hub.Patience, patience)
	if x.options.Requeue {
		limit = min(limit, queuedPatience)
	}
	return func(t Target, service string) Target {
		return patient{Target: t, name: service, run: ctx.Done(), limit: limit, log: x.hub.Log}
	}
}

// again calls fn until the service is no longer away, or has been for too long.
func (p patient) again(ctx context.Context, fn func() error) error {
	pause, waited := awayFirst, time.Duration(0)
	for {
		err := fn()
		if !errors.Is(err, schemas.ErrAway) || waited >= p.limit {
			return err
		}
		if waited == 0 {
			p.log.WarnContext(ctx, "a run waits for a service", "service", p.name, "error", err)
		}
		rest := pause/2 + rand.N(pause) // so that many do not come at once
		timer := time.NewTimer(rest)
		select {
		case <-ctx.Done():
		case <-p.run:
		case <-timer.C:
			waited += rest
			pause = min(2*pause, awayLongest)
			continue
		}
		timer.Stop()
		return err
	}
}

// Apply implements Target.
func (p patient) Apply(ctx context.Context, id schemas.BatchID, b *schemas.Batch) (outcome schemas.Outcome, err error) {
	err = p.again(ctx, func() error {
		outcome, err = p.Target.Apply(ctx, id, b)
		return err
	})
	return outcome, err
}

// Plan implements Target.
func (p patient) Plan(ctx context.Context, b *schemas.Batch) (outcome schemas.Outcome, err error) {
	err = p.again(ctx, func() error {
		outcome, err = p.Target.Plan(ctx, b)
		return err
	})
	return outcome, err
}

// Diff implements Target.
func (p patient) Diff(ctx context.Context, b *schemas.Batch) (outcome schemas.Outcome, list []schemas.Difference, err error) {
	err = p.again(ctx, func() error {
		outcome, list, err = p.Target.Diff(ctx, b)
		return err
	})
	return outcome, list, err
}

// Revert implements Target.
func (p patient) Revert(ctx context.Context, id schemas.BatchID, r schemas.RevertRequest) (answer schemas.Reverted, err error) {
	err = p.again(ctx, func() error {
		answer, err = p.Target.Revert(ctx, id, r)
		return err
	})
	return answer, err
}

// Rows implements Target. What fn has had is not read again.
func (p patient) Rows(ctx context.Context, r schemas.RowsRequest, fn func(*schemas.Batch) error) (next int64, err error) {
	begun := false
	var broken error
	err = p.again(ctx, func() error {
		next, err = p.Target.Rows(ctx, r, func(b *schemas.Batch) error {
			begun = true
			return fn(b)
		})
		if begun {
			broken = err
			return nil
		}
		return err
	})
	return next, errors.Join(err, broken)
}

// Known implements Target.
func (p patient) Known(ctx context.Context, entity string, keys []string) (known []bool, err error) {
	err = p.again(ctx, func() error {
		known, err = p.Target.Known(ctx, entity, keys)
		return err
	})
	return known, err
}

// Holders implements Target.
func (p patient) Holders(ctx context.Context, entity, field string, values []string) (holders []string, err error) {
	err = p.again(ctx, func() error {
		holders, err = p.Target.Holders(ctx, entity, field, values)
		return err
	})
	return holders, err
}

// stopAway makes of an error that a service was away one that has stopped the
// run: nothing was wrong with the rows.
func stopAway(err error) error {
	if !errors.Is(err, schemas.ErrAway) || errors.Is(err, ErrStopped) {
		return err
	}
	return fmt.Errorf("%w: %w; what was written stays, and the next run begins anew without doubling it", ErrStopped, err)
}

// errPutOff tells that a run waits in the queue for a service that is away.
var errPutOff = errors.New("waits in the queue")

// putOff puts a run back into the queue until the service is back. Those of its
// pipeline that were accepted later do not overtake it.
func (h *Hub) putOff(ctx context.Context, claim journal.Claim, err error) error {
	reason := "waits for a service: " + err.Error()
	return errors.Join(fmt.Errorf("%w: %w", errPutOff, err), h.journal.PutOff(context.WithoutCancel(ctx), claim, reason))
}

// away reports whether the run was put off for a service that is still away. It
// asks the service, so that the run does not read its source in vain.
func (h *Hub) away(ctx context.Context, run *journal.Run) bool {
	if run.Error == "" {
		return false
	}
	e, err := h.Registry.Entity(run.Entity)
	if err != nil {
		return false // the run says so
	}
	target, err := h.target(e)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	_, err = target.Known(ctx, e.Name, nil)
	return errors.Is(err, schemas.ErrAway) || errors.Is(err, context.DeadlineExceeded)
}
