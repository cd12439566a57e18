package eventlog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/commerce"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.With(m).Run()) }

func start() time.Time { return time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC) }

func open(tb testing.TB, place store.Place, clock func() time.Time) Log {
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
	return Log{DB: db, Clock: clock}
}

// moved is an entry by which a balance moves.
func moved(amount int64) Entry {
	return Entry{Type: "moved", Data: json.RawMessage(fmt.Sprintf(`{"amount":%d}`, amount))}
}

func amountOf(e Entry) (int64, error) {
	var data struct{ Amount int64 }
	err := json.Unmarshal(e.Data, &data)
	return data.Amount, err
}

func appendTo(ctx context.Context, l Log, stream string, expected int64, entries ...Entry) (version int64, err error) {
	err = l.DB.Tx(ctx, func(tx *sql.Tx) error {
		version, err = l.Append(ctx, tx, stream, expected, entries...)
		return err
	})
	return version, err
}

func TestEntriesAreReadAsTheyWereAppended(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		l := open(t, place, start)
		ctx := commerce.WithTrace(t.Context(), "00-a-b-01")
		if version, err := appendTo(ctx, l, "a", 0, moved(1), moved(2)); version != 2 || err != nil {
			t.Fatalf("version %d, error %v", version, err)
		}
		if version, err := appendTo(t.Context(), l, "b", 0, moved(5)); version != 1 || err != nil {
			t.Fatalf("version %d, error %v", version, err)
		}
		if version, err := appendTo(t.Context(), l, "a", 2, moved(3)); version != 3 || err != nil {
			t.Fatalf("version %d, error %v", version, err)
		}
		want := []Entry{
			{Stream: "a", Version: 2, Type: "moved", Data: json.RawMessage(`{"amount":2}`), Position: 2, Time: start(), Trace: "00-a-b-01"},
			{Stream: "a", Version: 3, Type: "moved", Data: json.RawMessage(`{"amount":3}`), Position: 4, Time: start()},
		}
		got, err := l.Read(t.Context(), l.DB.Read(), "a", 1, 10)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(diff, err)
		}
		all, err := l.All(t.Context(), l.DB.Read(), 1, 2)
		if err != nil || len(all) != 2 || all[0].Position != 2 || all[1].Stream != "b" {
			t.Errorf("after position 1 come %+v, error %v", all, err)
		}
		for _, tt := range []struct {
			expected int64
			entry    Entry
			want     string
		}{
			{2, moved(1), "a is at version 3 by now, and not at 2: read it anew, and decide again"},
			{4, moved(1), "a is at version 3 by now, and not at 4"},
			{3, Entry{Type: "moved", Data: json.RawMessage(`[]`)}, "append moved to a: its data are no JSON object"},
			{3, Entry{Type: "moved"}, "append moved to a: its data are no JSON object"},
			{3, Entry{Data: json.RawMessage(`{}`)}, "append  to a: "},
		} {
			if _, err := appendTo(t.Context(), l, "a", tt.expected, moved(9), tt.entry); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
		}
		if _, err := appendTo(t.Context(), l, "a", 0, moved(1)); commerce.CodeOf(err) != commerce.Conflict {
			t.Errorf("error = %v, want a conflict", err)
		}
		if got, err := l.Read(t.Context(), l.DB.Read(), "a", 3, 10); len(got) > 0 || err != nil {
			t.Errorf("left behind %+v, error %v", got, err)
		}
	})
}

// TestOfTwoWhoDecideOneDecidesAgain has many take from a few balances at once,
// which must not fall below zero: each reads, decides, and appends at the
// version that it has read.
func TestOfTwoWhoDecideOneDecidesAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		const takers, stock = 8, 20
		first := open(t, place, start)
		if _, err := appendTo(t.Context(), first, "a", 0, moved(stock)); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for i := range takers {
			l := first
			if i%4 == 0 { // another process
				l = open(t, place, start)
			}
			group.Go(func() {
				for {
					balance := int64(0)
					version, err := l.Fold(t.Context(), l.DB.Read(), "a", func(e Entry) error {
						amount, err := amountOf(e)
						balance += amount
						return err
					})
					if err != nil {
						t.Error(err)
						return
					}
					if balance == 0 {
						return
					}
					if _, err := appendTo(t.Context(), l, "a", version, moved(-1)); err != nil && commerce.CodeOf(err) != commerce.Conflict {
						t.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
		entries, err := first.Read(t.Context(), first.DB.Read(), "a", 0, 1000)
		if err != nil || len(entries) != 1+stock {
			t.Fatalf("%d entries, error %v, want %d", len(entries), err, 1+stock)
		}
		for i, e := range entries {
			if e.Version != int64(i+1) {
				t.Fatalf("entry %d has version %d", i, e.Version)
			}
		}
	})
}

// balances is a projection of the amounts by stream.
func balances(fail func() bool) Projection {
	return Projection{
		Name: "balances",
		Apply: func(ctx context.Context, tx *sql.Tx, e Entry) error {
			amount, err := amountOf(e)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `INSERT INTO balance (stream, amount) VALUES (?, ?)
				ON CONFLICT (stream) DO UPDATE SET amount = balance.amount + excluded.amount`, e.Stream, amount)
			if err == nil && fail() {
				err = errStopped
			}
			return err
		},
		Reset: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `DELETE FROM balance`)
			return err
		},
	}
}

