package saga

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crossdock/commerce"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == workUntilKilled {
		workChild(os.Args[2:])
	}
	os.Exit(storetest.With(m).Run())
}

func start() time.Time { return time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC) }

// A world is a database, and the services around it, which keep what they were
// asked for in a table of their own.
type world struct {
	db  *store.DB
	now time.Time

	// trouble is asked before and after everything that a step does elsewhere.
	trouble func(ctx context.Context, point string) error
}

func open(tb testing.TB, place store.Place) *world {
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
	return &world{db: db, now: start(), trouble: func(context.Context, string) error { return nil }}
}

func (w *world) engine(definitions ...Definition) *Engine {
	e, err := New(Config{
		DB: w.db, Clock: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler), Emit: w.emit,
	}, definitions...)
	if err != nil {
		panic(err)
	}
	return e
}

// emit is what the outbox does.
func (w *world) emit(ctx context.Context, tx *sql.Tx, events ...commerce.Event) error {
	for _, e := range events {
		if _, err := tx.ExecContext(ctx, `INSERT INTO told (id, type, subject, trace) VALUES (?, ?, ?, ?)`,
			e.ID, e.Type, e.Subject, commerce.TraceOf(ctx)); err != nil {
			return err
		}
	}
	return nil
}

var errTakenBack = errors.New("it was taken back")

// do has another service do what the key is for, once.
func (w *world) do(ctx context.Context, key string) error {
	return w.elsewhere(ctx, "do "+key, func(tx *sql.Tx) error {
		state, found, err := store.First(ctx, tx, text, `SELECT state FROM remote WHERE key = ?`, key)
		switch {
		case err != nil:
			return err
		case found && state == "taken back":
			return Refuse(errTakenBack)
		case found:
			return nil
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO remote (key, state, times) VALUES (?, 'done', 1)`, key)
		return err
	})
}

// undo has it take that back, and keep it from happening later.
func (w *world) undo(ctx context.Context, key string) error {
	return w.elsewhere(ctx, "undo "+key, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO remote (key, state, times) VALUES (?, 'taken back', 0)
			ON CONFLICT (key) DO UPDATE SET state = excluded.state`, key)
		return err
	})
}

func (w *world) elsewhere(ctx context.Context, what string, fn func(*sql.Tx) error) error {
	if err := w.trouble(ctx, "before "+what); err != nil {
		return err
	}
	if err := w.db.Tx(context.WithoutCancel(ctx), fn); err != nil {
		return err
	}
	return w.trouble(ctx, "after "+what)
}

func text(rows *sql.Rows) (s string, err error) { return s, rows.Scan(&s) }

// order is a saga like that of an order: stock is reserved, credit is held by a
// service that answers later, the order is placed, and the credit is taken.
func (w *world) order() Definition {
	undo := func(ctx context.Context, c *Call) error { return w.undo(ctx, c.Key()) }
	return Definition{Type: "order", Deadline: 10 * time.Minute, Steps: []Step{
		{
			Name: "reserve", Retries: 2, RetryEvery: time.Second, Timeout: 10 * time.Second, Compensate: undo,
			Action: func(ctx context.Context, c *Call) (any, error) {
				return map[string]string{"reservation": c.Key()}, w.do(ctx, c.Key())
			},
		},
		{
			Name: "hold", Retries: 2, RetryEvery: time.Second, Timeout: 10 * time.Second, Compensate: undo,
			Action: func(ctx context.Context, c *Call) (any, error) {
				c.Emit(commerce.Event{ID: c.Key(), Type: "shop.credit.asked.v1", Subject: c.Saga})
				return nil, errors.Join(ErrWait, w.trouble(ctx, "before hold"))
			},
		},
		{
			Name: "place", Pivot: true, RetryEvery: time.Second, Timeout: 10 * time.Second,
			Action: func(ctx context.Context, c *Call) (any, error) {
				var hold string
				if done, err := c.Result("hold", &hold); err != nil || !done {
					return nil, errors.Join(errors.New("there is no hold"), err)
				}
				c.Do(func(ctx context.Context, tx *sql.Tx) error {
					_, err := tx.ExecContext(ctx, `INSERT INTO placed (saga) VALUES (?)`, c.Saga)
					return err
				})
				c.Emit(commerce.Event{ID: c.Key(), Type: "shop.order.placed.v1", Subject: c.Saga})
				return nil, w.trouble(ctx, "before place")
			},
		},
		{
			Name: "capture", RetryEvery: time.Second, Timeout: 10 * time.Second,
			Action: func(ctx context.Context, c *Call) (any, error) { return nil, w.do(ctx, c.Key()) },
		},
	}}
}

