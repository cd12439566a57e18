// Bench measures Crossdock end to end beside the floors below which no program
// can be, all in one run on one machine: ratios are what it is for, since the
// digits are the machine's. Each measurement is a process of its own, so that
// its peak memory is its own too.
//
//	go run -tags sqlite_fts5 ./cmd/bench -binary bin/crossdock
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	binary := flag.String("binary", "bin/crossdock", "the crossdock to measure")
	dir := flag.String("dir", filepath.Join(os.TempDir(), "crossdock-bench"), "folder for generated files and databases")
	products := flag.Int("products", 1_000_000, "products in the CSV file")
	sheetRows := flag.Int("sheet-rows", 200_000, "products in the XLSX file")
	rounds := flag.Int("rounds", 3, "how often everything is measured; the median is printed")
	only := flag.String("only", "", "measure only the steps whose names contain this, PostgreSQL for instance")
	step := flag.String("step", "", "one step of the bench, which it runs as a process of its own")
	flag.Parse()
	var err error
	switch *step {
	case "":
		err = bench(ctx, *binary, *dir, *only, *products, *sheetRows, *rounds)
	case "generate":
		_, err = generate(*dir, *products, *sheetRows)
	default:
		err = measureFloor(*step, flag.Arg(0), *dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		if errors.Is(err, errAbsent) {
			os.Exit(exitAbsent)
		}
		os.Exit(1)
	}
}

// A result is one thing measured once.
type result struct {
	rows    int64
	bytes   int64
	seconds float64
	peak    int64 // bytes
	note    string
}

func bench(ctx context.Context, binary, dir, only string, products, sheetRows, rounds int) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	files, err := generateApart(ctx, dir, products, sheetRows)
	if err != nil {
		return err
	}
	b := &runner{ctx: ctx, binary: binary, dir: dir, data: filepath.Join(dir, "data"), steps: steps(dir, files)}
	b.steps = slices.DeleteFunc(b.steps, func(s step) bool { return !strings.Contains(s.name, only) })
	stop, err := startServers(ctx)
	if err != nil {
		return err
	}
	for range rounds {
		if err := b.round(); err != nil {
			return errors.Join(err, stop())
		}
	}
	print(b.measures)
	return stop()
}

// A measure is a line of the table: the same step measured in every round.
type measure struct {
	step
	results []result
	ratios  []float64 // to the rate of step.of in the same round
}

// A runner measures everything once a round. A machine that is shared is now
// faster and now slower, so that a ratio is taken within a round, and the
// median of the rounds is what counts.
type runner struct {
	ctx               context.Context
	binary, dir, data string
	steps             []step
	measures          []*measure
	rates             map[string]float64 // rows/s of this round, by step
}

func (b *runner) round() error {
	b.rates = map[string]float64{}
	for _, s := range b.steps {
		r, err := b.measure(s)
		if errors.Is(err, errAbsent) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(os.Stderr, "bench: %s: %.2f s\n", s.name, r.seconds)
		b.note(s, r)
	}
	return nil
}

// errAbsent tells that this machine lacks what a floor needs, and exitAbsent is
// how the process of a step says so.
var errAbsent = errors.New("is not there")

const exitAbsent = 4

func (b *runner) measure(s step) (result, error) {
	if s.floor != "" {
		return runFloor(b.ctx, s.floor, s.file, b.dir)
	}
	if err := b.choose(s); err != nil {
		return result{}, err
	}
	if s.fresh {
		if err := os.RemoveAll(b.data); err != nil {
			return result{}, err
		}
	}
	for _, pipeline := range s.before {
		if _, err := runCrossdock(b.ctx, b.binary, b.data, pipeline, ""); err != nil {
			return result{}, err
		}
	}
	return runCrossdock(b.ctx, b.binary, b.data, s.pipeline, s.file)
}

