package expression

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"

	"crossdock/schemas"
)

// A function is one row of the table in docs/pipelines.md.
type function struct {
	name, usage string

	// takes has a letter for each value: t text, d decimal, i integer, m
	// moment, l list, a any. A capital is a literal text, a ? makes those
	// behind it optional, a final + lets the last one repeat.
	takes string
	gives kind

	call native // computes the result, unless
	make maker  // compile makes what does, of the operands
}

// A native computes a result of arguments, which it must not keep.
type native func(args []value) (value, error)

type maker func(c *compiler, at ast.Node, args []operand) (native, error)

// functions returns the table. It is made anew for each compilation, which is
// rare, so that nothing global can be changed.
func functions() []function {
	return []function{
		{name: "decimal", usage: `decimal(text), decimal(text, "1.234,56")`, takes: "a?T", gives: decimal, make: makeDecimal},
		{name: "integer", usage: "integer(text)", takes: "a", gives: integer, make: makeInteger},
		{name: "round", usage: "round(x, digits)", takes: "di", gives: decimal, call: round},
		{name: "min", usage: "min(x, y)", takes: "dd+", gives: decimal, call: smallest},
		{name: "max", usage: "max(x, y)", takes: "dd+", gives: decimal, call: largest},
		{name: "abs", usage: "abs(x)", takes: "d", gives: decimal, call: absolute},
		{name: "text", usage: "text(x)", takes: "a", gives: text, make: makeText},
		{name: "upper", usage: "upper(t)", takes: "t", gives: text, call: upper},
		{name: "lower", usage: "lower(t)", takes: "t", gives: text, call: lower},
		{name: "trim", usage: "trim(t)", takes: "t", gives: text, call: trim},
		{name: "replace", usage: "replace(t, old, new)", takes: "ttt", gives: text, call: replace},
		{name: "split", usage: "split(t, separator)", takes: "tt", gives: list, call: split},
		{name: "join", usage: "join(list, separator)", takes: "lt", gives: text, call: join},
		{name: "left", usage: "left(t, n)", takes: "ti", gives: text, call: left},
		{name: "right", usage: "right(t, n)", takes: "ti", gives: text, call: right},
		{name: "mid", usage: "mid(t, from, n)", takes: "tii", gives: text, call: mid},
		{name: "length", usage: "length(t)", takes: "a", gives: integer, make: makeLength},
		{name: "pad", usage: `pad(t, n, "0")`, takes: "tit", gives: text, call: pad},
		{name: "contains", usage: "contains(t, part)", takes: "tt", gives: boolean, call: contains},
		{name: "startsWith", usage: "startsWith(t, part)", takes: "tt", gives: boolean, call: startsWith},
		{name: "endsWith", usage: "endsWith(t, part)", takes: "tt", gives: boolean, call: endsWith},
		{name: "matches", usage: "matches(t, pattern)", takes: "tT", gives: boolean, make: makeMatches},
		{name: "extract", usage: "extract(t, pattern)", takes: "tT", gives: text, make: makeExtract},
		{name: "digits", usage: "digits(t)", takes: "t", gives: text, call: digits},
		{name: "first", usage: "first(a, b, ...)", takes: "a+"},
		{name: "date", usage: `date(text), date(text, "DD.MM.YYYY")`, takes: "a?T", gives: moment, make: makeDate},
		{name: "addDays", usage: "addDays(d, n)", takes: "mi", gives: moment, call: addDays},
		{name: "addMonths", usage: "addMonths(d, n)", takes: "mi", gives: moment, call: addMonths},
		{name: "year", usage: "year(d)", takes: "m", gives: integer, call: year},
		{name: "format", usage: `format(d, "DD.MM.YYYY")`, takes: "mT", gives: text, make: makeFormat},
		{name: "convert", usage: "convert(x, from, to)", takes: "dtt", gives: decimal, call: convert},
		{name: "unit", usage: "unit(text)", takes: "t", gives: text, call: unit},
		{name: "lookup", usage: "lookup(table, column, key, ...)", takes: "TTt+", gives: text},
	}
}

// call compiles the call of a function.
func (c *compiler) call(n ast.Node) (operand, error) {
	name, nodes, ok := callOf(n)
	if !ok {
		return operand{}, c.errorf(n, "there are no methods; write the function in front, as in upper(t)")
	}
	if isReference(name) {
		quoted, ok := ast.Node(nil), len(nodes) == 1
		if ok {
			quoted = nodes[0]
		}
		s, isText := quoted.(*ast.StringNode)
		if !isText {
			return operand{}, c.errorf(n, "%s needs one name in quotes", name)
		}
		return c.variable(n, s.Value)
	}
	if c.function(name) == nil {
		return operand{}, c.unknownFunction(n, name)
	}
	args, err := c.compileAll(nodes)
	if err != nil {
		return operand{}, err
	}
	return c.apply(n, name, args)
}