func begin(ctx context.Context, tb interface{ Fatal(...any) }, w *world, e *Engine, id, kind string, input any) (started bool) {
	err := w.db.Tx(ctx, func(tx *sql.Tx) (err error) {
		started, err = e.Start(ctx, tx, id, kind, input)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	e.Wake()
	return started
}

func answer(ctx context.Context, tb interface{ Fatal(...any) }, w *world, e *Engine, id, step string, result any, refusal string) {
	err := w.db.Tx(ctx, func(tx *sql.Tx) error {
		if refusal != "" {
			return e.Refuse(ctx, tx, id, step, refusal)
		}
		return e.Reply(ctx, tx, id, step, result)
	})
	if err != nil {
		tb.Fatal(err)
	}
	e.Wake()
}

// work makes one transition, and returns where the saga is then.
func work(t *testing.T, e *Engine, id string) Saga {
	t.Helper()
	if _, err := e.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := e.Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// where says it in a word.
func where(s Saga) string {
	line := fmt.Sprintf("%s %s %d", s.State, s.Step, s.Attempt)
	if s.Waiting {
		line += " waiting"
	}
	return line
}

func count(ctx context.Context, tb interface{ Fatal(...any) }, w *world, query string, args ...any) int {
	n, _, err := store.First(ctx, w.db.Read(), func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) }, query, args...)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func TestASagaGoesThroughItsSteps(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		w := open(t, place)
		e := w.engine(w.order())
		ctx := commerce.WithTrace(t.Context(), "00-a-b-01")
		if !begin(ctx, t, w, e, "o1", "order", nil) || begin(ctx, t, w, e, "o1", "order", nil) {
			t.Error("want the first to begin a saga, and the second to find it there")
		}
		for _, want := range []string{"running hold 0", "running hold 1 waiting", "running hold 1 waiting"} {
			if got := where(work(t, e, "o1")); got != want {
				t.Fatalf("at %s, want %s", got, want)
			}
		}
		for range 2 { // a reply may come twice
			answer(t.Context(), t, w, e, "o1", "hold", "h1", "")
		}
		for _, want := range []string{"running place 0", "running capture 0", "done capture 1", "done capture 1"} {
			if got := where(work(t, e, "o1")); got != want {
				t.Fatalf("at %s, want %s", got, want)
			}
		}
		told, err := store.Collect(t.Context(), w.db.Read(), text, `SELECT type || ' ' || id || ' ' || trace FROM told ORDER BY type DESC`)
		want := []string{"shop.order.placed.v1 o1/place 00-a-b-01", "shop.credit.asked.v1 o1/hold 00-a-b-01"}
		if diff := cmp.Diff(want, told); diff != "" || err != nil {
			t.Error(diff, err)
		}
		if n := count(t.Context(), t, w, `SELECT count(*) FROM placed WHERE saga = 'o1'`); n != 1 {
			t.Errorf("placed %d times", n)
		}
		answer(t.Context(), t, w, e, "o1", "capture", "late", "") // too late for anything
		s, err := e.Find(t.Context(), "o1")
		if err != nil || s.Ended.IsZero() || !s.Started.Equal(start()) {
			t.Errorf("saga %+v, error %v", s, err)
		}
	})
}

// steps returns a saga of three steps, of which each does what is given.
func (w *world) steps(first, second, third func(c *Call) (any, error)) Definition {
	of := func(fn func(c *Call) (any, error)) func(context.Context, *Call) (any, error) {
		return func(_ context.Context, c *Call) (any, error) { return fn(c) }
	}
	undo := func(ctx context.Context, c *Call) error { return w.undo(ctx, c.Key()) }
	return Definition{Type: "three", Deadline: time.Hour, Steps: []Step{
		{Name: "first", Action: of(first), Compensate: undo, Retries: 1, RetryEvery: time.Second},
		{Name: "second", Action: of(second), Pivot: true, RetryEvery: time.Second},
		{Name: "third", Action: of(third), RetryEvery: time.Second, Retries: 2},
	}}
}

func fine(*Call) (any, error) { return nil, nil }

var errAway = errors.New("the service is away")

