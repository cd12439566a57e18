package outbox

import (
	"context"
	"fmt"
	"strings"

	"crossdock/commerce"
	"crossdock/internal/store"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// Events returns events after a position, whether they are on the bus or not.
func (o *Outbox) Events(ctx context.Context, q commerce.EventQuery) (page commerce.EventPage, err error) {
	limit := defaultPage
	if q.Limit > 0 {
		limit = min(q.Limit, maxPage)
	}
	where, args, err := typesClause(q.Types)
	if err != nil {
		return commerce.EventPage{}, err
	}
	// One moment: what is forgotten between two statements would be skipped.
	err = o.DB.Snapshot(ctx, func(s store.Querier) error {
		after, newest, err := o.bounds(ctx, s, q.After)
		if err != nil {
			return err
		}
		args := append([]any{after}, append(args, limit+1)...)
		page.Events, err = store.Collect(ctx, s, o.event,
			`SELECT `+columns+` FROM outbox WHERE position > ?`+where+` ORDER BY position LIMIT ?`, args...)
		if err != nil {
			return fmt.Errorf("read the outbox of %s: %w", o.Service, err)
		}
		page.Last = newest
		if len(page.Events) > limit {
			page.Events, page.More = page.Events[:limit], true
			page.Last = page.Events[limit-1].Sequence
		}
		return nil
	})
	return page, err
}

// bounds returns the position to read after, and the last that there is.
func (o *Outbox) bounds(ctx context.Context, s store.Querier, asked int64) (after, newest int64, err error) {
	lost, err := position(ctx, s, forgotten)
	if err != nil {
		return 0, 0, err
	}
	newest, _, err = store.First(ctx, s, number, `SELECT coalesce(max(position), 0) FROM outbox`)
	if err != nil {
		return 0, 0, err
	}
	newest = max(newest, lost)
	switch {
	case asked == commerce.FromLatest:
		return newest, newest, nil
	case asked == commerce.FromOldest:
		return lost, newest, nil
	case asked < lost:
		return 0, 0, commerce.Errorf(commerce.Gone, "the events of %s that follow this cursor are no longer all kept: "+
			"read what you keep of %s anew, and begin without a cursor", o.Service, o.Service).At("query.after")
	case asked > newest:
		return 0, 0, commerce.Errorf(commerce.Invalid, "is ahead of the events of %s: it belongs to another installation, "+
			"or to this one before it was restored. Begin without a cursor", o.Service).At("query.after")
	}
	return asked, newest, nil
}

// typesClause returns the condition on types, and its arguments.
func typesClause(patterns []string) (where string, args []any, err error) {
	var either []string
	for _, p := range patterns {
		if err := commerce.CheckTypePattern(p); err != nil {
			return "", nil, err
		}
		prefix, wild := strings.CutSuffix(p, "*")
		if !wild {
			either, args = append(either, `type = ?`), append(args, p)
			continue
		}
		// LIKE would take the letter _ of a type for any.
		either, args = append(either, `substr(type, 1, ?) = ?`), append(args, len(prefix), prefix)
	}
	if len(either) == 0 {
		return "", nil, nil
	}
	return ` AND (` + strings.Join(either, ` OR `) + `)`, args, nil
}
