package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"crossdock/hub/broker"
	"crossdock/schemas"
)

func (a *app) failedCommand() *cobra.Command {
	var f failed
	cmd := &cobra.Command{
		Use: "failed", Short: "See the events that a consumer has given up, and deliver them once more",
		Long: "See the events that a consumer has given up: they lie on the error queue of the broker.\n" +
			"--redeliver gives them back to their consumers, --discard takes them away for good.",
		Example: "  crossdock events failed\n  crossdock events failed --consumer notifications --redeliver",
		Args:    arguments(cobra.NoArgs, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.failed(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.consumer, "consumer", "", "those of one consumer")
	flags.StringVar(&f.id, "id", "", "the one of this id")
	flags.BoolVar(&f.redeliver, "redeliver", false, "give them back to their consumers, as if they had never been tried")
	flags.BoolVar(&f.discard, "discard", false, "take them away for good")
	return cmd
}

// failed says which messages of the error queue are meant, and what becomes of them.
type failed struct {
	consumer, id       string
	redeliver, discard bool
}

// A failedEvent is a message of the error queue as --json prints it.
type failedEvent struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Time     time.Time `json:"time"`
	Consumer string    `json:"consumer"`
	Attempts int       `json:"attempts"`
	Code     string    `json:"code"`
	Error    string    `json:"error"`
}

func (a *app) failed(ctx context.Context, f failed) (err error) {
	verdict, did := broker.Keep, "on the error queue"
	switch {
	case f.redeliver && f.discard:
		return usagef("--redeliver and --discard cannot both be")
	case f.redeliver:
		verdict, did = broker.Redeliver, "redelivered"
	case f.discard:
		verdict, did = broker.Discard, "discarded"
	}
	b, err := a.openBroker(ctx)
	if err != nil {
		return err
	}
	defer func() { err = first(err, b.Close()) }()
	list := []failedEvent{}
	err = b.Review(ctx, func(_ context.Context, d broker.Dead) (broker.Verdict, error) {
		e := failedEvent{ID: d.ID, Type: d.Type, Time: d.Time, Consumer: consumerOf(d.Queue), Attempts: d.Attempt, Code: d.Code, Error: d.Reason}
		if f.consumer != "" && f.consumer != e.Consumer || f.id != "" && f.id != e.ID {
			return broker.Keep, nil
		}
		list = append(list, e)
		if !a.json {
			fmt.Fprintf(a.stdout, "%s  %s  %s  %s: %s after %d attempts: %s\n", e.Time.UTC().Format("2006-01-02 15:04:05Z"), e.ID, e.Type,
				e.Consumer, e.Code, e.Attempts, schemas.Shorten(e.Error))
		}
		return verdict, nil
	})
	if a.json {
		a.printJSON(list)
	} else {
		fmt.Fprintf(a.stdout, "%d %s\n", len(list), did)
	}
	return err
}

// consumerOf returns whose queue it is.
func consumerOf(queue string) string {
	return strings.TrimSuffix(strings.TrimPrefix(queue, "svc."), ".v1")
}

// queueDepths tells how many messages lie in the queues of a broker.
type queueDepths struct {
	broker broker.Broker
	depth  *prometheus.Desc
}

func newQueueDepths(b broker.Broker) *queueDepths {
	return &queueDepths{b, prometheus.NewDesc("crossdock_broker_messages", "Messages that wait in a queue of the broker.", []string{"queue"}, nil)}
}

// Describe implements prometheus.Collector.
func (q *queueDepths) Describe(descs chan<- *prometheus.Desc) { descs <- q.depth }

// inspectTime bounds how long a broker that does not answer holds up the
// answer about everything else.
const inspectTime = 2 * time.Second

// Collect implements prometheus.Collector. Of a broker that cannot be asked it
// tells nothing, which is how its absence shows.
func (q *queueDepths) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), inspectTime)
	defer cancel()
	list, err := q.broker.Inspect(ctx)
	if err != nil {
		return
	}
	for _, one := range list {
		if !one.Missing {
			metrics <- prometheus.MustNewConstMetric(q.depth, prometheus.GaugeValue, float64(one.Messages), one.Name)
		}
	}
}
