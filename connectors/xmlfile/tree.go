package xmlfile

import (
	"bytes"
	"encoding/xml"
)

// none is the number of an element that is not there.
const none = -1

// A tree is one element with all that is in it: a record. It is built anew for
// each, in memory that is used again.
type tree struct {
	elements []element
	text     []byte // of all elements, in the order of the document
	open     []int32
}

// An element of a tree, which names others by their numbers.
type element struct {
	name              xml.Name
	attributes        []xml.Attr
	start, end        int // its text, and that of what is in it
	line              int64
	first, last, next int32 // children and sibling, or none
	own               bool  // it has text of its own that is not blank
}

func (t *tree) reset() {
	clear(t.elements) // so that a large record does not stay in memory
	t.elements, t.text, t.open = t.elements[:0], t.text[:0], t.open[:0]
}

// begin opens an element within those that are open.
func (t *tree) begin(start xml.StartElement, line int64) {
	n := int32(len(t.elements))
	t.elements = append(t.elements, element{
		name: start.Name, attributes: start.Attr, start: len(t.text), line: line, first: none, last: none, next: none,
	})
	if len(t.open) > 0 {
		parent := &t.elements[t.open[len(t.open)-1]]
		if parent.first == none {
			parent.first = n
		} else {
			t.elements[parent.last].next = n
		}
		parent.last = n
	}
	t.open = append(t.open, n)
}

// add adds text to the element that is open.
func (t *tree) add(text []byte) {
	t.text = append(t.text, text...)
	if e := &t.elements[t.open[len(t.open)-1]]; !e.own {
		e.own = len(bytes.TrimSpace(text)) > 0
	}
}

// end closes the element that is open, and reports whether the tree is whole.
func (t *tree) end() bool {
	last := len(t.open) - 1
	t.elements[t.open[last]].end = len(t.text)
	t.open = t.open[:last]
	return last == 0
}

// children calls visit for every child of an element that a step leads to.
func (t *tree) children(of int32, s *step, visit func(child int32)) {
	var places [maxPredicates + 1]int // among those that fit the predicates before
	for n := t.elements[of].first; n != none; n = t.elements[n].next {
		if s.matches(t.elements[n].name) && t.holds(n, s.predicates, &places) {
			visit(n)
		}
	}
}

func (t *tree) holds(n int32, predicates []predicate, places *[maxPredicates + 1]int) bool {
	for i := range predicates {
		places[i]++
		p := &predicates[i]
		found := p.place == places[i]
		if p.place == 0 {
			found = false
			t.values(n, p.path, func(value []byte, _ int32) {
				found = found || string(bytes.TrimSpace(value)) == p.value
			})
		}
		if !found {
			return false
		}
	}
	return true
}

// values calls visit with each value that steps lead to from an element, and
// the element that has it.
func (t *tree) values(from int32, steps []step, visit func(value []byte, of int32)) {
	if len(steps) == 0 {
		visit(t.value(from), from)
		return
	}
	s := &steps[0]
	if s.attribute {
		if value, ok := t.attribute(from, s); ok {
			visit(value, from)
		}
		return
	}
	t.children(from, s, func(child int32) { t.values(child, steps[1:], visit) })
}

// value returns the text of an element. Blanks between the elements in it are
// no text of its own.
func (t *tree) value(n int32) []byte {
	e := &t.elements[n]
	text := t.text[e.start:e.end]
	if e.first != none && !e.own {
		return bytes.Join(bytes.Fields(text), []byte(" "))
	}
	return text
}

func (t *tree) attribute(n int32, s *step) ([]byte, bool) {
	return attribute(t.elements[n].attributes, s)
}

// attribute returns the value of the attribute that a step leads to. One
// without namespace comes before others of the same name.
func attribute(attributes []xml.Attr, s *step) (value []byte, found bool) {
	for _, a := range attributes {
		if !isData(a.Name) || !s.matches(a.Name) {
			continue
		}
		if a.Name.Space == s.space {
			return []byte(a.Value), true
		}
		value, found = []byte(a.Value), true
	}
	return value, found
}

// isData reports whether an attribute says something about the data, and not
// about the document.
func isData(name xml.Name) bool {
	return name.Space != "xmlns" && name.Local != "xmlns" && name.Space != "http://www.w3.org/2001/XMLSchema-instance"
}

// chains returns the elements that a path leads to, each with those on the way
// to it from the root of the tree on.
func (t *tree) chains(explode []step) [][]int32 {
	var found [][]int32
	var walk func(n int32, at []int32)
	walk = func(n int32, at []int32) {
		if len(at) == len(explode) {
			found = append(found, append([]int32(nil), at...))
			return
		}
		t.children(n, &explode[len(at)], func(child int32) { walk(child, append(at, child)) })
	}
	walk(0, make([]int32, 0, len(explode)))
	return found
}