func TestHowFailuresEnd(t *testing.T) {
	away := func(*Call) (any, error) { return nil, errAway }
	refused := func(*Call) (any, error) { return nil, Refuse(errors.New("too little stock")) }
	storetest.Each(t, func(t *testing.T, place store.Place) {
		w := open(t, place)
		for i, tt := range []struct {
			name                 string
			first, second, third func(c *Call) (any, error)
			want                 []string // after each transition, each a second after the one before
			reason               string
		}{
			{"refused at once", refused, fine, fine, []string{"compensating first 0", "compensated first 1"}, "first: too little stock"},
			{"out of retries", away, fine, fine, []string{"running first 1", "compensating first 0", "compensated first 1"}, "first: the service is away"},
			{"refused at the pivot", fine, refused, fine, []string{"running second 0", "compensating first 0", "compensated first 1"}, "second: too little stock"},
			{"the pivot may have decided", fine, away, fine, []string{"running second 0", "running second 1", "running second 2", "running second 2", "running second 3"}, ""},
			{"forward only", fine, fine, refused, []string{"running second 0", "running third 0", "running third 1", "running third 2", "running third 3", "running third 4", "running third 4"}, ""},
			{"a panic", func(*Call) (any, error) { panic("at the disco") }, fine, fine, []string{"running first 1", "compensating first 0"}, "panic: at the disco"},
			{"no JSON", func(*Call) (any, error) { return func() {}, nil }, fine, fine, []string{"compensating first 0"}, "result: json: unsupported type"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w.now = start()
				e := w.engine(w.steps(tt.first, tt.second, tt.third))
				id := fmt.Sprint("f", i)
				begin(t.Context(), t, w, e, id, "three", nil)
				var s Saga
				for n, want := range tt.want {
					if s = work(t, e, id); where(s) != want {
						t.Fatalf("at %s after %d transitions, want %s", where(s), n+1, want)
					}
					w.now = w.now.Add(time.Second)
				}
				if !strings.Contains(s.Reason, tt.reason) || (s.Reason == "") != (tt.reason == "") {
					t.Errorf("reason %q, want %q", s.Reason, tt.reason)
				}
				if err := w.db.Tx(t.Context(), func(tx *sql.Tx) error {
					_, err := tx.ExecContext(t.Context(), `DELETE FROM saga`) // the next is alone again
					return err
				}); err != nil {
					t.Fatal(err)
				}
			})
		}
	})
}

func TestAnEffectThatFailsIsAFailedAttempt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		w := open(t, place)
		failing := true
		e := w.engine(w.steps(func(c *Call) (any, error) {
			c.Do(func(ctx context.Context, tx *sql.Tx) error {
				if _, err := tx.ExecContext(ctx, `INSERT INTO placed (saga) VALUES ('e1')`); err != nil {
					return err
				}
				if failing {
					return errAway
				}
				return nil
			})
			c.Emit(commerce.Event{ID: "e1"})
			return nil, nil
		}, fine, fine))
		begin(t.Context(), t, w, e, "e1", "three", nil)
		if s := work(t, e, "e1"); where(s) != "running first 1" || s.Error != errAway.Error() {
			t.Errorf("saga %+v", s)
		}
		if n := count(t.Context(), t, w, `SELECT (SELECT count(*) FROM placed) + (SELECT count(*) FROM told)`); n != 0 {
			t.Errorf("%d effects were left", n)
		}
		failing = false
		w.now = w.now.Add(time.Second)
		if s := work(t, e, "e1"); where(s) != "running second 0" || s.Error != "" {
			t.Errorf("saga %+v", s)
		}
		if n := count(t.Context(), t, w, `SELECT (SELECT count(*) FROM placed) + (SELECT count(*) FROM told)`); n != 2 {
			t.Errorf("%d effects, want 2", n)
		}
	})
}

