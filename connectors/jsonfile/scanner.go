package jsonfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"crossdock/connectors"
)

// A scanner cuts a text into values without understanding them, so that any
// value but a record may be larger than memory. It knows where it is.
type scanner struct {
	in   io.Reader
	name string // of the file, for errors
	buf  []byte
	pos  int   // the next byte
	keep int   // what lies before it may be dropped
	base int64 // offset of buf[0] in the text
	end  bool  // there is nothing more to read

	// Line and column of buf[counted], both from 1, a column for a character.
	line, column int64
	counted      int

	nesting []byte // of the value being cut: { and [
}

const readBytes = 256 << 10

// A spot is a place in a text between two values.
type spot struct {
	offset       int64
	line, column int64
}

func newScanner(in io.Reader, name string, at spot) *scanner {
	return &scanner{in: in, name: name, base: at.offset, line: at.line, column: at.column, buf: make([]byte, 0, readBytes)}
}

// spot returns where the scanner is.
func (s *scanner) spot() spot {
	s.countTo(s.pos)
	return spot{s.base + int64(s.pos), s.line, s.column}
}

func (s *scanner) offset() int64 { return s.base + int64(s.pos) }

// countTo moves the place of which line and column are known.
func (s *scanner) countTo(at int) {
	s.line, s.column = advance(s.line, s.column, s.buf[s.counted:at])
	s.counted = at
}

// advance returns the line and column behind a piece of text.
func advance(line, column int64, piece []byte) (int64, int64) {
	if last := bytes.LastIndexByte(piece, '\n'); last >= 0 {
		line += int64(bytes.Count(piece[:last+1], []byte{'\n'}))
		column, piece = 1, piece[last+1:]
	}
	return line, column + int64(utf8.RuneCount(piece))
}

// more reads on, and drops what lies before keep. It returns io.EOF at the end.
func (s *scanner) more(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.end {
		return io.EOF
	}
	s.countTo(max(s.keep, s.counted))
	kept := copy(s.buf, s.buf[s.keep:])
	s.buf = s.buf[:kept]
	s.base += int64(s.keep)
	s.pos -= s.keep
	s.counted -= s.keep
	s.keep = 0
	if cap(s.buf)-kept < readBytes/2 {
		s.buf = append(make([]byte, 0, 2*cap(s.buf)), s.buf...)
	}
	n, err := s.in.Read(s.buf[kept:cap(s.buf)])
	s.buf = s.buf[:kept+n]
	switch {
	case errors.Is(err, io.EOF):
		s.end = true
		if n == 0 {
			return io.EOF
		}
	case err != nil:
		s.pos = kept
		return s.errorAt("cannot be read on", "", err)
	}
	return nil
}

// errorAt is an error at the place where the scanner is.
func (s *scanner) errorAt(message, hint string, cause error) error {
	at := s.spot()
	return &connectors.Error{Place: at.place(s.name), Message: message, Hint: hint, Err: cause}
}

func (p spot) place(name string) connectors.Place {
	return connectors.Place{Resource: name, Row: p.line, Column: strconv.FormatInt(p.column, 10)}
}

// cutOff is the error for a text that ends too soon.
func (s *scanner) cutOff(what string) error {
	s.pos = len(s.buf)
	return s.errorAt("the file ends in the middle of "+what, "it is cut off: have it written again, as a whole", nil)
}

// unexpected is the error for a byte that cannot stand here.
func (s *scanner) unexpected(want string) error {
	return s.errorAt(fmt.Sprintf("found %s where %s should be", shown(s.buf[s.pos:]), want), "the file is not JSON from here on", nil)
}

// shown writes the first character of a text for a message.
func shown(b []byte) string {
	r, size := utf8.DecodeRune(b)
	switch {
	case size == 0:
		return "the end"
	case r == utf8.RuneError && size == 1:
		return fmt.Sprintf("the byte %#02x", b[0])
	case r == '"':
		return "a quote"
	}
	return strconv.QuoteRune(r)
}

// peek returns the next byte behind blanks without taking it, io.EOF at the end.
func (s *scanner) peek(ctx context.Context) (byte, error) {
	for {
		for s.pos < len(s.buf) {
			switch c := s.buf[s.pos]; c {
			case ' ', '\t', '\n', '\r':
				s.pos++
			default:
				return c, nil
			}
		}
		s.keep = s.pos
		if err := s.more(ctx); err != nil {
			return 0, err
		}
	}
}

// take takes the byte wanted, behind blanks.
func (s *scanner) take(ctx context.Context, want byte, within string) error {
	c, err := s.peek(ctx)
	switch {
	case errors.Is(err, io.EOF):
		return s.cutOff(within)
	case err != nil:
		return err
	case c != want:
		return s.unexpected(strconv.QuoteRune(rune(want)))
	}
	s.pos++
	return nil
}

