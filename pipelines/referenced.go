package pipelines

import (
	"fmt"
	"slices"
	"strings"

	"crossdock/pipelines/quality"
	"crossdock/schemas"
)

// A ReferencedBy is a check that every row of the entity that the target holds
// is pointed at by a row of another one: that every product has a price.
type ReferencedBy struct {
	By    *schemas.Entity
	Field string            // of By, by which its rows point
	Where map[string]string // rows of the entity that are meant; nil: all
}

// A Set holds many keys in bounded memory.
type Set = quality.Set

// NewSet returns an empty set that may move what it holds to a scratch file.
func NewSet(scratch func() (Scratch, error)) *Set { return quality.NewSet(scratch) }

const referencedExample = "{ referenced_by: price, field: sku, where: { status: active } }"

// parseReferenced reads the checks by which other entities must point at rows.
func (p *Pipeline) parseReferenced(specs []any, registry *schemas.Registry) {
	for i, spec := range specs {
		m, _ := spec.(map[string]any)
		if _, there := m["referenced_by"]; !there {
			continue
		}
		if r := p.referencedBy(fmt.Sprintf("checks[%d]", i), m, registry); r != nil {
			p.Referenced = append(p.Referenced, *r)
		}
	}
}

func (p *Pipeline) referencedBy(path string, m map[string]any, registry *schemas.Registry) *ReferencedBy {
	d := p.doc
	known := []string{"referenced_by", "field", "where", "severity"}
	for _, key := range d.order[path] {
		if !slices.Contains(known, key) {
			d.fault(path+"."+key, "unknown key%s (there are %s)", schemas.DidYouMean(key, known), strings.Join(known, ", "))
		}
	}
	name, _ := m["referenced_by"].(string)
	by, err := registry.Entity(name)
	if err != nil {
		d.fault(path+".referenced_by", "%s", err)
		return nil
	}
	if value, there := m["severity"]; there && value != "warn" {
		d.fault(path+".severity", "is %v, but must be warn: what the target lacks is known behind the run alone", value)
	}
	if key := p.Entity.Key(); len(key) != 1 {
		d.fault(path, "%s has a key of %d fields, which nothing can point at", p.Entity.Name, len(key))
		return nil
	}
	field := p.pointingField(path, m, by)
	if field == "" {
		return nil
	}
	return &ReferencedBy{By: by, Field: field, Where: p.where(path+".where", m["where"])}
}

// pointingField returns the field of an entity that points at rows of the
// pipeline's, or "".
func (p *Pipeline) pointingField(path string, m map[string]any, by *schemas.Entity) string {
	var fields []string
	for _, f := range by.Fields {
		if f.Type == schemas.Reference && f.Entity == p.Entity.Name {
			fields = append(fields, f.Name)
		}
	}
	field, named := m["field"].(string)
	switch {
	case len(fields) == 0:
		p.doc.fault(path+".referenced_by", "no field of %s points at %s", by.Name, p.Entity.Name)
	case slices.Contains(fields, field):
		return field
	case named || m["field"] != nil:
		p.doc.fault(path+".field", "must be a field of %s that points at %s%s (there are %s)", by.Name, p.Entity.Name,
			schemas.DidYouMean(field, fields), strings.Join(fields, ", "))
	case len(fields) == 1:
		return fields[0]
	default:
		p.doc.fault(path, "several fields of %s point at %s: say which by field (there are %s)", by.Name, p.Entity.Name, strings.Join(fields, ", "))
	}
	return ""
}

// where reads values that columns must have.
func (p *Pipeline) where(path string, value any) map[string]string {
	if value == nil {
		return nil
	}
	m, ok := value.(map[string]any)
	if !ok || len(m) == 0 {
		p.doc.fault(path, "must be columns and their values, as in %s", referencedExample)
		return nil
	}
	where := make(map[string]string, len(m))
	for _, name := range p.doc.order[path] {
		text, isText := m[name].(string)
		if n, isNumber := m[name].(int64); isNumber {
			text, isText = fmt.Sprint(n), true
		}
		if _, err := p.Entity.Column(name); err != nil {
			p.doc.fault(path+"."+name, "%s", err)
		} else if !isText {
			p.doc.fault(path+"."+name, "must be text or a number")
		}
		where[name] = text
	}
	return where
}
