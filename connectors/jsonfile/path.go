package jsonfile

import (
	"fmt"
	"strconv"
	"strings"

	"crossdock/schemas"
)

// A path leads from the root of a document through members to an array.
type path struct {
	members []string
	given   bool // false: find out
}

// parsePath reads a path in the form of RFC 9535 (JSONPath), of which member
// names alone are understood: $.data.items, $['data']['items']. The $ may be
// left out, and [*] may stand at the end.
func parsePath(text string) (path, error) {
	if text == "" {
		return path{}, nil
	}
	rest, rooted := strings.CutPrefix(strings.TrimSuffix(text, "[*]"), "$")
	if !rooted && !strings.HasPrefix(rest, "[") {
		rest = "." + rest
	}
	p := path{given: true}
	for rest != "" {
		name := ""
		quoted := strings.HasPrefix(rest, "['") || strings.HasPrefix(rest, `["`)
		switch {
		case quoted:
			end := strings.Index(rest[2:], rest[1:2]+"]")
			if end < 0 {
				return path{}, fmt.Errorf("is %s, in which a bracket is not closed", schemas.QuoteShort(text))
			}
			name, rest = rest[2:2+end], rest[end+4:]
		case rest[0] == '.':
			rest = rest[1:]
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			name, rest = rest[:end], rest[end:]
		}
		if name == "" || name == "*" {
			return path{}, fmt.Errorf("is %s, but must be a path of member names such as $.data.items", schemas.QuoteShort(text))
		}
		p.members = append(p.members, name)
	}
	return p, nil
}

// String writes the path so that it can be set as it is.
func (p path) String() string { return pathTo(p.members) }

func pathTo(members []string) string {
	var b strings.Builder
	b.WriteByte('$')
	for _, name := range members {
		if strings.ContainsAny(name, ".[]'\" ") || name == "" {
			b.WriteString("[" + strings.ReplaceAll(strconv.Quote(name), `\"`, `"`) + "]")
			continue
		}
		b.WriteString("." + name)
	}
	return b.String()
}
