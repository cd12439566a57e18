package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"crossdock/connectors"
)

// Transient failures of a source are tried again, each time after a longer wait.
const (
	attempts  = 4
	firstWait = 500 * time.Millisecond
)

// again calls fn until it does not fail transiently, or has done so too often.
func again(ctx context.Context, fn func() error) error {
	wait := firstWait
	for attempt := 1; ; attempt++ {
		err := fn()
		e, ok := errors.AsType[*connectors.Error](err)
		if !ok || e.Class != connectors.Transient || attempt == attempts {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		wait *= 2
	}
}

// flow reads, maps and checks the source from its beginning, each stage ahead
// of the next by one batch, and calls deliver with each batch in order.
func (x *execution) flow(ctx context.Context, deliver func(*processed) error) error {
	processor, err := x.process()
	if err != nil {
		return err
	}
	x.record(processor)
	var reader connectors.Reader
	err = again(ctx, func() (err error) {
		reader, err = x.source.Open(ctx, connectors.ReadRequest{Stream: x.stream.Name, Cursor: x.from()})
		return err
	})
	if err != nil {
		return err
	}
	// Both goroutines end when the source does, when one of them or deliver
	// fails, or when ctx ends; Wait below awaits them.
	group, inner := errgroup.WithContext(ctx)
	batches := make(chan *connectors.Batch, 1)
	results := make(chan *processed, 1)
	group.Go(func() error {
		defer close(batches)
		return x.pump(inner, reader, batches)
	})
	group.Go(func() error {
		defer close(results)
		for b := range batches {
			stage, done := x.stage(inner, processStage)
			result, err := processor.Process(stage, b)
			done(err)
			if err != nil {
				return err
			}
			if err := send(inner, results, &processed{batch: b, result: result, processor: processor, ack: reader.Ack}); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		for one := range results {
			if err := interrupted(ctx); err != nil {
				return err
			}
			if err := deliver(one); err != nil {
				return err
			}
		}
		return nil
	})
	err = group.Wait()
	if unbooked := x.booked(); err == nil {
		err = unbooked
	}
	if err != nil && ctx.Err() != nil {
		err = interrupted(ctx)
	}
	x.recorded(processor, err)
	return errors.Join(err, reader.Close()) // not before: the last batch has to be acknowledged
}

// interrupted returns an error when a person or the system ends the run.
func interrupted(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("%w: interrupted; what was written stays, and the next run begins anew without doubling it", ErrStopped)
}

func (x *execution) pump(ctx context.Context, reader connectors.Reader, batches chan<- *connectors.Batch) error {
	for {
		stage, done := x.stage(ctx, readStage)
		b, err := next(stage, reader)
		done(err)
		if b == nil || err != nil {
			return err
		}
		if err := send(ctx, batches, b); err != nil {
			return err
		}
	}
}

// next returns the next batch, and nil at the end of the source.
func next(ctx context.Context, reader connectors.Reader) (*connectors.Batch, error) {
	b, err := reader.Next(ctx)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	return b, err
}

func send[T any](ctx context.Context, to chan<- T, value T) error {
	select {
	case to <- value:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
