package expression

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"crossdock/schemas"
)

// A DateFormat is a way to write dates and times: DD.MM.YYYY HH:mm:ss. The
// zero value is ISO 8601.
type DateFormat struct {
	pattern string
	parts   []datePart
}

// A datePart is one token of a pattern, or the text between two.
type datePart struct {
	unit    byte // Y M D H m s, or 0 for text
	width   int  // digits; 0: one or two
	literal string
}

// NewDateFormat reads a pattern made of YYYY YY MM M DD D HH H mm ss and text.
// Year, month and day must be there, each once.
func NewDateFormat(pattern string) (DateFormat, error) {
	f := DateFormat{pattern: pattern}
	seen := map[byte]bool{}
	for rest := pattern; rest != ""; {
		part, n := nextDatePart(rest)
		if seen[part.unit] && part.unit != 0 {
			return DateFormat{}, fmt.Errorf("%s names %s twice", schemas.QuoteShort(pattern), rest[:n])
		}
		seen[part.unit] = true
		if last := len(f.parts) - 1; part.unit == 0 && last >= 0 && f.parts[last].unit == 0 {
			f.parts[last].literal += part.literal
		} else {
			f.parts = append(f.parts, part)
		}
		rest = rest[n:]
	}
	if !seen['Y'] || !seen['M'] || !seen['D'] {
		return DateFormat{}, fmt.Errorf("%s does not say where year, month and day stand; write it with YYYY, MM and DD, as in DD.MM.YYYY%s",
			schemas.QuoteShort(pattern), caseHint(pattern))
	}
	return f, nil
}

func nextDatePart(s string) (datePart, int) {
	for _, token := range []string{"YYYY", "YY", "MM", "DD", "HH", "mm", "ss"} {
		if strings.HasPrefix(s, token) {
			return datePart{unit: token[0], width: len(token)}, len(token)
		}
	}
	if s[0] == 'M' || s[0] == 'D' || s[0] == 'H' {
		return datePart{unit: s[0]}, 1
	}
	return datePart{literal: s[:1]}, 1
}

func caseHint(pattern string) string {
	if strings.Contains(pattern, "yy") || strings.Contains(pattern, "dd") {
		return "; capitals matter: MM is the month and mm the minute"
	}
	return ""
}

// String returns the pattern.
func (f DateFormat) String() string {
	if f.parts == nil {
		return "YYYY-MM-DD"
	}
	return f.pattern
}

// Time reads a moment; text that carries no offset of its own is of the zone.
// The error is a clause.
func (f DateFormat) Time(text string, zone *time.Location) (time.Time, error) {
	c, err := f.scan(text)
	if err != nil {
		return time.Time{}, err
	}
	return c.in(zone), nil
}

// Day reads a calendar day and returns its beginning in UTC. Where text
// carries a time with an offset, it is the day of that moment in the zone;
// without, the day as it is written.
func (f DateFormat) Day(text string, zone *time.Location) (time.Time, error) {
	c, err := f.scan(text)
	if err != nil {
		return time.Time{}, err
	}
	if c.zoned {
		year, month, day := c.in(zone).In(zone).Date()
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC), nil
	}
	return time.Date(c.year, time.Month(c.month), c.day, 0, 0, 0, 0, time.UTC), nil
}

// Format writes a moment as the zone's clocks show it.
func (f DateFormat) Format(t time.Time) string {
	if f.parts == nil {
		return t.Format(time.DateOnly)
	}
	var b []byte
	for _, part := range f.parts {
		n := 0
		switch part.unit {
		case 0:
			b = append(b, part.literal...)
			continue
		case 'Y':
			if n = t.Year(); part.width == 2 {
				n %= 100
			}
		case 'M':
			n = int(t.Month())
		case 'D':
			n = t.Day()
		case 'H':
			n = t.Hour()
		case 'm':
			n = t.Minute()
		case 's':
			n = t.Second()
		}
		b = fmt.Appendf(b, "%0*d", max(part.width, 1), n)
	}
	return string(b)
}

// A civil is a moment as a calendar and a clock on the wall show it.
type civil struct {
	year, month, day, hour, minute, second, nano int

	zoned  bool // offset is known
	offset int  // seconds east of UTC
}

func (c civil) in(zone *time.Location) time.Time {
	if c.zoned {
		t := time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, c.nano, time.UTC)
		return t.Add(-time.Duration(c.offset) * time.Second)
	}
	return time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, c.nano, zone)
}

