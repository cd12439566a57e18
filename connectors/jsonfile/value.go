package jsonfile

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// escapedText goes on with a string at the first character that is not simply
// taken: a backslash, a control character, or the end.
func (p *parser) escapedText(began, i, column int) ([]byte, *fault) {
	from := len(p.scratch)
	p.scratch = append(p.scratch, p.buf[began:i]...)
	for i < len(p.buf) {
		switch c := p.buf[i]; {
		case c == '"':
			p.at = i + 1
			value := p.scratch[from:]
			if !utf8.Valid(value) {
				p.notUTF8(began, column, value)
			}
			if len(value) > maxCellBytes {
				p.reportLong(began, column, value)
			}
			return value, nil
		case c == '\\':
			size, hard := p.escape(i, column)
			if hard != nil {
				return nil, hard
			}
			i += size
		case c == 0:
			p.report(encoding, i, column, around(p.buf, i), "a text contains a NUL: the file is damaged here")
			p.scratch = append(p.scratch, c)
			i++
		case c < ' ':
			p.at = i
			return nil, p.expected("a closing quote, or an escape such as \\n,")
		default:
			end := i + 1
			for end < len(p.buf) && p.buf[end] >= ' ' && p.buf[end] != '"' && p.buf[end] != '\\' {
				end++
			}
			p.scratch = append(p.scratch, p.buf[i:end]...)
			i = end
		}
	}
	p.at = len(p.buf)
	return nil, p.expected("a closing quote")
}

// escape takes the escape sequence at i and returns its length.
func (p *parser) escape(i, column int) (int, *fault) {
	if i+1 == len(p.buf) {
		p.at = i + 1
		return 0, p.expected("a closing quote")
	}
	if at := bytes.IndexByte([]byte(`"\/bfnrt`), p.buf[i+1]); at >= 0 {
		p.scratch = append(p.scratch, "\"\\/\b\f\n\r\t"[at])
		return 2, nil
	}
	r := hexRune(p.buf[i:])
	if r < 0 {
		p.at = i + 1
		return 0, p.expected(`an escape such as \n or \u00e9`)
	}
	size := 6
	if utf16.IsSurrogate(r) {
		pair := utf16.DecodeRune(r, hexRune(p.buf[i+6:]))
		if pair == utf8.RuneError {
			p.report(encoding, i, column, around(p.buf, i), fmt.Sprintf("a text contains %s, which is half a character: the program that wrote it cut a text in the middle", p.buf[i:i+6]))
		}
		if r = pair; r != utf8.RuneError {
			size = 12
		}
	}
	if r == 0 {
		p.report(encoding, i, column, around(p.buf, i), "a text contains a NUL (\\u0000): have it left out where the file is written")
	}
	p.scratch = utf8.AppendRune(p.scratch, r)
	return size, nil
}