var errStopped = errors.New("the process was stopped")

func readBalances(t *testing.T, l Log) map[string]int64 {
	t.Helper()
	type pair struct {
		stream string
		amount int64
	}
	list, err := store.Collect(t.Context(), l.DB.Read(), func(rows *sql.Rows) (p pair, err error) {
		return p, rows.Scan(&p.stream, &p.amount)
	}, `SELECT stream, amount FROM balance`)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, p := range list {
		got[p.stream] = p.amount
	}
	return got
}

// TestAProjectionAppliesEachEntryOnce appends, projects, stops in the middle
// and builds anew, as it comes. In the end the model has to be what the streams
// are.
func TestAProjectionAppliesEachEntryOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		l := open(t, place, start)
		versions, want := map[string]int64{}, map[string]int64{}
		settle := func(r *rapid.T, p Projection) {
			for more := true; more; {
				var err error
				if more, err = l.Project(t.Context(), p); err != nil {
					r.Fatal(err)
				}
			}
		}
		rapid.Check(t, func(r *rapid.T) {
			never := balances(func() bool { return false })
			for range rapid.IntRange(1, 6).Draw(r, "steps") {
				switch rapid.IntRange(0, 5).Draw(r, "step") {
				case 0:
					stopped := balances(func() bool { return rapid.IntRange(0, 3).Draw(r, "stop") == 0 })
					if _, err := l.Project(t.Context(), stopped); err != nil && !errors.Is(err, errStopped) {
						r.Fatal(err)
					}
				case 1:
					settle(r, never)
				case 2:
					if err := l.Rebuild(t.Context(), never); err != nil {
						r.Fatal(err)
					}
				default:
					stream := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "stream")
					amount := int64(rapid.IntRange(-5, 5).Draw(r, "amount"))
					version, err := appendTo(t.Context(), l, stream, versions[stream], moved(amount))
					if err != nil {
						r.Fatal(err)
					}
					versions[stream], want[stream] = version, want[stream]+amount
				}
			}
			settle(r, never)
			if got := readBalances(t, l); !maps.Equal(got, want) {
				r.Fatalf("the model has %v, the streams %v", got, want)
			}
		})
	})
}

func TestALongStreamIsFoldedAndProjectedByParts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		now := start()
		l := open(t, place, func() time.Time { return now })
		var entries []Entry
		for range foldPage + 1 {
			entries = append(entries, moved(1))
		}
		if _, err := appendTo(t.Context(), l, "a", 0, entries...); err != nil {
			t.Fatal(err)
		}
		n := 0
		version, err := l.Fold(t.Context(), l.DB.Read(), "a", func(Entry) error { n++; return nil })
		if version != foldPage+1 || n != foldPage+1 || err != nil {
			t.Errorf("%d entries up to version %d, error %v", n, version, err)
		}
		if _, err := l.Fold(t.Context(), l.DB.Read(), "a", func(Entry) error { return errStopped }); !errors.Is(err, errStopped) {
			t.Errorf("error = %v", err)
		}
		now = now.Add(time.Minute)
		if behind, age, err := l.Lag(t.Context(), "balances"); behind != foldPage+1 || age != time.Minute || err != nil {
			t.Errorf("%d behind, the first %s old, error %v", behind, age, err)
		}
		p := balances(func() bool { return false })
		if more, err := l.Project(t.Context(), p); !more || err != nil {
			t.Errorf("more %t, error %v", more, err)
		}
		if more, err := l.Project(t.Context(), p); more || err != nil {
			t.Errorf("more %t, error %v", more, err)
		}
		if behind, age, err := l.Lag(t.Context(), "balances"); behind != 0 || age != 0 || err != nil {
			t.Errorf("%d behind, the first %s old, error %v", behind, age, err)
		}
	})
}
