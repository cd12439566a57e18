package saga

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
)

// What may befall a step at some point.
const (
	nothing = iota
	fails
	isRefused
	stops // the process, until it is woken, which may be never
)

// A life is one worker's transition. Once it was stopped and woken nothing more
// befalls it.
type life struct {
	plan    []int // what befalls it at the points that it comes to
	stopped chan struct{}
	wakes   chan struct{}
	woken   bool
	ended   chan error
}

type lifeKey struct{}

// befall is the trouble of a world in which transitions have lives.
func befall(ctx context.Context, _ string) error {
	l, ok := ctx.Value(lifeKey{}).(*life)
	if !ok || l.woken || len(l.plan) == 0 {
		return nil
	}
	what := l.plan[0]
	l.plan = l.plan[1:]
	switch what {
	case fails:
		return errAway
	case isRefused:
		return Refuse(errors.New("no"))
	case stops:
		close(l.stopped)
		<-l.wakes
		l.woken = true
	}
	return nil
}

// A trial is one saga in a world of trouble.
type trial struct {
	r       *rapid.T
	t       *testing.T
	w       *world
	engines []*Engine // of several processes
	id      string
	asleep  []*life
	calm    bool
}

// live makes a transition, which may stop on the way.
func (x *trial) live() {
	l := &life{stopped: make(chan struct{}), wakes: make(chan struct{}), ended: make(chan error, 1)}
	if !x.calm {
		l.plan = rapid.SliceOfN(rapid.SampledFrom([]int{nothing, nothing, nothing, fails, isRefused, stops}), 0, 3).Draw(x.r, "plan")
	}
	e := x.engines[rapid.IntRange(0, len(x.engines)-1).Draw(x.r, "process")]
	go func() { // ends when it is woken, at the latest
		_, err := e.Work(context.WithValue(x.t.Context(), lifeKey{}, l))
		l.ended <- err
	}()
	select {
	case err := <-l.ended:
		if err != nil {
			x.r.Fatal(err)
		}
	case <-l.stopped:
		x.asleep = append(x.asleep, l)
	}
}

// wake wakes one of those that were stopped.
func (x *trial) wake() {
	if len(x.asleep) == 0 {
		return
	}
	l := x.asleep[0]
	x.asleep = x.asleep[1:]
	close(l.wakes)
	if err := <-l.ended; err != nil {
		x.r.Fatal(err)
	}
}

// credit answers what the step hold has asked, as a service that gets each
// event at least once.
func (x *trial) credit() {
	if count(x.t.Context(), x.r, x.w, `SELECT count(*) FROM told WHERE type = 'shop.credit.asked.v1' AND subject = ?`, x.id) == 0 {
		return
	}
	if !x.calm && rapid.IntRange(0, 3).Draw(x.r, "credit") == 0 {
		answer(x.t.Context(), x.r, x.w, x.engines[0], x.id, "hold", nil, "no credit")
		return
	}
	if err := x.w.do(x.t.Context(), x.id+"/hold"); errors.Is(err, errTakenBack) {
		answer(x.t.Context(), x.r, x.w, x.engines[0], x.id, "hold", nil, err.Error())
	} else if err != nil {
		x.r.Fatal(err)
	}
	answer(x.t.Context(), x.r, x.w, x.engines[0], x.id, "hold", "held", "")
}

func (x *trial) step() {
	switch rapid.IntRange(0, 5).Draw(x.r, "what") {
	case 0:
		x.w.now = x.w.now.Add(time.Duration(rapid.IntRange(1, 60).Draw(x.r, "seconds")) * time.Second)
	case 1:
		x.wake()
	case 2:
		x.credit()
	default:
		x.live()
	}
}

// settle lets the saga end in peace. Some who were stopped are still asleep.
func (x *trial) settle() Saga {
	x.calm = true
	for range 400 {
		x.live()
		x.credit()
		x.w.now = x.w.now.Add(20 * time.Second)
		s, err := x.engines[0].Find(x.t.Context(), x.id)
		if err != nil {
			x.r.Fatal(err)
		}
		if !s.Ended.IsZero() {
			return s
		}
	}
	x.r.Fatal("it does not end")
	return Saga{}
}

// holds looks at what is left of the saga: all of it, or nothing.
func holds(ctx context.Context, tb interface {
	Fatal(...any)
	Errorf(string, ...any)
}, w *world, s Saga,
) {
	done := 0
	if s.State == Done {
		done = 1
	}
	for what, query := range map[string]string{
		"orders":       `SELECT count(*) FROM placed WHERE saga = ?`,
		"order events": `SELECT count(*) FROM told WHERE type = 'shop.order.placed.v1' AND subject = ?`,
		"captures":     `SELECT count(*) FROM remote WHERE state = 'done' AND key = ? || '/capture'`,
		"reservations": `SELECT count(*) FROM remote WHERE state = 'done' AND key = ? || '/reserve'`,
		"holds":        `SELECT count(*) FROM remote WHERE state = 'done' AND key = ? || '/hold'`,
	} {
		if n := count(ctx, tb, w, query, s.ID); n != done {
			tb.Errorf("%s is %s, and there are %d %s, want %d", s.ID, s.State, n, what, done)
		}
	}
}

