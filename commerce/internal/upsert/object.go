package upsert

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// appendString appends s as a JSON string. Every text has one form, so that
// equal objects are equal texts.
func appendString(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	b = append(b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// merge returns the object that old becomes with the members that the row
// sends: absent ones stay, nulls go. It returns nil where none is left.
func (s *shape) merge(old any, members []input, row int) (any, error) {
	text, there := old.(string)
	s.writeObject(members, row)
	if there && string(s.object) == text {
		return old, nil // most often, and much cheaper than taking the object apart
	}
	object := map[string]string{}
	if there {
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			return nil, fmt.Errorf("stored object %s: %w", text, err)
		}
	}
	for i := range members {
		in := &members[i]
		switch {
		case in.isAbsent(row):
		case in.rows.IsNull(row):
			delete(object, in.sub)
		default:
			object[in.sub] = in.text.Value(row)
		}
	}
	if len(object) == 0 {
		return nil, nil
	}
	b := append(s.object[:0], '{')
	for i, name := range slices.Sorted(maps.Keys(object)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, name)
		b = append(b, ':')
		b = appendString(b, object[name])
	}
	s.object = append(b, '}')
	return string(s.object), nil
}

// newObject returns the members that the row has as a JSON object, or nil
// where it has none.
func (s *shape) newObject(members []input, row int) any {
	if s.writeObject(members, row); len(s.object) == len("{}") {
		return nil
	}
	return string(s.object)
}

// writeObject sets s.object to the members that the row has.
func (s *shape) writeObject(members []input, row int) {
	b := append(s.object[:0], '{')
	for i := range members {
		in := &members[i]
		if in.rows.IsNull(row) {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, in.quoted...)
		b = append(b, ':')
		b = appendString(b, in.text.Value(row))
	}
	s.object = append(b, '}')
}
