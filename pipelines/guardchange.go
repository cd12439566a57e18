package pipelines

import (
	"fmt"
	"slices"
	"strings"

	"crossdock/schemas"
)

// A ChangeGuard says how far a number may move from what the target holds.
type ChangeGuard struct {
	Field    string
	Above    float64 // share of what the target holds: 0.3 is 30%
	Severity schemas.Severity
}

// parseFieldGuards is called when the entity and the mapping are known.
func (p *Pipeline) parseFieldGuards() {
	d := p.doc
	guard, _ := d.root["guard"].(map[string]any)
	if value, there := guard["newest"]; there && p.Mapping != nil {
		times := p.mapped(schemas.Date, schemas.Timestamp)
		if p.Guard.Newest, _ = value.(string); !slices.Contains(times, p.Guard.Newest) {
			d.fault("guard.newest", "must name a date or time that is mapped%s (%s)", schemas.DidYouMean(p.Guard.Newest, times), thereAre(times))
		}
	}
	value, there := guard["change"]
	if !there || p.Mapping == nil {
		return
	}
	items, ok := value.([]any)
	if !ok || len(items) == 0 {
		d.fault("guard.change", "must be a list, as in [{ field: amount, above: 30%% }]")
		return
	}
	for i := range items {
		p.parseChange(fmt.Sprintf("guard.change[%d]", i), items[i])
	}
}

func (p *Pipeline) parseChange(path string, item any) {
	d := p.doc
	m, ok := item.(map[string]any)
	if !ok {
		d.fault(path, "must be a mapping, as in { field: amount, above: 30%% }")
		return
	}
	known := []string{"field", "above", "severity"}
	for _, key := range d.order[path] {
		if !slices.Contains(known, key) {
			d.fault(path+"."+key, "unknown key%s (there are %s)", schemas.DidYouMean(key, known), strings.Join(known, ", "))
		}
	}
	c := ChangeGuard{Severity: schemas.Reject}
	c.Field, _ = m["field"].(string)
	numbers := p.mapped(schemas.Integer, schemas.DecimalType, schemas.Money, schemas.Quantity)
	if !slices.Contains(numbers, c.Field) {
		d.fault(path, "field must name a number that is mapped%s (%s)", schemas.DidYouMean(c.Field, numbers), thereAre(numbers))
	}
	text, percent := strings.CutSuffix(fmt.Sprint(m["above"]), "%")
	share, err := schemas.ParseDecimal(text)
	if err != nil || !percent || share < 0 {
		d.fault(path, "above must be a share of what the target holds, as in 30%%")
	}
	c.Above = share.Float() / 100
	if severity, there := m["severity"]; there {
		c.Severity = schemas.Severity(d.choice(path+".severity", severity, string(schemas.Reject), string(schemas.Warn)))
	}
	p.Guard.Changes = append(p.Guard.Changes, c)
}

// mapped returns the columns of these types that the mapping fills.
func (p *Pipeline) mapped(types ...schemas.Type) []string {
	var names []string
	for _, column := range p.Mapping.Columns() {
		if slices.Contains(types, column.Field.Type) {
			names = append(names, column.Name)
		}
	}
	return names
}

func thereAre(names []string) string {
	if len(names) == 0 {
		return "none is"
	}
	return "there are " + strings.Join(names, ", ")
}
