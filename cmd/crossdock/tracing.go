package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"crossdock/commerce"
	"crossdock/hub"
	"crossdock/schemas"
)

// flushTimeout is how long the end of the process waits for the last spans.
const flushTimeout = 5 * time.Second

// startTracing sends spans where OTEL_EXPORTER_OTLP_ENDPOINT says, and none
// where it says nothing. The other variables of OpenTelemetry hold as well.
// What it returns sends the last spans.
func (a *app) startTracing(ctx context.Context) (stop func(), err error) {
	endpoint := os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
	if endpoint == "" || os.Getenv("OTEL_SDK_DISABLED") == "true" {
		return func() {}, nil
	}
	if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usagef("OTEL_EXPORTER_OTLP_ENDPOINT must be a URL such as http://localhost:4318")
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces (OTEL_EXPORTER_OTLP_ENDPOINT): %w", err)
	}
	// Its own attributes first, so that OTEL_SERVICE_NAME wins.
	about, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "crossdock"), attribute.String("service.version", version())), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("traces (OTEL_RESOURCE_ATTRIBUTES): %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	a.tracer = provider.Tracer("crossdock")
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		a.log.Warn("traces are not sent", "error", err) // that a collector is away stops nothing
	}))
	return func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		if err := provider.Shutdown(grace); err != nil {
			a.log.Warn("the last traces were not sent", "error", err)
		}
	}, nil
}

const traceHeader = "traceparent"

// traceOf returns the W3C trace context of ctx, or "".
func traceOf(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceHeader]
}

// carrying returns a context whose events go on with the trace that it is in.
func carrying(ctx context.Context) context.Context {
	if parent := traceOf(ctx); parent != "" {
		return commerce.WithTrace(ctx, parent)
	}
	return ctx
}

// A tracedTarget has the events that a batch causes go on with its trace.
type tracedTarget struct{ hub.Target }

// Apply implements hub.Target.
func (t tracedTarget) Apply(ctx context.Context, id schemas.BatchID, b *schemas.Batch) (schemas.Outcome, error) {
	return t.Target.Apply(carrying(ctx), id, b)
}

// Revert implements hub.Target.
func (t tracedTarget) Revert(ctx context.Context, id schemas.BatchID, r schemas.RevertRequest) (schemas.Reverted, error) {
	return t.Target.Revert(carrying(ctx), id, r)
}

// A tracedBus gives every event's trace a span for its publication.
type tracedBus struct {
	commerce.Bus
	tracer trace.Tracer
}

// traced returns the bus with spans, where there is a bus and spans are sent.
func (a *app) traced(bus commerce.Bus) commerce.Bus {
	if bus == nil || a.tracer == nil {
		return bus
	}
	return &tracedBus{bus, a.tracer}
}

// maxSpans bounds the spans of one publication; events beyond share none.
const maxSpans = 32

// Publish implements commerce.Bus.
func (b *tracedBus) Publish(ctx context.Context, events []commerce.Event) error {
	spans := map[string]trace.Span{}
	for i := range events {
		parent := events[i].TraceParent
		if parent == "" || spans[parent] != nil || len(spans) == maxSpans {
			continue
		}
		from := propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceHeader: parent})
		_, spans[parent] = b.tracer.Start(from, "publish "+events[i].Type, trace.WithSpanKind(trace.SpanKindProducer),
			trace.WithAttributes(attribute.String("messaging.message.id", events[i].ID), attribute.Int("messaging.batch.message_count", len(events))))
	}
	err := b.Bus.Publish(ctx, events)
	for _, span := range spans {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
	return err
}
