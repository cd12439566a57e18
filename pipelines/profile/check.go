package profile

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"crossdock/connectors"
	"crossdock/schemas"
)

// A Check is one thing that must be true of the rows of a run as a whole.
type Check struct {
	kind     string // row_count, null_rate, distinct, sum, minimum, maximum or freshness
	field    string // that it is of; of row_count read or passed
	moment   bool   // the values are dates or times
	min, max *big.Rat
	shown    map[string]string // the bounds as written
	history  bool              // they are shares of the median of earlier runs
	runs     int
	// Stop tells that a run in which it fails must not go on.
	Stop bool
}

// A Failure is a check that failed.
type Failure struct {
	Check   *Check
	Message string // the figure, the bound and what earlier runs had
}

func checkKinds() []string {
	return []string{"row_count", "null_rate", "distinct", "sum", "minimum", "maximum", "freshness"}
}

func checkKeys() []string { return []string{"min", "max", "against", "runs", "severity"} }

// historyRuns is how many earlier runs a check looks at where it does not say.
const (
	historyRuns    = 5
	maxHistoryRuns = 50
)

// Name returns the kind and the field, as a pipeline writes them.
func (c *Check) Name() string { return c.kind + " " + c.field }

// Field returns the field that the check is of.
func (c *Check) Field() string { return c.field }

// Watched returns the fields of which a profile has to look at every value.
func Watched(checks []*Check) []string {
	var fields []string
	for _, c := range checks {
		if c.kind != "row_count" && c.kind != "null_rate" {
			fields = append(fields, c.field)
		}
	}
	return fields
}

// CompileChecks reads the checks of a pipeline, but for those of the target.
func CompileChecks(e *schemas.Entity, mapped []schemas.Column, specs []any) ([]*Check, connectors.SettingErrors) {
	var checks []*Check
	var errs connectors.SettingErrors
	for i, values := range specs {
		s := &checkSpec{path: fmt.Sprintf("checks[%d]", i), check: &Check{Stop: true, runs: historyRuns, shown: map[string]string{}}}
		s.values, _ = values.(map[string]any)
		if _, other := s.values["referenced_by"]; other {
			continue // of the target, and not of the rows
		}
		s.compile(e, mapped)
		errs = append(errs, s.errs...)
		checks = append(checks, s.check)
	}
	return checks, errs
}

// A checkSpec is a check as it was declared.
type checkSpec struct {
	path   string
	values map[string]any
	check  *Check
	column schemas.Type
	errs   connectors.SettingErrors
}

const checkExample = "{ null_rate: gtin, max: 10% }"

