// Package rabbittest gives tests a RabbitMQ: one that it starts for the test
// binary, or the one that CROSSDOCK_TEST_AMQP_URL names.
//
//	func TestMain(m *testing.M) { os.Exit(rabbittest.With(m).Run()) }
package rabbittest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"crossdock/internal/rabbitserver"
)

const (
	urlVariable  = "CROSSDOCK_TEST_AMQP_URL"
	noneVariable = "CROSSDOCK_TEST_AMQP_NONE" // why there is none, from With to the tests of the binary
	startTime    = 2 * time.Minute
)

// A Runner runs the tests of a binary and returns its exit code.
type Runner interface{ Run() int }

// With returns a Runner that has a RabbitMQ running while m runs. Where none
// can be had the tests that need it say why and are skipped, or fail where CI
// is true.
func With(m Runner) Runner { return runner{m} }

type runner struct{ Runner }

// Run implements Runner.
func (r runner) Run() int {
	if os.Getenv(urlVariable) != "" {
		return r.Runner.Run()
	}
	// The broker ends with the thread that started it, which must be there to the end.
	runtime.LockOSThread()
	server, err := start()
	if err != nil {
		setenv(noneVariable, err.Error())
		return r.Runner.Run()
	}
	setenv(urlVariable, server.URL)
	code := r.Runner.Run()
	if err := server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "rabbittest: "+err.Error())
		return max(code, 1)
	}
	return code
}

func start() (*rabbitserver.Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	return rabbitserver.Start(ctx, rabbitserver.Config{})
}

func setenv(name, value string) {
	if err := os.Setenv(name, value); err != nil {
		panic(err) // names and values are well formed
	}
}

// URL returns the address of the RabbitMQ that the tests of the binary share.
func URL(tb testing.TB) string {
	tb.Helper()
	if address := os.Getenv(urlVariable); address != "" {
		return address
	}
	absent(tb, cmp.Or(os.Getenv(noneVariable), "the test binary was not started by rabbittest.With"))
	return ""
}

// Server returns a RabbitMQ of the test's own, which it may stop and kill.
func Server(tb testing.TB) *rabbitserver.Server {
	tb.Helper()
	server, err := start()
	if err != nil {
		absent(tb, err.Error())
	}
	tb.Cleanup(func() {
		if err := server.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return server
}

// absent skips a test that has no RabbitMQ, or fails it where that would hide something.
func absent(tb testing.TB, why string) {
	tb.Helper()
	why = "not tested on RabbitMQ: " + why
	if os.Getenv("CI") == "true" {
		tb.Fatal(why)
	}
	tb.Skip(why)
}
