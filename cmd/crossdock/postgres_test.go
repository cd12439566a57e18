package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"crossdock/internal/store/storetest"
)

// command runs one command line and returns its exit code and what it printed,
// without what differs from run to run.
func command(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, &stdout, &stderr)
	text := regexp.MustCompile(`\([0-9.]+m?s, [0-9,]+ rows/s\)|run [a-z0-9-]+|--run \S+| on \d{4}-\d\d-\d\d \d\d:\d\dZ`).ReplaceAllString(stdout.String()+stderr.String(), "...")
	return code, text
}

// The supplier's files become the same in PostgreSQL as in SQLite, to the
// letter of what is printed; what they are served as, the services' tests compare.
func TestPostgresTakesWhatSQLiteTakes(t *testing.T) {
	address := storetest.Database(t)
	folder := t.TempDir()
	for _, args := range [][]string{
		{"run", "../../examples/first-light"},
		{"run", "../../examples/first-light"}, // nothing has changed
		{"run", "../../examples/first-light/catalog.yaml", "--dry-run"},
		{"errors", "replay", "--pipeline", "first-light-catalog"},
	} {
		t.Setenv("CROSSDOCK_DATABASE_URL", "")
		wantCode, want := command(t, append([]string{"--data", filepath.Join(folder, "sqlite")}, args...)...)
		t.Setenv("CROSSDOCK_DATABASE_URL", address)
		code, got := command(t, append([]string{"--data", filepath.Join(folder, "postgres")}, args...)...)
		if diff := cmp.Diff(want, got); diff != "" || code != wantCode {
			t.Errorf("%v: exit code %d, want %d: %s", args, code, wantCode, diff)
		}
	}
}

// TestScriptsOnPostgres runs the transcripts that have most to do with what is
// kept once more, each over a database of its own.
func TestScriptsOnPostgres(t *testing.T) {
	params := scriptParams()
	for _, name := range []string{
		"errors", "waiting",
	} {
		params.Files = append(params.Files, filepath.Join("testdata", "script", name+".txt"))
	}
	setup := params.Setup
	params.Setup = func(env *testscript.Env) error {
		env.Setenv("CROSSDOCK_DATABASE_URL", storetest.Database(env.T().(testing.TB)))
		return setup(env)
	}
	testscript.Run(t, params)
}
