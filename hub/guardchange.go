package hub

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"crossdock/pipelines"
	"crossdock/schemas"
)

// changeRule is the name under which rows are rejected that move too far.
const changeRule = "change"

// guardChanges compares the numbers of a batch with what the target holds
// under the same keys, by one question for all of them, and rejects or warns
// of those that move too far.
func (x *execution) guardChanges(ctx context.Context, one *processed) error {
	guards := x.pipeline.Guard.Changes
	if len(guards) == 0 || one.compared || one.result.Batch.Count() == 0 {
		return nil
	}
	one.compared = true
	_, differences, err := x.target.Diff(ctx, one.result.Batch)
	if err != nil {
		return fmt.Errorf("compare rows %s with the target: %w", rowRange(one.batch), err)
	}
	var found []schemas.Rejection
	for _, d := range differences {
		for _, f := range d.Fields {
			if r, ok := judgeChange(guards, f); ok {
				r.Row = d.Row
				found = append(found, r)
			}
		}
	}
	one.result.Reject(found...)
	return nil
}

// judgeChange returns what the guards say of a field: the first that rejects,
// else the first that warns.
func judgeChange(guards []pipelines.ChangeGuard, f schemas.FieldDifference) (r schemas.Rejection, found bool) {
	for _, g := range guards {
		if f.Column != g.Field || f.Old == nil || f.New == nil || found && g.Severity == schemas.Warn {
			continue
		}
		message := moved(g, *f.Old, *f.New)
		if message == "" {
			continue
		}
		r = schemas.Rejection{Field: f.Column, Rule: changeRule, Severity: g.Severity, Value: schemas.Shorten(*f.New), Message: message}
		if found = true; g.Severity == schemas.Reject {
			break
		}
	}
	return r, found
}

// moved says how far a number has moved, where that is too far; else "".
func moved(g pipelines.ChangeGuard, old, now string) string {
	was, err := schemas.ParseDecimal(old)
	is, failed := schemas.ParseDecimal(now)
	if err != nil || failed != nil || was == is {
		return ""
	}
	by := "from nothing"
	if was != 0 {
		share := (is.Float() - was.Float()) / math.Abs(was.Float())
		if math.Abs(share) <= g.Above {
			return ""
		}
		by = strconv.FormatFloat(share*100, 'f', 1, 64) + "%"
		if share > 0 {
			by = "+" + by
		}
	}
	return fmt.Sprintf("moves from %s to %s (%s), more than %s allows", old, now, by, percent(g.Above))
}
