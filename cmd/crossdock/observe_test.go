package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"crossdock/commerce"
)

// metricRow is a row of the table of metrics in docs/operations.md.
var metricRow = regexp.MustCompile("(?m)^\\| `(crossdock_[a-z_]+)` \\| (counter|gauge|histogram) \\| ([a-z_, ]*) ?\\|")

// TestTheManualNamesEveryMetric compares the table of the manual with a scrape
// of a server that has done a bit of everything.
func TestTheManualNamesEveryMetric(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]string{}
	for _, row := range metricRow.FindAllStringSubmatch(string(text), -1) {
		labels := strings.FieldsFunc(row[3], func(r rune) bool { return r == ',' || r == ' ' })
		slices.Sort(labels)
		written[row[1]] = row[2] + " " + strings.Join(labels, " ")
	}
	s := serveForTest(t, func(a *app) { a.bus = newBus(openEmbedded(t)) })
	s.upload(t, uploaded)
	served := s.scrape(t)
	for name, is := range served {
		if written[name] != is {
			t.Errorf("%s is a %q, and docs/operations.md says %q", name, is, written[name])
		}
	}
	for name := range written {
		if served[name] == "" {
			t.Errorf("docs/operations.md names %s, which is not served", name)
		}
	}
}

// carried has the events of a server carried by the broker in its data folder.
func carried(t *testing.T) func(*app) {
	return func(a *app) {
		b, err := a.openBroker(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { // behind the end of the server
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
		a.bus = newBus(b)
	}
}

// scrape returns our metrics behind a run, each with its kind and its labels in order.
func (s *served) scrape(t *testing.T) map[string]string {
	t.Helper()
	var body []byte
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		_, _, body = s.do(t, http.MethodGet, "/metrics", "", nil)
		if bytes.Contains(body, []byte("crossdock_runs_total")) { // counted right behind its end in the journal
			break
		}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for name, family := range families {
		if !strings.HasPrefix(name, "crossdock_") {
			continue
		}
		var labels []string
		for _, pair := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, pair.GetName())
		}
		slices.Sort(labels)
		found[name] = strings.ToLower(family.GetType().String()) + " " + strings.Join(labels, " ")
	}
	return found
}

// A sink takes in spans as a collector does.
type sink struct {
	mu    sync.Mutex
	spans []*tracepb.Span
}

// ServeHTTP implements http.Handler.
func (k *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
		http.Error(w, "no spans", http.StatusBadRequest)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, from := range request.GetResourceSpans() {
		for _, scope := range from.GetScopeSpans() {
			k.spans = append(k.spans, scope.GetSpans()...)
		}
	}
}

// A recordingBus keeps what is published on it.
type recordingBus struct {
	commerce.Bus
	published chan commerce.Event
}

// Publish implements commerce.Bus.
func (b *recordingBus) Publish(_ context.Context, events []commerce.Event) error {
	for _, e := range events {
		b.published <- e
	}
	return nil
}

// TestATraceGoesFromTheUploadToTheEvent follows one over request, queue, run,
// batch, outbox and bus, as a collector gets it.
func TestATraceGoesFromTheUploadToTheEvent(t *testing.T) {
	k := &sink{}
	server := httptest.NewServer(k)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	bus := &recordingBus{published: make(chan commerce.Event, 10)}
	var stop func()
	s := serveForTest(t, func(a *app) {
		a.bus = bus
		var err error
		if stop, err = a.startTracing(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	s.upload(t, uploaded)
	var event commerce.Event
	select {
	case event = <-bus.published:
	case <-time.After(30 * time.Second):
		t.Fatal("no event was published")
	}
	s.end() // so that every span has ended
	stop()

	k.mu.Lock()
	defer k.mu.Unlock()
	byID, byName := map[string]*tracepb.Span{}, map[string]*tracepb.Span{}
	for _, span := range k.spans {
		byID[string(span.GetSpanId())] = span
		byName[span.GetName()] = span
	}
	for name, parent := range map[string]string{
		"run served":                         "POST /v1/imports",
		"batch read":                         "run served",
		"batch process":                      "run served",
		"batch apply":                        "run served",
		"batch commit":                       "run served",
		"publish catalog.product.changed.v1": "batch apply",
	} {
		span := byName[name]
		if span == nil {
			t.Errorf("no span %s", name)
			continue
		}
		if above := byID[string(span.GetParentSpanId())]; above == nil || above.GetName() != parent {
			t.Errorf("span %s is under %v, want %s", name, above.GetName(), parent)
		}
	}
	if parts := strings.Split(event.TraceParent, "-"); len(parts) != 4 || byName["batch apply"] == nil ||
		parts[1] != hex.EncodeToString(byName["batch apply"].GetTraceId()) || parts[2] != hex.EncodeToString(byName["batch apply"].GetSpanId()) {
		t.Errorf("the event's traceparent is %q, and no span's", event.TraceParent)
	}
}

// TestAServerShowsItself starts one as an operator does, and asks it for all
// that an operator may ask for.
func TestAServerShowsItself(t *testing.T) {
	address, profiles := freeAddress(t), freeAddress(t)
	crossdock, err := exec.LookPath("crossdock") // made by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "CROSSDOCK_DATA="+t.TempDir(), "CROSSDOCK_LISTEN="+address, "CROSSDOCK_DEBUG_LISTEN="+profiles,
		"CROSSDOCK_LOG_FORMAT=json", "CROSSDOCK_LOG_LEVEL=debug")
	server := exec.CommandContext(t.Context(), crossdock, "serve")
	server.Dir, server.Env = t.TempDir(), env
	var log bytes.Buffer
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	health := func(arguments ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), crossdock, append([]string{"health"}, arguments...)...)
		cmd.Dir, cmd.Env = server.Dir, append(env, "CROSSDOCK_LOG_FORMAT=text")
		out, _ := cmd.CombinedOutput() // the code says what has failed
		return string(out), cmd.ProcessState.ExitCode()
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if _, code := health(); code == 0 {
			break
		}
	}
	if out, code := health(); out != address+" is ready\n" || code != 0 {
		t.Errorf("health = %d %q", code, out)
	}
	if out, code := health("--json"); !strings.HasPrefix(out, `{"address":"`+address) || code != 0 {
		t.Errorf("health --json = %d %q", code, out)
	}
	for _, url := range []string{"http://" + address + "/v1/products/none?token=kanarienvogel", "http://" + profiles + "/debug/pprof/heap?debug=1"} {
		answer, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Error(err)
		}
		if answer.StatusCode != http.StatusOK && !strings.Contains(url, "/none") {
			t.Errorf("GET %s = %s", url, answer.Status)
		}
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("serve: %v\n%s", err, log.String())
	}
	routes := map[any]any{}
	for line := range strings.Lines(log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry["@timestamp"] == nil || entry["service.name"] != "crossdock" {
			t.Errorf("%v: %s", err, line)
		}
		routes[entry["http.route"]] = entry["http.response.status_code"]
	}
	if routes["/v1/products/{sku}"] != 400.0 || routes["/readyz"] != 200.0 || strings.Contains(log.String(), "kanarienvogel") {
		t.Errorf("the log is\n%s", log.String())
	}
	if out, code := health(); code != 1 || !strings.Contains(out, "nothing that is Crossdock answers at "+address) {
		t.Errorf("health = %d %q of a server that has ended", code, out)
	}
}
