package expression

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"crossdock/schemas"
)

// A compiler turns a syntax tree into steps, and checks types on the way.
type compiler struct {
	source    []rune
	variables []Variable
	functions []function
	lookup    Lookup

	uses    []int
	lookups []LookupUse
	nodes   int // compiled so far
}

// An operand is a compiled part of an expression.
type operand struct {
	kind    kind
	run     step
	node    ast.Node
	literal *value // of a literal: its value
}

func (c *compiler) errorf(at ast.Node, format string, args ...any) error {
	offset := at.Location().From
	return &Error{Message: fmt.Sprintf(format, args...) + fmt.Sprintf(" (at character %d)", offset+1), Offset: offset}
}

func (c *compiler) compile(n ast.Node) (operand, error) {
	// The grammar repeats the middle of a < b < c, so that nested chains would
	// grow without this bound.
	if c.nodes++; c.nodes > maxNodes {
		return operand{}, &Error{Message: "the expression has too many parts"}
	}
	switch n := n.(type) {
	case *ast.NilNode:
		return operand{kind: nothing, run: (*frame).null, node: n}, nil
	case *ast.BoolNode:
		return literal(n, boolean, truth(n.Value)), nil
	case *ast.StringNode:
		return literal(n, text, value{s: n.Value}), nil
	case *ast.IntegerNode:
		return literal(n, integer, value{n: int64(n.Value)}), nil
	case *ast.FloatNode:
		return c.decimalLiteral(n)
	case *ast.IdentifierNode:
		return c.variable(n, n.Value)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.ArrayNode:
		return c.array(n)
	case *ast.MemberNode:
		return c.member(n)
	case *ast.CallNode, *ast.BuiltinNode:
		return c.call(n)
	case *ast.SliceNode:
		return operand{}, c.errorf(n, "there are no slices, a part of a text is mid(t, from, n)")
	case *ast.VariableDeclaratorNode, *ast.SequenceNode:
		return operand{}, c.errorf(n, "an expression is a single value, without let and ;")
	case *ast.MapNode:
		return operand{}, c.errorf(n, "there are no maps; to translate values, use the setting values or the function lookup")
	}
	return operand{}, c.errorf(n, "this is not part of the language")
}

func (c *compiler) compileAll(nodes []ast.Node) ([]operand, error) {
	operands := make([]operand, len(nodes))
	for i, n := range nodes {
		var err error
		if operands[i], err = c.compile(n); err != nil {
			return nil, err
		}
	}
	return operands, nil
}

func literal(n ast.Node, k kind, v value) operand {
	return operand{kind: k, run: func(*frame) value { return v }, node: n, literal: &v}
}

// decimalLiteral reads the digits as they stand in the source: the parser has
// made a float of them, which would not be exact.
func (c *compiler) decimalLiteral(n *ast.FloatNode) (operand, error) {
	at := n.Location()
	digits := strings.ReplaceAll(string(c.source[at.From:at.To]), "_", "")
	d, err := schemas.ParseDecimal(digits)
	if err != nil {
		return operand{}, c.errorf(n, "%s %v", digits, err)
	}
	return literal(n, decimal, value{n: int64(d)}), nil
}

// variable resolves a name to a variable.
func (c *compiler) variable(at ast.Node, name string) (operand, error) {
	for i, v := range c.variables {
		if v.Name == name {
			if !slices.Contains(c.uses, i) {
				c.uses = append(c.uses, i)
			}
			k := kindOf(v.Type)
			return operand{kind: k, run: load(i, k), node: at}, nil
		}
	}
	what, names := "column", make([]string, len(c.variables))
	for i, v := range c.variables {
		names[i] = v.Name
		if v.Type != schemas.Text {
			what = "field" // the columns of a source are all text
		}
	}
	message := fmt.Sprintf("unknown %s %s%s", what, name, schemas.DidYouMean(name, names))
	if c.function(name) != nil && schemas.Nearest(name, names) == "" {
		message = fmt.Sprintf("%s is a function and needs its values: %s", name, c.function(name).usage)
	}
	return operand{}, &Error{Message: message, Offset: at.Location().From}
}

func (c *compiler) unary(n *ast.UnaryNode) (operand, error) {
	x, err := c.compile(n.Node)
	if err != nil {
		return x, err
	}
	run := x.run
	switch n.Operator {
	case "not", "!":
		if x.kind != boolean {
			return x, c.errorf(n, "%s needs true or false, and %s", n.Operator, c.is(x))
		}
		return operand{kind: boolean, node: n, run: func(f *frame) value {
			return value{n: run(f).n ^ 1}
		}}, nil
	case "-", "+":
		if !x.kind.isNumber() {
			return x, c.errorf(n, "%s needs a number, and %s", n.Operator, c.is(x))
		}
		if n.Operator == "+" {
			return x, nil
		}
		if x.literal != nil {
			return literal(n, x.kind, value{n: -x.literal.n}), nil
		}
		return operand{kind: x.kind, node: n, run: func(f *frame) value {
			v := run(f)
			if v.n == math.MinInt64 {
				return f.fail(errTooLargeInteger())
			}
			return value{n: -v.n}
		}}, nil
	}
	return x, c.errorf(n, "the operator %s is not part of the language", n.Operator)
}

