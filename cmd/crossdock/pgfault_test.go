package main

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"crossdock/internal/store/pgserver"
	"crossdock/internal/store/storetest"
)

// privateServer starts a PostgreSQL that the test may halt.
func privateServer(t *testing.T, settings ...string) *pgserver.Server {
	t.Helper()
	runtime.LockOSThread() // the server ends with the thread that started it
	server, err := pgserver.Start(t.Context(), append(settings, "fsync=off")...)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// writeProducts writes a pipeline over a file of so many products, of which
// every hundredth has no name.
func writeProducts(t *testing.T, dir string, n int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("Nr,Name\n")
	for i := range n {
		name := "Mutter"
		if i%100 == 99 {
			name = ""
		}
		fmt.Fprintf(&b, "A-%07d,%s\n", i, name)
	}
	pipeline := filepath.Join(dir, "products.yaml")
	for path, text := range map[string]string{
		filepath.Join(dir, "products.csv"): b.String(),
		pipeline:                           "pipeline: products\nsource: { connector: csv, path: products.csv }\nentity: product\nmap: { sku: Nr, name.en: Name }\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pipeline
}

// number returns what a query of PostgreSQL counts, and false while it cannot.
func number(t *testing.T, address, query string) (n int64, ok bool) {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return n, db.QueryRowContext(t.Context(), query).Scan(&n) == nil
}

func TestARunWhoseServerStopsFailsAndTheNextEndsIt(t *testing.T) {
	server := privateServer(t)
	t.Setenv("CROSSDOCK_DATABASE_URL", server.URL)
	folder := t.TempDir()
	data := filepath.Join(folder, "data")
	const rows = 100_000
	pipeline := writeProducts(t, folder, rows)
	type ended struct {
		code    int
		printed string
	}
	done := make(chan ended, 1)
	go func() { // ends with the run
		code, printed := command(t, "--data", data, "run", pipeline)
		done <- ended{code, printed}
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if n, _ := number(t, server.URL, `SELECT max(read) FROM hub.run`); n > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the run has not begun")
		}
	}
	if err := server.Halt(); err != nil {
		t.Fatal(err)
	}
	first := <-done
	const want = "the connection to PostgreSQL was lost"
	if first.code != exitFailed || !strings.Contains(first.printed, want) {
		t.Errorf("exit code %d, want %d: printed %s, want %q in it", first.code, exitFailed, first.printed, want)
	}
	if code, printed := command(t, "--data", data, "run", pipeline); code != exitFailed || !strings.Contains(printed, "the server cannot be reached") {
		t.Errorf("while it is down: exit code %d, printed %s", code, printed)
	}
	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, printed := command(t, "--data", data, "run", pipeline); code != exitRejected {
		t.Errorf("after it is up again: exit code %d, printed %s", code, printed)
	}
	for query, want := range map[string]int64{
		`SELECT count(*) FROM catalog.product`:                                                rows - rows/100,
		`SELECT count(*) FROM hub.parked_row WHERE status = 'open'`:                           rows / 100,
		`SELECT count(*) FROM hub.run WHERE status = 'running'`:                               0,
		`SELECT count(*) FROM hub.run WHERE status = 'stopped'`:                               1,
		`SELECT count(*) FROM hub.run WHERE read <> applied + unchanged + rejected + skipped`: 0,
	} {
		if n, ok := number(t, server.URL, query); !ok || n != want {
			t.Errorf("%s = %d, want %d", query, n, want)
		}
	}
}

// execute runs statements of PostgreSQL.
func execute(t *testing.T, address, statements string) {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
}

// passwordServer starts a PostgreSQL in which the user kim has a password.
func passwordServer(t *testing.T) *pgserver.Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "crossdock-hba-") // which the server's account may read
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(dir, "pg_hba.conf")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(file, []byte("local all postgres trust\nlocal all all scram-sha-256\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	server := privateServer(t, "hba_file="+file)
	execute(t, server.URL, `CREATE USER kim PASSWORD 's3cret'`)
	return server
}

func TestADatabaseThatCannotBeUsedIsNamedWithWhatToDo(t *testing.T) {
	server := passwordServer(t)
	as := func(user, password, database string) string {
		u, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		u.User, u.Path = url.UserPassword(user, password), "/"+database
		return u.String()
	}
	newer := storetest.Database(t)
	t.Setenv("CROSSDOCK_DATABASE_URL", newer)
	folder := t.TempDir()
	if code, printed := command(t, "--data", folder, "runs", "list"); code != exitDone {
		t.Fatalf("exit code %d, printed %s", code, printed)
	}
	execute(t, newer, `INSERT INTO hub.goose_db_version (version_id, is_applied) VALUES (999, true)`)
	for _, tt := range []struct{ name, address, folder, want string }{
		{"no URL", "mysql://me:s3cret@127.0.0.1/shop", "", "the database URL is none of the form postgres://"},
		{
			"nobody listens", "postgres://me:s3cret@127.0.0.1:1/shop?sslmode=disable", "",
			"database postgres://me@127.0.0.1:1/shop, schema crossdock: the server cannot be reached: connection refused: start it, or correct host and port of the URL",
		},
		{"no such host", "postgres://me:s3cret@nowhere.invalid/shop?sslmode=disable", "", "there is no host nowhere.invalid: correct host and port of the URL"},
		{"wrong password", as("kim", "s3cret-not", "postgres"), "", `the server does not let the user kim in: password authentication failed for user "kim": correct user and password of the URL`},
		{"no such database", as("kim", "s3cret", "shop"), "", "there is no database shop on the server: create it with createdb --encoding UTF8 shop"},
		{"no right to make schemas", as("kim", "s3cret", "postgres"), "", "let the user kim make schemas, with GRANT CREATE ON DATABASE postgres TO kim"},
		{"a newer schema", newer, folder, "schema hub: its schema has version 999, and this program knows versions up to "},
		{"another installation's folder", server.URL, folder, "data folder " + folder + " belongs to installation "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("CROSSDOCK_DATABASE_URL", tt.address)
			code, printed := command(t, "--data", cmp.Or(tt.folder, t.TempDir()), "runs", "list")
			if code != exitFailed || !strings.Contains(printed, tt.want) || strings.Contains(printed, "s3cret") {
				t.Errorf("exit code %d, printed %s\nwant %s", code, printed, tt.want)
			}
		})
	}
}

