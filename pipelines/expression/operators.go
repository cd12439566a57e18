package expression

import (
	"cmp"
	"errors"
	"math"
	"math/bits"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"crossdock/schemas"
)

func (c *compiler) binary(n *ast.BinaryNode) (operand, error) {
	if list, ok := n.Right.(*ast.ArrayNode); ok && n.Operator == "in" {
		return c.oneOf(n, list.Nodes)
	}
	pair, err := c.compileAll([]ast.Node{n.Left, n.Right})
	if err != nil {
		return operand{}, err
	}
	l, r := pair[0], pair[1]
	switch n.Operator {
	case "+", "-", "*", "/", "%":
		return c.arithmetic(n, l, r)
	case "==", "!=", "<", "<=", ">", ">=":
		return c.comparison(n, n.Operator, l, r)
	case "and", "&&", "or", "||":
		return c.logical(n, l, r)
	case "??":
		return c.coalesce(n, l, r)
	case "in":
		if l.kind != text || r.kind != list {
			return operand{}, c.errorf(n, "in needs a text and a list, and %s", c.is(r))
		}
		return operand{kind: boolean, node: n, run: both(l.run, r.run, func(a, b value) (value, error) {
			return truth(slices.Contains(b.list, a.s)), nil
		})}, nil
	case "contains", "startsWith", "endsWith", "matches":
		return c.apply(n, n.Operator, []operand{l, r})
	}
	return operand{}, c.errorf(n, "the operator %s is not part of the language", n.Operator)
}

// both returns a step that computes two values and combines them.
func both(left, right step, combine func(a, b value) (value, error)) step {
	return func(f *frame) value {
		a := left(f)
		if f.halted {
			return a
		}
		b := right(f)
		if f.halted {
			return b
		}
		v, err := combine(a, b)
		if err != nil {
			return f.fail(err)
		}
		return v
	}
}

func (c *compiler) arithmetic(n *ast.BinaryNode, l, r operand) (operand, error) {
	if n.Operator == "+" && l.kind == text && r.kind == text {
		return operand{kind: text, node: n, run: both(l.run, r.run, joinTexts)}, nil
	}
	for _, x := range []operand{l, r} {
		switch {
		case x.kind.isNumber():
		case n.Operator == "+" && (l.kind == text || r.kind == text):
			return operand{}, c.errorf(n, "+ joins two texts or adds two numbers, and %s beside %s: write text(…) around the one or decimal(…) around the other", c.is(l), r.kind.article())
		case x.kind == text:
			return operand{}, c.errorf(n, "%s needs numbers, and %s: write decimal(…) around it", n.Operator, c.is(x))
		case x.kind == moment:
			return operand{}, c.errorf(n, "%s needs numbers, and %s: days are added with addDays(d, n)", n.Operator, c.is(x))
		default:
			return operand{}, c.errorf(n, "%s needs numbers, and %s", n.Operator, c.is(x))
		}
	}
	if l.kind == integer && r.kind == integer && n.Operator != "/" {
		return operand{kind: integer, node: n, run: both(l.run, r.run, integerOperation(n.Operator))}, nil
	}
	// A quotient is a decimal even of two integers, so that 7 / 2 is 3.5.
	return operand{kind: decimal, node: n, run: both(toDecimal(l).run, toDecimal(r).run, decimalOperation(n.Operator))}, nil
}

func decimalOperation(operator string) func(a, b value) (value, error) {
	apply := map[string]func(a, b schemas.Decimal) (schemas.Decimal, error){
		"+": schemas.Decimal.Add, "-": schemas.Decimal.Sub, "*": schemas.Decimal.Mul,
		"/": schemas.Decimal.Div, "%": schemas.Decimal.Mod,
	}[operator]
	return func(a, b value) (value, error) {
		d, err := apply(schemas.Decimal(a.n), schemas.Decimal(b.n))
		if errors.Is(err, schemas.ErrTooLarge) {
			err = errors.New("the result has more than 12 digits before the point")
		}
		return value{n: int64(d)}, err
	}
}

