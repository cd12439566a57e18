package mapping

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"crossdock/connectors"
	"crossdock/pipelines/expression"
	"crossdock/schemas"
)

// Bind fits the mapping to the header of its source, and to lookup tables that
// have been read. The program serves one goroutine.
func (m *Mapping) Bind(source []string, tables map[string]*Table) (*Program, connectors.SettingErrors) {
	m, errs := m.Fit(source)
	if len(errs) > 0 {
		return nil, errs
	}
	b := &binder{tables: tables}
	p := &Program{entity: m.entity, columns: m.Columns(), source: slices.Clone(source)}
	for _, name := range source {
		name = strings.TrimSpace(name)
		if slices.Contains(b.names, name) {
			b.twice = append(b.twice, name)
		}
		b.names = append(b.names, name)
		b.variables = append(b.variables, expression.Variable{Name: name, Type: schemas.Text})
	}
	if m.filter != "" {
		p.filter = b.program(m.filter, "filter", schemas.Boolean)
	}
	for _, f := range m.forms {
		p.fillers = append(p.fillers, b.bind(f))
	}
	if len(b.faults) > 0 {
		return nil, connectors.SettingErrors(b.faults)
	}
	return p, nil
}

// A binder fits forms to a source.
type binder struct {
	names     []string // the header
	twice     []string // names that stand more than once in it
	variables []expression.Variable
	tables    map[string]*Table
	faults    faults
	reads     []int // columns of the source that the form being bound reads
}

func (b *binder) bind(f *form) *filler {
	c := &filler{form: f, typer: f.typer(), name: f.target.Name}
	b.reads = nil
	c.reader, c.first = b.reader(f, f.from)
	c.reads = b.reads
	return c
}

// reader returns what yields the cells of a reference, and the first column of
// the source that it reads, or -1.
func (b *binder) reader(f *form, r *reference) (reader, int) {
	switch r.how {
	case fromColumn:
		at := b.column(r.text, r.path)
		b.reads = append(b.reads, at)
		if len(r.others) == 0 {
			return columnReader(at), at
		}
		any := anyReader{at}
		for _, other := range r.others {
			any = append(any, b.column(other, r.path))
		}
		b.reads = append(b.reads, any...)
		return any, at
	case fromConstant:
		return constantReader(r.text), -1
	case fromExpression:
		program := b.program(r.text, r.path, "")
		if program == nil {
			return nil, -1
		}
		if wrong := misfit(program.Result(), f.target.Field.Type); wrong != "" && r == f.from {
			b.faults.add(r.path, "gives %s, and %s is of type %s%s", program.Result(), f.target.Name, f.target.Field.Type, wrong)
		}
		first := -1
		if uses := program.Uses(); len(uses) > 0 {
			first, b.reads = uses[0], append(b.reads, uses...)
		}
		return &expressionReader{program: program, first: first}, first
	case fromLookup:
	}
	return b.lookupReader(f, r)
}

func (b *binder) lookupReader(f *form, r *reference) (reader, int) {
	table := b.tables[r.text]
	if table == nil {
		b.faults.add(r.path, "the lookup table %s was not read", r.text)
		return nil, -1
	}
	b.checkTable(r.path, table, r.column, len(r.by))
	l := &lookupReader{table: table, column: table.column(r.column), required: f.required}
	first := -1
	for _, key := range r.by {
		reader, at := b.reader(f, key)
		l.keys = append(l.keys, reader)
		if first < 0 {
			first = at
		}
	}
	return l, first
}

// misfit returns a hint where an expression can never fill a field of the
// type, and "" where it may.
func misfit(result, field schemas.Type) string {
	if result == "" || result == schemas.Text {
		return "" // text is typed as a cell is
	}
	fits := false
	switch field {
	case schemas.Integer, schemas.DecimalType, schemas.Money, schemas.Quantity:
		fits = result == schemas.Integer || result == schemas.DecimalType
	case schemas.Boolean:
		fits = result == schemas.Boolean
	case schemas.Date, schemas.Timestamp:
		fits = result == schemas.Timestamp
	case schemas.List:
		fits = result == schemas.List
	case schemas.Text, schemas.Identifier, schemas.Enum, schemas.Reference, schemas.LocalisedText, schemas.JSON:
		fits = result != schemas.List || field == schemas.JSON
	}
	switch {
	case fits:
		return ""
	case result == schemas.List:
		return ": make one text of it with join(list, separator), or take an item with [0]"
	}
	return ": write text(…) around it to have it read as a cell is"
}

// program compiles an expression over the header, or returns nil.
func (b *binder) program(source, path string, wants schemas.Type) *expression.Program {
	program, err := expression.Compile(source, b.variables, wants, b.lookup)
	var e *expression.Error
	switch {
	case errors.As(err, &e) && strings.HasPrefix(e.Message, "unknown column "):
		b.faults.add(path, "%s (the source has: %s)", e.Message, listed(b.names))
		return nil
	case err != nil:
		b.faults.add(path, "%s", err)
		return nil
	}
	for _, use := range program.Uses() {
		b.checkTwice(b.names[use], path)
	}
	for _, use := range program.Lookups() {
		table := b.tables[use.Table]
		if table == nil {
			names := slices.Sorted(maps.Keys(b.tables))
			b.faults.add(path, "there is no lookup table %s%s", use.Table, schemas.DidYouMean(use.Table, names))
			continue
		}
		b.checkTable(path, table, use.Column, use.Keys)
	}
	return program
}

// lookup serves the function lookup of expressions, whose tables and columns
// program has checked.
func (b *binder) lookup(table, column string, keys []string) (string, bool, error) {
	t := b.tables[table]
	text, found := t.Get(t.column(column), keys)
	return text, found, nil
}

// column returns the place of a header in the source.
func (b *binder) column(header, path string) int {
	header = strings.TrimSpace(header)
	b.checkTwice(header, path)
	at := slices.Index(b.names, header)
	if at < 0 {
		b.faults.add(path, "the source has no column %s%s (it has: %s)", header,
			schemas.DidYouMean(header, b.names), listed(b.names))
	}
	return at
}

func (b *binder) checkTwice(name, path string) {
	if slices.Contains(b.twice, name) {
		b.faults.add(path, "the source has several columns named %s; give them names of their own there", name)
	}
}

func (b *binder) checkTable(path string, table *Table, column string, keys int) {
	if keys != len(table.keys) {
		b.faults.add(path, "the lookup table %s is found by %s, so that it needs %d values and not %d",
			table.name, strings.Join(table.keys, " and "), len(table.keys), keys)
	}
	if table.header != nil && table.column(column) < 0 {
		b.faults.add(path, "the lookup table %s has no column %s%s (it has: %s)", table.name, column,
			schemas.DidYouMean(column, table.header), listed(table.header))
	}
}

// listed joins names for a message, which a source of a thousand columns must
// not flood.
func listed(names []string) string {
	const most = 20
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
