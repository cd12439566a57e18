// Package expression is the language of conditions and computed values in a
// pipeline: the syntax of expr-lang/expr, with exact decimals for numbers, the
// functions of docs/pipelines.md and nothing that loops, remembers or reads
// the world. An expression ends after a time that its length and the length
// of its texts bound.
//
//	source ──Compile──> Program ──┬─ Eval(row)            one row, any source of values
//	                              └─ Over(columns) ── Test, Text   many rows of Arrow columns
//
// The grammar is parsed by expr; types are checked and code is made here,
// since in expr's own machine 7 / 2 is a float and every number is boxed.
//
// [NumberFormat] and [DateFormat] read numbers and dates as people write them.
package expression

import (
	"slices"
	"sync"
	"time"

	"crossdock/schemas"
)

// Bounds of one expression.
const (
	maxSource = 10_000  // characters
	maxNodes  = 5_000   // names, literals, operators and calls
	maxText   = 1 << 20 // bytes of a text made while it runs
)

// A Variable is a name that an expression may use.
type Variable struct {
	Name string
	Type schemas.Type // Text for the columns of a source, the field's type in rules
}

// A Lookup finds one cell of a lookup table by its keys, which it must not keep.
type Lookup func(table, column string, keys []string) (value string, found bool, err error)

// A LookupUse is one place at which an expression reads a lookup table.
type LookupUse struct {
	Table, Column string
	Keys          int // how many are given
}

// An Error says what is wrong with an expression.
type Error struct {
	Message string // one line
	Offset  int    // characters before the place at fault
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// A Program is a compiled expression. It may be used by several goroutines.
type Program struct {
	run     step
	kind    kind
	uses    []int
	lookups []LookupUse
	frames  sync.Pool
}

// Compile parses and type-checks an expression. It must yield what wants
// says: schemas.Boolean for a condition, "" for anything. A nil lookup makes
// the function lookup unavailable. Errors are of type *Error.
func Compile(source string, variables []Variable, wants schemas.Type, lookup Lookup) (*Program, error) {
	root, err := parse(source)
	if err != nil {
		return nil, err
	}
	c := &compiler{source: []rune(source), variables: variables, functions: functions(), lookup: lookup}
	result, err := c.compile(root)
	if err != nil {
		return nil, err
	}
	if wanted := kindOf(wants); wants != "" && !result.kind.fits(wanted) {
		return nil, c.errorf(root, "must give %s, and gives %s", wanted.article(), result.kind.article())
	}
	p := &Program{run: result.run, kind: result.kind, uses: c.uses, lookups: c.lookups}
	p.frames.New = func() any { return new(frame) }
	return p, nil
}

// Check reports what can be said of an expression whose variables are not
// known yet: whether it parses, and whether its functions exist.
func Check(source string) error {
	root, err := parse(source)
	if err != nil {
		return err
	}
	c := &compiler{source: []rune(source), functions: functions()}
	return c.checkCalls(root)
}

// Uses returns the indexes of the variables that the expression reads, in the
// order in which they first stand there.
func (p *Program) Uses() []int { return slices.Clone(p.uses) }

// Lookups returns where the expression reads lookup tables.
func (p *Program) Lookups() []LookupUse { return slices.Clone(p.lookups) }

// Result returns the type of what the expression yields: text, integer,
// decimal, boolean, timestamp (also for days) or list, and "" where it is
// always null.
func (p *Program) Result() schemas.Type { return p.kind.schemaType() }

// A Row returns the value of a variable: a string, a schemas.Decimal, an
// int64, a bool, a time.Time, or nil where it is null; of a list its JSON text.
type Row func(variable int) any

// Eval evaluates the expression. It yields a string, schemas.Decimal, int64,
// bool, time.Time or []string, and nil when a variable that was needed is
// null. The error is a clause for the user.
func (p *Program) Eval(row Row) (any, error) {
	f := p.frames.Get().(*frame)
	f.row, f.columns = row, nil
	v, known, err := f.eval(p)
	f.row = nil
	p.frames.Put(f)
	if err != nil || !known {
		return nil, err
	}
	switch p.kind {
	case text:
		return v.s, nil
	case integer:
		return v.n, nil
	case decimal:
		return schemas.Decimal(v.n), nil
	case boolean:
		return v.n != 0, nil
	case moment:
		return time.UnixMicro(v.n).UTC(), nil
	case list:
		return v.list, nil
	case nothing: // never known
	}
	return nil, nil
}

// A kind is what the compiler knows of a value.
type kind uint8

const (
	nothing kind = iota // always null
	text
	integer
	decimal
	boolean
	moment // a day or a time
	list   // of texts
)

func kindOf(t schemas.Type) kind {
	switch t {
	case schemas.Integer:
		return integer
	case schemas.DecimalType, schemas.Money, schemas.Quantity:
		return decimal
	case schemas.Boolean:
		return boolean
	case schemas.Date, schemas.Timestamp:
		return moment
	case schemas.List:
		return list
	case schemas.Text, schemas.Identifier, schemas.Enum, schemas.Reference, schemas.LocalisedText, schemas.JSON:
		return text
	}
	return text
}

func (k kind) schemaType() schemas.Type {
	return [...]schemas.Type{"", schemas.Text, schemas.Integer, schemas.DecimalType, schemas.Boolean, schemas.Timestamp, schemas.List}[k]
}

func (k kind) article() string {
	return [...]string{"nil", "text", "a whole number", "a number", "true or false", "a date", "a list"}[k]
}

func (k kind) isNumber() bool { return k == integer || k == decimal }

// fits reports whether a value of kind k can stand where wanted is needed.
func (k kind) fits(wanted kind) bool {
	return k == wanted || k == integer && wanted == decimal
}
