package main

import (
	"os"
	"path/filepath"
	"testing"

	"crossdock/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.With(m).Run()) }

func TestTheFloorsOfPostgresCountEveryRow(t *testing.T) {
	t.Setenv(benchURL, storetest.Database(t))
	files, err := generate(filepath.Join(t.TempDir(), "new"), 2000, 10)
	if err != nil {
		t.Fatal(err)
	}
	for kind, file := range map[string]string{"postgres-copy": files.csv, "postgres-merge": files.csvAllChanged} {
		// Of 20 rows with a fault, 2 have the key of the first.
		if rows, took, err := floorPostgres(t.Context(), kind, file); err != nil || rows != 1998 || took <= 0 {
			t.Errorf("%s: %d rows in %v, %v; want 1998", kind, rows, took, err)
		}
	}
}
