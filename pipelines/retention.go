package pipelines

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"crossdock/schemas"
)

// Retention says how long the error queue keeps what needs nobody any more.
// Zero is for ever.
type Retention struct {
	Errors time.Duration // rows that were replayed, discarded or superseded, since then
	Noted  time.Duration // rows that drew warnings and went on
}

// The retention of pipelines that set none.
const (
	defaultErrorDays = 90
	defaultNotedDays = 30
)

func (p *Pipeline) parseRetention() {
	m := p.doc.section("retention", "{ errors: 90d, noted: 30d }", "errors", "noted")
	p.Retention = Retention{
		Errors: p.doc.days("retention.errors", m["errors"], defaultErrorDays),
		Noted:  p.doc.days("retention.noted", m["noted"], defaultNotedDays),
	}
}

// days reads an age such as 90d or 12h; "never" is 0.
func (d *document) days(path string, value any, unset int) time.Duration {
	const day = 24 * time.Hour
	if value == nil {
		return time.Duration(unset) * day
	}
	text := fmt.Sprint(value)
	if text == "never" {
		return 0
	}
	number, unit := text[:max(len(text)-1, 0)], day
	if strings.HasSuffix(text, "h") {
		unit = time.Hour
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > 36_500 || unit == day && !strings.HasSuffix(text, "d") {
		d.fault(path, "is %s, but must be an age such as 90d or 12h, or never", schemas.QuoteShort(text))
	}
	return time.Duration(n) * unit
}
