package web

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// traced begins the span of a request, which goes on with the trace that the
// client is in.
func (o *Options) traced(r *http.Request) (context.Context, trace.Span) {
	tracer := o.Tracer
	if tracer == nil {
		tracer = noop.NewTracerProvider().Tracer("") // which passes on what the client has sent
	}
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	if parent := carrier["traceparent"]; parent != "" && o.Carry != nil {
		ctx = o.Carry(ctx, parent)
	}
	return ctx, span
}

// endSpan ends the span of a request. Its name has the route, not the path,
// because there is no end to paths.
func endSpan(span trace.Span, r *http.Request, x *exchange, status int) {
	if !span.IsRecording() {
		return
	}
	route := routeOf(r)
	span.SetName(r.Method + " " + route)
	span.SetAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("http.route", route),
		attribute.Int("http.response.status_code", status), attribute.String("http.request.id", x.id))
	if x.err != nil {
		span.SetStatus(codes.Error, x.err.Error())
	} else if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(status))
	}
	span.End()
}
