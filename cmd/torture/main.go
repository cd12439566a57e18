// Torture breaks a real Crossdock on purpose, over and over, and holds what is
// left to what an undisturbed one has: every row of the target, every open
// error, every event and the accounting of every run. A seed chooses the
// moments, and is printed, so that a failure can be had again.
//
//	make torture
//	bin/torture -binary bin/crossdock -kills 200 -only run -seed 7
//	bin/torture -binary bin/crossdock -kills 200 -postgres postgres://postgres@localhost/postgres
//	make mutants
//
// Each scenario is a file: kills of a run (kill.go), of a server in the middle
// of an upload (upload.go), a source that changes under its reader
// (source.go), and disks that are full, turn read-only or lose power (disk.go).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	t := &torture{out: os.Stdout}
	flag.StringVar(&t.binary, "binary", "bin/crossdock", "the crossdock to torture")
	flag.IntVar(&t.kills, "kills", 200, "kills of a run, and as many of a server")
	flag.IntVar(&t.disks, "disks", 10, "disks that fill up, turn read-only, or lose power: as many of each")
	flag.IntVar(&t.products, "products", 40_000, "rows of the file that is loaded")
	flag.StringVar(&t.server, "postgres", "", "URL of a PostgreSQL on which to run the scenario run; its database crossdock_torture is dropped")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "chooses the moments")
	only := flag.String("only", "", "one scenario: "+strings.Join(names(), ", "))
	module := flag.String("mutants", "", "the folder of the module: build it with one mistake after another, each of which must be found")
	flag.Parse()
	if err := t.all(ctx, *seed, *only, *module); err != nil {
		fmt.Fprintln(os.Stderr, "torture: "+err.Error())
		os.Exit(1)
	}
}

// A torture is one session of breaking things.
type torture struct {
	binary                 string // crossdock
	server                 string // URL of a PostgreSQL that holds the data, "" where it lies in files
	kills, disks, products int
	out                    io.Writer

	dir      string // scratch
	random   *rand.Rand
	pipes    string // folder of the pipelines and their files
	want     state  // of an undisturbed load
	duration time.Duration
}

// A scenario is one way to break things. It returns what it did, for the
// report, and an error at the first difference.
type scenario struct {
	name string
	run  func(*torture, context.Context) (string, error)
}

func scenarios() []scenario {
	return []scenario{
		{"run", (*torture).killRuns},
		{"serve", (*torture).killServers},
		{"source", (*torture).changeSource},
		{"full", (*torture).fillDisks},
		{"readonly", (*torture).freezeDisks},
		{"power", (*torture).cutPower},
	}
}

func names() []string {
	var list []string
	for _, s := range scenarios() {
		list = append(list, s.name)
	}
	return list
}

// errUnable tells that this machine cannot stage a scenario.
var errUnable = errors.New("not possible here")

// all runs the scenarios and reports each in a line.
func (t *torture) all(ctx context.Context, seed uint64, only, module string) (err error) {
	if t.binary, err = filepath.Abs(t.binary); err != nil {
		return err
	}
	if t.dir, err = os.MkdirTemp("", "crossdock-torture-*"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(t.dir)) }()
	t.random = rand.New(rand.NewPCG(seed, seed))
	fmt.Fprintf(t.out, "seed %d\n", seed)
	if t.server != "" {
		only = "run" // the others look at files, and break their disk
	}
	if module != "" {
		return t.catchMutants(ctx, module)
	}
	if err := t.prepare(ctx); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "undisturbed: %d rows in the target, %d open errors, %s\n", t.want.size(), len(t.want.Errors), t.duration.Round(time.Millisecond))
	known := false
	for _, s := range scenarios() {
		if only != "" && only != s.name {
			continue
		}
		known = true
		started := time.Now()
		did, failed := s.run(t, ctx)
		switch {
		case errors.Is(failed, errUnable):
			fmt.Fprintf(t.out, "%-9s skipped: %s\n", s.name, failed)
			continue
		case failed != nil:
			return fmt.Errorf("%s, seed %d: %w", s.name, seed, failed)
		}
		fmt.Fprintf(t.out, "%-9s passed: %s (%s)\n", s.name, did, time.Since(started).Round(time.Second))
	}
	if !known {
		return fmt.Errorf("there is no scenario %q (there are %s)", only, strings.Join(names(), ", "))
	}
	return nil
}

// prepare writes the files and loads them undisturbed, once to know what is
// right and once to know how long it takes.
func (t *torture) prepare(ctx context.Context) error {
	t.pipes = filepath.Join(t.dir, "pipelines")
	if err := writeWorkload(t.pipes, t.products); err != nil {
		return err
	}
	data := filepath.Join(t.dir, "undisturbed")
	if err := t.fresh(ctx); err != nil {
		return err
	}
	started := time.Now()
	if err := t.complete(ctx, data); err != nil {
		return err
	}
	t.duration = time.Since(started)
	var err error
	t.want, err = t.readState(ctx, data)
	return err
}

// moment returns a random part of the time that an undisturbed load takes. The
// beginning is hit more often: what is done a second time is done faster.
func (t *torture) moment() time.Duration {
	return time.Duration(math.Pow(t.random.Float64(), 2) * float64(t.duration))
}
