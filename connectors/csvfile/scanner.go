package csvfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"crossdock/connectors"
)

// A format says how a text is cut into rows and cells.
type format struct {
	delimiter string
	recordEnd string // "" is the end of the line: CR, LF or CRLF
	quote     byte
	quoting   bool
}

// Sizes of the scanner's buffer. One block of text, the positions in it and
// its cells fit together into the second-level cache of a processor.
const (
	blockBytes = 256 << 10
	stride     = 64 // bytes looked at together
)

// A scanner cuts a text into rows, and rows into cells.
//
// It works in two steps, block by block. The first finds every byte that may
// mean something (delimiter, quote, line break) and notes its position; it
// has almost no branches. The second walks over these positions alone.
type scanner struct {
	format
	maxCell, maxColumns int
	decoded             bool // the text was decoded to UTF-8, faults became U+FFFD
	reach               int  // bytes to look at from a mark on; 1 in most formats
	resource            string
	names               []string // of the columns, once they are known

	src  io.Reader
	eof  bool
	buf  []byte // a stride longer than what it may hold
	n    int    // bytes in buf
	pos  int    // where the next row begins
	base int64  // offset in the text of buf[0]
	line int64  // of the next row, from 1

	index   []uint32 // positions in buf of bytes that may mean something
	next    int      // the first of them that is not behind pos
	suspect bool     // buf holds text that is not UTF-8, or NUL

	// Of the row that was cut last.
	cells   []connectors.Span // of this row and those before it in the block
	first   int               // its first cell
	stray   int               // its cell that has text behind its closing quote, or -1
	escaped []int             // its cells that have doubled quotes
	breaks  int64             // line breaks in it
	open    openCell          // where a row that is not whole ends
}

// An openCell is the cell in which the text ended.
type openCell struct {
	start, column int
	line          int64
}

func newScanner(src io.Reader, f format, offset, line int64, size int) *scanner {
	return &scanner{
		format: f, src: src, base: offset, line: line, stray: -1,
		reach: max(len(f.delimiter), len(f.recordEnd)), maxCell: 10 << 20, maxColumns: 4096,
		buf: make([]byte, size+stride),
	}
}

// offset returns where the next row begins.
func (s *scanner) offset() int64 { return s.base + int64(s.pos) }

// row cuts the next row, forgetting those before it, and returns io.EOF at the
// end. It is the slow and simple way, for a header or a sample.
func (s *scanner) row(ctx context.Context) ([]connectors.Span, error) {
	for {
		s.cells = s.cells[:0]
		whole, err := s.cut()
		if err != nil || whole {
			return s.cells, err
		}
		if err := s.fill(ctx); err != nil {
			return nil, err
		}
	}
}

// fill reads more text behind the rows that were cut; cells cut before are no
// longer valid. It returns io.EOF when there is no more.
func (s *scanner) fill(ctx context.Context) error {
	if s.eof {
		return io.EOF
	}
	if err := s.checkOpenRow(); err != nil {
		return err
	}
	s.cells = s.cells[:0]
	s.n = copy(s.buf, s.buf[s.pos:s.n])
	s.base += int64(s.pos)
	// Should reading fail now, these are no marks of what the buffer holds.
	s.pos, s.index, s.next = 0, s.index[:0], 0
	if size := len(s.buf) - stride; s.n > size/2 {
		// A row that fills the buffer is read again from its beginning. As the
		// buffer doubles each time, that costs no more than twice the work.
		s.buf = append(s.buf[:s.n], make([]byte, 2*size+stride-s.n)...)
	}
	if err := s.read(ctx); err != nil {
		return err
	}
	s.findMarks()
	s.suspect = s.isSuspect(s.buf[:s.n])
	return nil
}

// checkOpenRow refuses a row that has outgrown its bounds before it ended.
func (s *scanner) checkOpenRow() error {
	if s.n-s.pos <= s.maxCell {
		return nil
	}
	if s.n-s.open.start > s.maxCell {
		return s.cellTooLong(s.open.line, s.open.column)
	}
	if limit := 4 * s.maxCell; s.n-s.pos > limit {
		return s.fail(s.line, -1, fmt.Sprintf("the row has more than %d bytes", limit), "check delimiter and record_end")
	}
	return nil
}

func (s *scanner) read(ctx context.Context) error {
	limit := len(s.buf) - stride
	for idle := 0; s.n < limit && !s.eof; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := s.src.Read(s.buf[s.n:limit])
		s.n += n
		switch {
		case errors.Is(err, io.EOF):
			s.eof = true
		case err != nil:
			failed := s.fail(s.line, -1, "cannot be read to its end", "")
			failed.Err = err
			return failed
		case n > 0:
			idle = 0
		default:
			if idle++; idle > 100 {
				return s.fail(s.line, -1, "cannot be read to its end: nothing comes", "")
			}
		}
	}
	clear(s.buf[s.n:min(s.n+stride, len(s.buf))])
	return nil
}