// valid refuses what time.Date would silently carry over, such as 31 April.
func (c civil) valid() error {
	switch {
	case c.year < 1 || c.month < 1 || c.month > 12 || c.day < 1 || c.day > daysIn(c.year, c.month):
		return errors.New("is no day of the calendar")
	case c.hour > 23 || c.minute > 59 || c.second > 59:
		return errors.New("has a time beyond 23:59:59")
	}
	return nil
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

func (f DateFormat) scan(text string) (civil, error) {
	c, ok := civil{}, false
	if f.parts == nil {
		c, ok = scanISO(text)
	} else {
		c, ok = f.scanParts(text)
	}
	if !ok {
		return c, f.explain(text)
	}
	if err := c.valid(); err != nil {
		if strings.Trim(text, "0-./: T") == "" {
			return c, fmt.Errorf("%w; where zeros stand for no date, map them in values to nothing", err)
		}
		return c, err
	}
	return c, nil
}

func (f DateFormat) explain(text string) error {
	if strings.Trim(text, "0123456789") == "" && len(text) == 5 {
		return fmt.Errorf("is not a date written as %s, but looks like the day number of a spreadsheet", f)
	}
	return fmt.Errorf("is not a date written as %s", f)
}

func (f DateFormat) scanParts(text string) (civil, bool) {
	var c civil
	for i := range f.parts {
		part := &f.parts[i]
		if part.unit == 0 {
			rest, found := strings.CutPrefix(text, part.literal)
			if !found {
				return c, false
			}
			text = rest
			continue
		}
		n, size := number(text, part.width)
		if size == 0 {
			return c, false
		}
		text = text[size:]
		switch part.unit {
		case 'Y':
			if part.width == 2 {
				n = century(n)
			}
			c.year = n
		case 'M':
			c.month = n
		case 'D':
			c.day = n
		case 'H':
			c.hour = n
		case 'm':
			c.minute = n
		case 's':
			c.second = n
		}
	}
	return c, text == ""
}

// century completes a year of two digits as POSIX does: 69 to 99 are of the
// twentieth century.
func century(year int) int {
	if year < 69 {
		return 2000 + year
	}
	return 1900 + year
}

// number reads exactly width digits, or one or two where width is 0. A size
// of 0 tells that there are none.
func number(s string, width int) (n, size int) {
	most := width
	if width == 0 {
		most = 2
	}
	for size < most && size < len(s) && s[size] >= '0' && s[size] <= '9' {
		n = n*10 + int(s[size]-'0')
		size++
	}
	if size < width {
		return 0, 0
	}
	return n, size
}

// scanISO reads 2026-11-21 and 20261121, with a time behind T or a blank, a
// fraction of a second and an offset where there are any.
func scanISO(s string) (civil, bool) {
	var c civil
	var a, b, d int
	if c.year, a = number(s, 4); a == 0 {
		return c, false
	}
	s = s[4:]
	dashed := s != "" && s[0] == '-'
	if dashed {
		s = s[1:]
	}
	if c.month, b = number(s, 2); b == 0 {
		return c, false
	}
	s = s[2:]
	if dashed {
		if s == "" || s[0] != '-' {
			return c, false
		}
		s = s[1:]
	}
	if c.day, d = number(s, 2); d == 0 {
		return c, false
	}
	s = s[2:]
	if s == "" {
		return c, true
	}
	if s[0] != 'T' && s[0] != 't' && s[0] != ' ' {
		return c, false
	}
	ok := scanClock(s[1:], &c)
	return c, ok
}

func scanClock(s string, c *civil) bool {
	if len(s) < 5 || s[2] != ':' {
		return false
	}
	var h, m, n int
	c.hour, h = number(s, 2)
	c.minute, m = number(s[3:], 2)
	if h == 0 || m == 0 {
		return false
	}
	s = s[5:]
	if s != "" && s[0] == ':' {
		if c.second, n = number(s[1:], 2); n == 0 {
			return false
		}
		if s = s[3:]; s != "" && (s[0] == '.' || s[0] == ',') {
			s = scanFraction(s[1:], c)
		}
	}
	return scanOffset(strings.TrimPrefix(s, " "), c)
}

// scanFraction reads the digits of a fraction of a second; those beyond
// nanoseconds say nothing.
func scanFraction(s string, c *civil) string {
	unit := 100_000_000
	for s != "" && s[0] >= '0' && s[0] <= '9' {
		c.nano += int(s[0]-'0') * unit
		unit /= 10
		s = s[1:]
	}
	return s
}

func scanOffset(s string, c *civil) bool {
	switch {
	case s == "":
		return true
	case s == "Z" || s == "z":
		c.zoned = true
		return true
	case s[0] != '+' && s[0] != '-':
		return false
	}
	hours, h := number(s[1:], 2)
	if h == 0 {
		return false
	}
	minutes, m := 0, 0
	if rest := strings.TrimPrefix(s[3:], ":"); rest != "" {
		if minutes, m = number(rest, 2); m == 0 || len(rest) != 2 {
			return false
		}
	}
	c.zoned, c.offset = true, hours*3600+minutes*60
	if s[0] == '-' {
		c.offset = -c.offset
	}
	return hours < 24 && minutes < 60
}
