package pipelines

import (
	"fmt"
	"slices"
	"strings"

	"crossdock/schemas"
)

// What a guard does where it finds that something is wrong with a source as a
// whole.
const (
	GuardStop   = "stop"   // the run is held until a person approves it
	GuardWarn   = "warn"   // the run goes on, and says so
	GuardIgnore = "ignore" // nothing
)

// A Guard says when a source looks so unlike itself that a run must not go on
// without a person.
type Guard struct {
	Header  string  // what to do when the source has other columns than before; "": stop, where a source has a header
	MinRows float64 // share of the rows that runs had before, below which a run is held; 0: none
	Newest  string  // a date or time whose newest value must not be older than in the run before; "": none
	Changes []ChangeGuard
}

func (p *Pipeline) parseGuard() {
	p.Guard = Guard{}
	m := p.doc.section("guard", "{ header: stop, min_rows: 50% }", "header", "min_rows", "newest", "change", "max_loss")
	if value, there := m["header"]; there {
		p.Guard.Header = p.doc.choice("guard.header", value, GuardStop, GuardWarn, GuardIgnore)
	}
	p.Guard.MinRows = p.doc.share("guard.min_rows", m["min_rows"])
}

// section returns the mapping that stands under a key of the file, and faults
// what it does not know of it.
func (d *document) section(key, example string, known ...string) map[string]any {
	value, there := d.root[key]
	m, ok := value.(map[string]any)
	if there && !ok {
		d.fault(key, "must be a mapping, as in %s", example)
	}
	for _, name := range d.order[key] {
		if !slices.Contains(known, name) {
			d.fault(key+"."+name, "unknown key%s (there are %s)", schemas.DidYouMean(name, known), strings.Join(known, ", "))
		}
	}
	return m
}

// choice reads one of a few words.
func (d *document) choice(path string, value any, words ...string) string {
	text, ok := value.(string)
	if !ok || !slices.Contains(words, text) {
		text = fmt.Sprint(value)
		d.fault(path, "is %s, but must be %s%s", schemas.QuoteShort(text), oneOf(words), schemas.DidYouMean(text, words))
	}
	return text
}

func oneOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// share reads a share such as 20%, and 0 where none is given.
func (d *document) share(path string, value any) float64 {
	if value == nil {
		return 0
	}
	share, err := parseShare(value)
	if err != nil {
		d.fault(path, "%s", err)
	}
	return share
}
