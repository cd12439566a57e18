package hub

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"crossdock/connectors"
	"crossdock/hub/journal"
)

// newestTotal is the name under which the journal keeps the newest value of a
// run, for the next one to be compared with.
const newestTotal = "newest"

// noteNewest keeps the newest value of the field by which the pipeline tells
// an old source from a new one.
func (x *execution) noteNewest(one *processed) {
	b := one.result.Batch
	column := b.Index(x.pipeline.Guard.Newest)
	if column < 0 {
		return
	}
	var at func(row int) int64
	switch values := b.Rows.Column(column).(type) {
	case *array.Timestamp:
		at = func(row int) int64 { return int64(values.Value(row)) }
	case *array.Date32:
		at = func(row int) int64 { return int64(values.Value(row)) }
	default:
		return
	}
	newest := -1
	b.Each(func(row int) bool {
		if !b.Rows.Column(column).IsNull(row) && (newest < 0 || at(row) > at(newest)) {
			newest = row
		}
		return true
	})
	if newest < 0 {
		return
	}
	text, _ := b.Text(column, newest)
	if x.newest == "" || timeOf(text).After(timeOf(x.newest)) {
		x.newest = text
	}
}

// timeOf reads what Batch.Text writes of a date or time.
func timeOf(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t, _ = time.Parse(time.DateOnly, text)
	}
	return t
}

// guardNewest refuses a source as a whole that is older than what the last run
// has brought: one message says what a million rejected rows would.
func (x *execution) guardNewest(ctx context.Context, resource string) error {
	field := x.pipeline.Guard.Newest
	if field == "" || x.newest == "" {
		return nil
	}
	pasts, err := x.pasts(ctx)
	if err != nil {
		return err
	}
	last := slices.IndexFunc(pasts, func(p journal.Past) bool { return p.Totals[newestTotal] != "" })
	if last < 0 || !timeOf(x.newest).Before(timeOf(pasts[last].Totals[newestTotal])) {
		return nil
	}
	return &connectors.Error{
		Place: connectors.Place{Resource: resource},
		Message: fmt.Sprintf("is out of date: its newest %s is %s, older than the %s of run %s; nothing was written",
			field, x.newest, pasts[last].Totals[newestTotal], pasts[last].Run),
		Hint: "deliver what is true now; to go back, take newest out of guard",
	}
}

// observe keeps what later runs are compared with.
func (x *execution) observe(ctx context.Context) error {
	totals := map[string]string{}
	if x.newest != "" {
		totals[newestTotal] = x.newest
	}
	return x.hub.journal.Observe(ctx, x.id, x.stream.Columns, totals)
}