// hexRune reads \uXXXX, or returns -1.
func hexRune(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// unquote returns what a string in quotes says.
func unquote(text []byte) (string, bool) {
	p := parser{buf: text, learning: true}
	if len(text) < 2 || text[0] != '"' {
		return "", false
	}
	value, hard := p.text(-1)
	return string(value), hard == nil && p.soft == nil && p.at == len(text)
}

func (p *parser) word(want string) *fault {
	if !bytes.HasPrefix(p.buf[p.at:], []byte(want)) {
		return p.expected("a value")
	}
	p.at += len(want)
	return nil
}

// number takes a number and returns it as it stands there, an exponent
// worked out: decimals are read without one, and 1.5e3 is 1500.
func (p *parser) number() ([]byte, *fault) {
	began := p.at
	if p.at < len(p.buf) && p.buf[p.at] == '-' {
		p.at++
	}
	leadingZero := p.at < len(p.buf) && p.buf[p.at] == '0'
	switch n := p.digits(); {
	case n == 0 && p.at == began:
		return nil, p.expected("a value")
	case n == 0:
		return nil, p.expected("a digit")
	case n > 1 && leadingZero:
		p.at -= n - 1
		return nil, p.expected("no digit behind a leading zero (text such as 0017 stands in quotes), but ',' or '}'")
	}
	point, exponent := 0, 0
	if p.at < len(p.buf) && p.buf[p.at] == '.' {
		point = p.at - began
		p.at++
		if p.digits() == 0 {
			return nil, p.expected("a digit")
		}
	}
	if p.at < len(p.buf) && p.buf[p.at]|0x20 == 'e' {
		exponent = p.at - began
		p.at++
		if p.at < len(p.buf) && (p.buf[p.at] == '-' || p.buf[p.at] == '+') {
			p.at++
		}
		if p.digits() == 0 {
			return nil, p.expected("a digit")
		}
	}
	literal := p.buf[began:p.at]
	if exponent == 0 {
		return literal, nil
	}
	return p.plain(literal, point, exponent), nil
}

func (p *parser) digits() int {
	began := p.at
	for p.at < len(p.buf) && p.buf[p.at] >= '0' && p.buf[p.at] <= '9' {
		p.at++
	}
	return p.at - began
}

// plain writes a number without its exponent. One whose exponent would make
// it longer than any number that is meant stays as it is, and is refused
// where it is read as a decimal.
func (p *parser) plain(literal []byte, point, exponent int) []byte {
	const longest = 400 // 1e308 is the largest float
	power, err := strconv.Atoi(string(literal[exponent+1:]))
	if err != nil || power > longest || power < -longest {
		return literal
	}
	sign, mantissa := literal[:0], literal[:exponent]
	if literal[0] == '-' {
		sign, mantissa, point = literal[:1], literal[1:exponent], point-1
	}
	if point <= 0 {
		point = len(mantissa)
	}
	whole, fraction := mantissa[:point], bytes.TrimPrefix(mantissa[point:], []byte("."))
	digits := append(append([]byte{}, whole...), fraction...)
	from := len(p.scratch)
	p.scratch = append(p.scratch, sign...)
	at := len(whole) + power // the point stands before this digit
	if at > len(digits) {
		digits = append(digits, bytes.Repeat([]byte("0"), at-len(digits))...)
	}
	if at <= 0 {
		digits = append(bytes.Repeat([]byte("0"), 1-at), digits...)
		at = 1
	}
	front := bytes.TrimLeft(digits[:at], "0")
	if len(front) == 0 {
		front = []byte("0")
	}
	p.scratch = append(p.scratch, front...)
	if at < len(digits) {
		p.scratch = append(append(p.scratch, '.'), digits[at:]...)
	}
	return p.scratch[from:]
}

// skim takes a value of which nothing is kept.
func (p *parser) skim() *fault {
	from := len(p.scratch)
	hard := p.compact()
	p.scratch = p.scratch[:from]
	return hard
}

// compact takes any value and appends it to scratch without the blanks between
// its parts.
func (p *parser) compact() *fault {
	switch c := p.next(); c {
	case '{', '[':
		if p.depth++; p.depth > maxDepth {
			p.report(tooDeep, p.at, -1, around(p.buf, p.at), fmt.Sprintf("values are nested more than %d deep", maxDepth))
			p.at, p.stopped = len(p.buf), true
			return nil
		}
		defer func() { p.depth-- }()
		return p.compactMembers(c)
	case '"':
		began := p.at
		scratch := len(p.scratch)
		_, hard := p.text(-1)
		p.scratch = append(p.scratch[:scratch], p.buf[began:p.at]...)
		return hard
	case 't':
		return p.compactWord("true")
	case 'f':
		return p.compactWord("false")
	case 'n':
		return p.compactWord("null")
	}
	began := p.at
	scratch := len(p.scratch)
	_, hard := p.number()
	p.scratch = append(p.scratch[:scratch], p.buf[began:p.at]...)
	return hard
}

func (p *parser) compactWord(word string) *fault {
	p.scratch = append(p.scratch, word...)
	return p.word(word)
}

func (p *parser) compactMembers(open byte) *fault {
	closing := open + 2 // in ASCII, of both kinds
	first := len(p.names)
	defer func() { p.names = p.names[:first] }()
	var many map[string]bool // the names, where they are too many to go through
	p.at++
	p.scratch = append(p.scratch, open)
	if p.next() == closing {
		p.at++
		p.scratch = append(p.scratch, closing)
		return nil
	}
	for {
		if open == '{' {
			if many == nil && len(p.names)-first > fewNames {
				many = map[string]bool{}
				for _, name := range p.names[first:] {
					many[string(name)] = true
				}
			}
			if hard := p.compactName(first, many); hard != nil {
				return hard
			}
		}
		if hard := p.compact(); hard != nil || p.stopped {
			return hard
		}
		switch p.next() {
		case ',':
			p.at++
			p.scratch = append(p.scratch, ',')
		case closing:
			p.at++
			p.scratch = append(p.scratch, closing)
			return nil
		default:
			return p.expected(fmt.Sprintf("',' or %q", closing))
		}
	}
}

// fewNames is how many names are gone through for a duplicate one by one.
const fewNames = 16

// compactName takes the name of a member of an object whose other names lie
// in p.names from first on, and in many unless that is nil.
func (p *parser) compactName(first int, many map[string]bool) *fault {
	p.blanks()
	began := p.at
	scratch := len(p.scratch)
	name, hard := p.memberName()
	if hard != nil {
		return hard
	}
	twice := many[string(name)]
	for i := first; many == nil && i < len(p.names); i++ {
		twice = twice || string(p.names[i]) == string(name)
	}
	if twice {
		p.reportTwice(began, -1, name)
	}
	if many != nil {
		many[string(name)] = true
	} else {
		if len(p.scratch) > scratch { // the name had escapes; it is about to be overwritten
			name = append([]byte{}, name...)
		}
		p.names = append(p.names, name)
	}
	text := bytes.TrimRight(p.buf[began:p.at-1], " \t\r\n")
	p.scratch = append(append(p.scratch[:scratch], text...), ':')
	return nil
}
