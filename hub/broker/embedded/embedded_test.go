package embedded_test

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"go.uber.org/goleak"

	"crossdock/hub/broker"
	"crossdock/hub/broker/brokertest"
	"crossdock/hub/broker/embedded"
)

func TestMain(m *testing.M) {
	brokertest.Victim(func(dir string) (broker.Broker, error) {
		return embedded.Open(context.Background(), embedded.Config{Dir: dir, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	})
	goleak.VerifyTestMain(m)
}

// A folder is a place of embedded brokers.
type folder struct{ dir string }

func (f folder) Open(tb testing.TB, s brokertest.Settings) broker.Broker {
	tb.Helper()
	b, err := embedded.Open(tb.Context(), embedded.Config{
		Dir: f.dir, Delays: s.Delays, Limit: s.Limit, Poll: 20 * time.Millisecond, Clock: time.Now, Log: brokertest.Log(tb),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = b.Close() }) // a test may have closed it
	return b
}

func (f folder) Lose(tb testing.TB, queue string) {
	tb.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(f.dir, "broker.db")+"?_foreign_keys=1&_busy_timeout=10000")
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(tb.Context(), `DELETE FROM queue WHERE name = ?`, queue); err != nil {
		tb.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	brokertest.Run(t, func(tb testing.TB) brokertest.Place { return folder{tb.TempDir()} })
}

func TestConsumerThatIsKilledTakesNoMessageWithIt(t *testing.T) {
	dir := t.TempDir()
	brokertest.Killed(t, folder{dir}, dir, 20)
	left, err := filepath.Glob(filepath.Join(dir, "locks", "*"))
	if err != nil || len(left) != 1 { // that of the broker that is still open
		t.Errorf("locks of processes that are gone: %q, %v", left, err)
	}
}