func TestRepliesAndTheirAbsence(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		w := open(t, place)
		e := w.engine(w.order())
		at := func(id string, passes time.Duration, want string) {
			t.Helper()
			w.now = w.now.Add(passes)
			if got := where(work(t, e, id)); got != want {
				t.Fatalf("%s is at %s, want %s", id, got, want)
			}
		}
		begin(t.Context(), t, w, e, "r1", "order", nil)
		at("r1", 0, "running hold 0")
		at("r1", 0, "running hold 1 waiting")
		answer(t.Context(), t, w, e, "r1", "hold", nil, "no credit")
		at("r1", 0, "compensating hold 0")
		at("r1", 0, "compensating reserve 0")
		at("r1", 0, "compensated reserve 1")

		begin(t.Context(), t, w, e, "r2", "order", nil)
		at("r2", 0, "running hold 0")
		at("r2", 0, "running hold 1 waiting")
		at("r2", 9*time.Second, "running hold 1 waiting")
		at("r2", time.Second, "running hold 1") // no reply came in time
		answer(t.Context(), t, w, e, "r2", "hold", "late", "")
		at("r2", time.Second, "running place 0") // it counts, and nothing was asked again
		if n := count(t.Context(), t, w, `SELECT count(*) FROM told WHERE subject = 'r2'`); n != 1 {
			t.Errorf("%d events", n)
		}
		at("r2", 0, "running capture 0")
		at("r2", 0, "done capture 1")

		begin(t.Context(), t, w, e, "r3", "order", nil)
		at("r3", 0, "running hold 0")
		for _, want := range []string{"hold 1 waiting", "hold 1", "hold 2 waiting", "hold 2", "hold 3 waiting"} {
			at("r3", 10*time.Second, "running "+want)
		}
		at("r3", 10*time.Second, "compensating hold 0")
		answer(t.Context(), t, w, e, "r3", "hold", "much too late", "")
		at("r3", 0, "compensating reserve 0")
		at("r3", 0, "compensated reserve 1")

		begin(t.Context(), t, w, e, "r4", "order", nil) // and one that comes too late as a whole
		at("r4", 0, "running hold 0")
		at("r4", 10*time.Minute, "compensating hold 0")
		if s, err := e.Find(t.Context(), "r4"); err != nil || s.Reason != "hold: its deadline has passed" {
			t.Errorf("saga %+v, error %v", s, err)
		}
	})
}

// TestAReplyMayBeFasterThanItsQuestion has the other service answer before the
// step has noted that it waits.
func TestAReplyMayBeFasterThanItsQuestion(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		w := open(t, place)
		var e *Engine
		e = w.engine(w.steps(func(*Call) (any, error) {
			answer(t.Context(), t, w, e, "q1", "first", 17, "")
			return nil, ErrWait
		}, func(c *Call) (any, error) {
			var n int
			if done, err := c.Result("first", &n); !done || err != nil || n != 17 {
				return nil, fmt.Errorf("result %d, %t, %w", n, done, err)
			}
			var input struct{ Name string }
			if err := c.Input(&input); err != nil || input.Name != "x" {
				return nil, fmt.Errorf("input %+v, %w", input, err)
			}
			return nil, nil
		}, fine))
		begin(t.Context(), t, w, e, "q1", "three", map[string]string{"Name": "x"})
		for _, want := range []string{"running first 1 waiting", "running second 0", "running third 0", "done third 1"} {
			if s := work(t, e, "q1"); where(s) != want {
				t.Fatalf("at %s with %q, want %s", where(s), s.Error, want)
			}
		}
	})
}

// TestWhoWakesUpTooLateChangesNothing stops a worker within an action for
// longer than its claim.
func TestWhoWakesUpTooLateChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		w := open(t, place)
		stopped, wakes := make(chan struct{}), make(chan struct{})
		calls := 0
		e := w.engine(w.steps(func(c *Call) (any, error) {
			c.Emit(commerce.Event{ID: fmt.Sprint("call ", c.Token)})
			if calls++; calls == 1 {
				close(stopped)
				<-wakes
			}
			return c.Token, nil
		}, fine, fine))
		begin(t.Context(), t, w, e, "z1", "three", nil)
		ended := make(chan error, 1)
		go func() { // ends when it is woken
			_, err := e.Work(t.Context())
			ended <- err
		}()
		<-stopped
		if got := where(work(t, e, "z1")); got != "running first 1" { // it is claimed
			t.Fatalf("at %s", got)
		}
		w.now = w.now.Add(defaultTimeout + claimGrace)
		if got := where(work(t, e, "z1")); got != "running second 0" {
			t.Fatalf("at %s", got)
		}
		close(wakes)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if got := where(work(t, e, "z1")); got != "running third 0" {
			t.Fatalf("at %s", got)
		}
		ids, err := store.Collect(t.Context(), w.db.Read(), text, `SELECT id FROM told`)
		if diff := cmp.Diff([]string{"call 2"}, ids); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
}

