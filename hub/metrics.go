package hub

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crossdock/hub/journal"
	"crossdock/schemas"
)

const (
	// Of pipelines, and of rules: what comes on top is summed as "(other)", so that
	// a folder of ten thousand pipelines does not become a million series.
	maxLabelled = 300
	otherLabel  = "(other)"

	// The journal is asked at most this often, and less often where it takes
	// long: no more than a fiftieth of the time goes into it.
	statsAge   = 5 * time.Second
	statsShare = 50

	statsTimeout = 5 * time.Second
)

// metrics counts what this process has done.
type metrics struct {
	runs, rows, rules *prometheus.CounterVec
	seconds, stages   *prometheus.HistogramVec

	mu       sync.Mutex
	labelled map[string]map[string]bool
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "crossdock_" + name, Help: help}, labels)
	}
	return &metrics{
		runs:  counter("runs_total", "Runs that have ended in this process, by pipeline and status.", "pipeline", "status"),
		rows:  counter("rows_total", "Rows that runs have accounted for, by pipeline and outcome: applied, unchanged, rejected or skipped.", "pipeline", "outcome"),
		rules: counter("rule_hits_total", "Findings in the rows that sources sent, by pipeline, rule and severity.", "pipeline", "rule", "severity"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "crossdock_run_seconds", Help: "Time that runs took, by pipeline.",
			Buckets: []float64{.1, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600},
		}, []string{"pipeline"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "crossdock_batch_seconds", Help: "Time that a batch took, by stage: read, process, apply or commit.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"stage"}),
		labelled: map[string]map[string]bool{},
	}
}

// label returns the value, or "(other)" where a label has had too many of them.
func (m *metrics) label(name, value string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.labelled[name]
	if known == nil {
		known = map[string]bool{}
		m.labelled[name] = known
	}
	if !known[value] {
		if len(known) >= maxLabelled {
			return otherLabel
		}
		known[value] = true
	}
	return value
}

// ended counts a run. One that a guard holds has not ended, but stands in the
// journal, and so does one that waits again.
func (m *metrics) ended(s *Summary) {
	if s.DryRun || s.Run == "" || s.Status == journal.Held || s.Status == journal.Queued {
		return
	}
	pipeline := m.label("pipeline", s.Pipeline)
	m.runs.WithLabelValues(pipeline, string(s.Status)).Inc()
	m.seconds.WithLabelValues(pipeline).Observe(s.Seconds)
}

// counted counts the rows of a batch that is in the journal.
func (m *metrics) counted(pipeline string, c journal.Counts) {
	pipeline = m.label("pipeline", pipeline)
	for outcome, n := range map[string]int64{"applied": c.Applied, "unchanged": c.Unchanged, "rejected": c.Rejected, "skipped": c.Skipped} {
		m.rows.WithLabelValues(pipeline, outcome).Add(float64(n))
	}
}

// found counts what readers, rules and the service have found in a batch.
func (m *metrics) found(pipeline string, one *processed, outcome schemas.Outcome) {
	type hit struct{ rule, severity string }
	hits := map[hit]int{}
	for _, findings := range [][]schemas.Rejection{one.result.Findings, outcome.Rejected} {
		for _, f := range findings {
			hits[hit{f.Rule, string(f.Severity)}]++
		}
	}
	for i := range one.batch.Rejects {
		hits[hit{one.batch.Rejects[i].Rule, string(schemas.Reject)}]++
	}
	pipeline = m.label("pipeline", pipeline)
	for h, n := range hits {
		m.rules.WithLabelValues(pipeline, m.label("rule", h.rule), h.severity).Add(float64(n))
	}
}

// commit writes a batch to the journal, and counts it there and here.
func (h *Hub) commit(ctx context.Context, pipeline string, claim journal.Claim, c journal.Commit) error {
	if err := h.journal.Commit(ctx, claim, c); err != nil {
		return err
	}
	h.metrics.counted(pipeline, c.Counts)
	h.tellOf(c)
	return nil
}

