package eventlog

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"crossdock/internal/store"
)

// A Projection makes a read model of the log's entries.
type Projection struct {
	// Name tells it from others. Another name makes it begin anew, beside the
	// old one: so a changed model is built while the old one still answers.
	Name string

	// Apply takes one entry into the model, in the transaction that notes how
	// far the projection has come: each is applied exactly once.
	Apply func(ctx context.Context, tx *sql.Tx, e Entry) error

	// Reset empties the model.
	Reset func(ctx context.Context, tx *sql.Tx) error
}

// projectRows bounds a transaction of Project.
const projectRows = 500

// Project applies the next entries to a projection, and reports whether there
// may be more. Several processes may do it: they take turns.
func (l Log) Project(ctx context.Context, p Projection) (more bool, err error) {
	err = l.DB.Tx(ctx, func(tx *sql.Tx) error {
		after, err := reached(ctx, tx, p.Name)
		if err != nil {
			return err
		}
		entries, err := l.All(ctx, tx, after, projectRows)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			if err := p.Apply(ctx, tx, e); err != nil {
				return fmt.Errorf("%s at version %d: %w", e.Stream, e.Version, err)
			}
			after = e.Position
		}
		more = len(entries) == projectRows
		return reach(ctx, tx, p.Name, after)
	})
	if err != nil {
		return false, fmt.Errorf("projection %s: %w", p.Name, err)
	}
	return more, nil
}

// Rebuild empties the model and makes it again from the whole log. Until it
// returns, readers see a model that is behind; entries that are appended
// meanwhile are in it too.
func (l Log) Rebuild(ctx context.Context, p Projection) error {
	err := l.DB.Tx(ctx, func(tx *sql.Tx) error {
		if err := p.Reset(ctx, tx); err != nil {
			return err
		}
		return reach(ctx, tx, p.Name, 0)
	})
	if err != nil {
		return fmt.Errorf("projection %s: %w", p.Name, err)
	}
	for more := true; more; {
		if more, err = l.Project(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// Lag returns how many entries a projection is behind, and how old the first of
// them is.
func (l Log) Lag(ctx context.Context, name string) (entries int64, age time.Duration, err error) {
	err = l.DB.Snapshot(ctx, func(q store.Querier) error {
		after, err := reached(ctx, q, name)
		if err != nil {
			return err
		}
		entries, _, err = store.First(ctx, q, number, `SELECT count(*) FROM event_log WHERE position > ?`, after)
		if err != nil || entries == 0 {
			return err
		}
		first, _, err := store.First(ctx, q, number, `SELECT recorded_at FROM event_log WHERE position > ? ORDER BY position LIMIT 1`, after)
		age = max(0, l.Clock().Sub(time.UnixMicro(first)))
		return err
	})
	return entries, age, err
}

// reached returns how far a projection has come, 0 for a new one.
func reached(ctx context.Context, q store.Querier, name string) (int64, error) {
	position, _, err := store.First(ctx, q, number, `SELECT position FROM projection WHERE name = ?`, name)
	return position, err
}

func reach(ctx context.Context, tx *sql.Tx, name string, position int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO projection (name, position) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET position = excluded.position`, name, position)
	return err
}
