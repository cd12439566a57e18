package mapping

import (
	"errors"
	"slices"
	"strings"

	"crossdock/connectors"
	"crossdock/pipelines/expression"
	"crossdock/schemas"
)

// star stands in the name of a target, and in the header that fills it, for
// any text.
const star = "*"

// column resolves the name of a target, which may be a pattern for the
// languages of a localised field or the members of an open one: name.*,
// attributes.cf_*.
func column(e *schemas.Entity, name string) (schemas.Column, error) {
	base, sub, _ := strings.Cut(name, ".")
	f := e.Field(base)
	if f == nil || strings.Count(sub, star) != 1 || f.Type != schemas.LocalisedText && !f.Open {
		return e.Column(name)
	}
	return schemas.Column{Name: name, Field: f, Sub: sub}, nil
}

func (f *form) isPattern() bool { return strings.Contains(f.target.Sub, star) }

// parseHeaders reads a list of headers, of which the first counts that holds
// something.
func (f *form) parseHeaders(path string, list []any, faults *faults) *reference {
	r := &reference{how: fromColumn, path: path}
	for i, item := range list {
		header, ok := item.(string)
		switch {
		case !ok || strings.TrimSpace(header) == "":
			faults.add(path, "holds %v, but must list headers, the first of which counts that holds something", item)
			return nil
		case i == 0:
			r.text = header
		default:
			r.others = append(r.others, header)
		}
	}
	if len(list) == 0 {
		faults.add(path, "is an empty list: write the headers of columns, the first of which counts that holds something")
		return nil
	}
	if f.isPattern() && len(list) > 1 {
		faults.add(path, "lists headers for %s, which takes one pattern", f.target.Name)
		return nil
	}
	return r
}

// checkPattern reports a pattern that can stand for nothing.
func (f *form) checkPattern(faults *faults) {
	if f.isPattern() && (f.from.how != fromColumn || strings.Count(f.from.text, star) != 1) {
		faults.add(f.path, "is a pattern, and needs a header with one * in it, as in attributes.*: 'attribute-*'")
	}
}

// NeedsSource reports whether only the header of the source tells which
// columns are mapped.
func (m *Mapping) NeedsSource() bool {
	return !m.fits && slices.ContainsFunc(m.forms, func(f *form) bool {
		return f.isPattern() || f.optional || f.from.how == fromColumn && len(f.from.others) > 0
	})
}

// Fit returns the mapping for a source with the header given: patterns become
// the columns that they stand for, and what is optional and not there is left
// out. A mapping that needs no source fits as it is.
func (m *Mapping) Fit(source []string) (*Mapping, connectors.SettingErrors) {
	if !m.NeedsSource() {
		return m, nil
	}
	headers := make([]string, len(source))
	for i, name := range source {
		headers[i] = strings.TrimSpace(name)
	}
	fitted := &Mapping{entity: m.entity, filter: m.filter, tables: m.tables, fits: true}
	var faults faults
	taken := map[string]bool{} // what is mapped by name stands before patterns
	for _, f := range m.forms {
		taken[f.target.Name] = true
	}
	for _, f := range m.forms {
		switch {
		case f.isPattern():
			fitted.forms = append(fitted.forms, m.expand(f, headers, taken, &faults)...)
		case f.optional && f.from.how == fromExpression && !computable(f.from.text, headers):
		case f.from.how == fromColumn:
			if one := f.present(headers); one != nil {
				fitted.forms = append(fitted.forms, one)
			}
		default:
			fitted.forms = append(fitted.forms, f)
		}
	}
	if len(faults) > 0 {
		return nil, connectors.SettingErrors(faults)
	}
	fitted.sort()
	return fitted, nil
}

// present returns the form with those of its columns that the source has, the
// form itself where it has none, for the binder to say so, and nil where that
// does not matter.
func (f *form) present(headers []string) *form {
	var there []string
	for _, header := range append([]string{f.from.text}, f.from.others...) {
		if slices.Contains(headers, strings.TrimSpace(header)) {
			there = append(there, header)
		}
	}
	one := *f
	from := *f.from
	one.from = &from
	switch {
	case len(there) > 0:
		from.text, from.others = there[0], there[1:]
	case f.optional:
		return nil
	}
	return &one
}

// expand returns a form for each column that a pattern stands for.
func (m *Mapping) expand(f *form, headers []string, taken map[string]bool, faults *faults) []*form {
	before, after, _ := strings.Cut(strings.TrimSpace(f.from.text), star)
	var list []*form
	found := false
	for _, header := range headers {
		part, starts := strings.CutPrefix(header, before)
		part, ends := strings.CutSuffix(part, after)
		if !starts || !ends || part == "" || len(header) < len(before)+len(after) {
			continue
		}
		found = true
		name := strings.Replace(f.target.Name, star, part, 1)
		if taken[name] {
			continue
		}
		target, err := m.entity.Column(name)
		if err != nil {
			faults.add(f.path, "stands for the column %s: %s", schemas.QuoteShort(header), err)
			continue
		}
		one := *f
		one.target, one.from = target, &reference{how: fromColumn, path: f.from.path, text: header}
		taken[name] = true
		list = append(list, &one)
	}
	if !found && !f.optional {
		faults.add(f.path, "the source has no column like %s (it has: %s); where it may have none, write { column: '%s', optional: true }",
			f.from.text, listed(headers), f.from.text)
	}
	return list
}

// computable reports whether the source has all columns that an expression uses.
func computable(source string, headers []string) bool {
	variables := make([]expression.Variable, len(headers))
	for i, name := range headers {
		variables[i] = expression.Variable{Name: name, Type: schemas.Text}
	}
	_, err := expression.Compile(source, variables, "", func(string, string, []string) (string, bool, error) { return "", false, nil })
	var e *expression.Error
	return !errors.As(err, &e) || !strings.HasPrefix(e.Message, "unknown column ")
}
