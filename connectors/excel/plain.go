package excel

import "bytes"

// plainCells takes cells for as long as they are written as nearly all are,
//
//	<c r="C17" s="1" t="s"><v>4</v></c>
//	<c r="C17" t="inlineStr"><is><t>text</t></is></c>
//	<c r="C17" s="1"/>
//
// and lie whole in the window. What is written in any other way, or is wrong,
// is left to [rowScanner.cell], which takes tag by tag and three times as long.
func (r *rowScanner) plainCells(lastRow int64) error {
	for {
		b := r.buf[r.pos:r.end]
		h, begin := plainHead(b)
		if begin == 0 {
			return nil
		}
		c, length := content{}, 0
		if !h.empty {
			if c, length = plainContent(b[begin:]); length == 0 {
				return nil
			}
		}
		switch {
		case h.row == 0: // it follows its neighbour
			h.column = len(r.cells)
		case h.row < 0 || r.rowNumber != 0 && h.row != r.rowNumber:
			return nil
		default:
			r.rowNumber = h.row
		}
		if err := r.moveTo(h.column, lastRow); err != nil {
			return err
		}
		r.pos += begin + length
		if err := r.take(h.typ, h.style, c, lastRow); err != nil {
			return err
		}
	}
}

// A head is what the start tag of a cell says.
type head struct {
	column int
	row    int64 // 0 where it is not said, -1 where it cannot be understood
	style  int
	typ    cellType
	empty  bool // the tag was <c/>
}

// plainHead takes the start tag of a cell whose attributes are none but r, s
// and t. It returns the length of the tag, 0 for anything else.
func plainHead(b []byte) (h head, length int) {
	const longest = 64 // no such tag is longer
	if len(b) < longest || b[0] != '<' || b[1] != 'c' {
		return h, 0
	}
	b = b[:longest]
	h.typ = 'n'
	i := 2
	for b[i] == ' ' {
		if i >= longest-6 || b[i+2] != '=' || b[i+3] != '"' {
			return h, 0
		}
		start := i + 4
		end := start
		for end < longest-2 && b[end] != '"' {
			end++
		}
		switch value := b[start:end]; b[i+1] {
		case 'r':
			h.column, h.row = parseAddress(value)
		case 's':
			h.style = atoi(value)
		case 't':
			h.typ = typeOf(value)
		default:
			return h, 0
		}
		i = end + 1 // behind what should be the quote
		if b[end] != '"' {
			return h, 0
		}
	}
	switch {
	case b[i] == '>':
		return h, i + 1
	case b[i] == '/' && i+1 < longest && b[i+1] == '>':
		h.empty = true
		return h, i + 2
	}
	return h, 0
}

// plainContent takes what stands between the start tag of a cell and its end:
// a value or a text in which nothing is escaped. It returns the length up to
// the end of the cell, 0 for anything else.
func plainContent(b []byte) (c content, length int) {
	const value, valueEnd = "<v>", "</v></c>"
	const inline, inlineEnd = "<is><t>", "</t></is></c>"
	if len(b) < len(inline) {
		return c, 0
	}
	if string(b[:len(value)]) == value {
		end := len(value)
		for end < len(b) && b[end] != '<' {
			if b[end] == '&' || b[end] == '\r' {
				return c, 0
			}
			end++
		}
		if len(b)-end < len(valueEnd) || string(b[end:end+len(valueEnd)]) != valueEnd {
			return c, 0
		}
		return content{value: b[len(value):end], given: true}, end + len(valueEnd)
	}
	if string(b[:len(inline)]) != inline {
		return c, 0
	}
	n := bytes.IndexByte(b[len(inline):], '<')
	end := len(inline) + n
	if n < 0 || n > maxText || len(b)-end < len(inlineEnd) || string(b[end:end+len(inlineEnd)]) != inlineEnd {
		return c, 0
	}
	text := b[len(inline):end]
	if bytes.IndexByte(text, '&') >= 0 || bytes.IndexByte(text, '\r') >= 0 || bytes.Contains(text, []byte("_x")) {
		return c, 0
	}
	return content{value: text, given: true}, end + len(inlineEnd)
}
