package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"crossdock/commerce/internal/upsert"
	"crossdock/internal/store"
)

// A part is one of the indexes that are maintained apart from the products.
type part struct {
	name string // in table unindexed
	rows int64  // products a transaction, so that an import waits only briefly for its turn

	remove, add string // for the products of a range of ids

	// fill, where set, takes the place of add.
	fill func(ctx context.Context, tx *sql.Tx, first, last int64) error
}

func facets() part {
	return part{
		name: "facet", rows: 5000,
		remove: `DELETE FROM product_facet WHERE id BETWEEN ? AND ?`,
		add: `INSERT INTO product_facet (id, sku, status, category, brand, gtin)
			SELECT id, sku, status, category, brand, gtin FROM product WHERE id BETWEEN ? AND ?`,
	}
}

// searchIndex returns the index of words as the engine has it.
func (s *Service) searchIndex() part {
	if s.db.Postgres() {
		return part{name: "search", rows: 4000, remove: `DELETE FROM product_search WHERE id BETWEEN ? AND ?`, fill: addWords}
	}
	return part{
		name: "search", rows: 4000,
		remove: `DELETE FROM product_search WHERE rowid BETWEEN ? AND ?`,
		add: `INSERT INTO product_search (rowid, sku, gtin, mpn, name, description, brand)
			SELECT id, sku, gtin, mpn, (SELECT group_concat(value, ' ') FROM json_each(name)),
			       (SELECT group_concat(value, ' ') FROM json_each(description)), brand
			FROM product WHERE id BETWEEN ? AND ?`,
	}
}

// widen lets a run of ids begin where another does.
const widen = ` ON CONFLICT (part, first_id) DO UPDATE SET last_id = excluded.last_id WHERE unindexed.last_id < excluded.last_id`

// noteUnindexed records which products a batch has touched, in its transaction.
func noteUnindexed(c *store.Conn, ids []upsert.Range) error {
	s, err := c.Prepare(`INSERT INTO unindexed (part, first_id, last_id) VALUES ('facet', ?1, ?2), ('search', ?1, ?2)` + widen)
	if err != nil {
		return err
	}
	args := store.Args(2)
	for _, r := range ids {
		args[0].Value, args[1].Value = r.First, r.Last
		if _, _, err := s.Exec(args); err != nil {
			return err
		}
	}
	return nil
}

// pollEvery is how often Run looks for what another process has applied to the
// same file.
const pollEvery = 500 * time.Millisecond

// Run maintains the indexes, and relays events, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.index(ctx) })
	group.Go(func() error { return s.outbox.Run(ctx) })
	return group.Wait()
}

// index maintains the indexes until ctx ends.
func (s *Service) index(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		took, more, err := s.indexSome(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "index products", "error", err) // the next tick retries
		}
		pause := tick.C
		if more && err == nil {
			// An import that runs meanwhile gets the other half of the time.
			rest := time.NewTimer(took)
			select {
			case <-ctx.Done():
				rest.Stop()
				return nil
			case <-rest.C:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pause:
		case <-s.wake:
		}
	}
}

// indexSome takes one step with each index. It returns how long that took and
// whether more is to do.
func (s *Service) indexSome(ctx context.Context) (took time.Duration, more bool, err error) {
	start := time.Now() //nolint:forbidigo // paces the work; nothing is stored or decided by it
	for _, p := range []part{facets(), s.searchIndex()} {
		one, err := s.step(ctx, p)
		if err != nil {
			return 0, false, err
		}
		more = more || one
	}
	return time.Since(start), more, nil
}

// Reindex has all products taken into the indexes anew, as is due where they
// were written by other means than Apply.
func (s *Service) Reindex(ctx context.Context) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, p := range []part{facets(), s.searchIndex()} {
			if _, err := tx.ExecContext(ctx, `
				INSERT INTO unindexed (part, first_id, last_id)
				SELECT CAST(? AS TEXT), min(id), max(id) FROM product WHERE true HAVING count(*) > 0`+widen, p.name); err != nil {
				return err
			}
		}
		return nil
	})
}

