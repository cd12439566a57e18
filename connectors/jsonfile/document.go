package jsonfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"crossdock/connectors"
)

// A mode is how the records of a document lie in it.
type mode uint8

const (
	lines mode = iota // one on each line
	array             // elements of one array
	one               // the document is the record
)

// A document is one file whose build is known.
type document struct {
	file     connectors.File
	encoding string // as set
	charset  string // as found
	mode     mode
	path     path // to the array
	sampled  int  // records seen while the members were learned
}

func (d *document) kind() string {
	switch d.mode {
	case lines:
		return "the file of one object per line"
	case array:
		return "the array " + d.path.String()
	case one:
	}
	return "the document"
}

// part is what a batch is said to come from: an array by its path, so that a
// number is known to be that of an element and not of a line.
func (d *document) part() string {
	if d.mode == array {
		return d.path.String()
	}
	return ""
}

func (d *document) errorf(hint, format string, args ...any) error {
	return &connectors.Error{Place: connectors.Place{Resource: d.file.Name}, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// recogniseBytes is how much of a file decides how it is built, at most.
const recogniseBytes = 1 << 20

// recognise tells how a file is built, which takes its beginning alone unless
// it is a document whose array has to be searched for.
func recognise(ctx context.Context, file connectors.File, encoding string, p path) (*document, error) {
	d := &document{file: file, encoding: encoding, path: p}
	t, err := openText(ctx, file, encoding, 0)
	if err != nil {
		return nil, d.named(err)
	}
	defer t.file.Close() // a file that was only read loses nothing
	d.charset = t.charset
	s := newScanner(t, file.Name, start().spot)
	head, err := s.head(ctx, recogniseBytes)
	if err != nil {
		return nil, err
	}
	head = bytes.TrimLeft(head, " \t\r\n")
	switch {
	case len(head) == 0:
		return nil, d.errorf("was it fully written?", "the file holds nothing but blanks")
	case len(p.members) > 0:
		d.mode = array
	case head[0] == '[':
		d.mode = array
	case head[0] != '{':
		return nil, d.otherFormat(head)
	case followsAnother(head):
		d.mode = lines
	default:
		d.mode = one
		return d, d.searchArrays(ctx, s)
	}
	if head[0] != '{' && head[0] != '[' {
		return nil, d.otherFormat(head)
	}
	return d, nil
}

// named gives an error that has no place the name of the file.
func (d *document) named(err error) error {
	if e, ok := errors.AsType[*connectors.Error](err); ok && e.Place.Resource == "" {
		e.Place.Resource = d.file.Name
	}
	return err
}

// followsAnother reports whether an object on the first line is followed by
// another one on the next. It errs on the side of lines where the first
// record is broken, for then it alone is refused and not the whole file.
func followsAnother(head []byte) bool {
	first, rest, _ := bytes.Cut(head, []byte("\n"))
	first = bytes.TrimRight(first, " \t\r")
	rest = bytes.TrimLeft(rest, " \t\r\n")
	s := newScanner(bytes.NewReader(first), "", start().spot)
	s.buf = append(s.buf, first...)
	if s.cut(&cutting{}) {
		return len(rest) > 0 || s.pos < len(first)
	}
	// A document that is broken into lines goes on behind one of these.
	return len(rest) > 0 && rest[0] == '{' && bytes.IndexByte([]byte("{[,:"), first[len(first)-1]) < 0
}

// otherFormat is the error for a file that is not JSON at all.
func (d *document) otherFormat(head []byte) error {
	line, _, _ := bytes.Cut(head[:min(len(head), 4096)], []byte("\n"))
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("\xD0\xCF\x11\xE0")):
		return d.errorf("a workbook is read by connector excel", "is an Excel workbook or a damaged ZIP archive, not JSON")
	case head[0] == '<':
		return d.errorf("a web page is often an error of the server it was fetched from", "is XML or HTML, not JSON")
	case bytes.HasPrefix(head, []byte("%PDF")):
		return d.errorf("", "is a PDF document, not JSON")
	case bytes.ContainsAny(line, ",;\t|"):
		return d.errorf("delimited text is read by connector csv", "looks like CSV, not JSON: it begins with %s", shownStart(line))
	}
	return d.errorf("a JSON file begins with { or [", "is not JSON, or holds no objects: it begins with %s", shownStart(line))
}