// An upload that a server of PostgreSQL leaves in its middle is queued again,
// with its file, and run to its end.
func TestServeGoesOnWhenItsDatabaseIsThereAgain(t *testing.T) {
	server := privateServer(t)
	began := time.Now()
	s := serveForTest(t, func(a *app) {
		a.settings.Database = server.URL
		// What is looked after once a minute is so every second.
		a.clock = func() time.Time { return began.Add(60 * time.Since(began)) }
	})
	const rows = 100_000
	var content strings.Builder
	content.WriteString("Nr,Name,EAN\n")
	for i := range rows {
		fmt.Fprintf(&content, "A-%07d,Mutter,\n", i)
	}
	contentType, body := form(t, [2]string{"pipeline", "served"}, [2]string{"@file", content.String()})
	status, _, text := s.do(t, http.MethodPost, "/v1/imports", contentType, body)
	var run runView
	if err := json.Unmarshal(text, &run); status != http.StatusAccepted || err != nil {
		t.Fatalf("POST /v1/imports = %d %s", status, text)
	}
	awaitRun := func(what, query string) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
			if n, _ := number(t, server.URL, query); n > 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the run %s", what)
			}
		}
	}
	awaitRun("has not begun", `SELECT max(read) FROM hub.run`)
	if err := server.Halt(); err != nil {
		t.Fatal(err)
	}
	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitRun("has not ended", `SELECT count(*) FROM hub.run WHERE status = 'succeeded'`)
	s.get(t, "/v1/runs/"+run.Run, &run)
	if run.Read != rows || run.Rejected != 0 {
		t.Errorf("run %+v, want %d rows read", run, rows)
	}
	if n, ok := number(t, server.URL, `SELECT count(*) FROM catalog.product`); !ok || n != rows {
		t.Errorf("%d products, want %d", n, rows)
	}
}

// Two machines with one database, which know nothing of each other's files.
func TestAPipelineRunsOnceAtATimeOnAllMachines(t *testing.T) {
	t.Setenv("CROSSDOCK_DATABASE_URL", storetest.Database(t))
	folder := t.TempDir()
	pipeline := writeProducts(t, folder, 10)
	here, there := filepath.Join(folder, "here"), filepath.Join(folder, "there")
	a := &app{stdout: io.Discard, stderr: io.Discard, clock: time.Now, log: slog.New(slog.DiscardHandler), settings: settings{Data: here, Database: os.Getenv("CROSSDOCK_DATABASE_URL")}}
	s, err := a.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	j := s.hub.Journal()
	release, taken, err := j.Lock(t.Context(), "products") // as a run here has it
	if err != nil || !taken {
		t.Fatal(taken, err)
	}
	turn, _, err := j.TakeTurn(t.Context(), "products", "process 1 on here", time.Minute, true)
	if err != nil || turn == 0 {
		t.Fatal(turn, err)
	}
	if code, printed := command(t, "--data", there, "run", pipeline); code != exitFailed || !strings.Contains(printed, "pipeline products is running already in process 1 on here") {
		t.Errorf("exit code %d, printed %s", code, printed)
	}
	if err := j.EndTurn(t.Context(), "products", turn); err != nil {
		t.Fatal(err)
	}
	release()
	if code, printed := command(t, "--data", there, "run", pipeline); code != exitDone {
		t.Errorf("exit code %d, printed %s", code, printed)
	}
	if code, printed := command(t, "--data", here, "runs", "list"); code != exitDone || !strings.Contains(printed, "products") {
		t.Errorf("exit code %d, printed %s", code, printed)
	}
}
