package xmlfile

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"crossdock/schemas"
)

// A path leads from one element to others, or to an attribute. It is written
// as in XPath 1.0, of which names, *, .., @name and the predicates
// [@name="value"], [name="value"] and [2] are understood.
type path struct {
	ups   int // how many elements it goes up first
	steps []step
}

// A step leads from an element to some of those in it, or to an attribute.
type step struct {
	space, local string // a space of "" stands for any, and so does a local name of *
	attribute    bool
	predicates   []predicate
}

// A predicate holds for the element at a place among those that fit, from 1,
// or else for those in which a path leads to a value.
type predicate struct {
	place int
	path  []step
	value string
}

func (s *step) matches(n xml.Name) bool {
	return (s.local == "*" || s.local == n.Local) && (s.space == "" || s.space == n.Space)
}

// sameName reports whether two steps lead to elements of the same name.
func (s *step) sameName(other *step) bool {
	return s.local == other.local && (s.space == "" || other.space == "" || s.space == other.space)
}

const maxPredicates = 4 // of one step

// A pathParser reads one path.
type pathParser struct {
	text, rest string
	namespaces map[string]string
}

// parseRecord reads the path from the root of a document to its records.
func parseRecord(text string, namespaces map[string]string) ([]step, error) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return nil, fmt.Errorf("is %s, but must begin at the root of the document, as in /BMECAT/T_NEW_CATALOG/ARTICLE", schemas.QuoteShort(text))
	}
	p := pathParser{text, rest, namespaces}
	steps, err := p.steps("")
	for _, s := range steps {
		if err == nil && (s.attribute || len(s.predicates) > 0) {
			err = p.errorf("cannot have attributes or predicates")
		}
	}
	return steps, err
}

// parsePath reads the path from a record to a value.
func parsePath(text string, namespaces map[string]string) (path, error) {
	if text == "." {
		return path{}, nil
	}
	p := pathParser{text, text, namespaces}
	var parsed path
	for {
		rest, ok := strings.CutPrefix(p.rest, "../")
		if !ok {
			break
		}
		parsed.ups++
		p.rest = rest
	}
	var err error
	parsed.steps, err = p.steps("")
	return parsed, err
}

func (p *pathParser) errorf(format string, args ...any) error {
	return fmt.Errorf("is %s, which %s", schemas.QuoteShort(p.text), fmt.Sprintf(format, args...))
}

// steps reads steps up to one of the characters given, or to the end.
func (p *pathParser) steps(until string) ([]step, error) {
	const most = 32
	var steps []step
	for {
		s, err := p.step()
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
		switch {
		case p.rest == "" && until == "", p.rest != "" && strings.IndexByte(until, p.rest[0]) >= 0:
			return steps, nil
		case p.rest == "":
			return nil, p.errorf("ends in the middle of a predicate")
		case p.rest[0] != '/':
			return nil, p.errorf("cannot be read from %s on", schemas.QuoteShort(p.rest))
		case s.attribute:
			return nil, p.errorf("goes on behind an attribute")
		case len(steps) == most:
			return nil, p.errorf("has more than %d steps", most)
		}
		p.rest = p.rest[1:]
	}
}

func (p *pathParser) step() (step, error) {
	var s step
	p.rest, s.attribute = strings.CutPrefix(p.rest, "@")
	end := strings.IndexAny(p.rest, `/[]=@"'()| `)
	if end < 0 {
		end = len(p.rest)
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	prefix, local, prefixed := strings.Cut(name, ":")
	if !prefixed {
		prefix, local = "", name
	}
	space, known := p.namespaces[prefix]
	switch {
	case local == "" || local == "." || local == ".." || s.attribute && local == "*":
		return s, p.errorf("has no name before %s", schemas.QuoteShort(p.rest))
	case prefixed && !known:
		return s, p.errorf("has the prefix %s, which namespaces does not name", schemas.QuoteShort(prefix))
	}
	s.space, s.local = space, local
	for strings.HasPrefix(p.rest, "[") {
		if s.attribute {
			return s, p.errorf("has a predicate behind an attribute")
		}
		one, err := p.predicate()
		if err != nil {
			return s, err
		}
		if s.predicates = append(s.predicates, one); len(s.predicates) > maxPredicates {
			return s, p.errorf("has more than %d predicates at one step", maxPredicates)
		}
	}
	return s, nil
}

func (p *pathParser) predicate() (predicate, error) {
	p.rest = p.rest[1:]
	if end := strings.IndexByte(p.rest, ']'); end > 0 {
		if place, err := strconv.Atoi(p.rest[:end]); err == nil && place > 0 {
			p.rest = p.rest[end+1:]
			return predicate{place: place}, nil
		}
	}
	steps, err := p.steps("=")
	if err != nil {
		return predicate{}, err
	}
	for _, s := range steps {
		if len(s.predicates) > 0 {
			return predicate{}, p.errorf("has a predicate within a predicate")
		}
	}
	p.rest = p.rest[1:]
	if p.rest == "" || p.rest[0] != '"' && p.rest[0] != '\'' {
		return predicate{}, p.errorf("compares with something that has no quotes")
	}
	end := strings.Index(p.rest[1:], p.rest[:1]+"]")
	if end < 0 {
		return predicate{}, p.errorf("has a predicate that is not closed")
	}
	value := p.rest[1 : 1+end]
	p.rest = p.rest[end+3:]
	return predicate{path: steps, value: value}, nil
}

// aboveFault says what is wrong with a path that goes up from the records,
// which have one path themselves.
func (p path) aboveFault(record []step) string {
	if p.ups == 0 {
		return ""
	}
	if p.ups >= len(record) {
		return "goes up beyond the root of the document"
	}
	first := &p.steps[0]
	if !first.attribute && first.sameName(&record[len(record)-p.ups]) {
		return "leads down again on the way to the records: go up less far, for values that stand before them"
	}
	for _, one := range first.predicates {
		if one.place > 0 {
			return "cannot count elements above the records"
		}
	}
	return ""
}
