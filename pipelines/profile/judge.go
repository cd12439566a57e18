package profile

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Judge judges a run by all checks. Earlier are the profiles of earlier runs
// that came to their end, the newest first; now is the clock of the run.
func Judge(checks []*Check, p *Profile, earlier []*Profile, now time.Time) []Failure {
	var failed []Failure
	for _, c := range checks {
		if message := c.judge(p, earlier, now); message != "" {
			failed = append(failed, Failure{c, message})
		}
	}
	return failed
}

// HistoryOf returns how many earlier runs the checks look at.
func HistoryOf(checks []*Check) (runs int) {
	for _, c := range checks {
		if c.history {
			runs = max(runs, c.runs)
		}
	}
	return runs
}

// judge returns what is wrong, or "".
func (c *Check) judge(p *Profile, earlier []*Profile, now time.Time) string {
	if c.kind == "freshness" {
		return c.judgeAge(p, now)
	}
	figure := c.figure(p)
	if figure == nil {
		return fmt.Sprintf("%s: no row has a value", c.Name())
	}
	least, most, past := c.min, c.max, ""
	if c.history {
		var usual *big.Rat
		if usual, past = c.usual(earlier); usual == nil {
			return "" // there is nothing yet to compare it with
		}
		least, most = times(c.min, usual), times(c.max, usual)
	}
	switch {
	case least != nil && figure.Cmp(least) < 0:
		return fmt.Sprintf("%s is %s, less than %s", c.Name(), c.show(figure), c.showBound("min", least, past))
	case most != nil && figure.Cmp(most) > 0:
		return fmt.Sprintf("%s is %s, more than %s", c.Name(), c.show(figure), c.showBound("max", most, past))
	}
	return ""
}

func times(share, usual *big.Rat) *big.Rat {
	if share == nil {
		return nil
	}
	return new(big.Rat).Mul(share, usual)
}

// judgeAge compares the newest value with the clock.
func (c *Check) judgeAge(p *Profile, now time.Time) string {
	figure := c.figure(p)
	if figure == nil {
		return fmt.Sprintf("%s: no row has a value", c.Name())
	}
	age := new(big.Rat).SetInt64(now.UnixMicro())
	if age.Sub(age, figure).Cmp(c.max) <= 0 {
		return ""
	}
	micros := new(big.Int).Quo(age.Num(), age.Denom()).Int64()
	return fmt.Sprintf("%s: the newest is %s, %s old, and %s are allowed", c.Name(), c.show(figure), showAge(time.Duration(micros)*time.Microsecond), c.shown["max"])
}

// showAge writes a duration in its two largest units.
func showAge(age time.Duration) string {
	days := age / (24 * time.Hour)
	rest := age % (24 * time.Hour)
	switch {
	case days > 0 && rest >= time.Hour:
		return fmt.Sprintf("%dd%dh", days, rest/time.Hour)
	case days > 0:
		return fmt.Sprintf("%dd", days)
	}
	return strings.TrimSuffix(age.Truncate(time.Minute).String(), "0s")
}

// figure returns what the check looks at, and nil where there is none.
func (c *Check) figure(p *Profile) *big.Rat {
	switch {
	case c.kind == "row_count" && c.field == "read":
		return new(big.Rat).SetInt64(p.Rows)
	case c.kind == "row_count":
		return new(big.Rat).SetInt64(p.Passed)
	}
	f := Of(p.Fields, c.field)
	if f == nil || f.Rows == 0 {
		return nil
	}
	if c.kind == "null_rate" {
		return big.NewRat(f.Nulls, f.Rows)
	}
	if f.Looked < f.Rows-f.Nulls {
		return nil // of a run in which nothing depended on every value
	}
	switch c.kind {
	case "distinct":
		return new(big.Rat).SetInt64(f.Distinct)
	case "sum":
		return number(f.Sum, "0")
	case "minimum":
		return c.value(f.Min)
	}
	return c.value(f.Max)
}

func number(text, otherwise string) *big.Rat {
	if text == "" {
		text = otherwise
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	return r
}

func (c *Check) value(text string) *big.Rat {
	if c.moment {
		return parseMoment(text)
	}
	return number(text, "")
}

// usual returns the median of what earlier runs had, and words for it.
func (c *Check) usual(earlier []*Profile) (*big.Rat, string) {
	var had []*big.Rat
	for _, p := range earlier[:min(len(earlier), c.runs)] {
		if figure := c.figure(p); figure != nil {
			had = append(had, figure)
		}
	}
	if len(had) == 0 {
		return nil, ""
	}
	shown := make([]string, len(had))
	for i, figure := range had {
		shown[i] = c.show(figure)
	}
	slices.SortFunc(had, (*big.Rat).Cmp)
	middle := new(big.Rat).Add(had[(len(had)-1)/2], had[len(had)/2])
	middle.Quo(middle, big.NewRat(2, 1))
	if len(had) == 1 {
		return middle, "the " + shown[0] + " of the run before"
	}
	return middle, fmt.Sprintf("the %s that is the median of the last %d runs (%s)", c.show(middle), len(had), strings.Join(shown, ", "))
}

// show writes a figure as people do.
func (c *Check) show(figure *big.Rat) string {
	switch {
	case c.kind == "null_rate":
		return roundedPercent(figure)
	case c.moment && c.kind != "distinct":
		at := time.UnixMicro(new(big.Int).Quo(figure.Num(), figure.Denom()).Int64()).UTC()
		if at.Equal(at.Truncate(24 * time.Hour)) {
			return at.Format(time.DateOnly)
		}
		return at.Format(time.RFC3339)
	}
	text := figure.FloatString(6)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

func roundedPercent(share *big.Rat) string {
	f, _ := share.Float64()
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(f*100, 'f', 2, 64), "0"), ".") + "%"
}

// showBound writes a bound, and what it was made of.
func (c *Check) showBound(key string, bound *big.Rat, past string) string {
	if past == "" {
		return key + ": " + c.shown[key]
	}
	return fmt.Sprintf("%s, which is %s: %s of %s", c.show(bound), key, c.shown[key], past)
}
