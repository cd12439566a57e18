// Package web is what our HTTP has in common: one API document for all
// services of a process, errors that name their place, limits, and a server
// that finishes what it has begun.
//
//	mux := http.NewServeMux()
//	api := web.NewAPI(mux, web.Info{Title: "Crossdock", Version: version})
//	catalog.Register(api) // each service adds its operations
//	web.Serve(ctx, listener, web.Wrap(mux, web.Options{Log: log, Clock: clock}), 0)
//
// Begin with [NewAPI], [Register] and [Wrap].
package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// timeLimit is how long an operation of the API may take. What takes longer is
// a job, and is not waited for.
const timeLimit = 30 * time.Second

// Info describes an API.
type Info struct {
	Title, Version string

	// Suggest returns ", did you mean X?" for the candidate nearest to a name,
	// or nothing.
	Suggest func(name string, candidates []string) string
}

// NewAPI returns an API whose operations are served by mux, and its document
// at /openapi.json and /openapi.yaml.
func NewAPI(mux *http.ServeMux, info Info) huma.API {
	config := huma.DefaultConfig(info.Title, info.Version)
	config.DocsPath = ""     // its page would load scripts from elsewhere
	config.SchemasPath = ""  // the document has them
	config.CreateHooks = nil // no $schema member in answers
	config.Transformers = []huma.Transformer{nameFault}
	api := humago.New(mux, config)
	api.UseMiddleware(limitTime, asBadRequest, refuseUnknown(api, info.Suggest))
	return api
}

func limitTime(ctx huma.Context, next func(huma.Context)) {
	limited, cancel := context.WithTimeout(ctx.Context(), timeLimit)
	defer cancel()
	next(huma.WithContext(ctx, limited))
}

// A readContext is that of a request without a body: whatever is wrong with
// one is a bad request, and 422 is for bodies that can be read but not done.
type readContext struct {
	inner
}

type inner huma.Context

// SetStatus implements huma.Context.
func (c readContext) SetStatus(status int) {
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest
	}
	c.inner.SetStatus(status)
}

// Unwrap lets the adapter reach the request.
func (c readContext) Unwrap() huma.Context { return c.inner }

func asBadRequest(ctx huma.Context, next func(huma.Context)) {
	if ctx.Operation().RequestBody == nil {
		ctx = readContext{ctx}
	}
	next(ctx)
}

// nameFault makes the detail of an error name the first place at fault, so
// that a client that shows only the detail shows enough.
func nameFault(ctx huma.Context, _ string, v any) (any, error) {
	p, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	if p.Status == http.StatusUnprocessableEntity && ctx.Operation().RequestBody == nil {
		p.Status, p.Title = http.StatusBadRequest, http.StatusText(http.StatusBadRequest)
	}
	if len(p.Errors) > 0 && p.Errors[0].Location != "" && !strings.HasPrefix(p.Detail, p.Errors[0].Location) {
		p.Detail = p.Errors[0].Location + ": " + p.Errors[0].Message
	}
	return p, nil
}

// refuseUnknown refuses a query parameter that the operation does not have, or
// has once and is given twice: a filter that is ignored shows the wrong rows.
func refuseUnknown(api huma.API, suggest func(string, []string) string) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		url := ctx.URL()
		if url.RawQuery == "" {
			next(ctx)
			return
		}
		known := map[string]bool{} // whether it may be repeated
		var names []string
		for _, p := range ctx.Operation().Parameters {
			if p.In == "query" {
				known[p.Name] = p.Schema != nil && p.Schema.Type == huma.TypeArray
				names = append(names, p.Name)
			}
		}
		var details []error
		for name, values := range url.Query() {
			many, ok := known[name]
			switch {
			case !ok:
				message := "is not a parameter of this request"
				if suggest != nil {
					message += suggest(name, names)
				}
				if !strings.HasSuffix(message, "?") && len(names) > 0 {
					message += "; it has " + strings.Join(names, ", ")
				}
				details = append(details, &huma.ErrorDetail{Location: "query." + name, Message: message})
			case len(values) > 1 && !many:
				details = append(details, &huma.ErrorDetail{Location: "query." + name, Message: "is given more than once"})
			}
		}
		if len(details) == 0 {
			next(ctx)
			return
		}
		slices.SortFunc(details, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		_ = huma.WriteErr(api, ctx, http.StatusBadRequest, "unknown or repeated query parameters", details...)
	}
}

// A Problem is an error that a client may read.
type Problem interface {
	error
	Status() int                      // of HTTP
	Problem() (message, place string) // place such as query.cursor, or ""
}

// Register adds an operation to the API. An error of the handler that is a
// Problem is answered as such. Any other is ours to mend: it goes to the log
// and the client learns the number of its request alone.
func Register[I, O any](api huma.API, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	if op.OperationID == "" {
		op.OperationID = huma.GenerateOperationID(op.Method, op.Path, (*O)(nil))
	}
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, answer(ctx, err)
		}
		return out, nil
	})
	if item := api.OpenAPI().Paths[op.Path]; item != nil && item.Get != nil && item.Get.OperationID == op.OperationID {
		// What readContext answers is what the document has to say.
		item.Get.Responses["400"] = cmp.Or(item.Get.Responses["400"], item.Get.Responses["422"])
		delete(item.Get.Responses, "422")
	}
}

// answer returns the error that a client gets for err.
func answer(ctx context.Context, err error) error {
	if p, ok := errors.AsType[Problem](err); ok {
		message, place := p.Problem()
		if place == "" {
			return huma.NewError(p.Status(), message)
		}
		return huma.NewError(p.Status(), place+": "+message, &huma.ErrorDetail{Location: place, Message: message})
	}
	if _, ok := errors.AsType[huma.StatusError](err); ok {
		return err
	}
	Note(ctx, err)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return huma.NewError(http.StatusServiceUnavailable, "the request took too long: try again, or ask for less")
	}
	return huma.NewError(http.StatusInternalServerError, "internal error; the log tells more under request "+RequestID(ctx))
}

// NotModified is the answer to a client that has the version already.
func NotModified(etag string) error {
	return huma.ErrorWithHeaders(huma.Status304NotModified(), http.Header{"Etag": {etag}})
}

// Matches reports whether an If-None-Match header names the version.
func Matches(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(etag, "W/") && tag != "" {
			return true
		}
	}
	return false
}
