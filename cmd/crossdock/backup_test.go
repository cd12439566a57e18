package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"crossdock/hub/journal"
	"crossdock/internal/store/storetest"
)

// uploadRows is more than two batches.
const uploadRows = 12_000

func uploadKeys(number int) []string {
	keys := make([]string, uploadRows)
	for i := range keys {
		keys[i] = fmt.Sprintf("U%d-%05d", number, i)
	}
	return keys
}

// TestABackupUnderLoadIsWholeAndGoesOn makes backups while uploads are received
// and applied, restores each, and lets it finish what was under way.
func TestABackupUnderLoadIsWholeAndGoesOn(t *testing.T) {
	s := serveForTest(t)
	numbers := map[string]int{} // of the uploads, by run
	backups := make(chan string, 3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // ends with the last backup
		defer close(backups)
		for i := range cap(backups) {
			target := filepath.Join(t.TempDir(), "backup")
			if i%2 == 1 {
				target += archiveSuffix
			}
			if out, code := runCrossdock(ctx, "backup", target, "--data", s.app.settings.Data); code != exitDone {
				t.Errorf("backup = %d %s", code, out)
				return
			}
			backups <- target
		}
	}()
	made := []string{}
	for number, more := 0, true; more; number++ {
		contentType, body := form(t, [2]string{"pipeline", "served"},
			[2]string{"@file", "Nr;Name;EAN\n" + strings.Join(uploadKeys(number), ";Mutter;\n") + ";Mutter;\n"})
		status, header, text := s.do(t, http.MethodPost, "/v1/imports", contentType, body)
		if status != http.StatusAccepted {
			t.Fatalf("upload = %d %s", status, text)
		}
		location := header.Get("Location")
		numbers[strings.TrimPrefix(location, "/v1/runs/")] = number
		if number%3 == 2 { // the queue shall not grow, for each backup has to finish it
			s.ended(t, location)
		}
		var path string
		select {
		case path, more = <-backups:
			if more {
				made = append(made, path)
			}
		default:
		}
	}
	if len(made) != cap(backups) {
		t.Fatalf("%d backups, want %d", len(made), cap(backups))
	}
	if left, _ := filepath.Glob(filepath.Join(s.app.settings.Data, ".backup-*")); len(left) > 0 {
		t.Errorf("backups have left %v", left)
	}
	underWay := 0
	for _, path := range made {
		underWay += restored(t, s.app.settings.Pipelines, path, numbers)
	}
	if underWay == 0 {
		t.Error("no backup was made while something was under way")
	}
	_, _, metrics := s.do(t, http.MethodGet, "/metrics", "", nil)
	if strings.Contains(string(metrics), "crossdock_backup_timestamp_seconds 0\n") {
		t.Error("the metrics tell of no backup")
	}
}

// restored restores a backup, holds the journal against the catalogue, lets
// what was under way go on, and returns how many runs that were.
func restored(t *testing.T, pipelines, path string, numbers map[string]int) (underWay int) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	if out, code := runCrossdock(t.Context(), "restore", path, "--data", data); code != exitDone {
		t.Fatalf("restore = %d %s", code, out)
	}
	a := &app{
		stdout: io.Discard, stderr: io.Discard, clock: time.Now, log: slog.New(slog.DiscardHandler),
		settings: settings{Data: data, Pipelines: pipelines},
	}
	s, err := a.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	there := func(run journal.Run) (n int64) {
		known, err := s.hub.Targets["catalog"].Known(t.Context(), "product", uploadKeys(numbers[run.ID]))
		if err != nil {
			t.Fatal(err)
		}
		for _, yes := range known {
			if yes {
				n++
			}
		}
		return n
	}
	list := func() []journal.Run {
		runs, err := s.hub.Journal().Runs(t.Context(), journal.RunFilter{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		return runs
	}
	for _, run := range list() {
		if run.Finished.IsZero() {
			underWay++
		}
		if n := there(run); n < run.Applied {
			t.Errorf("%s: the journal has %d rows of run %s as applied, and the catalogue has %d", path, run.Applied, run.ID, n)
		}
	}
	waiting := func() bool {
		for _, run := range list() {
			if run.Finished.IsZero() {
				return true
			}
		}
		return false
	}
	if underWay > 0 {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.hub.Work(ctx) }() // ends with stop
		for deadline := time.Now().Add(time.Minute); waiting() && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, run := range list() {
		if n := there(run); run.Status != journal.Succeeded || run.Read != uploadRows || run.Applied != uploadRows || n != uploadRows {
			t.Errorf("%s: run %s is %s (%s) with %+v, and the catalogue has %d of its rows", path, run.ID, run.Status, run.Error, run.Counts, n)
		}
	}
	return underWay
}

// runCrossdock runs the command in a process of its own and returns what it says
// and its exit code.
func runCrossdock(ctx context.Context, args ...string) (string, int) {
	cmd := exec.CommandContext(ctx, "crossdock", args...) // made by testscript.Main
	cmd.Dir = os.TempDir()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		return err.Error(), -1
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// scriptFlip changes one byte of a file: flip FILE OFFSET.
func scriptFlip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	offset, err := strconv.Atoi(args[1])
	ts.Check(err)
	text := []byte(ts.ReadFile(args[0]))
	text[offset] ^= 0xff
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o600))
}

// scriptCut takes the last third off a file: cut FILE.
func scriptCut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cut FILE")
	}
	text := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text[:len(text)*2/3]), 0o600))
}

// scriptNewer gives a database a schema of the future: newer FILE.
func scriptNewer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: newer FILE")
	}
	db, err := sql.Open("sqlite3", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
	ts.Check(errors.Join(err, db.Close()))
}

// TestADumpOfPostgresIsABackup dumps a database as docs/operations.md says, and
// goes on in another one that it was restored to.
func TestADumpOfPostgresIsABackup(t *testing.T) {
	for _, tool := range []string{"pg_dump", "pg_restore"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("%s is not installed", tool)
		}
	}
	from, to, data := storetest.Database(t), storetest.Database(t), t.TempDir()
	dump := filepath.Join(t.TempDir(), "crossdock.dump")
	show := func(address string) (text string) {
		t.Setenv("CROSSDOCK_DATABASE_URL", address)
		for _, args := range [][]string{{"runs", "list", "--json"}, {"errors", "list", "--json"}, {"export", "product", "--format", "ndjson"}} {
			code, out := command(t, append([]string{"--data", data}, args...)...)
			if code != exitDone {
				t.Fatalf("%v: exit code %d: %s", args, code, out)
			}
			text += out
		}
		return text
	}
	t.Setenv("CROSSDOCK_DATABASE_URL", from)
	if code, out := command(t, "--data", data, "run", "../../examples/first-light"); code != exitRejected {
		t.Fatalf("run: exit code %d: %s", code, out)
	}
	for _, args := range [][]string{
		{"pg_dump", "--format=custom", "--file=" + dump, from},
		{"pg_restore", "--exit-on-error", "--no-owner", "--dbname=" + to, dump},
	} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", args[0], err, out)
		}
	}
	if diff := cmp.Diff(show(from), show(to)); diff != "" {
		t.Errorf("the restored database differs: %s", diff)
	}
	// It knows what was applied, and goes on.
	if code, out := command(t, "--data", data, "run", "../../examples/first-light/catalog.yaml", "--again"); code != exitRejected || !strings.Contains(out, "0 applied") {
		t.Errorf("run again: exit code %d: %s", code, out)
	}
}
