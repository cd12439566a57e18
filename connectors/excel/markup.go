package excel

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of the XML that a workbook may hold. Excel itself nests about ten
// elements deep and puts at most 32,767 characters into a cell.
const (
	maxDepth    = 100
	maxTagBytes = 64 << 10
	maxText     = 1 << 20
	windowBytes = 256 << 10
)

// A token is what the scanner stands at.
type token uint8

const (
	startTag token = iota + 1
	endTag
	text
	endOfMarkup
)

// A scanner cuts XML into tags and text, in a window that slides over the
// input. It knows as much of XML 1.0 as workbooks use: no document type and
// hence no entities but the five predefined, names without their prefix. It
// checks that tags match and that the document is whole, since encoding/xml is
// ten times slower and a document that is cut off must never look complete.
type scanner struct {
	r        io.Reader
	buf      []byte
	pos, end int

	depth  int
	open   [maxDepth]uint32 // digests of the names of the open elements
	empty  bool             // the start tag was <x/>: its end tag comes next
	rooted bool             // the root element has begun

	// What the current token holds, valid until the next one is asked for.
	name  []byte
	attrs attributes
	data  []byte // of text, as written
	cdata bool   // data is not escaped
}

// newScanner begins to scan a document of about size bytes.
func newScanner(r io.Reader, size int64) *scanner {
	return &scanner{r: r, buf: make([]byte, max(512, min(size+1, windowBytes)))}
}

// next moves to the next token. An element without content, <x/>, gives a
// start tag and an end tag.
func (s *scanner) next() (token, error) {
	if s.empty {
		s.empty = false
		s.depth--
		return endTag, nil
	}
	for {
		if s.pos == s.end {
			ok, err := s.more()
			if err != nil {
				return 0, err
			}
			if !ok {
				return endOfMarkup, s.whole()
			}
		}
		var t token
		var err error
		if s.buf[s.pos] == '<' {
			t, err = s.tag()
		} else {
			t, err = s.text()
		}
		if t != 0 || err != nil {
			return t, err
		}
	}
}

func (s *scanner) whole() error {
	if s.depth > 0 || !s.rooted {
		return damaged("the XML is cut off")
	}
	return nil
}

