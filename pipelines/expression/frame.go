package expression

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"crossdock/schemas"
)

// A value is one value of a kind known when the program was compiled. Values
// are passed in registers and never boxed, which is what makes rules cheap.
type value struct {
	n    int64    // integer, millionths of a decimal, boolean, microseconds since 1970
	s    string   // text
	list []string // list
}

func truth(b bool) value {
	if b {
		return value{n: 1}
	}
	return value{}
}

// A step computes one value. When it halts the frame, its value means nothing
// and the steps that called it return at once.
type step func(f *frame) value

// A frame is the state of one evaluation.
type frame struct {
	row     Row           // where values come from, unless
	columns []arrow.Array // they stand in columns, by variable,
	at      int           // in this row
	blank   bool          // a null text is ""
	halted  bool          // the result is null, or
	err     error         // this error
	stack   []value       // arguments of the calls under way
	keys    []string      // arguments of lookup, for the time of the call
}

func (f *frame) eval(p *Program) (v value, known bool, err error) {
	f.halted, f.err, f.stack = false, nil, f.stack[:0]
	v = p.run(f)
	return v, !f.halted, f.err
}

func (f *frame) fail(err error) value {
	f.halted, f.err = true, err
	return value{}
}

func (f *frame) null() value {
	f.halted = true
	return value{}
}

// isNull reports whether the last step yielded null, and makes the frame go on.
func (f *frame) isNull() bool {
	if !f.halted || f.err != nil {
		return false
	}
	f.halted = false
	return true
}

// load returns the step that reads a variable.
func load(variable int, k kind) step {
	return func(f *frame) value {
		if f.columns == nil {
			return f.unbox(f.row(variable), k)
		}
		a := f.columns[variable]
		if a.IsNull(f.at) {
			if k == text && f.blank {
				return value{}
			}
			return f.null()
		}
		switch a := a.(type) {
		case *array.String:
			if k == list {
				return f.items(a.Value(f.at))
			}
			return value{s: a.Value(f.at)}
		case *array.Decimal64:
			return value{n: int64(a.Value(f.at))}
		case *array.Int64:
			return value{n: a.Value(f.at)}
		case *array.Boolean:
			return truth(a.Value(f.at))
		case *array.Date32:
			return value{n: a.Value(f.at).ToTime().UnixMicro()}
		case *array.Timestamp:
			return value{n: int64(a.Value(f.at))}
		}
		cell, _ := schemas.CellText(a, f.at)
		return value{s: cell}
	}
}

// unbox checks what a Row returned against what the compiler was told.
func (f *frame) unbox(x any, k kind) value {
	switch x := x.(type) {
	case nil:
		return f.null()
	case string:
		if k == text {
			return value{s: x}
		}
		if k == list {
			return f.items(x)
		}
	case schemas.Decimal:
		if k == decimal {
			return value{n: int64(x)}
		}
	case int64:
		if k == integer {
			return value{n: x}
		}
	case bool:
		if k == boolean {
			return truth(x)
		}
	case time.Time:
		if k == moment {
			return value{n: x.UnixMicro()}
		}
	case []string:
		if k == list {
			return value{list: x}
		}
	}
	return f.fail(fmt.Errorf("a value of type %T stands where %s was declared", x, k.article()))
}

func (f *frame) items(s string) value {
	var items []string
	if err := json.Unmarshal([]byte(s), &items); err != nil {
		return f.fail(errors.New("is not a list of texts"))
	}
	return value{list: items}
}

// An Evaluation evaluates a program over the rows of Arrow columns, without
// boxing their values. It serves one goroutine.
type Evaluation struct {
	program *Program
	frame   frame
}

// Over returns an evaluation over columns, one for each variable; those that
// the program does not use may be nil. With blank, a null text reads as "", as
// the empty cells of a source do; otherwise it makes the result null.
func (p *Program) Over(columns []arrow.Array, blank bool) *Evaluation {
	return &Evaluation{program: p, frame: frame{columns: columns, blank: blank}}
}

// Test returns the truth of a condition in a row; known is false when a
// variable that it needed is null.
func (e *Evaluation) Test(row int) (truth, known bool, err error) {
	e.frame.at = row
	v, known, err := e.frame.eval(e.program)
	return v.n != 0, known, err
}

// Text returns the value in a row as the function text writes it; known is
// false when it is null.
func (e *Evaluation) Text(row int) (s string, known bool, err error) {
	e.frame.at = row
	v, known, err := e.frame.eval(e.program)
	if err != nil || !known {
		return "", false, err
	}
	return textOf(v, e.program.kind), true, nil
}