// Settle indexes all that is pending now.
func (s *Service) Settle(ctx context.Context) error {
	return errors.Join(s.settle(ctx, facets()), s.settle(ctx, s.searchIndex()))
}

func (s *Service) settle(ctx context.Context, p part) error {
	for {
		more, err := s.step(ctx, p)
		if !more || err != nil {
			return err
		}
	}
}

// step brings some of the pending products into an index, in one transaction,
// and reports whether there may be more. It may be stopped at any point: what
// is pending is taken off in the same transaction.
func (s *Service) step(ctx context.Context, p part) (more bool, err error) {
	pending, _, err := store.First(ctx, s.db.Read(), scanInt, `SELECT count(*) FROM (SELECT 1 FROM unindexed WHERE part = ? LIMIT 1) u`, p.name)
	if pending == 0 || err != nil {
		return false, err // without the writer's lock, since this is asked all day
	}
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		if s.db.Postgres() {
			// Of pages without a summary every one would be read.
			if _, err := tx.ExecContext(ctx, `SELECT brin_summarize_new_values('product_by_id')`); err != nil {
				return err
			}
		}
		for left := p.rows; left > 0; {
			n, found, err := s.indexRange(ctx, tx, p, left)
			if more = found; err != nil || !found {
				return err
			}
			left -= max(n, 1)
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("index %s: %w", p.name, err)
	}
	return more, nil
}

// indexRange indexes up to limit products of the first pending range. It
// returns how many there were, and false where no range is pending.
func (s *Service) indexRange(ctx context.Context, tx *sql.Tx, p part, limit int64) (n int64, found bool, err error) {
	r, found, err := store.First(ctx, tx, func(rows *sql.Rows) (r upsert.Range, err error) {
		return r, rows.Scan(&r.First, &r.Last)
	}, `SELECT first_id, last_id FROM unindexed WHERE part = ? ORDER BY first_id LIMIT 1`, p.name)
	if err != nil || !found {
		return 0, false, err
	}
	end := r.Last
	var last sql.NullInt64
	if err := tx.QueryRowContext(ctx, `
		SELECT count(*), max(id) FROM (SELECT id FROM product WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?) p`,
		r.First, r.Last, limit).Scan(&n, &last); err != nil {
		return 0, false, err
	}
	if n == limit {
		end = last.Int64
	}
	if _, err := tx.ExecContext(ctx, p.remove, r.First, end); err != nil {
		return 0, false, err
	}
	if p.fill != nil {
		err = p.fill(ctx, tx, r.First, end)
	} else {
		_, err = tx.ExecContext(ctx, p.add, r.First, end)
	}
	if err != nil {
		return 0, false, err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM unindexed WHERE part = ? AND first_id = ?`, p.name, r.First); err != nil {
		return 0, false, err
	}
	if end < r.Last {
		_, err = tx.ExecContext(ctx, `INSERT INTO unindexed (part, first_id, last_id) VALUES (?, ?, ?)`+widen, p.name, end+1, r.Last)
	}
	return n, true, err
}

// holdersByFacet answers Holders from the index, which it first brings up to
// date, so that a row of the batch before is seen.
func (s *Service) holdersByFacet(ctx context.Context, field string, values []string) ([]string, error) {
	if err := s.settle(ctx, facets()); err != nil {
		return nil, err
	}
	wanted, err := store.Array(values)
	if err != nil {
		return nil, err
	}
	type holder struct {
		place int
		sku   string
	}
	found, err := store.Collect(ctx, s.db.Read(), func(rows *sql.Rows) (h holder, err error) {
		return h, rows.Scan(&h.place, &h.sku)
	}, `SELECT place, holder FROM (
		SELECT j.place, (SELECT min(sku) FROM product_facet WHERE `+field+` = j.value) AS holder FROM `+s.db.List("?")+` j) h
		WHERE holder IS NOT NULL`, wanted)
	if err != nil {
		return nil, fmt.Errorf("look up %s of products: %w", field, err)
	}
	holders := make([]string, len(values))
	for _, h := range found {
		holders[h.place] = h.sku
	}
	return holders, nil
}

func scanInt(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) }

func scanText(rows *sql.Rows) (s string, err error) { return s, rows.Scan(&s) }