// more reads on behind the window, which first gives up what lies before pos.
// It reports false at the end of the input.
func (s *scanner) more() (bool, error) {
	if s.pos > 0 {
		copy(s.buf, s.buf[s.pos:s.end])
		s.end -= s.pos
		s.pos = 0
	}
	if s.end == len(s.buf) {
		if s.end > maxText {
			return false, damaged("the XML holds a text of more than %d KiB", maxText>>10)
		}
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	n, err := io.ReadAtLeast(s.r, s.buf[s.end:], 1)
	s.end += n
	if errors.Is(err, io.EOF) {
		return n > 0, nil
	}
	return n > 0, err
}

// find returns where, counted from pos, the sought bytes begin at or behind
// from, reading on until they come. The input must not end before.
func (s *scanner) find(sought string, from, limit int) (int, error) {
	for {
		window := s.buf[s.pos:s.end]
		if from <= len(window) {
			if i := bytes.Index(window[from:], []byte(sought)); i >= 0 {
				return from + i, nil
			}
			from = max(from, len(window)-len(sought)+1)
		}
		if len(window) > limit {
			return 0, damaged("the XML holds a part of more than %d KiB", limit>>10)
		}
		if ok, err := s.more(); err != nil {
			return 0, err
		} else if !ok {
			return 0, damaged("the XML is cut off")
		}
	}
}

// text takes everything up to the next tag.
func (s *scanner) text() (token, error) {
	i := bytes.IndexByte(s.buf[s.pos:s.end], '<')
	for from := 0; i < 0; {
		from = s.end - s.pos
		if from > maxText {
			return 0, damaged("the XML holds a text of more than %d KiB", maxText>>10)
		}
		ok, err := s.more()
		if err != nil {
			return 0, err
		}
		if !ok {
			i = from // only blanks may follow the root element, see below
			break
		}
		if i = bytes.IndexByte(s.buf[s.pos+from:s.end], '<'); i >= 0 {
			i += from
		}
	}
	s.data, s.cdata = s.buf[s.pos:s.pos+i], false
	s.pos += i
	if s.depth > 0 {
		return text, nil
	}
	if !blank(bytes.TrimPrefix(s.data, []byte("\xEF\xBB\xBF"))) {
		return 0, damaged("the XML has text outside of its root element, or is not UTF-8")
	}
	return 0, nil
}

// tag takes what begins with <, and returns 0 for what is passed over.
func (s *scanner) tag() (token, error) {
	for s.end-s.pos < 2 {
		if ok, err := s.more(); err != nil {
			return 0, err
		} else if !ok {
			return 0, damaged("the XML is cut off")
		}
	}
	switch s.buf[s.pos+1] {
	case '/':
		return s.endTag()
	case '!':
		return s.declaration()
	case '?':
		i, err := s.find("?>", 2, maxTagBytes)
		if err != nil {
			return 0, err
		}
		pi := s.buf[s.pos : s.pos+i]
		s.pos += i + 2
		if e := bytes.Index(pi, []byte("encoding=")); e > 0 && !bytes.Contains(bytes.ToLower(pi[e:]), []byte("utf-8")) {
			return 0, damaged("the XML is not written in UTF-8")
		}
		return 0, nil
	}
	return s.startTag()
}

func (s *scanner) startTag() (token, error) {
	i, err := s.tagEnd()
	if err != nil {
		return 0, err
	}
	tag := s.buf[s.pos+1 : s.pos+i]
	s.pos += i + 1
	if n := len(tag); n > 0 && tag[n-1] == '/' {
		tag, s.empty = tag[:n-1], true
	}
	end, prefix := 0, 0
	for end < len(tag) && tag[end] > ' ' {
		if tag[end] == ':' {
			prefix = end + 1
		}
		end++
	}
	s.name, s.attrs = tag[prefix:end], attributes{rest: tag[end:]}
	if len(s.name) == 0 || s.depth == 0 && s.rooted {
		return 0, damaged("the XML is malformed at <%s", shown(tag))
	}
	if s.depth == maxDepth {
		return 0, damaged("the XML is nested more than %d deep", maxDepth)
	}
	s.open[s.depth] = digest(s.name)
	s.depth++
	s.rooted = true
	return startTag, nil
}

// tagEnd returns where, counted from pos, the > stands that ends a start tag.
// Within quotes it is a character like any other.
func (s *scanner) tagEnd() (int, error) {
	window := s.buf[s.pos:s.end]
	if i := bytes.IndexByte(window, '>'); i >= 0 && i <= maxTagBytes && !quoteOpen(window[:i]) {
		return i, nil
	}
	var quote byte
	for i := 0; i <= maxTagBytes; i++ {
		if s.pos+i == s.end {
			if ok, err := s.more(); err != nil {
				return 0, err
			} else if !ok {
				return 0, damaged("the XML is cut off")
			}
		}
		switch c := s.buf[s.pos+i]; {
		case quote == 0 && c == '>':
			return i, nil
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		}
	}
	return 0, damaged("the XML holds a tag of more than %d KiB", maxTagBytes>>10)
}

func (s *scanner) endTag() (token, error) {
	i := bytes.IndexByte(s.buf[s.pos:s.end], '>')
	if i < 0 {
		var err error
		if i, err = s.find(">", 2, maxTagBytes); err != nil {
			return 0, err
		}
	}
	name := s.buf[s.pos+2 : s.pos+i]
	for len(name) > 0 && name[len(name)-1] <= ' ' {
		name = name[:len(name)-1]
	}
	s.name = local(name)
	s.pos += i + 1
	if s.depth == 0 || s.open[s.depth-1] != digest(s.name) {
		return 0, damaged("the XML is malformed at </%s>", shown(name))
	}
	s.depth--
	return endTag, nil
}

// declaration takes a comment or a CDATA section. A document type is refused:
// it is the only place where entities can be declared, with which a short
// document can claim to be endless, and ECMA-376 Part 2, 8.3.1 forbids it.
func (s *scanner) declaration() (token, error) {
	for s.end-s.pos < len("<![CDATA[") {
		if ok, err := s.more(); err != nil {
			return 0, err
		} else if !ok {
			break
		}
	}
	window := s.buf[s.pos:s.end]
	switch {
	case bytes.HasPrefix(window, []byte("<!--")):
		i, err := s.find("-->", 4, maxText)
		s.pos += i + 3
		return 0, err
	case bytes.HasPrefix(window, []byte("<![CDATA[")) && s.depth > 0:
		i, err := s.find("]]>", 9, maxText)
		if err != nil {
			return 0, err
		}
		s.data, s.cdata = s.buf[s.pos+9:s.pos+i], true
		s.pos += i + 3
		return text, nil
	}
	return 0, damaged("the XML declares a document type or entities, which workbooks must not")
}

// skip passes over the rest of the element whose start tag was just taken.
func (s *scanner) skip() error {
	for outer := s.depth - 1; s.depth > outer; {
		if _, err := s.next(); err != nil {
			return err
		}
	}
	return nil
}

// drain reads to the end of the document, whose root must be closed there.
func (s *scanner) drain() error {
	for {
		if t, err := s.next(); err != nil || t == endOfMarkup {
			return err
		}
	}
}

// plainValue takes the content of a cell where it is <v>...</v></c> and lies
// whole in the window: nearly all cells do, and half of the time that a sheet
// takes would go into taking those tags apart.
func (s *scanner) plainValue() (value []byte, ok bool) {
	return s.plain("<v>", "</v></c>")
}

// plainText takes the content of a shared or inline text in the same way.
func (s *scanner) plainText() (value []byte, ok bool) {
	const si, is = "</t></si>", "</t></is>"
	end := si
	if string(s.name) == "is" {
		end = is
	}
	if value, ok = s.plain("<t>", end); !ok {
		value, ok = s.plain(`<t xml:space="preserve">`, end)
	}
	return value, ok
}

// plain takes what stands between start and end, in which there are no tags
// and which end the element that was just begun.
func (s *scanner) plain(start, end string) (value []byte, ok bool) {
	b := s.buf[s.pos:s.end]
	if s.empty || len(b) < len(start)+len(end) || string(b[:len(start)]) != start {
		return nil, false
	}
	b = b[len(start):]
	i := bytes.IndexByte(b, '<')
	if i < 0 || len(b) < i+len(end) || string(b[i:i+len(end)]) != end {
		return nil, false
	}
	s.pos += len(start) + i + len(end)
	s.depth--
	return b[:i], true
}

// appendText appends the text of the token to dst as it is meant.
func (s *scanner) appendText(dst []byte) ([]byte, error) {
	if s.cdata {
		return appendChecked(dst, s.data)
	}
	return unescape(dst, s.data)
}

// quoteOpen reports whether a tag ends within a quoted value.
func quoteOpen(tag []byte) bool {
	if bytes.IndexByte(tag, '\'') < 0 {
		return bytes.Count(tag, []byte{'"'})%2 == 1
	}
	var quote byte
	for _, c := range tag {
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		}
	}
	return quote != 0
}

