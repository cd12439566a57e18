package journal

import (
	"context"
	"database/sql"
	"time"

	"crossdock/internal/store"
)

// Stats is how many runs and parked rows of one pipeline there are.
type Stats struct {
	Pipeline string
	Runs     map[Status]int64
	// Since is when the first of the runs of a status was accepted or begun.
	Since map[Status]time.Time
	// Delivered is when a run last finished with its rows applied, or the zero time.
	Delivered time.Time
	Open      int64     // rows in the error queue
	Oldest    time.Time // when the first of them was rejected
	Waiting   int64     // rows that wait for what they refer to
}

// Stats returns the numbers of every pipeline. It reads two indexes or tables
// to their end: ask now and then, not at every request.
func (j *Journal) Stats(ctx context.Context) (map[string]*Stats, error) {
	all := map[string]*Stats{}
	of := func(pipeline string) *Stats {
		if all[pipeline] == nil {
			all[pipeline] = &Stats{Pipeline: pipeline, Runs: map[Status]int64{}, Since: map[Status]time.Time{}}
		}
		return all[pipeline]
	}
	type group struct {
		pipeline, status string
		n, first         int64
		last             sql.NullInt64
	}
	runs, err := store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (g group, err error) {
		return g, rows.Scan(&g.pipeline, &g.status, &g.n, &g.first, &g.last)
	}, `SELECT pipeline, status, count(*), min(started_at), max(finished_at) FROM run GROUP BY pipeline, status`)
	if err != nil {
		return nil, err
	}
	for _, g := range runs {
		s, status := of(g.pipeline), Status(g.status)
		s.Runs[status], s.Since[status] = g.n, time.UnixMicro(g.first)
		if last := time.UnixMicro(g.last.Int64); (status == Succeeded || status == Partial) && last.After(s.Delivered) {
			s.Delivered = last
		}
	}
	parked, err := store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (g group, err error) {
		return g, rows.Scan(&g.pipeline, &g.status, &g.n, &g.first)
	}, `SELECT pipeline, status, count(*), min(first_seen) FROM parked_row WHERE status IN ('open', 'waiting') GROUP BY status, pipeline`)
	if err != nil {
		return nil, err
	}
	for _, g := range parked {
		s := of(g.pipeline)
		if RowStatus(g.status) == WaitingRow {
			s.Waiting = g.n
		} else {
			s.Open, s.Oldest = g.n, time.UnixMicro(g.first)
		}
	}
	return all, nil
}
