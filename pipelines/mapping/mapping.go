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
	"errors"
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
		target, err := e.Column(a.Target)
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

// Columns returns the mapped columns of the entity, in the order of its
// fields and, within one, of their names.
func (m *Mapping) Columns() []schemas.Column {
	columns := make([]schemas.Column, len(m.forms))
	for i, f := range m.forms {
		columns[i] = f.target
	}
	return columns
}

// Bind fits the mapping to the header of its source, and to lookup tables that
// have been read. A program serves one run at a time.
func (m *Mapping) Bind(source []string, tables map[string]*Table) (*Program, connectors.SettingErrors) {
	b := &binder{source: source, tables: tables}
	p := &Program{entity: m.entity, columns: m.Columns(), source: slices.Clone(source)}
	for i, name := range source {
		b.variables = append(b.variables, expression.Variable{Name: strings.TrimSpace(name), Type: schemas.Text})
		if slices.Contains(p.header(source[:i]), strings.TrimSpace(name)) && name != "" {
			b.twice = append(b.twice, strings.TrimSpace(name))
		}
	}
	if m.filter != "" {
		program, err := expression.Compile(m.filter, b.variables, schemas.Boolean, b.lookup)
		if err != nil {
			b.faults.add("filter", "%s", b.explain(err))
		} else {
			b.checkLookups("filter", program)
			b.checkTwice("filter", program)
			p.filter = program
		}
	}
	for _, f := range m.forms {
		p.builders = append(p.builders, b.bind(f))
	}
	if len(b.faults) > 0 {
		return nil, connectors.SettingErrors(b.faults)
	}
	return p, nil
}

// faults collects what is wrong with a mapping.
type faults connectors.SettingErrors

func (fs *faults) add(path, format string, args ...any) {
	*fs = append(*fs, &connectors.SettingError{Path: path, Message: fmt.Sprintf(format, args...)})
}

// A binder fits forms to a source.
type binder struct {
	source    []string
	twice     []string // headers that stand more than once
	variables []expression.Variable
	tables    map[string]*Table
	faults    faults
}

func (b *binder) bind(f *form) *builder {
	c := &builder{form: f, first: -1}
	c.read, c.first = b.reader(f.from, f.from.path)
	if f.from.how == fromExpression {
		c.kind = b.resultKind(f)
	}
	c.typed = f.typer()
	if f.from.how == fromConstant && c.read != nil {
		// A constant is tried once, so that a bad one is an error of the
		// pipeline and not of every row.
		if message := c.tryConstant(); message != "" {
			b.faults.add(f.from.path, "%s %s", schemas.QuoteShort(f.from.text), message)
		}
	}
	if f.fallback != nil {
		if message := c.try(*f.fallback); message != "" {
			b.faults.add(f.path+".default", "%s %s", schemas.QuoteShort(*f.fallback), message)
		}
	}
	return c
}

// reader returns what yields the cells of a reference, and the first column of
// the source that it reads, or -1.
func (b *binder) reader(r *reference, path string) (reader, int) {
	switch r.how {
	case fromColumn:
		at := b.column(r.text, path)
		return &columnReader{column: at}, at
	case fromConstant:
		return &constantReader{text: r.text}, -1
	case fromExpression:
		program, err := expression.Compile(r.text, b.variables, "", b.lookup)
		if err != nil {
			b.faults.add(path, "%s", b.explain(err))
			return nil, -1
		}
		b.checkLookups(path, program)
		b.checkTwice(path, program)
		first := -1
		if uses := program.Uses(); len(uses) > 0 {
			first = uses[0]
		}
		return &expressionReader{program: program}, first
	case fromLookup:
		return b.lookupReader(r)
	}
	return nil, -1
}

func (b *binder) lookupReader(r *reference) (reader, int) {
	table := b.tables[r.text]
	if table == nil {
		b.faults.add(r.path, "the lookup table %s was not read", r.text)
		return nil, -1
	}
	l := &lookupReader{table: table, required: r.required}
	first := -1
	for _, key := range r.by {
		read, at := b.reader(key, key.path)
		l.keys = append(l.keys, read)
		if first < 0 {
			first = at
		}
	}
	b.checkTable(r.path, table, r.column, len(r.by))
	l.column = table.columnIndex(r.column)
	return l, first
}

// column returns the ordinal of a header.
func (b *binder) column(header, path string) int {
	header = strings.TrimSpace(header)
	if slices.Contains(b.twice, header) {
		b.faults.add(path, "the source has several columns named %s; name them apart", header)
		return -1
	}
	for i, v := range b.variables {
		if v.Name == header {
			return i
		}
	}
	b.faults.add(path, "the source has no column %s%s (it has: %s)", header,
		schemas.DidYouMean(header, b.names()), listed(b.names()))
	return -1
}

func (b *binder) names() []string {
	names := make([]string, len(b.variables))
	for i, v := range b.variables {
		names[i] = v.Name
	}
	return names
}

// listed joins names for a message, which a source of a thousand columns must
// not flood.
func listed(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// explain adds to an unknown column what columns there are.
func (b *binder) explain(err error) string {
	var e *expression.Error
	if errors.As(err, &e) && strings.HasPrefix(e.Message, "unknown column ") {
		return e.Message + " (the source has: " + listed(b.names()) + ")"
	}
	return err.Error()
}

func (b *binder) checkTwice(path string, program *expression.Program) {
	for _, use := range program.Uses() {
		if name := b.variables[use].Name; slices.Contains(b.twice, name) {
			b.faults.add(path, "the source has several columns named %s; name them apart", name)
		}
	}
}

func (b *binder) checkLookups(path string, program *expression.Program) {
	for _, use := range program.Lookups() {
		table := b.tables[use.Table]
		if table == nil {
			names := make([]string, 0, len(b.tables))
			for name := range b.tables {
				names = append(names, name)
			}
			b.faults.add(path, "there is no lookup table %s%s", use.Table, schemas.DidYouMean(use.Table, names))
			continue
		}
		b.checkTable(path, table, use.Column, use.Keys)
	}
}

func (b *binder) checkTable(path string, table *Table, column string, keys int) {
	if keys != len(table.keys) {
		b.faults.add(path, "the lookup table %s is found by %s, so that it needs %d values and not %d",
			table.name, strings.Join(table.keys, " and "), len(table.keys), keys)
	}
	if table.header != nil && table.columnIndex(column) < 0 {
		b.faults.add(path, "the lookup table %s has no column %s%s (it has: %s)", table.name, column,
			schemas.DidYouMean(column, table.header), listed(table.header))
	}
}

// lookup serves the function lookup of expressions.
func (b *binder) lookup(table, column string, keys []string) (string, bool, error) {
	t := b.tables[table]
	text, found := t.Get(t.columnIndex(column), keys)
	return text, found, nil
}

// resultKind returns how the text of an expression is to be read: what it
// computes is written as programs write it, whatever the cells look like.
func (b *binder) resultKind(f *form) connectors.Kind {
	reader, ok := f.boundReader(b)
	if !ok {
		return connectors.TextCell
	}
	result := reader.program.Result()
	switch f.target.Field.Type {
	case schemas.Integer, schemas.DecimalType, schemas.Money, schemas.Quantity:
		if result == schemas.Boolean || result == schemas.Timestamp || result == schemas.List {
			b.faults.add(f.from.path, "gives %s, and %s is a number", result, f.target.Name)
		}
	}
	return connectors.TextCell
}
