package hub

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"crossdock/hub/journal"
	"crossdock/internal/logs"
)

// tracerOr returns the tracer, or one that does nothing.
func tracerOr(tracer trace.Tracer) trace.Tracer {
	if tracer == nil {
		return noop.NewTracerProvider().Tracer("")
	}
	return tracer
}

// traceHeader is the key of the trace context, in headers and in the journal.
const traceHeader = "traceparent"

// traceOf returns the W3C trace context of ctx, or "".
func traceOf(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceHeader]
}

// withTrace returns a context that goes on with the trace of whoever queued the
// run. One that is in a trace already stays there.
func withTrace(ctx context.Context, traceParent string) context.Context {
	if traceParent == "" || trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceHeader: traceParent})
}

// traced returns a context for the work on a run, whose lines in the log name
// it, and what ends its span.
func (h *Hub) traced(ctx context.Context, run, pipeline string) (context.Context, func(*Summary, error)) {
	ctx = logs.With(ctx, slog.String("run", run), slog.String("pipeline", pipeline))
	ctx, span := h.Tracer.Start(ctx, "run "+pipeline, trace.WithAttributes(
		attribute.String("crossdock.run", run), attribute.String("crossdock.pipeline", pipeline)))
	return ctx, func(s *Summary, err error) {
		span.SetAttributes(
			attribute.String("crossdock.status", string(s.Status)), attribute.Int64("crossdock.read", s.Read),
			attribute.Int64("crossdock.applied", s.Applied), attribute.Int64("crossdock.rejected", s.Rejected))
		if s.Status == journal.Failed && err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

// The stages of a batch.
const (
	readStage    = "read"
	processStage = "process"
	applyStage   = "apply"
	commitStage  = "commit"
)

// stage begins a stage of a batch, and returns what ends it.
func (x *execution) stage(ctx context.Context, name string) (context.Context, func(error)) {
	start := x.hub.Clock()
	ctx, span := x.hub.Tracer.Start(ctx, "batch "+name)
	return ctx, func(err error) {
		x.hub.metrics.stages.WithLabelValues(name).Observe(x.hub.Clock().Sub(start).Seconds())
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}
