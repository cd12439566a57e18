package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
)

var errNoFTS5 = errors.New("built without FTS5: build with -tags sqlite_fts5")

// migrate brings the schema to the newest of the versions known.
func (db *DB) migrate(ctx context.Context, dialect goose.Dialect, migrations fs.FS, name string) error {
	folder, err := fs.Sub(migrations, name)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(dialect, db.writer, folder,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	// Two processes may start at once on a fresh folder; the one that comes
	// second fails on what the first has made, and then finds nothing to do.
	for attempt := 0; ; attempt++ {
		version, err := provider.GetDBVersion(ctx)
		if err != nil {
			return err
		}
		switch {
		case version > newest:
			return fmt.Errorf("its schema has version %d, and this program knows versions up to %d: use a newer program", version, newest)
		case version == newest:
			return nil
		}
		if _, err := provider.Up(ctx); err != nil {
			if now, again := provider.GetDBVersion(ctx); again == nil && now > version && attempt < len(sources) {
				continue
			}
			return plain(err)
		}
	}
}

// plain says what to do about an error that the database words obscurely.
func plain(err error) error {
	if strings.Contains(err.Error(), "no such module: fts5") {
		return errNoFTS5
	}
	return err
}
