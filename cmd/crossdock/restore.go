package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

const restoreHelp = `Makes a data folder of a backup. The folder at --data must not be there, or be empty.
Every file is held against the checksums of the backup, every database is examined, and
all of them are opened once, before the folder gets its name.

Runs that were under way when the backup was made begin anew as soon as it is served,
under their numbers, and double nothing.`

func (a *app) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restore PATH", Short: "Make a data folder of a backup", Long: restoreHelp,
		Args: arguments(cobra.ExactArgs(1), "the backup: a folder or a .tar.zst file"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.restore(cmd.Context(), args[0]) },
	}
}

func (a *app) restore(ctx context.Context, from string) (err error) {
	if a.settings.Database != "" {
		return errors.New("CROSSDOCK_DATABASE_URL is set, and a backup holds the files of SQLite: unset it, or restore PostgreSQL with pg_restore, as docs/operations.md says")
	}
	data := a.settings.Data
	entries, err := os.ReadDir(data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--data: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("data folder %s is not empty: name a new one by --data, and nothing is lost", data)
	}
	staging := data + unfinished
	if err := os.MkdirAll(filepath.Dir(data), 0o750); err != nil {
		return err
	}
	if err := os.Mkdir(staging, 0o750); err != nil {
		return fmt.Errorf("data folder cannot be made: %w (what an earlier restore has left of itself may be removed)", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staging)) }()
	m, err := fetch(ctx, from, staging)
	if err != nil {
		return err
	}
	if err := a.openOnce(ctx, staging); err != nil {
		return fmt.Errorf("%s cannot be opened by this program (%s): %w", from, version(), err)
	}
	if err := syncTree(staging); err != nil {
		return err
	}
	if err := os.Remove(data); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(staging, data); err != nil {
		return err
	}
	databases, files, size := m.totals()
	if a.json {
		a.printJSON(map[string]any{"data": data, "at": m.At, "databases": databases, "files": files, "bytes": size})
	} else {
		fmt.Fprintf(a.stdout, "%s and %s of %s, made by crossdock %s, are in %s\n",
			plural(databases, "database"), plural(files, "file"), m.At.Format(time.RFC3339), m.Crossdock, data)
	}
	return syncPath(filepath.Dir(data))
}

// fetch copies a backup into the folder and holds it against its manifest.
func fetch(ctx context.Context, from, dir string) (*manifest, error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if err := unpack(ctx, from, dir); err != nil {
			return nil, err
		}
	}
	place := dir
	if info.IsDir() {
		place = from
	}
	m, err := readManifest(place)
	if err != nil {
		return nil, fmt.Errorf("%s is no backup: %w", from, err)
	}
	for _, f := range m.Files {
		name := filepath.FromSlash(f.Path)
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("%s: %s: %s is no name of a file in it", from, manifestName, quote(f.Path))
		}
		if info.IsDir() {
			if err := copyFile(ctx, filepath.Join(from, name), filepath.Join(dir, name)); err != nil {
				return nil, fmt.Errorf("%s: %w", from, err)
			}
		}
		is, err := describe(ctx, dir, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", from, f.Path, err)
		}
		if is != f {
			return nil, fmt.Errorf("%s: %s is not what was saved: it has %d bytes with SHA-256 %s, and had %d with %s",
				from, f.Path, is.Bytes, is.SHA256, f.Bytes, f.SHA256)
		}
	}
	if info.IsDir() {
		return m, nil
	}
	return m, os.Remove(filepath.Join(dir, manifestName)) // it is no part of a data folder
}

// readManifest reads the manifest of a backup that lies in a folder.
func readManifest(dir string) (*manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return nil, err
	}
	m := &manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%s: %w", manifestName, err)
	}
	if m.Format > manifestForm {
		return nil, fmt.Errorf("%s has format %d, which crossdock %s has made, and this program knows formats up to %d: use a newer program", manifestName, m.Format, m.Crossdock, manifestForm)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&manifest{}); err != nil || m.Format != manifestForm || len(m.Files) == 0 {
		return nil, fmt.Errorf("%s is none of ours", manifestName)
	}
	return m, nil
}

// openOnce opens what was restored, which brings it to the schema of this
// program and refuses what is newer.
func (a *app) openOnce(ctx context.Context, data string) error {
	restored := *a
	restored.settings.Data, restored.settings.Split = data, split{} // all parts, wherever they run
	s, err := restored.open(ctx)
	if err != nil {
		return err
	}
	return s.close()
}
