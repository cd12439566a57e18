package xmlfile

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"

	"crossdock/connectors"
)

const maxColumns = 4096

var errManyColumns = fmt.Errorf("the records have more than %d different elements and attributes", maxColumns)

// A layout says what the columns of records are: those that the settings name
// by their paths, or all elements and attributes with a value.
type layout struct {
	explode  []step
	prefixes map[string]string // by namespace
	named    []namedColumn     // nil: all
	root     *node             // of all, once they are learned
	nodes    int
	columns  []string // those that have a value anywhere
}

type namedColumn struct {
	name string
	path path
	seen bool
}

// A node is one element or attribute of records, under those that lead to it.
type node struct {
	path     string // as the column is called: PRICE/AMOUNT
	children []*node
	byName   map[nodeName]*node
	seen     bool // it has had a value
	column   int  // where its value goes, or none
}

type nodeName struct {
	name      xml.Name
	attribute bool
}

func newLayout(cfg Config, record []step) (*layout, error) {
	l := &layout{prefixes: map[string]string{}, root: &node{path: "."}}
	for prefix, space := range cfg.Namespaces {
		l.prefixes[space] = prefix
	}
	var err error
	if cfg.Explode != "" {
		parsed, err := parsePath(cfg.Explode, cfg.Namespaces)
		if err != nil {
			return nil, &connectors.SettingError{Path: "explode", Message: err.Error()}
		}
		if l.explode = parsed.steps; parsed.ups > 0 || len(l.explode) == 0 || l.explode[len(l.explode)-1].attribute {
			return nil, &connectors.SettingError{Path: "explode", Message: "must lead to elements in the record"}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Columns)) {
		c := namedColumn{name: name}
		if c.path, err = parsePath(cfg.Columns[name], cfg.Namespaces); err != nil {
			return nil, &connectors.SettingError{Path: "columns." + name, Message: err.Error()}
		}
		if message := c.path.aboveFault(record); message != "" {
			return nil, &connectors.SettingError{Path: "columns." + name, Message: message}
		}
		l.named = append(l.named, c)
	}
	return l, nil
}

// A row is one row of a record: the elements from the record to the one that
// is its own, where records are exploded.
type row struct {
	chain []int32
	line  int64 // where it begins
}

// rows returns the rows of a record, and none where it is exploded and has
// nothing to explode.
func (l *layout) rows(t *tree) []row {
	if len(l.explode) == 0 {
		return []row{{line: t.elements[0].line}}
	}
	var rows []row
	for _, chain := range t.chains(l.explode) {
		rows = append(rows, row{chain, t.elements[chain[len(chain)-1]].line})
	}
	return rows
}

// learn notes which columns a row has values for.
func (l *layout) learn(t *tree, above []frame, r row) {
	if l.named == nil {
		l.walk(&walker{tree: t, layout: l, chain: r.chain, add: func(n *node, _ []byte) { n.seen = true }}, l.root, 0, 0)
		return
	}
	for i := range l.named {
		c := &l.named[i]
		if !c.seen {
			l.named[i].seen = l.find(t, above, r, c.path, i, func([]byte) {})
		}
	}
}

// full reports whether there are more columns than a row may have.
func (l *layout) full() bool { return l.nodes > 4*maxColumns }

// makeColumns gives the columns that were seen their order: that of the names
// in the settings, or else of the elements in the documents.
func (l *layout) makeColumns() error {
	l.columns = nil
	for _, c := range l.named {
		if c.seen {
			l.columns = append(l.columns, c.name)
		}
	}
	at := map[string]int{} // the same name in two namespaces is one column
	var visit func(n *node)
	visit = func(n *node) {
		n.column = none
		if n.seen {
			column, known := at[n.path]
			if !known {
				column = len(l.columns)
				at[n.path] = column
				l.columns = append(l.columns, n.path)
			}
			n.column = column
		}
		for _, c := range n.children {
			visit(c)
		}
	}
	visit(l.root)
	if l.full() || len(l.columns) > maxColumns {
		return errManyColumns
	}
	return nil
}

