package parquetfile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"crossdock/connectors"
	"crossdock/schemas"
)

// A column is one column of a batch: a leaf of the schema that is not left out.
type column struct {
	name string
	leaf int // its number in the file
	form form
	most int16 // the level of definition at which there is a value
	// item is the level of definition from which on a list has an item: it is
	// there and empty one level below, and null beneath that. 0: no list.
	item int16
}

// describe reads the footer of a file.
func (s *source) describe(ctx context.Context, f connectors.File) (*table, error) {
	if err := f.CheckUnchanged(); err != nil {
		return nil, err
	}
	reader, err := openParquet(ctx, f)
	if err != nil {
		return nil, err
	}
	defer reader.Close() // a file that was only read loses nothing
	t := &table{file: f, rows: reader.MetaData().GetNumRows()}
	l := &layout{skip: s.cfg.Skip, text: s.cfg.Text, known: map[string]bool{}}
	if err := sheltered(func() error { l.read(reader.MetaData().Schema); return nil }); err != nil {
		return nil, damaged(f, 0, err)
	}
	t.columns = l.columns
	if err := l.fault(f); err != nil {
		return nil, err
	}
	if t.rows == 0 {
		return nil, &connectors.Error{Place: connectors.Place{Resource: f.Name}, Message: "has columns but no rows", Hint: "was it fully written?"}
	}
	return t, nil
}

// A layout collects the columns of a file.
type layout struct {
	skip, text []string
	columns    []column
	known      map[string]bool // names, also of what is left out
	bytes      []string        // text, perhaps
	refused    []string
	why        map[string]string // by name
	twice      string
}

func (l *layout) read(s *schema.Schema) {
	l.why = map[string]string{}
	for leaf := range s.NumColumns() {
		c := s.Column(leaf)
		name, item, why := place(c)
		f, cannot := formOf(c, slices.Contains(l.text, name))
		if why == "" {
			why = cannot
		}
		again := l.known[name]
		l.known[name] = true
		switch {
		case slices.Contains(l.skip, name):
		case why != "" && again: // another leaf of the same map or list
		case why != "":
			l.refused = append(l.refused, name)
			l.why[name] = why
			if why == plainBytes {
				l.bytes = append(l.bytes, name)
			}
		case again:
			l.twice = name
		default:
			l.columns = append(l.columns, column{name: name, leaf: leaf, form: f, most: c.MaxDefinitionLevel(), item: item})
		}
	}
}

// fault returns what is wrong with the columns of a file under the settings.
func (l *layout) fault(f connectors.File) error {
	place := connectors.Place{Resource: f.Name}
	for _, named := range []struct {
		setting string
		names   []string
	}{{"skip", l.skip}, {"text", l.text}} {
		for _, name := range named.names {
			if !l.known[name] {
				return &connectors.Error{Place: place, Message: fmt.Sprintf("has no column %s, which %s names%s", schemas.QuoteShort(name), named.setting, schemas.DidYouMean(name, l.names()))}
			}
		}
	}
	switch {
	case len(l.refused) > 0:
		first := l.refused[0]
		hint := "leave out what no cell can hold with skip: " + listed(l.refused)
		if len(l.bytes) > 0 {
			hint += ", or, if it is text in UTF-8, say so with text: " + listed(l.bytes)
		}
		return &connectors.Error{Place: connectors.Place{Resource: f.Name, Column: first}, Message: l.why[first], Hint: hint}
	case l.twice != "":
		return &connectors.Error{
			Place: connectors.Place{Resource: f.Name, Column: l.twice}, Message: "several columns have this name",
			Hint: "have the file written with a name of its own for each, or leave them out with skip",
		}
	case len(l.columns) == 0:
		return &connectors.Error{Place: place, Message: "has no columns to read"}
	case len(l.columns) > maxColumns:
		return &connectors.Error{Place: place, Message: fmt.Sprintf("has %d columns, more than %d", len(l.columns), maxColumns), Hint: "leave some out with skip"}
	}
	for _, c := range l.columns {
		if !utf8.ValidString(c.name) {
			return &connectors.Error{Place: place, Message: fmt.Sprintf("the name of a column is not UTF-8: %s", schemas.QuoteShort(c.name))}
		}
	}
	return nil
}

func (l *layout) names() []string {
	names := make([]string, 0, len(l.known))
	for name := range l.known {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// place returns the name of the column that a leaf is, or belongs to, and for
// a list the level of its items; or why it can be no column.
func place(c *schema.Column) (name string, item int16, why string) {
	var path []schema.Node // from below the root to the leaf
	for n := c.SchemaNode(); n.Parent() != nil; n = n.Parent() {
		path = append(path, n)
	}
	slices.Reverse(path)
	repeated := -1
	var level int16
	for i, n := range path {
		if n.RepetitionType() != parquet.Repetitions.Required {
			level++
		}
		if n.RepetitionType() == parquet.Repetitions.Repeated {
			repeated, item = i, level
			break
		}
	}
	if repeated < 0 {
		return joined(path), 0, ""
	}
	last := len(path) - 1
	if repeated == last { // a repeated value, without a group around it
		return joined(path), item, ""
	}
	// The three levels of a list are group (LIST) > repeated group > value. What
	// its parent is to a repeated group tells a list from a map.
	outer := path[:repeated]
	if len(outer) == 0 || path[repeated].(*schema.GroupNode).NumFields() > 1 && isList(outer[len(outer)-1]) {
		if len(outer) == 0 {
			outer = path[:1]
		}
		return joined(outer), 0, "is a list of groups, which no cell can hold"
	}
	switch {
	case !isList(outer[len(outer)-1]):
		return joined(outer), 0, "is a map or a list of groups, which no cell can hold"
	case c.MaxRepetitionLevel() > 1:
		return joined(outer), 0, "is a list of lists, which no cell can hold"
	case repeated+1 != last:
		return joined(outer), 0, "is a list of groups, which no cell can hold"
	}
	return joined(outer), item, ""
}

func isList(n schema.Node) bool {
	_, ok := n.LogicalType().(schema.ListLogicalType)
	return ok || n.ConvertedType() == schema.ConvertedTypes.List
}

func joined(path []schema.Node) string {
	names := make([]string, len(path))
	for i, n := range path {
		names[i] = n.Name()
	}
	return strings.Join(names, ".")
}