func shownStart(line []byte) string {
	const enough = 30
	text := strings.ToValidUTF8(string(line[:min(len(line), enough)]), "\uFFFD")
	return fmt.Sprintf("%q", strings.TrimSpace(text))
}

// searchArrays looks through a document that is one object. Where arrays of
// objects lie in it, which of them holds the records is for the user to say.
func (d *document) searchArrays(ctx context.Context, s *scanner) error {
	var found []string
	if err := s.survey(ctx, nil, &found); err != nil {
		return err
	}
	firstLine := s.spot().line == 1
	if c, err := s.peek(ctx); err == nil && c == '{' && firstLine {
		d.mode = lines // the first of which is too long to have been seen as a whole
		return nil
	}
	if err := s.atEnd(ctx); err != nil || len(found) == 0 || d.path.given {
		return err
	}
	return d.errorf("set records to "+strings.Join(append(found, "$ for the document itself"), ", or to "),
		"is a document with arrays of objects in it")
}

// maxArrays is how many arrays are listed for a user to choose from.
const maxArrays = 10

// survey goes through a value and notes the paths of arrays of objects in it.
func (s *scanner) survey(ctx context.Context, at []string, found *[]string) error {
	c, err := s.peek(ctx)
	switch {
	case errors.Is(err, io.EOF):
		return s.cutOff("an array or object")
	case err != nil:
		return err
	case c == '[' && s.holdsObjects(ctx) && len(*found) < maxArrays:
		*found = append(*found, pathTo(at))
	case c == '{' && len(at) < maxDepth && len(*found) < maxArrays:
		return s.members(ctx, func(name string) error {
			return s.survey(ctx, append(slices.Clone(at), name), found)
		})
	}
	_, _, err = s.value(ctx, 0)
	return err
}

// holdsObjects reports whether the first element of the array here is an object.
func (s *scanner) holdsObjects(ctx context.Context) bool {
	s.keep = s.pos
	for i := 1; ; i++ {
		if s.pos+i >= len(s.buf) {
			if s.more(ctx) != nil || s.pos+i >= len(s.buf) {
				return false
			}
		}
		switch s.buf[s.pos+i] {
		case ' ', '\t', '\r', '\n':
		case '{':
			return true
		default:
			return false
		}
	}
}

// members goes through an object and calls member for each, which takes the
// value. An error of io.EOF from member ends it before its end.
func (s *scanner) members(ctx context.Context, member func(name string) error) error {
	if err := s.take(ctx, '{', "an object"); err != nil {
		return err
	}
	if c, err := s.peek(ctx); err == nil && c == '}' {
		s.pos++
		return nil
	}
	for {
		name, err := s.memberName(ctx)
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
		if last, err := s.lastMember(ctx); err != nil || last {
			return err
		}
	}
}

// memberName takes the name of a member and the colon behind it.
func (s *scanner) memberName(ctx context.Context) (string, error) {
	c, err := s.peek(ctx)
	switch {
	case errors.Is(err, io.EOF):
		return "", s.cutOff("an object")
	case err != nil:
		return "", err
	case c != '"':
		return "", s.unexpected("the name of a member in quotes")
	}
	text, whole, err := s.value(ctx, maxNameBytes)
	if err != nil {
		return "", err
	}
	name, ok := unquote(text)
	if !whole || !ok {
		return "", s.errorAt("the name of a member before this place is no text", "the file is not JSON from here on", nil)
	}
	return name, s.take(ctx, ':', "an object")
}

// lastMember takes what stands behind a member and reports whether it was the last.
func (s *scanner) lastMember(ctx context.Context) (bool, error) {
	c, err := s.peek(ctx)
	switch {
	case errors.Is(err, io.EOF):
		return false, s.cutOff("an object")
	case err != nil:
		return false, err
	case c != ',' && c != '}':
		return false, s.unexpected("',' or '}'")
	}
	s.pos++
	return c == '}', nil
}

// atEnd wants nothing but blanks to follow.
func (s *scanner) atEnd(ctx context.Context) error {
	c, err := s.peek(ctx)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	case c == '{' || c == '[':
		return s.errorAt("another value follows the document", "write each record on a line of its own, or all of them in one array", nil)
	}
	return s.unexpected("the end")
}