// Metrics returns what is to be known of the hub: what it has done since it was
// opened, and what lies in the journal, whoever has brought it there.
func (h *Hub) Metrics() prometheus.Collector {
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("crossdock_"+name, help, labels, nil)
	}
	return &collector{
		hub:        h,
		unfinished: gauge("runs_unfinished", "Runs in the journal that are queued, running, or held by a guard, by status.", "status"),
		oldest:     gauge("runs_unfinished_oldest_seconds", "Age of the oldest run that is queued, running or held, by status; 0 where there is none.", "status"),
		delivered:  gauge("pipeline_delivered_timestamp_seconds", "When a run of the pipeline last finished with its rows applied, in seconds since 1970.", "pipeline"),
		errors:     gauge("error_queue_rows", "Open rows in the error queue, by pipeline.", "pipeline"),
		errorAge:   gauge("error_queue_oldest_seconds", "Age of the oldest open row in the error queue, by pipeline; 0 where there is none.", "pipeline"),
		waiting:    gauge("waiting_rows", "Rows that wait for what they refer to, by pipeline.", "pipeline"),
		took:       gauge("journal_stats_seconds", "Time that the journal took to tell these numbers, which are asked for again after fifty times as long."),
	}
}

type collector struct {
	hub *Hub

	unfinished, oldest, delivered, errors, errorAge, waiting, took *prometheus.Desc

	mu    sync.Mutex
	stats []*journal.Stats // of the pipelines that are labelled, and of all others
	asked time.Time
	cost  time.Duration
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	m := c.hub.metrics
	for _, vec := range []prometheus.Collector{m.runs, m.rows, m.rules, m.seconds, m.stages} {
		vec.Describe(to)
	}
	for _, d := range []*prometheus.Desc{c.unfinished, c.oldest, c.delivered, c.errors, c.errorAge, c.waiting, c.took} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	m := c.hub.metrics
	for _, vec := range []prometheus.Collector{m.runs, m.rows, m.rules, m.seconds, m.stages} {
		vec.Collect(to)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ask(); err != nil {
		// The counters are wanted all the more when the journal does not answer.
		c.hub.Log.WarnContext(context.Background(), "numbers of the journal", "error", err)
		return
	}
	now := c.hub.Clock()
	for _, status := range []journal.Status{journal.Queued, journal.Running, journal.Held} {
		n, age := int64(0), time.Duration(0)
		for _, s := range c.stats {
			if s.Runs[status] > 0 {
				n += s.Runs[status]
				age = max(age, now.Sub(s.Since[status]))
			}
		}
		to <- value(c.unfinished, float64(n), string(status))
		to <- value(c.oldest, age.Seconds(), string(status))
	}
	for _, s := range c.stats {
		if !s.Delivered.IsZero() {
			to <- value(c.delivered, float64(s.Delivered.UnixMilli())/1e3, s.Pipeline)
		}
		age := time.Duration(0)
		if s.Open > 0 {
			age = max(0, now.Sub(s.Oldest))
		}
		to <- value(c.errors, float64(s.Open), s.Pipeline)
		to <- value(c.errorAge, age.Seconds(), s.Pipeline)
		to <- value(c.waiting, float64(s.Waiting), s.Pipeline)
	}
	to <- value(c.took, c.cost.Seconds())
}

func value(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// ask brings the numbers of the journal up to date, unless they are young.
func (c *collector) ask() error {
	start := c.hub.Clock()
	if c.stats != nil && start.Sub(c.asked) < max(statsAge, statsShare*c.cost) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), statsTimeout)
	defer cancel()
	all, err := c.hub.journal.Stats(ctx)
	if err != nil {
		return err
	}
	c.stats = make([]*journal.Stats, 0, len(all))
	other := &journal.Stats{Pipeline: otherLabel, Runs: map[journal.Status]int64{}, Since: map[journal.Status]time.Time{}}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if c.hub.metrics.label("pipeline", name) == name {
			c.stats = append(c.stats, all[name])
		} else {
			addStats(other, all[name])
		}
	}
	if len(other.Runs) > 0 {
		c.stats = append(c.stats, other)
	}
	c.asked = c.hub.Clock()
	c.cost = c.asked.Sub(start)
	return nil
}

// addStats adds the numbers of one more pipeline.
func addStats(sum, s *journal.Stats) {
	for status, n := range s.Runs {
		if since := sum.Since[status]; since.IsZero() || s.Since[status].Before(since) {
			sum.Since[status] = s.Since[status]
		}
		sum.Runs[status] += n
	}
	// The one that has waited longest for its rows.
	if sum.Delivered.IsZero() || !s.Delivered.IsZero() && s.Delivered.Before(sum.Delivered) {
		sum.Delivered = s.Delivered
	}
	if s.Open > 0 && (sum.Open == 0 || s.Oldest.Before(sum.Oldest)) {
		sum.Oldest = s.Oldest
	}
	sum.Open += s.Open
	sum.Waiting += s.Waiting
}
