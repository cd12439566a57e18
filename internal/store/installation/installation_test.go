package installation_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossdock/internal/store"
	"crossdock/internal/store/installation"
	"crossdock/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.With(m).Run()) }

// enter enters and leaves, and returns the error of entering.
func enter(t *testing.T, place store.Place) error {
	t.Helper()
	e, err := installation.Enter(t.Context(), place)
	if err != nil {
		return err
	}
	if err := e.Leave(); err != nil {
		t.Error(err)
	}
	return nil
}

func want(t *testing.T, place store.Place, parts ...string) {
	t.Helper()
	err := enter(t, place)
	if len(parts) == 0 && err != nil {
		t.Errorf("error = %v, want none", err)
	}
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error = %v\nwant    %q in it", err, part)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFolderAndDatabaseBelongTogether(t *testing.T) {
	ours, theirs, empty := storetest.Postgres(t), storetest.Postgres(t), storetest.Postgres(t)
	want(t, ours)
	want(t, ours) // again
	want(t, theirs)

	other := ours
	other.Dir = theirs.Dir
	want(t, other, "data folder "+theirs.Dir+" belongs to installation ", "holds the data of installation ", "name by --data the folder that goes with the database, or a new one, which joins it")

	joins := ours
	joins.Dir = t.TempDir()
	want(t, joins)
	joined, err := os.ReadFile(filepath.Join(joins.Dir, "installation"))
	if err != nil {
		t.Fatal(err)
	}
	if first, err := os.ReadFile(filepath.Join(ours.Dir, "installation")); err != nil || string(first) != string(joined) {
		t.Errorf("joined as %s, want %s, %v", joined, first, err)
	}

	lost := empty
	lost.Dir = ours.Dir
	want(t, lost, "is empty: set CROSSDOCK_DATABASE_URL to the former; to begin anew, name a new folder by --data")

	want(t, store.Place{Dir: ours.Dir}, "belongs to an installation whose data is in postgres://", "set CROSSDOCK_DATABASE_URL to it, or name another folder by --data")

	damaged := ours
	damaged.Dir = t.TempDir()
	write(t, filepath.Join(damaged.Dir, "installation"), "database x\n")
	want(t, damaged, "has no line with the id of the installation: restore it")
}

func TestAFolderWithDataOfItsOwnJoinsNothing(t *testing.T) {
	ours, empty := storetest.Postgres(t), storetest.Postgres(t)
	want(t, ours)
	embedded := store.Place{Dir: t.TempDir()}
	want(t, embedded)
	write(t, filepath.Join(embedded.Dir, "journal.db"), "")
	want(t, embedded)

	ours.Dir, empty.Dir = embedded.Dir, embedded.Dir
	want(t, ours, "holds data of its own, such as journal.db, and postgres://", "that of installation ")
	want(t, empty, "is empty: take it over with crossdock move --to it, or begin anew with a new folder, named by --data")
}
