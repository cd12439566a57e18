package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"crossdock/hub/journal"
	"crossdock/internal/store"
	"crossdock/internal/store/installation"
	"crossdock/internal/store/transfer"
)

func (a *app) moveCommand() *cobra.Command {
	var to string
	var dry bool
	cmd := &cobra.Command{
		Use: "move", Short: "Take the data over from the data folder into PostgreSQL",
		Long: `Move copies all that the data folder holds in SQLite, services and journal,
into an empty PostgreSQL database: table by table, a schema in one transaction,
and compares counts and hashes of both sides before it is committed. The files
stay as they are. From then on the folder goes with the database alone: set
CROSSDOCK_DATABASE_URL to it. What breaks off can be begun again.

Everyone on a machine sees the flags of its processes: give a password by
CROSSDOCK_DATABASE_URL in place of --to, by PGPASSWORD, or by ~/.pgpass.`,
		Example: "  crossdock move --to postgres://crossdock@db.example.com/crossdock --dry-run",
		Args:    arguments(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			address := cmp.Or(to, a.settings.Database)
			if address == "" {
				return usagef("move where? Name the database by --to or CROSSDOCK_DATABASE_URL, in the form postgres://user@host:5432/database")
			}
			return a.move(cmd.Context(), store.Place{Dir: a.settings.Data, URL: address}, dry)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "URL of the PostgreSQL database (default CROSSDOCK_DATABASE_URL)")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "look whether the database can be moved to and how much there is, and write nothing")
	return cmd
}

// A store that is moved: a file, and the schema that takes its place.
type movable struct {
	file, schema string
	// open brings it to the newest schema, in either place.
	open func(ctx context.Context, place store.Place) (io.Closer, error)
}

// movables lists the stores of the services, and the journal.
func (a *app) movables() []movable {
	var list []movable
	for _, p := range parts() {
		list = append(list, movable{p.name, p.name, func(ctx context.Context, place store.Place) (io.Closer, error) {
			return p.open(ctx, common{place: place, clock: a.clock, log: a.log})
		}})
	}
	return append(list, movable{"journal", "hub", func(ctx context.Context, place store.Place) (io.Closer, error) {
		return journal.Open(ctx, place, a.clock)
	}})
}

// indexed is a service with an index that each engine has in its own form: serve
// builds it anew, beside all else.
type indexed interface {
	Reindex(ctx context.Context) error
}

// moved is what is printed of a move.
type moved struct {
	Database string        `json:"database"`
	DryRun   bool          `json:"dry_run"`
	Tables   []movedTable  `json:"tables"`
	Rows     int64         `json:"rows"`
	Took     time.Duration `json:"-"`
	Seconds  float64       `json:"seconds"`
}

type movedTable struct {
	Schema string `json:"schema"`
	transfer.Table
}

func (a *app) move(ctx context.Context, place store.Place, dry bool) (err error) {
	address, err := store.Address(place.URL)
	if err != nil {
		return err
	}
	var there []movable
	var schemas []string
	for _, m := range a.movables() {
		schemas = append(schemas, m.schema)
		if _, err := os.Stat(filepath.Join(place.Dir, m.file+".db")); err == nil {
			there = append(there, m)
		}
	}
	began := a.clock()
	way, err := installation.BeginMove(ctx, place, schemas, dry)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.Leave()) }()
	report := moved{Database: address, DryRun: dry}
	if dry {
		err = a.countTables(ctx, place, there, &report)
	} else {
		err = a.moveTables(ctx, place, there, &report, way)
	}
	if err != nil {
		return err
	}
	report.Took = a.clock().Sub(began)
	report.Seconds = report.Took.Seconds()
	a.printMoved(report, place.Dir)
	return nil
}

func (r *moved) add(schema string, tables []transfer.Table) {
	for _, t := range tables {
		r.Tables = append(r.Tables, movedTable{schema, t})
		r.Rows += t.Rows
	}
}

// countTables counts what would be moved.
func (a *app) countTables(ctx context.Context, place store.Place, list []movable, report *moved) error {
	for _, m := range list {
		from, err := store.Place{Dir: place.Dir}.Attach(m.file)
		if err != nil {
			return err
		}
		tables, err := transfer.Count(ctx, from)
		if err := errors.Join(err, from.Close()); err != nil {
			return fmt.Errorf("%s.db: %w", m.file, err)
		}
		report.add(m.schema, tables)
	}
	return nil
}

// moveTables moves one store after another, and then the installation.
func (a *app) moveTables(ctx context.Context, place store.Place, list []movable, report *moved, way *installation.Move) (err error) {
	var targets []io.Closer
	defer func() {
		for _, one := range targets {
			err = errors.Join(err, one.Close())
		}
	}()
	for _, m := range list {
		source, err := m.open(ctx, store.Place{Dir: place.Dir})
		if err != nil {
			return err
		}
		if err := source.Close(); err != nil {
			return err
		}
		target, err := m.open(ctx, place)
		if err != nil {
			return err
		}
		targets = append(targets, target)
		tables, err := a.moveOne(ctx, place, m)
		if err != nil {
			return fmt.Errorf("%s.db: %w", m.file, err)
		}
		report.add(m.schema, tables)
		if one, ok := target.(indexed); ok {
			if err := one.Reindex(ctx); err != nil {
				return err
			}
		}
	}
	return way.End(ctx)
}

func (a *app) moveOne(ctx context.Context, place store.Place, m movable) (tables []transfer.Table, err error) {
	from, err := store.Place{Dir: place.Dir}.Attach(m.file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := place.Attach(m.schema)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	printed := a.clock()
	return transfer.Run(ctx, from, to, func(table string, rows, of int64) {
		if now := a.clock(); !a.json && now.Sub(printed) >= moveInterval {
			printed = now
			fmt.Fprintf(a.stderr, "%s.%s: %s of %s rows\n", m.schema, table, thousands(rows), thousands(of))
		}
	})
}

// moveInterval is how often a line says how far a long table has come.
const moveInterval = 2 * time.Second

func (a *app) printMoved(r moved, dir string) {
	if a.json {
		a.printJSON(r)
		return
	}
	var mended int64
	a.printTable(func(w io.Writer) {
		for _, t := range r.Tables {
			fmt.Fprintf(w, "%s.%s\t%s\t%.16s\n", t.Schema, t.Name, plural(t.Rows, "row"), t.SHA256)
			mended += t.Mended
		}
	})
	if r.DryRun {
		fmt.Fprintf(a.stdout, "%s of %s would be moved to %s; nothing was written\n", plural(r.Rows, "row"), plural(int64(len(r.Tables)), "table"), r.Database)
		return
	}
	if mended > 0 {
		fmt.Fprintf(a.stdout, "in %s characters that PostgreSQL cannot hold were replaced by U+FFFD\n", plural(mended, "text"))
	}
	fmt.Fprintf(a.stdout, "%s of %s moved to %s, their counts and hashes the same on both sides  (%s)\n",
		plural(r.Rows, "row"), plural(int64(len(r.Tables)), "table"), r.Database, seconds(r.Took.Seconds()))
	fmt.Fprintf(a.stdout, "set CROSSDOCK_DATABASE_URL to that from now on: %s goes with it alone; its *.db files are as they were, and can go once you trust the move\n", dir)
	fmt.Fprintln(a.stdout, "serve builds the index of words that products are searched by; until it has, searches find fewer")
}