func (b *runner) note(s step, r result) {
	i := slices.IndexFunc(b.measures, func(m *measure) bool { return m.name == s.name })
	if i < 0 {
		i = len(b.measures)
		b.measures = append(b.measures, &measure{step: s})
	}
	m := b.measures[i]
	m.results = append(m.results, r)
	b.rates[s.name] = rate(r)
	if of := b.rates[s.of]; of > 0 {
		m.ratios = append(m.ratios, rate(r)/of)
	}
}

func rate(r result) float64 { return float64(r.rows) / r.seconds }

// generateApart generates in a process of its own: Linux counts the memory of
// the process that starts another among the peak of the other.
func generateApart(ctx context.Context, dir string, products, sheetRows int) (generated, error) {
	self, err := os.Executable()
	if err != nil {
		return generated{}, err
	}
	cmd := exec.CommandContext(ctx, self, "-step", "generate", "-dir", dir,
		"-products", strconv.Itoa(products), "-sheet-rows", strconv.Itoa(sheetRows))
	cmd.Stderr = os.Stderr
	return filesIn(dir, products, sheetRows), cmd.Run()
}

func runFloor(ctx context.Context, kind, file, dir string) (result, error) {
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	cmd := exec.CommandContext(ctx, self, "-dir", dir, "-step", kind, file)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == exitAbsent {
		return result{}, errAbsent // what is, it has said itself
	}
	if err != nil {
		return result{}, err
	}
	var r result
	if _, err := fmt.Sscan(string(out), &r.rows, &r.seconds); err != nil {
		return result{}, err
	}
	r.peak = peak(cmd)
	if file != "" {
		r.bytes, err = size(file)
	}
	return r, err
}

// runCrossdock times a whole process, from its start to its end.
func runCrossdock(ctx context.Context, binary, data, pipeline, file string) (result, error) {
	cmd := exec.CommandContext(ctx, binary, "--data", data, "--json", "run", "--again", pipeline)
	cmd.Stderr = os.Stderr
	started := time.Now()
	out, err := cmd.Output()
	took := time.Since(started).Seconds()
	const finishedWithRejects = 3
	if err != nil && cmd.ProcessState.ExitCode() != finishedWithRejects {
		return result{}, fmt.Errorf("%w: %s", err, out)
	}
	var summary struct{ Read, Applied, Unchanged, Rejected, Skipped int64 }
	if err := json.Unmarshal(out, &summary); err != nil {
		return result{}, err
	}
	r := result{rows: summary.Read, seconds: took, peak: peak(cmd)}
	r.note = fmt.Sprintf("%d applied, %d unchanged, %d rejected", summary.Applied, summary.Unchanged, summary.Rejected)
	if file != "" {
		r.bytes, err = size(file)
	}
	return r, err
}

func peak(cmd *exec.Cmd) int64 {
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return usage.Maxrss << 10 // Linux counts KiB
}

func size(file string) (int64, error) {
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func print(measures []*measure) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "measure\trows\tseconds\trows/s\tMB/s\tpeak MiB\tratio: median, min to max\tbar\tof\tnote")
	for _, m := range measures {
		slices.SortFunc(m.results, func(a, b result) int { return cmp.Compare(a.seconds, b.seconds) })
		r := m.results[len(m.results)/2]
		ratio, bar := "", ""
		if len(m.ratios) > 0 {
			slices.Sort(m.ratios)
			ratio = fmt.Sprintf("%.2f, %.2f to %.2f", m.ratios[len(m.ratios)/2], m.ratios[0], m.ratios[len(m.ratios)-1])
		}
		if m.bar > 0 {
			bar = fmt.Sprintf("%.1f", m.bar)
		}
		fmt.Fprintf(w, "%s\t%d\t%.2f\t%.0f\t%.0f\t%d\t%s\t%s\t%s\t%s\n", m.name, r.rows, r.seconds, rate(r),
			float64(r.bytes)/1e6/r.seconds, r.peak>>20, ratio, bar, m.of, r.note)
	}
	_ = w.Flush()
}
