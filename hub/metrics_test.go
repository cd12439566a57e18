package hub_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"crossdock/hub"
	"crossdock/hub/journal"
)

// gathered returns the metrics of the hub that have the prefix, as a scrape
// shows them.
func gathered(t *testing.T, c prometheus.Collector, names ...string) string {
	t.Helper()
	text, err := testutil.CollectAndFormat(c, expfmt.TypeTextPlain, names...)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func TestMetricsOfARun(t *testing.T) {
	b := newBench(t)
	b.working(t)
	b.finished(t, b.queue(t, "A-1;Mutter;\nA-2;;\nA-3;Keil;").ID)
	metrics := b.Metrics()
	if problems, err := testutil.CollectAndLint(metrics); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	// The count of a run that has ended comes right behind its end in the journal.
	for deadline := time.Now().Add(10 * time.Second); gathered(t, metrics, "crossdock_runs_total") == "" && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	want := `crossdock_rows_total{outcome="applied",pipeline="acme"} 2
crossdock_rows_total{outcome="rejected",pipeline="acme"} 1
crossdock_rows_total{outcome="skipped",pipeline="acme"} 0
crossdock_rows_total{outcome="unchanged",pipeline="acme"} 0
crossdock_rule_hits_total{pipeline="acme",rule="required",severity="reject"} 1
crossdock_runs_total{pipeline="acme",status="partial"} 1
`
	if got := gathered(t, metrics, "crossdock_rows_total", "crossdock_rule_hits_total", "crossdock_runs_total"); got != want {
		t.Errorf("counted\n%swant\n%s", got, want)
	}
	want = `crossdock_error_queue_rows{pipeline="acme"} 1
crossdock_runs_unfinished{status="held"} 0
crossdock_runs_unfinished{status="queued"} 0
crossdock_runs_unfinished{status="running"} 0
crossdock_waiting_rows{pipeline="acme"} 0
`
	if got := gathered(t, metrics, "crossdock_error_queue_rows", "crossdock_runs_unfinished", "crossdock_waiting_rows"); got != want {
		t.Errorf("in the journal\n%swant\n%s", got, want)
	}
	for _, stage := range []string{"read", "process", "apply", "commit"} {
		if got := gathered(t, metrics, "crossdock_batch_seconds"); !strings.Contains(got, `crossdock_batch_seconds_count{stage="`+stage+`"}`) {
			t.Errorf("no time of stage %s:\n%s", stage, got)
		}
	}
}

// TestTheJournalIsAskedNowAndThen counts a second run only when the first
// answer has become old.
func TestTheJournalIsAskedNowAndThen(t *testing.T) {
	b := newBench(t)
	now := time.Now()
	cfg := b.Config
	cfg.Dir, cfg.Clock, cfg.Log = t.TempDir(), func() time.Time { return now }, slog.New(slog.DiscardHandler)
	h, err := hub.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	metrics := h.Metrics()
	const queued = `crossdock_runs_unfinished{status="queued"} `
	for i, tt := range []struct {
		after time.Duration
		want  string
	}{{0, "0"}, {4 * time.Second, "0"}, {2 * time.Second, "2"}, {time.Second, "2"}} {
		now = now.Add(tt.after)
		if got := gathered(t, metrics, "crossdock_runs_unfinished"); !strings.Contains(got, queued+tt.want+"\n") {
			t.Errorf("scrape %d: %s, want %s queued", i+1, got, tt.want)
		}
		run := journal.Run{ID: fmt.Sprint("r", i), Pipeline: "p", Cause: "upload", Status: journal.Queued}
		if err := h.Journal().Begin(t.Context(), run); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Hour)
	if got := gathered(t, metrics, "crossdock_runs_unfinished_oldest_seconds"); !strings.Contains(got, `{status="queued"} 3607`) {
		t.Errorf("the oldest: %s, want 3607 seconds", got)
	}
}

// TestThereIsAnEndToPipelines has more pipelines than are told apart.
func TestThereIsAnEndToPipelines(t *testing.T) {
	b := newBench(t)
	const pipelines = 310
	for i := range pipelines {
		run := journal.Run{ID: fmt.Sprintf("r%03d", i), Pipeline: fmt.Sprintf("p%03d", i), Cause: "upload", Status: journal.Queued}
		if err := b.Journal().Begin(t.Context(), run); err != nil {
			t.Fatal(err)
		}
	}
	metrics := b.Metrics()
	if n := strings.Count(gathered(t, metrics, "crossdock_error_queue_rows"), "\n"); n != 301 {
		t.Errorf("%d series of %d pipelines, want 300 and one for all others", n, pipelines)
	}
	if got := gathered(t, metrics, "crossdock_runs_unfinished"); !strings.Contains(got, fmt.Sprintf(`{status="queued"} %d`, pipelines)) {
		t.Errorf("%s, want %d queued", got, pipelines)
	}
}
