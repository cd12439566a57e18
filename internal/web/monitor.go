package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A Monitor answers /healthz, /readyz and /metrics.
type Monitor struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	checks   []check
}

type check struct {
	name string
	fn   func(context.Context) error
}

// NewMonitor returns a monitor of the process, to which checks and metrics can
// be added before it serves.
func NewMonitor() *Monitor {
	m := &Monitor{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "crossdock_http_request_seconds", Help: "Time to answer a request, by route and status.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"method", "route", "status"}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), m.requests)
	return m
}

// Register adds metrics.
func (m *Monitor) Register(c prometheus.Collector) { m.registry.MustRegister(c) }

// Ready adds a check that has to pass before the process takes requests.
func (m *Monitor) Ready(name string, fn func(context.Context) error) {
	m.checks = append(m.checks, check{name, fn})
}

// Mount adds the routes to a mux.
func (m *Monitor) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"}) // it answers: that is all that is asked
	})
	mux.HandleFunc("GET /readyz", m.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry}))
}

const readyTimeout = 2 * time.Second

func (m *Monitor) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	status, answer := http.StatusOK, map[string]string{}
	for _, c := range m.checks {
		answer[c.name] = "ok"
		if err := c.fn(ctx); err != nil {
			status, answer[c.name] = http.StatusServiceUnavailable, err.Error()
		}
	}
	writeJSON(w, status, answer)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the client may be gone
}

// Count measures the requests of a mux by its routes. The path itself would
// make a series of every product.
func (m *Monitor) Count(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now() //nolint:forbidigo // a duration, which no clock of the caller's has to know
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		_, route := mux.Handler(r)
		if route == "" {
			route = "none"
		}
		mux.ServeHTTP(recorder, r)
		m.requests.WithLabelValues(r.Method, route, strconv.Itoa(recorder.status)).Observe(time.Since(started).Seconds())
	})
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what the wrapped writer can do.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
