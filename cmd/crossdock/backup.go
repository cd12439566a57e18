package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"crossdock/internal/store"
)

const backupHelp = `Copies the data folder while a server works on it: all databases as they are at one
moment, and the uploads that wait in them. PATH is a new folder, or a new file whose
name ends in .tar.zst.

  crossdock backup /backups/crossdock-$(date +%F).tar.zst
  crossdock restore /backups/crossdock-2026-11-30.tar.zst --data /var/lib/crossdock`

const (
	manifestName  = "manifest.json"
	manifestForm  = 1
	archiveSuffix = ".tar.zst"
	unfinished    = ".partial"    // behind the name of what is not whole yet
	backupNote    = "backup.json" // in the data folder: tells of the last backup
)

// A manifest says what a backup holds.
type manifest struct {
	Format    int         `json:"format"`
	Crossdock string      `json:"crossdock"` // the version that has made it
	At        time.Time   `json:"at"`
	Files     []savedFile `json:"files"`
}

// A savedFile is one file of a backup.
type savedFile struct {
	Path   string `json:"path"` // with slashes, in the data folder
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	Schema int64  `json:"schema,omitempty"` // version of a database
}

func (m *manifest) totals() (databases, files, bytes int64) {
	for _, f := range m.Files {
		bytes += f.Bytes
		if isDatabase(f.Path) {
			databases++
		} else {
			files++
		}
	}
	return databases, files, bytes
}

func isDatabase(path string) bool { return strings.HasSuffix(path, ".db") }

func (a *app) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use: "backup PATH", Short: "Copy the data folder, also while it is served", Long: backupHelp,
		Args: arguments(cobra.ExactArgs(1), "the folder or the .tar.zst file to make"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.backup(cmd.Context(), args[0]) },
	}
}

func (a *app) backup(ctx context.Context, target string) (err error) {
	if a.settings.Database != "" {
		return errors.New("the data lies in PostgreSQL (CROSSDOCK_DATABASE_URL): back it up with pg_dump, as docs/operations.md says")
	}
	data := a.settings.Data
	databases, err := filepath.Glob(filepath.Join(data, "*.db"))
	if err != nil || len(databases) == 0 {
		return fmt.Errorf("data folder %s holds no databases: there is nothing to back up (--data)", data)
	}
	if target, err = newPath(target, data); err != nil {
		return err
	}
	release, err := onlyBackup(data)
	if err != nil {
		return err
	}
	defer release()
	staging := target + unfinished
	if err := os.Mkdir(staging, 0o750); err != nil {
		return fmt.Errorf("backup cannot be written: %w (what an earlier one has left of itself may be removed)", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staging)) }()
	m, err := a.save(ctx, data, databases, staging)
	if err != nil {
		return err
	}
	if err := publish(ctx, staging, target, m); err != nil {
		return err
	}
	return a.noteBackup(target, m)
}

// newPath returns the absolute path of what is to be made, which must neither
// be there nor lie in the folder that it is a copy of.
func newPath(target, data string) (string, error) {
	full, err := filepath.Abs(target)
	if err != nil {
		return "", err
	}
	if inside, err := filepath.Rel(data, full); err == nil && filepath.IsLocal(inside) {
		return "", usagef("%s lies in the data folder, which it is to be a copy of: choose another place, best on another disk", target)
	}
	if _, err := os.Lstat(full); !errors.Is(err, fs.ErrNotExist) {
		return "", usagef("%s is there already: name a new file or folder", target)
	}
	return full, nil
}

// linked begins the names of folders in which files are kept, by another name,
// while they are copied.
const linked = ".backup-"

// onlyBackup sees to it that there is one backup at a time, and removes what
// those have left that were killed.
func onlyBackup(data string) (release func(), err error) {
	dir := filepath.Join(data, "locks")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("data folder %s cannot be written: %w", data, err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "backup.lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("data folder %s cannot be written: %w", data, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another backup of %s is under way: wait for it to finish", data), file.Close())
	}
	left, err := filepath.Glob(filepath.Join(data, linked+"*"))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() { _ = file.Close() }, nil // which unlocks it
}