// TestWhateverFailsASagaIsDoneOrTakenBack lets workers of two processes fail,
// be refused, be stopped, and wake up when others have gone on, at any point of
// any step, and replies be late, doubled or refused.
func TestWhateverFailsASagaIsDoneOrTakenBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		w := open(t, place)
		w.trouble = befall
		other := open(t, place)
		x := &trial{t: t, w: w, engines: []*Engine{w.engine(w.order())}}
		second, err := New(Config{
			DB: other.db, Clock: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler), Emit: w.emit,
		}, w.order())
		if err != nil {
			t.Fatal(err)
		}
		x.engines = append(x.engines, second)
		ends := map[State]int{}
		n := 0
		rapid.Check(t, func(r *rapid.T) {
			n++
			x.r, x.id, x.calm, x.asleep = r, fmt.Sprint("c", n), false, nil
			begin(t.Context(), r, w, x.engines[0], x.id, "order", nil)
			for range rapid.IntRange(1, 25).Draw(r, "steps") {
				x.step()
			}
			s := x.settle()
			ends[s.State]++
			holds(t.Context(), r, w, s)
			for len(x.asleep) > 0 { // who wakes up now changes nothing
				x.wake()
			}
			holds(t.Context(), r, w, s)
		})
		t.Logf("%v", ends)
	})
}

// workUntilKilled, as the first argument, makes the test binary a process that
// carries sagas on until it is killed.
const workUntilKilled = "work-until-killed"

// workChild is killed at the point that the first argument says.
func workChild(args []string) {
	left, err := strconv.Atoi(args[0])
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	place := store.Place{Dir: args[1], URL: args[2], Prefix: args[3]}
	db, err := place.Open(ctx, "shop", os.DirFS("testdata"))
	if err != nil {
		panic(err)
	}
	begun, err := time.Parse(time.RFC3339, args[4])
	if err != nil {
		panic(err)
	}
	w := &world{db: db, now: begun}
	w.trouble = func(context.Context, string) error {
		if left--; left > 0 {
			return nil
		}
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		if err != nil {
			panic(err)
		}
		select {} // the signal is on its way
	}
	e := w.engine(w.order())
	for i := 0; ; i++ {
		if _, err := e.Work(ctx); err != nil {
			panic(err)
		}
		creditAll(ctx, w, e)
		if i > 500 {
			os.Exit(0) // there is nothing left to be killed at
		}
	}
}

// creditAll answers whatever was asked for.
func creditAll(ctx context.Context, w *world, e *Engine) {
	ids, err := store.Collect(ctx, w.db.Read(), text, `SELECT id FROM saga WHERE waiting = 1`)
	if err != nil {
		panic(err)
	}
	for _, id := range ids {
		refusal := ""
		if err := w.do(ctx, id+"/hold"); err != nil {
			refusal = err.Error()
		}
		err := w.db.Tx(ctx, func(tx *sql.Tx) error {
			if refusal != "" {
				return e.Refuse(ctx, tx, id, "hold", refusal)
			}
			return e.Reply(ctx, tx, id, "hold", "held")
		})
		if err != nil {
			panic(err)
		}
	}
}

func TestKilledProcessesLeaveNothingHalfDone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		w := open(t, place)
		e := w.engine(w.order())
		const sagas, kills = 12, 10
		for i := range sagas {
			begin(t.Context(), t, w, e, fmt.Sprint("k", i), "order", nil)
		}
		killed := 0
		for i := range kills {
			child := exec.Command(os.Args[0], workUntilKilled, strconv.Itoa(1+(i*5)%13), place.Dir, place.URL, place.Prefix, w.now.Format(time.RFC3339))
			child.Stderr = os.Stderr
			err := child.Run()
			if child.ProcessState == nil || err != nil && child.ProcessState.ExitCode() != -1 {
				t.Fatal(err)
			}
			if err != nil {
				killed++
			}
			w.now = w.now.Add(45 * time.Second) // its claims have run out
		}
		if killed == 0 {
			t.Error("no kill met anything")
		}
		ends := map[State]int{}
		for i := range sagas {
			id := fmt.Sprint("k", i)
			s, err := e.Find(t.Context(), id)
			for n := 0; err == nil && s.Ended.IsZero(); n++ {
				if n > 200 {
					t.Fatalf("%+v does not end", s)
				}
				s = work(t, e, id)
				creditAll(t.Context(), w, e)
				w.now = w.now.Add(5 * time.Second)
			}
			if err != nil {
				t.Fatal(err)
			}
			ends[s.State]++
			holds(t.Context(), t, w, s)
		}
		t.Logf("%d processes were killed, sagas are %v", killed, ends)
	})
}
