// Package logs makes the logger of a process: lines for people or JSON for
// machines, with what a context says about the work at hand on each line, and
// without secrets.
//
// Begin with [New], and with [With], which says what work is at hand.
package logs

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// The formats of lines.
const (
	Text = "text"
	JSON = "json"
)

// Options say how to write.
type Options struct {
	Format string // Text or JSON
	Level  slog.Level

	// Names are the names that keys have in JSON, where those differ.
	Names map[string]string

	// Fixed stands on every line of JSON, and Context returns what a context
	// says beside With. Both may be nil.
	Fixed   []slog.Attr
	Context func(context.Context) []slog.Attr
}

// New returns a logger that writes to w.
func New(w io.Writer, o Options) *slog.Logger {
	r := newRedactor()
	base := &slog.HandlerOptions{Level: o.Level, ReplaceAttr: r.replace}
	if o.Format != JSON {
		return slog.New(&handler{inner: slog.NewTextHandler(w, base), redact: r, context: o.Context})
	}
	base.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		a = r.replace(groups, a)
		if len(groups) > 0 {
			return a
		}
		if a.Key == slog.LevelKey {
			a.Value = slog.StringValue(strings.ToLower(a.Value.String()))
		}
		if name, ok := o.Names[a.Key]; ok {
			a.Key = name
		}
		return a
	}
	return slog.New(&handler{inner: slog.NewJSONHandler(w, base).WithAttrs(o.Fixed), redact: r, context: o.Context})
}

// ParseLevel returns the level of the name given: debug, info, warn or error.
func ParseLevel(name string) (slog.Level, error) {
	var level slog.Level
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, name) {
		return level, fmt.Errorf("%q is none of debug, info, warn and error", name)
	}
	return level, level.UnmarshalText([]byte(name))
}

type workKey struct{}

// With returns a context whose lines carry the attributes, beside those that
// ctx has already.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	before, _ := ctx.Value(workKey{}).([]slog.Attr)
	return context.WithValue(ctx, workKey{}, slices.Concat(before, attrs))
}

// A handler adds to each line what its context says.
type handler struct {
	inner   slog.Handler
	redact  *redactor
	context func(context.Context) []slog.Attr
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.inner.Enabled(ctx, level)
}

// Handle implements slog.Handler. What the line itself says goes before what
// the context says under the same key.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	r.Message = h.redact.text(r.Message)
	attrs, _ := ctx.Value(workKey{}).([]slog.Attr)
	if h.context != nil {
		attrs = slices.Concat(h.context(ctx), attrs)
	}
	if len(attrs) > 0 {
		said := map[string]bool{}
		r.Attrs(func(a slog.Attr) bool {
			said[a.Key] = true
			return true
		})
		r = r.Clone()
		for _, a := range attrs {
			if !said[a.Key] {
				said[a.Key] = true
				r.AddAttrs(a)
			}
		}
	}
	return h.inner.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{inner: h.inner.WithAttrs(attrs), redact: h.redact, context: h.context}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{inner: h.inner.WithGroup(name), redact: h.redact, context: h.context}
}

const masked = "[redacted]"

// A redactor takes secrets out of lines: the values of keys that name one, and
// what stands in a text where a secret would.
type redactor struct {
	keys     *regexp.Regexp
	url      *regexp.Regexp // the password of a URL
	scheme   *regexp.Regexp // of an Authorization header
	settings *regexp.Regexp // password=..., as connection strings and queries have it
}

func newRedactor() *redactor {
	const names = `passwords?|passwd|pwd|secrets?|tokens?|api[_-]?keys?|private[_-]?key|credentials?|authorization|cookie`
	return &redactor{
		keys: regexp.MustCompile(`(?i)(^|[._-])(` + names + `)$|(?i)(password|secret|token|apikey)$`),
		// Up to the last @ before the path: passwords hold what they should have escaped.
		url:      regexp.MustCompile(`(://[^/\s:@"']*:)[^/\s"']*@`),
		scheme:   regexp.MustCompile(`(?i)\b(bearer|basic)\s+[a-z0-9+/._~=-]{6,}`),
		settings: regexp.MustCompile(`(?i)\b((?:[a-z]+[_-])*(?:` + names + `))("?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s&,;"']+)`),
	}
}

func (r *redactor) replace(_ []string, a slog.Attr) slog.Attr {
	if r.keys.MatchString(a.Key) {
		return slog.String(a.Key, masked)
	}
	switch value := a.Value.Resolve(); value.Kind() {
	case slog.KindString:
		return slog.String(a.Key, r.text(value.String()))
	case slog.KindAny:
		// As text, for what JSON would take apart may hold a secret anywhere.
		switch v := value.Any().(type) {
		case error:
			return slog.String(a.Key, r.text(v.Error()))
		case *slog.Source:
		default:
			return slog.String(a.Key, r.text(fmt.Sprint(v)))
		}
	default:
	}
	return a
}

// text masks the secrets in a text.
func (r *redactor) text(s string) string {
	s = r.url.ReplaceAllString(s, "${1}"+masked+"@")
	s = r.scheme.ReplaceAllString(s, "${1} "+masked)
	return r.settings.ReplaceAllString(s, "${1}${2}"+masked)
}
