package inbox

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crossdock/commerce"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.With(m).Run()) }

func start() time.Time { return time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC) }

func open(tb testing.TB, place store.Place, clock func() time.Time) Inbox {
	tb.Helper()
	db, err := place.Open(tb.Context(), "shop", os.DirFS("testdata"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return Inbox{DB: db, Clock: clock}
}

func (i Inbox) count(tb interface{ Fatal(...any) }, t *testing.T, query string, args ...any) int {
	n, _, err := store.First(t.Context(), i.DB.Read(), func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) }, query, args...)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// TestDuplicatesAndDisorderAreHarmless delivers messages to several consumers
// as often and in such an order as it comes, with effects that fail now and
// then, until each was delivered without a failure.
func TestDuplicatesAndDisorderAreHarmless(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		i := open(t, place, start)
		failed := errors.New("the effect failed")
		run := 0
		rapid.Check(t, func(r *rapid.T) {
			run++
			var deliveries []string
			for n := range rapid.IntRange(1, 5).Draw(r, "messages") {
				for range rapid.IntRange(1, 3).Draw(r, "times") {
					deliveries = append(deliveries, fmt.Sprintf("%d/%d", run, n))
				}
			}
			taken := map[[2]string]bool{}
			for _, id := range rapid.Permutation(deliveries).Draw(r, "order") {
				for _, consumer := range []string{"search", "prices"} {
					fails := rapid.IntRange(0, 3).Draw(r, "fails") == 0
					ran := false
					err := i.Once(t.Context(), consumer, commerce.Event{ID: id}, func(tx *sql.Tx) error {
						ran = true
						if _, err := tx.ExecContext(t.Context(), `INSERT INTO effect (consumer, message) VALUES (?, ?)`, consumer, id); err != nil {
							return err
						}
						if fails {
							return failed
						}
						return nil
					})
					key := [2]string{consumer, id}
					if ran == taken[key] || (err != nil) != (ran && fails) {
						r.Fatalf("%v: taken %t, ran %t, error %v", key, taken[key], ran, err)
					}
					taken[key] = taken[key] || err == nil
				}
			}
			for key, once := range taken {
				want := 0
				if once {
					want = 1
				}
				if n := i.count(r, t, `SELECT count(*) FROM effect WHERE consumer = ? AND message = ?`, key[0], key[1]); n != want {
					r.Fatalf("%v has taken effect %d times, want %d", key, n, want)
				}
			}
		})
	})
}

func TestMessagesAreForgottenAfterTheirTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		now := start()
		i := open(t, place, func() time.Time { return now })
		take := func(from, to int) {
			t.Helper()
			err := i.DB.Tx(t.Context(), func(tx *sql.Tx) error {
				for n := from; n < to; n++ {
					first, err := i.Take(t.Context(), tx, "c", fmt.Sprint(n))
					if err != nil {
						return err
					}
					if !first {
						return fmt.Errorf("%d is not new", n)
					}
					now = now.Add(time.Microsecond)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		forget := func() bool {
			t.Helper()
			more, err := i.Forget(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return more
		}
		take(0, forgetRows+10)
		if forget() || i.count(t, t, `SELECT count(*) FROM inbox`) != forgetRows+10 {
			t.Error("something was forgotten before its time")
		}
		now = now.Add(DefaultKeep)
		take(forgetRows+10, forgetRows+12)
		if !forget() || forget() {
			t.Error("want one that leaves some, and one that leaves none")
		}
		if n := i.count(t, t, `SELECT count(*) FROM inbox`); n != 2 {
			t.Errorf("%d are remembered", n)
		}
		take(0, 1) // it is new again
	})
}
