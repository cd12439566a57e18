package jsonfile

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"crossdock/connectors"
	"crossdock/schemas"
)

// The rules by which a record is refused.
const (
	malformed = "malformed"        // it is not JSON
	encoding  = "encoding"         // a text in it cannot be decoded
	duplicate = "duplicate_member" // an object has a member twice
	tooLong   = "too_long"
	tooDeep   = "too_deep"
	notObject = "not_an_object"
)

const maxNameBytes = 4096

// A fault is what is wrong with a record.
type fault struct {
	rule    string
	message string
	at      int // offset in the record
	column  int // or -1
	value   []byte
}

// A parser takes records apart by the grammar of RFC 8259. While it learns it
// notes the members, afterwards it fills the cells.
type parser struct {
	tree     *tree
	learning bool
	scalars  int // records that are no objects, while it learns

	cells []cell // by column
	stamp int64  // of the record
	seen  int64  // of the record, or of the element of it being parsed

	buf     []byte
	at      int
	depth   int
	scratch []byte   // texts that do not stand in buf as they are
	names   [][]byte // of the objects within JSON text, for duplicates
	soft    *fault   // the first that leaves the record readable as JSON
	stopped bool     // the record is too deep to be read to its end
	touched []touch  // nodes of the record, while it learns

	levels []level // that are exploded
	deep   int     // how many of them are entered
	kept   int     // bytes of scratch that hold values of the record itself
}

type cell struct {
	value []byte
	kind  connectors.Kind
	stamp int64
}

type touch struct {
	node *node
	kind uint8
}

func newParser(t *tree, learning bool) *parser {
	return &parser{tree: t, learning: learning, cells: make([]cell, len(t.columns)), levels: levelsOf(t)}
}

// parse takes one record apart and returns what is wrong with it, or nil.
func (p *parser) parse(rec record) *fault {
	p.tree.stamp++
	p.stamp, p.seen = p.tree.stamp, p.tree.stamp
	p.buf, p.at, p.depth, p.stopped = rec.text, 0, 0, false
	p.scratch, p.names, p.soft, p.touched = p.scratch[:0], p.names[:0], nil, p.touched[:0]
	for i := range p.levels {
		p.levels[i].elements, p.levels[i].next = p.levels[i].elements[:0], 0
	}
	if !rec.whole {
		return &fault{rule: tooLong, column: -1, value: rec.text, message: fmt.Sprintf("the record is longer than %d MiB", maxRecord>>20)}
	}
	hard := p.record()
	switch {
	case hard != nil:
		return hard
	case p.soft != nil:
		return p.soft
	}
	p.commit()
	return nil
}

// commit makes columns of what was touched; members of a record that is
// refused make none.
func (p *parser) commit() {
	for _, t := range p.touched {
		t.node.kinds |= t.kind
	}
}

func (p *parser) record() *fault {
	p.blanks()
	var hard *fault
	if p.at < len(p.buf) && p.buf[p.at] == '{' {
		hard = p.object(p.tree.root, 0)
	} else {
		began := p.at
		hard = p.skim()
		if hard == nil {
			p.scalars++
			p.report(notObject, began, -1, p.buf[began:p.at], "the record is no object, as {\"sku\": \"A1\"} is one")
		}
	}
	if hard != nil {
		return hard
	}
	if p.blanks(); p.at < len(p.buf) {
		return p.expected("the end of the record")
	}
	return nil
}

// report notes a fault that does not keep the parser from going on.
func (p *parser) report(rule string, at, column int, value []byte, message string) {
	if p.soft == nil {
		p.soft = &fault{rule: rule, at: at, column: column, value: value, message: message}
	}
}

// expected is the fault for a character that cannot stand here.
func (p *parser) expected(want string) *fault {
	return &fault{
		rule: malformed, at: p.at, column: -1, value: around(p.buf, p.at),
		message: fmt.Sprintf("found %s where %s should be", shown(p.buf[p.at:]), want),
	}
}

// around returns what stands about a place.
func around(b []byte, at int) []byte {
	const before, behind = 40, 40
	return b[max(0, at-before):min(len(b), at+behind)]
}

