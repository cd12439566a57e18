package expression

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/parser/lexer"

	"crossdock/schemas"
)

// parse returns the syntax tree of an expression.
func parse(source string) (ast.Node, error) {
	switch {
	case strings.TrimSpace(source) == "":
		return nil, &Error{Message: "the expression is empty"}
	case utf8.RuneCountInString(source) > maxSource:
		return nil, &Error{Message: fmt.Sprintf("the expression is longer than %d characters", maxSource)}
	}
	tree, err := parser.Parse(callWords(source))
	if err != nil {
		return nil, syntaxError(source, err)
	}
	return tree.Node, nil
}

// callMark replaces the first letter of an operator that is called like a
// function. Of one byte, as is the letter, it keeps all positions.
const callMark = "$"

// isCallWord reports whether a word is an operator of the grammar that can
// also be called: contains(t, part) beside t contains part.
func isCallWord(word string) bool {
	switch word {
	case "contains", "startsWith", "endsWith", "matches":
		return true
	}
	return false
}

// plainName returns the name as the user wrote it.
func plainName(name string) string {
	for _, word := range []string{"contains", "startsWith", "endsWith", "matches"} {
		if name == callMark+word[1:] {
			return word
		}
	}
	return name
}

// callWords marks the operators that are called like functions, since the
// grammar takes these words for infix operators alone.
func callWords(source string) string {
	tokens, err := lexer.Lex(file.NewSource(source))
	if err != nil {
		return source // the parser will say what is wrong
	}
	runes := []rune(source)
	for i, token := range tokens {
		if token.Kind != lexer.Operator || !isCallWord(token.Value) {
			continue
		}
		before := i - 1
		if before >= 0 && tokens[before].Is(lexer.Operator, "not") {
			before-- // "a not contains (b)" is infix, "not contains(a, b)" is a call
		}
		prefix := before < 0 || tokens[before].Kind == lexer.Operator ||
			tokens[before].Kind == lexer.Bracket && strings.Contains("([{", tokens[before].Value)
		if prefix && i+1 < len(tokens) && tokens[i+1].Is(lexer.Bracket, "(") {
			runes[token.From] = []rune(callMark)[0]
		}
	}
	return string(runes)
}

// syntaxError says in our words what the parser found.
func syntaxError(source string, err error) error {
	var e *file.Error
	if !errors.As(err, &e) {
		return &Error{Message: err.Error()}
	}
	message := e.Message
	if token, found := strings.CutPrefix(message, "unexpected token "); found {
		_, quoted, _ := strings.Cut(token, "(")
		quoted = strings.TrimSuffix(quoted, ")")
		switch {
		case token == "EOF":
			message = "the expression ends too early"
		case quoted == `"="`:
			message = "unexpected =, equality is written =="
		case strings.HasPrefix(token, "Operator"), strings.HasPrefix(token, "Bracket"):
			message = "unexpected " + strings.Trim(quoted, `"`)
		default:
			message = "unexpected " + quoted
		}
	}
	if message == "literal not terminated" {
		message = "a text is not closed by its quote"
	}
	offset := min(e.From, utf8.RuneCountInString(source))
	return &Error{Message: fmt.Sprintf("%s (at character %d)", message, offset+1), Offset: offset}
}

// callOf returns name and arguments where the node is the call of a function.
func callOf(n ast.Node) (name string, args []ast.Node, ok bool) {
	switch n := n.(type) {
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
			return plainName(callee.Value), n.Arguments, true
		}
	case *ast.BuiltinNode: // a function that expr has too
		return n.Name, n.Arguments, true
	}
	return "", nil, false
}

// checkCalls looks for calls of unknown functions.
func (c *compiler) checkCalls(root ast.Node) error {
	v := &callVisitor{c: c}
	ast.Walk(&root, v)
	return v.err
}

type callVisitor struct {
	c   *compiler
	err error
}

func (v *callVisitor) Visit(n *ast.Node) {
	if name, _, ok := callOf(*n); ok && v.err == nil && !isReference(name) && v.c.function(name) == nil {
		v.err = v.c.unknownFunction(*n, name)
	}
}

// isReference reports whether a call names a variable.
func isReference(name string) bool { return name == "column" || name == "field" }

func (c *compiler) function(name string) *function {
	for i := range c.functions {
		if c.functions[i].name == name {
			return &c.functions[i]
		}
	}
	return nil
}

func (c *compiler) unknownFunction(at ast.Node, name string) error {
	names := []string{"column", "field"}
	for _, f := range c.functions {
		names = append(names, f.name)
	}
	return &Error{
		Message: "unknown function " + name + schemas.DidYouMean(name, names),
		Offset:  at.Location().From,
	}
}
