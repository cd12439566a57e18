package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"crossdock/internal/store/pgserver"
)

// build makes the program to be tortured.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "crossdock")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "sqlite_fts5", "-o", binary, "../crossdock").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// TestLittleTorture runs every scenario a few times; `make torture` does so
// for as long as it takes to be believed.
func TestLittleTorture(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	binary := build(t)
	var report strings.Builder
	torture := &torture{binary: binary, kills: 4, disks: 1, products: 25_000, out: &report}
	if err := torture.all(t.Context(), 1, "", ""); err != nil {
		t.Fatalf("%v\n%s", err, report.String())
	}
	t.Log(report.String())
	if strings.Contains(report.String(), "skipped") && os.Getenv("CI") == "true" && os.Geteuid() == 0 {
		t.Errorf("scenarios were skipped:\n%s", report.String())
	}
}

// TestLittleTortureOnPostgres kills runs whose data lies in PostgreSQL.
func TestLittleTortureOnPostgres(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	runtime.LockOSThread() // the server ends with the thread that started it
	server, err := pgserver.Start(t.Context(), "fsync=off", "autovacuum=off")
	switch {
	case errors.Is(err, pgserver.ErrNone) && os.Getenv("CI") != "true":
		t.Skip("not tortured on PostgreSQL: " + err.Error())
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("CROSSDOCK_DATABASE_URL", "") // is set when there is a database, and put back
	var report strings.Builder
	torture := &torture{binary: build(t), server: server.URL, kills: 4, products: 20_000, out: &report}
	if err := torture.all(t.Context(), 1, "", ""); err != nil {
		t.Fatalf("%v\n%s", err, report.String())
	}
	t.Log(report.String())
}

// TestMutantsFollowTheCode holds the mistakes to be made to the code as it is;
// that each is found is what `make mutants` shows.
func TestMutantsFollowTheCode(t *testing.T) {
	for _, m := range mutants() {
		if _, err := m.mutated("../.."); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}

// TestAStateThatDiffersIsSeen holds the comparison to seeing what it is for:
// a row lost, one doubled, one changed, an error lost, an event doubled.
func TestAStateThatDiffersIsSeen(t *testing.T) {
	whole := func() state {
		return state{
			Rows:   map[string][]string{"product": {"sku=A ", "sku=B ", "sku=C "}},
			Errors: []string{"products row=3 "},
			Events: map[string]int{`catalog.product.changed.v1 "A"`: 1},
		}
	}
	if err := whole().compare(whole()); err != nil {
		t.Fatalf("equal states differ: %v", err)
	}
	for _, tt := range []struct {
		name  string
		spoil func(*state)
	}{
		{"a row lost", func(s *state) { s.Rows["product"] = s.Rows["product"][:2] }},
		{"a row lost in the middle", func(s *state) { s.Rows["product"] = []string{"sku=A ", "sku=C "} }},
		{"a row doubled", func(s *state) { s.Rows["product"] = append(s.Rows["product"], "sku=C ") }},
		{"a row changed", func(s *state) { s.Rows["product"] = []string{"sku=A ", "sku=B2 ", "sku=C "} }},
		{"a table lost", func(s *state) { s.Rows = nil }},
		{"an error lost", func(s *state) { s.Errors = nil }},
		{"an error doubled", func(s *state) { s.Errors = append(s.Errors, s.Errors[0]) }},
		{"an event doubled", func(s *state) { s.Events[`catalog.product.changed.v1 "A"`]++ }},
		{"an event lost", func(s *state) { s.Events = nil }},
		{"an event too many", func(s *state) { s.Events[`catalog.product.changed.v1 "Z"`] = 1 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := whole()
			tt.spoil(&got)
			if err := got.compare(whole()); err == nil {
				t.Error("the difference was not seen")
			}
		})
	}
}