func integerOperation(operator string) func(a, b value) (value, error) {
	switch operator {
	case "+", "-":
		return func(a, b value) (value, error) {
			other := b.n
			if operator == "-" {
				if other == math.MinInt64 {
					return value{}, errTooLargeInteger()
				}
				other = -other
			}
			sum := a.n + other
			if (sum > a.n) != (other > 0) && other != 0 {
				return value{}, errTooLargeInteger()
			}
			return value{n: sum}, nil
		}
	case "*":
		return func(a, b value) (value, error) {
			hi, lo := bits.Mul64(magnitude(a.n), magnitude(b.n))
			if hi != 0 || lo > math.MaxInt64 {
				return value{}, errTooLargeInteger()
			}
			return value{n: a.n * b.n}, nil
		}
	}
	return func(a, b value) (value, error) {
		if b.n == 0 {
			return value{}, errors.New("division by zero")
		}
		return value{n: a.n % b.n}, nil
	}
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func errTooLargeInteger() error { return errors.New("the result has more than 18 digits") }

func joinTexts(a, b value) (value, error) {
	if len(a.s)+len(b.s) > maxText {
		return value{}, errTooLong()
	}
	return value{s: a.s + b.s}, nil
}

func errTooLong() error { return errors.New("the text grows beyond 1 MiB") }

func (c *compiler) comparison(n ast.Node, operator string, l, r operand) (operand, error) {
	ordered := operator != "==" && operator != "!="
	if l.kind == nothing || r.kind == nothing {
		if ordered {
			return operand{}, c.errorf(n, "nil can be compared with == and != alone")
		}
		return isNil(n, operator == "==", l, r), nil
	}
	if l.kind != r.kind && (!l.kind.isNumber() || !r.kind.isNumber()) {
		return operand{}, c.errorf(n, "%s and is compared with %s%s", c.is(l), r.kind.article(), comparisonHint(l.kind, r.kind))
	}
	if l.kind == list || l.kind == boolean && ordered {
		return operand{}, c.errorf(n, "%s cannot be compared with %s", l.kind.article(), operator)
	}
	if l.kind != r.kind {
		l, r = toDecimal(l), toDecimal(r)
	}
	left, right := l.run, r.run
	if l.kind == text {
		if !ordered { // equality is found faster than order
			equal := operator == "=="
			return operand{kind: boolean, node: n, run: both(left, right, func(a, b value) (value, error) {
				return truth((a.s == b.s) == equal), nil
			})}, nil
		}
		holds := orderHolds(operator)
		return operand{kind: boolean, node: n, run: both(left, right, func(a, b value) (value, error) {
			return truth(holds(strings.Compare(a.s, b.s))), nil
		})}, nil
	}
	holds := orderHolds(operator)
	return operand{kind: boolean, node: n, run: both(left, right, func(a, b value) (value, error) {
		return truth(holds(cmp.Compare(a.n, b.n))), nil
	})}, nil
}

func comparisonHint(l, r kind) string {
	switch {
	case l != text && r != text:
		return ""
	case l.isNumber() || r.isNumber():
		return ": write decimal(…) around the text"
	case l == moment || r == moment:
		return ": write date(…) around the text"
	}
	return ""
}

func orderHolds(operator string) func(int) bool {
	switch operator {
	case "==":
		return func(order int) bool { return order == 0 }
	case "!=":
		return func(order int) bool { return order != 0 }
	case "<":
		return func(order int) bool { return order < 0 }
	case "<=":
		return func(order int) bool { return order <= 0 }
	case ">":
		return func(order int) bool { return order > 0 }
	}
	return func(order int) bool { return order >= 0 }
}

func isNil(n ast.Node, wanted bool, l, r operand) operand {
	x := l.run
	if l.kind == nothing {
		x = r.run
	}
	return operand{kind: boolean, node: n, run: func(f *frame) value {
		x(f)
		return truth(f.isNull() == wanted)
	}}
}

func (c *compiler) logical(n *ast.BinaryNode, l, r operand) (operand, error) {
	for _, x := range []operand{l, r} {
		if x.kind != boolean {
			return operand{}, c.errorf(n, "%s needs true or false on both sides, and %s", n.Operator, c.is(x))
		}
	}
	left, right := l.run, r.run
	decides := int64(0) // what the left side must be for the right not to matter
	if n.Operator == "or" || n.Operator == "||" {
		decides = 1
	}
	return operand{kind: boolean, node: n, run: func(f *frame) value {
		if v := left(f); f.halted || v.n == decides {
			return v
		}
		return right(f)
	}}, nil
}

func (c *compiler) coalesce(n ast.Node, l, r operand) (operand, error) {
	operands := []operand{l, r}
	k, err := c.unify(n, operands)
	left, right := operands[0].run, operands[1].run
	return operand{kind: k, node: n, run: func(f *frame) value {
		v := left(f)
		if f.isNull() {
			return right(f)
		}
		return v
	}}, err
}

// oneOf compiles x in [a, b, c] of any kind as x == a or x == b or x == c.
func (c *compiler) oneOf(n *ast.BinaryNode, items []ast.Node) (operand, error) {
	x, err := c.compile(n.Left)
	if err != nil {
		return x, err
	}
	if len(items) == 0 {
		return x, c.errorf(n, "the list behind in is empty")
	}
	// The value is computed once, and each comparison reads it off the stack.
	top := operand{kind: x.kind, node: x.node, run: func(f *frame) value { return f.stack[len(f.stack)-1] }}
	steps := make([]step, len(items))
	for i, item := range items {
		other, err := c.compile(item)
		if err != nil {
			return other, err
		}
		equal, err := c.comparison(item, "==", top, other)
		if err != nil {
			return equal, err
		}
		steps[i] = equal.run
	}
	return operand{kind: boolean, node: n, run: func(f *frame) value {
		v := x.run(f)
		if f.halted {
			return v
		}
		f.stack = append(f.stack, v)
		found := value{}
		for _, equal := range steps {
			if found = equal(f); f.halted || found.n != 0 {
				break
			}
		}
		f.stack = f.stack[:len(f.stack)-1]
		return found
	}}, nil
}

// pattern compiles the regular expression of a literal; it must be one so that
// it is compiled once and not in every row.
func (c *compiler) pattern(x operand) (*regexp.Regexp, error) {
	if x.literal == nil {
		return nil, c.errorf(x.node, "a pattern must be written out in quotes")
	}
	re, err := regexp.Compile(x.literal.s)
	if err != nil {
		return nil, c.errorf(x.node, "%s is no pattern: %s", schemas.QuoteShort(x.literal.s), strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re, nil
}
