package installation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"crossdock/internal/store"
)

// A Move is an installation on its way from its folder into a database. Until
// it has ended the folder may be used as before, and the database may not.
type Move struct {
	entry *Entry
	place store.Place
	mark  mark
}

// BeginMove takes the folder of a place for a move to its database, which must
// be empty in the schemas named. A move that broke off is begun anew. Nobody
// else uses the folder until [Move.Leave]. A dry one looks, and writes nothing
// into folder or database.
func BeginMove(ctx context.Context, place store.Place, schemas []string, dry bool) (_ *Move, err error) {
	address, err := store.Address(place.URL)
	if err != nil {
		return nil, err
	}
	own, err := ownData(place.Dir)
	if err != nil {
		return nil, err
	}
	if own == "" {
		return nil, fmt.Errorf("there is nothing to move: data folder %s has no databases", place.Dir)
	}
	m := &Move{place: place}
	if m.entry, err = enter(place.Dir, syscall.LOCK_EX); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Leave())
		}
	}()
	if m.mark, err = readMark(place.Dir); err != nil {
		return nil, err
	}
	if m.mark.id != "" && !m.mark.moving {
		return nil, fmt.Errorf("data folder %s belongs to an installation whose data is in %s already: set CROSSDOCK_DATABASE_URL to it", place.Dir, m.mark.address)
	}
	if dry {
		return m, m.look(ctx, address, schemas)
	}
	if m.mark.id == "" {
		m.mark.id = newID()
	}
	m.mark.address, m.mark.moving = address, true
	return m, m.claim(ctx, address, schemas)
}

// look says what claim would.
func (m *Move) look(ctx context.Context, address string, schemas []string) error {
	db, err := m.place.Attach(Schema)
	if err != nil {
		return err
	}
	err = func() error {
		if err := db.Reach(ctx); err != nil {
			return err
		}
		columns, err := db.Columns(ctx, "installation")
		if err != nil {
			return err
		}
		var held claim
		if len(columns) > 0 {
			if held, err = readClaim(ctx, db.Read()); err != nil {
				return err
			}
		}
		return m.acceptable(ctx, db.Read(), held, address, schemas)
	}()
	return errors.Join(err, db.Close())
}

// claim makes the database that of the installation. The folder says so first,
// so that whatever breaks off is known to be its own.
func (m *Move) claim(ctx context.Context, address string, schemas []string) error {
	return open(ctx, m.place, func(db *store.DB) error {
		return db.Tx(ctx, func(tx *sql.Tx) error {
			held, err := readClaim(ctx, tx)
			if err != nil {
				return err
			}
			if err := m.acceptable(ctx, tx, held, address, schemas); err != nil {
				return err
			}
			if err := writeMark(m.place.Dir, m.mark); err != nil {
				return err
			}
			return writeClaim(ctx, tx, claim{m.mark.id, "moving"})
		})
	})
}

// acceptable says why a database cannot be moved to.
func (m *Move) acceptable(ctx context.Context, q store.Querier, held claim, address string, schemas []string) error {
	const another = "name an empty one by --to"
	if held.id != "" {
		// Of our own move there is a part, or all but the last step.
		if held.id == m.mark.id {
			return nil
		}
		return fmt.Errorf("%s holds the data of installation %s: %s", address, held.id, another)
	}
	names := make([]string, len(schemas))
	for i, name := range schemas {
		names[i] = m.place.Prefix + name
	}
	list, err := store.Array(names)
	if err != nil {
		return err
	}
	found, there, err := store.First(ctx, q, func(rows *sql.Rows) (table string, err error) { return table, rows.Scan(&table) }, `
		SELECT nspname || '.' || relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'p', 'v', 'm') AND CAST(nspname AS text) IN (SELECT json_array_elements_text(CAST(? AS json))) ORDER BY 1 LIMIT 1`, list)
	if err != nil || !there {
		return err
	}
	return fmt.Errorf("%s is not empty: it has the table %s: %s", address, strings.TrimPrefix(found, m.place.Prefix), another)
}

// End hands the installation over to the database: from now on the folder may
// be used with that alone.
func (m *Move) End(ctx context.Context) error {
	err := open(ctx, m.place, func(db *store.DB) error {
		return db.Tx(ctx, func(tx *sql.Tx) error { return writeClaim(ctx, tx, claim{m.mark.id, "ready"}) })
	})
	if err != nil {
		return err
	}
	m.mark.moving = false
	return writeMark(m.place.Dir, m.mark)
}

// Leave lets others use the folder again.
func (m *Move) Leave() error { return m.entry.Leave() }
