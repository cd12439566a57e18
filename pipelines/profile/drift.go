package profile

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"crossdock/schemas"
)

// Limits say how far a column may move from run to run before it is told.
type Limits struct {
	Nulls  float64 // share of rows by which the share of missing values may move
	Values int     // columns of at most so many values are watched for new and vanished ones
	Runs   int     // how many earlier runs are looked at
}

// DefaultLimits returns the limits of a pipeline that sets none.
func DefaultLimits() Limits { return Limits{Nulls: 0.10, Values: 20, Runs: 5} }

const (
	// minRows is how many rows a run needs to be compared: of fewer, a share
	// says nothing.
	minRows = 20
	// minVanished is how many earlier runs must have had a value for its
	// absence to count.
	minVanished = 2
	shownValues = 5
)

// A Drift is one column that is no longer what it was.
type Drift struct {
	Column  string `json:"column"`
	Kind    string `json:"kind"` // nulls, new_values or vanished_values
	Before  string `json:"before"`
	Now     string `json:"now"`
	Message string `json:"message"`
}

// Compare compares the columns of a source with those of earlier runs of the
// same pipeline. Columns that the source has gained or lost are not its matter.
func Compare(now *Profile, earlier []*Profile, limits Limits) []Drift {
	earlier = slices.DeleteFunc(slices.Clone(earlier), func(p *Profile) bool { return p.Rows < minRows })
	earlier = earlier[:min(len(earlier), limits.Runs)]
	if now.Rows < minRows || len(earlier) == 0 {
		return nil
	}
	var found []Drift
	for i := range now.Columns {
		c := &now.Columns[i]
		var before []*Column
		for _, p := range earlier {
			if b := Of(p.Columns, c.Name); b != nil {
				before = append(before, b)
			}
		}
		if len(before) > 0 {
			found = append(found, driftOfNulls(c, before, limits.Nulls)...)
			found = append(found, driftOfValues(c, before, limits.Values)...)
		}
	}
	return found
}

func driftOfNulls(c *Column, before []*Column, limit float64) []Drift {
	shares := make([]float64, len(before))
	for i, b := range before {
		shares[i] = b.NullShare()
	}
	was, is := median(shares), c.NullShare()
	if math.Abs(is-was) <= limit {
		return nil
	}
	d := Drift{Column: c.Name, Kind: "nulls", Before: Percent(was), Now: Percent(is)}
	d.Message = fmt.Sprintf("column %s: %s of its cells are empty, %s in the %s before", c.Name, d.Now, d.Before, runs(len(before)))
	return []Drift{d}
}

// driftOfValues finds values that no earlier run had, and values that all of
// them had, in columns of which all values are known.
func driftOfValues(c *Column, before []*Column, limit int) []Drift {
	seen := map[string]int{}
	for _, b := range before {
		if !b.All() || int(b.Distinct) > limit || 2*b.Distinct > b.Rows-b.Nulls {
			return nil // not a column of few values, which each row has one of
		}
		for _, v := range b.Top {
			seen[v.Text]++
		}
	}
	var fresh, gone []string
	known := map[string]bool{}
	for _, v := range c.Top {
		known[v.Text] = true
		if seen[v.Text] == 0 {
			fresh = append(fresh, v.Text)
		}
	}
	for text, n := range seen {
		if n == len(before) && !known[text] {
			gone = append(gone, text)
		}
	}
	slices.Sort(gone)
	var found []Drift
	if len(fresh) > 0 && len(seen) > 0 {
		d := Drift{Column: c.Name, Kind: "new_values", Before: quoted(keys(seen)), Now: quoted(fresh)}
		d.Message = fmt.Sprintf("column %s: holds %s, which %s", c.Name, d.Now, noneOf(len(before)))
		found = append(found, d)
	}
	if len(gone) > 0 && len(before) >= minVanished && c.All() {
		d := Drift{Column: c.Name, Kind: "vanished_values", Before: quoted(gone), Now: quoted(keys(known))}
		d.Message = fmt.Sprintf("column %s: no longer holds %s, which each of the %s before had", c.Name, d.Before, runs(len(before)))
		found = append(found, d)
	}
	return found
}

func keys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for key := range m {
		list = append(list, key)
	}
	slices.Sort(list)
	return list
}

// quoted lists the first values of many.
func quoted(values []string) string {
	shown := make([]string, 0, shownValues)
	for _, v := range values[:min(len(values), shownValues)] {
		shown = append(shown, schemas.QuoteShort(v))
	}
	text := strings.Join(shown, ", ")
	if more := len(values) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func runs(n int) string {
	if n == 1 {
		return "run"
	}
	return strconv.Itoa(n) + " runs"
}

func noneOf(n int) string {
	if n == 1 {
		return "the run before had not"
	}
	return "none of the " + runs(n) + " before had"
}

// Percent writes a share with at most one digit behind the point.
func Percent(share float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(share*100, 'f', 1, 64), ".0") + "%"
}

// median returns the middle of the values, or the mean of the two there.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