func TestStoppingCostsNoAttempt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		w := open(t, place)
		ctx, stop := context.WithCancel(t.Context())
		first := true
		e := w.engine(Definition{Type: "one", Steps: []Step{{Name: "only", Action: func(ctx context.Context, _ *Call) (any, error) {
			if first {
				first = false
				stop()
				return nil, ctx.Err()
			}
			return nil, nil
		}}}})
		begin(t.Context(), t, w, e, "s1", "one", nil)
		if err := e.Run(ctx, 2); err != nil {
			t.Fatal(err)
		}
		if s, err := e.Find(t.Context(), "s1"); err != nil || where(s) != "running only 0" {
			t.Errorf("saga %+v, error %v", s, err)
		}
		ctx, stop = context.WithCancel(t.Context())
		defer stop()
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx, 2) }() // ends with ctx
		for {
			s, err := e.Find(t.Context(), "s1")
			if err != nil {
				t.Fatal(err)
			}
			if s.State == Done {
				break
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestSagasThatHaveEndedAreForgotten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		w := open(t, place)
		e := w.engine(w.steps(fine, fine, func(c *Call) (any, error) {
			if c.Saga == "stuck" {
				return nil, errAway
			}
			return nil, nil
		}))
		for _, id := range []string{"ends", "stuck"} {
			begin(t.Context(), t, w, e, id, "three", nil)
			for range 3 {
				work(t, e, id)
			}
		}
		stuck, err := e.Stuck(t.Context(), 1, 10)
		if err != nil || len(stuck) != 1 || stuck[0].ID != "stuck" || stuck[0].Error != errAway.Error() {
			t.Errorf("stuck %+v, error %v", stuck, err)
		}
		for _, before := range []time.Time{w.now, w.now.Add(time.Second)} {
			if more, err := e.Forget(t.Context(), before); more || err != nil {
				t.Errorf("more %t, error %v", more, err)
			}
		}
		if _, err := e.Find(t.Context(), "ends"); commerce.CodeOf(err) != commerce.NotFound {
			t.Errorf("error = %v", err)
		}
		if n := count(t.Context(), t, w, `SELECT count(*) FROM saga_step`); n != 2 { // of the one that goes on
			t.Errorf("%d steps are left", n)
		}
		newer := w.engine(Definition{Type: "three", Steps: []Step{{Name: "other", Action: func(context.Context, *Call) (any, error) { return nil, nil }}}})
		w.now = w.now.Add(time.Hour)
		if s := work(t, newer, "stuck"); !strings.Contains(s.Error, "this program knows no saga three with a step third") {
			t.Errorf("saga %+v", s)
		}
	})
}

func TestDefinitionsThatCannotWork(t *testing.T) {
	action := func(context.Context, *Call) (any, error) { return nil, nil }
	undo := func(context.Context, *Call) error { return nil }
	for _, tt := range []struct {
		steps []Step
		want  string
	}{
		{nil, "saga x: has no steps"},
		{[]Step{{Action: action}}, "step 0: has no name of its own"},
		{[]Step{{Name: "a", Action: action}, {Name: "a", Action: action}}, "step 1: has no name of its own"},
		{[]Step{{Name: "a"}}, "step a: has no action"},
		{[]Step{{Name: "a", Action: action, Pivot: true}, {Name: "b", Action: action, Pivot: true}}, "step b: is a second pivot"},
		{[]Step{{Name: "a", Action: action, Pivot: true}, {Name: "b", Action: action, Compensate: undo}}, "step b: is behind the pivot and never compensated"},
	} {
		if _, err := New(Config{}, Definition{Type: "x", Steps: tt.steps}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error = %v, want one with %q", err, tt.want)
		}
	}
	one := Definition{Type: "x", Steps: []Step{{Name: "a", Action: action}}}
	if _, err := New(Config{}, one, one); err == nil || err.Error() != "saga x: is there twice" {
		t.Errorf("error = %v", err)
	}
	e, err := New(Config{Clock: start}, one)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Start(t.Context(), nil, "1", "y", nil); err == nil || err.Error() != "there is no saga y" {
		t.Errorf("error = %v", err)
	}
	if _, err := e.Start(t.Context(), nil, "1", "x", json.RawMessage(`{`)); err == nil || !strings.Contains(err.Error(), "saga 1: input") {
		t.Errorf("error = %v", err)
	}
}

func TestAttemptsWithoutEndBecomeRarer(t *testing.T) {
	step := &Step{Retries: 2, RetryEvery: time.Minute}
	want := []time.Duration{1, 1, 1, 2, 4, 8, 16, 32, 60, 60}
	for i, minutes := range want {
		if got := pauseAfter(step, i+1); got != minutes*time.Minute {
			t.Errorf("after attempt %d a pause of %s, want %d minutes", i+1, got, minutes)
		}
	}
}
