package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crossdock/commerce/catalog"
	"crossdock/internal/store/storetest"
)

const example = "../../examples/first-light"

// lived makes an installation in which people have done what they do.
func lived(t *testing.T) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	for _, step := range []struct {
		code int
		args string
	}{
		{exitRejected, "run " + example},
		{exitDone, "errors edit 5 --set EAN=4006381333931 --by kim"},
		{exitDone, "errors assign 4 kim --by lee"},
		{exitDone, "errors discard 3 --reason obsolete --by kim"},
		{exitRejected, "run " + example + "/catalog.yaml --again"},
	} {
		if code, printed := command(t, append([]string{"--data", data}, strings.Fields(step.args)...)...); code != step.code {
			t.Fatalf("%s: exit code %d, want %d: %s", step.args, code, step.code, printed)
		}
	}
	return data
}

// tells returns what an installation says of itself, without the times.
func tells(t *testing.T, data string) map[string]string {
	t.Helper()
	said := map[string]string{}
	differs := regexp.MustCompile(`"(seconds|rows_per_second)":[0-9.]+|"next_cursor":"[^"]*"`) // ranks are those of the engine
	ask := func(args string) {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"--data", data}, strings.Fields(args)...), &stdout, &stderr); code != exitDone {
			t.Errorf("%s: exit code %d: %s", args, code, stderr.String())
		}
		said[args] = differs.ReplaceAllString(stdout.String(), "")
	}
	for _, args := range []string{
		"runs list --json", "errors list --json --limit 0", "errors list --status discarded --json", "errors list --group --json",
		"errors show 5 --json", "errors show 3 --json", "errors show 4 --json", "quality --json", "export product", "export price",
	} {
		ask(args)
	}
	a := &app{
		stdout: io.Discard, stderr: io.Discard, clock: time.Now, log: slog.New(slog.DiscardHandler),
		settings: settings{Data: data, Database: os.Getenv("CROSSDOCK_DATABASE_URL")},
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
	if err := s.services[0].(*catalog.Service).Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/products?q=rillenkugellager", "/v1/products?limit=5", "/v1/categories"} {
		answer := httptest.NewRecorder()
		a.handler(s).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		said[path] = differs.ReplaceAllString(answer.Body.String(), "")
		if answer.Code != http.StatusOK || len(said[path]) < 50 {
			t.Errorf("GET %s = %d %s", path, answer.Code, said[path])
		}
	}
	return said
}