// fill adds the values of a row to cells, by column.
func (l *layout) fill(t *tree, above []frame, r row, cells [][][]byte) {
	for i := range cells {
		cells[i] = cells[i][:0]
	}
	if l.named == nil {
		l.walk(&walker{tree: t, layout: l, chain: r.chain, add: func(n *node, value []byte) {
			if n.column >= 0 {
				cells[n.column] = append(cells[n.column], value)
			}
		}}, l.root, 0, 0)
		return
	}
	column := 0
	for i, c := range l.named {
		if !c.seen {
			continue
		}
		l.find(t, above, r, c.path, i, func(value []byte) { cells[column] = append(cells[column], value) })
		column++
	}
}

// find calls visit with each value of a named column, and reports whether
// there was one.
func (l *layout) find(t *tree, above []frame, r row, p path, column int, visit func([]byte)) bool {
	found := false
	each := func(value []byte, _ int32) {
		found = true
		visit(value)
	}
	if p.ups == 0 {
		l.within(t, r.chain, 0, 0, p.steps, each)
		return found
	}
	f := &above[len(above)-p.ups]
	for _, value := range f.values[column] {
		each(value, 0)
	}
	if s := &p.steps[0]; s.attribute {
		if value, ok := attribute(f.attributes, s); ok {
			each(value, 0)
		}
	}
	return found
}

// within goes steps as tree.values does, but where they lead over elements
// that are exploded, to the one alone that the row is of.
func (l *layout) within(t *tree, chain []int32, level int, from int32, steps []step, visit func([]byte, int32)) {
	if level == len(l.explode) || len(steps) == 0 || steps[0].attribute || !steps[0].sameName(&l.explode[level]) {
		t.values(from, steps, visit)
		return
	}
	t.children(from, &steps[0], func(child int32) {
		if level < len(chain) && chain[level] == child {
			l.within(t, chain, level+1, child, steps[1:], visit)
		}
	})
}

// A walker goes through all of a record.
type walker struct {
	tree   *tree
	layout *layout
	chain  []int32
	add    func(n *node, value []byte)
}

// walk visits an element and what is in it; level counts the steps to explode
// that lead to it, or is none where they do not.
func (l *layout) walk(w *walker, n *node, at int32, level int) {
	t := w.tree
	e := &t.elements[at]
	for _, a := range e.attributes {
		if isData(a.Name) {
			if c := l.child(n, nodeName{a.Name, true}); c != nil {
				w.add(c, []byte(a.Value))
			}
		}
	}
	if e.own || e.first == none && (at > 0 || len(e.attributes) == 0) {
		w.add(n, t.value(at))
	}
	for child := e.first; child != none; child = t.elements[child].next {
		below := none
		if level >= 0 && level < len(l.explode) && l.explode[level].matches(t.elements[child].name) {
			if level >= len(w.chain) || w.chain[level] != child {
				continue // of another row
			}
			below = level + 1
		}
		if c := l.child(n, nodeName{t.elements[child].name, false}); c != nil {
			l.walk(w, c, child, below)
		}
	}
}

// child returns the node of a name, nil where there is none and no more are taken.
func (l *layout) child(n *node, name nodeName) *node {
	if c := n.byName[name]; c != nil || l.full() || l.columns != nil {
		return c
	}
	l.nodes++
	shown := name.name.Local
	if prefix := l.prefixes[name.name.Space]; prefix != "" {
		shown = prefix + ":" + shown
	}
	if name.attribute {
		shown = "@" + shown
	}
	if n != l.root {
		shown = n.path + "/" + shown
	}
	c := &node{path: shown, column: none}
	if n.byName == nil {
		n.byName = map[nodeName]*node{}
	}
	n.byName[name] = c
	n.children = append(n.children, c)
	return c
}

// cellOf returns the cell that the values of one column make: several are a
// list, which is written as JSON.
func cellOf(values [][]byte) ([]byte, connectors.Kind) {
	switch len(values) {
	case 0:
		return nil, connectors.AbsentCell
	case 1:
		if len(bytes.TrimSpace(values[0])) == 0 {
			return nil, connectors.TextCell
		}
		return values[0], connectors.TextCell
	}
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = string(bytes.TrimSpace(value))
	}
	var list bytes.Buffer
	encoder := json.NewEncoder(&list)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(texts) // texts always have a form in JSON
	return bytes.TrimSuffix(list.Bytes(), []byte("\n")), connectors.TextCell
}
