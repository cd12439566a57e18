package quality

import (
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"crossdock/pipelines/expression"
	"crossdock/schemas"
)

// An expressionJudge finds rows for which an expression is false. It is not
// asked where one of the columns that it uses is null.
type expressionJudge struct {
	program   *expression.Program
	message   string
	variables int   // of the program
	uses      []int // variables, which are the columns of the rule in their order
	blamed    int   // the column to show the value of, as a position in the rule's, or -1
}

func buildExpression(c *compiler, s *spec, r *rule) {
	source, _ := s.values["expression"].(string)
	if strings.TrimSpace(source) == "" {
		c.fault(s, "expression", "must be an expression in quotes, as in %s", s.kind.Example)
		return
	}
	variables := c.variables()
	program, err := expression.Compile(source, variables, schemas.Boolean, nil)
	if err != nil {
		c.fault(s, "expression", "%s", err)
		return
	}
	uses := program.Uses()
	if len(uses) == 0 {
		c.fault(s, "expression", "uses no field, so that it is the same for every row")
		return
	}
	for _, use := range uses {
		if use >= len(c.rules.columns) {
			if !s.builtIn {
				c.fault(s, "expression", "uses %s, which is not mapped", variables[use].Name)
			}
			return
		}
	}
	c.concern(r, uses)
	for _, use := range uses {
		r.deletions = r.deletions || c.rules.columns[use].Name == schemas.DeletedField
	}
	j := expressionJudge{
		program: program, message: "does not satisfy " + schemas.Shorten(source),
		variables: len(variables), uses: uses, blamed: -1,
	}
	if !c.parseBlame(s, r) {
		return
	}
	for i, name := range r.Fields {
		if name == r.Field {
			j.blamed = i
		}
	}
	r.start = func() judge { return j }
}

// variables returns what an expression may use: the mapped columns, and behind
// them the fields that are not mapped, so that these can be told from what
// does not exist.
func (c *compiler) variables() []expression.Variable {
	var list []expression.Variable
	mapped := make(map[string]bool)
	for _, column := range c.rules.columns {
		list = append(list, expression.Variable{Name: column.Name, Type: column.Field.Type})
		mapped[column.Name] = true
	}
	for i := range c.rules.entity.Fields {
		f := &c.rules.entity.Fields[i]
		if _, err := c.rules.entity.Column(f.Name); err == nil && !mapped[f.Name] {
			list = append(list, expression.Variable{Name: f.Name, Type: f.Type})
		}
	}
	return list
}

// parseBlame reads which field is to blame. Where none is named, the only one
// that is used is.
func (c *compiler) parseBlame(s *spec, r *rule) bool {
	value, there := s.values["field"]
	if !there {
		return true
	}
	name, _ := value.(string)
	for _, column := range c.rules.columns {
		if name == column.Name || name == column.Field.Name {
			r.Field = name
			return true
		}
	}
	if _, err := c.rules.entity.Column(name); err != nil {
		c.fault(s, "field", "%s", err)
	} else {
		c.fault(s, "field", "%s is not mapped", name)
	}
	return false
}

func (j expressionJudge) judge(v *view) {
	columns := make([]arrow.Array, j.variables)
	for i, use := range j.uses {
		columns[use] = v.columns[i]
	}
	evaluation := j.program.Over(columns, false)
	for _, row := range v.rows {
		if anyNull(v.columns, int(row)) {
			continue
		}
		truth, known, err := evaluation.Test(int(row))
		switch {
		case err != nil:
			j.blameError(v, row, err)
		case known && !truth:
			v.blameValue(row, j.value(v, row), j.message)
		}
	}
}

func anyNull(columns []arrow.Array, row int) bool {
	for _, a := range columns {
		if a.IsNull(row) {
			return true
		}
	}
	return false
}

// blameError says why a row could not be judged. The message of the rule would
// be misleading there.
func (j expressionJudge) blameError(v *view, row int32, err error) {
	plain := *v.rule
	plain.Message = ""
	v.found.add(&plain, row, j.value(v, row), "cannot be checked: "+err.Error())
}

// value shows the values that the expression saw, or that of the field to
// blame where it is one of them.
func (j expressionJudge) value(v *view, row int32) string {
	if j.blamed >= 0 {
		text, _ := schemas.CellText(v.columns[j.blamed], int(row))
		return text
	}
	parts := make([]string, len(v.columns))
	for i, a := range v.columns {
		text, _ := schemas.CellText(a, int(row))
		parts[i] = v.rule.Fields[i] + " " + text
	}
	return strings.Join(parts, ", ")
}