// isSuspect reports whether rows in the block must be looked at for text that
// is not UTF-8 and for NUL.
func (s *scanner) isSuspect(block []byte) bool {
	if bytes.IndexByte(block, 0) >= 0 {
		return true
	}
	if s.decoded {
		return bytes.Contains(block, []byte("\uFFFD"))
	}
	if !s.eof {
		block = connectors.WholeRunes(block)
	}
	return !validUTF8(block)
}

// validUTF8 is utf8.Valid for text that is mostly ASCII with some letters
// beyond it: it passes over ASCII by 32 bytes, and over the letters of Europe,
// which are two bytes, without a call.
func validUTF8(text []byte) bool {
	const highs = 0x8080808080808080
	for i := 0; i < len(text); {
		for ; i+32 <= len(text); i += 32 {
			b := (*[32]byte)(text[i:])
			if (binary.LittleEndian.Uint64(b[:])|binary.LittleEndian.Uint64(b[8:])|
				binary.LittleEndian.Uint64(b[16:])|binary.LittleEndian.Uint64(b[24:]))&highs != 0 {
				break
			}
		}
		if i+8 <= len(text) {
			high := binary.LittleEndian.Uint64(text[i:]) & highs
			i += bits.TrailingZeros64(high) / 8 // 8 when there is none
			if high == 0 {
				continue
			}
			if i+1 < len(text) && text[i] >= 0xc2 && text[i] <= 0xdf && text[i+1]&0xc0 == 0x80 {
				i += 2
				continue
			}
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return false
		}
		i += size
	}
	return true
}

// findMarks notes the positions of all bytes that may mean something. It may
// note a few more, so that whoever uses one looks at the byte itself.
func (s *scanner) findMarks() {
	const ones, highs, gather = 0x0101010101010101, 0x8080808080808080, 0x0102040810204080
	const breaks = ones * ('\r' + 1) // greater than CR, LF and a few others
	if need := s.n + 2*stride; cap(s.index) < need {
		s.index = make([]uint32, need)
	}
	marks := s.index[:cap(s.index)]
	special := s.recordEnd != ""
	delimiter, quote, end := ones*uint64(s.delimiter[0]), ones*uint64(s.quote), uint64(0)
	if special {
		end = ones * uint64(s.recordEnd[0])
	}
	count := 0
	for i := 0; i < s.n; i += stride {
		block := (*[stride]byte)(s.buf[i:])
		var mask uint64
		for j := 0; j < stride; j += 8 {
			w := binary.LittleEndian.Uint64(block[j : j+8])
			d, q := w^delimiter, w^quote
			// x-ones borrows into the high bit of each byte that is zero.
			found := ((d - ones) &^ d) | ((q - ones) &^ q) | ((w - breaks) &^ w)
			if special {
				e := w ^ end
				found |= (e - ones) &^ e
			}
			// The product gathers the eight high bits in its topmost byte.
			mask |= ((found & highs) >> 7 * gather >> 56) << j
		}
		// Writing by fours, whether needed or not, spares a branch for each.
		at := marks[count : count+stride+4]
		n := bits.OnesCount64(mask)
		for k := 0; k < n; k += 4 {
			for l := range 4 {
				at[k+l] = uint32(i + bits.TrailingZeros64(mask))
				mask &= mask - 1
			}
		}
		count += n
	}
	for count > 0 && int(marks[count-1]) >= s.n {
		count--
	}
	s.index, s.next = marks[:count], 0
}

// cut cuts one row and appends its cells. It reports false, and forgets the
// row, when the text in the buffer ends before the row does: more has to be
// read. At the end of the file it reports false when there is no row left.
func (s *scanner) cut() (whole bool, err error) {
	text, marks, from := s.buf[:s.n], s.index, s.pos
	delimiter, width, quote, closed := s.delimiter[0], len(s.delimiter), s.quote, 0
	s.first, s.stray, s.escaped, s.breaks = len(s.cells), -1, s.escaped[:0], 0
	for k := s.next; k < len(marks); {
		p := int(marks[k])
		k++
		switch c := text[p]; {
		case s.reach > 1 && p+s.reach > len(text) && !s.eof:
			return s.unfinished(from)
		case c == delimiter && (width == 1 || bytes.HasPrefix(text[p:], []byte(s.delimiter))):
			s.addCell(from, p, closed)
			if len(s.cells)-s.first >= s.maxColumns {
				return false, s.fail(s.line, -1, fmt.Sprintf("the row has more than %d cells", s.maxColumns), "raise max_columns if that is right")
			}
			from, closed = p+width, 0
			for width > 1 && k < len(marks) && int(marks[k]) < from {
				k++
			}
		case c == quote && p == from && s.quoting:
			begun := s.line + s.breaks
			if k, closed = s.closingQuote(k); closed == 0 {
				return s.unclosed(from, begun)
			}
		case c == '\n' || c == '\r':
			length := s.lineBreak(p)
			if length == 0 {
				return s.unfinished(from)
			}
			s.breaks++
			k += length - 1
			if s.recordEnd == "" {
				s.addCell(from, p, closed)
				return true, s.endRow(p+length, k)
			}
		case s.recordEnd != "" && bytes.HasPrefix(text[p:], []byte(s.recordEnd)):
			return s.endRecord(from, p, closed, k)
		}
	}
	if !s.eof {
		return s.unfinished(from)
	}
	if from == s.n && len(s.cells) == s.first {
		return false, nil
	}
	s.addCell(from, s.n, closed)
	return true, s.endRow(s.n, len(marks))
}