// apply checks the operands of a function and calls it on them.
func (c *compiler) apply(at ast.Node, name string, args []operand) (operand, error) {
	fn := c.function(name)
	if err := c.checkArguments(at, fn, args); err != nil {
		return operand{}, err
	}
	switch name {
	case "first":
		return c.first(at, args)
	case "lookup":
		return c.lookUp(at, args)
	}
	run := fn.call
	if fn.make != nil {
		var err error
		if run, err = fn.make(c, at, args); err != nil {
			return operand{}, err
		}
	}
	steps := make([]step, len(args))
	for i, arg := range args {
		steps[i] = arg.run
	}
	return operand{kind: fn.gives, node: at, run: func(f *frame) value {
		base := len(f.stack)
		for _, arg := range steps {
			v := arg(f)
			if f.halted {
				f.stack = f.stack[:base]
				return v
			}
			f.stack = append(f.stack, v)
		}
		v, err := run(f.stack[base:])
		f.stack = f.stack[:base]
		if err != nil {
			return f.fail(err)
		}
		return v
	}}, nil
}

// checkArguments compares operands with what the function takes, and makes
// decimals of integers where it takes decimals.
func (c *compiler) checkArguments(at ast.Node, fn *function, args []operand) error {
	letters := strings.NewReplacer("?", "", "+", "").Replace(fn.takes)
	least := len(letters)
	if i := strings.IndexByte(fn.takes, '?'); i >= 0 {
		least = i
	}
	repeats := strings.HasSuffix(fn.takes, "+")
	if len(args) < least || len(args) > len(letters) && !repeats {
		return c.errorf(at, "%s has %d values, and is written %s", fn.name, len(args), fn.usage)
	}
	for i, arg := range args {
		letter := letters[min(i, len(letters)-1)]
		wanted := map[byte]kind{'t': text, 'T': text, 'd': decimal, 'i': integer, 'm': moment, 'l': list}[letter]
		switch {
		case letter == 'a':
		case !arg.kind.fits(wanted):
			return c.errorf(arg.node, "%s needs %s here, and %s%s", fn.name, wanted.article(), c.is(arg), argumentHint(arg.kind, wanted))
		case letter == 'T' && arg.literal == nil:
			return c.errorf(arg.node, "%s needs a text in quotes here, and not a computed one", fn.name)
		case wanted == decimal:
			args[i] = toDecimal(arg)
		}
	}
	return nil
}

func argumentHint(is, wanted kind) string {
	switch {
	case wanted == text && is != list && is != nothing:
		return ": write text(…) around it"
	case is == text && wanted == decimal:
		return ": write decimal(…) around it"
	case wanted == integer && (is == text || is == decimal):
		return ": write integer(…) around it"
	case is == text && wanted == moment:
		return ": write date(…) around it"
	case is == text && wanted == list:
		return ": write split(…) around it"
	}
	return ""
}

// first compiles the function of that name, which passes over what is null.
func (c *compiler) first(at ast.Node, args []operand) (operand, error) {
	k, err := c.unify(at, args)
	if err != nil {
		return operand{}, err
	}
	steps := make([]step, len(args))
	for i, arg := range args {
		steps[i] = arg.run
	}
	return operand{kind: k, node: at, run: func(f *frame) value {
		v := value{}
		for _, arg := range steps {
			v = arg(f)
			if f.isNull() {
				v = value{}
				continue
			}
			if f.halted || k != text && k != list || v.s != "" || len(v.list) > 0 {
				return v
			}
		}
		if k == text {
			return v
		}
		return f.null()
	}}, nil
}

// lookUp compiles the function lookup, whose table and column are literals so
// that they can be checked before the first row.
func (c *compiler) lookUp(at ast.Node, args []operand) (operand, error) {
	if c.lookup == nil {
		return operand{}, c.errorf(at, "there are no lookup tables here")
	}
	table, column := args[0].literal.s, args[1].literal.s
	c.lookups = append(c.lookups, LookupUse{Table: table, Column: column, Keys: len(args) - 2})
	find := c.lookup
	return operand{kind: text, node: at, run: func(f *frame) value {
		// Lookups nest, and so each takes its own end of the shared slice.
		base := len(f.keys)
		for _, arg := range args[2:] {
			v := arg.run(f)
			if f.halted {
				f.keys = f.keys[:base]
				return v
			}
			f.keys = append(f.keys, v.s)
		}
		s, _, err := find(table, column, f.keys[base:])
		f.keys = f.keys[:base]
		if err != nil {
			return f.fail(err)
		}
		return value{s: s}
	}}, nil
}

func round(args []value) (value, error) {
	digits := min(max(args[1].n, 0), schemas.DecimalScale)
	return value{n: int64(schemas.Decimal(args[0].n).Round(int(digits)))}, nil
}

func smallest(args []value) (value, error) {
	least := args[0].n
	for _, x := range args[1:] {
		least = min(least, x.n)
	}
	return value{n: least}, nil
}

func largest(args []value) (value, error) {
	most := args[0].n
	for _, x := range args[1:] {
		most = max(most, x.n)
	}
	return value{n: most}, nil
}

