package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.opentelemetry.io/otel/trace"
)

// Options say how Wrap serves.
type Options struct {
	Log     *slog.Logger
	Clock   func() time.Time
	Metrics *Metrics // may be nil

	// Tracer makes a span of each request, and none where it is nil. Carry, where
	// set, is given the W3C trace context of every request that has one.
	Tracer trace.Tracer
	Carry  func(ctx context.Context, traceParent string) context.Context
}

// An exchange is what is known of the request being served.
type exchange struct {
	id  string
	err error // to log
}

type exchangeKey struct{}

// RequestID returns the number under which the log has the request, or "".
func RequestID(ctx context.Context) string {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x.id
	}
	return ""
}

// Note keeps an error for the log entry of the request.
func Note(ctx context.Context, err error) {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		x.err = err
	}
}

// Wrap returns the handler of a whole process: it numbers requests, logs
// and counts them, sets the headers that protect browsers, refuses
// writes that another site's page sends, and answers in problem+json where mux
// itself would in plain text.
func Wrap(mux *http.ServeMux, o Options) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		WriteProblem(w, http.StatusForbidden, "a page of another site may not do this", "header.Origin")
	}))
	routes := guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			refuse(mux, w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{id: requestID(r)}
		ctx, span := o.traced(r)
		r = r.WithContext(context.WithValue(ctx, exchangeKey{}, x))
		setHeaders(w.Header(), x.id)
		out := &recorder{ResponseWriter: w}
		start := o.Clock()
		defer func() {
			if p := recover(); p != nil {
				x.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
				if p == http.ErrAbortHandler { //nolint:errorlint // it is thrown as it is
					x.err = errors.New("the answer broke off")
					defer panic(p) // which cuts the connection, so that the client sees it too
				} else if out.status == 0 {
					WriteProblem(out, http.StatusInternalServerError, "internal error; the log tells more under request "+x.id, "")
				}
			}
			o.answered(r, x, out, o.Clock().Sub(start))
			endSpan(span, r, x, cmp.Or(out.status, http.StatusOK))
		}()
		routes.ServeHTTP(out, r)
	})
}

// answered logs a request that was answered, and counts it. What was asked for
// behind the ? is in no log: it is the client's own.
func (o *Options) answered(r *http.Request, x *exchange, out *recorder, took time.Duration) {
	status := cmp.Or(out.status, http.StatusOK) // where the handler wrote nothing
	level := slog.LevelInfo
	switch r.Pattern {
	case "GET /metrics", "GET /healthz", "GET /livez", "GET /readyz", "GET /startupz":
		level = slog.LevelDebug // they are asked for every few seconds
	}
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		client = r.RemoteAddr
	}
	attrs := []any{
		"request", x.id, "method", r.Method, "path", r.URL.Path, "route", routeOf(r), "status", status,
		"bytes", out.bytes, "took", took, "client", client,
	}
	if x.err != nil {
		level = slog.LevelError
		attrs = append(attrs, "error", x.err)
	}
	o.Log.Log(r.Context(), level, "request", attrs...)
	if o.Metrics != nil {
		o.Metrics.observe(r, status, took)
	}
}

// routeOf returns the pattern of the route that has served a request, or "none".
func routeOf(r *http.Request) string {
	_, path, found := strings.Cut(r.Pattern, " ")
	if !found {
		path = r.Pattern
	}
	return cmp.Or(path, "none")
}

// refuse answers a request for which there is no route. mux knows whether it
// is the path or the method that is wrong.
func refuse(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	probe := &verdict{header: http.Header{}}
	mux.ServeHTTP(probe, r)
	switch probe.status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", probe.header.Get("Allow"))
		WriteProblem(w, probe.status, r.Method+" is not possible here, only "+probe.header.Get("Allow"), "")
	case http.StatusNotFound, 0:
		WriteProblem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path, "path")
	default: // a redirect to the clean form of the path
		mux.ServeHTTP(w, r)
	}
}

// A verdict takes the head of an answer and drops its body.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) Write(b []byte) (int, error) { return len(b), nil }
func (v *verdict) WriteHeader(status int)      { v.status = status }

// A recorder remembers the status of the answer and the size of its body.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach what the connection can do.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// idLetters are those of request numbers: what else a client sends would be its
// own lines in our log.
const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

// requestID returns the number that the client has given the request, or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); id != "" && len(id) <= 64 && strings.Trim(id, idLetters) == "" {
		return id
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // does not fail
	return hex.EncodeToString(b[:])
}

// setHeaders sets what every answer carries. Handlers that serve pages put
// their own policy in the place of the one here, which allows nothing.
func setHeaders(h http.Header, id string) {
	h.Set("X-Request-Id", id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}

// WriteError answers with the problem that err is, for handlers that are no
// operations of the API; Register says what becomes of other errors.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*huma.ErrorModel](answer(r.Context(), err))
	if !ok {
		WriteProblem(w, http.StatusInternalServerError, "internal error", "")
		return
	}
	writeModel(w, p)
}

// WriteProblem answers with an error as RFC 9457 has it, for handlers that are
// no operations of the API. Place is the part of the request at fault, or "".
func WriteProblem(w http.ResponseWriter, status int, message, place string) {
	p := huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: message}
	if place != "" {
		p.Errors = []*huma.ErrorDetail{{Location: place, Message: message}}
	}
	writeModel(w, &p)
}

func writeModel(w http.ResponseWriter, p *huma.ErrorModel) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // whoever does not read it is gone
}