func (s *checkSpec) fault(key, format string, args ...any) {
	path := s.path
	if key != "" {
		path += "." + key
	}
	s.errs = append(s.errs, &connectors.SettingError{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (s *checkSpec) compile(e *schemas.Entity, mapped []schemas.Column) {
	if !s.findKind() || !s.findField(e, mapped) {
		return
	}
	for key := range s.values {
		if key != s.check.kind && !slices.Contains(checkKeys(), key) {
			s.fault(key, "unknown key%s (there are %s)", schemas.DidYouMean(key, checkKeys()), strings.Join(checkKeys(), ", "))
		}
	}
	slices.SortFunc(s.errs, func(a, b *connectors.SettingError) int { return cmp.Compare(a.Path, b.Path) })
	if value, there := s.values["severity"]; there && value != "stop" && value != "warn" {
		s.fault("severity", "is %v, but must be stop or warn", value)
	}
	s.check.Stop = s.values["severity"] != "warn"
	s.history()
	s.check.min, s.check.max = s.bound("min"), s.bound("max")
	switch {
	case len(s.errs) > 0:
	case s.check.kind == "freshness" && (s.check.max == nil || s.check.min != nil || s.check.history):
		s.fault("", "freshness needs max alone, the age that the newest value may have, as in { freshness: as_of, max: 2h }")
	case s.check.min == nil && s.check.max == nil:
		s.fault("", "%s needs min, max or both, as in %s", s.check.kind, checkExample)
	case s.check.min != nil && s.check.max != nil && s.check.min.Cmp(s.check.max) > 0:
		s.fault("min", "%s is more than max, %s", s.check.shown["min"], s.check.shown["max"])
	}
}

func (s *checkSpec) findKind() bool {
	kinds := checkKinds()
	var found, others []string
	for key := range s.values {
		if slices.Contains(kinds, key) {
			found = append(found, key)
		} else if !slices.Contains(checkKeys(), key) {
			others = append(others, key)
		}
	}
	slices.Sort(found)
	slices.Sort(others)
	switch {
	case len(found) == 1:
		s.check.kind = found[0]
		return true
	case len(found) > 1:
		s.fault("", "holds the checks %s: write each as an item of its own", strings.Join(found, " and "))
	case len(others) > 0:
		s.fault("", "unknown check %s%s (there are %s)", others[0], schemas.DidYouMean(others[0], kinds), strings.Join(kinds, ", "))
	default:
		s.fault("", "must be a check and its bounds, as in %s (there are %s)", checkExample, strings.Join(kinds, ", "))
	}
	return false
}

// findField reads the field that the check is of.
func (s *checkSpec) findField(e *schemas.Entity, mapped []schemas.Column) bool {
	kind := s.check.kind
	s.check.field, _ = s.values[kind].(string)
	if kind == "row_count" {
		if words := []string{"read", "passed"}; !slices.Contains(words, s.check.field) {
			s.fault(kind, "must be read or passed: the rows that the source has, or those of them that no rule rejected%s",
				schemas.DidYouMean(s.check.field, words))
			return false
		}
		return true
	}
	if s.check.field == "" {
		s.fault(kind, "must name a field, as in %s", checkExample)
		return false
	}
	at := slices.IndexFunc(mapped, func(c schemas.Column) bool { return c.Name == s.check.field })
	if at < 0 {
		if _, err := e.Column(s.check.field); err != nil {
			s.fault(kind, "%s", err)
		} else {
			s.fault(kind, "%s is not mapped, so that the check has nothing to look at", s.check.field)
		}
		return false
	}
	s.column = mapped[at].Field.Type
	s.check.moment = s.column == schemas.Date || s.column == schemas.Timestamp
	switch {
	case kind == "freshness" && !s.check.moment:
		s.fault(kind, "is for a date or a time, but %s is of type %s", s.check.field, s.column)
	case kind == "sum" && !summable(s.column):
		s.fault(kind, "is for a number, but %s is of type %s", s.check.field, s.column)
	case (kind == "minimum" || kind == "maximum") && !summable(s.column) && !s.check.moment:
		s.fault(kind, "is for a number, a date or a time, but %s is of type %s", s.check.field, s.column)
	default:
		return true
	}
	return false
}

func (s *checkSpec) history() {
	if value, there := s.values["against"]; there {
		if value != "history" {
			s.fault("against", "is %v, but must be history: min and max are shares of what earlier runs had", value)
		}
		if s.check.moment && s.check.kind != "null_rate" && s.check.kind != "distinct" {
			s.fault("against", "is for figures: no share of a date or a time can be had")
		}
		s.check.history = true
	}
	value, there := s.values["runs"]
	if !there {
		return
	}
	n, err := strconv.Atoi(fmt.Sprint(value))
	switch {
	case err != nil || n < 1 || n > maxHistoryRuns:
		s.fault("runs", "must be a whole number from 1 to %d, not %v", maxHistoryRuns, value)
	case !s.check.history:
		s.fault("runs", "goes with against: history")
	}
	s.check.runs = n
}

// bound reads a bound of the check, nil where there is none.
func (s *checkSpec) bound(key string) *big.Rat {
	value, there := s.values[key]
	if !there {
		return nil
	}
	text := fmt.Sprint(value)
	s.check.shown[key] = text
	var bound *big.Rat
	want := "a number"
	switch {
	case s.check.kind == "freshness":
		bound, want = parseAge(text), "an age such as 90m, 2h or 3d"
	case s.check.history || s.check.kind == "null_rate":
		bound, want = parsePercent(text), "a share such as 10%"
	case s.check.moment && s.check.kind != "distinct":
		bound, want = parseMoment(text), "a date or a time such as 2026-11-21 or 2026-11-21T06:00:00Z"
	default:
		if d, err := schemas.ParseDecimal(text); err == nil {
			bound, _ = new(big.Rat).SetString(d.String())
		}
	}
	if bound == nil {
		s.fault(key, "is %s, but must be %s", schemas.QuoteShort(text), want)
	}
	return bound
}

func parsePercent(text string) *big.Rat {
	number, percent := strings.CutSuffix(text, "%")
	d, err := schemas.ParseDecimal(strings.TrimSpace(number))
	if err != nil || !percent || d.Sign() < 0 {
		return nil
	}
	r, ok := new(big.Rat).SetString(d.String())
	if !ok {
		return nil
	}
	return r.Quo(r, big.NewRat(100, 1))
}

// parseAge reads a duration, in which d is a day, as microseconds.
func parseAge(text string) *big.Rat {
	days, isDays := strings.CutSuffix(text, "d")
	if isDays {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return nil
		}
		return new(big.Rat).SetInt64((time.Duration(n) * 24 * time.Hour).Microseconds())
	}
	age, err := time.ParseDuration(text)
	if err != nil || age < 0 {
		return nil
	}
	return new(big.Rat).SetInt64(age.Microseconds())
}

// parseMoment reads a date or a time as microseconds since 1970.
func parseMoment(text string) *big.Rat {
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if at, err := time.Parse(layout, text); err == nil {
			return new(big.Rat).SetInt64(at.UnixMicro())
		}
	}
	return nil
}