func absolute(args []value) (value, error) { return value{n: max(args[0].n, -args[0].n)}, nil }

func makeDecimal(c *compiler, at ast.Node, args []operand) (native, error) {
	var f NumberFormat
	if len(args) == 2 {
		var err error
		if f, err = NewNumberFormat(args[1].literal.s); err != nil {
			return nil, c.errorf(args[1].node, "%v", err)
		}
	}
	switch args[0].kind {
	case integer, decimal:
		args[0] = toDecimal(args[0])
		return func(args []value) (value, error) { return args[0], nil }, nil
	case text:
		return func(args []value) (value, error) {
			d, err := f.Parse(strings.TrimSpace(args[0].s))
			if err != nil {
				return value{}, fmt.Errorf("%s %w", schemas.QuoteShort(args[0].s), err)
			}
			return value{n: int64(d)}, nil
		}, nil
	case nothing, boolean, moment, list:
	}
	return nil, c.errorf(at, "decimal needs text, and %s", c.is(args[0]))
}

func makeInteger(c *compiler, at ast.Node, args []operand) (native, error) {
	whole := func(d schemas.Decimal) (value, error) {
		if !d.IsInteger() {
			return value{}, fmt.Errorf("%s is not a whole number", d)
		}
		return value{n: int64(d) / int64(oneUnit)}, nil
	}
	switch args[0].kind {
	case integer:
		return func(args []value) (value, error) { return args[0], nil }, nil
	case decimal:
		return func(args []value) (value, error) { return whole(schemas.Decimal(args[0].n)) }, nil
	case text:
		return func(args []value) (value, error) {
			d, err := NumberFormat{}.Parse(strings.TrimSpace(args[0].s))
			if err != nil {
				return value{}, fmt.Errorf("%s is not a whole number", schemas.QuoteShort(args[0].s))
			}
			return whole(d)
		}, nil
	case nothing, boolean, moment, list:
	}
	return nil, c.errorf(at, "integer needs text, and %s", c.is(args[0]))
}

// oneUnit is 1 as a decimal.
const oneUnit schemas.Decimal = 1_000_000

func makeDate(c *compiler, at ast.Node, args []operand) (native, error) {
	var f DateFormat
	if len(args) == 2 {
		var err error
		if f, err = NewDateFormat(args[1].literal.s); err != nil {
			return nil, c.errorf(args[1].node, "%v", err)
		}
	}
	switch args[0].kind {
	case moment:
		return func(args []value) (value, error) { return args[0], nil }, nil
	case text:
		return func(args []value) (value, error) {
			t, err := f.Time(strings.TrimSpace(args[0].s), time.UTC)
			if err != nil {
				return value{}, fmt.Errorf("%s %w", schemas.QuoteShort(args[0].s), err)
			}
			return value{n: t.UnixMicro()}, nil
		}, nil
	case nothing, integer, decimal, boolean, list:
	}
	return nil, c.errorf(at, "date needs text, and %s", c.is(args[0]))
}

// maxShift bounds addDays and addMonths to some three thousand years, beyond
// which a date is a mistake and no calendar can hold it.
const maxShift = 1_000_000

func addDays(args []value) (value, error) {
	if n := args[1].n; n > maxShift || n < -maxShift {
		return value{}, errors.New("more than a million days are added")
	}
	return value{n: time.UnixMicro(args[0].n).UTC().AddDate(0, 0, int(args[1].n)).UnixMicro()}, nil
}

// addMonths keeps to the end of a month: 31 January and one month is the last
// day of February, where Go's AddDate would give a day of March.
func addMonths(args []value) (value, error) {
	if n := args[1].n; n > maxShift/30 || n < -maxShift/30 {
		return value{}, errors.New("more than thirty thousand months are added")
	}
	t := time.UnixMicro(args[0].n).UTC()
	first := t.AddDate(0, 0, 1-t.Day()).AddDate(0, int(args[1].n), 0)
	day := min(t.Day(), daysIn(first.Year(), int(first.Month())))
	return value{n: first.AddDate(0, 0, day-1).UnixMicro()}, nil
}

func year(args []value) (value, error) {
	return value{n: int64(time.UnixMicro(args[0].n).UTC().Year())}, nil
}

func makeFormat(c *compiler, _ ast.Node, args []operand) (native, error) {
	f, err := NewDateFormat(args[1].literal.s)
	if err != nil {
		return nil, c.errorf(args[1].node, "%v", err)
	}
	return func(args []value) (value, error) {
		return value{s: f.Format(time.UnixMicro(args[0].n).UTC())}, nil
	}, nil
}

func convert(args []value) (value, error) {
	d, err := schemas.ConvertUnit(schemas.Decimal(args[0].n), args[1].s, args[2].s)
	return value{n: int64(d)}, err
}

func unit(args []value) (value, error) {
	code, ok := schemas.UnitCode(args[0].s)
	if !ok {
		return value{}, fmt.Errorf("%s is no unit that is known", schemas.QuoteShort(args[0].s))
	}
	return value{s: code}, nil
}
