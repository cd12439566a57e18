package pipelines

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"crossdock/connectors"
)

// Bounds of a pipeline file.
const (
	maxFileBytes = 1 << 20
	maxDepth     = 20
)

// A Fault is one thing that is wrong in a pipeline file.
type Fault struct {
	File         string `json:"file"`
	Line, Column int    // from 1
	Path         string `json:"path"` // map.category.expr, or "" for the file as a whole
	Message      string `json:"message"`
}

// Error writes the fault as compilers do: catalog.yaml:9:14: map.category: unknown function spilt.
func (f Fault) Error() string {
	s := fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Path != "" {
		s += f.Path + ": "
	}
	return s + f.Message
}

// Faults are all that is wrong in a pipeline file, in the order of its lines.
type Faults []Fault

// Error returns them all, one to a line.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// A document is a YAML file as plain values, with the place of each.
type document struct {
	file   string
	root   map[string]any
	order  map[string][]string // the keys of each mapping as they stand, by its path
	places map[string]*token.Position
	faults Faults
}

// parseDocument reads YAML that consists of mappings, sequences and scalars.
// Anchors are refused: they have no use here and can make a small file vast.
// Whole numbers come as int64, other numbers as the text that was written, so
// that 0.1 stays exact and 007 stays 007.
func parseDocument(file string, text []byte) (*document, error) {
	d := &document{file: file, order: map[string][]string{}, places: map[string]*token.Position{}}
	if len(text) > maxFileBytes {
		return nil, Faults{{File: file, Line: 1, Column: 1, Message: "is larger than 1 MiB: a pipeline is not data"}}
	}
	parsed, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, Faults{syntaxFault(file, err)}
	}
	if len(parsed.Docs) == 0 || parsed.Docs[0].Body == nil {
		return nil, Faults{{File: file, Line: 1, Column: 1, Message: "is empty: a pipeline needs pipeline, source, entity and map"}}
	}
	if len(parsed.Docs) > 1 {
		at := parsed.Docs[1].Start
		return nil, Faults{{File: file, Line: at.Position.Line, Column: at.Position.Column, Message: "holds a second document: write one pipeline to a file"}}
	}
	root, ok := d.value("", parsed.Docs[0].Body, 0).(map[string]any)
	if !ok && len(d.faults) == 0 {
		d.fault("", "must be a mapping of keys such as pipeline, source, entity and map")
	}
	d.root = root
	if len(d.faults) > 0 {
		return nil, d.faults
	}
	return d, nil
}

func syntaxFault(file string, err error) Fault {
	f := Fault{File: file, Line: 1, Column: 1, Message: "is not YAML: " + err.Error()}
	var positioned interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if errors.As(err, &positioned) && positioned.GetToken() != nil {
		at := positioned.GetToken().Position
		f.Line, f.Column, f.Message = at.Line, at.Column, "is not YAML: "+positioned.GetMessage()
	}
	return f
}

// fault notes what is wrong at a path, or at the nearest place above it.
func (d *document) fault(path, format string, args ...any) {
	f := Fault{File: d.file, Line: 1, Column: 1, Path: path, Message: fmt.Sprintf(format, args...)}
	for at := path; ; at = parentPath(at) {
		if place := d.places[at]; place != nil {
			f.Line, f.Column = place.Line, place.Column
			break
		}
		if at == "" {
			break
		}
	}
	d.faults = append(d.faults, f)
}

// settingFaults notes the errors of settings that stand under a path.
func (d *document) settingFaults(under string, err error) {
	var list connectors.SettingErrors
	var single *connectors.SettingError
	switch {
	case err == nil:
	case errors.As(err, &list):
		for _, e := range list {
			d.fault(joinPath(under, e.Path), "%s", e.Message)
		}
	case errors.As(err, &single):
		d.fault(joinPath(under, single.Path), "%s", single.Message)
	default:
		d.fault(under, "%s", err)
	}
}

// err returns the faults in the order of the file, or nil.
func (d *document) err() error {
	if len(d.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(d.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return d.faults
}

func parentPath(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

func joinPath(under, path string) string {
	if under == "" || path == "" || path[0] == '[' {
		return under + path
	}
	return under + "." + path
}

func (d *document) value(path string, n ast.Node, depth int) any {
	if _, placed := d.places[path]; !placed && path != "" {
		d.places[path] = begin(n)
	}
	if depth > maxDepth {
		d.fault(path, "is nested too deeply")
		return nil
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return d.mapping(path, n.Values, depth)
	case *ast.MappingValueNode:
		return d.mapping(path, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		items := make([]any, len(n.Values))
		for i, item := range n.Values {
			items[i] = d.value(fmt.Sprintf("%s[%d]", path, i), item, depth+1)
		}
		return items
	case *ast.NullNode:
		return nil
	case *ast.BoolNode:
		return n.Value
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return number(n.GetToken().Value)
	default:
		d.fault(path, "anchors, aliases and tags are not supported: write the value out")
		return nil
	}
}

// begin returns where a node begins; the token of a mapping is its colon.
func begin(n ast.Node) *token.Position {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return n.Values[0].Key.GetToken().Position
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken().Position
	}
	return n.GetToken().Position
}

func number(literal string) any {
	if i, err := strconv.ParseInt(literal, 10, 64); err == nil && strconv.FormatInt(i, 10) == literal {
		return i
	}
	return literal
}

func (d *document) mapping(path string, values []*ast.MappingValueNode, depth int) map[string]any {
	m := make(map[string]any, len(values))
	for _, v := range values {
		key := v.Key.GetToken().Value
		at := joinPath(path, key)
		d.places[at] = v.Key.GetToken().Position
		d.order[path] = append(d.order[path], key)
		m[key] = d.value(at, v.Value, depth+1)
	}
	return m
}