func (c *compiler) conditional(n *ast.ConditionalNode) (operand, error) {
	cond, err := c.compile(n.Cond)
	if err != nil {
		return cond, err
	}
	if cond.kind != boolean {
		return cond, c.errorf(n.Cond, "a condition must be true or false, and %s", c.is(cond))
	}
	branches, err := c.compileAll([]ast.Node{n.Exp1, n.Exp2})
	if err != nil {
		return operand{}, err
	}
	k, err := c.unify(n.Exp2, branches)
	if err != nil {
		return operand{}, err
	}
	test, yes, no := cond.run, branches[0].run, branches[1].run
	return operand{kind: k, node: n, run: func(f *frame) value {
		switch v := test(f); {
		case f.halted:
			return v
		case v.n != 0:
			return yes(f)
		}
		return no(f)
	}}, nil
}

// unify makes all operands of one kind, numbers decimals where they differ.
func (c *compiler) unify(at ast.Node, operands []operand) (kind, error) {
	k := nothing
	for _, x := range operands {
		switch {
		case k == nothing || x.kind == k:
			k = max(k, x.kind)
		case x.kind == nothing:
		case k.isNumber() && x.kind.isNumber():
			k = decimal
		default:
			return k, c.errorf(at, "all values must be of one kind, and these are %s and %s", k.article(), x.kind.article())
		}
	}
	for i, x := range operands {
		if k == decimal && x.kind == integer {
			operands[i] = toDecimal(x)
		}
	}
	return k, nil
}

// toDecimal makes a decimal of an integer, where that is a literal at once.
func toDecimal(x operand) operand {
	if x.kind != integer {
		return x
	}
	if x.literal != nil {
		if d, err := schemas.DecimalFromInt(x.literal.n); err == nil {
			return literal(x.node, decimal, value{n: int64(d)})
		}
	}
	run := x.run
	return operand{kind: decimal, node: x.node, run: func(f *frame) value {
		v := run(f)
		if f.halted {
			return v
		}
		d, err := schemas.DecimalFromInt(v.n)
		if err != nil {
			return f.fail(fmt.Errorf("%d %w", v.n, err))
		}
		return value{n: int64(d)}
	}}
}

// array makes a list of texts; of other kinds an array stands behind in alone.
func (c *compiler) array(n *ast.ArrayNode) (operand, error) {
	items, err := c.compileAll(n.Nodes)
	if err != nil {
		return operand{}, err
	}
	steps := make([]step, len(items))
	for i, item := range items {
		if item.kind != text {
			return operand{}, c.errorf(item.node, "a list holds texts, and %s", c.is(item))
		}
		steps[i] = item.run
	}
	return operand{kind: list, node: n, run: func(f *frame) value {
		made := make([]string, len(steps))
		for i, item := range steps {
			v := item(f)
			if f.halted {
				return v
			}
			made[i] = v.s
		}
		return value{list: made}
	}}, nil
}

// member compiles name.de, which is a variable, and list[0].
func (c *compiler) member(n *ast.MemberNode) (operand, error) {
	if property, ok := n.Property.(*ast.StringNode); ok {
		if base, ok := n.Node.(*ast.IdentifierNode); ok && !n.Optional {
			return c.variable(n.Node, base.Value+"."+property.Value)
		}
		return operand{}, c.errorf(n, "there are no members; a name with a point or a blank is written column(\"Art. Nr.\") or field(\"name.de\")")
	}
	pair, err := c.compileAll([]ast.Node{n.Node, n.Property})
	if err != nil {
		return operand{}, err
	}
	if pair[0].kind != list || pair[1].kind != integer {
		return operand{}, c.errorf(n, "an item is taken as list[0], and %s", c.is(pair[0]))
	}
	items, index := pair[0].run, pair[1].run
	return operand{kind: text, node: n, run: func(f *frame) value {
		from := items(f)
		if f.halted {
			return from
		}
		at := index(f)
		if f.halted {
			return at
		}
		i := at.n
		if i < 0 {
			i += int64(len(from.list)) // [-1] is the last
		}
		if i < 0 || i >= int64(len(from.list)) {
			return f.fail(fmt.Errorf("there is no item [%d] in a list of %d", at.n, len(from.list)))
		}
		return value{s: from.list[i]}
	}}, nil
}

// is says what an operand is, for a message.
func (c *compiler) is(x operand) string {
	switch n := x.node.(type) {
	case *ast.IdentifierNode:
		return n.Value + " is " + x.kind.article()
	case *ast.CallNode, *ast.BuiltinNode:
		name, args, _ := callOf(n)
		if isReference(name) && len(args) == 1 {
			if quoted, ok := args[0].(*ast.StringNode); ok {
				return quoted.Value + " is " + x.kind.article()
			}
		}
		return name + "(…) is " + x.kind.article()
	}
	return "this is " + x.kind.article()
}
