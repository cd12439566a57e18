package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// TestEveryRequestIsInTheLog reads the log of a few requests.
func TestEveryRequestIsInTheLog(t *testing.T) {
	var out bytes.Buffer
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/things/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") == "bad" {
			Note(r.Context(), errors.New("the disk is full"))
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = w.Write([]byte("12345"))
	})
	Health(mux, func(context.Context) error { return nil })
	handler := Wrap(mux, Options{Log: slog.New(slog.NewJSONHandler(&out, nil)), Clock: time.Now})
	for _, tt := range []struct{ path, want string }{
		{"/v1/things/7?q=words", `{"level":"INFO","request":"r1","method":"GET","path":"/v1/things/7","route":"/v1/things/{id}","status":200,"bytes":5,"client":"192.0.2.1"}`},
		{"/v1/things/bad", `{"level":"ERROR","request":"r1","method":"GET","path":"/v1/things/bad","route":"/v1/things/{id}","status":500,"bytes":5,"client":"192.0.2.1","error":"the disk is full"}`},
		{"/nothing", `{"level":"INFO","request":"r1","method":"GET","path":"/nothing","route":"none","status":404,"client":"192.0.2.1"}`},
		{"/readyz", ""}, // who looks every few seconds is not logged
	} {
		out.Reset()
		r := httptest.NewRequest(http.MethodGet, tt.path, nil)
		r.Header.Set("X-Request-Id", "r1")
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if tt.want == "" {
			if out.Len() > 0 {
				t.Errorf("GET %s logged %s", tt.path, out.String())
			}
			continue
		}
		var got, want map[string]any
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("GET %s: %v in %q", tt.path, err, out.String())
		}
		if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
			t.Fatal(err)
		}
		for key, value := range want {
			if got[key] != value {
				t.Errorf("GET %s logged %s = %v, want %v", tt.path, key, got[key], value)
			}
		}
		if strings.Contains(out.String(), "words") {
			t.Errorf("the log has the query: %s", out.String())
		}
	}
}

// TestARequestGoesOnWithTheTraceOfItsClient sends one that is in a trace.
func TestARequestGoesOnWithTheTraceOfItsClient(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	carried := ""
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/things/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	o := Options{Log: slog.New(slog.DiscardHandler), Clock: time.Now, Tracer: tracer, Carry: func(ctx context.Context, parent string) context.Context {
		carried = parent
		return ctx
	}}
	r := httptest.NewRequest(http.MethodGet, "/v1/things/7", nil)
	r.Header.Set("traceparent", parent)
	Wrap(mux, o).ServeHTTP(httptest.NewRecorder(), r)
	ended := spans.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans, want 1", len(ended))
	}
	span := ended[0]
	if span.Name() != "GET /v1/things/{id}" || span.Parent().SpanID().String() != "00f067aa0ba902b7" || span.Status().Code != codes.Error {
		t.Errorf("span %s under %s is %v", span.Name(), span.Parent().SpanID(), span.Status())
	}
	if want := "00-4bf92f3577b34da6a3ce929d0e0e4736-" + span.SpanContext().SpanID().String() + "-01"; carried != want {
		t.Errorf("carried %q, want %q", carried, want)
	}

	// Who sends no traces passes on what came in.
	o.Tracer = nil
	Wrap(mux, o).ServeHTTP(httptest.NewRecorder(), r)
	if carried != parent || len(spans.Ended()) != 1 {
		t.Errorf("carried %q without a tracer, want %q", carried, parent)
	}
}
