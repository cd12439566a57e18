// Package mapping turns rows as read into the typed columns of an entity.
//
//	Assignments ──Compile──> Mapping ──Bind(header)──> Program ──Map(batch)──> rows, findings, skipped
//
// Compile checks what can be said without the source, Bind what needs its
// header, so that a mistake in a pipeline shows before the first row. Map works
// column by column over whole batches: text that passes unchanged is not
// copied, and a cell that cannot be typed becomes a finding, never a zero.
//
// The forms of the right-hand side are described in docs/pipelines.md.
package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"crossdock/connectors"
	"crossdock/pipelines/expression"
	"crossdock/schemas"
)

// An Assignment says where one column of the entity comes from.
type Assignment struct {
	Target string // the column: sku, name.de, attributes.colour
	From   any    // as decoded from YAML: a header, or one of the forms as map[string]any
}

// A Mapping is what a pipeline says about its columns. It knows no source yet.
type Mapping struct {
	entity *schemas.Entity
	filter string
	forms  []*form
	tables []string
	fits   bool // a source, whose columns its patterns have become
}

// Compile reads the assignments of a pipeline. Errors have paths relative to
// the pipeline: map.status.otherwise.
func Compile(e *schemas.Entity, filter string, assignments []Assignment, tables []string) (*Mapping, connectors.SettingErrors) {
	m := &Mapping{entity: e, filter: filter, tables: tables}
	var faults faults
	if filter != "" {
		if err := expression.Check(filter); err != nil {
			faults.add("filter", "%s", err)
		}
	}
	seen := map[string]bool{}
	for _, a := range assignments {
		path := "map." + a.Target
		target, err := column(e, a.Target)
		switch {
		case err != nil:
			faults.add(path, "%s", err)
			continue
		case seen[a.Target]:
			faults.add(path, "is mapped twice")
			continue
		}
		seen[a.Target] = true
		if f := parseForm(target, path, a.From, tables, &faults); f != nil {
			f.checkPattern(&faults)
			f.tryLiterals(&faults)
			m.forms = append(m.forms, f)
		}
	}
	if len(faults) > 0 {
		return nil, connectors.SettingErrors(faults)
	}
	m.sort()
	return m, nil
}

// sort orders the columns as the entity declares its fields, so that equal
// pipelines give equal batches whatever the order of their lines.
func (m *Mapping) sort() {
	place := map[*schemas.Field]int{}
	for i := range m.entity.Fields {
		place[&m.entity.Fields[i]] = i
	}
	slices.SortFunc(m.forms, func(a, b *form) int {
		return cmp.Or(cmp.Compare(place[a.target.Field], place[b.target.Field]), cmp.Compare(a.target.Name, b.target.Name))
	})
}

// KeepEmpty makes empty cells keep what the target has, where a form does not
// say what they do.
func (m *Mapping) KeepEmpty() {
	for _, f := range m.forms {
		f.keep = f.keep || !f.emptySaid
	}
}

// Columns returns the mapped columns of the entity, in the order of its
// fields and, within one, of their names. Those that a pattern stands for are
// known only of a mapping that fits a source: see Fit.
func (m *Mapping) Columns() []schemas.Column {
	columns := make([]schemas.Column, 0, len(m.forms))
	for _, f := range m.forms {
		if !f.isPattern() {
			columns = append(columns, f.target)
		}
	}
	return columns
}

// faults collects what is wrong with a mapping.
type faults connectors.SettingErrors

func (fs *faults) add(path, format string, args ...any) {
	*fs = append(*fs, &connectors.SettingError{Path: path, Message: fmt.Sprintf(format, args...)})
}

// Constants returns the columns of text that hold the same in every row, and what.
func (m *Mapping) Constants() map[string]string {
	constants := map[string]string{}
	for _, f := range m.forms {
		switch f.target.Field.Type {
		case schemas.Text, schemas.Identifier, schemas.Enum, schemas.Reference, schemas.LocalisedText, schemas.JSON:
			if text := strings.TrimSpace(f.from.text); f.from.how == fromConstant && f.values == nil && text != "" {
				constants[f.target.Name] = text
			}
		default: // are written in several ways
		}
	}
	return constants
}
