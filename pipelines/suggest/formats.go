package suggest

import (
	"strings"
	"time"

	"crossdock/connectors"
	"crossdock/pipelines/expression"
	"crossdock/schemas"
)

// numbers says how the numbers of a column are written.
type numbers struct {
	share    float64 // of the cells that are numbers in the best format
	fraction float64 // of those that have digits behind the point
	format   string  // an example, or "" where programs write them so
	doubtful bool    // the sample may be read in two ways
	points   int     // texts that can only be read with a point, and
	commas   int     // with a comma
}

// examples are the ways in which numbers are written, the plainest first. A
// way that groups digits comes behind the one that does not: where grouping is
// allowed, 1.234 is read as a thousand.
func examples() []string {
	return []string{"1234.56", "1234,56", "1.234,56", "1,234.56", "1 234,56", "1'234.56"}
}

func findNumbers(p *profile) *numbers {
	n := &numbers{}
	if p.tested == 0 || p.letters > 0.5 {
		return n
	}
	for i, example := range examples() {
		format, err := expression.NewNumberFormat(example)
		if err != nil {
			panic(err) // they are examples, and a test reads them
		}
		if n.share == 1 {
			break
		}
		share, fraction := n.try(p, format)
		const gain = 0.001
		if share > n.share+gain {
			n.share, n.fraction, n.format = share, fraction, example
			if i == 0 {
				n.format = ""
			}
		}
	}
	if n.share > most {
		n.vote(p)
	}
	return n
}

// try returns the share of cells that are numbers in the format, and of those
// the share that have digits behind the point.
func (n *numbers) try(p *profile, format expression.NumberFormat) (share, fraction float64) {
	fit, split := 0, 0
	const trial = 20
	for i, v := range p.values {
		if i == trial && fit == 0 {
			return 0, 0
		}
		d, ok := format.Try(v.text)
		if v.kind == connectors.NumberCell {
			var err error
			d, err = schemas.ParseDecimal(v.text)
			ok = err == nil
		}
		if !ok || v.kind == connectors.DateCell {
			continue
		}
		fit += v.count
		if !d.IsInteger() || strings.HasSuffix(v.text, "00") && strings.ContainsAny(v.text, ".,") {
			split += v.count
		}
	}
	if fit == 0 {
		return 0, 0
	}
	return float64(fit) / float64(p.tested), float64(split) / float64(fit)
}

// vote counts the texts that show which sign is the decimal one.
func (n *numbers) vote(p *profile) {
	doubts := 0
	for _, v := range p.values {
		if v.kind != connectors.TextCell {
			continue
		}
		at := strings.LastIndexAny(v.text, ".,")
		if at < 0 {
			continue
		}
		grouped := len(v.text)-at-1 == 3 && strings.Trim(v.text[:at], "0-") != "" // 1.234
		both := strings.ContainsRune(v.text[:at], '.') || strings.ContainsRune(v.text[:at], ',')
		switch {
		case grouped && (!both || v.text[strings.IndexAny(v.text, ".,")] == v.text[at]):
			doubts++
		case v.text[at] == '.':
			n.points++
		default:
			n.commas++
		}
	}
	n.doubtful = doubts > 0 && n.points+n.commas == 0
}

// settle decides how numbers that may be read in two ways are written: as in
// the other columns of the table.
func (n *numbers) settle(comma bool) {
	if !n.doubtful {
		return
	}
	switch {
	case comma && n.format == "" || comma && n.format == "1234,56":
		n.format = "1.234,56"
	case !comma && n.format == "1234,56":
		n.format = "1,234.56"
	}
}

// dates says how the dates of a column are written.
type dates struct {
	share    float64
	pattern  string // "" for ISO 8601
	times    bool   // of day stand beside them
	doubtful bool   // day and month may have changed places
}

func patterns() []string {
	return []string{
		"", "DD.MM.YYYY", "DD/MM/YYYY", "MM/DD/YYYY", "DD-MM-YYYY", "YYYY/MM/DD", "D.M.YYYY", "D/M/YYYY", "M/D/YYYY",
		"DD.MM.YY", "DD/MM/YY", "YYYY.MM.DD",
	}
}

func findDates(p *profile) *dates {
	d := &dates{}
	kinds, dated := 0, 0
	for _, v := range p.values {
		if v.kind == connectors.DateCell {
			kinds += v.count
		}
		if dateLike(v.text) {
			dated += v.count
		}
	}
	if dated < p.tested/2 || dated == 0 {
		return d
	}
	if kinds*2 > p.tested {
		return &dates{share: float64(kinds) / float64(p.tested)}
	}
	for _, pattern := range patterns() {
		for _, clock := range []string{"", " HH:mm", " HH:mm:ss"} {
			if pattern == "" && clock != "" {
				continue
			}
			share := dateShare(p, pattern+clock)
			if share > d.share+0.001 {
				*d = dates{share: share, pattern: pattern + clock, times: clock != ""}
			}
		}
	}
	if swapped := swap(d.pattern); swapped != d.pattern && dateShare(p, swapped) >= d.share {
		d.doubtful = true
	}
	if d.pattern == "" {
		d.times = p.share("clock", func(text string) bool {
			return strings.Contains(text, ":") && !strings.Contains(text, "00:00:00")
		}) > 0
	}
	return d
}

// dateLike reports whether a text has the shape of a date: eight digits, or
// digits parted twice by the same sign.
func dateLike(text string) bool {
	if len(text) < 6 || len(text) > 35 || text[0] < '0' || text[0] > '9' {
		return false
	}
	at := strings.IndexAny(text, "-./")
	if at < 0 {
		return len(text) == 8
	}
	return strings.Count(text[:min(len(text), 10)], text[at:at+1]) == 2
}

// swap returns the pattern with day and month in each other's place.
func swap(pattern string) string {
	if strings.Contains(pattern, ".") || strings.HasPrefix(pattern, "Y") {
		return pattern // nobody writes the month first between points
	}
	return strings.NewReplacer("D", "M", "M", "D").Replace(pattern)
}

func dateShare(p *profile, pattern string) float64 {
	var format expression.DateFormat
	if pattern != "" {
		var err error
		if format, err = expression.NewDateFormat(pattern); err != nil {
			return 0
		}
	}
	fit := 0
	const first, last, never, trial = 1900, 2200, 9999, 5
	for i, v := range p.values {
		t, err := format.Time(v.text, time.UTC)
		if err == nil && (t.Year() >= first && t.Year() < last || t.Year() == never) {
			fit += v.count
		}
		if i == trial && fit == 0 {
			return 0
		}
	}
	return float64(fit) / float64(p.tested)
}