func TestAMovedInstallationIsTheSame(t *testing.T) {
	data, address := lived(t), storetest.Database(t)
	copied := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(copied, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	before := tells(t, data)
	move := func(code int, want string, args ...string) {
		t.Helper()
		got, printed := command(t, append([]string{"--data", data, "move"}, args...)...)
		if got != code || !strings.Contains(printed, want) {
			t.Errorf("move %v: exit code %d, want %d; printed %s\nwant %s", args, got, code, printed, want)
		}
	}
	move(exitUsage, "move where? Name the database by --to or CROSSDOCK_DATABASE_URL")
	move(exitDone, "would be moved to postgres://", "--to", address, "--dry-run")
	if n, ok := number(t, address, `SELECT count(*) FROM pg_namespace WHERE nspname IN ('catalog', 'hub', 'crossdock')`); !ok || n > 0 {
		t.Errorf("a dry run has made %d schemas", n)
	}
	if diff := cmp.Diff(before, tells(t, data)); diff != "" {
		t.Errorf("after a dry run (-before +after)\n%s", diff)
	}
	move(exitDone, "their counts and hashes the same on both sides", "--to", address)
	move(exitFailed, "belongs to an installation whose data is in postgres://", "--to", address)
	if code, printed := command(t, "--data", data, "runs", "list"); code != exitFailed || !strings.Contains(printed, "set CROSSDOCK_DATABASE_URL to it") {
		t.Errorf("the files of before: exit code %d, printed %s", code, printed)
	}
	t.Setenv("CROSSDOCK_DATABASE_URL", address)
	if diff := cmp.Diff(before, tells(t, data)); diff != "" {
		t.Errorf("(-before +moved)\n%s", diff)
	}
	// What follows takes the same numbers and comes to the same as it would have.
	for _, args := range [][]string{
		{"run", example, "--again"}, {"errors", "list", "--limit", "0"}, {"errors", "replay", "--pipeline", "first-light-catalog"}, {"runs", "list"},
	} {
		t.Setenv("CROSSDOCK_DATABASE_URL", "")
		wantCode, want := command(t, append([]string{"--data", copied}, args...)...)
		t.Setenv("CROSSDOCK_DATABASE_URL", address)
		code, got := command(t, append([]string{"--data", data}, args...)...)
		if diff := cmp.Diff(timeless(want), timeless(got)); diff != "" || code != wantCode {
			t.Errorf("%v: exit code %d, want %d (-as it was +moved)\n%s", args, code, wantCode, diff)
		}
	}
}

// timeless leaves ids of runs and how long they took out.
func timeless(s string) string {
	s = regexp.MustCompile(`[0-9]{8}-[0-9]{6}-[a-z0-9]{4}|[0-9.]+m?s\b`).ReplaceAllString(s, "...")
	return regexp.MustCompile(` +`).ReplaceAllString(s, " ")
}

func TestWhatCannotBeMovedIsSaid(t *testing.T) {
	data, other, address := lived(t), lived(t), storetest.Database(t)
	used := storetest.Database(t)
	execute(t, used, `CREATE SCHEMA pricing; CREATE TABLE pricing.price (x int)`)
	if code, printed := command(t, "--data", other, "move", "--to", address); code != exitDone {
		t.Fatalf("exit code %d: %s", code, printed)
	}
	inUse := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(inUse, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	a := &app{stdout: io.Discard, stderr: io.Discard, clock: time.Now, log: slog.New(slog.DiscardHandler), settings: settings{Data: inUse}}
	s, err := a.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	for _, tt := range []struct{ name, data, to, want string }{
		{"no data", t.TempDir(), address, "there is nothing to move: data folder "},
		{"a table in the way", data, used, "is not empty: it has the table pricing.price: name an empty one by --to"},
		{"another installation's", data, address, "holds the data of installation "},
		{"in use", inUse, used, "is in use by another process: stop serve, and wait for runs to end"},
		{"no server", data, "postgres://me:s3cret@127.0.0.1:1/shop?sslmode=disable", "the server cannot be reached: connection refused"},
		{"no URL", data, "me:s3cret@127.0.0.1", "the database URL is none of the form postgres://"},
	} {
		for _, dry := range []string{"--dry-run=false", "--dry-run"} {
			t.Run(tt.name+" "+dry, func(t *testing.T) {
				code, printed := command(t, "--data", tt.data, "move", "--to", tt.to, dry)
				if code != exitFailed || !strings.Contains(printed, tt.want) || strings.Contains(printed, "s3cret") {
					t.Errorf("exit code %d, printed %s\nwant %s", code, printed, tt.want)
				}
			})
		}
	}
	if code, printed := command(t, "--data", data, "runs", "list"); code != exitDone {
		t.Errorf("a refused move has left: %d %s", code, printed)
	}
}

// A move that is killed leaves the folder as it was, and a database that nobody
// uses until it is moved to again.
func TestAMoveThatIsKilledIsBegunAgain(t *testing.T) {
	crossdock, err := exec.LookPath("crossdock") // made by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	folder, address := t.TempDir(), storetest.Database(t)
	data := filepath.Join(folder, "data")
	const rows = 20_000
	pipeline := writeProducts(t, folder, rows)
	if code, printed := command(t, "--data", data, "run", pipeline); code != exitRejected {
		t.Fatalf("exit code %d: %s", code, printed)
	}
	killed, done := 0, false
	for moment := 20 * time.Millisecond; ; moment += moment * 2 / 3 {
		cmd := exec.CommandContext(t.Context(), crossdock, "--data", data, "move", "--to", address)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(moment, func() { _ = cmd.Process.Kill() }) // fails where it has ended
		_ = cmd.Wait()
		timer.Stop()
		if code := cmd.ProcessState.ExitCode(); code >= 0 {
			if code != exitDone && !done {
				t.Errorf("the last move: exit code %d", code)
			}
			break
		}
		killed++
		ready, _ := number(t, address, `SELECT count(*) FROM crossdock.installation WHERE state = 'ready'`)
		if done = ready > 0; done {
			continue // it was killed at its end, which the next one says or makes up for
		}
		if code, printed := command(t, "--data", data, "errors", "list", "--limit", "1"); code != exitDone {
			t.Errorf("the folder after a killed move: exit code %d: %s", code, printed)
		}
		if begun, _ := number(t, address, `SELECT count(*) FROM crossdock.installation`); begun > 0 {
			t.Setenv("CROSSDOCK_DATABASE_URL", address)
			if code, printed := command(t, "--data", t.TempDir(), "runs", "list"); code != exitFailed || !strings.Contains(printed, "whose move there was interrupted") {
				t.Errorf("the database after a killed move: exit code %d: %s", code, printed)
			}
			t.Setenv("CROSSDOCK_DATABASE_URL", "")
		}
	}
	if killed == 0 {
		t.Error("no move was killed")
	}
	for query, want := range map[string]int64{
		`SELECT count(*) FROM catalog.product`: rows - rows/100, `SELECT count(*) FROM hub.parked_row`: rows / 100,
		`SELECT count(*) FROM crossdock.installation WHERE state = 'ready'`: 1,
	} {
		if n, ok := number(t, address, query); !ok || n != want {
			t.Errorf("%s = %d, want %d", query, n, want)
		}
	}
}
