package pipelines

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crossdock/connectors"
	"crossdock/pipelines/profile"
	"crossdock/schemas"
)

// What runs tell of their sources; see package profile.
type (
	// A Profile is what the columns of a run held.
	Profile = profile.Profile
	// A ProfiledColumn is one of them.
	ProfiledColumn = profile.Column
	// A Tally counts the rows of a run for their score.
	Tally = profile.Tally
	// A Score says how good the rows of a run were.
	Score = profile.Score
	// A Drift is a column that is no longer what it was.
	Drift = profile.Drift
	// DriftLimits say how far a column may move before that is told.
	DriftLimits = profile.Limits
	// A Check must be true of the rows of a run as a whole.
	Check = profile.Check
	// A Failure is a check that failed.
	Failure = profile.Failure
)

// Record has the processor make a profile of the batches to come.
func (x *Processor) Record() {
	from := make([]int, len(x.mapped))
	for i := range from {
		from[i] = x.program.CopyOf(i)
	}
	x.record = profile.NewRecorder(x.columns, x.mapped, from, x.watch)
}

// Profile returns the profile of the batches processed so far, or nil where
// none is made.
func (x *Processor) Profile() *Profile {
	if x.record == nil {
		return nil
	}
	return x.discreet(x.record.Profile())
}

// Filled counts the mapped cells of the rows that passed, and those of them
// that have a value.
func (r *Result) Filled() (cells, filled int64) { return profile.Filled(r.Batch) }

// Percent writes a share as people do: 12.5%.
func Percent(share float64) string { return profile.Percent(share) }

// Compare compares a profile with those of earlier runs, the newest first.
func (p *Pipeline) Compare(now *Profile, earlier []*Profile) []Drift {
	return profile.Compare(now, earlier, p.Drift)
}

// Judge judges a run by the checks of the pipeline. Earlier are the profiles of
// earlier runs, the newest first; now is the clock of the run.
func (p *Pipeline) Judge(rows *Profile, earlier []*Profile, now time.Time) []Failure {
	return profile.Judge(p.Checks, rows, earlier, now)
}

// History returns how many earlier runs the checks of the pipeline look at.
func (p *Pipeline) History() int { return profile.HistoryOf(p.Checks) }

// StopsByCheck tells that a check may stop a run.
func (p *Pipeline) StopsByCheck() bool {
	return slices.ContainsFunc(p.Checks, func(c *Check) bool { return c.Stop })
}

func (p *Pipeline) parseChecks(registry *schemas.Registry) {
	d := p.doc
	value, there := d.root["checks"]
	specs, ok := value.([]any)
	if there && !ok {
		d.fault("checks", "must be a list, each item a check such as `- { null_rate: gtin, max: 10%% }`")
		return
	}
	p.parseReferenced(specs, registry)
	p.compileChecks()
}

// compileChecks reads the checks of what is mapped: of a mapping that the
// source completes only when it has.
func (p *Pipeline) compileChecks() {
	if p.Mapping.NeedsSource() {
		return
	}
	specs, _ := p.doc.root["checks"].([]any)
	var errs connectors.SettingErrors
	if p.Checks, errs = profile.CompileChecks(p.Entity, p.Mapping.Columns(), specs); len(errs) > 0 {
		p.doc.settingFaults("", errs)
	}
}

// parseDrift reads what counts as drift of a column: drift: { nulls: 10%,
// values: 20, runs: 5 }, or drift: off.
func (p *Pipeline) parseDrift() {
	d := p.doc
	p.Drift = profile.DefaultLimits()
	value, there := d.root["drift"]
	if !there {
		return
	}
	m, ok := value.(map[string]any)
	switch {
	case value == "off" || value == false:
		p.Drift = DriftLimits{}
		return
	case !ok:
		d.fault("drift", "must be off or limits, as in { nulls: 10%%, values: 20, runs: 5 }")
		return
	}
	keys := []string{"nulls", "values", "runs"}
	for _, key := range d.order["drift"] {
		path := "drift." + key
		switch key {
		case "nulls":
			share, err := parseShare(m[key])
			if err != nil {
				d.fault(path, "%s", err)
			}
			p.Drift.Nulls = share
		case "values":
			p.Drift.Values = d.whole(path, m[key], 0, profile.MaxTop)
		case "runs":
			p.Drift.Runs = d.whole(path, m[key], 1, maxDriftRuns)
		default:
			d.fault(path, "unknown key%s (there are %s)", schemas.DidYouMean(key, keys), strings.Join(keys, ", "))
		}
	}
}

// maxDriftRuns bounds how many earlier runs a run is compared with.
const maxDriftRuns = 50

// whole reads a whole number within bounds.
func (d *document) whole(path string, value any, least, most int) int {
	n, ok := value.(int64)
	if !ok || n < int64(least) || n > int64(most) {
		d.fault(path, "is %s, but must be a whole number from %d to %d", schemas.QuoteShort(fmt.Sprint(value)), least, most)
		return least
	}
	return int(n)
}