func local(name []byte) []byte {
	if _, after, ok := bytes.Cut(name, []byte(":")); ok {
		return after
	}
	return name
}

// digest is FNV-1a: two names of a workbook never share one by chance.
func digest(name []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range name {
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

func blank(b []byte) bool {
	for _, c := range b {
		if c > ' ' {
			return false
		}
	}
	return true
}

// shown makes what a workbook holds fit to be put into a message: short, and
// without what a terminal might obey.
func shown[T string | []byte](b T) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return utf8.RuneError
		}
		return c
	}, strings.ToValidUTF8(string(b[:min(len(b), 60)]), ""))
}

// attributes walks over the attributes of a start tag.
type attributes struct {
	rest        []byte
	name, value []byte // name without prefix, value as written
}

// next moves to the next attribute and reports false when there is none.
func (a *attributes) next() (bool, error) {
	i := 0
	for i < len(a.rest) && a.rest[i] <= ' ' {
		i++
	}
	if i == len(a.rest) {
		return false, nil
	}
	rest := a.rest[i:]
	if len(rest) > 3 && rest[1] == '=' && rest[2] == '"' { // as in r="C17"
		if end := bytes.IndexByte(rest[3:], '"'); end >= 0 {
			a.name, a.value, a.rest = rest[:1], rest[3:3+end], rest[end+4:]
			return true, nil
		}
	}
	eq := bytes.IndexByte(rest, '=')
	if eq < 0 {
		return false, damaged("the XML has an attribute without a value at %s", shown(rest))
	}
	name := rest[:eq]
	for len(name) > 0 && name[len(name)-1] <= ' ' {
		name = name[:len(name)-1]
	}
	rest = rest[eq+1:]
	for len(rest) > 0 && rest[0] <= ' ' {
		rest = rest[1:]
	}
	if len(rest) < 2 || rest[0] != '"' && rest[0] != '\'' {
		return false, damaged("the XML has an attribute without quotes at %s", shown(name))
	}
	end := bytes.IndexByte(rest[1:], rest[0])
	if end < 0 {
		return false, damaged("the XML has an attribute without an end at %s", shown(name))
	}
	a.name, a.value, a.rest = local(name), rest[1:1+end], rest[end+2:]
	return true, nil
}

