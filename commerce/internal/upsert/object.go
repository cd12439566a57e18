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
func appendString[Text string | []byte](b []byte, s Text) []byte {
	asIs, ascii := asIs(s)
	if !ascii && !utf8.ValidString(string(s)) {
		s = Text(strings.ToValidUTF8(string(s), "\uFFFD"))
	}
	b = append(b, '"')
	if asIs {
		b = append(b, s...)
		return append(b, '"')
	}
	return append(appendEscaped(b, s), '"')
}

// asIs reports whether no byte of s has to be escaped, and whether all are
// ASCII. It looks at eight bytes at a time, for it sees every text of a load.
func asIs[Text string | []byte](s Text) (asIs, ascii bool) {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	var special, high uint64
	for ; len(s) >= 8; s = s[8:] {
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		quote, slash := x^ones*'"', x^ones*'\\'
		// The top bit of a byte is set where it is below a blank, or has become
		// zero: then the subtraction borrows from it.
		special |= (x-ones*' ')&^x | (quote-ones)&^quote | (slash-ones)&^slash
		high |= x
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			special |= tops
		}
		high |= uint64(s[i])
	}
	return special&tops == 0, high&tops == 0
}

func appendEscaped[Text string | []byte](b []byte, s Text) []byte {
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
	return append(b, s[start:]...)
}

// objects writes JSON objects, one after another.
type objects struct {
	scratch []byte

	// Objects are parts of a few large texts: one allocation each would be a
	// good part of the time of a load.
	texts strings.Builder
}

// textChunk is the size of the texts that objects are parts of.
const textChunk = 64 << 10

// merge returns the object that old becomes with the members that the row
// sends: absent ones stay, nulls go. It returns nil where none is left.
func (o *objects) merge(old any, members []input, row int) (any, error) {
	text, there := old.(string)
	if there && string(o.write(members, row)) == text {
		return old, nil // most often, and much cheaper than taking the object apart
	}
	merged, err := o.mergeText(text, members, row)
	if merged == nil || err != nil {
		return nil, err
	}
	return string(merged), nil
}

// mergeText does what merge does with a text, which is empty where there is no
// object. What it returns holds until the next object is written.
func (o *objects) mergeText(text string, members []input, row int) ([]byte, error) {
	if text == "" || replaces(text, members, row) {
		return o.object(members, row), nil
	}
	object := map[string]string{}
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return nil, fmt.Errorf("stored object %s: %w", text, err)
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
	b := append(o.scratch[:0], '{')
	for i, name := range slices.Sorted(maps.Keys(object)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, name)
		b = append(b, ':')
		b = appendString(b, object[name])
	}
	o.scratch = append(b, '}')
	return o.scratch, nil
}

// replaces reports whether the row sends every member of a stored object, so
// that nothing of it is left and it need not be taken apart. Both are in order
// of name, and a name has one form.
func replaces(object string, members []input, row int) bool {
	rest := strings.TrimPrefix(object, "{")
	for rest != "}" {
		end := endOfString(rest)
		for len(members) > 0 && string(members[0].quoted) != rest[:end] {
			members = members[1:]
		}
		if len(members) == 0 || members[0].isAbsent(row) || !strings.HasPrefix(rest[end:], ":") {
			return false
		}
		rest = rest[end+1:]
		rest = strings.TrimPrefix(rest[endOfString(rest):], ",")
		if rest == "" {
			return false
		}
	}
	return true
}

// endOfString returns the length of the JSON string that s begins with, or 0.
func endOfString(s string) int {
	if !strings.HasPrefix(s, `"`) {
		return 0
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return 0
}

// object returns the members that the row has as a JSON object, or nil where it
// has none, until the next object is written.
func (o *objects) object(members []input, row int) []byte {
	if object := o.write(members, row); len(object) > len("{}") {
		return object
	}
	return nil
}

// add returns the members that the row has as a JSON object, or nil where it
// has none.
func (o *objects) add(members []input, row int) any {
	object := o.object(members, row)
	if object == nil {
		return nil
	}
	if o.texts.Cap()-o.texts.Len() < len(object) {
		o.texts = strings.Builder{}
		o.texts.Grow(max(textChunk, len(object)))
	}
	start := o.texts.Len()
	o.texts.Write(object)
	return o.texts.String()[start:]
}

// write returns the members that the row has, until it is called again.
func (o *objects) write(members []input, row int) []byte {
	b := append(o.scratch[:0], '{')
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
	o.scratch = append(b, '}')
	return o.scratch
}
