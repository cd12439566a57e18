package jsonfile

import (
	"fmt"
	"slices"
	"strings"

	"crossdock/schemas"
)

// An explosion is the path to arrays in a record whose elements are rows of
// their own. Arrays lie in elements of arrays where it has several levels.
type explosion struct {
	members []string // of all levels, one behind the other
	ends    []int    // how many of them lead to the array of each level
}

// parseExplode reads a path such as prices[*] or groups[*].prices[*], in which
// the last [*] may be left out.
func parseExplode(text string) (explosion, error) {
	var x explosion
	if text == "" {
		return x, nil
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(text, "[*]"), "[*]") {
		if len(x.ends) > 0 {
			part = strings.TrimPrefix(part, ".")
		}
		p, err := parsePath(part)
		if err != nil || len(p.members) == 0 {
			return explosion{}, fmt.Errorf("is %s, but must be a path of member names such as prices[*] or groups[*].prices[*]", schemas.QuoteShort(text))
		}
		x.members = append(x.members, p.members...)
		x.ends = append(x.ends, len(x.members))
	}
	return x, nil
}

// mark notes of a new node how far it is on the way to what is exploded.
func (x *explosion) mark(parent, child *node, name []byte) {
	if parent.along < 0 || parent.along == len(x.members) || x.members[parent.along] != string(name) {
		child.along = none
		return
	}
	child.along = parent.along + 1
	child.level = slices.Index(x.ends, child.along) + 1
}

// none is said of a node that is not on the way to what is exploded.
const none = -1

// A level is one of the arrays that are being exploded: that of the record, or
// that of an element of the level above.
type level struct {
	node     *node
	columns  []int    // that are filled by its elements
	elements [][2]int // where they stand in the text of the record
	next     int
}

// An outcome is what the next step of an explosion brings.
type outcome uint8

const (
	ended   outcome = iota
	isRow           // the cells are those of a row
	isEmpty         // there is nothing to explode: the cells are those of what is above
	isFault         // the row is at fault, and nothing else of the record
)

// levelsOf finds the nodes that are exploded and the columns below them.
func levelsOf(t *tree) []level {
	levels := make([]level, len(t.ends))
	var visit func(n *node, within int)
	visit = func(n *node, within int) {
		if n.level > 0 {
			within = n.level
			levels[within-1].node = n
		}
		for i := range within {
			if n.column >= 0 {
				levels[i].columns = append(levels[i].columns, n.column)
			}
		}
		for _, c := range n.children {
			visit(c, within)
		}
	}
	visit(t.root, 0)
	return levels
}

// begin makes ready to explode the record that was parsed.
func (p *parser) begin() {
	p.deep = 1
	p.kept = len(p.scratch)
}

// advance goes to the next row of the record that was parsed.
func (p *parser) advance() (outcome, *fault) {
	for p.deep > 0 {
		l := &p.levels[p.deep-1]
		switch {
		case len(l.elements) == 0 && l.next == 0:
			l.next = 1 // it is empty once
			p.forget(l)
			p.deep--
			return isEmpty, nil
		case l.next >= len(l.elements):
			p.deep--
			continue
		}
		l.next++
		if fault := p.element(l, l.elements[l.next-1]); fault != nil {
			return isFault, fault
		}
		if p.deep == len(p.levels) {
			return isRow, nil
		}
		p.deep++
	}
	return ended, nil
}

// forget makes the cells below a level absent.
func (p *parser) forget(l *level) {
	for _, column := range l.columns {
		p.cells[column].stamp = 0
	}
}

// element takes one element of a level apart.
func (p *parser) element(l *level, at [2]int) *fault {
	p.forget(l)
	p.at, p.soft, p.touched = at[0], nil, p.touched[:0]
	if p.deep == 1 {
		p.scratch = p.scratch[:p.kept]
	}
	p.tree.stamp++ // members may stand in every element
	p.seen = p.tree.stamp
	for i := p.deep; i < len(p.levels); i++ {
		p.levels[i].elements, p.levels[i].next = p.levels[i].elements[:0], 0
	}
	var hard *fault
	if p.buf[p.at] == '{' {
		hard = p.nested(l.node, l.node.along-1)
	} else {
		hard = p.scalar(l.node, p.buf[p.at])
	}
	if hard == nil {
		hard = p.soft
	}
	if hard == nil {
		p.commit()
	}
	return hard
}

// capture notes where the elements of an array stand that is exploded. A value
// in place of an array is the one element.
func (p *parser) capture(n *node) *fault {
	l := &p.levels[n.level-1]
	l.node = n
	p.names = p.names[:0]
	took := func() *fault {
		p.blanks()
		began := p.at
		if hard := p.skim(); hard != nil || p.stopped {
			return hard
		}
		l.elements = append(l.elements, [2]int{began, p.at})
		return nil
	}
	if p.next() != '[' {
		return took()
	}
	if p.depth++; p.depth > maxDepth {
		return p.skim() // which says so
	}
	defer func() { p.depth-- }()
	p.at++
	if p.next() == ']' {
		p.at++
		return nil
	}
	for {
		if hard := took(); hard != nil || p.stopped {
			return hard
		}
		switch p.next() {
		case ',':
			p.at++
		case ']':
			p.at++
			return nil
		default:
			return p.expected("',' or ']'")
		}
	}
}

// learnRows notes the members of the elements that are exploded, and returns
// how many rows there are.
func (p *parser) learnRows() int {
	rows := 0
	for p.begin(); ; {
		switch got, _ := p.advance(); got {
		case ended:
			return rows
		case isRow, isFault:
			rows++
		case isEmpty:
		}
	}
}
