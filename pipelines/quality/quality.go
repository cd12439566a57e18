// Package quality is the rules: what must be true of the rows of an entity,
// and what is said of a row that breaks one. It is pure but for [References],
// which its caller answers.
//
//	entity + YAML ──Compile──> Rules ──Start──> Check ──Batch──> findings ──Accept──> batch
//
// Rules hold no state and serve any number of runs; a [Check] is the state of
// one run. Rules go by column: each looks at all rows of a batch before the
// next one does. The kinds of rules are listed in kinds.go; the language is
// described in docs/pipelines.md.
//
// Three principles hold for all kinds:
//
//   - Null passes every rule but required, and so does a field that the source
//     did not send: whether a row may lack it is known when it is created.
//   - A row that deletes is judged by its key alone, since the rest of it is
//     not going to be written.
//   - A row that is rejected takes part in nothing: it is no first of two
//     duplicates, and no reference finds it.
package quality

import (
	"fmt"
	"slices"

	"crossdock/connectors"
	"crossdock/schemas"
)

// Rules are all that must be true of the rows of one pipeline.
type Rules struct {
	entity  *schemas.Entity
	columns []schemas.Column // as mapped
	rules   []*rule          // in the order of Describe
}

// A rule is one rule over certain columns.
type rule struct {
	Description
	columns []int // it looks at, as positions in Rules.columns

	// deletions tells that it looks at rows that delete as well.
	deletions bool

	// Exactly one of these says how it judges.
	start     func() judge // makes the state of one run
	unique    *uniqueRule
	reference *referenceRule
	group     *groupRule
	has       *hasRule
}

// judges reports whether the rule has come to say how it judges.
func (r *rule) judges() bool {
	return r.start != nil || r.unique != nil || r.reference != nil || r.group != nil || r.has != nil
}

// A Description says what a rule is, for help and preview.
type Description struct {
	Name       string            `json:"name"`
	Field      string            `json:"field"`  // the column to blame, "" for the row as a whole
	Fields     []string          `json:"fields"` // the columns that the rule looks at
	Parameters map[string]string `json:"parameters,omitempty"`
	Severity   schemas.Severity  `json:"severity"`
	Message    string            `json:"message,omitempty"` // replaces the words of the rule
	Doc        string            `json:"doc"`               // what must be true
	BuiltIn    bool              `json:"built_in"`          // holds for the entity on every channel
}

// Compile makes the rules of a pipeline: those that always hold for the
// entity, and those that specs declare, each a rule name with the field it
// concerns and its parameters beside it. Rules of the entity over fields that
// are not mapped are left out; a spec over such a field is an error.
func Compile(e *schemas.Entity, mapped []schemas.Column, specs []any) (*Rules, connectors.SettingErrors) {
	c := &compiler{rules: &Rules{entity: e, columns: mapped}, kinds: kinds()}
	c.addAlwaysThere()
	for i, values := range e.Rules {
		c.add(&spec{path: fmt.Sprintf("%s.rules[%d]", e.Name, i), builtIn: true}, values)
	}
	for i, values := range specs {
		c.add(&spec{path: fmt.Sprintf("rules[%d]", i)}, values)
	}
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	return c.rules, nil
}

// Describe describes all rules, those of the entity first.
func (r *Rules) Describe() []Description {
	list := make([]Description, len(r.rules))
	for i, one := range r.rules {
		list[i] = one.Description
	}
	return list
}

// Names returns the names of the rules, each once, in the order of Describe.
func (r *Rules) Names() []string {
	var names []string
	for _, one := range r.rules {
		if !slices.Contains(names, one.Name) {
			names = append(names, one.Name)
		}
	}
	return names
}

// addAlwaysThere adds the rules that follow from the declaration of the fields.
func (c *compiler) addAlwaysThere() {
	e := c.rules.entity
	always := func(values map[string]any) {
		c.add(&spec{path: e.Name, builtIn: true}, values)
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.Required {
			always(map[string]any{"required": f.Name})
		}
		if f.Type == schemas.Enum {
			always(map[string]any{"one_of": f.Name, "values": anys(f.Values)})
		}
		if f.MaxChars > 0 {
			always(map[string]any{"length": f.Name, "max": f.MaxChars})
		}
	}
	c.addKey()
}

func anys(texts []string) []any {
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = text
	}
	return list
}