// addCell appends the cell between from and to; closed is where its closing
// quote is, or 0.
func (s *scanner) addCell(from, to, closed int) {
	if closed > 0 {
		if closed+1 == to {
			from, to = from+1, closed
		} else if s.stray < 0 {
			s.stray = len(s.cells) - s.first
		}
	}
	s.cells = append(s.cells, connectors.Span{Start: uint32(from), End: uint32(to)})
}

// closingQuote returns the position of the quote that closes a cell, or 0 when
// it has not been read, and the mark behind it.
func (s *scanner) closingQuote(k int) (next, closed int) {
	doubled := false
	for k < len(s.index) {
		p := int(s.index[k])
		k++
		switch c := s.buf[p]; {
		case c == s.quote && p+1 == s.n && !s.eof:
			return k, 0 // the next byte tells whether it is doubled
		case c == s.quote && p+1 < s.n && s.buf[p+1] == s.quote:
			doubled = true
			k++
		case c == s.quote:
			if doubled {
				s.escaped = append(s.escaped, len(s.cells))
			}
			return k, p
		case c == '\n' || c == '\r':
			length := s.lineBreak(p)
			if length == 0 {
				return k, 0
			}
			s.breaks++
			k += length - 1
		}
	}
	return k, 0
}

// lineBreak returns the length of the line break at p, or 0 when the byte that
// tells has not been read.
func (s *scanner) lineBreak(p int) int {
	switch {
	case s.buf[p] == '\n' || p+1 == s.n && s.eof:
		return 1
	case p+1 == s.n:
		return 0
	case s.buf[p+1] == '\n':
		return 2
	}
	return 1
}

// endRecord ends a row at the text that ends rows, with the line break that
// follows it in most files.
func (s *scanner) endRecord(from, p, closed, k int) (bool, error) {
	end := p + len(s.recordEnd)
	length := 0
	switch {
	case end == s.n && !s.eof:
		return s.unfinished(from)
	case end < s.n && (s.buf[end] == '\n' || s.buf[end] == '\r'):
		if length = s.lineBreak(end); length == 0 {
			return s.unfinished(from)
		}
		s.breaks++
	}
	s.addCell(from, p, closed)
	for k < len(s.index) && int(s.index[k]) < end+length {
		k++
	}
	return true, s.endRow(end+length, k)
}

// endRow moves behind the row.
func (s *scanner) endRow(pos, next int) error {
	line, length := s.line, pos-s.pos
	s.pos, s.next = pos, next
	s.line += s.breaks
	if length > s.maxCell {
		for i, cell := range s.cells[s.first:] {
			if int(cell.End-cell.Start) > s.maxCell {
				return s.cellTooLong(line, i)
			}
		}
	}
	if s.stray >= 0 {
		return nil // the row is a reject, which shows its quotes as they are
	}
	for _, i := range s.escaped {
		cell := &s.cells[i]
		cell.End = cell.Start + uint32(undouble(s.buf[cell.Start:cell.End], s.quote))
	}
	return nil
}

// undouble takes one quote out of each pair, in place, and returns the length
// that remains.
func undouble(cell []byte, quote byte) int {
	n := 0
	for i := 0; i < len(cell); i++ {
		cell[n] = cell[i]
		n++
		if cell[i] == quote {
			i++
		}
	}
	return n
}

// unfinished forgets the row that begins at pos, of which the cell at from is
// not all read.
func (s *scanner) unfinished(from int) (bool, error) {
	s.open = openCell{start: from, column: len(s.cells) - s.first, line: s.line}
	s.cells = s.cells[:s.first]
	return false, nil
}

// unclosed does so in a quoted cell, for which there has to be more text.
func (s *scanner) unclosed(from int, line int64) (bool, error) {
	column := len(s.cells) - s.first
	if s.eof {
		return false, s.fail(line, column, "the quote that opens this cell is never closed", "close it, or set quote to none if quotes mean nothing in this file")
	}
	_, _ = s.unfinished(from)
	s.open.line = line
	return false, nil
}

func (s *scanner) cellTooLong(line int64, column int) error {
	return s.fail(line, column, fmt.Sprintf("the cell has more than %d bytes: a closing quote is probably missing", s.maxCell),
		"look at the quotes from this row on, or raise max_cell if the cell is right")
}

// fail makes an error about a line and, unless it is negative, a column.
func (s *scanner) fail(line int64, column int, message, hint string) *connectors.Error {
	place := connectors.Place{Resource: s.resource, Row: line}
	switch {
	case column >= 0 && column < len(s.names):
		place.Column = s.names[column]
	case column >= 0:
		place.Column = strconv.Itoa(column + 1)
	}
	return &connectors.Error{Place: place, Message: message, Hint: hint}
}