// value takes the next value and returns its text, which is valid until the
// scanner goes on. What is longer than limit is taken all the same, but only
// its beginning is returned, with false; a limit of 0 returns nothing.
//
// The text is a value as far as brackets and quotes tell; where they do not
// match, it ends there. A text that ends within the value is an error.
func (s *scanner) value(ctx context.Context, limit int) (text []byte, whole bool, err error) {
	if _, err := s.peek(ctx); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, false, s.cutOff("an array or object")
		}
		return nil, false, err
	}
	s.keep = s.pos
	var head []byte // of a value that is too long
	state := cutting{}
	s.nesting = s.nesting[:0]
	for !s.cut(&state) {
		if s.pos-s.keep > limit {
			if head == nil {
				head = append([]byte{}, s.buf[s.keep:min(s.keep+min(limit, 1024), s.pos)]...)
			}
			s.keep = s.pos
		}
		err := s.more(ctx)
		if errors.Is(err, io.EOF) {
			if state.bare {
				break
			}
			return nil, false, s.cutOff(state.within())
		}
		if err != nil {
			return nil, false, err
		}
	}
	if text = s.buf[s.keep:s.pos]; head != nil || len(text) > limit {
		if head == nil {
			head = text[:min(limit, 1024)]
		}
		return head, false, nil
	}
	return text, true, nil
}

// cutting is how far the cutting of one value has come.
type cutting struct {
	quoted  bool // within a string
	escaped bool // behind a backslash in it
	bare    bool // within a number or a word
}

func (c *cutting) within() string {
	if c.quoted {
		return "a text"
	}
	return "an array or object"
}

// cut moves behind the value, or to the end of the buffer and returns false.
func (s *scanner) cut(c *cutting) bool {
	for ; s.pos < len(s.buf); s.pos++ {
		b := s.buf[s.pos]
		switch {
		case c.escaped:
			c.escaped = false
		case c.quoted:
			switch {
			case b == '\\':
				c.escaped = true
			case b == '"':
				c.quoted = false
				if len(s.nesting) == 0 {
					s.pos++
					return true
				}
			case b < ' ' && b != 0: // a quote is missing; a NUL is damage within the text
				s.pos++
				return true
			}
		case c.bare && len(s.nesting) == 0:
			if bytes.IndexByte([]byte(" \t\r\n,]}:{[\""), b) >= 0 {
				return true
			}
		default:
			if s.structure(b, c) {
				s.pos++
				return true
			}
		}
	}
	return false
}

// structure takes a byte outside of strings and reports whether it ends the
// value, rightly or not.
func (s *scanner) structure(b byte, c *cutting) (ends bool) {
	switch b {
	case '"':
		c.quoted = true
	case '{', '[':
		s.nesting = append(s.nesting, b)
	case '}', ']':
		last := len(s.nesting) - 1
		if last < 0 || s.nesting[last] != b-2 { // '{' and '[' stand two before
			return true
		}
		s.nesting = s.nesting[:last]
		return last == 0
	case ',', ':':
		return len(s.nesting) == 0
	default:
		c.bare = len(s.nesting) == 0
	}
	return false
}

// row takes the rest of the line and returns its text without the line end,
// as value does. The last line may lack its end: then ended is false. io.EOF
// says that there is no line.
func (s *scanner) row(ctx context.Context, limit int) (text []byte, whole, ended bool, err error) {
	s.keep = s.pos
	var head []byte
	for {
		if i := bytes.IndexByte(s.buf[s.pos:], '\n'); i >= 0 {
			s.pos += i + 1
			ended = true
			break
		}
		s.pos = len(s.buf)
		if s.pos-s.keep > limit {
			if head == nil {
				head = append([]byte{}, s.buf[s.keep:s.keep+1024]...)
			}
			s.keep = s.pos
		}
		err := s.more(ctx)
		if errors.Is(err, io.EOF) {
			if s.pos == s.keep && head == nil {
				return nil, false, false, io.EOF
			}
			break
		}
		if err != nil {
			return nil, false, false, err
		}
	}
	if text = s.buf[s.keep:s.pos]; head == nil && len(text) > limit {
		head = text[:1024]
	}
	if head != nil {
		return head, false, ended, nil
	}
	return bytes.TrimRight(text, "\r\n"), true, ended, nil
}

// head returns the first n bytes of the text, or all of it, without taking them.
func (s *scanner) head(ctx context.Context, n int) ([]byte, error) {
	for len(s.buf) < n {
		if err := s.more(ctx); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	return s.buf[:min(n, len(s.buf))], nil
}
