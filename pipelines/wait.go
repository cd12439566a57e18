package pipelines

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"crossdock/schemas"
)

// Wait says which rows wait for what they refer to, in place of being errors.
type Wait struct {
	Until time.Duration // how long, 0: none
	For   []string      // entities that are waited for; none: any
}

// Of reports whether rows wait for rows of the entity.
func (w Wait) Of(entity string) bool {
	return w.Until > 0 && entity != "" && (len(w.For) == 0 || slices.Contains(w.For, entity))
}

// longestWait bounds a wait: what has not come in a year is an error.
const longestWait = 366 * 24 * time.Hour

// parseWait is called when the entity is known.
func (p *Pipeline) parseWait(registry *schemas.Registry) {
	d := p.doc
	m := d.section("wait", "{ until: 72h }", "until", "for")
	if m == nil {
		return
	}
	text, _ := m["until"].(string)
	until, ok := parseWhile(text)
	if !ok || until <= 0 || until > longestWait {
		at := "wait.until"
		if m["until"] == nil {
			at = "wait"
		}
		d.fault(at, "until must say how long rows wait, as in 72h or 3d, at most a year")
	}
	p.Wait.Until = until
	if m["for"] == nil {
		return
	}
	if p.Wait.For, ok = texts(m["for"]); !ok || len(p.Wait.For) == 0 {
		d.fault("wait.for", "must list entities, as in [product]")
		return
	}
	for _, name := range p.Wait.For {
		if _, err := registry.Entity(name); err != nil {
			d.fault("wait.for", "%s", err)
		} else if p.Entity != nil && !slices.ContainsFunc(p.Entity.Fields, func(f schemas.Field) bool { return f.Entity == name }) {
			d.fault("wait.for", "%s has no field that refers to %s", p.Entity.Name, name)
		}
	}
}

// parseWhile reads 72h, 90m or 3d.
func parseWhile(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err == nil
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}
