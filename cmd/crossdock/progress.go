package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"crossdock/hub"
)

// progress shows how far a run has come: a bar on a terminal, else a line now
// and then. It goes to the error output, so that results stay clean.
type progress struct {
	name  string
	out   io.Writer
	clock func() time.Time
	quiet bool

	bars    *mpb.Progress // nil where the output is no terminal
	bar     *mpb.Bar
	last    atomic.Pointer[hub.Progress] // written by the run, read by the bar
	started time.Time
	printed time.Time
}

// plainInterval is how often a line is printed where there is no terminal.
const plainInterval = 10 * time.Second

func (a *app) newProgress(name string) *progress {
	now := a.clock()
	p := &progress{name: name, out: a.stderr, clock: a.clock, quiet: a.json, started: now, printed: now}
	file, ok := a.stderr.(*os.File)
	if !ok || a.json {
		return p
	}
	if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		p.bars = mpb.New(mpb.WithOutput(file), mpb.WithWidth(40), mpb.WithAutoRefresh())
	}
	return p
}

// update is called by the run after each batch.
func (p *progress) update(now hub.Progress) {
	p.last.Store(&now)
	if p.bars != nil {
		p.show(now)
		return
	}
	if at := p.clock(); !p.quiet && at.Sub(p.printed) >= plainInterval {
		p.printed = at
		share := ""
		if now.Size > 0 {
			share = fmt.Sprintf(" %d%%,", now.Done*100/now.Size)
		}
		fmt.Fprintf(p.out, "%s: %s,%s %s rows, %s rejected, %s rows/s\n", p.name, now.Phase, share,
			thousands(now.Read), thousands(now.Rejected), thousands(p.rate()))
	}
}

func (p *progress) show(now hub.Progress) {
	if p.bar == nil || p.bar.Completed() {
		p.bar = p.bars.AddBar(max(now.Size, 1), mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(p.name+" ")),
			mpb.AppendDecorators(
				decor.Percentage(decor.WC{W: 5}),
				decor.Any(func(decor.Statistics) string {
					last := p.last.Load()
					return fmt.Sprintf("  %s, %s rows, %s rejected, %s rows/s, ", last.Phase,
						thousands(last.Read), thousands(last.Rejected), thousands(p.rate()))
				}),
				decor.AverageETA(decor.ET_STYLE_GO), decor.Name(" left")))
	}
	p.bar.SetCurrent(min(now.Done, max(now.Size, 1)-1))
}

func (p *progress) rate() int64 {
	if took := p.clock().Sub(p.started).Seconds(); took > 0 {
		return int64(float64(p.last.Load().Read) / took)
	}
	return 0
}

// finish takes the bar away: the summary says the rest.
func (p *progress) finish() {
	if p.bars == nil {
		return
	}
	if p.bar != nil {
		p.bar.Abort(true)
	}
	p.bars.Wait()
}
