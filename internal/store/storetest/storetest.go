// Package storetest runs tests on both engines: SQLite, and a PostgreSQL that
// it starts for the test binary, or that CROSSDOCK_TEST_POSTGRES_URL names.
//
//	func TestMain(m *testing.M) { os.Exit(storetest.With(m).Run()) }
//
//	func TestSomething(t *testing.T) {
//		storetest.Each(t, func(t *testing.T, place store.Place) { ... })
//	}
package storetest

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that makes and drops databases

	"crossdock/internal/store"
	"crossdock/internal/store/pgserver"
)

const (
	urlVariable    = "CROSSDOCK_TEST_POSTGRES_URL"
	noneVariable   = "CROSSDOCK_TEST_POSTGRES_NONE"   // why there is none, from With to the tests of the binary
	sharedVariable = "CROSSDOCK_TEST_POSTGRES_SHARED" // the database that the tests of the binary share
)

// A Runner runs the tests of a binary and returns its exit code.
type Runner interface{ Run() int }

// With returns a Runner that has a PostgreSQL running while m runs. Where none
// can be had the tests that need it say why and are skipped, or fail where CI
// is true.
func With(m Runner) Runner { return runner{m} }

type runner struct{ Runner }

// Run implements Runner.
func (r runner) Run() int {
	// The server ends with the thread that started it, which must be there to the end.
	runtime.LockOSThread()
	stop, err := serve()
	if err != nil {
		setenv(noneVariable, err.Error())
	}
	code := r.Runner.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "storetest: "+err.Error())
		return max(code, 1)
	}
	return code
}

// serve sees to a server, and to a database in it that the tests share.
func serve() (stop func() error, err error) {
	stop = func() error { return nil }
	if os.Getenv(urlVariable) == "" {
		// What a power cut would lose, the next run makes again.
		server, err := pgserver.Start(context.Background(),
			"fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300", "autovacuum=off")
		if err != nil {
			return stop, err
		}
		setenv(urlVariable, server.URL)
		stop = server.Stop
	}
	shared, drop, err := create(context.Background(), os.Getenv(urlVariable))
	if err != nil {
		return stop, err
	}
	setenv(sharedVariable, shared)
	end := stop
	return func() error { return errors.Join(drop(), end()) }, nil
}

func setenv(name, value string) {
	if err := os.Setenv(name, value); err != nil {
		panic(err) // names and values are well formed
	}
}

// Each runs the test once for each engine, in a subtest of its name.
func Each(t *testing.T, test func(t *testing.T, place store.Place)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, store.Place{Dir: t.TempDir()}) })
	t.Run("postgres", func(t *testing.T) { test(t, Postgres(t)) })
}

// Postgres returns a place of its own in PostgreSQL. All places of a binary
// are in one database, which takes far longer to make than a schema.
func Postgres(tb testing.TB) store.Place {
	tb.Helper()
	need(tb)
	return store.Place{
		Dir: tb.TempDir(), URL: os.Getenv(sharedVariable), Prefix: strings.ToLower(rand.Text()[:12]) + "_",
	}
}

// Database returns the URL of a new database, for tests of the whole command.
// It is dropped when the test has ended.
func Database(tb testing.TB) string {
	tb.Helper()
	need(tb)
	address, drop, err := create(tb.Context(), os.Getenv(urlVariable))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := drop(); err != nil {
			tb.Error(err)
		}
	})
	return address
}

// need skips a test that has no PostgreSQL, or fails it where that would hide something.
func need(tb testing.TB) {
	tb.Helper()
	if os.Getenv(sharedVariable) != "" {
		return
	}
	why := "not tested on PostgreSQL: " + cmp.Or(os.Getenv(noneVariable), "the test binary was not started by storetest.With")
	if os.Getenv("CI") == "true" {
		tb.Fatal(why)
	}
	tb.Skip(why)
}

// create makes a database beside the one at the address. Its collation is that
// of a language where the server has one, so that tests see where an order
// depends on it.
func create(ctx context.Context, address string) (created string, drop func() error, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", nil, fmt.Errorf("%s is no URL", urlVariable) // the error might show a password
	}
	name := "crossdock_test_" + strings.ToLower(rand.Text())
	statement := "CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'UTF8'"
	if err := execute(ctx, address, statement+" LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"); err != nil {
		if err := execute(ctx, address, statement); err != nil { // built without ICU
			return "", nil, err
		}
	}
	u.Path = "/" + name
	return u.String(), func() error {
		return execute(context.WithoutCancel(ctx), address, "DROP DATABASE "+name+" WITH (FORCE)")
	}, nil
}

func execute(ctx context.Context, address, statement string) error {
	db, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}
