package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"crossdock/internal/logs"
	"crossdock/internal/web"
)

// An observing says how a process shows what it does.
type observing struct {
	LogFormat string `yaml:"log_format"` // text or json
	LogLevel  string `yaml:"log_level"`

	// Debug is the address of profiles. It shows what memory holds, so that only
	// this machine may ask, unless DebugRemote is "true".
	Debug       string `yaml:"debug_listen"`
	DebugRemote string `yaml:"debug_remote"`
}

// check reports the first setting that cannot work.
func (o *observing) check() error {
	if o.LogFormat != logs.Text && o.LogFormat != logs.JSON {
		return usagef("--log-format is %s, but must be text or json", quote(o.LogFormat))
	}
	if _, err := logs.ParseLevel(o.LogLevel); err != nil {
		return usagef("--log-level: %s", err)
	}
	if o.DebugRemote != "" && o.DebugRemote != "true" && o.DebugRemote != "false" {
		return usagef("CROSSDOCK_DEBUG_REMOTE is %s, but must be true or false", quote(o.DebugRemote))
	}
	if o.Debug == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(o.Debug)
	if err != nil {
		return usagef("CROSSDOCK_DEBUG_LISTEN is %s, but must be an address such as 127.0.0.1:6060", quote(o.Debug))
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && o.DebugRemote != "true" {
		return usagef("CROSSDOCK_DEBUG_LISTEN is %s, where other machines could read what memory holds: use 127.0.0.1, or set CROSSDOCK_DEBUG_REMOTE=true behind a firewall", o.Debug)
	}
	return nil
}

// logger returns the logger that the settings ask for.
func (a *app) logger() *slog.Logger {
	level, err := logs.ParseLevel(a.settings.Observing.LogLevel)
	if err != nil {
		level = slog.LevelInfo // check has refused it
	}
	return logs.New(a.stderr, logs.Options{
		Format: a.settings.Observing.LogFormat, Level: level, Names: fieldNames(),
		Fixed:   []slog.Attr{slog.String("service.name", "crossdock"), slog.String("service.version", version())},
		Context: requestAttrs,
	})
}

// requestAttrs says which request and which trace a line belongs to.
func requestAttrs(ctx context.Context) []slog.Attr {
	var attrs []slog.Attr
	if id := web.RequestID(ctx); id != "" {
		attrs = append(attrs, slog.String("request", id))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		attrs = append(attrs, slog.String("trace", span.TraceID().String()), slog.String("span", span.SpanID().String()))
	}
	return attrs
}

// fieldNames are the names of the Elastic Common Schema for our keys, where it
// has any, so that shippers of logs need no mapping.
func fieldNames() map[string]string {
	return map[string]string{
		"time": "@timestamp", "level": "log.level", "msg": "message", "error": "error.message",
		"request": "http.request.id", "method": "http.request.method", "path": "url.path", "route": "http.route",
		"status": "http.response.status_code", "bytes": "http.response.body.bytes", "took": "event.duration", "client": "client.ip",
		"run": "crossdock.run", "pipeline": "crossdock.pipeline", "trace": "trace.id", "span": "span.id",
	}
}

// greet says that the server is there, in the form that all of its lines have.
func (a *app) greet(address string) {
	if a.settings.Observing.LogFormat == logs.JSON {
		a.log.Info("crossdock serves", "parts", a.settings.Split.what(), "url", "http://"+address, "data", a.settings.Data)
		return
	}
	fmt.Fprintf(a.stderr, "crossdock %s serves %s on http://%s (data in %s); stop it with Ctrl-C\n", version(), a.settings.Split.what(), address, a.settings.Data)
}

// debug serves profiles until ctx ends, where the settings ask for them.
func (a *app) debug(ctx context.Context) error {
	if a.settings.Observing.Debug == "" {
		return nil
	}
	listener, err := listen(ctx, a.settings.Observing.Debug)
	if err != nil {
		return fmt.Errorf("CROSSDOCK_DEBUG_LISTEN: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	a.log.InfoContext(ctx, "profiles are served", "url", "http://"+listener.Addr().String()+"/debug/pprof/")
	return web.Serve(ctx, listener, mux, 0)
}

// A footprint tells what the process is made of, and what lies in its data folder.
type footprint struct {
	dir string

	build, database, wal, free, size, backup *prometheus.Desc
}

func newFootprint(dir string) *footprint {
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("crossdock_"+name, help, labels, nil)
	}
	return &footprint{
		dir:      dir,
		build:    gauge("build_info", "Always 1; the labels tell the version.", "version", "go_version"),
		database: gauge("database_bytes", "Size of the database files in the data folder.", "database"),
		wal:      gauge("database_wal_bytes", "Size of the log that has yet to be merged into the database file.", "database"),
		free:     gauge("data_free_bytes", "Bytes that can still be written to the disk of the data folder."),
		backup:   gauge("backup_timestamp_seconds", "When the data folder was last backed up, in seconds since 1970; 0 for never."),
		size:     gauge("data_disk_bytes", "Size of the disk of the data folder."),
	}
}

// Describe implements prometheus.Collector.
func (f *footprint) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.build, f.database, f.wal, f.free, f.size, f.backup} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (f *footprint) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(f.build, 1, version(), runtime.Version())
	files, _ := filepath.Glob(filepath.Join(f.dir, "*.db")) // it only fails on a pattern that is none
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".db")
		gauge(f.database, float64(fileSize(path)), name)
		gauge(f.wal, float64(fileSize(path+"-wal")), name)
	}
	backup := float64(0)
	if at := lastBackup(f.dir); !at.IsZero() {
		backup = float64(at.Unix())
	}
	gauge(f.backup, backup)
	var disk syscall.Statfs_t
	if err := syscall.Statfs(f.dir, &disk); err == nil {
		gauge(f.free, float64(disk.Bavail)*float64(disk.Bsize))
		gauge(f.size, float64(disk.Blocks)*float64(disk.Bsize))
	}
}

// fileSize returns the size of a file, and 0 where there is none.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// observe adds what the hub and the process tell to the metrics of requests.
func (a *app) observe(s *system, registry prometheus.Registerer) {
	registry.MustRegister(newFootprint(a.settings.Data))
	if b, ok := a.bus.(*bus); ok {
		registry.MustRegister(newQueueDepths(b.broker))
	}
	if s.hub != nil {
		registry.MustRegister(s.hub.Metrics())
	}
}