// texts returns the values of the attributes named, unescaped.
func (a *attributes) texts(names ...string) ([]string, error) {
	values := make([]string, len(names))
	for {
		ok, err := a.next()
		if err != nil || !ok {
			return values, err
		}
		for i, name := range names {
			if string(a.name) != name {
				continue
			}
			value, err := unescape(nil, a.value)
			if err != nil {
				return nil, err
			}
			values[i] = string(value)
		}
	}
}

// unescape appends raw to dst with its references resolved and its line ends
// as XML 1.0, 2.11 wants them.
func unescape(dst, raw []byte) ([]byte, error) {
	if bytes.IndexByte(raw, '&') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return appendChecked(dst, raw)
	}
	start := len(dst)
	for i := 0; i < len(raw); {
		switch raw[i] {
		case '\r':
			dst = append(dst, '\n')
			if i++; i < len(raw) && raw[i] == '\n' {
				i++
			}
		case '&':
			semicolon := bytes.IndexByte(raw[i:min(len(raw), i+12)], ';')
			if semicolon < 0 {
				return nil, damaged("the XML has a lone & at %s", shown(raw[i:]))
			}
			var ok bool
			if dst, ok = appendReference(dst, raw[i+1:i+semicolon]); !ok {
				return nil, damaged("the XML refers to %s, which is no character", shown(raw[i:i+semicolon+1]))
			}
			i += semicolon + 1
		default:
			dst = append(dst, raw[i])
			i++
		}
	}
	return dst, checkText(dst[start:])
}

func appendReference(dst, name []byte) ([]byte, bool) {
	switch string(name) {
	case "lt":
		return append(dst, '<'), true
	case "gt":
		return append(dst, '>'), true
	case "amp":
		return append(dst, '&'), true
	case "quot":
		return append(dst, '"'), true
	case "apos":
		return append(dst, '\''), true
	}
	if len(name) < 2 || name[0] != '#' {
		return dst, false
	}
	digits, base := string(name[1:]), 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n == 0 || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return dst, false
	}
	return utf8.AppendRune(dst, rune(n)), true
}

func appendChecked(dst, raw []byte) ([]byte, error) {
	return append(dst, raw...), checkText(raw)
}

// checkText refuses what XML forbids and what databases choke on.
func checkText(b []byte) error {
	if !utf8.Valid(b) {
		return damaged("the XML is not UTF-8 at %s", shown(b))
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return damaged("the XML holds a NUL character at %s", shown(b))
	}
	return nil
}

// appendXstring appends raw to dst with the escapes _xHHHH_ of ST_Xstring
// (ECMA-376 Part 1, 22.9.2.19) resolved. NUL and halves of surrogate pairs
// stay as they are written, since no text can hold them.
func appendXstring(dst, raw []byte) []byte {
	for {
		i := bytes.Index(raw, []byte("_x"))
		if i < 0 || len(raw) < i+7 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:i]...)
		n, err := strconv.ParseUint(string(raw[i+2:i+6]), 16, 16)
		if err != nil || raw[i+6] != '_' || n == 0 || !utf8.ValidRune(rune(n)) {
			dst, raw = append(dst, raw[i:i+2]...), raw[i+2:]
			continue
		}
		dst, raw = utf8.AppendRune(dst, rune(n)), raw[i+7:]
	}
}