// save copies everything into the staging folder and says what it is.
//
// All databases are copied as of one moment, at which nobody writes to any of
// them. So the journal has no batch as applied that a service lacks, whichever
// of them is copied first, no event is published that the broker lacks, and
// none is consumed whose effect a service lacks. An upload is removed only once
// the journal has its run as ended: the files that are there at that moment are
// those that the journal's copy needs.
func (a *app) save(ctx context.Context, data string, databases []string, staging string) (m *manifest, err error) {
	keep, err := os.MkdirTemp(data, linked)
	if err != nil {
		return nil, fmt.Errorf("data folder %s cannot be written: %w", data, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(keep)) }()
	m = &manifest{Format: manifestForm, Crossdock: version()}
	var copies []store.Copy
	for _, path := range databases {
		copies = append(copies, store.Copy{From: path, To: filepath.Join(staging, filepath.Base(path))})
	}
	var kept []string
	err = store.CopyAt(ctx, copies, func() (err error) {
		m.At = a.clock().UTC()
		kept, err = keepFiles(data, keep)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, name := range kept {
		if err := copyFile(ctx, filepath.Join(keep, name), filepath.Join(staging, name)); err != nil {
			return nil, err
		}
	}
	for _, c := range copies {
		kept = append(kept, filepath.Base(c.To))
	}
	for _, name := range kept {
		f, err := describe(ctx, staging, name)
		if err != nil {
			return nil, fmt.Errorf("backup of %s: %w", name, err)
		}
		m.Files = append(m.Files, f)
	}
	return m, nil
}

// keepFiles gives the files of the data folder that are no databases a second
// name in another folder, under which they stay as they are when others remove
// them, and returns their names.
func keepFiles(data, keep string) (names []string, err error) {
	err = filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed since it was listed
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(data, path)
		if err != nil || name == "." {
			return err
		}
		if entry.IsDir() && (name == "locks" || strings.HasPrefix(entry.Name(), ".")) {
			return fs.SkipDir
		}
		stem, _, _ := strings.Cut(name, ".db-") // of a database's log, and of the index to that
		if !entry.Type().IsRegular() || isDatabase(name) || stem != name || strings.HasPrefix(entry.Name(), ".") || name == backupNote {
			return nil
		}
		to := filepath.Join(keep, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
			return err
		}
		if err := os.Link(path, to); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		names = append(names, name)
		return nil
	})
	return names, err
}

// publish gives the backup its name once all of it is on disk.
func publish(ctx context.Context, staging, target string, m *manifest) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(staging, manifestName), append(text, '\n'), 0o640); err != nil {
		return err
	}
	if strings.HasSuffix(target, archiveSuffix) {
		return pack(ctx, staging, target, m)
	}
	if err := syncTree(staging); err != nil {
		return err
	}
	if err := os.Rename(staging, target); err != nil {
		return err
	}
	return syncPath(filepath.Dir(target))
}

// noteBackup leaves word in the data folder, for the metric that tells the age
// of the last backup, and tells the user.
func (a *app) noteBackup(target string, m *manifest) error {
	databases, files, bytes := m.totals()
	note := map[string]any{"at": m.At, "path": target, "databases": databases, "files": files, "bytes": bytes}
	text, err := json.Marshal(note)
	if err != nil {
		return err
	}
	path := filepath.Join(a.settings.Data, backupNote)
	if err := os.WriteFile(path+unfinished, text, 0o640); err != nil {
		return err
	}
	if err := os.Rename(path+unfinished, path); err != nil {
		return err
	}
	if a.json {
		a.printJSON(note)
		return nil
	}
	fmt.Fprintf(a.stdout, "%s and %s, %.1f MB, as of %s, are in %s\n",
		plural(databases, "database"), plural(files, "file"), float64(bytes)/1e6, m.At.Format(time.RFC3339), target)
	return nil
}

// lastBackup returns when the data folder was last backed up, or the zero time.
func lastBackup(data string) time.Time {
	var note struct{ At time.Time }
	file, err := os.Open(filepath.Join(data, backupNote))
	if err != nil {
		return note.At
	}
	defer file.Close()
	if err := json.NewDecoder(io.LimitReader(file, 64<<10)).Decode(&note); err != nil {
		return time.Time{}
	}
	return note.At
}
