package jsonfile

import "fmt"

var errTooManyMembers = fmt.Errorf("the records have more than %d different members", maxColumns)

// A tree holds the members of all objects that were seen, in the order in
// which they came. Its leaves are columns.
type tree struct {
	root    *node
	flatten int // levels of nested objects that are nodes; deeper ones are text
	columns []string
	explosion
	nodes int
	stamp int64 // of the last record, by which its marks differ from older ones
}

// A node is one member, under the members that lead to it.
type node struct {
	path     string // as the column is called: price.amount
	root     bool
	children []*node
	byName   map[string]*node
	names    [][]byte // of the children
	place    int      // among its siblings
	along    int      // members on the way to what is exploded that lead to it, or none
	level    int      // of the arrays that are exploded here, from 1; else 0
	next     int      // the child that probably comes next

	seen  int64 // the record that had it last
	kinds uint8 // what its values were: the constants below
	// column is where its value goes, -1 where it is an object and nothing else.
	column int
}

// What the values of a member were.
const (
	wasScalar uint8 = 1 << iota // text, number, boolean, array, object as text
	wasObject
	wasEmpty // an object without members
	wasNull
)

func newTree(flatten int, x explosion) *tree {
	return &tree{root: &node{root: true, column: -1, kinds: wasObject}, flatten: flatten, explosion: x}
}

// full reports whether the tree takes no more members: those of data used as
// names would fill the memory.
func (t *tree) full() bool { return t.nodes > 4*maxColumns }

// child returns the child with the name given, or nil. Most objects of a file
// have their members in the same order, so that a look is mostly enough.
func (n *node) child(name []byte) *node {
	if n.next < len(n.names) && string(n.names[n.next]) == string(name) {
		n.next++
		return n.children[n.next-1]
	}
	if c := n.byName[string(name)]; c != nil {
		n.next = c.place + 1
		return c
	}
	return nil
}

// add makes a child.
func (n *node) add(name []byte) *node {
	c := &node{path: string(name), place: len(n.children), column: -1}
	if !n.root {
		c.path = n.path + "." + c.path
	}
	if n.byName == nil {
		n.byName = map[string]*node{}
	}
	n.byName[string(name)] = c
	n.children = append(n.children, c)
	n.names = append(n.names, []byte(string(name)))
	n.next = len(n.children)
	return c
}

// makeColumns gives the leaves their columns. A member that is an object in
// one record and a text in another has a column beside those of its members;
// one that is null besides being an object has none, for then they are null.
func (t *tree) makeColumns() error {
	t.columns = nil
	at := map[string]int{}
	var visit func(n *node) error
	if t.full() {
		return errTooManyMembers
	}
	visit = func(n *node) error {
		leaf := n.kinds&wasObject == 0 && n.kinds != 0
		if leaf || n.kinds&wasScalar != 0 {
			column, known := at[n.path]
			if !known {
				if column = len(t.columns); column == maxColumns {
					return errTooManyMembers
				}
				at[n.path] = column
				t.columns = append(t.columns, n.path)
			}
			n.column = column
		}
		for _, c := range n.children {
			if err := visit(c); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(t.root)
}

// clone returns a tree of its own for a parser, for nodes carry marks of the
// record being parsed.
func (t *tree) clone() *tree {
	return &tree{root: t.root.clone(), flatten: t.flatten, columns: t.columns, explosion: t.explosion}
}

func (n *node) clone() *node {
	c := &node{path: n.path, root: n.root, names: n.names, place: n.place, along: n.along, level: n.level, kinds: n.kinds, column: n.column}
	if n.byName != nil {
		c.byName = make(map[string]*node, len(n.byName))
	}
	for i, child := range n.children {
		own := child.clone()
		c.children = append(c.children, own)
		c.byName[string(n.names[i])] = own
	}
	return c
}
