// Package web serves HTTP as all of Crossdock does: one huma API on one mux,
// errors as RFC 9457 problems that name the field at fault, unknown query
// parameters refused, requests counted and numbered, and a stop that lets
// requests finish. It knows none of the words of hub or commerce.
//
// Begin with [NewAPI], wrap its mux by [Handler], and run [Serve].
package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// NewAPI returns an API on the mux, to which services add their operations.
// Its OpenAPI 3.1 document is served at /openapi.json.
func NewAPI(mux *http.ServeMux, title, version, description string) huma.API {
	config := huma.DefaultConfig(title, version)
	config.Info.Description = description
	config.DocsPath = ""     // a page that loads its scripts from elsewhere
	config.SchemasPath = ""  // the document holds them all
	config.CreateHooks = nil // which would add a $schema member to every answer
	api := humago.New(mux, config)
	api.UseMiddleware(refuseUnknownParameters(api))
	return api
}

// refuseUnknownParameters answers 400 to a query parameter that the operation
// does not have: a misspelt filter must not return everything.
func refuseUnknownParameters(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		var known []string
		for _, p := range ctx.Operation().Parameters {
			if p.In == "query" {
				known = append(known, p.Name)
			}
		}
		url := ctx.URL()
		var unknown []error
		for name := range url.Query() {
			if !slices.Contains(known, name) {
				message := "unknown query parameter"
				if len(known) > 0 {
					message += "; there are " + strings.Join(known, ", ")
				}
				unknown = append(unknown, &huma.ErrorDetail{Location: "query." + name, Message: message, Value: name})
			}
		}
		if len(unknown) > 0 {
			slices.SortFunc(unknown, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
			_ = huma.WriteErr(api, ctx, http.StatusBadRequest, "the query has parameters that this operation does not know", unknown...)
			return
		}
		next(ctx)
	}
}

// RequestIDHeader carries the number of a request, in answers and logs.
const RequestIDHeader = "X-Request-Id"

// Handler wraps a handler with what every answer has: a request id, headers
// that keep browsers from guessing, and an answer in place of a panic.
func Handler(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := rand.Text()[:16]
		h := w.Header()
		h.Set(RequestIDHeader, id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		defer func() {
			fault := recover()
			if fault == nil {
				return
			}
			if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(fault) // the way in which handlers break a connection off
			}
			log.ErrorContext(r.Context(), "panic", "request", id, "method", r.Method, "path", r.URL.Path, "fault", fmt.Sprint(fault))
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}

// Bounds of one connection. Uploads and downloads may take as long as they
// need while bytes flow; a client that sends no headers may not.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	drainTimeout  = 20 * time.Second
)

// Listen opens the address to serve on. The error says in one sentence what to
// do where another process has it.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot serve on %s: %w; choose another with --listen", address, rootCause(err))
	}
	return listener, nil
}

func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// Serve serves until ctx ends. Then it takes no new connection, lets the
// requests under way finish for a while, and returns nil.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }() // ends by Shutdown or Close below
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off after %s: %w", drainTimeout, err), server.Close())
	}
	return nil
}
