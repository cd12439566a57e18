// Package gateway is the one address before several servers: it routes by path,
// bounds what may come in and how long an answer may take, and keeps answers
// that are still good.
//
//	request ──> route ──> token ──> limits ──> cache ──> tries ──> upstream
//
// What no route names does not exist here, whatever an upstream has besides.
// Begin with [New].
package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"crossdock/internal/web"
)

// An Upstream is a server behind the gateway.
type Upstream struct {
	Name    string
	URL     string        // such as http://10.0.0.7:8081
	Paths   []string      // what it serves: whole segments; with a slash at the end all below that no other has
	MaxBody int64         // of a request, in bytes; 0: 1 MiB
	Timeout time.Duration // until an answer begins; 0: 35 seconds
	Cache   bool          // keep its answers that have an ETag
}

const (
	defaultMaxBody = 1 << 20
	defaultTimeout = 35 * time.Second
	dialTimeout    = 3 * time.Second
	statusGone     = 499             // for the log: whoever asked did not wait
	retryAfter     = 5 * time.Second // what a client is told to wait while an upstream is away
)

// Config is what a gateway is made of.
type Config struct {
	Upstreams  []Upstream
	Token      string // that clients have to send; "" lets everyone in
	CacheBytes int64  // what all kept answers may take; 0: 64 MiB
	Clock      func() time.Time
	Log        *slog.Logger
}

// A Gateway passes requests on.
type Gateway struct {
	token   string
	routes  []route // the longest path first
	servers []*server
}

// A route is a path that a server has.
type route struct {
	path   string
	server *server
}

// A server is an upstream with the way to it.
type server struct {
	Upstream
	proxy *httputil.ReverseProxy
	tries *tries
	doc   document
}

// New returns a gateway. It connects when it is used.
func New(cfg Config) (*Gateway, error) {
	g := &Gateway{token: cfg.Token}
	kept := newCache(cmp.Or(cfg.CacheBytes, defaultCacheBytes))
	for _, u := range cfg.Upstreams {
		u.MaxBody, u.Timeout = cmp.Or(u.MaxBody, defaultMaxBody), cmp.Or(u.Timeout, defaultTimeout)
		target, err := url.Parse(u.URL)
		if err != nil || target.Host == "" {
			return nil, fmt.Errorf("the address of %s is none such as http://10.0.0.7:8081", u.Name)
		}
		s := &server{Upstream: u, tries: &tries{clock: cfg.Clock, next: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout: dialTimeout, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 64,
			ResponseHeaderTimeout: u.Timeout,
		}}}
		transport := http.RoundTripper(s.tries)
		if u.Cache {
			transport = &caching{next: s.tries, cache: kept}
		}
		s.proxy = &httputil.ReverseProxy{
			Transport: transport, Rewrite: rewrite(target), ModifyResponse: yieldHeaders, ErrorHandler: s.refuse,
			ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug), FlushInterval: -1,
		}
		g.servers = append(g.servers, s)
		for _, path := range u.Paths {
			g.routes = append(g.routes, route{path, s})
		}
	}
	slices.SortFunc(g.routes, func(a, b route) int { return len(b.path) - len(a.path) })
	return g, nil
}

// route returns the server that has a path, or nil.
func (g *Gateway) route(path string) *server {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return nil // it would be another path behind here
		}
	}
	for _, r := range g.routes {
		rest, ok := strings.CutPrefix(path, r.path)
		if ok && (rest == "" || rest[0] == '/' || rest[0] == ':' || strings.HasSuffix(r.path, "/")) {
			return r.server
		}
	}
	return nil
}

// Upstream returns the name of the upstream that has a path, or "".
func (g *Gateway) Upstream(path string) string {
	if s := g.route(path); s != nil {
		return s.Name
	}
	return ""
}

type frontKey struct{}

// ServeHTTP passes a request on, or says why it cannot.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := g.route(r.URL.Path)
	switch {
	case s == nil:
		web.WriteProblem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path, "path")
		return
	case g.token != "" && !web.HasToken(r, g.token):
		w.Header().Set("WWW-Authenticate", "Bearer")
		web.WriteProblem(w, http.StatusUnauthorized, "needs a token, as Authorization: Bearer TOKEN", "header.Authorization")
		return
	case r.ContentLength > s.MaxBody:
		s.tooLarge(w)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, s.MaxBody)
	s.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), frontKey{}, w.Header())))
}

// rewrite returns what makes the request to an upstream. Headers of one
// connection and those of other proxies are dropped before it.
func rewrite(target *url.URL) func(*httputil.ProxyRequest) {
	return func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()
		for name := range r.Out.Header {
			if strings.HasPrefix(name, "X-Crossdock-") || name == "X-Real-Ip" {
				r.Out.Header.Del(name) // clients do not speak for us
			}
		}
		r.Out.Header.Del("Authorization") // it was for the gateway
		r.Out.Header.Set("X-Request-Id", web.RequestID(r.In.Context()))
		setTrace(r.In.Context(), r.Out.Header)
	}
}

// setTrace has the upstream go on with the trace of the request, or begin one.
func setTrace(ctx context.Context, h http.Header) {
	h.Del("Traceparent") // what was good of it is in ctx
	h.Del("Tracestate")
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
	if h.Get("Traceparent") == "" {
		var id [24]byte
		_, _ = rand.Read(id[:]) // does not fail
		h.Set("Traceparent", "00-"+hex.EncodeToString(id[:16])+"-"+hex.EncodeToString(id[16:])+"-00")
	}
}

// yieldHeaders drops those headers of ours that the upstream has set as well:
// it knows its answer better.
func yieldHeaders(answer *http.Response) error {
	if front, ok := answer.Request.Context().Value(frontKey{}).(http.Header); ok {
		for name := range answer.Header {
			front.Del(name)
		}
	}
	return nil
}

func (s *server) tooLarge(w http.ResponseWriter) {
	web.WriteProblem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("is larger than the %d bytes that may be sent here", s.MaxBody), "body")
}

// refuse answers a request that the upstream has not answered.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		s.tooLarge(w)
		return
	}
	if r.Context().Err() != nil {
		w.WriteHeader(statusGone)
		return
	}
	web.Note(r.Context(), err)
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		web.WriteProblem(w, http.StatusGatewayTimeout, fmt.Sprintf("%s does not answer within %s: try again, or ask for less", s.Name, s.Timeout), "")
		return
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	web.WriteProblem(w, http.StatusServiceUnavailable, s.Name+" cannot be reached at the moment: try again later", "")
}
