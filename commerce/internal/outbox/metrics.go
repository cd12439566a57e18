package outbox

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crossdock/internal/store"
)

const scrapeTimeout = 5 * time.Second

// Metrics returns what is to be known of the outbox: how many events wait to be
// published, and for how long the first of them does.
func (o *Outbox) Metrics() prometheus.Collector {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("crossdock_outbox_"+name, help, nil, prometheus.Labels{"service": o.Service})
	}
	return &collector{
		outbox:    o,
		events:    describe("lag_events", "Events that were committed and have yet to be published."),
		seconds:   describe("lag_seconds", "Age of the oldest event that has yet to be published."),
		published: describe("published_total", "Events published, each time that they were."),
		failures:  describe("failures_total", "Attempts to publish a batch that failed."),
	}
}

type collector struct {
	outbox                               *Outbox
	events, seconds, published, failures *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.events, c.seconds, c.published, c.failures} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	o := c.outbox
	to <- prometheus.MustNewConstMetric(c.published, prometheus.CounterValue, float64(o.published.Load()))
	to <- prometheus.MustNewConstMetric(c.failures, prometheus.CounterValue, float64(o.failures.Load()))
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	events, age, err := o.lag(ctx)
	if err != nil {
		// Other metrics are wanted all the more when a database is away.
		o.Log.WarnContext(ctx, "lag of the outbox", "service", o.Service, "error", err)
		return
	}
	to <- prometheus.MustNewConstMetric(c.events, prometheus.GaugeValue, float64(events))
	to <- prometheus.MustNewConstMetric(c.seconds, prometheus.GaugeValue, age.Seconds())
}

// lag returns how many events wait to be published, and how old the first is.
func (o *Outbox) lag(ctx context.Context) (events int64, age time.Duration, err error) {
	after, err := position(ctx, o.DB.Read(), published)
	if err != nil {
		return 0, 0, err
	}
	events, _, err = store.First(ctx, o.DB.Read(), number, `SELECT count(*) FROM outbox WHERE position > ?`, after)
	if err != nil || events == 0 {
		return 0, 0, err
	}
	first, _, err := store.First(ctx, o.DB.Read(), number,
		`SELECT created_at FROM outbox WHERE position > ? ORDER BY position LIMIT 1`, after)
	return events, max(0, o.Clock().Sub(time.UnixMicro(first))), err
}