func (p *parser) blanks() {
	for p.at < len(p.buf) {
		switch p.buf[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// next returns the next character behind blanks, 0 at the end.
func (p *parser) next() byte {
	if p.blanks(); p.at < len(p.buf) {
		return p.buf[p.at]
	}
	return 0
}

// object takes an object whose members are nodes.
func (p *parser) object(n *node, level int) *fault {
	p.depth++
	defer func() { p.depth-- }()
	p.at++ // {
	n.next = 0
	if p.next() == '}' {
		p.at++
		return nil
	}
	for {
		name, hard := p.memberName()
		if hard != nil {
			return hard
		}
		if hard := p.member(n, name, level); hard != nil || p.stopped {
			return hard
		}
		switch p.next() {
		case ',':
			p.at++
		case '}':
			p.at++
			return nil
		default:
			return p.expected("',' or '}'")
		}
	}
}

// memberName takes the name of a member and the colon behind it.
func (p *parser) memberName() ([]byte, *fault) {
	if p.next() != '"' {
		return nil, p.expected("the name of a member in quotes")
	}
	began := p.at
	name, hard := p.text(-1)
	if hard != nil {
		return nil, hard
	}
	if len(name) > maxNameBytes {
		p.report(tooLong, began, -1, name[:maxNameBytes], fmt.Sprintf("the name of a member is longer than %d bytes", maxNameBytes))
	}
	if p.next() != ':' {
		return nil, p.expected("':'")
	}
	p.at++
	return name, nil
}

// member takes the value of a member that is a node.
func (p *parser) member(parent *node, name []byte, level int) *fault {
	n := parent.child(name)
	if n == nil {
		// What was not there while the members were learned can be in the
		// record of a file that changed meanwhile, which is found out at its end.
		n = &node{column: -1}
		if p.learning && !p.tree.full() {
			n = parent.add(name)
			p.tree.mark(parent, n, name)
			p.tree.nodes++
		}
	}
	if n.seen == p.seen {
		p.reportTwice(p.at, n.column, name)
	}
	n.seen = p.seen
	c := p.next()
	switch {
	case n.level > 0 && c != 'n':
		return p.capture(n)
	case c == '{' && level < p.tree.flatten:
		return p.nested(n, level)
	}
	return p.scalar(n, c)
}

// scalar takes a value that fills one cell.
func (p *parser) scalar(n *node, c byte) *fault {
	switch c {
	case '{', '[':
		return p.jsonText(n)
	case '"':
		p.touch(n, wasScalar)
		value, hard := p.text(n.column)
		if hard == nil {
			p.set(n, value, connectors.TextCell)
		}
		return hard
	case 'n':
		p.touch(n, wasNull)
		hard := p.word("null")
		if hard == nil {
			p.clear(n)
		}
		return hard
	case 't', 'f':
		p.touch(n, wasScalar)
		word := "true"
		if c == 'f' {
			word = "false"
		}
		began := p.at
		hard := p.word(word)
		if hard == nil {
			p.set(n, p.buf[began:p.at], connectors.BooleanCell)
		}
		return hard
	default:
		p.touch(n, wasScalar)
		value, hard := p.number()
		if hard == nil {
			p.set(n, value, connectors.NumberCell)
		}
		return hard
	}
}

// nested takes an object as the value of a node.
func (p *parser) nested(n *node, level int) *fault {
	began := p.at
	if hard := p.object(n, level+1); hard != nil {
		return hard
	}
	if len(bytes.TrimSpace(p.buf[began+1:p.at-1])) > 0 {
		p.touch(n, wasObject)
		return nil
	}
	p.touch(n, wasEmpty)
	p.set(n, []byte("{}"), connectors.TextCell)
	return nil
}

// jsonText takes an array or object as text without blanks.
func (p *parser) jsonText(n *node) *fault {
	p.touch(n, wasScalar)
	from := len(p.scratch)
	p.names = p.names[:0]
	if hard := p.compact(); hard != nil {
		return hard
	}
	if value := p.scratch[from:]; len(value) > maxCellBytes {
		p.reportLong(p.at, n.column, value)
	} else {
		p.set(n, value, connectors.TextCell)
	}
	return nil
}

func (p *parser) reportLong(at, column int, value []byte) {
	p.report(tooLong, at, column, value[:1024], fmt.Sprintf("a value is longer than %d MiB", maxCellBytes>>20))
}

func (p *parser) reportTwice(at, column int, name []byte) {
	p.report(duplicate, at, column, name[:min(len(name), 1024)], fmt.Sprintf("the member %s stands twice in an object", schemas.QuoteShort(string(name))))
}

func (p *parser) touch(n *node, kind uint8) {
	if p.learning && n.kinds&kind == 0 {
		p.touched = append(p.touched, touch{n, kind})
	}
}

// set fills the cell of a node.
func (p *parser) set(n *node, value []byte, kind connectors.Kind) {
	if p.learning || n.column < 0 {
		return
	}
	c := &p.cells[n.column]
	if c.stamp == p.stamp && c.value != nil { // "a.b" beside b in a
		p.report(duplicate, p.at, n.column, value[:min(len(value), 1024)],
			fmt.Sprintf("the member %s stands twice in the record: by its path and by its name", schemas.QuoteShort(n.path)))
	}
	*c = cell{value, kind, p.stamp}
}

// clear makes the cell of a node null, and those of its members.
func (p *parser) clear(n *node) {
	if p.learning {
		return
	}
	if n.column >= 0 && p.cells[n.column].stamp != p.stamp {
		p.cells[n.column] = cell{nil, connectors.TextCell, p.stamp}
	}
	for _, c := range n.children {
		p.clear(c)
	}
}

// text takes a string and returns what it says; column is that of its cell.
func (p *parser) text(column int) ([]byte, *fault) {
	began := p.at + 1
	i, ascii := began, true
	for ; i < len(p.buf) && p.buf[i] != '"' && p.buf[i] != '\\' && p.buf[i] >= ' '; i++ {
		ascii = ascii && p.buf[i] < utf8.RuneSelf
	}
	if i == len(p.buf) || p.buf[i] != '"' {
		return p.escapedText(began, i, column)
	}
	value := p.buf[began:i]
	p.at = i + 1
	if !ascii && !utf8.Valid(value) {
		p.notUTF8(began, column, value)
	}
	if len(value) > maxCellBytes {
		p.reportLong(began, column, value)
	}
	return value, nil
}

func (p *parser) notUTF8(at, column int, value []byte) {
	p.report(encoding, at, column, value[:min(len(value), 1024)], "a text is not UTF-8: have the file written as UTF-8, as JSON must be")
}
