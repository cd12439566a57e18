// Package installation keeps the data of two installations apart. A database
// of PostgreSQL and the data folders that go with it carry the same id; where
// they do not, nothing is opened. Begin with [Enter].
//
//	data folder              database        what happens
//	new                      new             both get an id
//	new                      has an id       the folder joins: it gets the id
//	has the id               has the same    in
//	anything else                            refused, with what to do
//
// An installation that keeps its data in the folder alone has no id.
package installation

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"crossdock/internal/store"
)

//go:embed migrations
var migrations embed.FS

// Schema is where the database keeps whose data it holds.
const Schema = "crossdock"

// An Entry is a process at work on a data folder.
type Entry struct{ lock *os.File }

// Enter lets a process work on the data of a place. It fails where folder and
// database do not belong together, and while the data is being moved.
func Enter(ctx context.Context, place store.Place) (_ *Entry, err error) {
	e, err := enter(place.Dir, syscall.LOCK_SH)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Leave())
		}
	}()
	mark, err := readMark(place.Dir)
	if err != nil {
		return nil, err
	}
	if place.URL == "" {
		if mark.id == "" || mark.moving { // its data is still here
			return e, nil
		}
		return nil, fmt.Errorf("data folder %s belongs to an installation whose data is in %s: set CROSSDOCK_DATABASE_URL to it, or name another folder by --data",
			place.Dir, mark.address)
	}
	if mark.id != "" && !mark.moving && known(ctx, place, mark.id) {
		return e, nil
	}
	if err := open(ctx, place, func(db *store.DB) error { return join(ctx, db, place, mark) }); err != nil {
		return nil, err
	}
	return e, nil
}

// known reports at the cost of one connection what is nearly always so: that
// the database is that of the installation. Why it is not is found out apart.
func known(ctx context.Context, place store.Place, id string) bool {
	db, err := place.Attach(Schema)
	if err != nil {
		return false
	}
	held, err := readClaim(ctx, db.Read())
	return errors.Join(err, db.Close()) == nil && held == claim{id, "ready"}
}

// enter takes the lock of the folder, which the system lets go of with the
// process.
func enter(dir string, how int) (*Entry, error) {
	if err := store.Writable(dir); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "installation.lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("data folder %s cannot be written: %w", dir, err)
	}
	if err := syscall.Flock(int(lock.Fd()), how|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock of data folder %s: %w", dir, err)
		}
		if how == syscall.LOCK_EX {
			return nil, fmt.Errorf("data folder %s is in use by another process: stop serve, and wait for runs to end", dir)
		}
		return nil, fmt.Errorf("data folder %s is being moved to PostgreSQL by another process: wait for that to end", dir)
	}
	return &Entry{lock}, nil
}

// Leave ends the work.
func (e *Entry) Leave() error { return e.lock.Close() } // which unlocks it

// open runs fn on the schema that tells whose the database is.
func open(ctx context.Context, place store.Place, fn func(*store.DB) error) error {
	db, err := place.Open(ctx, Schema, migrations)
	if err != nil {
		return err
	}
	return errors.Join(fn(db), db.Close())
}

// claim is what the database says of itself; the zero one is that of a new database.
type claim struct{ id, state string }

func readClaim(ctx context.Context, q store.Querier) (claim, error) {
	c, _, err := store.First(ctx, q, func(rows *sql.Rows) (c claim, err error) { return c, rows.Scan(&c.id, &c.state) },
		`SELECT id, state FROM installation`)
	return c, err
}

// join brings folder and database together, or says why they are not to be.
func join(ctx context.Context, db *store.DB, place store.Place, own mark) error {
	address, err := store.Address(place.URL)
	if err != nil {
		return err
	}
	var held claim
	err = db.Tx(ctx, func(tx *sql.Tx) error {
		if held, err = readClaim(ctx, tx); err != nil {
			return err
		}
		if err := refusal(place.Dir, address, own, held); err != nil || held.id != "" {
			return err
		}
		held = claim{newID(), "ready"}
		return writeClaim(ctx, tx, held)
	})
	if err != nil || own.id != "" {
		return err
	}
	return writeMark(place.Dir, mark{id: held.id, address: address})
}

func newID() string { return strings.ToLower(rand.Text()[:16]) }

func writeClaim(ctx context.Context, tx *sql.Tx, c claim) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO installation (place, id, state) VALUES (1, ?, ?)
		ON CONFLICT (place) DO UPDATE SET id = excluded.id, state = excluded.state`, c.id, c.state)
	return err
}

// refusal says why a folder and a database do not go together, and what to do.
func refusal(dir, address string, mark mark, held claim) error {
	if held.state == "moving" {
		return fmt.Errorf("%s holds a part of the data of installation %s, whose move there was interrupted: run crossdock move --to it again, over the data folder of that installation",
			address, held.id)
	}
	if mark.id != "" && !mark.moving {
		switch held.id {
		case mark.id:
			return nil
		case "":
			return fmt.Errorf("data folder %s belongs to installation %s, whose data is in %s, and %s is empty: set CROSSDOCK_DATABASE_URL to the former; to begin anew, name a new folder by --data",
				dir, mark.id, mark.address, address)
		}
		return fmt.Errorf("data folder %s belongs to installation %s, and %s holds the data of installation %s: set CROSSDOCK_DATABASE_URL to %s, or name by --data the folder that goes with the database, or a new one, which joins it",
			dir, mark.id, address, held.id, mark.address)
	}
	own, err := ownData(dir)
	if err != nil || own == "" {
		return err
	}
	if held.id == "" {
		return fmt.Errorf("data folder %s holds data of its own, such as %s, and %s is empty: take it over with crossdock move --to it, or begin anew with a new folder, named by --data",
			dir, own, address)
	}
	return fmt.Errorf("data folder %s holds data of its own, such as %s, and %s that of installation %s: name by --data the folder that goes with the database, or a new one, which joins it; or unset CROSSDOCK_DATABASE_URL",
		dir, own, address, held.id)
}

// ownData returns the name of a database file in the folder, "" where there is none.
func ownData(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil || len(files) == 0 {
		return "", err
	}
	return filepath.Base(files[0]), nil
}

// mark is what a folder says of the installation that it belongs to.
type mark struct {
	id      string
	address string // of the database, without its password
	moving  bool   // the data is on the way there, and still here
}

const markFile = "installation"

func readMark(dir string) (m mark, err error) {
	text, err := os.ReadFile(filepath.Join(dir, markFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(string(text)) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name {
		case "id":
			m.id = value
		case "database":
			m.address = value
		case "moving":
			m.moving = true
		}
	}
	if m.id == "" {
		return m, fmt.Errorf("%s has no line with the id of the installation: restore it, or name another folder by --data", filepath.Join(dir, markFile))
	}
	return m, nil
}

// writeMark makes the folder one of the installation. It is there whole or not
// at all, whatever is killed.
func writeMark(dir string, m mark) (err error) {
	file, err := os.CreateTemp(dir, ".installation-*")
	if err != nil {
		return fmt.Errorf("data folder %s cannot be written: %w", dir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	text := "# The data of this folder's installation is in PostgreSQL. Databases that lie\n# beside this file are those of before.\n"
	if m.moving {
		text = "# The data of this folder is being moved to PostgreSQL.\nmoving\n"
	}
	if err := file.Chmod(0o640); err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%sid %s\ndatabase %s\n", text, m.id, m.address)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(dir, markFile))
}
